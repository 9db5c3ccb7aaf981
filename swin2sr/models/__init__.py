"""Restoration networks: Swin2SR and SwinIR."""

from swin2sr.models.outputs import FeatureOutput, ImageSuperResolutionOutput
from swin2sr.models.swin2sr import (
    RestorationModel,
    Swin2SRForImageSuperResolution,
    Swin2SRModel,
    SwinIRForImageRestoration,
    SwinIRModel,
    from_checkpoint,
    restoration_model,
)

__all__ = [
    "FeatureOutput",
    "ImageSuperResolutionOutput",
    "RestorationModel",
    "Swin2SRForImageSuperResolution",
    "Swin2SRModel",
    "SwinIRForImageRestoration",
    "SwinIRModel",
    "from_checkpoint",
    "restoration_model",
]
