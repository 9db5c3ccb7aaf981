"""Every figure that the page, the lessons and the training share.

Figures are returned, never shown, and made through matplotlib's objects alone: no state of pyplot
is read or changed, so that they can be drawn in any thread and beside anybody's own. matplotlib is
imported when the first one is drawn.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swin2sr.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart also by eyes that see red and green as one (Okabe and Ito's palette, yellow left out).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
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
    figure = _figure(7.0, 7.5)
    panels = figure.subplots(len(_PANELS), 1, sharex=True)
    for number, (name, path) in enumerate(logs.items()):
        rows = _rows(path)
        for axes, (column, _) in zip(panels, _PANELS, strict=True):
            _line(axes, rows, column, name, COLOURS[number % len(COLOURS)])
    for axes, (_, label) in zip(panels, _PANELS, strict=True):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    psnr, loss, rate = panels
    loss.set_yscale("log")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rate.set_xlabel("step")
    psnr.legend(frameon=False, loc="lower right")
    return figure


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, its parts laid out to fit."""
    if find_spec("matplotlib") is None:
        raise ConfigError("Figures need matplotlib.", remedy="pip install matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


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
