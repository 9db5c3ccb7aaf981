"""The networks."""

from swin2sr.models.outputs import FeatureOutput, ImageSuperResolutionOutput
from swin2sr.models.swin2sr import Swin2SRForImageSuperResolution, Swin2SRModel

__all__ = [
    "FeatureOutput",
    "ImageSuperResolutionOutput",
    "Swin2SRForImageSuperResolution",
    "Swin2SRModel",
]
