"""Seconds and peak memory of this package's Swin2SR beside transformers', in one run.

    python -m eval.benchmarks.speed --models lightweight classical --sizes 64 128 256 512

Each network has a process of its own, as its user would, and they run by turns with the same
weights and the same input, so that a busy machine slows all. The reference is transformers in
float32; the median of the repeats counts. Memory is the growth of the process's resident set during
its first call. Weights are random, which changes neither; ``--weights`` takes real ones, and then
the table's PSNR says what bfloat16 costs.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swin2sr.checkpoints import load, to_hub, to_native
from swin2sr.config import Swin2SRConfig
from swin2sr.hardware import available_cores, prepare_process
from swin2sr.models import Swin2SRForImageSuperResolution

CONFIGS = {
    "lightweight": Swin2SRConfig(
        embed_dim=60, depths=(6,) * 4, num_heads=(6,) * 4, upsampler="pixelshuffledirect"
    ),
    "classical": Swin2SRConfig(),
}
WAYS = ("transformers float32", "transformers bfloat16", "swin2sr float32", "swin2sr bfloat16")
REFERENCE = WAYS[0]


@dataclass(frozen=True)
class Job:
    """What one process measures.

    Attributes:
        way: one of ``WAYS``, library and precision.
        config: shape of the network.
        size: side of the picture in pixels.
        weights: name or path of real weights, or None.
    """

    way: str
    config: Swin2SRConfig
    size: int
    weights: str | None


def build(way: str, config: Swin2SRConfig, weights: str | None) -> torch.nn.Module:
    """The network of one column, with the same weights in every column."""
    library, dtype = way.split()
    if weights:
        found = load(weights)
        config, state = found.config, dict(found.state)
    else:
        torch.manual_seed(0)
        state = Swin2SRForImageSuperResolution(config).state_dict()
    if library == "swin2sr":
        model: Any = Swin2SRForImageSuperResolution(config)
        model.load_state_dict(to_native(state))
    else:
        import transformers

        model = transformers.Swin2SRForImageSuperResolution(
            transformers.Swin2SRConfig(**{**config.to_dict(), "drop_path_rate": 0.0})
        )
        model.load_state_dict(to_hub(state))
    return model.to(getattr(torch, dtype)).eval()


def picture(size: int) -> Tensor:
    """A (1, 3, size, size) photograph in 0..1: a crop of scikit-image's astronaut."""
    from skimage.data import astronaut

    pixels = torch.from_numpy(astronaut()).permute(2, 0, 1)[None].float() / 255
    return pixels[:, :, :size, :size].contiguous()


@torch.inference_mode()
def run(model: torch.nn.Module, pixels: Tensor) -> Tensor:
    """One call in the precision of the network."""
    dtype = next(model.parameters()).dtype
    own = isinstance(model, Swin2SRForImageSuperResolution)
    return model(pixels if own else pixels.to(dtype)).reconstruction.float()


class Runner:
    """A network in a process of its own, that runs when told to.

    Use as a context manager; the process ends with it.
    """

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(job, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.memory: float = self._ours.recv()

    def seconds(self) -> float:
        """Run once."""
        self._ours.send("run")
        return self._ours.recv()

    def output(self) -> np.ndarray:
        """The last run's image, (1, 3, H, W) float32."""
        self._ours.send("output")
        return self._ours.recv()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ours.close()
        self._process.join()


def _serve(job: Job, pipe: Connection) -> None:
    if job.way.startswith("swin2sr"):
        prepare_process()
    else:
        torch.set_num_threads(available_cores())
    model = build(job.way, job.config, job.weights)
    pixels = picture(job.size)
    run(model, pixels[:, :, :16, :16])
    output, memory = _growth(model, pixels)
    pipe.send(memory)
    while True:
        try:
            wanted = pipe.recv()
        except EOFError:  # the parent is done
            return
        if wanted == "output":
            pipe.send(output.numpy())
            continue
        start = time.perf_counter()
        output = run(model, pixels)
        pipe.send(time.perf_counter() - start)


def _growth(model: torch.nn.Module, pixels: Tensor) -> tuple[Tensor, float]:
    """The result of one run, and by how many MB the resident set grew for it (Linux, else NaN)."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return run(model, pixels), math.nan
    reset.write_text("5")  # the kernel's high-water mark
    before = _status("VmRSS")
    output = run(model, pixels)
    return output, (_status("VmHWM") - before) / 1e3


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def psnr(result: np.ndarray, reference: np.ndarray) -> float:
    """Of two outputs, in dB with peak 1, both clipped to 0..1."""
    error = np.square(result.clip(0, 1) - reference.clip(0, 1), dtype=np.float64).mean()
    return math.inf if error == 0 else -10 * math.log10(error)


def measure(name: str, jobs: Sequence[Job], repeats: int) -> list[str]:
    """One block of the table: a line for each job, the first being the reference."""
    with ExitStack() as stack:
        runners = [stack.enter_context(Runner(job)) for job in jobs]
        seconds = [statistics.median(t) for t in zip(*_rounds(runners, repeats), strict=True)]
        outputs = [runner.output() for runner in runners]
    lines = []
    for job, runner, spent, output in zip(jobs, runners, seconds, outputs, strict=True):
        difference = np.abs(output - outputs[0]).max()
        lines.append(
            f"| {name} x2 | {job.size} | {job.way} | {spent:.3f} | {spent / job.size**2 * 1e6:.2f} "
            f"| {seconds[0] / spent:.2f} | {runner.memory:.0f} | {difference:.1e} "
            f"| {psnr(output, outputs[0]):.1f} |"
        )
    return lines


def _rounds(runners: Sequence[Runner], repeats: int) -> list[list[float]]:
    return [[runner.seconds() for runner in runners] for _ in range(repeats)]


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 128, 256, 512])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeats", type=int, default=4, help="half of it from 512 pixels up")
    parser.add_argument("--weights", help="name or path of real weights, for one --models")
    options = parser.parse_args(arguments)
    ways = [REFERENCE, *(way for way in options.ways if way != REFERENCE)]
    print(f"torch {torch.__version__}, {available_cores()} threads")
    print("| model | side | way | s | us/px | x faster | MB | max diff | PSNR dB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.models:
        for size in options.sizes:
            jobs = [Job(way, CONFIGS[name], size, options.weights) for way in ways]
            repeats = options.repeats if size < 512 else max(1, options.repeats // 2)
            print("\n".join(measure(name, jobs, repeats)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
