"""Whom a patch attends to in the backbones, Swin and SwinV2, in the image's own coordinates.

The map of tokens halves from stage to stage, so one token stands for more and more pixels; what it
gives is spread evenly over them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swin2sr.backbones.encoder import Backbone
from swin2sr.backbones.heads import ImageClassifier, MaskedImageModel
from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.inspect.attention import query_weights
from swin2sr.inspect.hooks import Before, checked_choice, evaluating, watching
from swin2sr.nn.blocks import Block

_ONE_AT_A_TIME = threading.RLock()


def backbone_attention_to(
    model: Any,
    pixel_values: Tensor,
    pixel: tuple[int, int],
    layers: Sequence[int] | int | None = None,
) -> list[Tensor]:
    """How much each pixel contributes to what the patch around one pixel gathers, layer by layer.

    Args:
        model: a Swin or SwinV2, with head or without.
        pixel_values: (1, C, H, W) as the model's image processor makes it.
        pixel: (x, y) in it; the patch it lies in looks.
        layers: indices over all stages, negative from the end; None for all.
    Returns:
        For each layer (heads, H, W) float32. A map sums to 1 where windows cover the map of
        tokens exactly; else the share that fell on the zeros added to it is missing.
    Raises:
        KindError: another kind of model. ShapeError: more than one image.
        ConfigError: a pixel or layer that is not there.
    """
    backbone = model.backbone if isinstance(model, ImageClassifier | MaskedImageModel) else model
    if not isinstance(backbone, Backbone):
        raise KindError(
            f"{type(model).__name__} is no backbone.",
            remedy="Give a Swin or SwinV2; for Swin2SR and SwinIR there is attention_to.",
        )
    if pixel_values.ndim != 4 or len(pixel_values) != 1:
        raise ShapeError(f"Expected one image (1, C, H, W), got {tuple(pixel_values.shape)}.")
    height, width = size = pixel_values.shape[2], pixel_values.shape[3]
    x, y = pixel
    if not (0 <= x < width and 0 <= y < height):
        raise ConfigError(f"There is no pixel ({x}, {y}) in an image of {width}x{height}.")
    blocks = [part for part in backbone.stages.modules() if isinstance(part, Block)]
    stage_of = [i for i, depth in enumerate(backbone.config.depths) for _ in range(depth)]
    order = checked_choice("layer", layers, len(blocks))
    place = {block: index for index, block in enumerate(blocks)}
    maps: dict[Block, Tensor] = {}

    def look(block: Block, tokens: Tensor) -> None:
        sides = [side << stage_of[place[block]] for side in backbone.config.patch_sides]
        weights = query_weights(block, tokens, y // sides[0], x // sides[1])
        maps[block] = _spread(weights[:, : tokens.shape[1], : tokens.shape[2]], sides, size).cpu()

    watchers = {blocks[index]: [Before(look)] for index in set(order)}
    with _ONE_AT_A_TIME, torch.inference_mode(), evaluating(backbone), watching(watchers):
        backbone.features(pixel_values.to(next(backbone.parameters()).device))
    return [maps[blocks[index]] for index in order]


def _spread(weights: Tensor, sides: Sequence[int], size: tuple[int, int]) -> Tensor:
    """(heads, rows, columns) of tokens -> (heads, H, W): each evenly over its pixels in the image.

    Args:
        weights: of the tokens.
        sides: (height, width) of a token in pixels; the last ones may reach beyond the image.
        size: (H, W).
    """
    for axis, side, length in ((1, sides[0], size[0]), (2, sides[1], size[1])):
        starts = torch.arange(weights.shape[axis], device=weights.device) * side
        inside = (length - starts).clamp(max=side)
        shape = [1, 1, 1]
        shape[axis] = -1
        weights = (weights / inside.view(shape)).repeat_interleave(inside, axis)
    return weights
