"""Brightness and colour of sRGB pixels, as JPEG files separate them.

Source: JFIF 1.02, which takes the full-range form of ITU-R BT.601.
"""

from __future__ import annotations

import numpy as np

from swin2sr.errors import ShapeError
from swin2sr.images.alpha import resize_alpha

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Y of YCbCr.

    Args:
        pixels: (H, W, 3) RGB float in 0..1.
    Returns:
        (H, W) in 0..1; equals R where R = G = B, up to round-off.
    """
    return pixels @ LUMA.astype(pixels.dtype)


def with_colour_of(pixels: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """A restored brightness with the colours of the picture it came from.

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
    luma = brightness(pixels)
    cb = (pixels[..., 2] - luma) / (2 - 2 * blues) + 0.5  # 0..1, the range resize_alpha keeps
    cr = (pixels[..., 0] - luma) / (2 - 2 * reds) + 0.5
    if restored.shape != luma.shape:
        cb, cr = (resize_alpha(plane, (width, height)) for plane in (cb, cr))
    r = restored + (2 - 2 * reds) * (cr - 0.5)
    b = restored + (2 - 2 * blues) * (cb - 0.5)
    g = (restored - reds * r - blues * b) / greens
    return np.stack([r, g, b], axis=-1).astype(np.float32, copy=False)
