"""The layers of a residual group: MLP, stochastic depth, SwinV2's block, the group itself.

Source: Swin Transformer V2 (arXiv 2111.09883), figure 1 and section 3.3 (res-post-norm); Swin2SR
(arXiv 2209.11345), figure 2; arithmetic of mv-lab/swin2sr ``SwinTransformerBlock`` and ``RSTB``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.config import Swin2SRConfig
from swin2sr.nn.attention import CosineWindowAttention
from swin2sr.nn.linear import Linear, linear
from swin2sr.nn.windows import Region, assemble, batches, put, regions, take, window_merge

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
    """Two linear layers with an activation between, on each token by itself."""

    def __init__(self, dim: int, hidden: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return self.dropout(self.fc2(ACTIVATION[self.activation](self.fc1(tokens))))


class PostNormBlock(nn.Module):
    """SwinV2's block on windows: ``x + norm(attention(x))``, then ``x + norm(mlp(x))``."""

    def __init__(self, config: Swin2SRConfig, heads: int, shift: int, drop_path: float) -> None:
        super().__init__()
        dim = config.embed_dim
        self.window = config.layer_window
        self.shift = shift
        self.attention = CosineWindowAttention(
            dim,
            heads,
            self.window,
            shift,
            config.qkv_bias,
            config.attention_probs_dropout_prob,
        )
        self.norm1 = nn.LayerNorm(dim, eps=config.layer_norm_eps)
        self.mlp = MLP(
            dim, int(config.mlp_ratio * dim), config.hidden_act, config.hidden_dropout_prob
        )
        self.norm2 = nn.LayerNorm(dim, eps=config.layer_norm_eps)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        windows: Tensor,
        kinds: Sequence[tuple[int, int]],
        head_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(n, N, dim) windows in, the same out; arguments as ``CosineWindowAttention``."""
        mixed, weights = self.attention(windows, kinds, head_mask, need_weights)
        windows = _add(self.drop_path(self.norm1(mixed)), windows)
        return _add(self.drop_path(self.norm2(self.mlp(windows))), windows), weights


def _add(branch: Tensor, trunk: Tensor) -> Tensor:
    """The sum; written over the branch, which nobody else holds, unless gradients need it."""
    return branch + trunk if torch.is_grad_enabled() else branch.add_(trunk)


def run_block(
    block: PostNormBlock, tokens: Tensor, head_mask: Tensor | None, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Run a block over a feature map.

    Everything in a block happens inside a window or on one token, so without gradients the map is
    worked through strip by strip (whole rows of windows), each written back in place: the same
    numbers as all at once, with memory for one strip. With gradients, or when the attention
    matrices are wanted, there is one strip, the map.

    Args:
        block: the block.
        tokens: (B, H, W, dim), H and W multiples of the window; overwritten without gradients.
        head_mask: (heads,) or None.
        need_weights: return attention matrices.
    Returns:
        (B, H, W, dim), and (B * windows, heads, N, N) in the rolled frame (image-major, then row,
        then column) or None.
    """
    window, shift = block.window, block.shift
    batch, height, width = tokens.shape[:3]
    whole = regions(height, width, window, shift)
    if not torch.is_grad_enabled() and not need_weights:
        for strip in batches(whole, batch, window, STRIP_WINDOWS):
            windows, _ = _run_regions(block, tokens, strip, head_mask, False)
            for region, part in zip(strip, windows, strict=True):
                put(tokens, region, part, window)
        return tokens, None
    windows, weights = _run_regions(block, tokens, whole, head_mask, need_weights)

    def grid(parts: Sequence[Tensor]) -> Tensor:
        sizes = (region.windows(batch, window) for region in whole)
        grids = (part.unflatten(0, size) for part, size in zip(parts, sizes, strict=True))
        return assemble(zip(whole, grids, strict=True))

    merged = window_merge(grid(windows), window)
    merged = torch.roll(merged, (shift, shift), (1, 2)) if shift else merged
    return merged, grid(weights).flatten(0, 2) if weights else None


def _run_regions(
    block: PostNormBlock,
    tokens: Tensor,
    chosen: Sequence[Region],
    head_mask: Tensor | None,
    need_weights: bool,
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """A block over some regions at once; windows and attention matrices of each, or []."""
    parts = [take(tokens, region, block.window) for region in chosen]
    counts = [len(part) for part in parts]
    kinds = [(count, region.kind) for count, region in zip(counts, chosen, strict=True)]
    windows = parts[0] if len(parts) == 1 else torch.cat(parts)
    windows, weights = block(windows, kinds, head_mask, need_weights)
    return windows.split(counts), [] if weights is None else weights.split(counts)


def residual_convolution(dim: int, kind: str) -> nn.Module:
    """The convolution before a residual connection, "1conv" or "3conv" (a bottleneck of dim/4)."""
    if kind == "1conv":
        return nn.Conv2d(dim, dim, 3, padding=1)
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


class ResidualGroup(nn.Module):
    """A residual Swin transformer block (RSTB): layers, a convolution, a projection, a shortcut."""

    def __init__(self, config: Swin2SRConfig, index: int, drop_path: list[float]) -> None:
        super().__init__()
        dim = config.embed_dim
        self.blocks = nn.ModuleList(
            PostNormBlock(
                config, config.num_heads[index], config.layer_shift if depth % 2 else 0, rate
            )
            for depth, rate in enumerate(drop_path)
        )
        self.conv = residual_convolution(dim, config.resi_connection)
        self.proj = nn.Conv2d(dim, dim, 1)

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
            assert isinstance(block, PostNormBlock)
            mask = None if head_mask is None else head_mask[depth]
            features, weights = run_block(block, features, mask, need_weights)
            if weights is not None:
                matrices.append(weights)
        return pointwise(self.proj, on_tokens(self.conv, features)) + tokens, matrices
