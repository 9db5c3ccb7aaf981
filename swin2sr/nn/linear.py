"""Linear maps on tokens; ``torch.nn.functional.linear``'s numbers by the quickest way there.

On x86 processors PyTorch first copies the bias over the whole result and then adds a float32
matrix product to it. oneDNN's 1x1 convolution, which is the same map, adds the bias while the
result is in registers: up to a quarter less time at the widths of these networks, from some
thousands of tokens on (measured at 60 and 180 channels on two cores).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEWEST = 4096  # tokens; below, preparing the convolution costs more than it saves
AS_CONVOLUTION = (
    torch.backends.mkldnn.is_available() and "AVX" in torch.backends.cpu.get_cpu_capability()
)


def linear(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply tokens by a matrix and add a bias.

    Args:
        tokens: (..., in).
        weight: (out, in).
        bias: (out,) or None.
    Returns:
        (..., out).
    """
    if (
        bias is None
        or not AS_CONVOLUTION
        or tokens.numel() < FEWEST * weight.shape[1]
        or tokens.dtype != torch.float32
        or tokens.device.type != "cpu"
        or torch.is_grad_enabled()
    ):
        return F.linear(tokens, weight, bias)
    pixels = tokens.reshape(1, 1, -1, tokens.shape[-1]).permute(0, 3, 1, 2)
    mapped = F.conv2d(pixels, weight[:, :, None, None], bias)
    return mapped.permute(0, 2, 3, 1).reshape(*tokens.shape[:-1], -1)


def apply_linear(layer: nn.Module, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
    """Run a linear layer on tokens, through ``linear`` where that is the same.

    Args:
        layer: ``nn.Linear``, or what took its place: quantised, with an adapter, pruned.
        tokens: (..., in).
        bias: (out,) for a layer without one of its own, or None.
    Returns:
        (..., out).
    """
    # What is not exactly torch's layer computes otherwise; one with hooks must be called.
    hooks = layer._forward_pre_hooks or layer._forward_hooks or layer._backward_hooks
    if type(layer) is nn.Linear and not hooks:
        return linear(tokens, layer.weight, layer.bias if bias is None else bias)
    mapped = layer(tokens)
    return mapped if bias is None else mapped + bias
