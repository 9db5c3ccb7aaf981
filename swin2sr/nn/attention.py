"""Window attention: Swin's dot products with a table of biases, SwinV2's scaled cosines.

Source: Swin Transformer (arXiv 2103.14030), section 3.2, eq. 4; Swin Transformer V2 (arXiv
2111.09883), section 3.3, eq. 2 (cosine attention); arithmetic of ``WindowAttention`` in
JingyunLiang/SwinIR and mv-lab/swin2sr.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.nn.linear import apply_linear
from swin2sr.nn.position import ContinuousBias, TableBias
from swin2sr.nn.windows import shift_masks

MAX_LOGIT_SCALE = math.log(100.0)  # the temperature never falls below 0.01 (Swin V2, section 3.3)


class Attend(nn.Module):
    """Attention proper, softmax(scale * q k^T + bias) v: the one place where tokens mix.

    It has no parameters, so that a hook on it sees every query, key, value and bias. The fused
    kernel runs unless the weights themselves are wanted.
    """

    def __init__(self, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = dropout

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        need_weights: bool,
        head_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Mix values.

        Args:
            query, key, value: (windows, heads, N, d); products of query and key are multiplied
                by ``scale``.
            bias: (heads, N, N), or with ``need_weights`` also (windows, heads, N, N), added to the
                logits, mask included.
            need_weights: return the attention matrix too.
            head_mask: (heads,) factors on the heads, or None.
        Returns:
            mixed values (windows, heads, N, d) and weights (windows, heads, N, N) or None, those
            that the values were mixed by, so that gradients reach them.
        """
        dropout = self.dropout if self.training else 0.0
        factors = None if head_mask is None else head_mask.to(query.dtype).view(-1, 1, 1)
        if not need_weights:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=bias[None], dropout_p=dropout, scale=self.scale
            )
            return mixed if factors is None else mixed * factors, None
        weights = torch.softmax(query * self.scale @ key.transpose(-2, -1) + bias, dim=-1)
        weights = F.dropout(weights, dropout)
        weights = weights if factors is None else weights * factors
        return weights @ value, weights


