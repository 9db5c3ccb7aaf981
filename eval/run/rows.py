"""Rows of results on disk: appended as each image ends, readable after a kill at any moment.

While a run goes on, each of its processes appends lines to a journal of its own,
``journal/rank0.csv``: one write and one flush to the disk for each image. A process that is killed
leaves at worst half a last line, which is cut off when the file is next used; a line that cannot
be read is left out, and its image is measured again. At the end the journals are merged into
``images.csv`` (scores only) and ``seconds.csv`` (what no two runs have alike), each replaced in
one step, and only then removed. So ``images.csv`` depends on nothing but models, images and
settings: a run that was interrupted, or shared among processes, ends in the same bytes.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.run.protocol import METRICS, Scores
from swin2sr.errors import OutputError
from swin2sr.filesystem import write_bytes

FOLDER = "journal"
IMAGES = "images.csv"
SECONDS = "seconds.csv"
KEY = ("model", "set", "scale", "degradation", "image")
QUALITY = ("lr", "width", "height", *METRICS)
COST = ("seconds", "peak_bytes")
DECIMALS = {name: 6 if "psnr" in name else 8 for name in METRICS}


@dataclass(frozen=True, order=True)
class TableCell:
    """Cell of a table: one model on one set at one scale and degradation."""

    model: str
    set: str
    scale: int
    degradation: str


@dataclass(frozen=True)
class Row:
    """Row of results: one image of a cell.

    Args:
        cell, image: which.
        lr: ``Pair.lr_origin``. width, height: of the input in pixels.
        scores: against the original.
        seconds: of the model alone. peak_bytes: see ``profile.Cost``.
    """

    cell: TableCell
    image: str
    lr: str
    width: int
    height: int
    scores: Scores
    seconds: float
    peak_bytes: int | None

    @property
    def key(self) -> tuple[TableCell, str]:
        """Key, which no two rows of a run share."""
        return self.cell, self.image


class RowLog:
    """Append-only log of the rows of one process of a run.

    Args:
        out: the run's folder; None keeps nothing.
        rank: number of the process.
    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, out: Path | None, rank: int) -> None:
        self._path = None if out is None else out / FOLDER / f"rank{rank}.csv"
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                file.seek(0)
                content = file.read()
                whole = content.rfind(b"\n") + 1
                file.truncate(whole)
                if not whole:
                    self._write(file.fileno(), _line((*KEY, *QUALITY, *COST)))
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def append(self, row: Row) -> None:
        """Add a row; when this returns, it has reached the disk.

        Raises:
            OutputError: it cannot be written.
        """
        if self._path is None:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                self._write(descriptor, _line(_key(row) + _quality(row) + _cost(row)))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    @staticmethod
    def _write(descriptor: int, line: bytes) -> None:
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)


def read(out: Path) -> tuple[dict[tuple[TableCell, str], Row], list[str]]:
    """Every row of a run's folder, merged ones and those of journals.

    Args:
        out: the folder; need not exist.
    Returns:
        Rows by key, and notes on what was left out.
    Raises:
        OutputError: a file cannot be read.
    """
    rows: dict[tuple[TableCell, str], Row] = {}
    notes: list[str] = []
    costs = dict(_lines(out / SECONDS, KEY + COST, notes))
    for key, line in _lines(out / IMAGES, KEY + QUALITY, notes):
        _keep(rows, line | costs.get(key, dict.fromkeys(COST, "")), out / IMAGES, notes)
    for path in sorted((out / FOLDER).glob("rank*.csv")):
        for _, line in _lines(path, KEY + QUALITY + COST, notes):
            _keep(rows, line, path, notes)
    return rows, notes


def merge(out: Path, rows: Iterable[Row]) -> None:
    """Write a finished run's rows, in the order given, and remove its journals.

    Raises:
        OutputError: they cannot be written; then the journals stay.
    """
    rows = list(rows)
    for name, columns, values in ((SECONDS, COST, _cost), (IMAGES, QUALITY, _quality)):
        lines = [_line((*KEY, *columns)), *(_line(_key(row) + values(row)) for row in rows)]
        write_bytes(out / name, b"".join(lines))
    journals = sorted((out / FOLDER).glob("rank*.csv"))
    try:
        for path in journals:
            path.unlink(missing_ok=True)
        if journals:
            (out / FOLDER).rmdir()
    except OSError as error:
        raise _unwritable(out / FOLDER, error) from error


def rounded(scores: Scores) -> Scores:
    """Scores as files hold them, so that means do not depend on which rows were read back."""
    texts = {name: number(getattr(scores, name), DECIMALS[name]) for name in METRICS}
    return _scores(texts)


def number(value: float | None, decimals: int) -> str:
    """Text of a figure in files: fixed decimals, "inf", or nothing for None."""
    return "" if value is None else f"{value:.{decimals}f}"


def _line(values: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8")


def _key(row: Row) -> tuple[str, ...]:
    cell = row.cell
    return cell.model, cell.set, str(cell.scale), cell.degradation, row.image


def _quality(row: Row) -> tuple[str, ...]:
    figures = (number(getattr(row.scores, name), DECIMALS[name]) for name in METRICS)
    return row.lr, str(row.width), str(row.height), *figures


def _cost(row: Row) -> tuple[str, ...]:
    return number(row.seconds, 4), "" if row.peak_bytes is None else str(row.peak_bytes)


def _lines(
    path: Path, columns: tuple[str, ...], notes: list[str]
) -> Iterable[tuple[tuple[str, ...], dict[str, str]]]:
    """(key, fields) of the whole lines of a file that may be absent or cut off."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    *lines, rest = text.split("\n")
    if rest:
        notes.append(f"{path.name}: the last line was cut off and is left out.")
    if lines and next(csv.reader(lines[:1]), []) != list(columns):
        raise OutputError(
            f"{str(path)!r} is no such table: its first line is not the expected one.",
            remedy="Move it away, or use another folder.",
        )
    for count, line in enumerate(lines[1:], start=2):
        values = next(csv.reader([line]), [])
        if len(values) == len(columns):
            yield tuple(values[: len(KEY)]), dict(zip(columns, values, strict=True))
        else:
            notes.append(f"{path.name}, line {count} cannot be read and is left out.")


def _keep(
    rows: dict[tuple[TableCell, str], Row], line: dict[str, str], path: Path, notes: list[str]
) -> None:
    try:
        row = _row(line)
    except ValueError:
        notes.append(f"{path.name}: a line on {line['image']!r} cannot be read and is left out.")
    else:
        rows.setdefault(row.key, row)


def _row(line: dict[str, str]) -> Row:
    """Row from its fields; raises ValueError for what is no number."""
    cell = TableCell(line["model"], line["set"], int(line["scale"]), line["degradation"])
    return Row(
        cell=cell,
        image=line["image"],
        lr=line["lr"],
        width=int(line["width"]),
        height=int(line["height"]),
        scores=_scores(line),
        seconds=float(line["seconds"] or math.nan),
        peak_bytes=int(line["peak_bytes"]) if line["peak_bytes"] else None,
    )


def _scores(texts: Mapping[str, str]) -> Scores:
    """Scores from their texts; raises ValueError for what is no number, or missing."""
    values = {name: float(texts[name]) if texts[name] else None for name in METRICS}
    psnr, ssim, psnr_rgb, ssim_rgb = (values[name] for name in METRICS[:4])
    if psnr is None or ssim is None or psnr_rgb is None or ssim_rgb is None:
        raise ValueError("a score is missing")
    return Scores(psnr, ssim, psnr_rgb, ssim_rgb, values["psnr_b"], values["psnr_b_y"])


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}.")
