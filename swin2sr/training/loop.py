"""Training loop: resumable to the step, checked for sense, logged as CSV.

A run that is stopped and started again gives the same weights, bit for bit on a CPU, as one that
was not: patches, and what drops out, depend on the step alone, and the checkpoint holds the
weights, their EMA, the optimiser and the unfinished row of the log.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import nn

from swin2sr.checkpoints import package
from swin2sr.errors import ConfigError, JobError, Swin2SRError
from swin2sr.filesystem import lock_folder, make_folder, write_bytes
from swin2sr.inference.estimate import duration
from swin2sr.kernels.attach import attach
from swin2sr.kernels.build import KernelError
from swin2sr.training import log
from swin2sr.training.data import Pairs, compressed, damaged, find_images, read_images, split
from swin2sr.training.distributed import Rank, init_distributed
from swin2sr.training.losses import Objective, bfloat16_attention
from swin2sr.training.patches import Batch, Patches, prefetch
from swin2sr.training.recipes import Recipe
from swin2sr.training.state import State, begin, init_from_weights, read_checkpoint
from swin2sr.training.teacher import teach
from swin2sr.training.validation import baseline, validate

CHECKPOINT = "checkpoint.pt"
CACHE = "cache"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """Result of a run: updates done, seconds of training, last validation PSNR (dB) and paths."""

    step: int
    seconds: float
    val_psnr: float
    checkpoint: Path
    log: Path


def _silent(line: str) -> None:
    pass


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str | torch.device = "auto",
    cache: Path | None = None,
    resume: bool = True,
    stop_at: int | None = None,
    minutes: float | None = None,
    say: Say = _silent,
    progress: Say = _silent,
) -> Result:
    """Run a recipe on a folder of images, alone or as one of ``torchrun``'s processes.

    Several processes share every batch and end with the weights that one process gives, up to
    rounding; what drops out (``drop_path_rate``, dropout) differs, since each draws its own. They
    must see the same folders.

    Args:
        recipe: what to do.
        data: folder of high-resolution images, searched with its sub-folders.
        out: folder for ``checkpoint.pt``, ``log.csv`` and ``curves.png``; made when absent.
        device: "auto", "cpu", "cuda" or "mps".
        cache: folder for the small versions of the images; "cache" in ``out`` by default.
        resume: go on from the checkpoint in ``out``, if there is one; False starts anew and
            replaces it.
        stop_at: end early after that many updates, as an interruption would, with a checkpoint.
        minutes: end early, likewise, when so many have passed.
        say: receives lines for people: a row of the log each. progress: a line every step.
    Returns:
        Where the run stands.
    Raises:
        JobError: "bad_values" as soon as the loss or the gradient is not finite; "memory".
        ConfigError: the images do not suit, or the checkpoint belongs to another recipe.
        ImageError: an image cannot be read. WeightsError: a checkpoint cannot be read or used.
        OutputError: ``out`` or ``cache`` cannot be written, or another run works in ``out``.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, with a checkpoint of the last whole step.
    """
    place = Rank.from_environment().device(device)
    with init_distributed(place) as rank:
        if not rank.is_first:
            say = progress = _silent
        with lock_folder(out) if rank.is_first else nullcontext():
            run = _Run(recipe, out, rank, place, say, progress)
            run.prepare(data, cache or out / CACHE, resume)
            last = recipe.steps if stop_at is None else min(stop_at, recipe.steps)
            with bfloat16_attention(recipe), deferred_interrupts() as interrupts:
                run.work(last, minutes, interrupts)
        state = run.state
        return Result(state.step, state.seconds, state.val_psnr, out / CHECKPOINT, out / log.LOG)


class _Run:
    """Run of ``train`` in one process."""

    state: State
    patches: Patches
    held_out: Pairs

    def __init__(
        self, recipe: Recipe, out: Path, rank: Rank, device: torch.device, say: Say, progress: Say
    ) -> None:
        self.recipe, self.out, self.rank, self.device = recipe, out, rank, device
        self.say, self.progress = say, progress
        self.share = rank.share(recipe.batch)

    def prepare(self, data: Path, cache: Path, resume: bool) -> None:
        """Read the images, and begin or go on."""
        recipe, config = self.recipe, self.recipe.config
        if self.out.resolve() == data.resolve():
            raise ConfigError("The run needs a folder of its own, not that of the images.")
        paths = find_images(data, without=self.out)
        pairs = read_images(
            data, config.upscale, channels=config.num_channels, cache=cache, paths=paths
        )
        training, self.held_out = split(pairs, min(recipe.held_out, len(pairs) // 4))
        if recipe.degradation == "realworld":
            self.held_out = damaged(self.held_out)
        if recipe.jpeg is not None:
            self.held_out = compressed(self.held_out, recipe.jpeg)
        self.patches = Patches(
            training,
            recipe.patch,
            recipe.batch,
            recipe.seed,
            recipe.jpeg,
            recipe.recolour,
            recipe.flat,
            recipe.degradation == "realworld",
        )
        self.state = begin(recipe, self.device, pairs.digest())
        self.say(f"{len(training)} images, and {len(self.held_out)} for validation")
        checkpoint = self.out / CHECKPOINT
        if resume and checkpoint.exists():
            self.state.load(checkpoint, recipe)
            self.say(f"resumed at step {self.state.step} of {recipe.steps}")
        elif recipe.init:
            self.say(init_from_weights(self.state.model, recipe.init))
            self.state.reset_ema()
        if recipe.teacher and self.state.step < recipe.steps:
            self.patches.pairs = teach(training, recipe.teacher, self.device, cache, self.say)
        if self.rank.is_first:
            if not self.state.step:
                checkpoint.unlink(missing_ok=True)  # a log and a checkpoint belong together
            log.trim(self.out / log.LOG, self.state.step)
            if len(self.held_out) and not self.state.step:
                self.say(self._baseline_line())

    def _baseline_line(self) -> str:
        without = baseline(self.held_out)
        line = f"validation: {without:.2f} dB without a network"
        if self.recipe.init:
            line += f", {validate(self.state.ema, self.held_out):.2f} dB with these weights"
        return line

    def work(self, last: int, minutes: float | None, interrupts: Interrupts) -> None:
        """Train up to step ``last``, or until the time is over or somebody interrupts."""
        state, recipe = self.state, self.recipe
        objective: nn.Module = Objective(state.model, recipe)
        if state.step < last:
            self._accelerate(objective)
        learner = self.rank.data_parallel(objective, self.device)
        clock = _Clock(state.step, state.seconds, minutes)
        interrupted = stopping = False
        with closing(prefetch(self._make, range(state.step, last))) as batches:
            for batch in batches:
                flags = [interrupts.seen, clock.is_over]
                interrupted, out_of_time = self._update(learner, batch, flags)
                stopping = interrupted or out_of_time or state.step == last
                state.seconds = clock.seconds
                self.progress(f"step {state.step}/{recipe.steps}{clock.left(state.step, recipe)}")
                if self.rank.is_first:
                    self._write_records(clock, stopping)
                if stopping:
                    break
        if self.rank.is_first and stopping and state.step < recipe.steps:
            self.say(f"stopped at step {state.step} of {recipe.steps}; run again to go on")
        if interrupted:
            raise KeyboardInterrupt

    def _accelerate(self, objective: nn.Module) -> None:
        """Attach the kernels, or compile the network, as the recipe and the machine allow."""
        recipe = self.recipe
        if recipe.kernels and self.device.type == "cpu":
            try:
                used = attach(self.state.model, recipe.precision == "bfloat16")
            except KernelError as error:
                self.say(f"window blocks run through PyTorch, not through kernels: {error}")
            else:
                self.say(f"window blocks run through kernels ({used})")
                return
        if recipe.compiled:
            self.say("compiling the network: the first step takes a minute or more")
            objective.compile()

    def _make(self, step: int) -> Batch:
        batch = self.patches(step, self.share)
        return batch.pinned() if self.device.type == "cuda" else batch

    def _update(self, learner: nn.Module, batch: Batch, flags: list[bool]) -> list[bool]:
        """Update the weights by one step; return which ``flags`` any process has set."""
        state, recipe = self.state, self.recipe
        # What drops out depends on the step alone too, so no random state has to be kept.
        torch.manual_seed(_seed(recipe.seed, state.step, self.rank.rank))
        for group in state.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(state.step)
        try:
            state.optimizer.zero_grad(set_to_none=True)
            loss = learner(*batch.to(self.device))
            loss.backward()
        except RuntimeError as error:
            known = _step_error(error, recipe)
            if known is None:
                raise
            raise known from error
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
        shared = self.rank.mean(torch.stack([loss.detach(), *loss.new_tensor(flags)]))
        length, value, *shares = torch.stack([norm, *shared]).tolist()
        if not (math.isfinite(value) and math.isfinite(length)):
            raise JobError(
                f"Training broke at step {state.step}: loss {value}, gradient norm {length}.",
                code="bad_values",
                remedy="Begin anew with a lower learning rate, a longer warm-up or in float32.",
            )
        state.optimizer.step()
        state.update_ema(recipe.ema_decay(state.step))
        state.step += 1
        state.loss_sum += value
        state.loss_count += 1
        return [share > 0 for share in shares]

    def _write_records(self, clock: _Clock, stopping: bool) -> None:
        """Validate, log, draw and save, whatever is due after this step."""
        state, recipe = self.state, self.recipe
        finished = state.step == recipe.steps
        validating = finished or state.step % recipe.validate_every == 0
        if validating:
            state.val_psnr = validate(state.ema, self.held_out)
        if validating or state.step % recipe.log_every == 0:
            self.say(self._log(state.val_psnr if validating else math.nan, clock))
        if validating:
            log.draw(self.out / log.LOG, recipe.name)
        if stopping or state.step % recipe.save_every == 0:
            state.save(self.out / CHECKPOINT, recipe)

    def _log(self, score: float, clock: _Clock) -> str:
        """Append a row to the log, begin the next mean, and phrase the line for people."""
        state, recipe = self.state, self.recipe
        loss = state.loss_sum / max(1, state.loss_count)
        state.loss_sum, state.loss_count = 0.0, 0
        rate = recipe.learning_rate(state.step - 1)
        log.append(self.out / log.LOG, state.step, state.seconds, loss, rate, score)
        line = f"step {state.step}/{recipe.steps}  loss {loss:.5f}  lr {rate:.2e}"
        line += clock.left(state.step, recipe)
        return line + ("" if math.isnan(score) else f"  validation {score:.4f} dB")


class _Clock:
    """Clock of a run: time so far, a step, and still to go."""

    def __init__(self, step: int, seconds: float, minutes: float | None) -> None:
        self.begun_at, self.before, self.minutes = step, seconds, minutes
        self.start = self.after_first = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, those of earlier calls included."""
        return self.before + time.monotonic() - self.start

    @property
    def is_over(self) -> bool:
        """Time limit: whether the minutes of this call have passed."""
        return self.minutes is not None and time.monotonic() - self.start >= 60 * self.minutes

    def left(self, step: int, recipe: Recipe) -> str:
        """Speed and what remains, in words; the first step is left out, it compiles."""
        if step <= self.begun_at + 1:
            self.after_first = time.monotonic()
            return ""
        speed = (time.monotonic() - self.after_first) / (step - self.begun_at - 1)
        return f"  {speed:.3f} s/step  {duration(speed * (recipe.steps - step))} left"


