"""Validation: PSNR on images that a network is not trained on."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from swin2sr.images.resize import imresize
from swin2sr.metrics import psnr
from swin2sr.training.data import Pairs


def validate(model: nn.Module, pairs: Pairs) -> float:
    """Mean Y-PSNR (dB) of a network's output, rounded to 8 bits.

    Args:
        model: in evaluation mode.
        pairs: images; borders of ``scale`` pixels are left out, none at scale 1.
    Returns:
        Decibels; nan without pairs.
    """
    first = next(model.parameters(), torch.empty(0))
    scores = []
    with torch.inference_mode():
        for low, high in zip(pairs.lr, pairs.hr, strict=True):
            pixels = torch.from_numpy(low.copy()).to(first.device).permute(2, 0, 1)[None]
            result = model(pixels.float() / 255).reconstruction[0].permute(1, 2, 0)
            image = (result.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
            scores.append(_score(image, high, pairs.scale))
    return float(np.mean(scores)) if scores else math.nan


def baseline(pairs: Pairs) -> float:
    """Mean Y-PSNR (dB) of LR enlarged by bicubic, at scale 1 of LR itself; nan without pairs."""
    scores = [
        _score(low if pairs.scale == 1 else imresize(low, size=high.shape[:2]), high, pairs.scale)
        for low, high in zip(pairs.lr, pairs.hr, strict=True)
    ]
    return float(np.mean(scores)) if scores else math.nan


def _score(image: np.ndarray, original: np.ndarray, scale: int) -> float:
    border = scale if scale > 1 else 0
    if image.shape[2] == 1:
        image, original = image[..., 0], original[..., 0]
    return psnr(image, original, border=border)
