"""Encoder of pictures: PNG, JPEG and WebP, written whole, tagged sRGB, named for what they are."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from swin2sr.errors import ConfigError, ImageError
from swin2sr.filesystem import write_file
from swin2sr.images.picture import Picture

MAX_SIDE = {"png": 2**31 - 1, "jpeg": 65500, "webp": 16383}  # side in pixels each encoder takes
LINE_BREAKS = "\u2028\u2029"
STEM_BYTES = 180  # of UTF-8; leaves room for what is appended in a name of 255


def check_size(size: tuple[int, int], format: str) -> None:
    """Refuse a (width, height) that a format cannot hold; ask before the work is done.

    Raises:
        ImageError: side_too_long. ConfigError: an unknown format.
    """
    if format not in MAX_SIDE:
        raise ConfigError(f"The format is one of {', '.join(MAX_SIDE)}, not {format!r}.")
    if max(size) > MAX_SIDE[format]:
        raise ImageError(
            f"The result would have {size[0]} x {size[1]} pixels; {format.upper()} ends at "
            f"{MAX_SIDE[format]} a side.",
            code="side_too_long",
            remedy="Use PNG.",
        )


def to_pil(picture: Picture) -> Image.Image:
    """Convert to an 8-bit image: RGB, L when grey, RGBA or LA when something is transparent."""
    levels = _levels(picture.pixels[..., 0] if picture.grey else picture.pixels)
    if picture.alpha is None:
        return Image.fromarray(levels)
    planes = levels[..., None] if picture.grey else levels
    return Image.fromarray(np.concatenate([planes, _levels(picture.alpha)[..., None]], axis=2))


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def encode(
    picture: Picture,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str = "png",
    quality: int = 95,
) -> None:
    """Write a picture; nothing of the source's file but the pixels and kept metadata goes along.

    Args:
        picture: what to write; JPEG gets transparency laid on white.
        target: a path (written whole or not at all) or an open binary file.
        format: "png" (lossless), "jpeg" or "webp".
        quality: 1..100, of JPEG and WebP.
    Raises:
        ImageError: side_too_long. ConfigError: an unknown format, a quality outside 1..100.
        OutputError: the file cannot be written.
    """
    check_size(picture.size, format)
    if not 1 <= quality <= 100:
        raise ConfigError(f"The quality is a number in 1..100, not {quality!r}.")
    if format == "jpeg" and picture.alpha is not None:
        opacity = picture.alpha[..., None]
        flat = picture.pixels * opacity + (1 - opacity)
        image = to_pil(Picture(flat, grey=picture.grey))
    else:
        image = to_pil(picture)
    options: dict[str, Any] = {"exif": picture.metadata} if picture.metadata else {}
    if format == "png":
        tags = PngImagePlugin.PngInfo()
        tags.add(b"sRGB", b"\0")
        options |= {"compress_level": 1, "pnginfo": tags}
    else:
        options["quality"] = quality
        if image.mode in ("RGB", "RGBA"):
            options["icc_profile"] = srgb_profile()

    def write(file: BinaryIO) -> None:
        image.save(file, format=format.upper(), **options)

    if isinstance(target, str | os.PathLike):
        write_file(target, write)
    else:
        write(target)


@cache
def srgb_profile() -> bytes:
    """Profile of sRGB whose bytes do not change from run to run (its date is blanked)."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    date = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))
    return profile[:24] + date + profile[36:84] + bytes(16) + profile[100:]


def output_name(source: str, family: str, scale: int, suffix: str = ".png") -> str:
    """Name the file of a result: ``photo_swin2sr_x4.png``.

    Args:
        source: name or path of the source, from anyone; folders, control and direction marks and
            characters that some system forbids are taken out, and the rest shortened.
        family: of the network.
        scale: factor of the sides.
        suffix: of the format.
    Returns:
        A name without folders, at most 255 bytes of UTF-8.
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", source)[-1])
    stem = os.path.splitext(name)[0]
    stem = "".join(c for c in stem if unicodedata.category(c)[0] != "C" and c not in LINE_BREAKS)
    stem = re.sub(r'[<>:"|?*]', "_", stem).strip(" .-")
    stem = stem.encode("utf-8")[:STEM_BYTES].decode("utf-8", "ignore") or "image"
    return f"{stem}_{family}_x{scale}{suffix}"
