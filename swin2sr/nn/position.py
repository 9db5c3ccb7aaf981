"""Relative position bias of the tokens of a window: SwinV2's continuous one and Swin's table.

Source: Swin Transformer (arXiv 2103.14030), section 3.2, eq. 4 (table); Swin Transformer V2 (arXiv
2111.09883), section 3.4, eq. 3 and 4 (continuous bias in log-spaced coordinates), arithmetic of
mv-lab/swin2sr and microsoft/Swin-Transformer ``WindowAttention``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def relative_coordinates(window: int, pretrained_window: int = 0) -> Tensor:
    """Coordinates, log-spaced, of every offset between two tokens of a window.

    Args:
        window: side in tokens.
        pretrained_window: side that the bias was trained with, when it is used with another one;
            0 means ``window``.
    Returns:
        ((2*window-1)**2, 2) float32, (row, column) offsets scaled so that the farthest offset of
        the window trained with is 8, then ``sign(x) * log2(|x| + 1) / log2(8)``; row-major over
        offsets from -(window-1).
    Source: Swin V2, eq. 4, with the normalisation of microsoft/Swin-Transformer.
    """
    offset = torch.arange(-(window - 1), window, dtype=torch.float32)
    farthest = (pretrained_window or window) - 1
    if farthest > 0:
        offset = offset / farthest
    offset = offset * 8
    offset = offset.sign() * torch.log2(offset.abs() + 1.0) / math.log2(8)
    return torch.cartesian_prod(offset, offset)


def relative_index(window: int) -> Tensor:
    """Index, for each (query, key) pair, of its row in ``relative_coordinates``.

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


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Look up the numbers of every (query, key) pair's offset.

    Args:
        table: (offsets, heads).
        index: (N, N), of ``relative_index``.
    Returns:
        (heads, N, N), contiguous.
    """
    return table.t().index_select(1, index.flatten()).unflatten(1, index.shape)


class TableBias(nn.Module):
    """Table of biases: one learned number per offset and head (Swin)."""

    def __init__(self, heads: int, window: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.index: Tensor
        self.register_buffer("index", relative_index(window), persistent=False)

    def forward(self) -> Tensor:
        """Return the (heads, N, N) bias in the table's dtype."""
        return look_up(self.table, self.index)


class ContinuousBias(nn.Module):
    """Continuous bias: a small MLP from log-spaced offsets to a bias per head (Swin V2, eq. 3)."""

    def __init__(
        self, heads: int, window: int, pretrained_window: int = 0, hidden: int = 512
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, heads, bias=False)
        self.coordinates: Tensor
        self.index: Tensor
        coordinates = relative_coordinates(window, pretrained_window)
        self.register_buffer("coordinates", coordinates, persistent=False)
        self.register_buffer("index", relative_index(window), persistent=False)

    def forward(self) -> Tensor:
        """Return the (heads, N, N) bias in (0, 16), in the weights' dtype."""
        table = self.fc2(F.relu(self.fc1(self.coordinates)))
        # A sigmoid of the small table rounds its last few numbers, which fill no vector of the
        # processor, otherwise than upstream, which looks up first.
        return 16 * torch.sigmoid(look_up(table, self.index))
