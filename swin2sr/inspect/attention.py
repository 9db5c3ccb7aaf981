"""Attention maps per layer and head, un-shifted: whom a pixel attends to, and rollout.

Attention happens inside windows of a map that odd layers roll by half a window. Here every weight
is put back where its token lies in the picture; tokens of the padding are mirrored pixels, and
their weight is counted for the pixels they mirror. Nothing is computed but the windows asked for.

Source: Swin Transformer (arXiv 2103.14030), section 3.2; frames: docs/models.md, as mv-lab/swin2sr
``SwinTransformerBlock``; rollout after Abnar and Zuidema (arXiv 2005.00928), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr.errors import ConfigError
from swin2sr.inspect.hooks import Probe, checked_indices
from swin2sr.nn.blocks import Block
from swin2sr.nn.windows import fold_indices

STRIP_WINDOWS = 32  # windows whose attention matrices exist at once


@dataclass(frozen=True)
class Windows:
    """Windows of a layer, some or all."""

    rows: Tensor  # (n, window) int64, where their tokens lie in the map, wrapped ones included
    columns: Tensor
    kinds: Tensor  # (n,) int64, of shift masks: 2 * in the last row + in the last column

    def take(self, tokens: Tensor) -> Tensor:
        """Take their tokens: (1, H, W, C) -> (n, window * window, C)."""
        rows, columns = self.rows.to(tokens.device), self.columns.to(tokens.device)
        return tokens[0][rows[:, :, None], columns[:, None, :]].flatten(1, 2)


def windows_covering(block: Block, mask: Tensor) -> Windows:
    """Windows in which a block sees the tokens of a (H, W) bool ``mask``, whose sides are multiples
    of the window: each once, in order of its first token."""
    height, width = mask.shape
    window, shift = block.attention.fit(height, width)
    rolled = torch.roll(mask, (-shift, -shift), (0, 1))
    grid = rolled.unflatten(1, (-1, window)).unflatten(0, (-1, window)).any(3).any(1)
    top, left = (index * window for index in grid.nonzero().unbind(1))
    steps = torch.arange(window)
    kinds = 2 * (top == height - window) + 1 * (left == width - window)
    return Windows(
        (top[:, None] + steps + shift) % height,
        (left[:, None] + steps + shift) % width,
        kinds if shift else torch.zeros_like(kinds),
    )


def attention_matrices(
    block: Block, tokens: Tensor, windows: Windows
) -> Iterator[tuple[Tensor, Tensor]]:
    """Attention matrices of some windows, a few at a time.

    Args:
        block: the layer. tokens: (1, H, W, dim), what goes into it.
        windows: of the map; where they reach beyond it, the attention sees zeros there.
    Yields:
        (m,) indices into ``windows`` and their (m, heads, N, N) float32 weights.
    """
    below, right = (
        int(places.max()) + 1 - side
        for places, side in zip((windows.rows, windows.columns), tokens.shape[1:3], strict=True)
    )
    whole = below <= 0 and right <= 0
    if not whole:
        tokens = F.pad(block.attention_input(tokens), (0, 0, 0, max(0, right), 0, max(0, below)))
    constants = block.attention.constants()
    for kind in windows.kinds.unique().tolist():
        for some in (windows.kinds == kind).nonzero()[:, 0].split(STRIP_WINDOWS):
            part = Windows(windows.rows[some], windows.columns[some], windows.kinds[some])
            inside = part.take(tokens)
            inside = block.attention_input(inside) if whole else inside
            _, weights = block.attention(inside, constants, [(len(some), kind)], None, True)
            assert weights is not None
            yield some, weights.float()


def attention_to(
    model: Any,
    image: Any,
    pixel: tuple[int, int],
    layers: Sequence[int] | int | None = None,
    heads: Sequence[int] | int | None = None,
) -> Tensor:
    """Attention of one pixel, the query: what it gathers from each pixel in every layer and head.

    Args:
        model: an ``Upscaler``, a Swin2SR or SwinIR network, or its trunk.
        image: anything ``Upscaler`` takes, of any size.
        pixel: (x, y), column and row of the query.
        layers: indices over all groups, negative from the end; None for all.
        heads: indices, negative from the end; None for all (then all groups need equally many).
    Returns:
        (layers, heads, H, W) float32; each map is 0 outside the window and sums to 1.
    Raises:
        ConfigError: a pixel, layer or head that is not there, or layers of unlike heads.
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    probe = Probe.of(model, image)
    row, column = _checked_pixel(pixel, probe.size)
    return _head_maps(
        probe, layers, heads, lambda block, tokens: query_weights(block, tokens, row, column)
    )


