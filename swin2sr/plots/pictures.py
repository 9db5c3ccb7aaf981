"""Figures of pictures beside each other: whole ones, one place close up, and error maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr import metrics
from swin2sr.errors import ShapeError
from swin2sr.plots.style import (
    HEAT,
    SMALL,
    WINDOW,
    new_figure,
    outline,
    picture_grid,
    picture_of,
    show,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 2.0  # inches, of a picture
MOST_LEVELS = 48.0  # of error that are told apart: one scale for all maps, so that they compare


def picture_row(several: Mapping[str, Any], columns: int = 4) -> Figure:
    """Pictures beside each other, their pixels as squares.

    Args:
        several: by caption; each anything ``Upscaler`` takes, of any size.
        columns: of a row; what does not fit goes on below.
    Raises:
        ShapeError: no picture, or no column. ImageError, KindError: one cannot be used.
    """
    pictures = [(caption, picture_of(one)) for caption, one in several.items()]
    if not pictures or columns < 1:
        raise ShapeError("There must be at least one picture and one column.")
    return picture_grid(pictures, min(columns, len(pictures)), SIDE, caption=0.35)


def zooms(image: Any, several: Mapping[str, Any], box: tuple[int, int, int]) -> Figure:
    """Close-ups of one place in several versions of a picture, and where it lies.

    Args:
        image: the picture in which the place is framed.
        several: by caption; versions of it, of its size or of one with the same proportions.
        box: (left, top, side) of the place, in pixels of ``image``.
    Raises:
        ShapeError: a place that is not inside. ImageError, KindError: a picture cannot be used.
    """
    whole = picture_of(image)
    left, top, side = box
    height, width = whole.shape[:2]
    if min(left, top) < 0 or side < 1 or left + side > width or top + side > height:
        raise ShapeError(f"The place {box} is not inside a picture of {width}x{height} pixels.")
    ratio = width / height
    figure = new_figure(SIDE * (ratio + len(several)), SIDE + 0.35)
    panels = figure.subplots(1, 1 + len(several), width_ratios=[ratio] + [1] * len(several))
    show(panels[0], whole)
    outline(panels[0], left, top, side, WINDOW)
    for axes, (caption, version) in zip(panels[1:], several.items(), strict=True):
        pixels = picture_of(version)
        factor = pixels.shape[1] / width
        rows, columns = (
            slice(round(start * factor), max(round((start + side) * factor), 1))
            for start in (top, left)
        )
        show(axes, pixels[rows, columns])
        axes.set_title(caption, fontsize=SMALL)
    return figure


def error_map(restored: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Error map: how far brightness is off, pixel by pixel.

    Args:
        restored, original: (H, W, 3) or (H, W), uint8, of one shape.
    Returns:
        (H, W) float32, absolute difference of ``metrics.luma`` in levels, 0 to 219.
    Raises:
        ShapeError: the shapes differ. KindError: not uint8 arrays.
    """
    if restored.shape != original.shape:
        raise ShapeError(f"The images differ in shape: {restored.shape} and {original.shape}.")
    return np.abs(metrics.luma(restored) - metrics.luma(original)).astype(np.float32)


def error_colours(errors: np.ndarray, most: float = MOST_LEVELS) -> np.ndarray:
    """Error map as a picture: black is equal, the brightest yellow ``most`` levels or more.

    Args:
        errors: (H, W) of ``error_map``.
        most: levels.
    Returns:
        (H, W, 3) uint8.
    """
    import matplotlib

    # Of a table of 256 colours: whole numbers look them up without a copy in floating point.
    places = (errors * (255 / most)).clip(0, 255).astype(np.uint8)
    return matplotlib.colormaps[HEAT](places, bytes=True)[..., :3]


def close_ups(crops: Mapping[str, np.ndarray], original: np.ndarray) -> Figure:
    """Crops of several results at the same place, and below each its error map.

    Args:
        crops: by caption, each (h, w, 3) or (h, w) uint8; at least one.
        original: the same place of the original, of the same shape.
    Raises:
        ShapeError: no crop, or one of another shape. KindError: not uint8 arrays.
    """
    if not crops:
        raise ShapeError("There must be at least one crop.")
    columns = 1 + len(crops)
    ratio = original.shape[0] / original.shape[1]
    figure = new_figure(SIDE * columns, 2 * (SIDE * ratio + 0.4))
    grid = figure.subplots(2, columns, squeeze=False)
    grid[1, 0].set_visible(False)
    for axes, (caption, pixels) in zip(
        grid[0], {"original": original, **crops}.items(), strict=True
    ):
        show(axes, pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=2))
        axes.set_title(caption, fontsize=SMALL)
    for axes, pixels in zip(grid[1, 1:], crops.values(), strict=True):
        show(axes, error_map(pixels, original), cmap=HEAT, vmin=0, vmax=MOST_LEVELS)
    label = "error of Y in levels"
    figure.colorbar(axes.images[0], ax=list(grid[1, 1:]), label=label, shrink=0.9, extend="max")
    return figure
