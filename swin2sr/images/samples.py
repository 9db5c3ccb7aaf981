"""Sample pictures to try a network on, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swin2sr.errors import ConfigError
from swin2sr.images.resize import imresize

# Files of scikit-image's wheel (its functions might download): public domain (NASA) and CC0.
PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}


def sample_picture(side: int, channels: int) -> Tensor:
    """Draw a small picture with what photographs have: shades, edges, stripes and grain.

    Args:
        side: pixels.
        channels: any number; each has its own shade.
    Returns:
        (1, channels, side, side) float32 in 0..1, the same on every machine.
    """
    y, x = torch.meshgrid(*2 * (torch.linspace(0, 1, side),), indexing="ij")
    shade = 0.2 + 0.5 * x * y
    disc = ((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.05).float()
    stripes = ((x * 12).long() % 2 == 0) & (y > 0.7)
    grain = torch.randn(side, side, generator=torch.Generator().manual_seed(20)) * 0.02
    picture = shade + 0.4 * disc - 0.2 * stripes.float() + grain
    tints = 1.0 - 0.15 * torch.arange(channels).remainder(4)
    return (picture * tints[:, None, None])[None].clamp(0, 1)


def photograph_file(name: str) -> Path:
    """Path of a photograph that comes with scikit-image.

    Args:
        name: one of ``PHOTOGRAPHS``.
    Raises:
        ConfigError: another name, or a scikit-image that came without its pictures.
    """
    from skimage.data import data_dir

    if name not in PHOTOGRAPHS:
        raise ConfigError(f"There is no photograph {name!r}; there are {', '.join(PHOTOGRAPHS)}.")
    path = Path(data_dir) / PHOTOGRAPHS[name]
    if not path.is_file():
        raise ConfigError(f"scikit-image came without {path.name}.", remedy="Install its wheel.")
    return path


def photograph(
    name: str, box: tuple[int, int, int, int] | None = None, height: int | None = None
) -> np.ndarray:
    """Read a photograph that comes with scikit-image.

    Args:
        name: one of ``PHOTOGRAPHS``.
        box: (left, top, right, bottom) of what to keep, in the photograph's pixels; None for all.
        height: shrink what is kept to so many rows, bicubic as ``resize.imresize``; None for as
            it is.
    Returns:
        (H, W, 3) uint8.
    Raises:
        ConfigError: as ``photograph_file``; a box outside the photograph, a height below 1.
    """
    with Image.open(photograph_file(name)) as image:
        pixels = np.array(image.convert("RGB"))  # a copy, so that it may be written to
    if box is not None:
        left, top, right, bottom = box
        if not (0 <= left < right <= pixels.shape[1] and 0 <= top < bottom <= pixels.shape[0]):
            raise ConfigError(
                f"The box {tuple(box)} is not inside the {pixels.shape[1]}x{pixels.shape[0]} "
                f"pixels of {name!r}."
            )
        pixels = np.ascontiguousarray(pixels[top:bottom, left:right])
    if height is not None:
        width = max(1, round(height * pixels.shape[1] / pixels.shape[0]))
        pixels = imresize(pixels, size=(height, width))
    return pixels
