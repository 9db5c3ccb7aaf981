"""Reconstruction heads: features at the input's size become the image at the output's size.

Source: mv-lab/swin2sr ``models/network_swin2sr.py``, the branches of ``Swin2SR.forward``. Every
head receives the features and the *normalised, padded* input and answers in normalised units
(transformers gives the auxiliary and the restoration head raw pixels, which is not what the
checkpoints were trained with).
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.config import RestorationConfig

FEATURES = 64  # channels of every head but the direct one


def shuffle_steps(scale: int, features: int) -> nn.Sequential:
    """Build convolutions and pixel shuffles that scale (B, features, H, W) by 3 or 2**n."""
    if scale == 3:
        return nn.Sequential(nn.Conv2d(features, 9 * features, 3, padding=1), nn.PixelShuffle(3))
    steps: list[nn.Module] = []
    for _ in range(int(math.log2(scale))):
        steps += [nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(*steps)


class Head(nn.Module):
    """Reconstruction head: ``head(features, pixels) -> (image, auxiliary)``.

    Args of ``forward``:
        features: (B, embed_dim, H, W), H and W multiples of the window.
        pixels: (B, num_channels, H, W), the padded input, normalised.
    Returns:
        (B, num_channels_out, H*s, W*s) and the auxiliary image or None, both normalised.
    """


class PixelShuffleHead(Head):
    """Head of classical super-resolution: convolutions and pixel shuffles."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        self.conv_before = nn.Conv2d(config.embed_dim, FEATURES, 3, padding=1)
        self.upsample = shuffle_steps(config.upscale, FEATURES)
        self.conv_last = nn.Conv2d(FEATURES, config.num_channels_out, 3, padding=1)

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See ``Head``."""
        before = F.leaky_relu(self.conv_before(features))
        return self.conv_last(self.upsample(before)), None


class DirectHead(Head):
    """Head of lightweight super-resolution: one convolution and one shuffle."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        out = config.upscale**2 * config.num_channels_out
        self.upsample = nn.Sequential(
            nn.Conv2d(config.embed_dim, out, 3, padding=1), nn.PixelShuffle(config.upscale)
        )

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See ``Head``."""
        return self.upsample(features), None


class NearestHead(Head):
    """Head of real-world super-resolution: nearest-neighbour steps and convolutions."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        self.conv_before = nn.Conv2d(config.embed_dim, FEATURES, 3, padding=1)
        self.conv_up1 = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        if config.upscale == 4:
            self.conv_up2 = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.conv_hr = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.conv_last = nn.Conv2d(FEATURES, config.num_channels_out, 3, padding=1)
        self.steps = config.upscale // 2

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See ``Head``."""
        image = F.leaky_relu(self.conv_before(features))
        for conv in (self.conv_up1, self.conv_up2) if self.steps == 2 else (self.conv_up1,):
            image = F.leaky_relu(conv(F.interpolate(image, scale_factor=2.0, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(image), 0.2)), None


class AuxiliaryHead(Head):
    """Head of compressed super-resolution: a clean small image on the way to the large one."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        out = config.num_channels_out
        self.scale = config.upscale
        self.conv_bicubic = nn.Conv2d(config.num_channels, FEATURES, 3, padding=1)
        self.conv_before = nn.Conv2d(config.embed_dim, FEATURES, 3, padding=1)
        self.conv_aux = nn.Conv2d(FEATURES, out, 3, padding=1)
        self.conv_after_aux = nn.Conv2d(out, FEATURES, 3, padding=1)
        self.upsample = shuffle_steps(config.upscale, FEATURES)
        self.conv_last = nn.Conv2d(FEATURES, out, 3, padding=1)

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See ``Head``; the auxiliary image has the input's size."""
        size = (pixels.shape[2] * self.scale, pixels.shape[3] * self.scale)
        bicubic = F.interpolate(pixels, size=size, mode="bicubic", align_corners=False)
        aux = self.conv_aux(F.leaky_relu(self.conv_before(features)))
        large = self.upsample(F.leaky_relu(self.conv_after_aux(aux)))
        return self.conv_last(large + self.conv_bicubic(bicubic)), aux


class RestorationHead(Head):
    """Head of scale 1 (JPEG artefacts, noise): the features become a correction of the input."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        self.conv_last = nn.Conv2d(config.embed_dim, config.num_channels_out, 3, padding=1)

    def forward(self, features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See ``Head``."""
        return pixels + self.conv_last(features), None


def build_head(config: RestorationConfig) -> Head:
    """Build the head that ``config.upsampler`` names."""
    heads: dict[str, type[Head]] = {
        "pixelshuffle": PixelShuffleHead,
        "pixelshuffledirect": DirectHead,
        "nearest+conv": NearestHead,
        "pixelshuffle_aux": AuxiliaryHead,
        "": RestorationHead,
    }
    return heads[config.upsampler](config)
