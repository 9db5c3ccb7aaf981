"""Luma, colour and transparency of sRGB pixels, taken apart and put back together.

Source: of luma and colour, JFIF 1.02, which takes the full-range form of ITU-R BT.601.
"""

from __future__ import annotations

import numpy as np

from swin2sr.errors import ShapeError
from swin2sr.images.resize import imresize

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def full_range_luma(pixels: np.ndarray) -> np.ndarray:
    """Luma, Y of YCbCr.

    Args:
        pixels: (H, W, 3) RGB float in 0..1.
    Returns:
        (H, W) in 0..1; equals R where R = G = B, up to round-off.
    """
    return pixels @ LUMA.astype(pixels.dtype)


def replace_luma(pixels: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Join a restored luma with the colours of the picture it came from.

    Args:
        pixels: (H, W, 3) RGB float in 0..1.
        restored: (H*s, W*s), Y of YCbCr in 0..1; for s > 1 the colour planes are enlarged by
            bicubic interpolation.
    Returns:
        (H*s, W*s, 3) float32 RGB, not clipped.
    Raises:
        ShapeError: sides that are not whole multiples.
    """
    height, width = restored.shape
    if height % pixels.shape[0] or width % pixels.shape[1]:
        raise ShapeError(f"Colours of {pixels.shape[:2]} do not fit {restored.shape}.")
    reds, greens, blues = LUMA
    luma = full_range_luma(pixels)
    cb = (pixels[..., 2] - luma) / (2 - 2 * blues) + 0.5  # 0..1, the range resize_alpha keeps
    cr = (pixels[..., 0] - luma) / (2 - 2 * reds) + 0.5
    if restored.shape != luma.shape:
        cb, cr = (resize_alpha(plane, (width, height)) for plane in (cb, cr))
    r = restored + (2 - 2 * reds) * (cr - 0.5)
    b = restored + (2 - 2 * blues) * (cb - 0.5)
    g = (restored - reds * r - blues * b) / greens
    return np.stack([r, g, b], axis=-1).astype(np.float32, copy=False)


def bleed(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give fully transparent pixels the colours of the visible ones around them.

    What lies under transparency is often black; a network would carry it across the edge as a
    dark fringe. Visible pixels are averaged over ever larger blocks, and each hidden pixel takes
    the colour of the smallest block that has one (push-pull): a few passes over the picture.

    Args:
        pixels: (H, W, C) float32.
        alpha: (H, W) opacity in 0..1.
    Returns:
        (H, W, C); pixels with ``alpha`` > 0 are unchanged. All hidden: the input.
    """
    visible = alpha > 0
    if visible.all() or not visible.any():
        return pixels
    weight = visible.astype(np.float32)[..., None]
    levels = [(pixels * weight, weight)]
    while max(levels[-1][1].shape[:2]) > 1:
        colour, weight = levels[-1]
        levels.append((_halve(colour), _halve(weight)))
    filled = np.zeros((1, 1, pixels.shape[2]), np.float32)
    for colour, weight in reversed(levels):
        height, width = weight.shape[:2]
        coarse = filled.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
        filled = np.where(weight > 0, colour / np.maximum(weight, 1), coarse)
    return np.where(visible[..., None], pixels, filled).astype(pixels.dtype, copy=False)


def _halve(planes: np.ndarray) -> np.ndarray:
    """Sum blocks of 2x2; an odd side is filled up with nothing."""
    height, width = planes.shape[:2]
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)))
    rows = even[0::2] + even[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def resize_alpha(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge one plane by bicubic interpolation.

    Args:
        alpha: (H, W) float32 in 0..1.
        size: (width, height) wanted.
    Returns:
        (height, width) float32 in 0..1.
    """
    return np.clip(imresize(alpha, size=(size[1], size[0])), 0, 1).astype(np.float32)
