"""Graph of a restoration network that a tracer can follow for pictures of any size.

The network of ``swin2sr.models`` works in strips, whose number depends on the picture, so a trace
of it is right for one size only. Here a block works on the whole map at once; what depends on the
size (the border's mirror, the windows' grid, which windows lie last) is computed from the shape by
recorded operations. Position biases, temperatures and masks become constants.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.errors import ConfigError
from swin2sr.models import RestorationModel
from swin2sr.nn.attention import CosineWindowAttention
from swin2sr.nn.blocks import ACTIVATION, Block, PreNormBlock, ResidualGroup, pointwise
from swin2sr.nn.windows import MASKED

TINY = 1e-24  # smallest squared length of a vector, as in ``nn.attention``


class GraphBlock(nn.Module):
    """Block on a whole map of windows, its constants computed once.

    Args:
        block: the layer; its linear layers and norms are shared, not copied.
    """

    bias: Tensor
    qkv_bias: Tensor
    scale: Tensor
    row_mask: Tensor
    column_mask: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention = block.attention
        self.block, self.mlp = block, block.mlp
        self.window, self.shift, self.heads = attention.window, attention.shift, attention.heads
        self.is_cosine = isinstance(attention, CosineWindowAttention)
        self.is_pre_norm = isinstance(block, PreNormBlock)
        constants = attention.constants()
        self.register_buffer("bias", constants.bias[:1].detach())
        bias = attention.qkv.bias if constants.qkv_bias is None else constants.qkv_bias
        weight = attention.qkv.weight
        bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
        self.register_buffer("qkv_bias", bias.detach())
        scale = torch.full((self.heads,), attention.attend.scale)
        if constants.lengths is not None:
            scale = scale * constants.lengths[: self.heads].detach()
        self.register_buffer("scale", scale.view(self.heads, 1, 1))
        within = torch.arange(self.window) >= self.window - self.shift
        rows = within[:, None].expand(self.window, self.window).flatten()
        columns = within[None].expand(self.window, self.window).flatten()
        for name, wrapped in (("row_mask", rows), ("column_mask", columns)):
            self.register_buffer(name, (wrapped[:, None] != wrapped[None]).float() * MASKED)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, dim), H and W multiples of the window."""
        batch, height, width, dim = tokens.shape
        side, shift = self.window, self.shift
        rows, columns = height // side, width // side
        if shift:
            tokens = torch.cat([tokens[:, shift:], tokens[:, :shift]], 1)
            tokens = torch.cat([tokens[:, :, shift:], tokens[:, :, :shift]], 2)
        windows = tokens.reshape(batch, rows, side, columns, side, dim).permute(0, 1, 3, 2, 4, 5)
        windows = windows.reshape(-1, side * side, dim)
        grid = (batch, rows, columns)
        if self.is_pre_norm:
            windows = windows + self._attend(self.block.norm1(windows), grid)
            windows = windows + self._mlp(self.block.norm2(windows))
        else:
            windows = windows + self.block.norm1(self._attend(windows, grid))
            windows = windows + self.block.norm2(self._mlp(windows))
        tokens = windows.reshape(batch, rows, columns, side, side, dim).permute(0, 1, 3, 2, 4, 5)
        tokens = tokens.reshape(batch, height, width, dim)
        if shift:
            tokens = torch.cat([tokens[:, height - shift :], tokens[:, : height - shift]], 1)
            tokens = torch.cat([tokens[:, :, width - shift :], tokens[:, :, : width - shift]], 2)
        return tokens

    def _attend(self, windows: Tensor, grid: tuple[Any, Any, Any]) -> Tensor:
        """Attention inside each window: (n, N, dim) -> (n, N, dim)."""
        attention = self.block.attention
        count, dim = self.window**2, windows.shape[-1]
        qkv = F.linear(windows, attention.qkv.weight, self.qkv_bias)
        qkv = qkv.reshape(-1, count, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]  # (n, heads, N, d)
        if self.is_cosine:
            query = query * query.square().sum(-1, keepdim=True).clamp_min(TINY).rsqrt()
            key = key * key.square().sum(-1, keepdim=True).clamp_min(TINY).rsqrt()
        logits = (query * self.scale) @ key.transpose(-2, -1) + self.bias
        if self.shift:
            logits = logits.reshape(*grid, self.heads, count, count) + self._masks(grid)
            logits = logits.reshape(-1, self.heads, count, count)
        mixed = (torch.softmax(logits, -1) @ value).transpose(1, 2).reshape(-1, count, dim)
        return F.linear(mixed, attention.proj.weight, attention.proj.bias)

    def _masks(self, grid: tuple[Any, Any, Any]) -> Tensor:
        """(1, rows, columns, 1, N, N): only the last row and column of windows have masks."""
        _, rows, columns = grid
        is_last_row = (torch.arange(rows) == rows - 1).to(self.bias.dtype)
        is_last_column = (torch.arange(columns) == columns - 1).to(self.bias.dtype)
        return (
            is_last_row.view(1, -1, 1, 1, 1, 1) * self.row_mask
            + is_last_column.view(1, 1, -1, 1, 1, 1) * self.column_mask
        )

    def _mlp(self, tokens: Tensor) -> Tensor:
        mlp = self.mlp
        hidden = F.linear(tokens, mlp.fc1.weight, mlp.fc1.bias)
        return F.linear(ACTIVATION[mlp.activation](hidden), mlp.fc2.weight, mlp.fc2.bias)


