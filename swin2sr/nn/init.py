"""Initial weights and stochastic depth rates, as upstream draws them."""

from __future__ import annotations

import torch
from torch import nn

from swin2sr.nn.position import TableBias


def drop_path_rates(highest: float, depths: tuple[int, ...]) -> list[list[float]]:
    """Stochastic depth rates per group and layer: linear from 0 to ``highest`` over all layers."""
    rates = torch.linspace(0, highest, sum(depths), device="cpu").tolist()
    return [list(part) for part in _split(rates, depths)]


def _split(values: list[float], sizes: tuple[int, ...]) -> list[list[float]]:
    ends = torch.tensor(sizes, device="cpu").cumsum(0).tolist()
    return [values[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def initialise(module: nn.Module, std: float) -> None:
    """Initial weights as upstream: truncated normal for linear maps and convolutions."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, TableBias):
            nn.init.trunc_normal_(part.table, std=std)
