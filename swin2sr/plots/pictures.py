"""Figures of pictures beside each other: whole ones, and one place of them seen from near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swin2sr.errors import ShapeError
from swin2sr.plots.style import SMALL, new_figure, picture_of, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 2.0  # inches, of a picture


def picture_row(several: Mapping[str, Any], columns: int = 4) -> Figure:
    """Pictures beside each other, their pixels as squares.

    Args:
        several: by caption; each anything ``Upscaler`` takes, of any size.
        columns: of a row; what does not fit goes on below.
    Raises:
        ShapeError: no picture, or no column. ImageError, KindError: one cannot be used.
    """
    pictures = {caption: picture_of(one) for caption, one in several.items()}
    if not pictures or columns < 1:
        raise ShapeError("There must be at least one picture and one column.")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    tallest = max(one.shape[0] / one.shape[1] for one in pictures.values())
    figure = new_figure(SIDE * columns, (SIDE * tallest + 0.35) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (caption, picture) in zip(grid, pictures.items(), strict=False):
        show(axes, picture)
        axes.set_title(caption, fontsize=SMALL)
    for axes in grid[len(pictures) :]:
        axes.set_visible(False)
    return figure


def zooms(image: Any, several: Mapping[str, Any], box: tuple[int, int, int]) -> Figure:
    """One place of several versions of a picture, and where it lies.

    Args:
        image: the picture in which the place is framed.
        several: by caption; versions of it, of its size or of one with the same proportions.
        box: (left, top, side) of the place, in pixels of ``image``.
    Raises:
        ShapeError: a place that is not inside. ImageError, KindError: a picture cannot be used.
    """
    from matplotlib.patches import Rectangle

    whole = picture_of(image)
    left, top, side = box
    height, width = whole.shape[:2]
    if min(left, top) < 0 or side < 1 or left + side > width or top + side > height:
        raise ShapeError(f"The place {box} is not inside a picture of {width}x{height} pixels.")
    ratio = width / height
    figure = new_figure(SIDE * (ratio + len(several)), SIDE + 0.35)
    panels = figure.subplots(1, 1 + len(several), width_ratios=[ratio] + [1] * len(several))
    show(panels[0], whole)
    frame = Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor="#E69F00")
    panels[0].add_patch(frame)
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
