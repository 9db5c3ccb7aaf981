"""Attention logits, before the softmax: content and position, and what token length does to them.

In Swin the product of a query and a key grows with both their lengths; a norm before the attention
(pre-norm) keeps the tokens' own length out of it. Swin V2 has no norm there and divides the product
by both lengths instead: cosine attention.

Source: Swin Transformer V2 (arXiv 2111.09883), section 3.3, "Scaled cosine attention".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from swin2sr.errors import ConfigError
from swin2sr.inspect.attention import windows_covering
from swin2sr.inspect.hooks import Probe, removing
from swin2sr.nn.blocks import Block

VISIBLE = -50.0  # masks lie below it, position biases above


@dataclass(frozen=True)
class LogitStatistics:
    """Statistics of the logits that the softmax of each head is given, over a picture's windows.

    Attributes:
        largest: (layers, heads) float64, the largest absolute product of a query and a key, as it
            enters the softmax.
        bound: (layers, heads) float64, what ``largest`` cannot exceed: the learned temperature of
            cosine attention; infinite for dot products.
        content: (layers, heads) float64, how much those products differ between the keys that one
            query sees: root mean square around their mean.
        position: the same of the position biases.
        peak: (layers, heads) float64, mean over queries of the largest attention weight.
        labels: of the layers.
    """

    largest: Tensor
    bound: Tensor
    content: Tensor
    position: Tensor
    peak: Tensor
    labels: tuple[str, ...]


class _Sums:
    """Sums over the queries of one layer, (heads,) float64 each."""

    def __init__(self, heads: int) -> None:
        self.largest, self.content, self.position, self.peak = torch.zeros(
            4, heads, dtype=torch.float64
        )
        self.queries = 0

    def add(self, scale: float, given: tuple[Any, ...]) -> None:
        """Add windows, given as to ``Attend``."""
        query, key, _, bias = given[:4]
        products = (query * scale @ key.transpose(-2, -1)).double()  # (n, heads, N, N)
        visible = (bias > VISIBLE)[None]
        self.largest = torch.maximum(self.largest, (products * visible).abs().amax((0, 2, 3)).cpu())
        self.content += _spread(products, visible).sum((0, 2)).cpu()
        self.position += _spread(bias[None].double(), visible).sum((0, 2)).cpu() * len(products)
        self.peak += torch.softmax(products + bias, -1).amax(-1).sum((0, 2)).cpu()
        self.queries += products.shape[0] * products.shape[2]


def _spread(values: Tensor, visible: Tensor) -> Tensor:
    """Standard deviation over the visible keys: (..., N, N) -> (..., N)."""
    count = visible.sum(-1)
    mean = (values * visible).sum(-1) / count
    return (((values - mean[..., None]) * visible).square().sum(-1) / count).sqrt()


def attention_logits(
    model: Any, image: Any, layers: Sequence[int] | int | None = None
) -> LogitStatistics:
    """Statistics of the attention logits, per layer and head.

    Args:
        model: an ``Upscaler``, a Swin2SR or SwinIR network, or its trunk.
        image: anything ``Upscaler`` takes, of any size; its padding counts.
        layers: indices over all groups, negative from the end; None for all.
    Returns:
        ``LogitStatistics``.
    Raises:
        ConfigError: a layer that is not there, or layers with different numbers of heads.
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    probe = Probe.of(model, image)
    order = probe.layer_indices(layers)
    heads = probe.head_count(order)
    blocks = [probe.blocks[index] for index in order]
    sums = {block: _Sums(heads) for block in blocks}
    with probe.lock:
        handles = [
            block.attention.attend.register_forward_pre_hook(
                lambda module, given, mine=mine: mine.add(module.scale, given)
            )
            for block, mine in sums.items()
        ]
        with removing(handles):
            probe.run({}, last=probe.blocks[max(order)])
    found = [sums[block] for block in blocks]
    return LogitStatistics(
        largest=torch.stack([one.largest for one in found]),
        bound=torch.stack([_bound(block) for block in blocks]),
        content=torch.stack([one.content / one.queries for one in found]),
        position=torch.stack([one.position / one.queries for one in found]),
        peak=torch.stack([one.peak / one.queries for one in found]),
        labels=tuple(probe.labels[index] for index in order),
    )


def _bound(block: Block) -> Tensor:
    """Temperatures of cosine attention, (heads,) float64; infinite for dot products."""
    heads = block.attention.heads
    with torch.no_grad():
        lengths = block.attention.constants().lengths
    if lengths is None:
        return torch.full((heads,), math.inf, dtype=torch.float64)
    return lengths[:heads].double().cpu()


def entropy_by_scale(
    model: Any, image: Any, layer: int, factors: Sequence[float], *, shielded: bool = True
) -> Tensor:
    """Entropy of a layer's attention when the tokens that reach it are made longer or shorter.

    Args:
        model, image: as ``attention_logits``.
        layer: index over all groups, negative from the end.
        factors: what every token is multiplied by, each positive.
        shielded: True for the layer as it was trained. False without what keeps the tokens' length
            out of the softmax: the norm before dot products (Swin), or the division by the lengths
            of query and key (Swin V2), whose products are then scaled as Swin's are.
    Returns:
        (factors, heads) float64, mean entropy in bits; log2(window^2) is even attention.
    Raises:
        ConfigError: a layer that is not there, or a factor that is not positive.
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    if not factors or not all(0 < factor < math.inf for factor in factors):
        raise ConfigError(f"factors must be positive numbers, got {list(factors)}.")
    probe = Probe.of(model, image)
    (index,) = probe.layer_indices(layer)
    (tokens,) = probe.collect([index], lambda _, tokens: tokens.clone())
    entropy = partial(_entropy, probe.blocks[index], tokens, shielded=shielded)
    with probe.lock, torch.inference_mode():
        return torch.stack([entropy(factor) for factor in factors]).cpu()


def _entropy(block: Block, tokens: Tensor, factor: float, *, shielded: bool) -> Tensor:
    """Mean entropy in bits, (heads,), over a (1, H, W, dim) map times ``factor``."""
    attention = block.attention
    windows = windows_covering(block, torch.ones(tokens.shape[1:3], dtype=torch.bool))
    total = tokens.new_zeros(attention.heads, dtype=torch.float64)
    constants = attention.constants()
    for kind in windows.kinds.unique().tolist():
        inside = windows.take(tokens)[(windows.kinds == kind).to(tokens.device)] * factor
        inside = block.attention_input(inside) if shielded else inside
        qkv = attention.project(inside, constants)
        if shielded:
            query, key, _ = attention.split(qkv, constants)
            scale = attention.attend.scale
        else:
            parts = qkv.unflatten(-1, (3, attention.heads, -1))  # (n, N, 3, heads, d)
            query, key, _ = parts.transpose(1, 3).unbind(2)
            scale = query.shape[-1] ** -0.5
        bias = attention.bias_of(constants, kind, inside.shape[1])
        weights = torch.softmax((query * scale @ key.transpose(-2, -1) + bias).double(), -1)
        total -= torch.special.xlogy(weights, weights).sum(-1).sum((0, 2))
    return total / (windows.kinds.numel() * attention.window**2) / math.log(2)
