"""Benchmark folders as people have them: high-resolution images and, beside them, small ones.

    Set5/HR/baby.png
    Set5/LR_bicubic/X2/babyx2.png      (or baby.png)

Without LR images they are made with our MATLAB-compatible ``imresize``; the signature of a result
says which were used, since the two differ when the distributed ones were made otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from swin2sr.errors import ConfigError, ImageError
from swin2sr.resize import imresize

SUFFIXES = (".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Item:
    """One image of a benchmark: its name, its HR file, and its LR file if there is one."""

    name: str
    hr: Path
    lr: Path | None


@dataclass(frozen=True)
class Benchmark:
    """A set of images at one scale; ``lr_origin`` is "matlab" (files) or "imresize" (made here)."""

    name: str
    scale: int
    items: tuple[Item, ...]
    lr_origin: str


def find(folder: Path, name: str, scale: int) -> Benchmark:
    """Look up a benchmark in a folder of benchmarks.

    Args:
        folder: holds one folder per benchmark. name: of the benchmark. scale: 2, 3, 4, ...
    Returns:
        Its images in the order of their names.
    Raises:
        ConfigError: no such folder or no images in it (the message lists what is there), or
            LR files for some of the images only.
    """
    images = _images(folder / name / "HR")
    if not images:
        sets = sorted(path.parent.name for path in folder.glob("*/HR"))
        raise ConfigError(
            f"No images in {str(folder / name / 'HR')!r}.",
            remedy=f"Sets found there: {', '.join(sets) or 'none'}.",
        )
    small = {path.stem: path for path in _images(folder / name / "LR_bicubic" / f"X{scale}")}
    items = tuple(
        Item(path.stem, path, small.get(f"{path.stem}x{scale}", small.get(path.stem)))
        for path in images
    )
    without = [item.name for item in items if item.lr is None]
    if small and without:
        raise ConfigError(f"{name} x{scale} has no LR image for {', '.join(without)}.")
    return Benchmark(name, scale, items, "matlab" if small else "imresize")


def load(item: Item, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the pair of an item as the published scripts do.

    Args:
        item: from ``find``. scale: the benchmark's.
    Returns:
        lr (h, w, 3) and hr (h * scale, w * scale, 3), uint8: grey images become RGB with equal
        channels, HR is cropped from the top left to the LR size times the scale.
    Raises:
        ImageError: a file cannot be read, or HR is smaller than the LR image asks for.
    """
    hr = _read(item.hr)
    if item.lr is None:
        height, width = (side - side % scale for side in hr.shape[:2])
        lr = imresize(hr[:height, :width], 1 / scale)
    else:
        lr = _read(item.lr)
    height, width = (side * scale for side in lr.shape[:2])
    if hr.shape[0] < height or hr.shape[1] < width:
        raise ImageError(
            f"{item.name}: HR is {hr.shape[1]}x{hr.shape[0]}, LR asks for {width}x{height}.",
            code="range",
        )
    return lr, hr[:height, :width]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"Cannot read {path.name!r}: {error}.", code="corrupt") from error
