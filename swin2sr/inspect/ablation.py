"""Ablation of residual groups: a copy of a network without some of them, to see what each is for.

Source: Veit et al., "Residual Networks Behave Like Ensembles of Relatively Shallow Networks" (arXiv
1605.06431), section 4.1, where parts of trained residual networks are taken out one by one. What is
added to every pixel alike can be kept (mean ablation), since it says nothing about the picture and
the rest of the network may yet count on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from swin2sr.inspect.features import hidden_states
from swin2sr.inspect.hooks import checked_indices, network_of
from swin2sr.models.swin2sr import RestorationModel


def ablate_groups(
    model: Any, groups: Sequence[int] | int, mean_over: Any = None
) -> RestorationModel:
    """Copy a network with some groups ablated: they hand on what they are given.

    Args:
        model: an ``Upscaler``, or a Swin2SR or SwinIR network with its head.
        groups: indices of those to leave out, negative from the end; all may go, or none.
        mean_over: None to have them add nothing; or a picture, anything ``Upscaler`` takes: they
            add to every pixel the mean over that picture of what they add to it in the network.
    Returns:
        The network, in evaluation mode, on the device of the original.
    Raises:
        KindError: a model of another kind. ConfigError: a group that is not there.
        ImageError: a picture that cannot be used.
    """
    network = network_of(model, "groups to leave out")
    nothing = not isinstance(groups, int) and not groups
    left_out = [] if nothing else checked_indices("group", groups, len(network.trunk.groups))
    added = None
    if mean_over is not None:
        means = hidden_states(model, mean_over).maps[1:-1].mean((1, 2))  # from the embedding on
        added = means.diff(dim=0).to(network.trunk.norm.weight)
    shorter: Any = deepcopy(network).eval()
    for index in left_out:
        shorter.trunk.groups[index] = _Identity(None if added is None else added[index])
    changed: RestorationModel = shorter
    return changed


class _Identity(nn.Module):
    """Identity in the place of a group, or the addition of one (dim,) vector to every token."""

    def __init__(self, added: Tensor | None) -> None:
        super().__init__()
        self.added: Tensor | None
        self.register_buffer("added", added, persistent=False)

    def forward(
        self, tokens: Tensor, head_mask: Tensor | None = None, need_weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the tokens and no attention matrices."""
        return tokens if self.added is None else tokens + self.added, []
