"""Which figures a run's page shows: quality against cost, image by image, and crops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eval.report import crops, plots, tables
from eval.report.plots import Point
from eval.report.run_folder import Run, Task, pairs, seconds_per_megapixel
from eval.run.protocol import headline
from eval.run.rows import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(run: Run, against: str | None) -> Iterator[tuple[str, Figure]]:
    for task in run.tasks:
        title = tables.task_title(*task).replace(" ", "_")
        ylabel = "PSNR RGB, dB" if headline(*task)[0] == "psnr_rgb" else "PSNR Y, dB"
        if len({mean.cell.model for mean in run.of(task)}) < 2:
            continue  # one model is no comparison
        if any(run.record["models"][m.cell.model]["sha256"] for m in run.of(task)):
            panels = _panels(run, task, by_parameters=True)
            yield f"parameters_{title}", plots.quality(panels, "parameters", ylabel)
        panels = _panels(run, task, by_parameters=False)
        if panels:
            label = "seconds per input megapixel"
            yield f"seconds_{title}", plots.quality(panels, label, ylabel)
    seen = set()
    for one, other in pairs(run, against):
        if (one.set, one.scale, one.degradation) in seen:
            continue  # the best pair of each set and task
        seen.add((one.set, one.scale, one.degradation))
        yield from _pair_figures(run, one, other)


def _pair_figures(run: Run, one: Cell, other: Cell) -> Iterator[tuple[str, Figure]]:
    title = f"{one.set} {tables.task_title(one.scale, one.degradation)}"
    stem = title.replace(" ", "_")
    metric = headline(one.scale, one.degradation)[0]
    first, second = run.values(one, metric), run.values(other, metric)
    differences = {image: first[image] - second[image] for image in first}
    if all(math.isfinite(value) for value in differences.values()):
        yield f"wins_{stem}", plots.wins(title, one.model, other.model, differences)
    task = (one.scale, one.degradation)
    ranked = sorted(
        (m for m in run.of(task) if m.cell.set == one.set),
        key=lambda m: m.values[headline(*task)[0]] or 0,
    )
    windows = crops.most_different(run.folder, (one, other), sorted(first))
    cells = [mean.cell for mean in ranked]
    shown = [(w.image, row) for w in windows if (row := crops.row(run.folder, cells, w))]
    if shown:
        yield f"crops_{stem}", plots.crops(shown)


def _panels(run: Run, task: Task, *, by_parameters: bool) -> dict[str, list[Point]]:
    """Points by set: each model's mean PSNR over its parameters or its seconds a megapixel."""
    panels: dict[str, list[Point]] = {}
    for mean in run.of(task):
        psnr = mean.values[headline(*task)[0]]
        rows = [row for row in run.rows if row.cell == mean.cell]
        if by_parameters:
            x = run.record["models"][mean.cell.model].get("parameters")
        else:
            x = seconds_per_megapixel(rows)
        if psnr is not None and math.isfinite(psnr) and (x is not None or by_parameters):
            panels.setdefault(mean.cell.set, []).append(Point(mean.cell.model, x, psnr))
    return panels
