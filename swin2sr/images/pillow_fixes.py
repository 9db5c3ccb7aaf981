"""Fixes of what Pillow's decoders leave undone or do not say, as of Pillow 12.3."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

from swin2sr.images.picture import Limits


def check_tiles(image: Image.Image, limits: Limits) -> None:
    """Refuse a TIFF of few pixels that says its tiles have a thousand million, all decoded.

    Raises:
        ImageError: as ``Limits.check_size``.
    """
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(322), tags.get(323)
    if isinstance(width, int) and isinstance(height, int):
        limits.check_size(width, height)


def has_sixteen_bit_colour(data: bytes, image: Image.Image) -> bool:
    """Detect 16-bit colour, which Pillow reads as 8 bits."""
    if image.format == "PNG":
        return data[24:25] == b"\x10" and data[25:26] in (b"\2", b"\4", b"\6")
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return image.mode in ("RGB", "RGBA", "CMYK") and 16 in tuple(tags.get(258, ()))
    return False


def fix_pixels(data: bytes, image: Image.Image) -> None:
    """Do in place what Pillow's decoders leave undone: grey of few bits, 12 bits, or negative.

    Args:
        data: the file. image: its pixels, read.
    Raises:
        ValueError: a checksum of a PNG is wrong.
    """
    if image.format == "PNG":
        _check_crc(data)
        # The transparent level is not scaled to 8 bits as the pixels are.
        depth, level = data[24], image.info.get("transparency")
        if image.mode == "L" and depth in (2, 4) and isinstance(level, int):
            image.info["transparency"] = level * 255 // (2**depth - 1)
    elif image.format == "TIFF" and (image.mode == "F" or image.mode.startswith("I;16")):
        tags = getattr(image, "tag_v2", {})
        values = np.asarray(image)
        twelve, negative = tuple(tags.get(258, ())) == (12,), tags.get(262) == 0
        if not (twelve or negative):
            return
        if image.mode == "F":
            changed = np.float32(1) - values
        else:
            levels = values.astype(np.uint32) * (65535 if twelve else 1) // (4095 if twelve else 1)
            changed = (65535 - levels if negative else levels).astype(values.dtype)
        image.paste(Image.frombytes(image.mode, image.size, changed.tobytes()))


def _check_crc(data: bytes) -> None:
    """Check a PNG's checksums, since Pillow leaves the last pixels unchecked. Raises ValueError."""
    at, view = 8, memoryview(data)
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        wanted = int.from_bytes(data[end : end + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT" and zlib.crc32(view[at + 4 : end]) != wanted:
            raise ValueError("a checksum is wrong")
        at = end + 4
