"""Figures of attention: maps of a pixel, mosaics of all heads and windows, rollout, statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr.inspect import AttentionStatistics
from swin2sr.plots.curves import heads_by_layer
from swin2sr.plots.style import (
    NARROW,
    QUERY,
    READABLE,
    SMALL,
    WINDOW,
    heat,
    mark,
    new_figure,
    outline,
    overlay,
    panel_grid,
    picture_grid,
    picture_of,
    show,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

MOSAIC_SIDE = 3.2  # inches, of a picture: large enough to see every window


def attention_panels(
    image: Any,
    maps: Mapping[str, Tensor],
    pixel: tuple[int, int],
    window: int,
    shift: int,
    around: int | None = 32,
) -> Figure:
    """Attention of a pixel in one layer, panel by panel, with the windows it cannot see out of.

    Args:
        image: the picture, anything ``Upscaler`` takes.
        maps: (H, W) each, by title; the first panel is the picture itself.
        pixel: (x, y) of the query; marked, its window framed.
        window, shift: of the layer, in pixels.
        around: side in pixels of what is shown, the pixel as near its middle as the picture's
            border allows; None shows the whole picture.
    Raises:
        ShapeError: maps of another size than the picture's.
    """
    shape = next(iter(maps.values())).shape
    picture = picture_of(image, (shape[0], shape[1]))
    top, left = _spans(pixel, picture, around)
    near = picture[top, left]
    count = 1 + len(maps)
    columns = min(3, count)
    side = NARROW / columns
    height = side * near.shape[0] / near.shape[1] + 0.25
    figure, panels = panel_grid(count, columns, side, height)
    show(panels[0], near)
    panels[0].set_title("the windows", fontsize=READABLE)
    for axes, (title, strengths) in zip(panels[1:], maps.items(), strict=True):
        overlay(axes, near, strengths[top, left].numpy())
        axes.set_title(title, fontsize=READABLE)
    pixel = (pixel[0] - left.start, pixel[1] - top.start)
    offsets = ((shift - left.start) % window, (shift - top.start) % window)
    for axes in panels:
        _rule(axes, near.shape[:2], window, offsets)
        _frame_window(axes, pixel, window, offsets, fill=False, linewidth=1.4)
        mark(axes, pixel)
    return figure


def attention_mosaic(
    image: Any, maps: Tensor, pixel: tuple[int, int], labels: Sequence[str], around: int = 24
) -> Figure:
    """Attention of a pixel in all layers and heads, as one picture: a row a layer, a column a head.

    Args:
        image: the picture, anything ``Upscaler`` takes.
        maps: (layers, heads, H, W), of ``inspect.attention_to``.
        pixel: (x, y) of the query; a dot in every tile.
        labels: of the layers.
        around: side in pixels of a tile, the pixel as near its middle as the border allows.
    Raises:
        ShapeError: maps of another size than the picture's.
    """
    picture = picture_of(image, (maps.shape[2], maps.shape[3]))
    layers, heads = maps.shape[:2]
    top, left = _spans(pixel, picture, around)
    near, strengths = picture[top, left], maps[:, :, top, left].numpy()
    height, width = near.shape[:2]
    ratio = (layers * (height + 1)) / (heads * (width + 1))
    figure = new_figure(NARROW, (NARROW - 0.8) * ratio + 0.35)
    axes = figure.subplots()
    # Tiles stand one pixel apart, where the ground shows through.
    whole = np.zeros((layers * (height + 1) - 1, heads * (width + 1) - 1, 4))
    for i, j in np.ndindex(layers, heads):
        tile = whole[i * (height + 1) :, j * (width + 1) :][:height, :width]
        tile[..., :3] = heat(near, strengths[i, j])
        tile[..., 3] = 1
    show(axes, whole)
    rows, columns = np.arange(layers) * (height + 1), np.arange(heads) * (width + 1)
    y, x = np.meshgrid(rows + pixel[1] - top.start, columns + pixel[0] - left.start, indexing="ij")
    axes.plot(x.ravel(), y.ravel(), ".", color=QUERY, markersize=3)
    axes.set_yticks(rows + (height - 1) / 2, labels, fontsize=READABLE)
    axes.set_xticks(
        columns + (width - 1) / 2, [f"head {j + 1}" for j in range(heads)], fontsize=READABLE
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


def _spans(pixel: tuple[int, int], picture: np.ndarray, around: int | None) -> tuple[slice, slice]:
    """Rows and columns of at most ``around`` pixels, ``pixel`` as near their middle as they can."""

    def span(at: int, length: int) -> slice:
        wanted = length if around is None else min(around, length)
        start = min(max(0, at - wanted // 2), length - wanted)
        return slice(start, start + wanted)

    return span(pixel[1], picture.shape[0]), span(pixel[0], picture.shape[1])


def flow_map(image: Any, flow: Tensor, pixel: tuple[int, int]) -> Figure:
    """Attention rollout over the picture: from where information reaches a pixel.

    Args:
        image: the picture.
        flow: (layers, H, W), of ``inspect.rollout``; the first is drawn, what enters the network.
        pixel: (x, y) it flows to; marked.
    Raises:
        ShapeError: a flow of another size than the picture's.
    """
    picture = picture_of(image, (flow.shape[1], flow.shape[2]))
    figure = new_figure(4.5, 4.5 * picture.shape[0] / picture.shape[1])
    axes = figure.subplots()
    overlay(axes, picture, flow[0].numpy())
    mark(axes, pixel)
    return figure


def window_grid(
    image: Any, window: int, shift: int, pixel: tuple[int, int] | None = None
) -> Figure:
    """Windows of the first layer and of the second, shifted, side by side; others take turns.

    Args:
        image: the picture.
        window: side in pixels.
        shift: of the second, fourth, ... layer; a window that the border cuts goes on at the
            opposite one, masked.
        pixel: (x, y), marked, and its window framed; None for none.
    """
    picture = picture_of(image)
    height, width = picture.shape[:2]
    figure, panels = panel_grid(2, 2, 4.5, 4.4 * height / width + 0.3)
    titles = ("layers 1, 3, ...", f"layers 2, 4, ..., shifted by {shift}")
    for axes, offset, title in zip(panels, (0, shift), titles, strict=True):
        show(axes, picture)
        axes.set_title(title, fontsize=SMALL + 1)
        _rule(axes, (height, width), window, (offset, offset))
        if pixel is not None:
            ground: dict[str, Any] = {"fill": True, "facecolor": WINDOW, "alpha": 0.4}
            _frame_window(axes, pixel, window, (offset, offset), **ground)
            mark(axes, pixel)
    return figure


def _rule(axes: Axes, size: tuple[int, int], window: int, offsets: tuple[int, int]) -> None:
    """Rule a panel of (height, width) into windows that begin at (x, y)."""
    height, width = size
    for at in range(offsets[0], width + 1, window):
        axes.axvline(at - 0.5, color="white", linewidth=0.7)
    for at in range(offsets[1], height + 1, window):
        axes.axhline(at - 0.5, color="white", linewidth=0.7)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _frame_window(
    axes: Axes, pixel: tuple[int, int], window: int, offsets: tuple[int, int], **options: Any
) -> None:
    x, y = (
        (at - offset) // window * window + offset for at, offset in zip(pixel, offsets, strict=True)
    )
    outline(axes, x, y, window, WINDOW, **options)


def attention_habits(several: Mapping[str, AttentionStatistics], window: int) -> Figure:
    """Attention statistics by depth: mean distance and entropy, a point a head, a line their mean.

    Args:
        several: by name of the network, of ``inspect.attention_statistics``.
        window: side of the window; what attention to all alike would give is a dashed line.
    """
    figure = heads_by_layer(
        {
            "mean distance (pixels)": {name: found.distance for name, found in several.items()},
            "entropy (bits)": {name: found.entropy for name, found in several.items()},
        }
    )
    steps = np.arange(window)
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=-1)
    for axes, even in zip(figure.axes, (apart.mean(), 2 * np.log2(window)), strict=True):
        axes.axhline(even, color="grey", linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
    return figure


def window_mosaics(
    image: Any, maps: Mapping[str, tuple[Tensor, int]], window: int, columns: int = 2
) -> Figure:
    """Mosaics of the attention inside every window, beside the picture.

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
    panels = [("the picture", picture)]
    for caption, (strengths, shift) in maps.items():
        picture_of(image, (strengths.shape[0], strengths.shape[1]))  # raises where sizes differ
        even = _even(strengths.numpy(), window, shift)
        panels.append((caption, heat(np.zeros_like(picture), even)))
    return picture_grid(panels, columns, MOSAIC_SIDE, READABLE)


def _even(strengths: np.ndarray, window: int, shift: int) -> np.ndarray:
    """Divide each window by its largest value; one that the border cuts, part by part."""
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
