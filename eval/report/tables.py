"""Means of the per-image values, and tables as papers print them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.run.plan import set_key
from eval.run.protocol import METRICS, Protocol, headline, where_from
from eval.run.rows import DECIMALS, Cell, Row, number
from eval.sets.datasets import KNOWN, SAMPLE
from eval.sets.degradations import Degradation
from swin2sr.filesystem import write_bytes

MEANS = "means.csv"
_TITLES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "psnr_rgb": "PSNR",
    "ssim_rgb": "SSIM",
    "psnr_b": "PSNR-B",
}
_SET_ORDER = [known.name for known in KNOWN]


@dataclass(frozen=True)
class Mean:
    """A figure of a table.

    Args:
        cell: which. count: images measured. of: images the set has here.
        lr: where the inputs come from, as ``protocol.where_from``.
        values: means over the images by metric; None where images lack it or are missing.
    """

    cell: Cell
    count: int
    of: int
    lr: str
    values: Mapping[str, float | None]

    @property
    def whole(self) -> bool:
        """Whether every image was measured; a mean of some of them compares to nothing."""
        return self.count == self.of


def in_order(rows: Iterable[Row], models: Sequence[str]) -> list[Row]:
    """Rows sorted by set, scale, degradation, model and image: the order of every file.

    Args:
        rows: in any order. models: labels in the order of the record.
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
    """Sets of the literature first, as papers order them."""
    return (_SET_ORDER.index(name) if name in _SET_ORDER else len(_SET_ORDER), name)


def degradation_order(name: str) -> tuple[bool, int, str]:
    """Bicubic first, then by quality of JPEG."""
    jpeg = Degradation.parse(name).jpeg
    return ("jpeg" in name, jpeg.quality if jpeg else 0, name)


def task_title(scale: int, degradation: str) -> str:
    """What people call a task: "x2 bicubic", "jpeg10"."""
    return f"x{scale} {degradation}" if scale > 1 else degradation


def means(rows: Sequence[Row], sets: Mapping[str, Mapping[str, Any]]) -> list[Mean]:
    """The mean of every cell, in the order of the rows.

    Args:
        rows: of any number of cells.
        sets: the record's; says how many images each has.
    """
    cells: dict[Cell, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    found = []
    for cell, own in cells.items():
        of = int(sets.get(set_key(cell.set, cell.scale), {}).get("images", len(own)))
        values = {name: _mean(own, name) if len(own) == of else None for name in METRICS}
        found.append(Mean(cell, len(own), of, where_from({row.lr for row in own}), values))
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


def markdown(found: Sequence[Mean], protocol: Protocol) -> str:
    """Tables of models x sets, one for each scale and degradation; best bold, second underlined.

    Args:
        found: from ``means``. protocol: how they were scored.
    Returns:
        Markdown; "" for none.
    """
    parts = []
    tasks = dict.fromkeys((mean.cell.scale, mean.cell.degradation) for mean in found)
    for scale, degradation in sorted(tasks, key=lambda t: (t[0], degradation_order(t[1]))):
        here = [m for m in found if (m.cell.scale, m.cell.degradation) == (scale, degradation)]
        names: tuple[str, ...] = headline(scale, degradation)
        if scale == 1 and all(mean.values["psnr_b"] is not None for mean in here):
            names = (names[0], "psnr_b", names[1])
        title = task_title(scale, degradation)
        channel = "grey" if protocol.luma else "RGB" if names[0] == "psnr_rgb" else "Y"
        figures = " / ".join(_TITLES[name] for name in names)
        raw = protocol.grey_at(scale) == "raw" and not protocol.luma
        remark = ", grey files on the grey value" if raw else ""
        parts.append(f"**{title}** ({figures} on {channel}{remark})\n\n{_table(here, names)}")
    return "\n".join(parts)


def per_image(rows: Sequence[Row]) -> str:
    """A line an image, in Markdown: PSNR and SSIM that papers print, and seconds."""
    lines = ["| model | set | task | image | PSNR (dB) | SSIM | seconds |", "|---|" + "---|" * 6]
    for row in rows:
        cell = row.cell
        psnr, ssim = (getattr(row.scores, n) for n in headline(cell.scale, cell.degradation))
        task = task_title(cell.scale, cell.degradation)
        figures = (f"{psnr:.3f}", f"{ssim:.4f}", f"{row.seconds:.2f}")
        words = map(_cell, (cell.model, cell.set, task, row.image, *figures))
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def signatures(found: Sequence[Mean], protocol: Protocol, padding: str) -> list[str]:
    """The protocol of each set and scale in one line; baselines pad nothing."""
    keys = dict.fromkeys((mean.cell.set, mean.cell.scale, mean.lr) for mean in found)
    return [
        f"{name} x{scale}: {protocol.signature(scale, padding, lr)}" for name, scale, lr in keys
    ]


def _table(found: Sequence[Mean], names: Sequence[str]) -> str:
    models = list(dict.fromkeys(mean.cell.model for mean in found))
    sets = sorted({mean.cell.set for mean in found}, key=set_order)
    at = {(mean.cell.model, mean.cell.set): mean for mean in found}
    columns = [_ranked([at.get((model, one)) for model in models], names) for one in sets]
    titles = [f"{name} (no standard set)" if name == SAMPLE else name for name in sets]
    lines = [["", *titles], ["---"] * (len(titles) + 1)]
    lines += [[model, *cells] for model, *cells in zip(models, *columns, strict=True)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _ranked(column: Sequence[Mean | None], names: Sequence[str]) -> list[str]:
    """The cells of a column, each figure marked by its rank among the models'."""
    texts = [["" for _ in names] for _ in column]
    for index, name in enumerate(names):
        shown = [None if m is None else printed(m.values[name], name) for m in column]
        ranks = sorted({float(text) for text in shown if text}, reverse=True)
        several = sum(text is not None and text != "" for text in shown) > 1
        for line, text in zip(texts, shown, strict=True):
            line[index] = _marked(text, ranks) if text and several else text or "-"
    return [
        f"{mean.count} of {mean.of} images" if mean and not mean.whole else " / ".join(line)
        for mean, line in zip(column, texts, strict=True)
    ]


def printed(value: float | None, metric: str) -> str:
    """A figure with the decimals that papers give: 2 for dB, 4 for SSIM; "" for None."""
    return number(value, 2 if "psnr" in metric else 4)


def _marked(text: str, ranks: Sequence[float]) -> str:
    rank = ranks.index(float(text))
    return f"**{text}**" if rank == 0 else f"<u>{text}</u>" if rank == 1 else text


def _mean(rows: Sequence[Row], name: str) -> float | None:
    values = [getattr(row.scores, name) for row in rows]
    return None if None in values else sum(values) / len(values)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text
