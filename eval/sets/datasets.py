"""Benchmark sets in the layouts people have them in.

    Set5/HR/baby.png                        Set5/LR_bicubic/X2/babyx2.png   (or baby.png)
    Set14/image_SRF_2/img_001_SRF_2_HR.png  Set14/image_SRF_2/img_001_SRF_2_LR.png
    Set5_HR/baby.png                        Set5_LR_x2/baby.png
    DIV2K_valid_HR/0801.png                 DIV2K_valid_LR_bicubic/X2/0801x2.png
    Manga109/ARMS.png                       (no small images: they are made by our ``imresize``)

Letter case does not matter. Small images that are there are compared with what MATLAB would have
made of the large ones, since people's folders hold others too, and those score differently.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from swin2sr.console import printable
from swin2sr.errors import ConfigError, ImageError
from swin2sr.images.resize import BORDERS, imresize
from swin2sr.images.samples import photograph_file

SUFFIXES = (".png", ".bmp", ".jpeg", ".jpg", ".tif", ".tiff", ".webp")
SAMPLE = "Sample"
SAMPLE_FILES = ("astronaut", "camera", "chelsea", "coffee")  # photographs, free of rights
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
# HR may exceed LR * scale: people crop to a multiple of the scale, or of 12 for all scales at once.
_MOST_EXCESS = 12


@dataclass(frozen=True)
class KnownSet:
    """Known set of the literature.

    Args:
        name: as results call it. images: how many it has. aliases: other names for its folder.
        restores: whether papers use it for restoration, not for enlarging.
    """

    name: str
    images: int
    aliases: tuple[str, ...] = ()
    restores: bool = False


KNOWN = (
    KnownSet("Set5", 5),
    KnownSet("Set14", 14),
    KnownSet("BSD100", 100, ("B100", "BSDS100")),
    KnownSet("Urban100", 100),
    KnownSet("Manga109", 109),
    KnownSet("DIV2K", 100, ("DIV2K_valid", "DIV2K100")),
    KnownSet("LIVE1", 29, restores=True),
    KnownSet("Classic5", 5, restores=True),
)


@dataclass(frozen=True)
class Item:
    """Item of a set, one image: its name (printable), its HR file, its LR file if there is one."""

    name: str
    hr: Path
    lr: Path | None = None


@dataclass(frozen=True)
class Benchmark:
    """Benchmark: the images of a set at one scale, in the order of their names.

    Args:
        name: canonical, or the folder's for a set of one's own.
        scale: factor between LR and HR; 1 for restoration.
        items: at least one.
        expected: how many images the set of that name has; None for a set of one's own.
    """

    name: str
    scale: int
    items: tuple[Item, ...]
    expected: int | None = None

    @property
    def complete(self) -> bool:
        """Completeness: as many images as the literature's set of that name."""
        return self.expected in (None, len(self.items))

    def digest(self) -> str:
        """sha256 over names and contents of all files: equal only for equal images."""
        total = hashlib.sha256()
        for item in self.items:
            for path in (item.hr, item.lr):
                try:
                    content = b"" if path is None else path.read_bytes()
                except OSError:
                    content = b"unreadable"  # its image will fail, and say why
                total.update(hashlib.sha256(content).digest())
            total.update(item.name.encode())
        return total.hexdigest()


@dataclass(frozen=True, eq=False)
class Pair:
    """Pair of an item's two images as they are in their files.

    Args:
        hr: (H, W, 3) uint8, or (H, W) from a file of one channel; cropped to ``lr``'s size times
            the scale.
        lr: (h, w, 3) or (h, w) uint8, or None at scale 1 and where it must be made.
        lr_origin: "mirror" or "edge" for files equal to MATLAB's bicubic with that border in
            every pixel, "other" for other files, "made" when it must be made, "none" at scale 1.
    """

    hr: np.ndarray
    lr: np.ndarray | None
    lr_origin: str


def canonical(name: str) -> tuple[str, tuple[str, ...], int | None]:
    """(name in results, names its folder may have, number of images) of a set."""
    for known in KNOWN:
        names = (known.name, *known.aliases)
        if name.casefold() in (n.casefold() for n in names):
            return known.name, names, known.images
    if name.casefold() == SAMPLE.casefold():
        return SAMPLE, (SAMPLE,), None
    return name, (name,), None


def is_usual(name: str, scale: int) -> bool:
    """Tell whether papers use a set for tasks of this scale; one's own sets are for all."""
    label = canonical(name)[0]
    return all(known.restores == (scale == 1) for known in KNOWN if known.name == label)


def find(folder: Path | None, name: str, scale: int) -> Benchmark:
    """Look up a set.

    Args:
        folder: holds the sets (or is the set itself); not needed for ``SAMPLE``.
        name: of the set, in any letter case. scale: 1, 2, 3, 4, ...
    Raises:
        ConfigError: no such folder or no images in it (the message lists what is there), LR files
            for some of the images only, or two files of one name.
    """
    label, names, expected = canonical(name)
    if label == SAMPLE:
        return sample(scale)
    if folder is None:
        raise ConfigError(
            f"No folder was given to look for {name!r} in.",
            remedy=f"Give --data FOLDER, or use the packaged set {SAMPLE!r}.",
        )
    for items in _layouts(folder, names, scale):
        without = [item.name for item in items if item.lr is None]
        if len(without) < len(items) and without:
            raise ConfigError(f"{label} x{scale} has no LR image for {', '.join(without)}.")
        return Benchmark(printable(label), scale, items, expected)
    raise ConfigError(
        f"No images of {name!r} x{scale} in {str(folder)!r}.",
        remedy=f"Sets found there: {', '.join(available(folder)) or 'none'}.",
    )


