"""Folder of a run, finished or not, read for a report."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from eval.run import manifest
from eval.run.means import Mean, degradation_order, in_order, means
from eval.run.protocol import Protocol, headline
from eval.run.rows import Row, TableCell, read
from swin2sr.console import Console
from swin2sr.errors import ConfigError

Task = tuple[int, str]  # scale and degradation


@dataclass(frozen=True)
class RunFolder:
    """Folder of a run: its manifest and its rows."""

    folder: Path
    manifest: dict[str, Any]
    rows: list[Row]

    @classmethod
    def read(cls, folder: Path, console: Console) -> RunFolder:
        """Read a folder; an unfinished run's journals count.

        Raises:
            ConfigError: no run, or one without results. OutputError: it cannot be read.
        """
        found = manifest.read(folder)
        if found is None:
            raise ConfigError(
                f"There is no run in {str(folder)!r}.", remedy="Make one with 'run --out'."
            )
        rows, notes = read(folder)
        for note in notes:
            console.tell(f"note: {note}")
        if not rows:
            raise ConfigError(f"The run in {str(folder)!r} has no results yet.")
        return cls(folder, found, in_order(rows.values(), list(found["models"])))

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @cached_property
    def means(self) -> list[Mean]:
        """Means of every cell, in order."""
        return means(self.rows, self.manifest["sets"])

    @property
    def tasks(self) -> list[Task]:
        """Scales and degradations, in order."""
        found = {(mean.cell.scale, mean.cell.degradation) for mean in self.means}
        return sorted(found, key=lambda t: (t[0], degradation_order(t[1])))

    @property
    def protocol(self) -> Protocol:
        """Protocol by which it was scored."""
        settings = self.manifest["settings"]
        return Protocol(settings["grey"], settings["luma"], settings["make_lr"])

    @property
    def padding(self) -> str:
        """Padding of the networks' inputs; "none" without networks."""
        learned = [facts for facts in self.manifest["models"].values() if facts["sha256"]]
        return str(self.manifest["settings"]["padding"]) if learned else "none"

    def complete_means(self, task: Task) -> list[Mean]:
        """Means of a task over complete sets."""
        return [m for m in self.means if m.complete and (m.cell.scale, m.cell.degradation) == task]

    def values(self, cell: TableCell, metric: str) -> dict[str, float]:
        """Values of a metric by image of a cell."""
        return {r.image: getattr(r.scores, metric) for r in self.rows if r.cell == cell}


def pairs(run: RunFolder, against: str | None) -> Iterator[tuple[TableCell, TableCell]]:
    """Pairs of each model and the next best of its set and task, or of each and ``against``."""
    groups: dict[tuple[str, Task], list[Mean]] = {}
    for mean in run.means:
        if mean.complete:
            groups.setdefault((mean.cell.set, task_of(mean)), []).append(mean)
    for (_, task), group in groups.items():
        ranked = sorted(group, key=lambda m: -(m.values[headline(*task)[0]] or 0))
        if against is None:
            yield from ((better.cell, worse.cell) for better, worse in pairwise(ranked))
            continue
        fixed = next((m.cell for m in ranked if m.cell.model == against), None)
        if fixed is not None:
            yield from ((m.cell, fixed) for m in ranked if m.cell != fixed)


def seconds_per_megapixel(rows: Sequence[Row]) -> float | None:
    """Median over images of seconds for a million input pixels; None where none are known.

    The median, since the first image of a process pays for starting up.
    """
    rates = [row.seconds / (row.width * row.height) for row in rows if row.seconds > 0]
    return statistics.median(rates) * 1e6 if rates else None


def task_of(found: Mean | Row) -> Task:
    """Task, scale and degradation, of a mean or an image."""
    return found.cell.scale, found.cell.degradation
