"""Layouts that people have benchmark sets in.

    Set5/HR/baby.png                        Set5/LR_bicubic/X2/babyx2.png   (or baby.png)
    Set14/image_SRF_2/img_001_SRF_2_HR.png  Set14/image_SRF_2/img_001_SRF_2_LR.png
    Set5_HR/baby.png                        Set5_LR_x2/baby.png
    DIV2K_valid_HR/0801.png                 DIV2K_valid_LR_bicubic/X2/0801x2.png
    Manga109/ARMS.png                       (no small images: they are made by our ``imresize``)

Letter case does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from swin2sr.console import printable
from swin2sr.errors import ConfigError

SUFFIXES = (".png", ".bmp", ".jpeg", ".jpg", ".tif", ".tiff", ".webp")
HR_FOLDERS = ("HR", "GT", "GTmod12", "original", "{name}_HR", "{name}_valid_HR", "")
LR_FOLDERS = (
    "LR_bicubic/X{scale}",
    "LR/X{scale}",
    "LRbicx{scale}",
    "LR_x{scale}",
    "{name}_LR_x{scale}",
    "{name}_LR_bicubic/X{scale}",
    "{name}_valid_LR_bicubic/X{scale}",
)
LR_STEMS = ("{stem}x{scale}", "{stem}_x{scale}", "{stem}")
_FULL_SIDE = 800  # pixels of an original's longer side: print's have 1024, half-size ones 512


@dataclass(frozen=True)
class Item:
    """Item of a set, one image: its name (printable), its HR file, its LR file if there is one."""

    name: str
    hr: Path
    lr: Path | None = None


def places_of(folder: Path, names: Sequence[str]) -> list[Path]:
    """Folders of a set: those of one of its names in ``folder``, or that folder itself."""
    places = [p for p in folders_in(folder) if _is_one_of(p.name, names)]
    if _is_one_of(folder.resolve().name, names):
        places.append(folder)
    return places


def layouts(folder: Path, names: Sequence[str], scale: int | None) -> Iterator[tuple[Item, ...]]:
    """Items of a set in every layout it is found in; ``scale`` None: any, without LR.

    Raises:
        ConfigError: two files of one name, or LR files that none of the HR files fits.
    """
    places = places_of(folder, names)
    for place in places:
        if items := side_by_side(place, scale):
            yield items
    for place in dict.fromkeys((*places, folder)):
        # HR and LR beside other sets would belong to none of them: there, names are asked for.
        named = "{name}" if place not in places else ""
        hr, lr = ([f for f in forms if named in f] for forms in (HR_FOLDERS, LR_FOLDERS))
        for name in names:
            for form in hr:
                images = images_in(descend(place, form.format(name=name)))
                if not images:
                    continue
                if scale is None:
                    yield tuple(Item(printable(path.stem), path) for path in images)
                    continue
                folders = [descend(place, one.format(name=name, scale=scale)) for one in lr]
                yield _paired(images, folders if scale != 1 else [], scale)


def side_by_side(place: Path, scale: int | None) -> tuple[Item, ...]:
    """``image_SRF_2/img_001_SRF_2_HR.png`` and its ``..._LR.png``."""
    wanted = r"\d+" if scale is None else str(scale)
    items: dict[str, dict[str, Path]] = {}
    for inside in folders_in(place):
        if not re.fullmatch(f"image_SRF_{wanted}", inside.name, re.IGNORECASE):
            continue
        for path in images_in(inside):
            match = re.fullmatch(rf"(.+)_SRF_{wanted}_(HR|LR)", path.stem, re.IGNORECASE)
            if match:
                items.setdefault(match[1], {})[match[2].upper()] = path
    return tuple(
        Item(printable(stem), files["HR"], files.get("LR"))
        for stem, files in sorted(items.items())
        if "HR" in files
    )


def urban_originals(folder: Path) -> list[tuple[Path, Path | None]]:
    """Largest original of each image of Urban100 in ``image_SRF_N``, with the LR file beside it."""
    largest: dict[str, tuple[int, Path]] = {}
    for place in places_of(folder, ("Urban100",)):
        for inside in folders_in(place):
            for path in images_in(inside):
                match = re.fullmatch(r"(.+)_SRF_\d+_HR", path.stem, re.IGNORECASE)
                if match:
                    sized = (_longer_side(path), path)
                    largest[match[1]] = max(largest.get(match[1], sized), sized)
    found = []
    for _, (_, path) in sorted(largest.items()):
        lr = path.with_name(re.sub("HR(?=[.])", "LR", path.name, flags=re.IGNORECASE))
        found.append((path, lr if lr.is_file() else None))
    return found


def is_half(originals: Sequence[tuple[Path, Path | None]]) -> bool:
    """Tell originals of Urban100 of half the size by the longest side of any."""
    return bool(originals) and max(_longer_side(path) for path, _ in originals) < _FULL_SIDE


def _longer_side(path: Path) -> int:
    """Longer side in pixels; 0 of a file that cannot be read, which fails when its turn comes."""
    try:
        with Image.open(path) as image:
            return max(image.size)
    except (OSError, ValueError, SyntaxError):
        return 0


def _paired(images: list[Path], folders: Sequence[Path | None], scale: int) -> tuple[Item, ...]:
    """HR images with the LR images of the first of ``folders`` that holds any."""
    small = next((found for folder in folders if (found := images_in(folder))), [])
    by_stem = _by_stem(small)
    items = []
    for stem, path in sorted(_by_stem(images).items()):
        stems = (form.format(stem=stem, scale=scale) for form in LR_STEMS)
        lr = next((by_stem[one] for one in stems if one in by_stem), None)
        items.append(Item(printable(stem), path, lr))
    if small and not any(item.lr for item in items):
        raise ConfigError(
            f"No file in {str(small[0].parent)!r} is named after an HR image, as "
            f"{images[0].stem}x{scale}{small[0].suffix} would be.",
            remedy="Rename them, or move them away to have LR images made from the HR ones.",
        )
    return tuple(items)


def _by_stem(images: list[Path]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for path in images:
        if path.stem in stems:
            raise ConfigError(
                f"{path.name!r} and {stems[path.stem].name!r} in one folder are one image's name.",
                remedy="Keep one of them.",
            )
        stems[path.stem] = path
    return stems


def _is_one_of(name: str, names: Sequence[str]) -> bool:
    return name.casefold() in (other.casefold() for other in names)


def folders_in(folder: Path) -> list[Path]:
    """Folders in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def descend(folder: Path, relative: str) -> Path | None:
    """Folder below ``folder`` at a path given in any letter case."""
    here: Path | None = folder
    for part in filter(None, relative.split("/")):
        inside = folders_in(here) if here is not None else []
        here = next((path for path in inside if _is_one_of(path.name, (part,))), None)
    return here


def images_in(folder: Path | None) -> list[Path]:
    """Pictures in a folder, sorted; none where it cannot be read."""
    if folder is None:
        return []
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
