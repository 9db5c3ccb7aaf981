"""Seconds and peak memory of every network and precision, beside transformers where it has it.

    python -m eval.benchmarks.speed --models all --sides 64 128 256 --out results/speed

Networks run by turns in processes of their own, with the same random weights and the same picture;
the median of the repeats counts. The reference of each block is transformers in float32, or this
package in float32 where transformers does not compute the same network. Memory is what the first
run adds to the process. ``--weights`` takes real weights, and then the last columns say what a
precision costs in accuracy.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from eval.benchmarks import networks
from eval.benchmarks.networks import OURS, PEER
from eval.benchmarks.output import PRECISIONS, TimeLimit, environment, save
from eval.benchmarks.process import Work, Worker
from swin2sr.config import RestorationConfig
from swin2sr.console import Console, run_command
from swin2sr.inference.hardware import available_cores, prepare_process

COLUMNS = "| model | side | library | precision | s | us/px | x faster | MB | max diff | PSNR dB |"


@dataclass(frozen=True)
class Job:
    """Job of one process: a network, its precision and a size.

    Args:
        library, precision, config, weights, device: as ``networks.build``.
        side: of the picture in pixels.
    """

    library: str
    precision: str
    config: RestorationConfig
    side: int
    weights: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Line:
    """Line of the table; ratio and differences are to the block's first line.

    Args:
        seconds: median. peak_bytes: of the first run, or None. faster: ratio of seconds.
        difference: largest, of outputs in 0..1. psnr: dB between the clipped outputs.
    """

    model: str
    side: int
    library: str
    precision: str
    seconds: float
    peak_bytes: int | None
    faster: float
    difference: float
    psnr: float

    def __str__(self) -> str:
        memory = "-" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.0f}"
        return (
            f"| {self.model} | {self.side} | {self.library} | {self.precision} "
            f"| {self.seconds:.3f} | {self.seconds / self.side**2 * 1e6:.2f} | {self.faster:.2f} "
            f"| {memory} | {self.difference:.1e} | {self.psnr:.1f} |"
        )


def prepare(job: Job) -> Work:
    """Prepare the work of one process: one call of a network."""
    if job.library == OURS:
        prepare_process()
    else:
        torch.set_num_threads(available_cores())
    model = networks.build(job.library, job.config, job.precision, job.weights, job.device)
    pixels = networks.picture(job.side, job.config.num_channels).to(job.device)
    if job.library == PEER:  # ours takes float32 and converts
        pixels = pixels.to(getattr(torch, job.precision))

    @torch.inference_mode()
    def run(part: torch.Tensor) -> np.ndarray:
        result: torch.Tensor = model(part).reconstruction
        return result.float().cpu().numpy()

    small = 2 * job.config.window_size
    run(pixels[:, :, :small, :small])
    return lambda: run(pixels)


def measure(name: str, jobs: Sequence[Job], repeats: int) -> list[Line]:
    """Measure one block of the table: a line for each job, the first being the reference.

    Raises:
        Swin2SRError: a job that cannot run.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(prepare, job, job.device)) for job in jobs]
        costs = [[worker.run() for worker in workers] for _ in range(repeats)]
        outputs = [worker.output() for worker in workers]
    seconds = [statistics.median(c.seconds for c in own) for own in zip(*costs, strict=True)]
    return [
        Line(
            model=name,
            side=job.side,
            library=job.library,
            precision=job.precision,
            seconds=spent,
            peak_bytes=first.peak_bytes,
            faster=seconds[0] / spent,
            difference=float(np.abs(output - outputs[0]).max()),
            psnr=psnr(output, outputs[0]),
        )
        for job, first, spent, output in zip(jobs, costs[0], seconds, outputs, strict=True)
    ]


def psnr(result: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of two outputs, in dB with peak 1, both clipped to 0..1; infinite for equal ones."""
    error = np.square(result.clip(0, 1) - reference.clip(0, 1), dtype=np.float64).mean()
    return math.inf if error == 0 else -10 * math.log10(error)


def jobs_for(
    config: RestorationConfig,
    side: int,
    precisions: Sequence[str],
    weights: str | None = None,
    device: str = "cpu",
) -> list[Job]:
    """Jobs of a network at a size: libraries x precisions, the reference first."""
    libraries = [PEER, OURS] if networks.has_peer(config) else [OURS]
    wanted = list(dict.fromkeys(["float32", *precisions]))
    return [
        Job(library, precision, config, side, weights, device)
        for library in libraries
        for precision in wanted
        if (library, precision) == (libraries[0], "float32") or precision in precisions
    ]


def table(options: argparse.Namespace) -> Iterator[Line | str]:
    """Lines as they are measured, and a word on what is left out."""
    for name, config in networks.named(options.models).items():
        cap = TimeLimit(options.most_seconds)
        for side in sorted(options.sides):
            if reason := cap.refuses(side**2):
                yield f"{name}, {side}: left out, {reason}."
                continue
            jobs = jobs_for(config, side, options.precisions, options.weights, options.device)
            repeats = options.repeats if side < 512 else max(1, options.repeats // 2)
            lines = measure(name, jobs, repeats)
            cap.add(side**2, max(line.seconds for line in lines))
            yield from lines


def _main(options: argparse.Namespace, console: Console) -> int:
    page = [environment(), "", COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|"]
    for text in page:
        console.say(text)
    lines: list[Line] = []
    for found in table(options):
        if isinstance(found, str):
            console.tell(f"note: {found}")
            continue
        lines.append(found)
        page.append(str(found))
        console.say(page[-1])
        save(options.out, "speed", "\n".join(page) + "\n", [asdict(line) for line in lines])
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.benchmarks.speed", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--models", nargs="+", default=["swin2sr-lightweight-x2", "swin2sr-classical-x2"])
    add("--sides", nargs="+", type=int, default=[64, 128, 256, 512], help="pixels [%(default)s]")
    add("--precisions", nargs="+", choices=PRECISIONS, default=["float32", "bfloat16"])
    add("--repeats", type=int, default=4, help="half of it from 512 pixels up [%(default)s]")
    add("--weights", help="name or path of real weights, for one --models")
    add("--device", default="cpu", help="cpu or cuda [%(default)s]")
    add("--most-seconds", type=float, default=60.0, help="of one run [%(default)s]")
    add("--out", type=Path, help="folder for speed.json and speed.md")
    options = parser.parse_args(arguments)
    return run_command(lambda console: _main(options, console))


if __name__ == "__main__":
    sys.exit(main())
