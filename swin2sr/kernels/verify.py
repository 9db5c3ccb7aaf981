"""Comparison of the kernels with PyTorch on random windows, once in a process, before their use.

A compiler that is wrong, or a processor that is not what it says, must not spoil hours of training.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig
from swin2sr.kernels.block import BlockKernel
from swin2sr.kernels.build import KernelError
from swin2sr.kernels.convolution import ConvolutionKernel
from swin2sr.kernels.library import Library
from swin2sr.nn.blocks import Block, ResidualConv, add_convolved, build_block, run_block

TOLERANCE = 1e-5  # of the largest number of an output or gradient
TOLERANCE_BFLOAT16 = 0.1  # numbers of 8 bits; measured: 0.02


def verify(kernels: Library, bfloat16: bool) -> None:
    """Compare outputs and gradients of a shifted block of either generation, and of a convolution.

    Args:
        kernels: from ``library.load``.
        bfloat16: of products, as in ``BlockKernel``.
    Raises:
        KernelError: the kernels compute something else.
    """
    limit = TOLERANCE_BFLOAT16 if bfloat16 else TOLERANCE
    found = _difference(kernels, bfloat16)
    if not found <= limit:  # nan is a difference too
        raise KernelError(f"they differ from PyTorch by {found:.1e} of the largest number")


@cache
def _difference(kernels: Library, bfloat16: bool) -> float:
    """Return the largest difference, each as a share of the largest number of its tensor."""
    shares = []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        for kind in (Swin2SRConfig, SwinIRConfig):
            block = _random_block(kind(embed_dim=32, num_heads=(2,), depths=(1,), window_size=8))
            tokens, weights = torch.randn(2, 1, 16, 8, 32)
            expected = _outputs(block, tokens, weights)
            block.kernel = BlockKernel(kernels, block, bfloat16)
            shares += _shares(_outputs(block, tokens, weights), expected)
        if bfloat16:
            conv = ResidualConv(32)
            expected = _convolved(conv, tokens, weights)
            conv.kernel = ConvolutionKernel(kernels, conv)
            shares += _shares(_convolved(conv, tokens, weights), expected)
    return float(torch.stack(shares).max())


def _shares(ours: list[Tensor], theirs: list[Tensor]) -> list[Tensor]:
    pairs = zip(ours, theirs, strict=True)
    return [(found - expected).abs().max() / expected.abs().max() for found, expected in pairs]


def _random_block(config: RestorationConfig) -> Block:
    block = build_block(config, heads=2, shift=4, drop_path=0.0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return block


def _convolved(conv: ResidualConv, tokens: Tensor, weights: Tensor) -> list[Tensor]:
    """As ``_outputs``, of a convolution and its shortcut."""
    tokens = tokens.requires_grad_()
    with torch.autocast("cpu", enabled=False):
        output = add_convolved(conv, None, tokens, tokens)
        gradients = torch.autograd.grad((output * weights).sum(), [tokens, *conv.parameters()])
    return [output.detach(), *gradients]


def _outputs(block: Block, tokens: Tensor, weights: Tensor) -> list[Tensor]:
    """Return the block's map, and the gradients of its weighted sum in input and parameters."""
    tokens = tokens.requires_grad_()
    with torch.autocast("cpu", enabled=False):
        output, _ = run_block(block, tokens, None, False)
        gradients = torch.autograd.grad((output * weights).sum(), [tokens, *block.parameters()])
    return [output.detach(), *gradients]
