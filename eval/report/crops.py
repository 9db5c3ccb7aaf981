"""Crops of a run's saved images, where two models differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from eval.run import saved_images
from eval.run.rows import TableCell
from swin2sr import metrics
from swin2sr.images.resize import INPUT

SIDE = 64  # pixels of a window in the original


@dataclass(frozen=True, eq=False)
class Crop:
    """Crop in a row of crops: (H, W, 3) or (H, W) uint8, and the caption below it."""

    caption: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Window:
    """Window of an original: its image and its top left corner in pixels."""

    image: str
    top: int
    left: int
    difference: float


def most_different(
    out: Path, cells: tuple[TableCell, TableCell], images: Sequence[str], count: int = 3
) -> list[Window]:
    """Find the images and windows where the outputs of two cells differ most, one an image.

    Args:
        out: a run's folder. cells: two models of one task. images: names to look at.
        count: how many windows, at most.
    Returns:
        Sorted by the mean absolute difference in levels; images that were not saved are left out.
    """
    found = []
    for image in images:
        pair = [_read(out, cell, image, saved_images.output(cell.model)) for cell in cells]
        if pair[0] is None or pair[1] is None:
            continue
        distance = np.abs(pair[0].astype(np.float64) - pair[1])
        plane = distance if distance.ndim == 2 else distance.mean(axis=2)
        found.append(Window(image, *metrics.largest_window(plane, SIDE, SIDE)))
    return sorted(found, key=lambda window: (-window.difference, window.image))[:count]


def crop_row(out: Path, cells: Sequence[TableCell], window: Window) -> list[Crop]:
    """Crops of a window: of the original, of the input, and of what each model made.

    The input is shown once, also where it is one of the models.

    Args:
        out: a run's folder. cells: models of one task, in the order to show. window: where.
    """
    crops = []
    original = _read(out, cells[0], window.image, saved_images.ORIGINAL)
    given = _read(out, cells[0], window.image, saved_images.INPUT)
    if original is None or given is None:
        return []
    wanted = _cut(original, window)
    crops.append(Crop("original", wanted))
    if all(cell.model != INPUT for cell in cells):
        crops.append(Crop("input", _cut(_enlarged(given, cells[0].scale), window)))
    for cell in cells:
        output = _read(out, cell, window.image, saved_images.output(cell.model))
        if output is not None:
            part = _cut(output, window)
            psnr = metrics.psnr(part, wanted, channel="rgb")
            crops.append(Crop(f"{cell.model}\n{psnr:.2f} dB here", part))
    return crops


def _cut(pixels: np.ndarray, window: Window) -> np.ndarray:
    return pixels[window.top : window.top + SIDE, window.left : window.left + SIDE]


def _enlarged(pixels: np.ndarray, scale: int) -> np.ndarray:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def _read(out: Path, cell: TableCell, image: str, stem: str) -> np.ndarray | None:
    path = saved_images.place(out, cell, image) / f"{stem}.png"
    try:
        with Image.open(path) as file:
            return np.array(file)
    except (OSError, SyntaxError, ValueError):
        return None
