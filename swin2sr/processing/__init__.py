"""Image processors: pictures to network input and back; values, axes, sizes, padding."""

from swin2sr.processing.base import BatchFeature
from swin2sr.processing.planes import to_pixels, to_tensor
from swin2sr.processing.restoration import (
    Swin2SRImageProcessor,
    Swin2SRImageProcessorFast,
    Swin2SRImageProcessorPil,
)

__all__ = [
    "BatchFeature",
    "Swin2SRImageProcessor",
    "Swin2SRImageProcessorFast",
    "Swin2SRImageProcessorPil",
    "to_pixels",
    "to_tensor",
]
