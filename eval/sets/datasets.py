"""Benchmark sets: which there are, and their images, in any layout of ``layouts``.

Urban100 in the layout ``image_SRF_N`` holds originals of two sizes. Papers use those of 1024 pixels
(``image_SRF_4``) at every scale, so these are taken and small images made; the pairs of half the
size in ``image_SRF_2`` are a set of their own, ``Urban100-half``, which compares to no print.

Letter case does not matter. Small images that are there are compared with what MATLAB would have
made of the large ones, since people's folders hold others too, and those score differently.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from eval.sets.layouts import (
    Item,
    descend,
    folders_in,
    images_in,
    is_half,
    layouts,
    places_of,
    side_by_side,
    urban_originals,
)
from swin2sr.console import printable
from swin2sr.errors import ConfigError, ImageError
from swin2sr.images.resize import BORDERS, imresize
from swin2sr.images.samples import photograph_file

SAMPLE = "Sample"
URBAN, HALF = "Urban100", "Urban100-half"
SAMPLE_FILES = ("astronaut", "camera", "chelsea", "coffee")  # photographs, free of rights
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
    KnownSet(URBAN, 100),
    KnownSet("Manga109", 109),
    KnownSet("DIV2K", 100, ("DIV2K_valid", "DIV2K100")),
    KnownSet("LIVE1", 29, restores=True),
    KnownSet("Classic5", 5, restores=True),
)


@dataclass(frozen=True)
class Benchmark:
    """Benchmark: the images of a set at one scale, in the order of their names.

    Args:
        name: canonical, or the folder's for a set of one's own.
        scale: factor between LR and HR; 1 for restoration.
        items: at least one.
        expected: how many images the set of that name has; None for a set of one's own.
        remark: what must be known about the files, "" for nothing.
    """

    name: str
    scale: int
    items: tuple[Item, ...]
    expected: int | None = None
    remark: str = ""

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
    if name.casefold() == HALF.casefold():
        return HALF, (URBAN,), 100
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
    if label in (URBAN, HALF) and (found := _urban(folder, label, scale)):
        return found
    for items in () if label == HALF else layouts(folder, names, scale):
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
        known.name
        for known in KNOWN
        if next(layouts(folder, (known.name, *known.aliases), None), None) is not None
        and not (known.name == URBAN and is_half(urban_originals(folder)))
    ]
    others = sorted(
        place.name
        for place in folders_in(folder)
        if canonical(place.name)[2] is None and images_in(descend(place, "HR"))
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


def _urban(folder: Path, label: str, scale: int) -> Benchmark | None:
    """Urban100 or its half-size pairs in the layout ``image_SRF_N``; None in every other layout."""
    if label == HALF:
        for place in places_of(folder, (URBAN,)):
            items = side_by_side(place, scale)
            if items and is_half([(item.hr, None) for item in items]):
                remark = f"{HALF}: originals of half the size of papers', compare to no print."
                return Benchmark(HALF, scale, items, 100, remark)
        return None
    originals = urban_originals(folder)
    if is_half(originals):
        raise ConfigError(
            f"{URBAN} is here with originals of half the size only, which papers do not use.",
            remedy=f"Add its folder image_SRF_4, or ask for {HALF!r}.",
        )
    items = tuple(
        Item(
            printable(path.stem.split("_SRF_")[0]),
            path,
            lr if f"SRF_{scale}_" in path.name else None,
        )
        for path, lr in originals
    )
    folders = ", ".join(sorted({path.parent.name for path, _ in originals}))
    remark = f"{URBAN}: originals of {folders}, the largest here, as papers use at every scale."
    return Benchmark(URBAN, scale, items, 100, remark) if items else None
