"""Time of a training step on a CPU: eager PyTorch, torch.compile and kernels, by turns.

    python -m eval.benchmarks.training --recipes swin2sr-small-x2 --out results/training

A step is everything between two batches: forward and backward pass, clipped gradient, optimiser and
EMA. Every way to compute it has a process of its own, with the same weights and the same random
patches; they take turns of a few steps, so that a busy machine hits all alike, and the median turn
counts. The reference of each block is eager float32 with as many threads. The last two columns say
how much faster a way is than itself with the first number of threads, and how far its gradient is
from the reference's, as a share of its length.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eval.benchmarks.output import environment, save
from eval.benchmarks.process import Work, Worker
from swin2sr.console import Console, run_command
from swin2sr.errors import ConfigError
from swin2sr.inference.hardware import prepare_process
from swin2sr.kernels.attach import attach
from swin2sr.kernels.build import KernelError
from swin2sr.training.losses import Objective, bfloat16_attention
from swin2sr.training.recipes import Recipe, find_recipe
from swin2sr.training.state import begin

COLUMNS = "| recipe | threads | way | precision | ms | us/px | x faster | x threads | gradient |"
EAGER, COMPILED, KERNELS = "eager", "compiled", "kernels"
WAYS = (
    *((EAGER, "float32"), (EAGER, "bfloat16"), (COMPILED, "bfloat16")),
    *((KERNELS, "float32"), (KERNELS, "bfloat16")),
)  # the reference first


@dataclass(frozen=True)
class Job:
    """Job of one process: a recipe's step, its precision included.

    Args:
        way: ``EAGER``, ``COMPILED`` or ``KERNELS``. steps: of a turn.
    """

    recipe: Recipe
    way: str
    threads: int
    steps: int


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        seconds: of a step, median of the turns. pixels: LR pixels of a step.
        faster: ratio of seconds to the reference. scaling: ratio to fewest threads.
        difference: length of the gradient's difference to the reference, as a share of its length.
    """

    recipe: str
    threads: int
    way: str
    precision: str
    seconds: float
    pixels: int
    faster: float
    scaling: float
    difference: float

    def __str__(self) -> str:
        return (
            f"| {self.recipe} | {self.threads} | {self.way} | {self.precision} "
            f"| {self.seconds * 1e3:.1f} | {self.seconds / self.pixels * 1e6:.1f} "
            f"| {self.faster:.2f} | {self.scaling:.2f} | {self.difference:.1e} |"
        )


def prepare(job: Job) -> Work:
    """Prepare the work of one process: a turn of steps, whose output is the first gradient.

    Raises:
        ConfigError: there are no kernels.
    """
    prepare_process(job.threads)
    recipe = job.recipe
    state = begin(recipe, torch.device("cpu"))
    objective: nn.Module = Objective(state.model, recipe)
    if job.way == COMPILED:
        objective.compile()
    elif job.way == KERNELS:
        try:
            attach(state.model, recipe.precision == "bfloat16")
        except KernelError as error:
            raise ConfigError(f"There are no kernels to measure: {error}.") from error
    torch.manual_seed(1)
    channels, scale = recipe.config.num_channels, recipe.config.upscale
    small = torch.rand(recipe.batch, channels, recipe.patch, recipe.patch)
    large = torch.rand(recipe.batch, channels, recipe.patch * scale, recipe.patch * scale)
    parameters = list(state.model.parameters())

    def gradient() -> None:
        state.optimizer.zero_grad(set_to_none=True)
        objective(small, large, small).backward()

    def turn() -> np.ndarray:
        with bfloat16_attention(recipe):
            for _ in range(job.steps):
                gradient()
                nn.utils.clip_grad_norm_(parameters, recipe.clip)
                state.optimizer.step()
                state.update_ema(recipe.ema)
        return first

    with bfloat16_attention(recipe):
        gradient()
    first = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]).numpy()
    turn()
    return turn


def measure(jobs: Sequence[Job], repeats: int) -> list[Line]:
    """Measure one recipe.

    Args:
        jobs: all of one recipe; for each number of threads the reference first.
        repeats: turns of each.
    Returns:
        A line for each job.
    Raises:
        Swin2SRError: a job that cannot run.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(prepare, job)) for job in jobs]
        turns = [[worker.run().seconds for worker in workers] for _ in range(repeats)]
        gradients = [worker.output() for worker in workers]
    length = np.linalg.norm(gradients[0])
    lines: list[Line] = []
    for job, own, gradient in zip(jobs, zip(*turns, strict=True), gradients, strict=True):
        seconds = statistics.median(own) / job.steps
        way = (job.way, job.recipe.precision)
        reference = next((one for one in lines if one.threads == job.threads), None)
        fewest = next((one for one in lines if (one.way, one.precision) == way), None)
        lines.append(
            Line(
                recipe=job.recipe.name,
                threads=job.threads,
                way=job.way,
                precision=job.recipe.precision,
                seconds=seconds,
                pixels=job.recipe.batch * job.recipe.patch**2,
                faster=reference.seconds / seconds if reference else 1.0,
                scaling=fewest.seconds / seconds if fewest else 1.0,
                difference=float(np.linalg.norm(gradient - gradients[0]) / length),
            )
        )
    return lines


def jobs_for(recipe: Recipe, threads: Sequence[int], steps: int, compiled: bool) -> list[Job]:
    """List the jobs of a recipe: every way for every number of threads."""
    return [
        Job(replace(recipe, precision=precision), way, count, steps)
        for count in sorted(set(threads))
        for way, precision in WAYS
        if compiled or way != COMPILED
    ]


def table(options: argparse.Namespace) -> Iterator[Line]:
    """Measure recipe after recipe."""
    for name in options.recipes:
        recipe = find_recipe(name)
        changes = {n: getattr(options, n) for n in ("batch", "patch") if getattr(options, n)}
        recipe = replace(recipe, **changes)
        yield from measure(
            jobs_for(recipe, options.threads, options.steps, options.compiled), options.repeats
        )


def _main(options: argparse.Namespace, console: Console) -> int:
    page = [environment(), "", COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|"]
    for text in page:
        console.say(text)
    lines: list[Line] = []
    for line in table(options):
        lines.append(line)
        page.append(str(line))
        console.say(page[-1])
        save(options.out, "training", "\n".join(page) + "\n", [asdict(one) for one in lines])
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.benchmarks.training", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--recipes", nargs="+", default=["swin2sr-small-x2", "swinir-small-x2"])
    add("--threads", nargs="+", type=int, default=[1, 2], help="to compare [%(default)s]")
    add("--compiled", action="store_true", help="torch.compile, too: some minutes more")
    add("--batch", type=int, help="patches of a step [the recipe's]")
    add("--patch", type=int, help="side of a patch in LR pixels [the recipe's]")
    add("--repeats", type=int, default=7, help="turns of each way [%(default)s]")
    add("--steps", type=int, default=3, help="of a turn [%(default)s]")
    add("--out", type=Path, help="folder for training.json and training.md")
    options = parser.parse_args(arguments)
    return run_command(lambda console: _main(options, console))


if __name__ == "__main__":
    sys.exit(main())
