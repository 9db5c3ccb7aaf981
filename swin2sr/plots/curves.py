"""Figures of plain numbers: named lines, and a point a head by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from swin2sr.plots.style import COLOURS, SMALL, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def curves(
    several: Mapping[str, Sequence[tuple[float, float]]],
    xlabel: str,
    ylabel: str,
    *,
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
) -> Figure:
    """Lines through points.

    Args:
        several: (x, y) in the order to join them, by name.
        xlabel, ylabel: what the axes are, with units.
        levels: values of y to compare with, by name, as dashed lines.
        log_x: a logarithmic axis of x, marked at the points.
    """
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    for number, (name, points) in enumerate(several.items()):
        x, y = zip(*points, strict=True)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.2, label=name)
    for number, (name, value) in enumerate((levels or {}).items()):
        shade = COLOURS[(len(several) + number) % len(COLOURS)]
        axes.axhline(value, color=shade, linewidth=0.9, linestyle="--", label=name)
    if log_x:
        axes.set_xscale("log")
        places = sorted({x for points in several.values() for x, _ in points})
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
    elif all(x == int(x) for points in several.values() for x, _ in points):
        axes.locator_params(axis="x", integer=True)  # no half layers and groups
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(frameon=False, fontsize=SMALL)
    plain(axes)
    return figure


def heads_by_layer(panels: Mapping[str, Mapping[str, Tensor]], *, log_y: bool = False) -> Figure:
    """A point for every head of every layer, a line through their means; a panel a quantity.

    Args:
        panels: by the quantity, which becomes the label of its axis; each by name of the network,
            (layers, heads). Values that are not finite are left out.
        log_y: logarithmic axes.
    """
    figure = new_figure(4.5 * len(panels), 3.4)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (label, several) in zip(grid, panels.items(), strict=True):
        for number, (name, values) in enumerate(several.items()):
            colour = COLOURS[number % len(COLOURS)]
            finite = np.where(np.isfinite(values.numpy()), values.numpy(), np.nan)
            depth = np.arange(len(finite))
            axes.plot(depth, finite.mean(1), color=colour, linewidth=1.2, label=name)
            heads = np.repeat(depth, finite.shape[1])
            axes.plot(heads, finite.ravel(), ".", color=colour, markersize=4, alpha=0.6)
        if log_y:
            axes.set_yscale("log")
        axes.set_xlabel("layer")
        axes.set_ylabel(label)
        plain(axes)
    grid[0].legend(frameon=False, fontsize=SMALL)
    return figure
