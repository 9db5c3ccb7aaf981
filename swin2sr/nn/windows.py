"""Windows of tokens: padding to whole windows, partition, merge, cyclic shift, shift masks.

Source: Swin Transformer (arXiv 2103.14030), section 3.2; mv-lab/swin2sr ``window_partition``,
``window_reverse`` and ``calculate_mask``, whose numbers these functions reproduce.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swin2sr.errors import ShapeError

MASKED = -100.0  # added to the logit of a forbidden pair; the checkpoints were trained with it


def fold_indices(length: int, target: int, symmetric: bool = False) -> Tensor:
    """Indices that extend an axis by mirroring, defined for every length from 1 up.

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
            f"Expected a non-empty (batch, channels, height, width) tensor, got {tuple(pixels.shape)}."
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
    """The masks of a cyclically shifted map: only four kinds of window ever occur.

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


def read_strip(tokens: Tensor, start: int, stop: int, shift: int) -> Tensor:
    """Rows ``start:stop`` of the map rolled by ``-shift`` on both axes, without rolling the map.

    Args:
        tokens: (B, H, W, C).
        start, stop: rows in the rolled frame; a strip that wraps must end at H.
        shift: tokens.
    Returns:
        (B, stop - start, W, C); a view when ``shift`` is 0.
    """
    if not shift:
        return tokens[:, start:stop]
    height = tokens.shape[1]
    rows = tokens[:, start + shift : min(stop + shift, height)]
    if stop + shift > height:
        rows = torch.cat([rows, tokens[:, : stop + shift - height]], dim=1)
    return torch.roll(rows, -shift, dims=2)


def write_strip(tokens: Tensor, strip: Tensor, start: int, shift: int) -> None:
    """Put a strip back where ``read_strip`` took it, in place.

    Strips are disjoint in the rolled frame, so writing one never touches what another reads.
    """
    stop = start + strip.shape[1]
    if not shift:
        tokens[:, start:stop] = strip
        return
    height, width = tokens.shape[1:3]
    kept = min(stop + shift, height) - (start + shift)
    for rows, part in (
        (slice(start + shift, start + shift + kept), strip[:, :kept]),
        (slice(0, strip.shape[1] - kept), strip[:, kept:]),
    ):
        if part.shape[1]:
            tokens[:, rows, shift:] = part[:, :, : width - shift]
            tokens[:, rows, :shift] = part[:, :, width - shift :]
