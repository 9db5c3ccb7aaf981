"""Every parameter that a backbone's configuration asks for: its native name and its shape.

Weights are held against this list before a network is built from them.
"""

from __future__ import annotations

import math

from swin2sr.backbones.config import BackboneConfig
from swin2sr.checkpoints.expected_shapes import POSITION_HIDDEN, Shapes


def trunk_shapes(config: BackboneConfig) -> Shapes:
    """The backbone's own parameters, by canonical native name."""
    width = config.embed_dim
    shapes = _layer("embed.proj", width, config.num_channels, *config.patch_sides)
    shapes |= _norm("embed.norm", width)
    if config.use_absolute_embeddings:
        shapes["embed.position"] = (1, math.prod(config.grid_size), width)
    for stage, depth in enumerate(config.depths):
        block = _block_shapes(config, stage)
        for j in range(depth):
            shapes |= {f"stages.{stage}.blocks.{j}.{key}": shape for key, shape in block.items()}
        if stage + 1 < len(config.depths):
            width = config.widths[stage]
            merged = 4 * width if config.generation == 1 else 2 * width
            shapes |= _norm(f"stages.{stage}.downsample.norm", merged)
            shapes[f"stages.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
    return shapes | _norm("norm", config.hidden_size)


def head_shapes(config: BackboneConfig) -> Shapes:
    """The parameters that only some networks on a backbone have, by canonical native name."""
    shapes: Shapes = {"embed.mask_token": (1, 1, config.embed_dim)}
    if config.classes:
        shapes |= _layer("classifier", config.classes, config.hidden_size)
    pixels = config.encoder_stride**2 * config.num_channels
    return shapes | _layer("decoder", pixels, config.hidden_size, 1, 1)


def _layer(name: str, *weight: int) -> Shapes:
    """A linear layer or a convolution: weight and bias."""
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _attention_shapes(config: BackboneConfig, stage: int) -> Shapes:
    width, heads = config.widths[stage], config.num_heads[stage]
    window, _ = config.stage_window(stage)
    shapes: Shapes = {"qkv.weight": (3 * width, width)}
    if config.generation == 1:
        if config.qkv_bias:
            shapes["qkv.bias"] = (3 * width,)
        return shapes | {"position.table": ((2 * window - 1) ** 2, heads)}
    if config.qkv_bias:
        shapes |= {"q_bias": (width,), "v_bias": (width,)}
    shapes |= {"logit_scale": (heads, 1, 1), "position.fc2.weight": (heads, POSITION_HIDDEN)}
    return shapes | _layer("position.fc1", POSITION_HIDDEN, 2)


def _block_shapes(config: BackboneConfig, stage: int) -> Shapes:
    width = config.widths[stage]
    hidden = int(config.mlp_ratio * width)
    attention = _attention_shapes(config, stage) | _layer("proj", width, width)
    return (
        {f"attention.{name}": shape for name, shape in attention.items()}
        | _norm("norm1", width)
        | _norm("norm2", width)
        | _layer("mlp.fc1", hidden, width)
        | _layer("mlp.fc2", width, hidden)
    )