def window_attention(
    model: Any,
    image: Any,
    layers: Sequence[int] | int | None = None,
    heads: Sequence[int] | int | None = None,
    place: tuple[int, int] | None = None,
) -> Tensor:
    """Attention of one pixel of every window: the maps of ``attention_to``, put together.

    Windows do not overlap, so that all their maps fit into one.

    Args:
        model, image, layers, heads: as ``attention_to``.
        place: (x, y) of the query in its window; None for the middle.
    Returns:
        (layers, heads, H, W) float32; each window sums to 1, where no padding is counted for it.
    Raises:
        ConfigError: a place, layer or head that is not there, or layers of unlike heads.
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    probe = Probe.of(model, image)
    return _head_maps(
        probe, layers, heads, lambda block, tokens: _place_weights(block, tokens, place)
    )


def _head_maps(
    probe: Probe,
    layers: Sequence[int] | int | None,
    heads: Sequence[int] | int | None,
    weights: Callable[[Block, Tensor], Tensor],
) -> Tensor:
    """Stack (layers, heads, H, W) maps of the (heads, H', W') ``weights`` of each layer."""
    order = probe.layer_indices(layers)
    chosen = checked_indices("head", heads, probe.head_count(order))
    return torch.stack(
        probe.collect(
            order,
            lambda block, tokens: fold(weights(block, tokens)[chosen], probe.size).cpu().clone(),
        )
    )


def query_weights(block: Block, tokens: Tensor, row: int, column: int) -> Tensor:
    """Attention of one of the (1, H, W, dim) tokens that go into a layer, as a map.

    Returns:
        (heads, H', W') float32, each head's sum is 1; H' and W' are H and W, rounded up to whole
        windows.
    """
    side, _ = block.attention.fit(tokens.shape[1], tokens.shape[2])
    size = [-(-length // side) * side for length in tokens.shape[1:3]]
    mask = torch.zeros(size, dtype=torch.bool)
    mask[row, column] = True
    window = windows_covering(block, mask)
    ((_, weights),) = attention_matrices(block, tokens, window)
    rows, columns = window.rows[0], window.columns[0]
    place = (rows == row).nonzero().item() * len(columns) + (columns == column).nonzero().item()
    full = weights.new_zeros(weights.shape[1], *size)
    inside = weights[0, :, int(place)].unflatten(1, (len(rows), len(columns)))
    full[:, rows[:, None], columns[None, :]] = inside
    return full


def _place_weights(block: Block, tokens: Tensor, place: tuple[int, int] | None) -> Tensor:
    """Attention of one token of each window, (heads, H', W'), where the keys lie in the map."""
    side, _ = block.attention.fit(tokens.shape[1], tokens.shape[2])
    x, y = (side // 2, side // 2) if place is None else place
    if not (0 <= x < side and 0 <= y < side):
        raise ConfigError(f"There is no place ({x}, {y}) in a window of {side}x{side}.")
    size = [-(-length // side) * side for length in tokens.shape[1:3]]
    windows = windows_covering(block, torch.ones(size, dtype=torch.bool))
    full = tokens.new_zeros(block.attention.heads, *size, dtype=torch.float32)
    for some, weights in attention_matrices(block, tokens, windows):
        asked = weights[:, :, y * side + x].transpose(0, 1).unflatten(2, (side, side))
        rows, columns = windows.rows[some], windows.columns[some]
        full[:, rows[:, :, None], columns[:, None, :]] = asked
    return full


def fold(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Fold the padding of (..., H', W') maps back to the picture's (H, W): what lies on it counts
    for the pixels it mirrors."""
    for axis, length in ((-2, size[0]), (-1, size[1])):
        index = fold_indices(length, maps.shape[axis]).to(maps.device)
        shape = [*maps.shape]
        shape[axis] = length
        maps = maps.new_zeros(shape).index_add_(axis, index, maps)
    return maps


