"""Networks that are measured: one of each shape in the registry, and their peers.

Time and memory depend on a network's shape, not on what it learned, so networks that differ in
their weights alone are measured once, with random weights, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from swin2sr.checkpoints import list_models, load, to_hub
from swin2sr.config import RestorationConfig, Swin2SRConfig
from swin2sr.errors import ConfigError
from swin2sr.images.samples import photograph
from swin2sr.models import restoration_model

ALL = "all"
OURS, PEER = "swin2sr", "transformers"
# transformers has these heads as they were trained; the other two it computes differently.
_SHARED_HEADS = ("pixelshuffle", "pixelshuffledirect", "nearest+conv")


def shapes() -> dict[str, RestorationConfig]:
    """Networks of the registry, by the first name of each shape."""
    found: dict[str, RestorationConfig] = {}
    for entry in list_models():
        config = replace(entry.config, extra={})
        if config not in found.values():
            found[entry.name] = config
    return found


def named(names: Sequence[str]) -> dict[str, RestorationConfig]:
    """Configurations by registry name, in the order given; ``ALL`` is one of each shape.

    Raises:
        ConfigError: an unknown name.
    """
    if list(names) == [ALL]:
        return shapes()
    known = {entry.name: replace(entry.config, extra={}) for entry in list_models()}
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no model {name!r}.", remedy="'swin2sr models' lists all.")
    return {name: known[name] for name in names}


def has_peer(config: RestorationConfig) -> bool:
    """Tell whether transformers computes the same network."""
    return isinstance(config, Swin2SRConfig) and config.upsampler in _SHARED_HEADS


def build(
    library: str, config: RestorationConfig, precision: str, weights: str | None, device: str
) -> nn.Module:
    """Build a network in eval mode; the same weights in every library and precision.

    Args:
        library: ``OURS`` or ``PEER``. config: its shape. precision: a torch dtype's name.
        weights: name or path of real ones, of the same shape; None draws them from a fixed seed.
        device: where to.
    """
    torch.manual_seed(0)
    model: Any = restoration_model(config)
    if weights:
        model.load_state_dict(dict(load(weights).state))
    if library == PEER:
        import transformers

        peer = transformers.Swin2SRForImageSuperResolution(
            transformers.Swin2SRConfig(**{**config.to_dict(), "drop_path_rate": 0.0})
        )
        peer.load_state_dict(to_hub(model.state_dict()))
        model = peer
    module: nn.Module = model.to(device, getattr(torch, precision)).eval()
    return module


def picture(side: int, channels: int = 3) -> Tensor:
    """Photograph in 0..1: scikit-image's astronaut, mirrored to any size.

    Args:
        side: pixels. channels: 3, or 1 for its green plane.
    Returns:
        (1, channels, side, side) float32.
    """
    pixels = torch.from_numpy(photograph("astronaut")).permute(2, 0, 1).float() / 255
    while pixels.shape[1] < side:
        pixels = torch.cat([pixels, pixels.flip(1)], 1)
        pixels = torch.cat([pixels, pixels.flip(2)], 2)
    chosen = pixels if channels == 3 else pixels[1:2]
    return chosen[None, :, :side, :side].contiguous()
