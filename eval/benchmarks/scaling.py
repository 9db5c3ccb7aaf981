"""Scaling of time and memory with the size of a picture: curves, and the power they grow with.

    python -m eval.benchmarks.scaling --models swin2sr-lightweight-x2 --out results/scaling

Each point is one picture through ``Upscaler`` in a process of its own: as a whole, and in the tiles
it would choose by itself. The exponent is the slope of a straight line through the logarithms of
all points: 1 is growth in proportion to the pixels. Sizes that would take longer than
``--most-seconds``, or more memory than there is, are left out and named.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from eval.benchmarks import networks
from eval.benchmarks.networks import OURS
from eval.benchmarks.output import PRECISIONS, TimeLimit, environment, exponent, save
from eval.benchmarks.process import Work, Worker
from eval.report import plots
from swin2sr.config import RestorationConfig
from swin2sr.console import Console, run_command
from swin2sr.errors import Swin2SRError
from swin2sr.filesystem import write_bytes
from swin2sr.inference.hardware import prepare_process
from swin2sr.inference.upscaler import Upscaler
from swin2sr.plots import png

SIDES = (64, 128, 256, 512, 1024, 2048)
WAYS = ("whole", "tiles")
COLUMNS = "| model | way | side | pixels | s | us/px | MB |"


@dataclass(frozen=True)
class Job:
    """Job of one process: a network on a square picture, whole or in tiles."""

    config: RestorationConfig
    way: str
    side: int
    precision: str
    device: str


@dataclass(frozen=True)
class Point:
    """Point of a curve: seconds (median), and bytes above the process at rest (or None)."""

    model: str
    way: str
    side: int
    seconds: float
    peak_bytes: int | None

    @property
    def pixels(self) -> int:
        """Pixels of the input."""
        return self.side**2

    def __str__(self) -> str:
        memory = "-" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.0f}"
        rate = self.seconds / self.pixels * 1e6
        head = f"| {self.model} | {self.way} | {self.side} | {self.pixels:,}"
        return f"{head} | {self.seconds:.3f} | {rate:.2f} | {memory} |"


def prepare(job: Job) -> Work:
    """Prepare the work of one process: one picture through ``Upscaler``."""
    prepare_process()
    model = networks.build(OURS, job.config, "float32", None, "cpu")
    upscaler = Upscaler(model, precision=job.precision, device=job.device)
    pixels = networks.picture(job.side, 3)[0]
    tile = None if job.way == "whole" else "auto"

    def run() -> np.ndarray:
        return upscaler.picture(pixels, tile=tile).pixels

    upscaler.picture(pixels[:, :16, :16], tile=None)
    return run


def curve(name: str, jobs: Sequence[Job], repeats: int, cap: TimeLimit) -> Iterator[Point | str]:
    """Points of one curve as they are measured, and a word on each size that is left out."""
    for job in jobs:
        reason = cap.refuses(job.side**2)
        if not reason:
            try:
                with Worker(prepare, job, job.device) as worker:
                    costs = [worker.run() for _ in range(repeats)]
            except Swin2SRError as error:
                if error.code not in ("over_budget", "memory"):
                    raise
                reason = error.message
        if reason:
            yield f"{name}, {job.way}, {job.side}: left out: {reason.rstrip('.')}."
            continue
        seconds = [cost.seconds for cost in costs]
        cap.add(job.side**2, min(seconds))  # one hiccup must not refuse all that is larger
        yield Point(name, job.way, job.side, statistics.median(seconds), costs[0].peak_bytes)


def fits(points: Sequence[Point]) -> dict[tuple[str, str], tuple[float, float]]:
    """Exponents of time and memory in the pixels, by model and way; nan unknown."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.model, point.way), []).append(point)
    return {
        key: (
            exponent([(p.pixels, p.seconds) for p in own]),
            exponent([(p.pixels, p.peak_bytes or 0) for p in own]),
        )
        for key, own in groups.items()
    }


def _fit_lines(points: Sequence[Point]) -> list[str]:
    lines = ["| model | way | time grows with pixels to the | memory to the |", "|---|---|---|---|"]
    for (model, way), (time, memory) in fits(points).items():
        lines.append(f"| {model} | {way} | {_power(time)} | {_power(memory)} |")
    return lines


def _power(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _draw(points: Sequence[Point], out: Path) -> None:
    """Two figures: seconds, and memory where it is known."""
    found = fits(points)
    for index, (name, unit) in enumerate((("time", "seconds"), ("memory", "MB"))):
        curves: dict[str, list[tuple[float, float]]] = {}
        for point in points:
            cost = point.seconds if name == "time" else (point.peak_bytes or 0) / 1e6
            if cost > 0:
                curves.setdefault(f"{point.model}, {point.way}", []).append((point.pixels, cost))
        labels = {
            f"{model}, {way}": f"(pixels to the {_power(powers[index])})"
            for (model, way), powers in found.items()
        }
        if curves:
            figure = plots.scaling(curves, labels, "input pixels", unit)
            write_bytes(out / f"scaling_{name}.png", png(figure, plots.DPI))


def _main(options: argparse.Namespace, console: Console) -> int:
    page = [environment(), "", COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|"]
    for text in page:
        console.say(text)
    points: list[Point] = []
    notes: list[str] = []
    for name, config in networks.named(options.models).items():
        for way in options.ways:
            jobs = [
                Job(config, way, side, options.precision, options.device)
                for side in sorted(options.sides)
            ]
            for found in curve(name, jobs, options.repeats, TimeLimit(options.most_seconds)):
                if isinstance(found, str):
                    notes.append(f"- {found}")
                    console.tell(f"note: {found}")
                else:
                    points.append(found)
                    page.append(str(found))
                    console.say(page[-1])
                text = "\n".join([*page, "", *_fit_lines(points), "", *notes]) + "\n"
                save(options.out, "scaling", text, [asdict(point) for point in points])
    for line in _fit_lines(points):
        console.say(line)
    if options.out is not None and points and find_spec("matplotlib") is not None:
        _draw(points, options.out)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.benchmarks.scaling", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--models", nargs="+", default=["swin2sr-lightweight-x2", "swin2sr-classical-x2"])
    add("--sides", nargs="+", type=int, default=list(SIDES), help="pixels [%(default)s]")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--precision", choices=PRECISIONS, default="float32")
    add("--repeats", type=int, default=2, help="[%(default)s]")
    add("--device", default="cpu", help="cpu or cuda [%(default)s]")
    add("--most-seconds", type=float, default=60.0, help="of one run [%(default)s]")
    add("--out", type=Path, help="folder for scaling.json, scaling.md and two plots")
    options = parser.parse_args(arguments)
    return run_command(lambda console: _main(options, console))


if __name__ == "__main__":
    sys.exit(main())