def available(folder: Path) -> list[str]:
    """Canonical names of the sets in a folder: the literature's, then others with an ``HR``."""
    known = [
        name.name
        for name in KNOWN
        if next(_layouts(folder, (name.name, *name.aliases), None), None) is not None
    ]
    others = sorted(
        place.name
        for place in _folders(folder)
        if canonical(place.name)[2] is None and _images(_descend(place, "HR"))
    )
    return known + others


def sample(scale: int) -> Benchmark:
    """Photographs that come with scikit-image: no set of the literature, but always there.

    Source: scikit-image's data folder; public domain (NASA) and CC0.
    """
    items = tuple(Item(name, photograph_file(name)) for name in SAMPLE_FILES)
    return Benchmark(SAMPLE, scale, items)


def load(item: Item, scale: int, *, make_lr: bool = False) -> Pair:
    """Read the images of an item.

    Args:
        item: from ``find``. scale: its benchmark's. make_lr: leave LR files alone.
    Raises:
        ImageError: a file cannot be read, or the sizes do not fit each other.
    """
    hr = _read(item.hr)
    if scale == 1:
        return Pair(hr, None, "none")
    if item.lr is None or make_lr:
        return Pair(hr, None, "made")
    lr = _read(item.lr)
    if hr.ndim != lr.ndim:  # one of the two files has one channel, the other three
        hr, lr = as_rgb(hr), as_rgb(lr)
    height, width = (side * scale for side in lr.shape[:2])
    excess = (hr.shape[0] - height, hr.shape[1] - width)
    if min(excess) < 0 or max(excess) >= max(scale, _MOST_EXCESS):
        raise ImageError(
            f"{item.name}: HR is {hr.shape[1]}x{hr.shape[0]}, LR asks for {width}x{height} "
            f"at x{scale}.",
            code="range",
            remedy="Is this the LR image of another scale?",
        )
    hr = hr[:height, :width]
    made = (border for border in BORDERS if _is_made_by(lr, hr, scale, border))
    return Pair(hr, lr, next(made, "other"))


def as_rgb(image: np.ndarray) -> np.ndarray:
    """(H, W) -> (H, W, 3) with equal channels; (H, W, 3) as it is."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _is_made_by(lr: np.ndarray, hr: np.ndarray, scale: int, border: str) -> bool:
    return np.array_equal(lr, imresize(hr, 1 / scale, border=border))


def _read(path: Path) -> np.ndarray:
    """Pixels as OpenCV gives them to the published scripts: as stored, profiles unused.

    (H, W) for a file of one channel only: print treats one of Set14's two grey images as grey, the
    one that is stored so, and the other, stored as RGB, as RGB.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("1", "L", "P", "RGB", "RGBA"):
                raise ImageError(
                    f"{path.name!r} has pixels of the kind {image.mode!r}; sets have 8-bit grey "
                    "or RGB.",
                    code="range",
                )
            if image.has_transparency_data and _is_seen_through(image):
                raise ImageError(f"{path.name!r} is transparent; sets are opaque.", code="range")
            pixels = np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"Cannot read {path.name!r}: {error}.", code="corrupt") from error
    return pixels


def _is_seen_through(image: Image.Image) -> bool:
    return int(np.asarray(image.convert("RGBA"))[..., 3].min()) < 255


# ------------------------------------------------------------------------------------ the layouts


def _layouts(folder: Path, names: Sequence[str], scale: int | None) -> Iterator[tuple[Item, ...]]:
    """Items of a set in every layout it is found in; ``scale`` None: any, without LR."""
    places = [p for p in _folders(folder) if _is_one_of(p.name, names)]
    if _is_one_of(folder.resolve().name, names):
        places.append(folder)
    for place in places:
        if items := _side_by_side(place, scale):
            yield items
    for place in dict.fromkeys((*places, folder)):
        # HR and LR beside other sets would belong to none of them: there, names are asked for.
        named = "{name}" if place not in places else ""
        hr, lr = ([f for f in forms if named in f] for forms in (HR_FOLDERS, LR_FOLDERS))
        for name in names:
            for form in hr:
                images = _images(_descend(place, form.format(name=name)))
                if not images:
                    continue
                if scale is None:
                    yield tuple(Item(printable(path.stem), path) for path in images)
                    continue
                folders = [_descend(place, one.format(name=name, scale=scale)) for one in lr]
                yield _paired(images, folders if scale != 1 else [], scale)


def _side_by_side(place: Path, scale: int | None) -> tuple[Item, ...]:
    """``image_SRF_2/img_001_SRF_2_HR.png`` and its ``..._LR.png``."""
    wanted = r"\d+" if scale is None else str(scale)
    items: dict[str, dict[str, Path]] = {}
    for inside in _folders(place):
        if not re.fullmatch(f"image_SRF_{wanted}", inside.name, re.IGNORECASE):
            continue
        for path in _images(inside):
            match = re.fullmatch(rf"(.+)_SRF_{wanted}_(HR|LR)", path.stem, re.IGNORECASE)
            if match:
                items.setdefault(match[1], {})[match[2].upper()] = path
    return tuple(
        Item(printable(stem), files["HR"], files.get("LR"))
        for stem, files in sorted(items.items())
        if "HR" in files
    )


def _paired(images: list[Path], folders: Sequence[Path | None], scale: int) -> tuple[Item, ...]:
    """HR images with the LR images of the first of ``folders`` that holds any."""
    small = next((found for folder in folders if (found := _images(folder))), [])
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


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _descend(folder: Path, relative: str) -> Path | None:
    """Folder below ``folder`` at a path given in any letter case."""
    here: Path | None = folder
    for part in filter(None, relative.split("/")):
        inside = _folders(here) if here is not None else []
        here = next((path for path in inside if _is_one_of(path.name, (part,))), None)
    return here


def _images(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
