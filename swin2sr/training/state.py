"""State of a training run, its EMA of the weights, and the checkpoint that holds it."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swin2sr import checkpoints
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.filesystem import write_file
from swin2sr.models import RestorationModel, restoration_model
from swin2sr.training.optimizers import Optimizer, make_optimizer
from swin2sr.training.recipes import Recipe, fine_tuning

# What a run may be resumed with another value of: none of it enters the numbers but by rounding.
FREE = frozenset(
    {"about", "compiled", "kernels", "channels_last", "checkpointing"}
    | {"log_every", "validate_every", "save_every"}
)
_PROGRESS = ("step", "seconds", "loss_sum", "loss_count", "val_psnr")  # numbers of the state


@dataclass
class State:
    """State of a run: weights, their EMA (exponential moving average), optimiser, and progress."""

    model: RestorationModel  # in training mode
    ema: RestorationModel  # the same network with the EMA of its weights, for use
    optimizer: Optimizer
    images: str = ""  # digest of the images it was trained on
    step: int = 0  # updates done
    seconds: float = 0.0  # of training so far
    loss_sum: float = 0.0  # since the last row of the log
    loss_count: int = 0
    val_psnr: float = math.nan  # of the last validation, dB
    _new: list[Tensor] = field(init=False, repr=False)
    _mean: list[Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        new, mean = self.model.state_dict(), self.ema.state_dict()
        self._new, self._mean = list(new.values()), [mean[name] for name in new]

    @torch.no_grad()
    def update_ema(self, decay: float) -> None:
        """Update the EMA: ``decay`` of what it was and the rest of the weights as they are."""
        torch._foreach_lerp_(self._mean, self._new, 1 - decay)

    def reset_ema(self) -> None:
        """Begin the EMA anew with the weights as they are."""
        self.ema.load_state_dict(self.model.state_dict())

    def save(self, path: Path, recipe: Recipe) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            OutputError: it cannot be written; the one before stays.
        """
        values = {
            "recipe": recipe.to_dict(),
            "images": self.images,
            "model": self.model.state_dict(),
            "average": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **{name: getattr(self, name) for name in _PROGRESS},
        }
        write_file(path, lambda file: torch.save(values, file))

    def load(self, path: Path, recipe: Recipe) -> None:
        """Load a checkpoint into this state.

        Raises:
            As ``read_checkpoint``; ConfigError also when it was trained on other images.
        """
        saved = read_checkpoint(path, recipe)
        if saved["images"] != self.images:
            raise ConfigError(
                f"The images are not those that {path.name!r} was trained on.",
                remedy="Restore them, begin anew (--restart), or begin in another folder.",
            )
        self.model.load_state_dict(saved["model"])
        self.ema.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name in _PROGRESS:
            setattr(self, name, saved[name])


def begin(recipe: Recipe, device: torch.device, images: str = "") -> State:
    """Make the state before the first step, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    model = restoration_model(recipe.config).to(device)
    if recipe.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.checkpointing:
        model.gradient_checkpointing_enable()
    ema = copy.deepcopy(model).eval().requires_grad_(False)
    model.train()
    return State(model, ema, make_optimizer(model, recipe), images)


def init_from_weights(model: nn.Module, source: str) -> str:
    """Initialise a network, in place, from trained weights; return in words what they gave.

    Raises:
        WeightsError: the weights cannot be had, or nothing of them fits.
    """
    found = checkpoints.load(source, need_head=False)
    state = found.state
    if not found.has_head:
        state = {f"trunk.{name}": value for name, value in state.items()}
    taken, total = copy_matching(model, state)
    if not taken:
        raise WeightsError(
            f"Nothing of {found.name!r} ({checkpoints.describe(found.config)}) fits this network.",
            code="wrong_model",
            remedy="Begin with weights of the same width and heads, or without any.",
        )
    return f"{taken} of {total} parameters begin with {found.name!r}"


@torch.no_grad()
def copy_matching(model: nn.Module, state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Copy tensors of the same name and shape; return how many those are, and how many of all."""
    own = model.state_dict()
    matching = [n for n, v in own.items() if n in state and state[n].shape == v.shape]
    for name in matching:
        own[name].copy_(state[name])
    return len(matching), len(own)


def finetune_recipe(source: str, name: str | None = None) -> Recipe:
    """Make the recipe that goes on with trained weights; see ``fine_tuning``.

    Args:
        source: a registry name, Hub id, folder or file of a whole restoration network.
        name: what the new weights will be called; by default the old name and "-finetuned".
    Raises:
        WeightsError: the weights cannot be had. ConfigError: a network that cannot be trained here.
    """
    found = checkpoints.load(source)
    plain = re.sub(r"[^\w.-]+", "-", found.name.rsplit("/", 1)[-1])
    return fine_tuning(name or f"{plain}-finetuned", source, found.config)


def read_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint onto the CPU: what ``State.save`` writes; "average" is the EMA.

    Raises:
        WeightsError: unreadable. ConfigError: another recipe's; says what differs.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise WeightsError(
            f"Cannot read the checkpoint {path.name!r}: {type(error).__name__}.",
            remedy="Delete it to start anew.",
        ) from error
    theirs = saved.get("recipe") if isinstance(saved, dict) else None
    theirs, ours = theirs if isinstance(theirs, dict) else {}, recipe.to_dict()
    names = sorted(ours.keys() | theirs.keys())
    different = [n for n in names if n not in FREE and ours.get(n) != theirs.get(n)]
    if different:
        raise ConfigError(
            f"The checkpoint {path.name!r} was made by another recipe than {recipe.name!r}: "
            f"{', '.join(different)} differ.",
            remedy="Train as before, begin anew (--restart), or begin in another folder.",
        )
    return saved
