"""Patch embedding and patch merging: pixels to tokens, and to fewer, wider tokens.

Source: Swin Transformer (arXiv 2103.14030), section 3.1; SimMIM (arXiv 2111.09886), section 3.1
(mask token); arithmetic of ``PatchEmbed`` and ``PatchMerging`` in microsoft/Swin-Transformer;
padding and interpolation as transformers' ``SwinModel``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.errors import ConfigError, ShapeError


def grid_of(height: int, width: int, patch: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches that cover an image, partly covered ones counted."""
    return -(-height // patch[0]), -(-width // patch[1])


class PatchEmbedding(nn.Module):
    """Patch embedding: one token a patch, by a linear map of its pixels, a norm and its position.

    Args:
        channels: colours in.
        dim: width of a token.
        patch: (height, width) of a patch in pixels.
        grid: (rows, columns) of the position table, or None for none.
        masked: learn a token that stands for hidden patches.
        dropout: of the tokens, in training.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        patch: tuple[int, int],
        grid: tuple[int, int] | None,
        masked: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.channels, self.patch, self.grid = channels, patch, grid
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)
        self.norm = nn.LayerNorm(dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim)) if masked else None
        self.position = nn.Parameter(torch.zeros(1, grid[0] * grid[1], dim)) if grid else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, pixels: Tensor, masked: Tensor | None = None, interpolate: bool = False
    ) -> Tensor:
        """Embed an image.

        Args:
            pixels: (B, channels, H, W), any H, W >= 1; zeros are added to the right and below until
                whole patches cover it.
            masked: (B, rows * columns), true where the mask token stands for the patch.
            interpolate: fit the position table to another grid, bicubic.
        Returns:
            (B, rows, columns, dim).
        Raises:
            ShapeError: another number of channels or axes, an empty image, a mask of another shape,
                or a grid that is not the position table's.
            ConfigError: a mask, and no mask token.
        """
        if pixels.ndim != 4 or pixels.shape[1] != self.channels or 0 in pixels.shape:
            raise ShapeError(
                f"Expected pixel_values of shape (batch, {self.channels}, height, width), none of "
                f"them 0, got {tuple(pixels.shape)}."
            )
        height, width = pixels.shape[-2:]
        rows, columns = grid_of(height, width, self.patch)
        right, below = columns * self.patch[1] - width, rows * self.patch[0] - height
        pixels = F.pad(pixels, (0, right, 0, below)) if right or below else pixels
        tokens = self.norm(self.proj(pixels.to(self.proj.weight.dtype)).permute(0, 2, 3, 1))
        if masked is not None:
            tokens = self._hidden(tokens, masked)
        if self.position is not None:
            tokens = tokens + self._position(self.position, rows, columns, interpolate)
        return self.dropout(tokens)

    def _hidden(self, tokens: Tensor, masked: Tensor) -> Tensor:
        if self.mask_token is None:
            raise ConfigError(
                "bool_masked_pos needs a mask token, which this model has not.",
                remedy="Build it with use_mask_token=True.",
            )
        batch, rows, columns = tokens.shape[:3]
        if masked.shape != (batch, rows * columns):
            raise ShapeError(
                f"bool_masked_pos must have shape ({batch}, {rows * columns}), one entry a patch, "
                f"got {tuple(masked.shape)}."
            )
        share = masked.to(tokens.dtype).view(batch, rows, columns, 1)
        return tokens * (1.0 - share) + self.mask_token * share

    def _position(self, table: Tensor, rows: int, columns: int, interpolate: bool) -> Tensor:
        assert self.grid is not None
        table = table.unflatten(1, self.grid)
        if (rows, columns) == self.grid:
            return table
        if not interpolate:
            raise ShapeError(
                f"The position table is for {self.grid[0]}x{self.grid[1]} patches; this image has "
                f"{rows}x{columns}.",
                remedy="Pass interpolate_pos_encoding=True, or resize the image.",
            )
        table = F.interpolate(
            table.permute(0, 3, 1, 2), size=(rows, columns), mode="bicubic", align_corners=False
        )
        return table.permute(0, 2, 3, 1)


class PatchMerging(nn.Module):
    """Patch merging: four neighbouring tokens of width ``dim`` become one of twice that.

    The norm is of the four together (``norm_first``, Swin), or of the one they become (SwinV2).
    """

    def __init__(self, dim: int, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim if norm_first else 2 * dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, ceil(H/2), ceil(W/2), 2*dim); an odd side is filled with zeros."""
        height, width = tokens.shape[1:3]
        if height % 2 or width % 2:
            tokens = F.pad(tokens, (0, 0, 0, width % 2, 0, height % 2))
        fours = tokens.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (B, H/2, 2, W/2, 2, dim)
        fours = fours.permute(0, 1, 3, 4, 2, 5).flatten(3)  # in each four column by column
        if self.norm_first:
            return self.reduction(self.norm(fours))
        return self.norm(self.reduction(fours))
