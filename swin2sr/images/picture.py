"""Decoded picture, and the limits it was decoded under."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swin2sr.errors import ImageError


@dataclass(frozen=True)
class Limits:
    """Limits on a picture's bytes, pixels and side; the defaults are those of the public page."""

    bytes: int = 10_000_000
    pixels: int = 4_000_000
    side: int = 8192

    def check_bytes(self, count: int) -> None:
        """Raises ImageError too_many_bytes."""
        if count > self.bytes:
            raise ImageError(
                f"The file has {count / 1e6:.1f} MB; the limit is {self.bytes / 1e6:.0f} MB.",
                code="too_many_bytes",
                remedy="Save it smaller or crop it.",
            )

    def check_size(self, width: int, height: int) -> None:
        """Raises ImageError too_many_pixels or side_too_long."""
        if width * height > self.pixels:
            raise ImageError(
                f"The picture has {width} x {height} pixels ({width * height / 1e6:.1f} million); "
                f"the limit is {self.pixels / 1e6:.0f} million.",
                code="too_many_pixels",
                remedy="Make it smaller or crop it.",
            )
        if max(width, height) > self.side:
            raise ImageError(
                f"The picture has {width} x {height} pixels; no side may exceed {self.side}.",
                code="side_too_long",
                remedy="Crop it.",
            )


DEFAULT_LIMITS = Limits(bytes=200_000_000, pixels=100_000_000, side=32768)


@dataclass(frozen=True, eq=False)
class Picture:
    """Picture ready for a network.

    Args:
        pixels: (H, W, 3) float32, sRGB in 0..1.
        alpha: (H, W) float32 opacity in 0..1, or None when all is opaque.
        grey: whether the source had no colour (then R = G = B).
        bits: 8 or 16, depth of the source's channels.
        metadata: EXIF of the camera without position, thumbnail and orientation, or None.
        format: "PNG", "JPEG", ...; "" for arrays.
        jpeg_quality: libjpeg's 1..100 of the file, or None for other sources.
        notes: what was changed or left out, one sentence each, for people.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    bits: int = 8
    metadata: bytes | None = None
    format: str = ""
    jpeg_quality: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]
