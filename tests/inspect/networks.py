"""Small networks and pictures for the tests of inspection."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from swin2sr import Swin2SRConfig, SwinIRConfig
from swin2sr.models import RestorationModel, restoration_model

NETWORKS = {"swin2sr": Swin2SRConfig, "swinir": SwinIRConfig}


def make(network: str = "swin2sr", **settings: Any) -> RestorationModel:
    """A small network with random weights that attend sharply, in evaluation mode."""
    torch.manual_seed(0)
    values: dict[str, Any] = {
        "embed_dim": 12,
        "depths": (2, 2),
        "num_heads": (2, 2),
        "upsampler": "pixelshuffledirect",
        **settings,
    }
    model = restoration_model(NETWORKS[network](**values)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return model


def picture(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 noise, the same for the same size."""
    random = np.random.default_rng(height * 100 + width)
    return random.integers(0, 256, (height, width, 3), np.uint8)
