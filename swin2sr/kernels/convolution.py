"""Convolution at the end of a group through the kernels, with the map that is added to it.

Products are in bfloat16 (the processor's tile registers), everything else in float32. In float32
PyTorch's own convolutions are as fast as they can be.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from swin2sr.kernels import library
from swin2sr.kernels.library import Library


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: Library, x: Tensor, weight: Tensor, bias: Tensor, added: Tensor
    ) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        ctx.kernels = kernels
        ctx.save_for_backward(x, weight)
        return library.convolution_forward(kernels, x, weight, bias, added.contiguous())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        gradients = library.convolution_backward(ctx.kernels, x, weight, gradient)
        return None, *gradients, gradient


class ConvolutionKernel:
    """Kernel of a 3x3 convolution, a linear map after it, and the shortcut past both.

    Args:
        kernels: from ``library.load``, with products in bfloat16.
        conv: 3x3, padding 1; its parameters are read at every call.
    """

    def __init__(self, kernels: Library, conv: nn.Conv2d) -> None:
        self.kernels, self.conv = kernels, conv

    def accepts(self, tokens: Tensor) -> bool:
        """Return whether the kernel computes this map: float32 on the CPU, and nothing that records
        or compiles the operations of PyTorch."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False
        return tokens.dtype == torch.float32 and tokens.device.type == "cpu"

    def __call__(self, tokens: Tensor, proj: nn.Conv2d | None, shortcut: Tensor) -> Tensor:
        """Compute ``proj(conv(tokens)) + shortcut``.

        Args:
            tokens: (B, H, W, in) float32. proj: 1x1 convolution, or None.
            shortcut: (B, H, W, out).
        Returns:
            (B, H, W, out).
        """
        with torch.autocast("cpu", enabled=False):
            weight, bias = self._composed(proj)
            # Under autocast the first convolution's map is shorter.
            shortcut = shortcut.to(tokens.dtype)
            result: Tensor = _Convolution.apply(self.kernels, tokens, weight, bias, shortcut)
        return result

    def _composed(self, proj: nn.Conv2d | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of both maps as one convolution: a product of weights is much smaller
        than one of maps."""
        conv = self.conv
        assert conv.bias is not None
        if proj is None:
            return conv.weight, conv.bias
        assert proj.bias is not None
        matrix = proj.weight.flatten(1)
        weight = (matrix @ conv.weight.flatten(1)).view(-1, *conv.weight.shape[1:])
        return weight, torch.addmv(proj.bias, matrix, conv.bias)
