"""Window block through the kernels, as functions that PyTorch differentiates.

The numbers are those of ``swin2sr.nn.blocks``: within 1e-5 in float32, and with products in
bfloat16 closer to float32 than autocast's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from swin2sr.kernels import library
from swin2sr.kernels.library import Library, Shape
from swin2sr.nn.attention import CosineWindowAttention
from swin2sr.nn.blocks import Block
from swin2sr.nn.position import ContinuousBias, TableBias


class _WindowBlock(torch.autograd.Function):
    """Saves the block's input only; the backward pass computes everything inside it again."""

    @staticmethod
    def forward(
        ctx: Any,
        kernels: Library,
        shape: Shape,
        bfloat16: bool,
        x: Tensor,
        *parameters: Tensor | None,
    ) -> Tensor:
        x = x.contiguous()
        saved = [None if p is None else p.contiguous() for p in parameters]
        ctx.kernels, ctx.shape, ctx.bfloat16 = kernels, shape, bfloat16
        ctx.save_for_backward(x, *saved)
        return library.block_forward(kernels, shape, library.block_arrays(saved), x, bfloat16)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, *saved = ctx.saved_tensors
        gradients = [None if p is None else torch.empty_like(p) for p in saved]
        x_gradient = library.block_backward(
            ctx.kernels,
            ctx.shape,
            library.block_arrays(saved),
            x,
            gradient.contiguous(),
            library.block_arrays(gradients),
            ctx.bfloat16,
        )
        return None, None, None, x_gradient, *gradients


class _PositionBias(torch.autograd.Function):
    """SwinV2's bias of every offset, (heads, offsets)."""

    @staticmethod
    def forward(ctx: Any, kernels: Library, coordinates: Tensor, *parameters: Tensor) -> Tensor:
        result = library.position_forward(kernels, coordinates, parameters)
        ctx.kernels = kernels
        ctx.save_for_backward(coordinates, result, *parameters)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        coordinates, result, *parameters = ctx.saved_tensors
        gradients = library.position_backward(
            ctx.kernels, coordinates, parameters, result, gradient.contiguous()
        )
        return None, None, *gradients


class BlockKernel:
    """Kernel of one block: a map goes in, the block's map comes out.

    Args:
        kernels: from ``library.load``.
        block: one that ``attach.unsuitable`` has nothing against; its parameters are read at every
            call.
        bfloat16: multiply in bfloat16.
    """

    def __init__(self, kernels: Library, block: Block, bfloat16: bool) -> None:
        self.kernels, self.block, self.bfloat16 = kernels, block, bfloat16

    def accepts(self, tokens: Tensor) -> bool:
        """Return whether the kernel computes this (B, H, W, dim) map: float32 on the CPU, whole
        windows, and nothing that records or compiles the operations of PyTorch."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False
        window = self.block.attention.window
        return (
            tokens.dtype == torch.float32
            and tokens.device.type == "cpu"
            and tokens.shape[1] % window == tokens.shape[2] % window == 0
        )

    def __call__(self, tokens: Tensor) -> Tensor:
        """Run the block.

        Args:
            tokens: (B, H, W, dim) float32.
        Returns:
            The same shape.
        """
        shape = self._shape(tokens)
        with torch.autocast("cpu", enabled=False):  # parameters in another layout are copied
            result: Tensor = _WindowBlock.apply(
                self.kernels, shape, self.bfloat16, tokens, *self._parameters()
            )
        return result

    def _shape(self, tokens: Tensor) -> Shape:
        block, attention = self.block, self.block.attention
        return Shape(
            *tokens.shape,
            attention.heads,
            block.mlp.fc1.out_features,
            attention.window,
            attention.shift,
            isinstance(attention, CosineWindowAttention),
            block.norm1.eps,
            attention.attend.scale,
        )

    def _parameters(self) -> tuple[Tensor | None, ...]:
        """Parameters in the order of ``library.ARRAYS``."""
        block, attention, mlp = self.block, self.block.attention, self.block.mlp
        cosine: tuple[Tensor | None, ...] = (None, None, None)
        if isinstance(attention, CosineWindowAttention):
            cosine = (attention.q_bias, attention.v_bias, attention.logit_scale)
        return (
            *(attention.qkv.weight, attention.qkv.bias, *cosine),
            self._offset_biases(attention.position),
            *(attention.proj.weight, attention.proj.bias),
            *(block.norm1.weight, block.norm1.bias, block.norm2.weight, block.norm2.bias),
            *(mlp.fc1.weight, mlp.fc1.bias, mlp.fc2.weight, mlp.fc2.bias),
        )

    def _offset_biases(self, position: TableBias | ContinuousBias) -> Tensor:
        """Return (heads, offsets): the bias of each offset once, not yet spread over pairs."""
        if isinstance(position, TableBias):
            return position.table.t()
        biases: Tensor = _PositionBias.apply(
            self.kernels,
            position.coordinates,
            *(position.fc1.weight, position.fc1.bias, position.fc2.weight),
        )
        return biases
