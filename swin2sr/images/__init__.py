"""Pictures: decoded safely, encoded, resized, degraded. What comes in is (H, W, 3) sRGB in 0..1."""

from swin2sr.images.colour import bleed, resize_alpha
from swin2sr.images.decode import decode
from swin2sr.images.encode import check_size, encode, output_name, to_pil
from swin2sr.images.picture import DEFAULT_LIMITS, Limits, Picture

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "Picture",
    "bleed",
    "check_size",
    "decode",
    "encode",
    "output_name",
    "resize_alpha",
    "to_pil",
]
