"""Means of the per-image values over whole sets, and the order that every file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.run.plan import set_key
from eval.run.protocol import METRICS, lr_source
from eval.run.rows import DECIMALS, Row, TableCell, number
from eval.sets.datasets import KNOWN
from eval.sets.degradations import REALWORLD, Degradation
from swin2sr.filesystem import write_bytes

MEANS = "means.csv"
_SET_ORDER = [known.name for known in KNOWN]


@dataclass(frozen=True)
class Mean:
    """Mean of a cell over the images of a set.

    Args:
        cell: which. count: images measured. of: images the set has here.
        lr: where the inputs come from, as ``protocol.lr_source``.
        values: means over the images by metric; None where images lack it or are missing.
    """

    cell: TableCell
    count: int
    of: int
    lr: str
    values: Mapping[str, float | None]

    @property
    def complete(self) -> bool:
        """Completeness: every image was measured; a mean of some of them compares to nothing."""
        return self.count == self.of


def in_order(rows: Iterable[Row], models: Sequence[str]) -> list[Row]:
    """Rows sorted by set, scale, degradation, model and image: the order of every file.

    Args:
        rows: in any order. models: labels in the order of the manifest.
    """
    place = {label: index for index, label in enumerate(models)}

    def key(row: Row) -> tuple[Any, ...]:
        cell = row.cell
        return (
            *set_order(cell.set),
            cell.scale,
            degradation_order(cell.degradation),
            place.get(cell.model, len(place)),
            cell.model,
            row.image,
        )

    return sorted(rows, key=key)


def set_order(name: str) -> tuple[int, str]:
    """Sort key of a set: those of the literature first, as papers order them."""
    return (_SET_ORDER.index(name) if name in _SET_ORDER else len(_SET_ORDER), name)


def degradation_order(name: str) -> tuple[bool, int, str]:
    """Sort key of a degradation: bicubic, then by quality of JPEG or by real-world damage."""
    if name in REALWORLD:
        return (True, list(REALWORLD).index(name), name)
    jpeg = Degradation.parse(name).jpeg
    return ("jpeg" in name, jpeg.quality if jpeg else 0, name)


def task_title(scale: int, degradation: str) -> str:
    """Title of a task: "x2 bicubic", "jpeg10"."""
    return f"x{scale} {degradation}" if scale > 1 else degradation


def means(rows: Sequence[Row], sets: Mapping[str, Mapping[str, Any]]) -> list[Mean]:
    """Mean of every cell, in the order of the rows.

    Args:
        rows: of any number of cells.
        sets: the manifest's; says how many images each has.
    """
    cells: dict[TableCell, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    found = []
    for cell, own in cells.items():
        of = int(sets.get(set_key(cell.set, cell.scale), {}).get("images", len(own)))
        values = {name: _mean(own, name) if len(own) == of else None for name in METRICS}
        found.append(Mean(cell, len(own), of, lr_source({row.lr for row in own}), values))
    return found


def write_means(path: Path, found: Iterable[Mean]) -> None:
    """Write means as CSV, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    lines = [",".join(("model", "set", "scale", "degradation", "images", "of", "lr", *METRICS))]
    for mean in found:
        cell = mean.cell
        figures = (number(mean.values[name], DECIMALS[name]) for name in METRICS)
        words = (cell.model, cell.set, str(cell.scale), cell.degradation)
        counts = (str(mean.count), str(mean.of), mean.lr)
        lines.append(",".join((*map(_quoted, words), *counts, *figures)))
    write_bytes(path, ("\n".join(lines) + "\n").encode("utf-8"))


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [getattr(row.scores, name) for row in rows]
    return None if None in values else sum(values) / len(values)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text
