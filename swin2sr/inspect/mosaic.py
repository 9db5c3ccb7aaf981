"""Every window of a layer asked at once: whom the pixel at the same place of each attends to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swin2sr.errors import ConfigError
from swin2sr.inspect.attention import fold, matrices, windows_over
from swin2sr.inspect.hooks import Before, checked_choice, chosen_layers, run, subject
from swin2sr.nn.blocks import Block


def window_attention(
    model: Any,
    image: Any,
    layers: Sequence[int] | int | None = None,
    heads: Sequence[int] | int | None = None,
    place: tuple[int, int] | None = None,
) -> Tensor:
    """What ``attention_to`` gives for one pixel of every window, put together.

    Windows do not overlap, so that all their maps fit into one.

    Args:
        model, image, layers, heads: as ``attention_to``.
        place: (x, y) in the window of the pixel that looks; None for the middle.
    Returns:
        (layers, heads, H, W) float32; each window sums to 1, where no padding is counted for it.
    Raises:
        ConfigError: a place, layer or head that is not there, or layers of unlike heads.
        KindError, ImageError: as ``subject``.
    """
    seen = subject(model, image)
    order = chosen_layers(seen, layers)
    counts = {seen.blocks[i].attention.heads for i in order}
    if len(counts) > 1:
        raise ConfigError(
            f"The layers chosen have different numbers of heads ({sorted(counts)}).",
            remedy="Choose layers of one group.",
        )
    lines = checked_choice("head", heads, counts.pop())
    maps: dict[Block, Tensor] = {}

    def look(block: Block, tokens: Tensor) -> None:
        maps[block] = fold(_asked(block, tokens, place)[lines], seen.size).cpu().clone()

    watched = [seen.blocks[i] for i in sorted(set(order))]
    run(seen, {block: [Before(look)] for block in watched}, last=watched[-1])
    return torch.stack([maps[seen.blocks[i]] for i in order])


def _asked(block: Block, tokens: Tensor, place: tuple[int, int] | None) -> Tensor:
    """(heads, H', W') attention of one token of each window, where the tokens attended to lie."""
    side, _ = block.attention.fit(tokens.shape[1], tokens.shape[2])
    x, y = (side // 2, side // 2) if place is None else place
    if not (0 <= x < side and 0 <= y < side):
        raise ConfigError(f"There is no place ({x}, {y}) in a window of {side}x{side}.")
    size = [-(-length // side) * side for length in tokens.shape[1:3]]
    windows = windows_over(block, torch.ones(size, dtype=torch.bool))
    full = tokens.new_zeros(block.attention.heads, *size, dtype=torch.float32)
    for some, weights in matrices(block, tokens, windows):
        asked = weights[:, :, y * side + x].transpose(0, 1).unflatten(2, (side, side))
        rows, columns = windows.rows[some], windows.columns[some]
        full[:, rows[:, :, None], columns[:, None, :]] = asked
    return full
