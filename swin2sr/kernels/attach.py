"""Attachment of the kernels to the blocks of a network that is trained on a CPU."""

from __future__ import annotations

import torch
from torch import nn

from swin2sr.kernels import library
from swin2sr.kernels.block import BlockKernel
from swin2sr.kernels.build import KernelError
from swin2sr.kernels.convolution import ConvolutionKernel
from swin2sr.kernels.verify import verify
from swin2sr.nn.attention import CosineWindowAttention
from swin2sr.nn.blocks import Block, PostNormBlock, PreNormBlock, ResidualConv

LARGEST_WINDOW = 8  # side in tokens: the kernels hold 64 of a window


def attach(model: nn.Module, bfloat16: bool) -> str:
    """Attach kernels to every block of a network, which run while gradients are recorded.

    Inference, export and ``torch.compile`` stay with PyTorch, and so do maps that a kernel does not
    accept (``BlockKernel.accepts``). Hooks on the layers inside a block do not see what a kernel
    computes; ``detach`` gives them back.

    Args:
        model: a network with blocks of ``swin2sr.nn.blocks``.
        bfloat16: multiply in bfloat16 where the processor has AMX, in float32 elsewhere.
    Returns:
        Instruction set and precision of products, in words.
    Raises:
        KernelError: the kernels cannot be used here, or not for this network; nothing is attached.
    """
    if any(p.dtype != torch.float32 or p.device.type != "cpu" for p in model.parameters()):
        raise KernelError("the network is not in float32 on the CPU")
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    if reason := next(filter(None, map(unsuitable, blocks)), "" if blocks else "there is no block"):
        raise KernelError(reason)
    kernels = library.load()
    bfloat16 = bfloat16 and kernels.has_bfloat16
    verify(kernels, bfloat16)
    for block in blocks:
        block.kernel = BlockKernel(kernels, block, bfloat16)
    if bfloat16:
        for module in model.modules():
            if isinstance(module, ResidualConv):
                module.kernel = ConvolutionKernel(kernels, module)
    return f"{kernels.instructions}, products in {'bfloat16' if bfloat16 else 'float32'}"


def detach(model: nn.Module) -> None:
    """Undo ``attach``."""
    for module in model.modules():
        if isinstance(module, Block | ResidualConv):
            module.kernel = None


def unsuitable(block: Block) -> str:
    """Return what about a block the kernels do not compute, in words; "" when they compute it."""
    attention, mlp = block.attention, block.mlp
    generation = 2 if isinstance(attention, CosineWindowAttention) else 1
    if not isinstance(block, PostNormBlock if generation == 2 else PreNormBlock):
        return "a block is of another kind"
    if block.drop_path.rate or mlp.dropout.p or attention.dropout.p or attention.attend.dropout:
        return "a block drops paths or features"
    if attention.window > LARGEST_WINDOW or attention.shrinks:
        return f"a window may have another side than 1 to {LARGEST_WINDOW} tokens"
    if mlp.activation != "gelu":
        return f"the activation is {mlp.activation}, not gelu"
    # Rows of features are worked on in pairs.
    if attention.proj.in_features // attention.heads % 2 or mlp.fc1.out_features % 2:
        return "a head or the MLP has an odd number of features"
    return "" if block.norm1.eps == block.norm2.eps else "the norms of a block differ"
