"""Published figures of papers, to stand beside what is measured: ``published.json``.

A figure whose source was not seen itself carries a note that says so, and ``checked`` names the
further places that print the same. Where a figure and a measurement disagree, the transcription is
the first suspect, and the protocol the second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.json")
METRICS = ("psnr", "ssim", "psnr_b")  # the order of the figures in the file


@dataclass(frozen=True)
class Published:
    """Published figure of a table.

    Args:
        model: registry name, or "bicubic" or "input". set, scale, degradation: as in results.
        channel: "y", "rgb", or "grey" (the 8-bit Y of the original, or a grey original).
        figures: by metric, without the channel; those that are printed.
        source, url, table: where. checked: further places with the same figures.
        note: what must be known about it.
    """

    model: str
    set: str
    scale: int
    degradation: str
    channel: str
    figures: dict[str, float]
    source: str
    url: str
    table: str
    checked: tuple[str, ...]
    note: str


@cache
def published() -> tuple[Published, ...]:
    """Read every figure in the file."""
    values = json.loads(FILE.read_text(encoding="utf-8"))
    sources: dict[str, dict[str, str]] = values["sources"]
    return tuple(
        _figure(row, name, printed, sources)
        for row in values["rows"]
        for name, printed in row["figures"].items()
    )


def find(model: str, name: str, scale: int, degradation: str, channel: str) -> Published | None:
    """Find the figure for a model on a set; None where none is printed."""
    wanted = (model, name, scale, degradation, channel)
    for one in published():
        if (one.model, one.set, one.scale, one.degradation, one.channel) == wanted:
            return one
    return None


def _figure(
    row: dict[str, Any], name: str, printed: list[float | None], sources: dict[str, dict[str, str]]
) -> Published:
    source = sources[row["source"]]
    pairs = zip(METRICS, printed, strict=False)
    return Published(
        model=row["model"],
        set=name,
        scale=row["scale"],
        degradation=row["degradation"],
        channel=row["channel"],
        figures={metric: value for metric, value in pairs if value is not None},
        source=source["short"],
        url=source["url"],
        table=row["table"],
        checked=tuple(sources[other]["short"] for other in row["checked"]),
        note=row.get("note", ""),
    )
