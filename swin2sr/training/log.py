"""Log of a training run: a row of numbers now and then, and a figure of them."""

from __future__ import annotations

import csv
import io
import math
from importlib.util import find_spec
from pathlib import Path

from swin2sr.errors import OutputError
from swin2sr.filesystem import write_bytes

LOG = "log.csv"
CURVES = "curves.png"
COLUMNS = ("step", "seconds", "loss", "lr", "val_psnr")


def trim(path: Path, step: int) -> None:
    """Keep the rows up to a step, drop those an interrupted run wrote after its last checkpoint.

    Raises:
        OutputError: the file cannot be written.
    """
    kept: list[list[str]] = []
    if path.exists() and step:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.reader(file))[1:]
        whole = [row for row in rows if len(row) == len(COLUMNS) and row[0].isdecimal()]
        kept = [row for row in whole if int(row[0]) <= step]
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\n").writerows([list(COLUMNS), *kept])
    write_bytes(path, lines.getvalue().encode())


def append(path: Path, step: int, seconds: float, loss: float, rate: float, psnr: float) -> None:
    """Add a row; a ``psnr`` that is not a number is left empty.

    Raises:
        OutputError: the file cannot be written.
    """
    score = "" if math.isnan(psnr) else f"{psnr:.4f}"
    row = (step, f"{seconds:.1f}", f"{loss:.6f}", f"{rate:.3e}", score)
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def draw(log: Path, name: str) -> None:
    """Draw the log as ``curves.png`` beside it, where matplotlib is installed.

    Raises:
        OutputError: the picture cannot be written.
    """
    if find_spec("matplotlib") is None:
        return
    from swin2sr.plots import png, training_curves

    write_bytes(log.with_name(CURVES), png(training_curves({name: log})))
