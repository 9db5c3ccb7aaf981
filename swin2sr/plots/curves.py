"""Figures of curves: named lines, heads by layer, and the log of a training run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr.errors import ConfigError
from swin2sr.plots.style import SMALL, coloured, new_figure, panel_grid, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

_PANELS = (
    ("val_psnr", "PSNR on held-out images (dB)"),
    ("loss", "training loss"),
    ("lr", "learning rate"),
)


def curves(
    several: Mapping[str, Sequence[tuple[float, float]]],
    xlabel: str,
    ylabel: str,
    *,
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
) -> Figure:
    """Curves through points.

    Args:
        several: (x, y) in the order to join them, by name.
        xlabel, ylabel: what the axes are, with units.
        levels: values of y to compare with, by name, as dashed lines.
        log_x: a logarithmic axis of x, marked at the points.
    """
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    for name, points, colour in coloured(several):
        x, y = zip(*points, strict=True)
        axes.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.2, label=name)
    for name, value, colour in coloured(levels or {}, len(several)):
        axes.axhline(value, color=colour, linewidth=0.9, linestyle="--", label=name)
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
    """Heads by layer: a point a head, a line through the layers' means; a panel a quantity.

    Layers count from 1, as groups do, and on through all groups.

    Args:
        panels: by the quantity, which becomes the label of its axis; each by name of the network,
            (layers, heads). Values that are not finite are left out.
        log_y: logarithmic axes.
    """
    figure, grid = panel_grid(len(panels), len(panels), 4.5, 3.4)
    for axes, (label, several) in zip(grid, panels.items(), strict=True):
        for name, values, colour in coloured(several):
            finite = np.where(np.isfinite(values.numpy()), values.numpy(), np.nan)
            depth = np.arange(1, len(finite) + 1)
            axes.plot(depth, finite.mean(1), color=colour, linewidth=1.2, label=name)
            heads = np.repeat(depth, finite.shape[1])
            axes.plot(heads, finite.ravel(), ".", color=colour, markersize=4, alpha=0.6)
        if log_y:
            axes.set_yscale("log")
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("layer")
        axes.set_ylabel(label)
        plain(axes)
    grid[0].legend(frameon=False, fontsize=SMALL)
    return figure


def training_curves(logs: Mapping[str, Path]) -> Figure:
    """Training curves: validation PSNR, loss and learning rate by step, one line a run.

    Args:
        logs: for each run its name and its ``log.csv``, with the columns "step", "val_psnr", "loss"
            and "lr"; empty values and rows that are not whole are left out.
    Returns:
        A figure of three panels one above the other, their steps in common.
    Raises:
        ConfigError: matplotlib is not installed, there is no log, or one is not such a table.
    """
    if not logs:
        raise ConfigError("There is no training log to draw.")
    figure = new_figure(7.0, 7.5)
    panels = figure.subplots(len(_PANELS), 1, sharex=True)
    for name, path, colour in coloured(logs):
        rows = _rows(path)
        for axes, (column, _) in zip(panels, _PANELS, strict=True):
            _line(axes, rows, column, name, colour)
    for axes, (_, label) in zip(panels, _PANELS, strict=True):
        axes.set_ylabel(label)
        plain(axes)
    psnr, loss, rate = panels
    loss.set_yscale("log")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rate.set_xlabel("step")
    psnr.legend(frameon=False, loc="lower right")
    return figure


def _line(axes: Axes, rows: list[dict[str, float]], column: str, name: str, colour: str) -> None:
    points = [(row["step"], row[column]) for row in rows if column in row]
    steps, values = zip(*points, strict=True) if points else ((), ())
    few: Any = {"marker": "o", "markersize": 3} if len(points) <= 30 else {}
    axes.plot(steps, values, label=name, color=colour, linewidth=1.2, **few)


def _rows(path: Path) -> list[dict[str, float]]:
    """Read the numbers of a log, row by row; what is no number is left out."""
    try:
        with Path(path).open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.DictReader(file)
            table, columns = list(reader), set(reader.fieldnames or ())
    except (OSError, csv.Error) as error:
        raise ConfigError(f"The log {str(path)!r} cannot be read: {error}.") from error
    missing = {"step", *(column for column, _ in _PANELS)} - columns
    if missing:
        raise ConfigError(f"The log {str(path)!r} has no column {', '.join(sorted(missing))}.")
    rows = [{k: v for k, word in row.items() if (v := _number(word)) is not None} for row in table]
    return [row for row in rows if "step" in row]


def _number(word: Any) -> float | None:
    try:
        return float(word)
    except (TypeError, ValueError):
        return None
