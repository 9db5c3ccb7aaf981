"""Degradations: small and damaged images, for test inputs and training pairs.

Each degradation is a small frozen value that can be called, printed and compared; a chain applies
several in order, e.g. the compressed super-resolution of the Swin2SR paper:
``Chain((Bicubic(4), Jpeg(10)))``.

Source: Swin2SR (arXiv 2209.11345), section 4; JPEG as Pillow writes it, which equals OpenCV's
``imencode`` byte for byte at the qualities the field uses (4:2:0 for colour).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.images.resize import imresize

Degradation = Callable[[np.ndarray], np.ndarray]
SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


@dataclass(frozen=True)
class Bicubic:
    """Bicubic shrinking by a whole factor, with MATLAB's bicubic kernel.

    Args:
        scale: factor, at least 1. Rows and columns beyond a multiple of it are cropped first,
            from the bottom and right.
    """

    scale: int

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ConfigError(f"A scale is at least 1, not {self.scale}.")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8 -> (H // scale, W // scale, ...) uint8."""
        check_image(image)
        height, width = (side - side % self.scale for side in image.shape[:2])
        if min(height, width) < 1:
            raise ShapeError(f"{image.shape[:2]} pixels cannot be shrunk by {self.scale}.")
        return imresize(image[:height, :width], 1 / self.scale)


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression, decoded again.

    Args:
        quality: libjpeg's 1..100; the papers use 10, 20, 30 and 40.
        subsampling: of the colour planes: "4:2:0" (the encoders' default), "4:2:2" or "4:4:4".
    """

    quality: int
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"A JPEG quality is 1 to 100, not {self.quality}.")
        if self.subsampling not in SUBSAMPLINGS:
            raise ConfigError(
                f"subsampling must be one of {', '.join(SUBSAMPLINGS)}, not {self.subsampling!r}."
            )

    def encode(self, image: np.ndarray) -> bytes:
        """The JPEG file of an (H, W, 3) or (H, W) uint8 image."""
        check_image(image)
        file = io.BytesIO()
        subsampling = SUBSAMPLINGS[self.subsampling]
        Image.fromarray(image).save(file, "JPEG", quality=self.quality, subsampling=subsampling)
        return file.getvalue()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8 -> the same shape and type."""
        with Image.open(io.BytesIO(self.encode(image))) as decoded:
            return np.array(decoded)


@dataclass(frozen=True)
class Chain:
    """Chain of degradations, applied in the order given."""

    steps: tuple[Degradation, ...]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8 -> the damaged image, uint8."""
        check_image(image)
        for step in self.steps:
            image = step(image)
        return image


def check_image(image: np.ndarray) -> None:
    """Refuse what is no (H, W, 3) or (H, W) uint8 array.

    Raises:
        KindError: not uint8. ShapeError: another shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise KindError(f"Degradations take uint8 arrays, not {kind}.")
    if 0 in image.shape or (image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3)):
        raise ShapeError(f"Degradations take (H, W, 3) or (H, W) images, not {image.shape}.")
