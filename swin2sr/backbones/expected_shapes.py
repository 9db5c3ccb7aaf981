"""Expected shapes: every parameter that a backbone's configuration asks for, by native name."""

from __future__ import annotations

import math

from swin2sr.backbones.config import BackboneConfig
from swin2sr.checkpoints.expected_shapes import Shapes, block_shapes, linear_shapes, norm_shapes


def trunk_shapes(config: BackboneConfig) -> Shapes:
    """Shapes of the backbone's own parameters, by canonical native name."""
    width = config.embed_dim
    shapes = linear_shapes("embed.proj", width, config.num_channels, *config.patch_sides)
    shapes |= norm_shapes("embed.norm", width)
    if config.use_absolute_embeddings:
        shapes["embed.position"] = (1, math.prod(config.grid_size), width)
    for stage, depth in enumerate(config.depths):
        window, _ = config.stage_window(stage)
        block = block_shapes(config, config.widths[stage], config.num_heads[stage], window)
        for j in range(depth):
            shapes |= {f"stages.{stage}.blocks.{j}.{key}": shape for key, shape in block.items()}
        if stage + 1 < len(config.depths):
            width = config.widths[stage]
            merged = 4 * width if config.generation == 1 else 2 * width
            shapes |= norm_shapes(f"stages.{stage}.downsample.norm", merged)
            shapes[f"stages.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
    return shapes | norm_shapes("norm", config.hidden_size)


def head_shapes(config: BackboneConfig) -> Shapes:
    """Shapes of the heads on a backbone and of the mask token, by canonical native name."""
    shapes: Shapes = {"embed.mask_token": (1, 1, config.embed_dim)}
    if config.classes:
        shapes |= linear_shapes("classifier", config.classes, config.hidden_size)
    pixels = config.encoder_stride**2 * config.num_channels
    return shapes | linear_shapes("decoder", pixels, config.hidden_size, 1, 1)