def _checked_pixel(pixel: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Check that an (x, y) lies inside the picture; return (row, column)."""
    try:
        x, y = (int(value) for value in pixel)
    except (TypeError, ValueError):
        raise ConfigError(f"pixel must be (x, y), two whole numbers, got {pixel!r}.") from None
    height, width = size
    if not (0 <= x < width and 0 <= y < height):
        raise ConfigError(f"There is no pixel ({x}, {y}) in a picture of {width}x{height}.")
    return y, x


@dataclass(frozen=True)
class AttentionStatistics:
    """Attention distance and entropy, averaged over every token of the picture.

    Attributes:
        distance: (layers, heads) float64, mean distance in pixels between a token and those it
            attends to, weighted by attention.
        entropy: (layers, heads) float64, mean entropy in bits; log2(window^2) is uniform.
        labels: of the layers.
    """

    distance: Tensor
    entropy: Tensor
    labels: tuple[str, ...]


def attention_statistics(
    model: Any, image: Any, layers: Sequence[int] | int | None = None
) -> AttentionStatistics:
    """Mean attention distance and entropy, per layer and head.

    The attention matrices of a few windows exist at a time, whatever the picture's size.

    Args:
        model, image, layers: as ``attention_to``.
    Returns:
        ``AttentionStatistics``.
    Raises:
        As ``attention_to``.
    """
    probe = Probe.of(model, image)
    order = probe.layer_indices(layers)
    distance, entropy = zip(*probe.collect(order, _statistics), strict=True)
    labels = tuple(probe.labels[index] for index in order)
    return AttentionStatistics(torch.stack(distance), torch.stack(entropy), labels)


def pixel_statistics(maps: Tensor, pixel: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Attention distance and entropy of one pixel.

    Args:
        maps: (layers, heads, H, W), of ``attention_to``.
        pixel: (x, y) of the query.
    Returns:
        Mean distance in pixels to those it attends to, and entropy in bits; (layers, heads)
        float64 each. Pixels that stand for mirrored ones count once, where they are.
    """
    precise = maps.double()
    rows, columns = torch.arange(maps.shape[2]), torch.arange(maps.shape[3])
    apart = ((rows[:, None] - pixel[1]) ** 2 + (columns - pixel[0]) ** 2).double().sqrt()
    distance = (precise * apart).sum((2, 3))
    entropy = -torch.special.xlogy(precise, precise).sum((2, 3)) / math.log(2)
    return distance, entropy


def _statistics(block: Block, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Mean distance (heads,) and mean entropy (heads,) in bits of one layer."""
    height, width = tokens.shape[1:3]
    window, _ = block.attention.fit(height, width)
    steps = torch.arange(window, dtype=torch.float64)
    places = torch.cartesian_prod(steps, steps).to(tokens.device)
    apart = torch.cdist(places, places)
    heads = block.attention.heads
    distance = torch.zeros(heads, dtype=torch.float64, device=tokens.device)
    entropy = torch.zeros_like(distance)
    everywhere = torch.ones(height, width, dtype=torch.bool)
    for _, weights in attention_matrices(block, tokens, windows_covering(block, everywhere)):
        precise = weights.double()
        distance += (precise * apart).sum(-1).sum((0, 2))
        entropy -= torch.special.xlogy(precise, precise).sum(-1).sum((0, 2))
    count = height * width
    return distance.cpu() / count, entropy.cpu() / count / math.log(2)


def rollout(model: Any, image: Any, pixel: tuple[int, int], residual: float = 0.5) -> Tensor:
    """Attention rollout: from where information flows to one pixel, through all layers together.

    Each layer passes on a mixture of the token itself (its shortcut) and what its attention
    gathers, heads averaged; the mixtures are multiplied from the last layer to the first. Only
    attention is followed: the convolutions between groups would widen the map by some pixels.

    Args:
        model, image, pixel: as ``attention_to``.
        residual: share of the shortcut in each layer, 0..1.
    Returns:
        (layers, H, W) float32: [i] how much each pixel of the input of layer i contributes to the
        pixel's output of the last layer; each sums to 1, and [0] holds the whole flow.
    Raises:
        As ``attention_to``; ConfigError for a share outside 0..1.
    """
    if not 0 <= residual <= 1:
        raise ConfigError(f"residual must be within 0..1, got {residual}.")
    probe = Probe.of(model, image)
    row, column = _checked_pixel(pixel, probe.size)
    passed = _windows_passed(probe, row, column)

    def mean_of_heads(block: Block, tokens: Tensor) -> Tensor:
        windows = passed[block]  # those that the flow can pass, not all
        side = windows.rows.shape[1] ** 2
        mean = torch.empty(len(windows.kinds), side, side)
        for some, weights in attention_matrices(block, tokens, windows):
            mean[some] = weights.mean(1).cpu()
        return mean

    means = probe.collect(range(len(probe.blocks)), mean_of_heads)
    flow = torch.zeros(probe.padded)
    flow[row, column] = 1.0
    steps = []
    for block in reversed(probe.blocks):
        flow = _flow_back(flow, means.pop(), passed[block], residual)
        steps.append(fold(flow, probe.size))
    return torch.stack(steps[::-1])


def _windows_passed(probe: Probe, row: int, column: int) -> dict[Block, Windows]:
    """Windows of each layer that information passes on its way to a token."""
    tokens = torch.zeros(probe.padded, dtype=torch.bool)
    tokens[row, column] = True
    passed: dict[Block, Windows] = {}
    for block in reversed(probe.blocks):
        windows = windows_covering(block, tokens)
        tokens[windows.rows[:, :, None], windows.columns[:, None, :]] = True
        passed[block] = windows
    return passed


def _flow_back(flow: Tensor, mean: Tensor, windows: Windows, residual: float) -> Tensor:
    """Carry the flow (H', W') at a layer's output back to its input."""
    rows, columns = windows.rows[:, :, None], windows.columns[:, None, :]
    gathered = torch.einsum("nq,nqk->nk", flow[rows, columns].flatten(1), mean)
    before = residual * flow
    before[rows, columns] += (1 - residual) * gathered.view(*flow[rows, columns].shape)
    return before
