"""Scores of the models that the page offers: read from files, never written here.

Results of the evaluation suite (``means.csv`` of its runs) where this installation has some, and
the cards that come with the packaged weights.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swin2sr import checkpoints
from swin2sr.checkpoints.registry import WEIGHTS_FOLDER
from swin2sr.demo.messages import escape_markdown
from swin2sr.images.resize import BICUBIC, INPUT

RESULTS_FOLDER = WEIGHTS_FOLDER.parent.parent / "eval" / "results"
MEANS = "means.csv"
CARD_SECTION = "How good it is"
BASELINE_ROWS = (BICUBIC, INPUT)  # shown beside the models
# A line that ends in a colon, and the code it announces.
COMMANDS = re.compile(r"^[^\n]+:\n\n(?: {4}[^\n]*\n)+\n?", re.M)


@dataclass(frozen=True)
class Score:
    """Score of a model: the means over a whole set.

    Args:
        model, set, task: which.
        images: how many.
        channel: "Y" or "RGB", as papers print it for the task.
        psnr: dB, and ssim: 0..1, with the digits of the file.
    """

    model: str
    set: str
    task: str
    images: int
    channel: str
    psnr: float
    ssim: float


def read_scores(folder: Path = RESULTS_FOLDER) -> list[Score]:
    """Read every mean over a whole set that lies in ``means.csv`` files below a folder.

    Models that the registry does not know are left out, and so is a file that cannot be read: a
    page without a score is better than none. A file without any such model is left out whole: it
    measures a protocol, by which its baselines may differ from those that stand beside models.
    """
    found = {}
    for path in sorted(folder.rglob(MEANS)):
        for score in _read_means(path):
            found[score.set, score.task, score.model] = score
    return list(found.values())


def score_table(scores: list[Score]) -> str:
    """Table of scores as Markdown: a row a model and task, a column a set; "" for none."""
    if not scores:
        return ""
    sets = {one.set: one.images for one in scores}
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for one in scores:
        row = rows.setdefault((one.task, one.channel, one.model), {})
        row[one.set] = f"{one.psnr:.2f} / {one.ssim:.4f}"
    heads = [
        "task",
        "model",
        *(f"{escape_markdown(name)} ({count})" for name, count in sets.items()),
    ]
    lines = [_table_line(heads), _table_line(["---"] * len(heads))]
    for (task, channel, model), cells in sorted(rows.items(), key=lambda row: row[0][:2]):
        line = [
            f"{escape_markdown(task)}, {channel}",
            escape_markdown(model),
            *(cells.get(name, "") for name in sets),
        ]
        lines.append(_table_line(line))
    return "\n".join(lines) + "\n"


def _table_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def card_sections(folder: Path = WEIGHTS_FOLDER) -> dict[str, str]:
    """Quote the section on quality of each packaged model's card, as Markdown by model name;
    without commands, which are for who has the repository.
    """
    found = {}
    for entry in checkpoints.list_models():
        path = folder / f"{entry.name}.md"
        if entry.source == "packaged" and path.is_file():
            text = path.read_text(encoding="utf-8")
            section = re.search(rf"^## {CARD_SECTION}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
            if section:
                found[entry.name] = COMMANDS.sub("", section[1]).strip()
    return found


def _read_means(path: Path) -> Iterator[Score]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if all(checkpoints.find(row["model"]) is None for row in rows):
            return
        for row in rows:
            jpeg = "jpeg" in row["degradation"] or row["scale"] == "1"
            psnr, ssim = (row["psnr_rgb"], row["ssim_rgb"]) if jpeg else (row["psnr"], row["ssim"])
            known = row["model"] in BASELINE_ROWS or checkpoints.find(row["model"]) is not None
            if known and row["images"] == row["of"] and psnr and ssim:
                larger = f"x{row['scale']} " if row["scale"] != "1" else ""
                yield Score(
                    row["model"],
                    row["set"],
                    f"{larger}{row['degradation']}",
                    int(row["images"]),
                    "RGB" if jpeg else "Y",
                    float(psnr),
                    float(ssim),
                )
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return
