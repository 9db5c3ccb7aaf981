"""Figures of attention: whom a pixel looks at, windows and their shift, distance and entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr.inspect import AttentionStatistics
from swin2sr.plots.canvas import COLOURS, SMALL, mark, new_figure, overlay, picture_of, plain, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor


def attention_maps(
    image: Any,
    maps: Tensor,
    pixel: tuple[int, int],
    labels: Sequence[str] | None = None,
    around: int | None = 40,
) -> Figure:
    """Where one pixel's attention goes, over the picture: a row a layer, a column a head.

    Args:
        image: the picture, anything ``Upscaler`` takes.
        maps: (layers, heads, H, W), of ``inspect.attention_to``.
        pixel: (x, y) that looks; marked.
        labels: of the layers; their numbers when None.
        around: side in pixels of what is shown, the pixel as near its middle as the picture's
            border allows; None shows the whole picture.
    Raises:
        ShapeError: maps of another size than the picture's.
    """
    picture = picture_of(image, (maps.shape[2], maps.shape[3]))
    layers, heads = maps.shape[:2]
    top, left = (
        _span(at, length, around) for at, length in zip(pixel[::-1], picture.shape[:2], strict=True)
    )
    picture, maps = picture[top, left], maps[:, :, top, left]
    pixel = (pixel[0] - left.start, pixel[1] - top.start)
    ratio = picture.shape[0] / picture.shape[1]
    figure = new_figure(1.8 * heads + 0.3, 1.8 * ratio * layers + 0.3)
    axes = figure.subplots(layers, heads, squeeze=False)
    for i in range(layers):
        for j in range(heads):
            overlay(axes[i, j], picture, maps[i, j].numpy())
            mark(axes[i, j], pixel)
        axes[i, 0].set_ylabel(labels[i] if labels else f"layer {i}", fontsize=SMALL)
    for j in range(heads):
        axes[0, j].set_title(f"head {j + 1}", fontsize=SMALL)
    return figure


def _span(at: int, length: int, around: int | None) -> slice:
    """At most ``around`` places of an axis, ``at`` as near their middle as its ends allow."""
    wanted = length if around is None else min(around, length)
    start = min(max(0, at - wanted // 2), length - wanted)
    return slice(start, start + wanted)


def flow_map(image: Any, flow: Tensor, pixel: tuple[int, int]) -> Figure:
    """From where information reaches a pixel through all layers: of ``inspect.rollout``.

    Args:
        image: the picture.
        flow: (layers, H, W); the first is drawn, what enters the network.
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
    """The windows of even layers and of odd ones, side by side over the picture.

    Args:
        image: the picture.
        window: side in pixels.
        shift: of the odd layers; a window that the border cuts goes on at the opposite one, masked.
        pixel: (x, y), marked, and its window framed; None for none.
    """
    picture = picture_of(image)
    height, width = picture.shape[:2]
    figure = new_figure(9.0, 4.4 * height / width + 0.3)
    titles = ("even layers", f"odd layers, shifted by {shift}")
    for axes, offset, title in zip(figure.subplots(1, 2), (0, shift), titles, strict=True):
        show(axes, picture)
        axes.set_title(title, fontsize=SMALL + 1)
        for at in range(offset, width + 1, window):
            axes.axvline(at - 0.5, color="white", linewidth=0.7)
        for at in range(offset, height + 1, window):
            axes.axhline(at - 0.5, color="white", linewidth=0.7)
        if pixel is not None:
            _frame_window(axes, pixel, window, offset)
            mark(axes, pixel)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
    return figure


def _frame_window(axes: Axes, pixel: tuple[int, int], window: int, offset: int) -> None:
    from matplotlib.patches import Rectangle

    left, top = ((at - offset) // window * window + offset - 0.5 for at in pixel)
    axes.add_patch(
        Rectangle((left, top), window, window, facecolor="#E69F00", alpha=0.4, edgecolor="#E69F00")
    )


def attention_habits(several: Mapping[str, AttentionStatistics], window: int) -> Figure:
    """Mean distance and entropy of attention by depth: a point a head, a line their mean.

    Args:
        several: by name of the network, of ``inspect.attention_statistics``.
        window: side of the window; what attention to all alike would give is a dashed line.
    """
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    for number, (name, found) in enumerate(several.items()):
        colour = COLOURS[number % len(COLOURS)]
        for axes, values in ((left, found.distance.numpy()), (right, found.entropy.numpy())):
            depth = np.arange(len(values))
            axes.plot(depth, values.mean(1), color=colour, label=name, linewidth=1.2)
            heads = np.repeat(depth, values.shape[1])
            axes.plot(heads, values.ravel(), ".", color=colour, markersize=4, alpha=0.6)
    steps = np.arange(window)
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=-1)
    for axes, even, label in (
        (left, apart.mean(), "mean distance (pixels)"),
        (right, 2 * np.log2(window), "entropy (bits)"),
    ):
        axes.axhline(even, color="grey", linewidth=0.8, linestyle="--")
        axes.set_ylabel(label)
        axes.set_xlabel("layer")
        axes.set_ylim(bottom=0)
        plain(axes)
    left.legend(frameon=False, fontsize=SMALL)
    return figure
