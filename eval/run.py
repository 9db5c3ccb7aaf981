"""Score a model on a benchmark by the papers' protocol, image by image.

    python -m eval run --model swin2sr-small-x2 --data benchmarks --set Set5 --scale 2

PSNR and SSIM on the Y channel of 8-bit images, a border of ``scale`` pixels removed; the mean is
over the images. Every table ends with the signature that says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.datasets import Benchmark, find, load
from swin2sr import metrics
from swin2sr.errors import Swin2SRError
from swin2sr.hardware import prepare_process
from swin2sr.resize import imresize

BICUBIC = "bicubic"
Enlarge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One image: PSNR (dB) and SSIM on Y, and seconds of enlarging."""

    name: str
    psnr: float
    ssim: float
    seconds: float


def evaluate(enlarge: Enlarge, benchmark: Benchmark) -> Iterator[Score]:
    """Score the images of a benchmark one after the other.

    Args:
        enlarge: (h, w, 3) uint8 -> (h * scale, w * scale, 3) uint8.
        benchmark: from ``datasets.find``.
    Yields:
        ``Score`` in the benchmark's order.
    Raises:
        ImageError: a file that cannot be used. ShapeError: ``enlarge`` gave another size.
    """
    for item in benchmark.items:
        lr, hr = load(item, benchmark.scale)
        start = time.perf_counter()
        sr = enlarge(lr)
        seconds = time.perf_counter() - start
        border = benchmark.scale
        yield Score(
            item.name,
            metrics.psnr(sr, hr, border=border),
            metrics.ssim(sr, hr, border=border),
            seconds,
        )


def mean(scores: Sequence[Score]) -> Score:
    """The mean of the per-image values, called "mean"."""
    count = len(scores)
    return Score(
        "mean",
        sum(score.psnr for score in scores) / count,
        sum(score.ssim for score in scores) / count,
        sum(score.seconds for score in scores) / count,
    )


def signature(benchmark: Benchmark, padding: str) -> str:
    """The protocol in one line; two results compare only when their signatures are equal."""
    parts = ("Y:bt601", f"crop:{benchmark.scale}", f"pad:{padding}")
    return "|".join((*parts, f"lr:{benchmark.lr_origin}", "uint8"))


def enlarger(model: str, scale: int, padding: str) -> Enlarge:
    """What enlarges one image: bicubic, or a model in float32 on the whole image at once.

    Args:
        model: "bicubic", a registry name, a hub id, or a path. scale: what it must enlarge by.
        padding: "minimal" or "official".
    Raises:
        WeightsError, ConfigError: as ``Upscaler.from_pretrained``.
    """
    if model == BICUBIC:
        return lambda lr: imresize(lr, scale)
    from swin2sr.upscale import Upscaler

    upscaler = Upscaler.from_pretrained(model, scale=scale, precision="float32")

    def enlarge(lr: np.ndarray) -> np.ndarray:
        pixels = upscaler.picture(lr, tile=None, padding=padding).pixels
        return np.clip(np.round(pixels * 255), 0, 255).astype(np.uint8)

    return enlarge


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m eval", description=__doc__)
    run = parser.add_subparsers(required=True).add_parser("run", help="score a model on a set")
    run.add_argument("--model", required=True, help=f"name or path of a model, or {BICUBIC!r}")
    run.add_argument("--data", required=True, type=Path, help="folder of benchmark folders")
    run.add_argument("--set", required=True, dest="benchmark", help="for example Set5")
    run.add_argument("--scale", required=True, type=int, choices=(2, 3, 4))
    run.add_argument("--padding", default="minimal", choices=("minimal", "official"))
    options = parser.parse_args(arguments)
    prepare_process()
    try:
        benchmark = find(options.data, options.benchmark, options.scale)
        enlarge = enlarger(options.model, options.scale, options.padding)
        _print_table(evaluate(enlarge, benchmark), options.model, benchmark)
    except Swin2SRError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    padding = "none" if options.model == BICUBIC else options.padding
    print(f"\n{signature(benchmark, padding)}")
    return 0


def _print_table(scores: Iterator[Score], model: str, benchmark: Benchmark) -> None:
    """A Markdown table, row by row as the scores come, then their mean."""
    print(f"{model} on {benchmark.name} x{benchmark.scale}\n")
    print("| image | PSNR (dB) | SSIM | seconds |\n|---|---|---|---|", flush=True)
    seen = []
    for score in scores:
        seen.append(score)
        _print_row(score)
    _print_row(mean(seen))


def _print_row(score: Score) -> None:
    print(
        f"| {score.name} | {score.psnr:.3f} | {score.ssim:.4f} | {score.seconds:.2f} |", flush=True
    )