class GraphNetwork(nn.Module):
    """Restoration network to be traced: (B, C, H, W) in 0..1 -> (B, C, H*s, W*s), not clamped.

    Args:
        model: the network, in evaluation mode; its weights are shared, not copied.
    Raises:
        ConfigError: a network with a table of absolute positions, which is made for one size.
    """

    def __init__(self, model: RestorationModel) -> None:
        super().__init__()
        config, trunk = model.config, model.trunk
        if config.use_absolute_embeddings:
            raise ConfigError(
                "A network with absolute position embeddings cannot be exported for every size.",
                remedy="Export one without (use_absolute_embeddings=False, as all published are).",
            )
        self.window, self.scale, self.range = config.window_size, config.upscale, config.img_range
        self.trunk, self.head = trunk, model.head
        self.groups = cast("list[ResidualGroup]", list(trunk.groups))
        self.blocks = [
            nn.ModuleList(GraphBlock(cast("Block", block)) for block in group.blocks)
            for group in self.groups
        ]

    def forward(self, pixel_values: Tensor) -> Tensor:
        """See the class."""
        trunk = self.trunk
        height, width = pixel_values.shape[2], pixel_values.shape[3]
        pixels = mirror(mirror(pixel_values, 2, self.window), 3, self.window)
        pixels = (pixels - trunk.mean) * self.range
        shallow = trunk.conv_first(pixels)
        tokens = trunk.embed(shallow.permute(0, 2, 3, 1))
        for blocks, group in zip(self.blocks, self.groups, strict=True):
            features = tokens
            for block in blocks:
                features = block(features)
            features = group.conv(features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            if group.proj is not None:
                features = pointwise(group.proj, features)
            tokens = features + tokens
        body = trunk.conv_after_body(trunk.norm(tokens).permute(0, 3, 1, 2))
        image, _ = self.head(body + shallow, pixels)
        image = image / self.range + trunk.mean
        return image[:, :, : height * self.scale, : width * self.scale]


def mirror(pixels: Tensor, axis: int, window: int) -> Tensor:
    """Extend an axis by reflection to whole windows, as ``nn.windows.pad_to_windows`` does."""
    length = torch.as_tensor(pixels.shape[axis])
    target = torch.div(length + window - 1, window, rounding_mode="floor") * window
    period = (2 * (length - 1)).clamp_min(1)
    position = torch.arange(target) % period  # type: ignore[call-overload]  # stays a tensor
    return pixels.index_select(axis, torch.minimum(position, period - position))
