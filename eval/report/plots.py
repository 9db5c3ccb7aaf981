"""Figures of the evaluation suite, in the style that all figures of the package share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eval.report.crops import Crop, crop_row, most_different
from eval.report.run_folder import RunFolder, Task, pairs, seconds_per_megapixel
from eval.run.means import task_title
from eval.run.protocol import headline
from eval.run.rows import TableCell
from swin2sr.plots.style import COLOURS, SMALL, new_figure, panel_grid, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETTER, WORSE = COLOURS[:2]
MARKERS = "osD^vP*X<>"
DPI = 150  # of the PNG files of a report


@dataclass(frozen=True)
class Point:
    """Point of a model in a plot: its name, its cost ``x``, and its PSNR in dB.

    ``x`` None is a model that has no place on that axis (a baseline without parameters); it is
    drawn as a level.
    """

    name: str
    x: float | None
    psnr: float


def figures(run: RunFolder, against: str | None) -> Iterator[tuple[str, Figure]]:
    """Figures of a run's page by name: quality against cost, image by image, and crops.

    Args:
        run: whose results. against: as ``pairs``.
    """
    for task in run.tasks:
        title = task_title(*task).replace(" ", "_")
        ylabel = "PSNR RGB, dB" if headline(*task)[0] == "psnr_rgb" else "PSNR Y, dB"
        if len({mean.cell.model for mean in run.complete_means(task)}) < 2:
            continue  # one model is no comparison
        if any(run.manifest["models"][m.cell.model]["sha256"] for m in run.complete_means(task)):
            panels = _panels(run, task, by_parameters=True)
            yield f"parameters_{title}", quality(panels, "parameters", ylabel)
        panels = _panels(run, task, by_parameters=False)
        if panels:
            label = "seconds per input megapixel"
            yield f"seconds_{title}", quality(panels, label, ylabel)
    seen = set()
    for one, other in pairs(run, against):
        if (one.set, one.scale, one.degradation) in seen:
            continue  # the best pair of each set and task
        seen.add((one.set, one.scale, one.degradation))
        yield from _pair_figures(run, one, other)


def _pair_figures(run: RunFolder, one: TableCell, other: TableCell) -> Iterator[tuple[str, Figure]]:
    title = f"{one.set} {task_title(one.scale, one.degradation)}"
    stem = title.replace(" ", "_")
    metric = headline(one.scale, one.degradation)[0]
    first, second = run.values(one, metric), run.values(other, metric)
    differences = {image: first[image] - second[image] for image in first}
    if all(math.isfinite(value) for value in differences.values()):
        yield f"wins_{stem}", wins(title, one.model, other.model, differences)
    task = (one.scale, one.degradation)
    ranked = sorted(
        (m for m in run.complete_means(task) if m.cell.set == one.set),
        key=lambda m: m.values[headline(*task)[0]] or 0,
    )
    windows = most_different(run.folder, (one, other), sorted(first))
    cells = [mean.cell for mean in ranked]
    shown = [(w.image, row) for w in windows if (row := crop_row(run.folder, cells, w))]
    if shown:
        yield f"crops_{stem}", crop_grid(shown)


def _panels(run: RunFolder, task: Task, *, by_parameters: bool) -> dict[str, list[Point]]:
    """Points by set: each model's mean PSNR over its parameters or its seconds a megapixel."""
    panels: dict[str, list[Point]] = {}
    for mean in run.complete_means(task):
        psnr = mean.values[headline(*task)[0]]
        rows = [row for row in run.rows if row.cell == mean.cell]
        if by_parameters:
            x = run.manifest["models"][mean.cell.model].get("parameters")
        else:
            x = seconds_per_megapixel(rows)
        if psnr is not None and math.isfinite(psnr) and (x is not None or by_parameters):
            panels.setdefault(mean.cell.set, []).append(Point(mean.cell.model, x, psnr))
    return panels


