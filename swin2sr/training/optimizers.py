"""Optimisers of training: AdamW and Adam of all parameters, or Muon of the matrices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from swin2sr.training.recipes import Recipe

SMALLEST_SIDE = 8  # of a matrix that Muon takes: those of position bias and of the head are thinner


class MuonWithAdamW:
    """Muon for the matrices of a network, AdamW for everything else.

    The kernel of a convolution counts as a matrix of one row an output channel. Steps have AdamW's
    size (``match_rms_adamw``), so one learning rate serves both.

    Source: Muon, Jordan et al. 2024; step size of Liu et al. (arXiv 2502.16982), as PyTorch has it.

    Args:
        model: its parameters are changed in place; they must stay on their device.
        recipe: ``lr``, ``betas`` of AdamW, ``weight_decay``.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.weights = [p for p in model.parameters() if p.requires_grad and _is_matrix(p)]
        rest = [p for p in model.parameters() if p.requires_grad and not _is_matrix(p)]
        # Muon wants two dimensions: views that share their memory with the weights.
        self.matrices = [nn.Parameter(p.detach().flatten(1)) for p in self.weights]
        self.muon = torch.optim.Muon(
            self.matrices,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self.adamw = _adam(torch.optim.AdamW, rest, recipe)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of both, to set the learning rate of."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.adamw.zero_grad(set_to_none)
        for weight, matrix in zip(self.weights, self.matrices, strict=True):
            weight.grad = matrix.grad = None

    def step(self) -> None:
        """Update all parameters."""
        for weight, matrix in zip(self.weights, self.matrices, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        self.muon.step()
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """State of both, by name."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of both."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


Optimizer = torch.optim.Optimizer | MuonWithAdamW


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Make the optimiser that a recipe names, for all parameters of a network."""
    if recipe.optimizer == "muon":
        return MuonWithAdamW(model, recipe)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return _adam(kind, model.parameters(), recipe)


def _adam(
    kind: type[torch.optim.Adam], parameters: Iterable[nn.Parameter], recipe: Recipe
) -> torch.optim.Optimizer:
    return kind(
        parameters,
        lr=recipe.lr,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _is_matrix(weight: Tensor) -> bool:
    return weight.ndim in (2, 4) and min(weight.flatten(1).shape) >= SMALLEST_SIDE
