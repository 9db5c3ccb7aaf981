"""Enlarging without a network: what every model has to beat."""

from __future__ import annotations

import numpy as np
from PIL import Image

from swin2sr.errors import ConfigError
from swin2sr.images.resize import imresize

BICUBIC = "bicubic"  # MATLAB's, as the papers' tables have it
LANCZOS = "lanczos"  # Pillow's, 3 lobes
INPUT = "input"  # unchanged: what a restoration model has to beat
BASELINES = (BICUBIC, LANCZOS, INPUT)


def enlarge(name: str, image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge by a baseline.

    Args:
        name: one of ``BASELINES``; ``INPUT`` gives the image itself, whatever the scale.
        image: (H, W, 3) or (H, W) uint8.
        scale: whole factor of the sides.
    Returns:
        uint8, (H * scale, W * scale, ...).
    Raises:
        ConfigError: another name.
    """
    if name not in BASELINES:
        raise ConfigError(f"{name!r} is no baseline; choose {', '.join(BASELINES)}.")
    if name == INPUT:
        return image
    if name == BICUBIC:
        return imresize(image, scale)
    size = (image.shape[1] * scale, image.shape[0] * scale)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
