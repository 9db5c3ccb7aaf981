"""Losses of training, and the objective that a recipe makes of them.

Source: Swin2SR (arXiv 2209.11345), section on compressed super-resolution, for the auxiliary and
the high-frequency loss; SwinIR (arXiv 2108.10257), eq. 5 and 6, for L1 and Charbonnier. The weights
of the additional losses and the width of the Gaussian were not found in print: see ``Recipe`` and
``SIGMA``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.training.recipes import Recipe

EPSILON = 1e-3  # where Charbonnier turns from a parabola into a line; SwinIR's
TAPS = 5  # side of the Gaussian
SIGMA = 0.3 * ((TAPS - 1) / 2 - 1) + 0.8  # of the Gaussian, in pixels: OpenCV's for so many taps


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape."""
    return F.l1_loss(output, target)


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """Mean of ``sqrt(difference**2 + EPSILON**2)`` of two tensors of one shape."""
    return torch.sqrt((output - target).square() + EPSILON**2).mean()


def gaussian() -> Tensor:
    """Gaussian kernel: (TAPS, TAPS) float32 that sum to 1, of standard deviation ``SIGMA``."""
    distance = torch.arange(TAPS, dtype=torch.float32) - TAPS // 2
    line = torch.exp(-distance.square() / (2 * SIGMA**2))
    return torch.outer(line, line) / line.sum() ** 2


def high_frequency(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the high frequencies of two images, which a Gaussian takes away.

    Args:
        output, target: (B, C, H, W) of one shape, H and W at least 3; mirrored at the border.
    """
    # The filter is linear: the difference of two filtered images is the filtered difference.
    difference = (output - target).flatten(0, 1)[:, None]
    reach = TAPS // 2
    padded = F.pad(difference, (reach,) * 4, mode="reflect")
    smooth = F.conv2d(padded, gaussian().to(difference)[None, None])
    return (difference - smooth).abs().mean()


PIXELWISE = {"l1": l1, "charbonnier": charbonnier}


class Objective(nn.Module):
    """Objective of a recipe: a network and its losses in one module, patches in, loss out."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.autocast = recipe.precision == "bfloat16"
        self.pixelwise = PIXELWISE[recipe.loss]
        has_aux = recipe.config.upsampler == "pixelshuffle_aux"
        self.aux_weight = recipe.aux_weight if has_aux else 0.0
        self.hf_weight = recipe.hf_weight
        self.distill = recipe.distill if recipe.teacher else 0.0

    def forward(
        self, lr: Tensor, hr: Tensor, clean: Tensor, taught: Tensor | None = None
    ) -> Tensor:
        """Loss of a batch.

        Args:
            lr, hr, clean, taught: see ``Batch``; ``taught`` only where the recipe has a teacher.
        Returns:
            Scalar: ``pixelwise + aux_weight * l1(aux, clean) + hf_weight * high_frequency``, in
            float32 whatever the network computes in. ``distill`` of ``pixelwise`` is of the
            difference to ``taught`` instead of ``hr``.
        """
        with torch.autocast(lr.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            output = self.model(lr)
        loss = self.pixelwise(output.reconstruction, hr)
        if self.distill:
            assert taught is not None
            by_teacher = self.pixelwise(output.reconstruction, taught)
            loss = torch.lerp(loss, by_teacher, self.distill)
        if self.aux_weight:
            # The LR image before compression is HR shrunk by bicubic, with no border but its own.
            loss = loss + self.aux_weight * l1(output.aux, clean)
        if self.hf_weight:
            loss = loss + self.hf_weight * high_frequency(output.reconstruction, hr)
        return loss


@contextmanager
def bfloat16_attention(recipe: Recipe) -> Iterator[None]:
    """Let attention multiply in the recipe's precision where no fused kernel records gradients.

    PyTorch computes such attention in float32 whatever autocast says, unless it is told otherwise
    for the whole process. In bfloat16 a step of swin2sr-small-x2 takes 0.31 s instead of 0.46 s
    (measured on one core with AMX).
    """
    flags = torch.backends.cuda  # its name notwithstanding, the CPU obeys it too
    before = flags.fp16_bf16_reduction_math_sdp_allowed()
    flags.allow_fp16_bf16_reduction_math_sdp(before or recipe.precision == "bfloat16")
    try:
        yield
    finally:
        flags.allow_fp16_bf16_reduction_math_sdp(before)
