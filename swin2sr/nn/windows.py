"""Windows of tokens: padding to whole windows, partition, merge, cyclic shift, shift masks.

Source: Swin Transformer (arXiv 2103.14030), section 3.2; mv-lab/swin2sr ``window_partition``,
``window_reverse`` and ``calculate_mask``, whose numbers these functions reproduce.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from swin2sr.errors import ShapeError

MASKED = -100.0  # added to the logit of a forbidden pair; the checkpoints were trained with it


def fold_indices(length: int, target: int, symmetric: bool = False) -> Tensor:
    """Mirror padding of an axis, as indices; defined for every length from 1 up.

    Args:
        length: samples on the axis, at least 1.
        target: samples wanted, at least ``length``.
        symmetric: True repeats the border sample (``c b a | a b c | c b a``, NumPy's "symmetric");
            False does not (``c b | a b c | b a``, torch's and NumPy's "reflect").
    Returns:
        (target,) int64 indices into the axis.
    Raises:
        ShapeError: if ``length`` is below 1 or ``target`` is below ``length``.
    """
    if length < 1 or target < length:
        raise ShapeError(f"Cannot extend an axis of {length} samples to {target}.")
    position = torch.arange(target)
    if symmetric:
        folded = position % (2 * length)
        return torch.minimum(folded, 2 * length - 1 - folded)
    period = max(2 * (length - 1), 1)
    folded = position % period
    return torch.minimum(folded, period - folded) if length > 1 else torch.zeros_like(position)


def pad_to_windows(pixels: Tensor, window: int, official: bool = False) -> Tensor:
    """Extend an image to the right and bottom until whole windows cover it.

    Args:
        pixels: (B, C, H, W), any H, W >= 1.
        window: side in pixels.
        official: False fills up to the next multiple by reflection (nothing when aligned), as the
            network itself does; True is the published scripts' rule: a symmetric mirror to
            ``(side // window + 1) * window``, so an aligned side grows by a whole window.
    Returns:
        (B, C, H', W') with H' and W' multiples of ``window``.
    Raises:
        ShapeError: not four axes, or an empty one.
    Source: mv-lab/swin2sr ``check_image_size`` (reflection) and ``main_test_swin2sr.py``.
    """
    if pixels.ndim != 4 or 0 in pixels.shape:
        raise ShapeError(
            "Expected a non-empty (batch, channels, height, width) tensor, "
            f"got {tuple(pixels.shape)}."
        )
    for axis in (2, 3):
        length = pixels.shape[axis]
        target = (length // window + 1) * window if official else -(-length // window) * window
        if target != length:
            index = fold_indices(length, target, symmetric=official).to(pixels.device)
            pixels = pixels.index_select(axis, index)
    return pixels


def window_partition(tokens: Tensor, window: int) -> Tensor:
    """Cut a feature map into non-overlapping square windows.

    Args:
        tokens: (B, H, W, C) with H and W multiples of ``window``.
        window: side in tokens.
    Returns:
        (B, H/window, W/window, window*window, C); tokens of a window in row-major order.
    Raises:
        ShapeError: if H or W is not a multiple of ``window``.
    Source: Swin Transformer (arXiv 2103.14030), section 3.2.
    """
    batch, height, width, channels = tokens.shape
    if height % window or width % window:
        raise ShapeError(f"A {height}x{width} map does not divide into windows of {window}.")
    grid = tokens.reshape(batch, height // window, window, width // window, window, channels)
    return grid.transpose(2, 3).flatten(3, 4)


def window_merge(windows: Tensor, window: int) -> Tensor:
    """Inverse of ``window_partition``.

    Args:
        windows: (B, rows, columns, window*window, C).
        window: side in tokens.
    Returns:
        (B, rows*window, columns*window, C).
    """
    batch, rows, columns, _, channels = windows.shape
    grid = windows.reshape(batch, rows, columns, window, window, channels).transpose(2, 3)
    return grid.reshape(batch, rows * window, columns * window, channels)


def shift_masks(window: int, shift: int) -> Tensor:
    """Shift masks of a cyclically shifted map: only four kinds of window ever occur.

    After a roll by ``-shift`` the last row and the last column of windows hold tokens from
    opposite borders of the image, which must not attend to each other. Whatever the image's size,
    a window is interior, in the last column, in the last row, or in the corner.

    Args:
        window: side in tokens.
        shift: 0 < shift < window.
    Returns:
        (4, window*window, window*window) float32, kind = 2 * in_last_row + in_last_column;
        0 where a pair may attend, ``MASKED`` where not.
    Source: mv-lab/swin2sr ``calculate_mask``: regions [0, L-w), [L-w, L-shift), [L-shift, L).
    """
    wrapped = (torch.arange(window) >= window - shift).long()
    masks = []
    for last_row in (0, 1):
        for last_column in (0, 1):
            region = 2 * last_row * wrapped[:, None] + last_column * wrapped[None, :]
            region = region.flatten()
            masks.append((region[:, None] != region[None, :]).float() * MASKED)
    return torch.stack(masks)


def window_kinds(height: int, width: int, window: int, shift: int) -> Tensor:
    """Kinds of a map's windows.

    Args:
        height, width: of the map in tokens, multiples of ``window``.
        window, shift: in tokens.
    Returns:
        (rows * columns,) int64, indices into ``shift_masks``, row by row; 0 without shift.
    """
    rows, columns = height // window, width // window
    if not shift:
        return torch.zeros(rows * columns, dtype=torch.int64)
    last_row, last_column = ((torch.arange(n) == n - 1).long() for n in (rows, columns))
    return (2 * last_row[:, None] + last_column).flatten()


@dataclass(frozen=True)
class Region:
    """Region of the rolled map: a rectangle of whole windows, all of one kind.

    Attributes:
        rows, columns: of its tokens in the map itself; two slices where it wraps.
        kind: index into ``shift_masks``.
    """

    rows: tuple[slice, ...]
    columns: tuple[slice, ...]
    kind: int

    def windows(self, batch: int, window: int) -> tuple[int, int, int]:
        """Count its windows: (batch, rows, columns)."""
        sides = [sum(part.stop - part.start for part in axis) for axis in (self.rows, self.columns)]
        return batch, sides[0] // window, sides[1] // window

    def strip(self, start: int, stop: int) -> Region:
        """Return some of its token rows, counted from its first; a wrapped region has one row of
        windows and stays whole."""
        if len(self.rows) > 1:
            return self
        top = self.rows[0].start
        return Region((slice(top + start, top + stop),), self.columns, self.kind)


def regions(height: int, width: int, window: int, shift: int) -> list[Region]:
    """Regions of a map: one without shift, up to four with it.

    Args:
        height, width: of the map in tokens, multiples of ``window``.
        window, shift: in tokens.
    Returns:
        Row by row, then column by column. Together they hold every token once.
    """
    return [
        Region(rows, columns, 2 * low + high)
        for low, rows in _bands(height, window, shift)
        for high, columns in _bands(width, window, shift)
    ]


def _bands(length: int, window: int, shift: int) -> list[tuple[int, tuple[slice, ...]]]:
    """Cut an axis of the rolled map: inner windows (0) and, with a shift, the wrapped one (1)."""
    if not shift:
        return [(0, (slice(0, length),))]
    wrapped = (slice(length - window + shift, length), slice(0, shift))
    inner = (slice(shift, length - window + shift),)
    return [(0, inner), (1, wrapped)] if length > window else [(1, wrapped)]


def strips(
    whole: Iterable[Region], batch: int, window: int, size: int
) -> Iterator[tuple[Region, ...]]:
    """Strips of a map: regions cut into rows of windows and put together to about one size.

    Args:
        whole: regions of a map.
        batch: maps worked on together.
        window: side in tokens.
        size: windows wanted in a strip, at least; a strip holds at most a quarter more, or one
            row of one region where that is already longer.
    Yields:
        Regions to work on together, in order. The small ones at the borders share a strip, so
        that they cost no calls of their own.
    """
    strip: list[Region] = []
    held = 0
    for region in whole:
        _, rows, columns = region.windows(batch, window)
        step = max(1, size // (batch * columns))
        for start in range(0, rows, step):
            count = min(step, rows - start)
            added = count * columns * batch
            if strip and held + added > size + size // 4:
                yield tuple(strip)
                strip, held = [], 0
            strip.append(region.strip(start * window, (start + count) * window))
            held += added
    yield tuple(strip)


def take(tokens: Tensor, region: Region, window: int) -> Tensor:
    """Take the windows of a region, without rolling the map.

    Args:
        tokens: (B, H, W, C).
    Returns:
        (B * rows * columns, window*window, C), image-major, then row, then column.
    """
    part = _join([tokens[:, rows] for rows in region.rows], 1)
    part = _join([part[:, :, columns] for columns in region.columns], 2)
    return window_partition(part, window).flatten(0, 2)


def put(tokens: Tensor, region: Region, windows: Tensor, window: int) -> None:
    """Write windows back where ``take`` took them, in place."""
    grid = windows.unflatten(0, region.windows(tokens.shape[0], window))
    if len(region.rows) == len(region.columns) == 1:
        place = tokens[:, region.rows[0], region.columns[0]]
        place = place.unflatten(2, (-1, window)).unflatten(1, (-1, window)).transpose(2, 3)
        place.copy_(grid.unflatten(3, (window, window)))
        return
    merged = window_merge(grid, window)
    top = 0
    for rows in region.rows:
        left = 0
        for columns in region.columns:
            part = merged[:, top : top + rows.stop - rows.start]
            tokens[:, rows, columns] = part[:, :, left : left + columns.stop - columns.start]
            left += columns.stop - columns.start
        top += rows.stop - rows.start


def assemble(parts: Iterable[tuple[Region, Tensor]]) -> Tensor:
    """Assemble a map's regions, grids (B, rows, columns, ...), in one grid in the rolled frame."""
    bands: dict[int, list[Tensor]] = {}
    for region, grid in parts:
        bands.setdefault(region.kind // 2, []).append(grid)
    return _join([_join(sides, 2) for sides in bands.values()], 1)


def _join(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
