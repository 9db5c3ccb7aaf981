"""Residual groups and their layers: MLP, stochastic depth, the blocks of both generations.

Source: Swin Transformer (arXiv 2103.14030), eq. 3 (pre-norm); Swin Transformer V2 (arXiv
2111.09883), figure 1 and section 3.3 (res-post-norm); SwinIR (arXiv 2108.10257), figure 2; Swin2SR
(arXiv 2209.11345), figure 2; arithmetic of ``SwinTransformerBlock`` and ``RSTB`` in
JingyunLiang/SwinIR and mv-lab/swin2sr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.config import RestorationConfig
from swin2sr.nn.attention import CosineWindowAttention, DotProductWindowAttention, WindowAttention
from swin2sr.nn.linear import apply_linear, linear
from swin2sr.nn.windows import (
    Region,
    assemble,
    put,
    regions,
    strips,
    take,
    window_kinds,
    window_merge,
    window_partition,
)

STRIP_WINDOWS = 128  # windows of a strip in inference: enough work for the cores, still in cache

ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "selu": F.selu,
}


class DropPath(nn.Module):
    """Stochastic depth per sample (arXiv 1603.09382): in training drops a whole residual branch."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """Scale ``branch`` (B, ...) so that its expectation stays the same."""
        if not self.training or self.rate == 0.0:
            return branch
        keep = 1.0 - self.rate
        shape = (branch.shape[0],) + (1,) * (branch.ndim - 1)
        return branch * (branch.new_empty(shape).bernoulli_(keep) / keep)


class MLP(nn.Module):
    """MLP on each token by itself: two linear layers with an activation between."""

    def __init__(self, dim: int, hidden: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        hidden = ACTIVATION[self.activation](apply_linear(self.fc1, tokens))
        return self.dropout(apply_linear(self.fc2, hidden))


Mix = Callable[[Tensor], tuple[Tensor, Tensor | None]]  # attention over tokens (..., dim)


class BlockHook(Protocol):
    """Hook on a block: sees the whole maps, (B, H, W, dim), which are overwritten later."""

    def before(self, block: Block, tokens: Tensor) -> None:
        """See the map that goes in."""

    def after(self, block: Block, tokens: Tensor) -> None:
        """See the map that comes out."""


class Kernel(Protocol):
    """Compiled code of a whole block, see ``swin2sr.kernels``."""

    def accepts(self, tokens: Tensor) -> bool:
        """Return whether it computes the block of this map."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, dim)."""


class Block(nn.Module):
    """Transformer block: attention, MLP, norms; its two kinds differ in where the norms stand.

    Args:
        attention: mixes the tokens of a window.
        dim: width of a token.
        hidden: width inside the MLP.
        activation: of the MLP, a name of ``ACTIVATION``.
        dropout: of the MLP, in training.
        eps: of the norms.
        drop_path: rate of stochastic depth.
    Attributes:
        hooks: shown every map that ``run_block`` takes the block over.
        kernel: computes the block in PyTorch's place while gradients are recorded; None as a rule.
    """

    def __init__(
        self,
        attention: WindowAttention,
        dim: int,
        hidden: int,
        activation: str,
        dropout: float,
        eps: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim, hidden, activation, dropout)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.drop_path = DropPath(drop_path)
        self.hooks: list[BlockHook] = []
        self.kernel: Kernel | None = None

    def attention_input(self, tokens: Tensor) -> Tensor:
        """Return (..., dim) tokens as the attention sees them."""
        return tokens


class PreNormBlock(Block):
    """Swin's block: ``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def attention_input(self, tokens: Tensor) -> Tensor:
        """Return (..., dim) tokens as the attention sees them."""
        return self.norm1(tokens)

    def forward(self, tokens: Tensor, mix: Mix) -> tuple[Tensor, Tensor | None]:
        """Run the block on (..., dim) tokens; ``mix`` is the attention over such tokens."""
        mixed, weights = mix(self.attention_input(tokens))
        tokens = _add(self.drop_path(mixed), tokens)
        return _add(self.drop_path(self.mlp(self.norm2(tokens))), tokens), weights


class PostNormBlock(Block):
    """SwinV2's block: ``x + norm(attention(x))``, then ``x + norm(mlp(x))``."""

    def forward(self, tokens: Tensor, mix: Mix) -> tuple[Tensor, Tensor | None]:
        """Run the block on (..., dim) tokens; ``mix`` is the attention over such tokens."""
        mixed, weights = mix(tokens)
        tokens = _add(self.drop_path(self.norm1(mixed)), tokens)
        return _add(self.drop_path(self.norm2(self.mlp(tokens))), tokens), weights