def quality(panels: Mapping[str, Sequence[Point]], xlabel: str, ylabel: str) -> Figure:
    """Quality against cost on a logarithmic axis, a panel for each set.

    Args:
        panels: points by the set's name; at least one.
        xlabel, ylabel: what the axes are, with units.
    """
    columns = min(3, len(panels))
    legend = 0.5 / -(-len(panels) // columns)  # inches of each row
    figure, grid = panel_grid(len(panels), columns, 3.6, 3.0 + legend)
    names = list(dict.fromkeys(point.name for points in panels.values() for point in points))
    for axes, (title, points) in zip(grid, panels.items(), strict=True):
        _one_quality(axes, points, names)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(xlabel, fontsize=SMALL)
        axes.set_ylabel(ylabel, fontsize=SMALL)
    entries: dict[str, Artist] = {}
    for axes in grid:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        [entries[name] for name in names],
        names,
        loc="outside lower center",
        ncols=3,
        fontsize=SMALL,
        frameon=False,
    )
    return figure


def wins(title: str, first: str, second: str, differences: Mapping[str, float]) -> Figure:
    """Bars, one an image: by how much ``first`` is better (up) or worse (down) than ``second``.

    Args:
        title: of the figure. differences: dB by image; sorted here.
    """
    ordered = sorted(differences.items(), key=lambda pair: (-pair[1], pair[0]))
    values = [value for _, value in ordered]
    figure = new_figure(min(12.0, 4.5 + 0.2 * len(values)), 3.2)
    axes = figure.subplots()
    places = range(len(values))
    colours = [BETTER if value >= 0 else WORSE for value in values]
    axes.bar(places, values, color=colours, width=0.8)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axhline(sum(values) / len(values), color="grey", linewidth=0.8, linestyle="--")
    better = sum(value > 0 for value in values)
    axes.set_title(
        f"{title}: {first} against {second}\nbetter on {better} of {len(values)} images",
        fontsize=9,
    )
    axes.set_ylabel("dB", fontsize=SMALL)
    if len(values) <= 40:
        axes.set_xticks(places, [name[:16] for name, _ in ordered], rotation=90, fontsize=7)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(values)} images, sorted", fontsize=SMALL)
    _plain(axes)
    return figure


def crop_grid(rows: Sequence[tuple[str, Sequence[Crop]]]) -> Figure:
    """Crops of equal size, a row for each image: what each model made of it.

    Args:
        rows: title and crops; every row as many crops.
    """
    columns = max(len(row) for _, row in rows)
    figure = new_figure(1.7 * columns, 2.15 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (title, row) in zip(grid, rows, strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, crop in zip(line, row, strict=False):
            axes.imshow(crop.pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.text(
                0.5, -0.04, crop.caption, transform=axes.transAxes, ha="center", va="top", size=7
            )
        line[0].set_title(title, fontsize=SMALL, loc="left")
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
    figure = new_figure(5.6, 4.0)
    axes = figure.subplots()
    for index, (name, points) in enumerate(curves.items()):
        x, y = zip(*points, strict=True)
        label = f"{name} {fits.get(name, '')}".strip()
        axes.plot(x, y, **_marker(index), markersize=4, linewidth=1.2, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(xlabel, fontsize=SMALL)
    axes.set_ylabel(ylabel, fontsize=SMALL)
    axes.legend(fontsize=7, frameon=False)
    _plain(axes)
    return figure


def _one_quality(axes: Axes, points: Sequence[Point], names: Sequence[str]) -> None:
    for point in points:
        index = names.index(point.name)
        style = _marker(index)
        if point.x is None:
            dashes = (0, (4 + 2 * index, 2))  # told apart without colour, too
            axes.axhline(
                point.psnr, color=style["color"], linewidth=1, linestyle=dashes, label=point.name
            )
        else:
            axes.plot(point.x, point.psnr, **style, linestyle="none", label=point.name)
    if any(point.x is not None for point in points):
        axes.set_xscale("log")
        axes.margins(0.2)
    _plain(axes)


def _marker(index: int) -> dict[str, Any]:
    """Colour and marker of the model of a number; both begin again after the last, not together."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _plain(axes: Axes) -> None:
    plain(axes)
    axes.tick_params(labelsize=SMALL)
    axes.set_axisbelow(True)  # bars stand before the grid