class Interrupts:
    """Interrupts seen so far: whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.seen = False


@contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Defer Ctrl-C and SIGTERM, so that a step becomes whole before the run stops.

    A second Ctrl-C acts at once, as always. Only the main thread hears signals; in another,
    nothing is changed.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    # None is a handler that Python did not install and cannot put back.
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) or signal.SIG_DFL for kind in kinds}

    def remember(kind: int, frame: FrameType | None) -> None:
        interrupts.seen = True
        signal.signal(kind, before[signal.Signals(kind)])

    try:
        for kind in before:
            signal.signal(kind, remember)
        yield interrupts
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


def _step_error(error: RuntimeError, recipe: Recipe) -> Swin2SRError | None:
    """Failure of a step as one of ours; None where it is not known what to do about it."""
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return JobError(
            "The device's memory is too small for this recipe.",
            code="memory",
            remedy="Set a smaller batch or patch, or checkpointing=yes.",
        )
    if recipe.compiled and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return ConfigError(
            f"The network could not be compiled ({type(error).__name__}).",
            remedy="Install a C++ compiler, or set compiled=no: slower, and the same but rounding.",
        )
    return None


def export(recipe: Recipe, checkpoint: Path, folder: Path, **facts: str) -> Path:
    """Export the EMA weights of a checkpoint as people load them, and the log beside them.

    Args:
        recipe: whose checkpoint it is. checkpoint: ``checkpoint.pt``. folder: made when absent.
        facts: "title", "task", "trained_on", "licence", kept beside the weights.
    Returns:
        The path of ``<recipe name>.safetensors``; a ``.json`` and a ``.csv`` lie beside it.
    Raises:
        WeightsError: the checkpoint is unreadable. ConfigError: it is another recipe's.
        OutputError: ``folder`` cannot be written.
    """
    weights = read_checkpoint(checkpoint, recipe)["average"]
    make_folder(folder)
    path = package(weights, recipe.config, recipe.name, folder, **facts)
    rows = checkpoint.parent / log.LOG
    if rows.is_file():
        write_bytes(path.with_suffix(".csv"), rows.read_bytes())
    return path
