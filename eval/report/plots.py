"""Every figure of the evaluation suite. Returns Figures, shows nothing, keeps no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#222222"
QUIET = "#8a8a8a"
BLUE = "#2b6cb0"
ORANGE = "#c05621"
MARKERS = "osD^vP*X<>"
_DPI = 150


@dataclass(frozen=True)
class Point:
    """A model in a plot: its name, where it lies, and how good it is (dB).

    ``x`` None is a model that has no place on that axis (a baseline without parameters); it is
    drawn as a level.
    """

    name: str
    x: float | None
    psnr: float


@dataclass(frozen=True, eq=False)
class Crop:
    """A picture in a row of crops: (H, W, 3) or (H, W) uint8, and what stands below it."""

    caption: str
    pixels: np.ndarray


def quality(panels: Mapping[str, Sequence[Point]], xlabel: str, ylabel: str) -> Figure:
    """Quality against cost on a logarithmic axis, a panel for each set.

    Args:
        panels: points by the set's name; at least one.
        xlabel, ylabel: what the axes are, with units.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = _figure(3.6 * columns, 3.0 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    names = list(dict.fromkeys(point.name for points in panels.values() for point in points))
    for axes, (title, points) in zip(grid.flat, panels.items(), strict=False):
        _one_quality(axes, points, names)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_xlabel(xlabel, fontsize=8)
        axes.set_ylabel(ylabel, fontsize=8)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    entries: dict[str, Artist] = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        [entries[name] for name in names],
        names,
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    return figure


def wins(title: str, first: str, second: str, differences: Mapping[str, float]) -> Figure:
    """One bar for each image: by how much ``first`` is better (up) or worse (down) than ``second``.

    Args:
        title: of the figure. differences: dB by image; sorted here.
    """
    ordered = sorted(differences.items(), key=lambda pair: (-pair[1], pair[0]))
    values = [value for _, value in ordered]
    figure = _figure(min(12.0, 4.5 + 0.2 * len(values)), 3.2)
    axes = figure.subplots()
    places = range(len(values))
    axes.bar(places, values, color=[BLUE if value >= 0 else ORANGE for value in values], width=0.8)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.axhline(sum(values) / len(values), color=QUIET, linewidth=0.8, linestyle="--")
    better = sum(value > 0 for value in values)
    axes.set_title(
        f"{title}: {first} against {second}\nbetter on {better} of {len(values)} images",
        fontsize=9,
        color=INK,
    )
    axes.set_ylabel("dB", fontsize=8)
    if len(values) <= 40:
        axes.set_xticks(places, [name[:16] for name, _ in ordered], rotation=90, fontsize=7)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(values)} images, sorted", fontsize=8)
    _plain(axes)
    return figure


def crops(rows: Sequence[tuple[str, Sequence[Crop]]]) -> Figure:
    """Rows of equal windows, a row for each image: what each model made of it.

    Args:
        rows: title and crops; every row as many crops.
    """
    columns = max(len(row) for _, row in rows)
    figure = _figure(1.7 * columns, 2.15 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (title, row) in zip(grid, rows, strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, crop in zip(line, row, strict=False):
            axes.imshow(crop.pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.text(
                0.5, -0.04, crop.caption, transform=axes.transAxes, ha="center", va="top", size=7
            )
        line[0].set_title(title, fontsize=8, loc="left", color=INK)
    return figure


def scaling(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    fits: Mapping[str, str],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Cost against size on logarithmic axes.

    Args:
        curves: (pixels, cost) by name. fits: what stands in the legend beside a name.
        xlabel, ylabel: what the axes are, with units.
    """
    figure = _figure(5.6, 4.0)
    axes = figure.subplots()
    for index, (name, points) in enumerate(curves.items()):
        x, y = zip(*points, strict=True)
        label = f"{name} {fits.get(name, '')}".strip()
        marker = MARKERS[index % len(MARKERS)]
        axes.plot(x, y, marker=marker, markersize=4, linewidth=1.2, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(xlabel, fontsize=8)
    axes.set_ylabel(ylabel, fontsize=8)
    axes.legend(fontsize=7, frameon=False)
    _plain(axes)
    return figure


def png(figure: Figure) -> bytes:
    """A figure as a PNG file without anything that changes from run to run."""
    import io

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


def _one_quality(axes: Axes, points: Sequence[Point], names: Sequence[str]) -> None:
    for point in points:
        index = names.index(point.name)
        if point.x is None:
            dashes = (0, (4 + 2 * index, 2))  # told apart without colour, too
            axes.axhline(
                point.psnr, color=f"C{index % 10}", linewidth=1, linestyle=dashes, label=point.name
            )
            continue
        axes.plot(
            point.x,
            point.psnr,
            marker=MARKERS[index % len(MARKERS)],
            color=f"C{index % 10}",
            linestyle="none",
            label=point.name,
        )
    if any(point.x is not None for point in points):
        axes.set_xscale("log")
        axes.margins(0.2)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, which="major", linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
