"""What a network is: frozen dataclasses that read and write Hugging Face's ``config.json``."""

from swin2sr.config.backbone import (
    BACKBONES,
    PROBLEMS,
    BackboneConfig,
    SwinConfig,
    Swinv2Config,
)
from swin2sr.config.file import Config
from swin2sr.config.restoration import (
    ACTIVATIONS,
    GENERATIONS,
    RESIDUAL_CONNECTIONS,
    RESTORATION,
    UPSAMPLERS,
    RestorationConfig,
    Swin2SRConfig,
    SwinIRConfig,
    restoration_config,
)

__all__ = [
    "ACTIVATIONS",
    "BACKBONES",
    "GENERATIONS",
    "PROBLEMS",
    "RESIDUAL_CONNECTIONS",
    "RESTORATION",
    "UPSAMPLERS",
    "BackboneConfig",
    "Config",
    "RestorationConfig",
    "Swin2SRConfig",
    "SwinConfig",
    "SwinIRConfig",
    "Swinv2Config",
    "restoration_config",
]
