"""A picture to try a network on, the same on every machine."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_picture(side: int, channels: int) -> Tensor:
    """A small picture with what photographs have: shades, edges, stripes and grain.

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
