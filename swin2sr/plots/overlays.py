"""Overlays on pictures to click on: each pixel a square of whole screen pixels, marks drawn on it.

Made without matplotlib, whose margins would come between a click and the pixel it means.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from swin2sr.plots.style import QUERY, WINDOW, png

RING = 7  # screen pixels of radius, of the mark around a pixel
LINE = 3  # screen pixels, of frames


def view(
    pixels: np.ndarray,
    factor: int,
    *,
    pixel: tuple[int, int] | None = None,
    windows: tuple[int, int] | None = None,
    box: tuple[int, int, int] | None = None,
) -> bytes:
    """Picture enlarged by a whole number, so that (x, y) on it is (x, y) // factor in it.

    Args:
        pixels: (H, W, 3) float in 0..1.
        factor: screen pixels a pixel.
        pixel: (x, y), marked with a ring.
        windows: (window, shift) of a layer, in pixels: the grid is drawn, and with ``pixel`` its
            window framed.
        box: (x, y, side) of a square to frame.
    Returns:
        A PNG file.
    """
    squares = np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
    image = _eight_bit(squares)
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    if windows is not None:
        window, shift = (length * factor for length in windows)
        for x in range(shift, width, window):
            draw.line((x, 0, x, height), fill=(255, 255, 255, 120))
        for y in range(shift, height, window):
            draw.line((0, y, width, y), fill=(255, 255, 255, 120))
        if pixel is not None:
            left, top = ((at * factor - shift) // window * window + shift for at in pixel)
            draw.rectangle((left, top, left + window, top + window), outline=WINDOW, width=LINE)
    if box is not None:
        left, top, side = (length * factor for length in box)
        draw.rectangle((left, top, left + side, top + side), outline=QUERY, width=LINE)
    if pixel is not None:
        x, y = ((2 * at + 1) * factor // 2 for at in pixel)
        for radius, colour in ((RING + 2, "black"), (RING, QUERY)):
            ring = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(ring, outline=colour, width=LINE)
    return png(image)


def framed(pixels: np.ndarray, frame: tuple[int, int, int, int], most: int = 480) -> bytes:
    """Overview of a whole picture, small, in which a part is framed.

    Args:
        pixels: (H, W, 3) float in 0..1.
        frame: (left, top, width, height) of the part, in pixels.
        most: screen pixels of the longer side; smaller pictures stay as they are.
    Returns:
        A PNG file.
    """
    image = _eight_bit(pixels)
    share = min(1.0, most / max(image.size))
    image = image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))
    left, top, width, height = (round(length * share) for length in frame)
    draw = ImageDraw.Draw(image)
    for grow, colour in ((1, "black"), (0, WINDOW)):
        corners = (left - grow, top - grow, left + width + grow, top + height + grow)
        draw.rectangle(corners, outline=colour, width=LINE)
    return png(image)


def _eight_bit(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8))
