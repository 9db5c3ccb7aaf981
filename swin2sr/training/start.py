"""Beginning with weights that somebody trained: parts of them, or all."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from swin2sr import checkpoints
from swin2sr.errors import WeightsError
from swin2sr.training.recipes import Recipe, fine_tuning


def take_over(model: nn.Module, source: str) -> str:
    """Give a network every parameter of trained weights that has the same name and shape.

    Args:
        model: changed in place.
        source: a registry name, Hub id, folder or file.
    Returns:
        How many were taken over, in words.
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
    """Copy what has the same name and shape; how many tensors that were, and how many there are."""
    own = model.state_dict()
    matching = [n for n, v in own.items() if n in state and state[n].shape == v.shape]
    for name in matching:
        own[name].copy_(state[name])
    return len(matching), len(own)


def finetune_recipe(source: str, name: str | None = None) -> Recipe:
    """The recipe that goes on with trained weights; see ``fine_tuning``.

    Args:
        source: a registry name, Hub id, folder or file of a whole restoration network.
        name: what the new weights will be called; by default the old name and "-finetuned".
    Raises:
        WeightsError: the weights cannot be had. ConfigError: a network that cannot be trained here.
    """
    found = checkpoints.load(source)
    plain = re.sub(r"[^\w.-]+", "-", found.name.rsplit("/", 1)[-1])
    return fine_tuning(name or f"{plain}-finetuned", source, found.config)
