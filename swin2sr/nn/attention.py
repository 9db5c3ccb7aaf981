"""Attention inside windows: SwinV2's scaled cosine attention with log-spaced continuous bias.

Source: Swin Transformer V2 (arXiv 2111.09883), section 3.3 (eq. 2, cosine attention) and section
3.4 (eq. 3 and 4, continuous position bias in log-spaced coordinates); arithmetic of mv-lab/swin2sr
``WindowAttention``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.nn.linear import Linear, linear
from swin2sr.nn.windows import shift_masks

MAX_LOGIT_SCALE = math.log(100.0)  # the temperature never falls below 0.01 (Swin V2, section 3.3)


def relative_coordinates(window: int) -> Tensor:
    """Log-spaced coordinates of every offset between two tokens of a window.

    Args:
        window: side in tokens.
    Returns:
        ((2*window-1)**2, 2) float32, (row, column) offsets scaled to [-8, 8], then
        ``sign(x) * log2(|x| + 1) / log2(8)``; row-major over offsets from -(window-1).
    Source: Swin V2, eq. 4, with the normalisation of mv-lab/swin2sr.
    """
    offset = torch.arange(-(window - 1), window, dtype=torch.float32)
    if window > 1:
        offset = offset / (window - 1)
    offset = offset * 8
    offset = offset.sign() * torch.log2(offset.abs() + 1.0) / math.log2(8)
    return torch.cartesian_prod(offset, offset)


def relative_index(window: int) -> Tensor:
    """Which row of ``relative_coordinates`` belongs to each (query, key) pair.

    Args:
        window: side in tokens.
    Returns:
        (window*window, window*window) int64.
    """
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    row_offset = rows[:, None] - rows[None, :] + window - 1
    column_offset = columns[:, None] - columns[None, :] + window - 1
    return row_offset * (2 * window - 1) + column_offset


class Attend(nn.Module):
    """softmax(q k^T + bias) v: the one place where tokens exchange information.

    It has no parameters, so that a hook on it sees every query, key, value and bias. The fused
    kernel runs unless the weights themselves are wanted.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Mix values.

        Args:
            query, key, value: (windows, heads, N, d); the query already carries its temperature.
            bias: (heads, N, N) added to the logits, mask included.
            need_weights: return the attention matrix too.
        Returns:
            mixed values (windows, heads, N, d) and weights (windows, heads, N, N) or None.
        """
        dropout = self.dropout if self.training else 0.0
        if not need_weights:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=bias[None], dropout_p=dropout, scale=1.0
            )
            return mixed, None
        weights = torch.softmax(query @ key.transpose(-2, -1) + bias, dim=-1)
        weights = F.dropout(weights, dropout)
        return weights @ value, weights


def scale_to_unit(vectors: Tensor, scale: Tensor, spread: Tensor) -> Tensor:
    """Bring every head's vector to a given length.

    Args:
        vectors: (n, N, heads * d); overwritten when no gradients are recorded.
        scale: (heads,) lengths wanted.
        spread: (heads, heads * d) of 0 and 1, which head a feature belongs to.
    Returns:
        (n, N, heads * d).
    """
    if vectors.dtype == torch.bfloat16:
        # Sums and products over d features are slow in this format, matrix products fast.
        squares = vectors.square() @ spread.mT
        factors = (squares.clamp_min(1e-24).rsqrt() * scale) @ spread
        return vectors * factors if torch.is_grad_enabled() else vectors.mul_(factors)
    heads = vectors.unflatten(-1, (len(scale), -1))
    length = torch.linalg.vector_norm(heads, dim=-1, keepdim=True).clamp_min(1e-12)
    factors = scale[:, None] / length
    return (heads * factors if torch.is_grad_enabled() else heads.mul_(factors)).flatten(-2)


class PositionBias(nn.Module):
    """The small MLP that turns log-spaced offsets into a bias per head (Swin V2, eq. 3)."""

    def __init__(self, heads: int, window: int, hidden: int = 512) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, heads, bias=False)
        self.coordinates: Tensor
        self.index: Tensor
        self.register_buffer("coordinates", relative_coordinates(window), persistent=False)
        self.register_buffer("index", relative_index(window), persistent=False)

    def forward(self) -> Tensor:
        """(heads, N, N) bias in (0, 16), in the weights' dtype."""
        table = self.fc2(F.relu(self.fc1(self.coordinates.to(self.fc1.weight.dtype))))
        return 16 * torch.sigmoid(table[self.index].permute(2, 0, 1))


