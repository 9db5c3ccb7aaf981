"""Initialisation of networks: truncated normal weights, stochastic depth rates.

Source: ``_init_weights`` and the rates of ``drop_path`` in JingyunLiang/SwinIR
``models/network_swinir.py`` and mv-lab/swin2sr ``models/network_swin2sr.py``.
"""

from __future__ import annotations

from itertools import islice

import torch
from torch import nn

from swin2sr.nn.position import TableBias


def initialise(module: nn.Module, std: float) -> None:
    """Draw a network's initial weights, in place.

    Args:
        module: every linear map, convolution and table of biases in it is drawn from a truncated
            normal distribution; biases become 0, norms the identity.
        std: standard deviation.
    """
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


def drop_path_rates(highest: float, depths: tuple[int, ...]) -> list[list[float]]:
    """Rates of stochastic depth, linear from 0 to ``highest`` over all layers.

    Args:
        highest: rate of the last layer, 0..1.
        depths: layers of each group.
    Returns:
        One list a group, one rate a layer.
    """
    rates = iter(torch.linspace(0, highest, sum(depths), device="cpu").tolist())
    return [list(islice(rates, depth)) for depth in depths]
