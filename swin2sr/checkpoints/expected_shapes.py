"""Expected shapes: every parameter a configuration asks for, held against what a file has.

Source: shapes of the modules of this package; a test builds each network and compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from swin2sr.config import RestorationConfig
from swin2sr.errors import WeightsError

Shapes = dict[str, tuple[int, ...]]
State = dict[str, Tensor]

FEATURES = 64  # channels between trunk and picture in every head that has them
POSITION_HIDDEN = 512  # hidden units of the position bias network


@dataclass(frozen=True, eq=False, kw_only=True)
class NativeWeights:
    """Weights of a file under native names, and what in the file has none."""

    network: str  # name of the network they are of
    state: State  # parameters by native name
    unknown: tuple[str, ...]  # names in the file that belong to no such network
    buffers: State  # what the original stores besides, by its name
    file_key: Callable[[str], str]  # native name -> name in the file

    @property
    def shapes(self) -> Shapes:
        """Shape of each parameter."""
        return {name: tuple(tensor.shape) for name, tensor in self.state.items()}

    def require_known(self) -> None:
        """Refuse names that belong to no such network.

        Raises:
            WeightsError: "wrong_model".
        """
        if self.unknown:
            raise WeightsError(
                f"{len(self.unknown)} names are not {self.network}'s: {first_three(self.unknown)}.",
                code="wrong_model",
            )

    def require_network(self, config: Any, source: str) -> None:
        """Refuse a configuration of another network, or of more layers than there are parameters.

        What a hostile configuration asks for is never enumerated.

        Raises:
            WeightsError: "wrong_model".
        """
        fault = ""
        if self.network != config.network:
            fault = f"is for {config.network}; {source} holds weights of {self.network}"
        elif sum(config.depths) > len(self.state) + len(self.unknown):
            tensors = len(self.state) + len(self.unknown)
            fault = f"asks for {sum(config.depths)} layers; {source} holds only {tensors} tensors"
        if fault:
            raise WeightsError(f"The configuration {fault}.", code="wrong_model")

    def mismatch_text(self, expected: Shapes) -> str:
        """Count what is missing, not expected and of another shape, and name three of each.

        Returns:
            Part of a sentence, names as in the file; "" when every name and shape is as expected.
        """
        shapes = self.shapes
        missing = [self.file_key(name) for name in expected if name not in shapes]
        extra = [self.file_key(name) for name in shapes if name not in expected]
        other = [
            f"{self.file_key(name)} is {shape} and should be {expected[name]}"
            for name, shape in shapes.items()
            if expected.get(name, shape) != shape
        ]
        return ", ".join(
            f"{len(names)} {fault} ({first_three(names)})"
            for names, fault in (
                (missing, "missing"),
                ([*self.unknown, *extra], "not expected"),
                (other, "of another shape"),
            )
            if names
        )


def first_three(names: Sequence[str]) -> str:
    """First three names, made safe to print."""
    text = ", ".join(name if name.isprintable() else ascii(name) for name in names[:3])
    return text + (", ..." if len(names) > 3 else "")


def expected_shapes(config: RestorationConfig, *, bare: bool = False) -> Shapes:
    """Shape of every parameter of the network of ``config``, by native name.

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
    """Number of parameters that the network of ``config`` learns."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())


def linear_shapes(name: str, *weight: int) -> Shapes:
    """Shapes of a linear layer or a convolution: weight and bias."""
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def norm_shapes(name: str, width: int) -> Shapes:
    """Shapes of a layer norm."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _residual_conv(name: str, width: int, connection: str) -> Shapes:
    if connection == "1conv":
        return linear_shapes(name, width, width, 3, 3)
    narrow = width // 4
    return (
        linear_shapes(f"{name}.0", narrow, width, 3, 3)
        | linear_shapes(f"{name}.2", narrow, narrow, 1, 1)
        | linear_shapes(f"{name}.4", width, narrow, 3, 3)
    )