def scale_to_unit(vectors: Tensor, scale: Tensor, spread: Tensor) -> Tensor:
    """Bring every head's vector to a given length.

    Args:
        vectors: (n, N, heads * d); overwritten when no gradients are recorded.
        scale: (heads,) lengths wanted.
        spread: (heads, heads * d) of 0 and 1, the head that a feature belongs to.
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


class Constants(NamedTuple):
    """Constants of an attention layer: what follows from its parameters, whatever the input.

    They are computed once in a forward pass, shared by its strips, and not held between passes: a
    write through ``.data`` or NumPy leaves no trace on a parameter that a cache could notice.

    Attributes:
        bias: (kinds, heads, N, N), position bias and shift masks; one kind without shift, else 4.
        qkv_bias: (3*dim,) to be added besides what the layer ``qkv`` adds, or None.
        lengths: cosine attention only: (2*heads,), what unit queries (the temperature) and unit
            keys (1) are scaled by.
    """

    bias: Tensor
    qkv_bias: Tensor | None
    lengths: Tensor | None = None


class WindowAttention(nn.Module):
    """Window attention of either generation: one matrix for query, key and value, shift masks.

    Args:
        dim: width of a token.
        heads: attention heads; divides ``dim``.
        window: side of the window in tokens.
        shift: cyclic shift of the map this layer sees, 0 for none.
        qkv: the matrix, with a bias or without.
        position: makes the (heads, N, N) bias.
        scale: what products of query and key are multiplied by.
        dropout: of the weights and of the output projection, in training.

    ``shrinks`` says whether a map that is not larger than the window is attended to unshifted, in
    windows of its own shorter side (Swin), or as any other (the rest, where ``window`` is fixed).
    """

    shrinks = False

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        shift: int,
        qkv: nn.Linear,
        position: TableBias | ContinuousBias,
        scale: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = qkv
        self.position = position
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.attend = Attend(scale, dropout)
        self.masks: Tensor
        masks = shift_masks(window, shift) if shift else torch.zeros(1, window**2, window**2)
        self.register_buffer("masks", masks, persistent=False)

    @abstractmethod
    def constants(self) -> Constants:
        """Compute the constants from the parameters as they are now."""

    @abstractmethod
    def split(self, qkv: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor]:
        """Split (n, N, 3*dim) into query, key, value as ``Attend`` takes them; may overwrite
        ``qkv`` when no gradients are recorded."""

    def fit(self, height: int, width: int) -> tuple[int, int]:
        """Return window and shift for a map of (height, width) tokens; see ``shrinks``."""
        if self.shrinks and min(height, width) <= self.window:
            return min(height, width), 0
        return self.window, self.shift

    def project(self, windows: Tensor, constants: Constants) -> Tensor:
        """Return query, key and value of (n, N, dim) tokens side by side, (n, N, 3*dim)."""
        return apply_linear(self.qkv, windows, constants.qkv_bias)

    def bias_of(self, constants: Constants, kind: int | Tensor, tokens: int) -> Tensor:
        """Return the (heads, tokens, tokens) bias of windows of one kind, in a shrunk one as
        between tokens as far apart in a whole one; for (n,) kinds (n, heads, tokens, tokens)."""
        bias = constants.bias[kind]
        if tokens == bias.shape[-1]:
            return bias
        side, whole = math.isqrt(tokens), (self.window, self.window)
        bias = bias.unflatten(-1, whole)[..., :side, :side].flatten(-2)
        return bias.unflatten(-2, whole)[..., :side, :side, :].flatten(-3, -2)

    def masked_bias(self) -> Tensor:
        """Return (kinds, heads, N, N): the position bias with each kind's mask added."""
        bias = self.position()
        return bias[None] + self.masks.to(bias.dtype)[:, None]

    def forward(
        self,
        windows: Tensor,
        constants: Constants,
        kinds: Sequence[tuple[int, int]],
        head_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend inside each window.

        Args:
            windows: (n, N, dim), those of one kind together.
            constants: of this pass.
            kinds: (how many, kind) in the windows' order; kinds as in ``shift_masks``.
            head_mask: (heads,) factors on the heads, or None.
            need_weights: return the attention matrices too.
        Returns:
            (n, N, dim) and weights (n, heads, N, N) or None; gradients of the output reach them.
        """
        query, key, value = self.split(self.project(windows, constants), constants)
        tokens, weights = windows.shape[1], None
        if need_weights:
            # All at once: matrices that were put together afterwards would lie beside the path.
            kind: int | Tensor = kinds[0][1]
            if len(kinds) > 1:
                counts, each = (torch.tensor(column) for column in zip(*kinds, strict=True))
                kind = each.repeat_interleave(counts).to(windows.device)
            bias = self.bias_of(constants, kind, tokens)
            mixed, weights = self.attend(query, key, value, bias, True, head_mask)
            mixed = mixed.transpose(1, 2)
        else:
            parts, start = [], 0
            for count, kind in kinds:
                part = slice(start, start + count)
                start += count
                bias = self.bias_of(constants, kind, tokens)
                mixed, _ = self.attend(query[part], key[part], value[part], bias, False, head_mask)
                parts.append(mixed.transpose(1, 2))
            mixed = parts[0] if len(parts) == 1 else torch.cat(parts)
        return self.dropout(apply_linear(self.proj, mixed.flatten(2))), weights


class DotProductWindowAttention(WindowAttention):
    """Dot-product attention inside each window, with a table of relative position biases (Swin).

    Args:
        dim, heads, window, shift, dropout, shrinks: see ``WindowAttention``.
        qkv_bias: learn biases for query, key and value.
    """

    position: TableBias

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        shift: int,
        qkv_bias: bool,
        dropout: float,
        shrinks: bool = False,
    ) -> None:
        qkv, position = nn.Linear(dim, 3 * dim, bias=qkv_bias), TableBias(heads, window)
        super().__init__(dim, heads, window, shift, qkv, position, (dim // heads) ** -0.5, dropout)
        self.shrinks = shrinks

    def constants(self) -> Constants:
        """See ``WindowAttention``."""
        return Constants(self.masked_bias(), None)

    def split(self, qkv: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor]:
        """See ``WindowAttention``."""
        query, key, value = qkv.unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        return query, key, value


class CosineWindowAttention(WindowAttention):
    """Scaled cosine attention in each window, with a continuous relative position bias (SwinV2).

    Args:
        dim, heads, window, shift, dropout: see ``WindowAttention``.
        qkv_bias: learn biases for query and value; the key never has one.
        pretrained_window: see ``relative_coordinates``.
    """

    position: ContinuousBias

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        shift: int,
        qkv_bias: bool,
        dropout: float,
        pretrained_window: int = 0,
    ) -> None:
        qkv = nn.Linear(dim, 3 * dim, bias=False)
        position = ContinuousBias(heads, window, pretrained_window)
        super().__init__(dim, heads, window, shift, qkv, position, 1.0, dropout)
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.spread: Tensor  # (2*heads, 2*dim) of 0 and 1: the head of each feature of query, key
        spread = torch.eye(2 * heads).repeat_interleave(dim // heads, dim=1)
        self.register_buffer("spread", spread, persistent=False)
        self.q_bias = nn.Parameter(torch.zeros(dim)) if qkv_bias else None
        self.v_bias = nn.Parameter(torch.zeros(dim)) if qkv_bias else None

    def constants(self) -> Constants:
        """See ``WindowAttention``."""
        qkv_bias = None
        if self.q_bias is not None and self.v_bias is not None:
            qkv_bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        temperature = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp().flatten()
        lengths = torch.cat([temperature, torch.ones_like(temperature)])
        return Constants(self.masked_bias(), qkv_bias, lengths)

    def split(self, qkv: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor]:
        """See ``WindowAttention``."""
        assert constants.lengths is not None
        width = qkv.shape[-1] // 3 * 2
        query_key = scale_to_unit(qkv[..., :width], constants.lengths, self.spread)
        query_key = query_key.unflatten(-1, (2, self.heads, -1))
        query, key = query_key.transpose(1, 3).unbind(2)  # (n, heads, N, d)
        value = qkv[..., width:].unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return query, key, value
