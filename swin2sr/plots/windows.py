"""Figures of all windows of a layer at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr.plots.style import READABLE, heat, new_figure, picture_of, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

SIDE = 3.2  # inches, of a picture: large enough to see every window


def window_mosaics(
    image: Any, maps: Mapping[str, tuple[Tensor, int]], window: int, columns: int = 2
) -> Figure:
    """Attention inside every window beside the picture, of which nothing shows through.

    Args:
        image: the picture, anything ``Upscaler`` takes.
        maps: by caption, (H, W) of ``inspect.window_attention`` and the shift of its layer; the
            strongest pixel of each window is the brightest.
        window: side in pixels.
        columns: of a row.
    Raises:
        ShapeError: maps of another size than the picture's.
    """
    picture = picture_of(image)
    panels = {"the picture": picture}
    for caption, (strengths, shift) in maps.items():
        picture_of(image, (strengths.shape[0], strengths.shape[1]))  # raises where sizes differ
        panels[caption] = heat(np.zeros_like(picture), _even(strengths.numpy(), window, shift))
    rows = -(-len(panels) // columns)
    ratio = picture.shape[0] / picture.shape[1]
    figure = new_figure(SIDE * columns, (SIDE * ratio + 0.3) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (caption, pixels) in zip(grid, panels.items(), strict=False):
        show(axes, pixels)
        axes.set_title(caption, fontsize=READABLE)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


def _even(strengths: np.ndarray, window: int, shift: int) -> np.ndarray:
    """Each window divided by its largest value; one that the border cuts, part by part."""
    even = np.zeros_like(strengths)
    starts = [
        [0, *range(shift, length, window)] if shift else [*range(0, length, window)]
        for length in strengths.shape
    ]
    for top, bottom in zip(starts[0], [*starts[0][1:], None], strict=True):
        for left, right in zip(starts[1], [*starts[1][1:], None], strict=True):
            part = strengths[top:bottom, left:right]
            even[top:bottom, left:right] = part / max(float(part.max()), 1e-6)
    return even
