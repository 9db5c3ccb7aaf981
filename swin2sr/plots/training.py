"""The figure of a training run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swin2sr.errors import ConfigError
from swin2sr.plots.style import COLOURS, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = (
    ("val_psnr", "PSNR on held-out images (dB)"),
    ("loss", "training loss"),
    ("lr", "learning rate"),
)


def training_curves(logs: Mapping[str, Path]) -> Figure:
    """Validation PSNR, loss and learning rate by step, one line a run.

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
    for number, (name, path) in enumerate(logs.items()):
        rows = _rows(path)
        for axes, (column, _) in zip(panels, _PANELS, strict=True):
            _line(axes, rows, column, name, COLOURS[number % len(COLOURS)])
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
    """The numbers of a log, row by row; what is no number is left out."""
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