def block_shapes(config: Any, width: int, heads: int, window: int) -> Shapes:
    """Shapes of one layer, of a restoration network or a backbone, without its prefix.

    Args:
        config: its ``generation``, ``qkv_bias`` and ``mlp_ratio`` count.
        width: of the tokens.
        heads: of the attention.
        window: side of the attention window in tokens.
    """
    hidden = int(config.mlp_ratio * width)
    shapes: Shapes = {"attention.qkv.weight": (3 * width, width)}
    if config.generation == 1:
        if config.qkv_bias:
            shapes["attention.qkv.bias"] = (3 * width,)
        shapes["attention.position.table"] = ((2 * window - 1) ** 2, heads)
    else:
        if config.qkv_bias:
            shapes |= {"attention.q_bias": (width,), "attention.v_bias": (width,)}
        shapes["attention.logit_scale"] = (heads, 1, 1)
        shapes |= linear_shapes("attention.position.fc1", POSITION_HIDDEN, 2)
        shapes["attention.position.fc2.weight"] = (heads, POSITION_HIDDEN)
    return (
        shapes
        | linear_shapes("attention.proj", width, width)
        | norm_shapes("norm1", width)
        | norm_shapes("norm2", width)
        | linear_shapes("mlp.fc1", hidden, width)
        | linear_shapes("mlp.fc2", width, hidden)
    )


def _group_shapes(config: RestorationConfig) -> Shapes:
    shapes: Shapes = {}
    for i, (depth, heads) in enumerate(zip(config.depths, config.num_heads, strict=True)):
        block = block_shapes(config, config.embed_dim, heads, config.layer_window)
        for j in range(depth):
            shapes |= {f"groups.{i}.blocks.{j}.{key}": shape for key, shape in block.items()}
        shapes |= _residual_conv(f"groups.{i}.conv", config.embed_dim, config.resi_connection)
        if config.projects_tokens:
            shapes |= linear_shapes(f"groups.{i}.proj", config.embed_dim, config.embed_dim, 1, 1)
    return shapes


def _trunk_shapes(config: RestorationConfig) -> Shapes:
    width = config.embed_dim
    shapes = linear_shapes("conv_first", width, config.num_channels, 3, 3)
    if config.projects_tokens:
        shapes |= linear_shapes("embed.proj", width, width, 1, 1)
    shapes |= norm_shapes("embed.norm", width)
    if config.use_absolute_embeddings:
        shapes["absolute_position"] = (1, math.prod(config.grid_size), width)
    shapes |= _group_shapes(config) | norm_shapes("norm", width)
    return shapes | _residual_conv("conv_after_body", width, config.resi_connection)


def _steps(scale: int) -> Shapes:
    factors = [3] if scale == 3 else [2] * int(math.log2(scale))
    shapes: Shapes = {}
    for n, factor in enumerate(factors):
        shapes |= linear_shapes(f"upsample.{2 * n}", factor * factor * FEATURES, FEATURES, 3, 3)
    return shapes


def _head_shapes(config: RestorationConfig) -> Shapes:
    width, scale, kind = config.embed_dim, config.upscale, config.upsampler
    colours_in, colours = config.num_channels, config.num_channels_out
    if kind == "":
        return linear_shapes("conv_last", colours, width, 3, 3)
    if kind == "pixelshuffledirect":
        return linear_shapes("upsample.0", scale * scale * colours, width, 3, 3)
    shapes = linear_shapes("conv_before", FEATURES, width, 3, 3)
    shapes |= linear_shapes("conv_last", colours, FEATURES, 3, 3)
    if kind == "nearest+conv":
        names = ("conv_up1", "conv_up2", "conv_hr") if scale == 4 else ("conv_up1", "conv_hr")
        for name in names:
            shapes |= linear_shapes(name, FEATURES, FEATURES, 3, 3)
        return shapes
    shapes |= _steps(scale)
    if kind == "pixelshuffle_aux":
        shapes |= linear_shapes("conv_bicubic", FEATURES, colours_in, 3, 3)
        shapes |= linear_shapes("conv_aux", colours, FEATURES, 3, 3)
        shapes |= linear_shapes("conv_after_aux", FEATURES, colours, 3, 3)
    return shapes