class Constants(NamedTuple):
    """What an attention layer adds and multiplies, whatever its input.

    Attributes:
        bias: (kinds, heads, N, N), position bias and shift masks; one kind without shift, else 4.
        qkv_bias: (3*dim,) or None.
        scale: (2*heads,), what unit queries (the temperature) and unit keys (1) are scaled by.
        spread: (2*heads, 2*dim) of 0 and 1, which head each feature of query and key belongs to.
    """

    bias: Tensor
    qkv_bias: Tensor | None
    scale: Tensor
    spread: Tensor


class CosineWindowAttention(nn.Module):
    """Scaled cosine attention inside each window, with a continuous relative position bias.

    Args:
        dim: width of a token.
        heads: attention heads; divides ``dim``.
        window: side of the window in tokens.
        shift: cyclic shift of the map this layer sees, 0 for none.
        qkv_bias: learn biases for query and value.
        dropout: of the weights and of the output projection, in training.
    """

    def __init__(
        self, dim: int, heads: int, window: int, shift: int, qkv_bias: bool, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.qkv = Linear(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim)) if qkv_bias else None
        self.v_bias = nn.Parameter(torch.zeros(dim)) if qkv_bias else None
        self.position = PositionBias(heads, window)
        self.proj = Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.attend = Attend(dropout)
        self.masks: Tensor
        masks = shift_masks(window, shift) if shift else torch.zeros(1, window**2, window**2)
        self.register_buffer("masks", masks, persistent=False)
        self._kept: tuple[tuple[object, ...], Constants] | None = None

    def constants(self) -> Constants:
        """What does not depend on the input; computed once per version of the parameters.

        When gradients are wanted they are computed anew, with a graph.
        """
        hidden, last = self.position.fc1, self.position.fc2
        parameters: list[Tensor] = [self.logit_scale, hidden.weight, hidden.bias, last.weight]
        if self.q_bias is not None and self.v_bias is not None:
            parameters += [self.q_bias, self.v_bias]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return self._constants()
        if self.training or any(p.is_inference() for p in parameters):
            return self._constants()
        version = tuple((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters)
        kept = self._kept
        if kept is None or kept[0] != version:
            # Ordinary tensors even when the caller is in inference mode: they outlive the call.
            with torch.inference_mode(False), torch.no_grad():
                kept = (version, self._constants())
            self._kept = kept
        return kept[1]

    def _constants(self) -> Constants:
        bias = self.position()
        bias = bias[None] + self.masks.to(bias.dtype)[:, None]
        qkv_bias = None
        if self.q_bias is not None and self.v_bias is not None:
            qkv_bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        temperature = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp().flatten()
        scale = torch.cat([temperature, torch.ones_like(temperature)])
        one_each = torch.eye(len(scale), dtype=scale.dtype, device=scale.device)
        spread = one_each.repeat_interleave(self.qkv.in_features // self.heads, dim=1)
        return Constants(bias, qkv_bias, scale, spread)

    def train(self, mode: bool = True) -> CosineWindowAttention:
        """Also forgets the kept constants, which writes through ``.data`` would not invalidate."""
        self._kept = None
        return super().train(mode)

    def forward(
        self,
        windows: Tensor,
        kinds: Sequence[tuple[int, int]],
        head_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend inside each window.

        Args:
            windows: (n, N, dim), those of one kind together.
            kinds: (how many, kind) in the windows' order; kinds as in ``shift_masks``.
            head_mask: (heads,) factors on the heads, or None.
            need_weights: return the attention matrices too.
        Returns:
            (n, N, dim) and weights (n, heads, N, N) or None.
        """
        constants = self.constants()
        qkv = linear(windows, self.qkv.weight, constants.qkv_bias)
        width = 2 * windows.shape[-1]
        query_key = scale_to_unit(qkv[..., :width], constants.scale, constants.spread)
        query_key = query_key.unflatten(-1, (2, self.heads, -1))
        query, key = query_key.transpose(1, 3).unbind(2)  # (n, heads, N, d)
        value = qkv[..., width:].unflatten(-1, (self.heads, -1)).transpose(1, 2)

        mixed_parts, weight_parts, start = [], [], 0
        for count, kind in kinds:
            part = slice(start, start + count)
            start += count
            mixed, weights = self.attend(
                query[part], key[part], value[part], constants.bias[kind], need_weights
            )
            mixed_parts.append(mixed.transpose(1, 2))
            if weights is not None:
                weight_parts.append(weights)
        mixed = mixed_parts[0] if len(mixed_parts) == 1 else torch.cat(mixed_parts)
        weights = torch.cat(weight_parts) if weight_parts else None
        if head_mask is not None:
            mixed = mixed * head_mask.to(mixed.dtype).view(-1, 1)
            weights = None if weights is None else weights * head_mask.view(-1, 1, 1)
        return self.dropout(self.proj(mixed.flatten(2))), weights
