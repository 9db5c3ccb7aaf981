"""Which part of a picture is looked into: at most 256x256 pixels, on the network's window grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from swin2sr.errors import ConfigError

SIDES = (64, 128, 192, 256)  # pixels, of a piece at most


@dataclass(frozen=True)
class Piece:
    """Part of a picture, and the pixel in it that is asked about.

    Args:
        whole: (width, height) of the picture.
        left, top, width, height: of the part, in pixels.
        pixel: (x, y) in the part.
    """

    whole: tuple[int, int]
    left: int
    top: int
    width: int
    height: int
    pixel: tuple[int, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the picture is left out."""
        return (self.width, self.height) == self.whole

    @property
    def place(self) -> tuple[int, int]:
        """The pixel's (x, y) in the picture."""
        return self.left + self.pixel[0], self.top + self.pixel[1]

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part of (H, W, 3) pixels."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(pixels[rows, self.left : self.left + self.width])

    def box(self, side: int) -> tuple[int, int, int]:
        """(x, y, side) of a square around the pixel that lies inside the part."""
        side = min(side, self.width, self.height)
        x, y = (
            min(max(0, at - side // 2), length - side)
            for at, length in zip(self.pixel, (self.width, self.height), strict=True)
        )
        return x, y, side


def piece_of(size: tuple[int, int], x: Any, y: Any, side: Any, window: int) -> Piece:
    """The part of a picture around a pixel.

    It begins at a multiple of the window, so that its windows are those of the whole picture.

    Args:
        size: (width, height) of the picture.
        x, y: of the pixel; None for the middle. Checked, as anybody can send them.
        side: of the part at most, one of ``SIDES``.
        window: side of the network's windows.
    Raises:
        ConfigError: a pixel that is not there, another side.
    """
    most = one_of(side, SIDES, "piece")
    starts, lengths, inside = [], [], []
    for name, at, length in (("x", x, size[0]), ("y", y, size[1])):
        middle = length // 2 if at is None else whole_number(at, name, 0, length - 1)
        last = -(-max(0, length - most) // window) * window
        start = min(max(0, round((middle - most / 2) / window) * window), last)
        starts.append(start)
        lengths.append(min(most, length - start))
        inside.append(middle - start)
    return Piece(size, starts[0], starts[1], lengths[0], lengths[1], (inside[0], inside[1]))


def whole_number(value: Any, what: str, least: int, most: int) -> int:
    """A number that somebody has sent.

    Raises:
        ConfigError: not a whole number from ``least`` to ``most``.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and least <= value <= most and value == int(value)):
        raise ConfigError(
            f"{what} must be a whole number from {least} to {most}, got {repr(value)[:20]}."
        )
    return int(value)


def one_of(value: Any, choices: tuple[int, ...], what: str) -> int:
    """A number that somebody has chosen.

    Raises:
        ConfigError: none of the choices.
    """
    number = whole_number(value, what, min(choices), max(choices))
    if number not in choices:
        raise ConfigError(f"{what} must be one of {', '.join(map(str, choices))}, got {number}.")
    return number
