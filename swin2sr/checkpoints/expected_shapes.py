"""Every parameter that a configuration asks for: its native name and its shape.

Weights are held against this list before a network is built from them.
"""

from __future__ import annotations

import math

from swin2sr.config import RestorationConfig

Shapes = dict[str, tuple[int, ...]]

FEATURES = 64  # channels between trunk and picture in every head that has them
POSITION_HIDDEN = 512  # hidden units of the position bias network


def expected_shapes(config: RestorationConfig, *, bare: bool = False) -> Shapes:
    """Every parameter of the network of ``config``, by native name.

    Args:
        config: the network.
        bare: the trunk alone (``Swin2SRModel``), whose names carry no ``trunk.``.
    """
    trunk = _trunk_shapes(config)
    if bare:
        return trunk
    head = {f"head.{name}": shape for name, shape in _head_shapes(config).items()}
    return {f"trunk.{name}": shape for name, shape in trunk.items()} | head


def count_parameters(config: RestorationConfig) -> int:
    """How many numbers the network of ``config`` learns."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())


def _layer(name: str, *weight: int) -> Shapes:
    """A linear layer or a convolution: weight and bias."""
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _residual_conv(name: str, width: int, connection: str) -> Shapes:
    if connection == "1conv":
        return _layer(name, width, width, 3, 3)
    narrow = width // 4
    return (
        _layer(f"{name}.0", narrow, width, 3, 3)
        | _layer(f"{name}.2", narrow, narrow, 1, 1)
        | _layer(f"{name}.4", width, narrow, 3, 3)
    )


def _attention_shapes(config: RestorationConfig, heads: int) -> Shapes:
    width = config.embed_dim
    if config.generation == 1:
        qkv: Shapes = {"attention.qkv.weight": (3 * width, width)}
        if config.qkv_bias:
            qkv["attention.qkv.bias"] = (3 * width,)
        return qkv | {"attention.position.table": ((2 * config.layer_window - 1) ** 2, heads)}
    shapes: Shapes = {"attention.logit_scale": (heads, 1, 1)}
    if config.qkv_bias:
        shapes |= {"attention.q_bias": (width,), "attention.v_bias": (width,)}
    return (
        shapes
        | {"attention.qkv.weight": (3 * width, width)}
        | _layer("attention.position.fc1", POSITION_HIDDEN, 2)
        | {"attention.position.fc2.weight": (heads, POSITION_HIDDEN)}
    )


def _block_shapes(config: RestorationConfig, heads: int) -> Shapes:
    width, hidden = config.embed_dim, int(config.mlp_ratio * config.embed_dim)
    return (
        _attention_shapes(config, heads)
        | _layer("attention.proj", width, width)
        | _norm("norm1", width)
        | _norm("norm2", width)
        | _layer("mlp.fc1", hidden, width)
        | _layer("mlp.fc2", width, hidden)
    )


def _group_shapes(config: RestorationConfig) -> Shapes:
    shapes: Shapes = {}
    for i, (depth, heads) in enumerate(zip(config.depths, config.num_heads, strict=True)):
        block = _block_shapes(config, heads)
        for j in range(depth):
            shapes |= {f"groups.{i}.blocks.{j}.{key}": shape for key, shape in block.items()}
        shapes |= _residual_conv(f"groups.{i}.conv", config.embed_dim, config.resi_connection)
        if config.projects_tokens:
            shapes |= _layer(f"groups.{i}.proj", config.embed_dim, config.embed_dim, 1, 1)
    return shapes


def _trunk_shapes(config: RestorationConfig) -> Shapes:
    width = config.embed_dim
    shapes = _layer("conv_first", width, config.num_channels, 3, 3)
    if config.projects_tokens:
        shapes |= _layer("embed.proj", width, width, 1, 1)
    shapes |= _norm("embed.norm", width)
    if config.use_absolute_embeddings:
        shapes["absolute_position"] = (1, math.prod(config.grid_size), width)
    shapes |= _group_shapes(config) | _norm("norm", width)
    return shapes | _residual_conv("conv_after_body", width, config.resi_connection)


def _steps(scale: int) -> Shapes:
    factors = [3] if scale == 3 else [2] * int(math.log2(scale))
    shapes: Shapes = {}
    for n, factor in enumerate(factors):
        shapes |= _layer(f"upsample.{2 * n}", factor * factor * FEATURES, FEATURES, 3, 3)
    return shapes


def _head_shapes(config: RestorationConfig) -> Shapes:
    width, scale, kind = config.embed_dim, config.upscale, config.upsampler
    colours_in, colours = config.num_channels, config.num_channels_out
    if kind == "":
        return _layer("conv_last", colours, width, 3, 3)
    if kind == "pixelshuffledirect":
        return _layer("upsample.0", scale * scale * colours, width, 3, 3)
    shapes = _layer("conv_before", FEATURES, width, 3, 3)
    shapes |= _layer("conv_last", colours, FEATURES, 3, 3)
    if kind == "nearest+conv":
        names = ("conv_up1", "conv_up2", "conv_hr") if scale == 4 else ("conv_up1", "conv_hr")
        for name in names:
            shapes |= _layer(name, FEATURES, FEATURES, 3, 3)
        return shapes
    shapes |= _steps(scale)
    if kind == "pixelshuffle_aux":
        shapes |= _layer("conv_bicubic", FEATURES, colours_in, 3, 3)
        shapes |= _layer("conv_aux", colours, FEATURES, 3, 3)
        shapes |= _layer("conv_after_aux", FEATURES, colours, 3, 3)
    return shapes