def build_block(config: RestorationConfig, heads: int, shift: int, drop_path: float) -> Block:
    """Build one layer of a restoration network, of its configuration's generation."""
    kind, attention = (
        (PreNormBlock, DotProductWindowAttention)
        if config.generation == 1
        else (PostNormBlock, CosineWindowAttention)
    )
    dim = config.embed_dim
    return kind(
        attention(
            dim,
            heads,
            config.layer_window,
            shift,
            config.qkv_bias,
            config.attention_probs_dropout_prob,
        ),
        dim,
        int(config.mlp_ratio * dim),
        config.hidden_act,
        config.hidden_dropout_prob,
        config.layer_norm_eps,
        drop_path,
    )


def _add(branch: Tensor, trunk: Tensor) -> Tensor:
    """Add in the trunk's precision; overwrites the branch, which nobody else holds, unless
    gradients need it."""
    if torch.is_grad_enabled() or branch.dtype != trunk.dtype:
        return branch + trunk
    return branch.add_(trunk)


def run_block(
    block: Block, tokens: Tensor, head_mask: Tensor | None, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Run a block over a feature map.

    Everything in a block happens inside a window or on one token, so without gradients the map is
    worked through strip by strip (whole rows of windows), each written back in place: the same
    numbers as all at once, with memory for one strip. With gradients, or when paths are dropped, or
    when the attention matrices are wanted, or when whole windows do not cover the map, it is worked
    on at once.

    Args:
        block: the block.
        tokens: (B, H, W, dim); overwritten without gradients.
        head_mask: (heads,) or None.
        need_weights: return attention matrices.
    Returns:
        (B, H, W, dim), and (B * windows, heads, N, N) in the rolled frame (image-major, then row,
        then column) or None.
    """
    for hook in block.hooks:
        hook.before(block, tokens)
    attention, (height, width) = block.attention, tokens.shape[1:3]
    window, _ = attention.fit(height, width)
    # In training a dropped path is a whole image's.
    at_once = torch.is_grad_enabled() or need_weights or (block.training and block.drop_path.rate)
    kernel, plain = block.kernel, head_mask is None and not need_weights
    weights = None
    if kernel is not None and plain and torch.is_grad_enabled() and kernel.accepts(tokens):
        tokens = kernel(tokens)
    elif at_once or height % window or width % window:
        tokens, weights = block(tokens, lambda x: attend_map(attention, x, head_mask, need_weights))
    else:
        _run_in_strips(block, tokens, head_mask)
    for hook in block.hooks:
        hook.after(block, tokens)
    return tokens, weights


def _run_in_strips(block: Block, tokens: Tensor, head_mask: Tensor | None) -> None:
    """Run a block over a map of whole windows, in place; the constants are computed once."""
    attention, (batch, height, width) = block.attention, tokens.shape[:3]
    window, shift = attention.fit(height, width)
    constants = attention.constants()
    for strip in strips(regions(height, width, window, shift), batch, window, STRIP_WINDOWS):
        windows, counts = _gather(tokens, strip, window)
        kinds = _kinds(strip, counts)
        windows, _ = block(
            windows, lambda x, kinds=kinds: attention(x, constants, kinds, head_mask, False)
        )
        for region, part in zip(strip, windows.split(counts), strict=True):
            put(tokens, region, part, window)


def attend_map(
    attention: WindowAttention, tokens: Tensor, head_mask: Tensor | None, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Attention over a whole feature map.

    Args:
        attention: the layer.
        tokens: (B, H, W, dim); where whole windows do not cover it, zeros are added to the right
            and below, seen by the others, and cut off again (as Swin does).
        head_mask: (heads,) or None.
        need_weights: return attention matrices.
    Returns:
        As ``run_block``.
    """
    batch, height, width = tokens.shape[:3]
    window, shift = attention.fit(height, width)
    right, below = -width % window, -height % window
    if right or below:
        tokens = F.pad(tokens, (0, 0, 0, right, 0, below))
    constants, weights = attention.constants(), None
    if need_weights:
        # The order of the matrices that are returned is the order in which they are used.
        rolled = torch.roll(tokens, (-shift, -shift), (1, 2)) if shift else tokens
        grid = window_partition(rolled, window)
        kinds = window_kinds(height + below, width + right, window, shift).tolist() * batch
        windows = grid.flatten(0, 2)
        runs = [(1, kind) for kind in kinds]
        windows, weights = attention(windows, constants, runs, head_mask, True)
        grid = windows.view(grid.shape)
    else:
        whole = regions(height + below, width + right, window, shift)
        windows, counts = _gather(tokens, whole, window)
        windows, _ = attention(windows, constants, _kinds(whole, counts), head_mask, False)
        parts = zip(whole, windows.split(counts), strict=True)
        grid = assemble((r, part.unflatten(0, r.windows(batch, window))) for r, part in parts)
    merged = window_merge(grid, window)
    merged = torch.roll(merged, (shift, shift), (1, 2)) if shift else merged
    return merged[:, :height, :width], weights


def _gather(tokens: Tensor, chosen: Sequence[Region], window: int) -> tuple[Tensor, list[int]]:
    """Gather the windows of some regions in one tensor, and count each region's."""
    parts = [take(tokens, region, window) for region in chosen]
    return parts[0] if len(parts) == 1 else torch.cat(parts), [len(part) for part in parts]


def _kinds(chosen: Sequence[Region], counts: Sequence[int]) -> list[tuple[int, int]]:
    return [(count, region.kind) for count, region in zip(counts, chosen, strict=True)]


class ConvolutionKernel(Protocol):
    """Compiled code of a convolution and its shortcut, see ``swin2sr.kernels``."""

    def accepts(self, tokens: Tensor) -> bool:
        """Return whether it computes the convolution of this map."""

    def __call__(self, tokens: Tensor, proj: nn.Conv2d | None, shortcut: Tensor) -> Tensor:
        """Compute ``add_convolved`` of this convolution."""


class ResidualConv(nn.Conv2d):
    """3x3 convolution before a shortcut.

    Attributes:
        kernel: computes ``add_convolved`` in PyTorch's place while gradients are recorded; None as
            a rule.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, 3, padding=1)
        self.kernel: ConvolutionKernel | None = None


def residual_convolution(dim: int, kind: str) -> nn.Module:
    """Build the convolution before a shortcut, "1conv" or "3conv" (a bottleneck of dim/4)."""
    if kind == "1conv":
        return ResidualConv(dim)
    return nn.Sequential(
        nn.Conv2d(dim, dim // 4, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim // 4, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim, 3, padding=1),
    )


def on_tokens(layer: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a convolution (B, C, H, W) to a token map (B, H, W, C); no copy, channels stay last."""
    return layer(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def pointwise(layer: nn.Conv2d, tokens: Tensor) -> Tensor:
    """Apply a 1x1 convolution to (B, H, W, C) tokens as the linear map it is."""
    return linear(tokens, layer.weight.flatten(1), layer.bias)


def add_convolved(
    conv: nn.Module, proj: nn.Conv2d | None, tokens: Tensor, shortcut: Tensor
) -> Tensor:
    """Compute ``proj(conv(tokens)) + shortcut``.

    Args:
        conv: of ``residual_convolution``. proj: 1x1 convolution, or None.
        tokens, shortcut: (B, H, W, dim).
    Returns:
        (B, H, W, dim).
    """
    kernel = conv.kernel if isinstance(conv, ResidualConv) else None
    if kernel is not None and torch.is_grad_enabled() and kernel.accepts(tokens):
        return kernel(tokens, proj, shortcut)
    features = on_tokens(conv, tokens)
    if proj is not None:
        features = pointwise(proj, features)
    return features + shortcut


class ResidualGroup(nn.Module):
    """Residual Swin transformer block (RSTB): layers, a convolution, a shortcut.

    Swin2SR has a projection of each token between the convolution and the shortcut.
    """

    def __init__(self, config: RestorationConfig, index: int, drop_path: list[float]) -> None:
        super().__init__()
        dim = config.embed_dim
        self.blocks = nn.ModuleList(
            build_block(
                config, config.num_heads[index], config.layer_shift if depth % 2 else 0, rate
            )
            for depth, rate in enumerate(drop_path)
        )
        self.conv = residual_convolution(dim, config.resi_connection)
        self.proj = nn.Conv2d(dim, dim, 1) if config.projects_tokens else None

    def forward(
        self, tokens: Tensor, head_mask: Tensor | None = None, need_weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the group.

        Args:
            tokens: (B, H, W, dim); not changed.
            head_mask: (layers of the group, heads) or None.
            need_weights: return the attention matrices.
        Returns:
            (B, H, W, dim) and one (B * windows, heads, N, N) per layer, or [].
        """
        features = tokens if torch.is_grad_enabled() else tokens.clone()
        matrices: list[Tensor] = []
        for depth, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            mask = None if head_mask is None else head_mask[depth]
            features, weights = run_block(block, features, mask, need_weights)
            if weights is not None:
                matrices.append(weights)
        return add_convolved(self.conv, self.proj, features, tokens), matrices
