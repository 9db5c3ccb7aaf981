"""Crop of a picture that is looked into: at most 256x256 pixels, on the network's window grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from swin2sr.errors import ConfigError

CROP_SIDES = (64, 128, 192, 256)  # pixels, of a crop at most


@dataclass(frozen=True)
class Crop:
    """Crop of a picture, and the pixel in it that is asked about.

    Args:
        image_size: (width, height) of the picture.
        left, top, width, height: of the crop, in pixels.
        pixel: (x, y) in the crop.
    """

    image_size: tuple[int, int]
    left: int
    top: int
    width: int
    height: int
    pixel: tuple[int, int]

    @property
    def is_whole(self) -> bool:
        """True where nothing of the picture is left out."""
        return (self.width, self.height) == self.image_size

    @property
    def image_pixel(self) -> tuple[int, int]:
        """Coordinates (x, y) of the pixel in the whole picture."""
        return self.left + self.pixel[0], self.top + self.pixel[1]

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Cut the crop from the picture's (H, W, 3) pixels."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(pixels[rows, self.left : self.left + self.width])

    def patch_box(self, side: int) -> tuple[int, int, int]:
        """Patch (x, y, side) around the pixel: a square that lies inside the crop."""
        side = min(side, self.width, self.height)
        x, y = (
            min(max(0, at - side // 2), length - side)
            for at, length in zip(self.pixel, (self.width, self.height), strict=True)
        )
        return x, y, side


def crop_around(size: tuple[int, int], x: Any, y: Any, side: Any, window: int) -> Crop:
    """Crop around a pixel of a picture.

    It begins at a multiple of the window, so that its windows are those of the whole picture.

    Args:
        size: (width, height) of the picture.
        x, y: of the pixel; None for the middle. Checked, as anybody can send them.
        side: of the crop at most, one of ``CROP_SIDES``.
        window: side of the network's windows.
    Raises:
        ConfigError: a pixel that is not there, another side.
    """
    most = check_choice(side, CROP_SIDES, "crop")
    starts, lengths, inside = [], [], []
    for name, at, length in (("x", x, size[0]), ("y", y, size[1])):
        middle = length // 2 if at is None else check_integer(at, name, 0, length - 1)
        last = -(-max(0, length - most) // window) * window
        start = min(max(0, round((middle - most / 2) / window) * window), last)
        starts.append(start)
        lengths.append(min(most, length - start))
        inside.append(middle - start)
    return Crop(size, starts[0], starts[1], lengths[0], lengths[1], (inside[0], inside[1]))


def check_integer(value: Any, what: str, least: int, most: int) -> int:
    """Check a whole number that somebody has sent.

    Raises:
        ConfigError: not a whole number from ``least`` to ``most``.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and least <= value <= most and value == int(value)):
        raise ConfigError(
            f"{what} must be a whole number from {least} to {most}, got {repr(value)[:20]}."
        )
    return int(value)


def check_choice(value: Any, choices: tuple[int, ...], what: str) -> int:
    """Check a number that somebody has chosen.

    Raises:
        ConfigError: none of the choices.
    """
    number = check_integer(value, what, min(choices), max(choices))
    if number not in choices:
        raise ConfigError(f"{what} must be one of {', '.join(map(str, choices))}, got {number}.")
    return number
