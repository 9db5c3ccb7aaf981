"""One readable training loop: resumable to the step, checked for sense, logged as CSV.

A run that is stopped and started again gives the same weights, bit for bit, as one that was not:
the patches depend on the step alone, and the checkpoint holds the weights, their average, the
optimiser, torch's random state and the unfinished row of the log.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swin2sr.atomic import write_bytes, write_file
from swin2sr.checkpoints.resolve import package
from swin2sr.errors import ConfigError, JobError, OutputError, WeightsError
from swin2sr.metrics import psnr
from swin2sr.models import RestorationModel, restoration_model
from swin2sr.training.data import Pairs, read_images, sample, split
from swin2sr.training.recipes import Recipe

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
COLUMNS = ("step", "seconds", "loss", "lr", "val_psnr")


@dataclass(frozen=True)
class Result:
    """How a run ended: updates done, seconds of training, last validation PSNR (dB) and paths."""

    step: int
    seconds: float
    val_psnr: float
    checkpoint: Path
    log: Path


@dataclass
class _State:
    """All that changes from step to step."""

    model: nn.Module
    step_model: Callable[..., Any]  # the same network, compiled or not
    average: dict[str, Tensor]
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    val_psnr: float = math.nan


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    resume: bool = True,
    stop_at: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Run a recipe on a folder of images.

    Args:
        recipe: what to do.
        data: folder of high-resolution images, searched with its sub-folders.
        out: folder for ``checkpoint.pt`` and ``log.csv``; made when absent.
        resume: go on from the checkpoint in ``out``, if there is one; False starts anew and
            replaces it.
        stop_at: end early after that many updates, as an interruption would, with a checkpoint.
        say: receives a progress line at each row of the log.
    Returns:
        Where the run stands.
    Raises:
        JobError: "bad_values" as soon as the loss or the gradient is not finite.
        ConfigError: the images do not suit, or the checkpoint belongs to another recipe.
        ImageError: an image cannot be read. WeightsError: the checkpoint cannot be read.
        OutputError: ``out`` cannot be written.
    """
    pairs, held_out = split(read_images(data, recipe.config.upscale), recipe.held_out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {str(out)!r}: {error}.") from error
    state = _begin(recipe)
    if resume and (out / CHECKPOINT).exists():
        _load(state, recipe, out / CHECKPOINT)
        say(f"resumed at step {state.step} of {recipe.steps}")
    _trim_log(out / LOG, state.step)
    last = recipe.steps if stop_at is None else min(stop_at, recipe.steps)
    before, start = state.seconds, time.monotonic()
    begun_at = state.step
    while state.step < last:
        _update(state, recipe, pairs)
        state.seconds = before + time.monotonic() - start
        step = state.step
        if step % recipe.validate_every == 0 or step == recipe.steps:
            state.val_psnr = validate(averaged(recipe, state.average), held_out)
        if step % recipe.log_every == 0 or step == recipe.steps:
            speed = (time.monotonic() - start) / (step - begun_at)
            say(_log(state, recipe, out / LOG, speed))
        if step % recipe.save_every == 0 or step == last:
            _save(state, recipe, out / CHECKPOINT)
    return Result(state.step, state.seconds, state.val_psnr, out / CHECKPOINT, out / LOG)


def validate(model: nn.Module, pairs: Pairs) -> float:
    """Mean Y-PSNR (dB) over pairs, uint8, borders of ``scale`` removed; nan without pairs."""
    if not len(pairs):
        return math.nan
    model.eval()
    scores = []
    with torch.inference_mode():
        for low, high in zip(pairs.lr, pairs.hr, strict=True):
            pixels = (
                torch.from_numpy(np.ascontiguousarray(low)).permute(2, 0, 1)[None].float() / 255
            )
            result = model(pixels).reconstruction[0].permute(1, 2, 0)
            image = (result.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
            scores.append(psnr(image, high, border=pairs.scale))
    return float(np.mean(scores))


def averaged(recipe: Recipe, average: dict[str, Tensor]) -> RestorationModel:
    """A network of the recipe with the given weights, ready to use."""
    model = restoration_model(recipe.config)
    model.load_state_dict(average)
    return model.eval()


def read_average(checkpoint: Path, recipe: Recipe) -> tuple[dict[str, Tensor], int, float]:
    """The averaged weights in a checkpoint of ``recipe``, its step and its seconds.

    Raises:
        WeightsError: unreadable. ConfigError: another recipe's.
    """
    saved = _read(checkpoint, recipe)
    return saved["average"], saved["step"], saved["seconds"]


def export(recipe: Recipe, checkpoint: Path, folder: Path, **facts: str) -> Path:
    """Write the averaged weights of a checkpoint as people load them.

    Args:
        recipe: whose checkpoint it is. checkpoint: ``checkpoint.pt``. folder: made when absent.
        facts: "title", "task", "trained_on", "licence", kept beside the weights.
    Returns:
        The path of ``<recipe name>.safetensors``; ``<recipe name>.json`` lies beside it.
    Raises:
        As ``read_average``; OutputError: ``folder`` cannot be written.
    """
    weights, _, _ = read_average(checkpoint, recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return package(weights, recipe.config, recipe.name, folder, **facts)
    except OSError as error:
        raise OutputError(f"Cannot write to {str(folder)!r}: {error}.") from error


def _begin(recipe: Recipe) -> _State:
    torch.manual_seed(recipe.seed)
    model = restoration_model(recipe.config)
    model.train()
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    step_model = torch.compile(model) if recipe.compiled else model
    return _State(model, step_model, average, optimizer)


def _update(state: _State, recipe: Recipe, pairs: Pairs) -> None:
    """One step: patches, loss, gradient, weights, average."""
    lr, hr = sample(pairs, recipe.patch, recipe.batch, recipe.seed, state.step)
    rate = recipe.learning_rate(state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    enabled = recipe.precision == "bfloat16"
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
        loss = state.step_model(lr, labels=hr).loss
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
    value = float(loss.detach())
    if not (math.isfinite(value) and math.isfinite(float(norm))):
        raise JobError(
            f"Training broke at step {state.step}: loss {value}, gradient norm {float(norm)}.",
            code="bad_values",
            remedy="Resume with a lower learning rate, a longer warm-up or precision float32.",
        )
    state.optimizer.step()
    decay = min(recipe.ema, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        new = state.model.state_dict()
        torch._foreach_lerp_(
            list(state.average.values()), [new[k] for k in state.average], 1 - decay
        )
    state.step += 1
    state.loss_sum += value
    state.loss_count += 1


def _log(state: _State, recipe: Recipe, path: Path, speed: float) -> str:
    """Append a row to the log, begin the next mean, and phrase the progress line."""
    loss = state.loss_sum / max(1, state.loss_count)
    state.loss_sum, state.loss_count = 0.0, 0
    rate = recipe.learning_rate(state.step - 1)
    validated = state.step % recipe.validate_every == 0 or state.step == recipe.steps
    score = f"{state.val_psnr:.4f}" if validated else ""
    row = (state.step, f"{state.seconds:.1f}", f"{loss:.6f}", f"{rate:.3e}", score)
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(row)
    left = speed * (recipe.steps - state.step)
    line = f"step {state.step}/{recipe.steps}  loss {loss:.5f}  lr {rate:.2e}"
    line += f"  {speed:.3f} s/step  {left / 60:.1f} min left"
    return line + (f"  validation {score} dB" if score else "")


def _trim_log(path: Path, step: int) -> None:
    """Drop the rows an interrupted run wrote after its last checkpoint; write the header."""
    kept: list[list[str]] = []
    if path.exists() and step:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        kept = [row for row in rows if len(row) == len(COLUMNS) and int(row[0]) <= step]
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\n").writerows([list(COLUMNS), *kept])
    write_bytes(path, lines.getvalue().encode())


def _save(state: _State, recipe: Recipe, path: Path) -> None:
    values = {
        "recipe": describe(recipe),
        "step": state.step,
        "seconds": state.seconds,
        "loss_sum": state.loss_sum,
        "loss_count": state.loss_count,
        "val_psnr": state.val_psnr,
        "random": torch.get_rng_state(),
        "model": state.model.state_dict(),
        "average": state.average,
        "optimizer": state.optimizer.state_dict(),
    }
    write_file(path, lambda file: torch.save(values, file))


def _load(state: _State, recipe: Recipe, path: Path) -> None:
    saved = _read(path, recipe)
    state.model.load_state_dict(saved["model"])
    state.optimizer.load_state_dict(saved["optimizer"])
    state.average = saved["average"]
    state.step, state.seconds = saved["step"], saved["seconds"]
    state.loss_sum, state.loss_count = saved["loss_sum"], saved["loss_count"]
    state.val_psnr = saved["val_psnr"]
    torch.set_rng_state(saved["random"])


def _read(path: Path, recipe: Recipe) -> dict[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise WeightsError(
            f"Cannot read the checkpoint {path.name!r}: {type(error).__name__}.",
            remedy="Delete it to start anew.",
        ) from error
    if not isinstance(saved, dict) or saved.get("recipe") != describe(recipe):
        raise ConfigError(
            f"The checkpoint {path.name!r} was made by another recipe than {recipe.name!r}.",
        )
    return saved


def describe(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, as a checkpoint keeps it."""
    values = asdict(recipe)
    values["config"] = recipe.config.to_dict()
    values["betas"] = list(recipe.betas)
    return values
