"""Output of the benchmarks, with the machine it is of, and the time limit of their runs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.run import manifest
from swin2sr.filesystem import make_folder, write_bytes

PRECISIONS = ("float32", "bfloat16", "float16", "float64")


class TimeLimit:
    """Time limit of a run: refuses sizes that would exceed it, judged by the sizes before them.

    Args:
        most_seconds: of one run.
    """

    def __init__(self, most_seconds: float) -> None:
        self._most = most_seconds
        self._points: list[tuple[float, float]] = []

    def add(self, pixels: float, seconds: float) -> None:
        """Add the seconds that a size took."""
        self._points.append((pixels, seconds))

    def predict(self, pixels: float) -> float:
        """Seconds a size would take: as the last one, growing at least in proportion; 0 unknown."""
        if not self._points:
            return 0.0
        last, seconds = self._points[-1]
        growth = 1.0
        if len(self._points) > 1:
            growth = max(1.0, exponent(self._points[-2:]))
        return seconds * (pixels / last) ** growth

    def refuses(self, pixels: float) -> str:
        """Reason to leave a size out; "" when there is none."""
        needed = self.predict(pixels)
        if needed <= self._most:
            return ""
        return f"it would take about {needed:.0f} s, the limit is {self._most:g} s"


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Exponent of growth: the slope of a least-squares line through logarithms of x and y.

    Args:
        points: (x, y), positive; at least two different x.
    Returns:
        1 for y in proportion to x; nan where there are too few points.
    """
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return math.nan
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    across = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / across


def environment() -> str:
    """Versions and machine in one line."""
    versions, machine = manifest.versions(), manifest.machine()
    gpus = "".join(f", {name}" for name in machine["gpus"])
    return f"torch {versions['torch']}, {machine['cores']} cores of {machine['processor']}{gpus}"


def save(out: Path | None, name: str, page: str, lines: Sequence[dict[str, Any]]) -> None:
    """Write a table as Markdown and JSON, each whole or not at all.

    Args:
        out: folder, made when absent; None writes nothing. name: of both files.
        page: Markdown. lines: plain values; numbers that are not finite become null.
    Raises:
        OutputError: they cannot be written.
    """
    if out is None:
        return
    make_folder(out)
    values = {
        "versions": manifest.versions(),
        "machine": manifest.machine(),
        "commit": manifest.commit(),
        "lines": [{key: _plain(value) for key, value in line.items()} for line in lines],
    }
    write_bytes(out / f"{name}.json", (json.dumps(values, indent=2) + "\n").encode())
    write_bytes(out / f"{name}.md", page.encode())


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
