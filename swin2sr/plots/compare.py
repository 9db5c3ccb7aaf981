"""Figures of several results beside each other: where they are wrong, and one place close up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from swin2sr import metrics
from swin2sr.errors import ShapeError
from swin2sr.plots.style import HEAT, SMALL, new_figure, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LEVELS = 48.0  # of error that are told apart: one scale for all maps, so that they compare


def error_map(restored: np.ndarray, original: np.ndarray) -> np.ndarray:
    """How far brightness is off, pixel by pixel.

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
    """An error map as a picture: black is equal, the brightest yellow ``most`` levels or more.

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
    """The same place of several results, and below each where it is wrong.

    Args:
        crops: by caption, each (h, w, 3) or (h, w) uint8; at least one.
        original: the same place of the original, of the same shape.
    Raises:
        ShapeError: no crop, or one of another shape. KindError: not uint8 arrays.
    """
    if not crops:
        raise ShapeError("There must be at least one crop.")
    columns = 1 + len(crops)
    figure = new_figure(2.0 * columns, 2 * (2.0 * original.shape[0] / original.shape[1] + 0.4))
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
