"""Decoder of pictures from anyone: limits, formats, conversion to sRGB.

Six formats are read, told apart by content; the decoder of nothing else ever runs. Sizes are
checked on the header. What comes out is upright sRGB with everything hidden removed.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from swin2sr.errors import ImageError, KindError, Swin2SRError
from swin2sr.images import pillow_fixes
from swin2sr.images.arrays import SIXTEEN_BITS, from_array, from_tensor, unit_range
from swin2sr.images.jpeg import jpeg_quality
from swin2sr.images.picture import DEFAULT_LIMITS, Limits, Picture

# First bytes of the formats that are read, with Pillow's names for them.
SIGNATURES: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\x89PNG\r\n\x1a\n", ("PNG",)),
    (b"\xff\xd8\xff", ("JPEG", "MPO")),
    *((mark, ("GIF",)) for mark in (b"GIF87a", b"GIF89a")),
    (b"BM", ("BMP",)),
    *((mark, ("TIFF",)) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
READABLE = "PNG, JPEG, WebP, BMP, TIFF and GIF are read."
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
FIRST_FRAME = "The file holds several pictures; the first was used."
PROFILE_IGNORED = "The colour profile could not be used and was ignored."
WARNINGS_LOCK = threading.Lock()  # warning filters belong to the whole process
if hasattr(os, "register_at_fork"):
    # A child forked while another thread decodes would find the lock taken for ever.
    os.register_at_fork(
        before=WARNINGS_LOCK.acquire,
        after_in_parent=WARNINGS_LOCK.release,
        after_in_child=WARNINGS_LOCK.release,
    )


def decode(source: Any, *, limits: Limits = DEFAULT_LIMITS, keep_metadata: bool = False) -> Picture:
    """Read a picture.

    Args:
        source: path, bytes, open binary file, ``PIL.Image``, array (H, W[, C]), tensor (C, H, W)
            or ``Picture``. Web addresses are refused.
        limits: on bytes (files only), pixels and sides, checked before anything is decoded.
        keep_metadata: keep the camera's EXIF (never position, thumbnail, orientation).
    Returns:
        ``Picture``; a change that is not an error is one of its notes.
    Raises:
        ImageError: empty, not_found, not_an_image, corrupt, too_many_bytes, too_many_pixels,
            side_too_long, range, nan, memory.
        ShapeError, KindError: an array that is no picture; a source of another type.
    """
    if isinstance(source, Picture):
        limits.check_size(*source.size)
        return source
    if isinstance(source, Image.Image):
        return _from_pil(source, limits, keep_metadata)
    if isinstance(source, np.ndarray):
        return from_array(source, limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), limits, keep_metadata)
    if isinstance(source, str) and source.lower().startswith(("http://", "https://", "data:")):
        raise ImageError("This is a web address.", remedy="Download the picture first.")
    if isinstance(source, str | os.PathLike):
        return _from_bytes(_read_path(Path(source), limits), limits, keep_metadata)
    if hasattr(source, "permute") and hasattr(source, "detach"):
        return from_tensor(source, limits)
    if hasattr(source, "read"):
        return _from_bytes(_read(source, limits), limits, keep_metadata)
    raise KindError(
        "A picture is a path, bytes, an open file, a PIL image, an array or a tensor, "
        f"not {type(source).__name__}."
    )


def _read_path(path: Path, limits: Limits) -> bytes:
    def without_waiting(name: str, flags: int) -> int:
        # A pipe without a writer would block an ordinary open for ever.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        with open(path, "rb", opener=without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(f"{str(path)!r} is not a file.")
            return _read(file, limits)
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {str(path)!r}.", code="not_found") from error
    except (OSError, ValueError) as error:
        if isinstance(error, Swin2SRError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{str(path)!r} cannot be read: {reason}.") from error


def _read(file: BinaryIO, limits: Limits) -> bytes:
    try:
        data = file.read(limits.bytes + 1)
    except (OSError, ValueError) as error:  # a closed file is a ValueError
        raise ImageError(f"The file cannot be read: {error}.") from error
    if not isinstance(data, bytes):
        raise KindError("The file is open for text; open it in binary mode.")
    return data


def _from_bytes(data: bytes, limits: Limits, keep_metadata: bool) -> Picture:
    limits.check_bytes(len(data))
    formats = _pillow_formats(data)
    with _silence_warnings():
        image = _open(data, formats, limits)
        limits.check_size(*image.size)
        pillow_fixes.check_tiles(image, limits)
        sixteen_bit = pillow_fixes.has_sixteen_bit_colour(data, image)
        try:
            image.load()
            pillow_fixes.fix_pixels(data, image)
        except MemoryError as error:
            raise _no_memory() from error
        except Exception as error:
            raise _corrupt(formats) from error
        picture = _from_pil(image, limits, keep_metadata, sixteen_bit)
    # Pillow reads 16-bit grey with opacity as colour.
    grey_alpha = formats == ("PNG",) and data[24:26] == b"\x10\4"
    return replace(picture, grey=True) if grey_alpha else picture


@contextmanager
def _silence_warnings() -> Iterator[None]:
    """Silence Pillow's warnings: of sizes our own limits allow or refuse, of odd metadata."""
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(data: bytes, formats: tuple[str, ...], limits: Limits) -> Image.Image:
    """Read the header; no pixels yet."""
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        most = min(limits.pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.pixels))
        raise ImageError(
            f"The picture has far more pixels than the limit of {most / 1e6:.0f} million.",
            code="too_many_pixels",
            remedy="Make it smaller or crop it.",
        ) from error
    except UnidentifiedImageError as error:
        # Pillow gives up on the header: of a PNG because it is not one, else because it is cut.
        if formats == ("PNG",):
            raise ImageError(f"The file is not a picture. {READABLE}") from error
        raise _corrupt(formats) from error
    except MemoryError as error:
        raise _no_memory() from error
    except Exception as error:
        raise _corrupt(formats) from error


def _corrupt(formats: tuple[str, ...]) -> ImageError:
    return ImageError(
        f"The {formats[0]} file is damaged, incomplete or of a rare kind that is not read.",
        code="corrupt",
        remedy="Get it again, or save it as PNG.",
    )


def _no_memory() -> ImageError:
    return ImageError(
        "There is not enough memory to decode the picture.",
        code="memory",
        remedy="Make it smaller.",
    )


def _pillow_formats(data: bytes) -> tuple[str, ...]:
    """Choose Pillow's decoders for these bytes by their signature."""
    if not data:
        raise ImageError("The file is empty.", code="empty", remedy="Choose another one.")
    for signature, formats in SIGNATURES:
        if data.startswith(signature):
            return formats
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ("WEBP",)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        raise ImageError("SVG is not supported.", remedy="Export it as PNG.")
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise ImageError("HEIC and AVIF are not supported.", remedy="Convert it to JPEG or PNG.")
    if head.startswith((b"%!ps", b"\xc5\xd0\xd3\xc6", b"%pdf")):
        raise ImageError("PostScript and PDF are not supported.", remedy="Export it as PNG.")
    raise ImageError(f"The file is not a picture. {READABLE}")


def _from_pil(
    image: Image.Image, limits: Limits, keep_metadata: bool, sixteen_bit: bool = False
) -> Picture:
    """Read the first frame of an image, upright, in sRGB; see ``decode``."""
    if 0 in image.size:
        raise ImageError("The picture is empty.", code="empty")
    limits.check_size(*image.size)
    notes = [SIXTEEN_BITS] if sixteen_bit else []
    form = image.format or ""
    try:
        several = bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001  # the second picture is damaged; Pillow raises anything
        several = True
    if several:
        notes.append(FIRST_FRAME)
    try:
        metadata = _camera_exif(image) if keep_metadata else None
    except Exception:  # noqa: BLE001
        metadata = None
        notes.append("The camera's data could not be read and was left out.")
    try:
        # Also fails on EXIF that cannot be read; the pixels are as they were then.
        upright = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001
        upright = image
        notes.append("The orientation in the metadata could not be read and was ignored.")
    try:
        pixels, alpha, grey, deep = _to_srgb(upright, notes)
    except Swin2SRError:
        raise
    except MemoryError as error:
        raise _no_memory() from error
    except Exception as error:
        raise _corrupt((form or "image",)) from error
    if alpha is not None and alpha.min() >= 1:
        alpha = None
    bits = 16 if sixteen_bit or deep else 8
    quality = jpeg_quality(getattr(image, "quantization", {}))
    return Picture(pixels, alpha, grey, bits, metadata, form, quality, tuple(dict.fromkeys(notes)))


def _to_srgb(
    image: Image.Image, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None, bool, bool]:
    """Convert to pixels (H, W, 3), opacity, whether grey, whether 16 bits."""
    if image.mode.startswith("I;16"):
        notes.append(SIXTEEN_BITS)
        _note_unused_profile(image, notes)
        levels = np.asarray(image).astype(np.uint16)
        hidden = image.info.get("transparency")
        opacity = (levels != hidden).astype(np.float32) if isinstance(hidden, int) else None
        return _grey(unit_range(levels)), opacity, True, True
    if image.mode == "I":
        raise ImageError(
            "The picture holds 32-bit whole numbers, whose range is unknown.",
            code="range",
            remedy="Convert it to 8 or 16 bits.",
        )
    if image.mode == "F":
        _note_unused_profile(image, notes)
        return _grey(unit_range(np.asarray(image))), None, True, False
    alpha = None
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        grey = image.mode in ("1", "L", "LA", "La")
        whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        alpha = np.asarray(whole.getchannel("A"), dtype=np.float32) / 255
        profile = image.info.get("icc_profile")
        image = whole.convert("L" if grey else "RGB")
        image.info["icc_profile"] = profile
    elif image.mode in ("1", "P"):
        profile = image.info.get("icc_profile")
        image = image.convert("L" if image.mode == "1" else "RGB")
        image.info["icc_profile"] = profile
    grey = image.mode == "L"
    rgb = _apply_profile(image, notes)
    return np.asarray(rgb, dtype=np.float32) / np.float32(255), alpha, grey, False


def _grey(plane: np.ndarray) -> np.ndarray:
    return plane[..., None].repeat(3, axis=2)


def _note_unused_profile(image: Image.Image, notes: list[str]) -> None:
    if image.info.get("icc_profile"):
        notes.append(PROFILE_IGNORED)


def _apply_profile(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert to RGB, through the image's colour profile where it has a usable one."""
    data = image.info.get("icc_profile")
    if image.mode == "LAB":
        source: Any = ImageCms.createProfile("LAB")
    elif data and image.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(data))
            if image.mode != "CMYK" and _is_srgb(source):
                return image.convert("RGB")
        except Exception:  # noqa: BLE001
            notes.append(PROFILE_IGNORED)
            return image.convert("RGB")
    else:
        if image.mode == "CMYK":
            notes.append("Print colours (CMYK) without a profile were converted by formula.")
        return image.convert("RGB")
    try:
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except Exception:  # noqa: BLE001
        notes.append(PROFILE_IGNORED)
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Recognise sRGB by name and by effect: conversion would change no more than roundings."""
    if "srgb" not in ImageCms.getProfileDescription(profile).lower():
        return False
    ramp = np.linspace(0, 255, 6).round().astype(np.uint8)
    probe = Image.fromarray(np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(36, 6, 3))
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(probe, profile, target, outputMode="RGB")
    difference = np.asarray(converted, dtype=np.int16) - np.asarray(probe)
    return bool(np.abs(difference).max() <= 3)


def _camera_exif(image: Image.Image) -> bytes | None:
    """Copy the EXIF without position, orientation, thumbnail and the maker's private notes."""
    # Taken into a new one: the image's own still has to say which way is up.
    source, cleaned = image.getexif(), Image.Exif()
    cleaned.update({tag: value for tag, value in source.items() if tag in PICTURE_TAGS})
    camera = source.get_ifd(ExifTags.IFD.Exif)
    cleaned.get_ifd(ExifTags.IFD.Exif).update(
        {tag: value for tag, value in camera.items() if tag not in PRIVATE_TAGS}
    )
    return cleaned.tobytes() if len(cleaned) or len(cleaned.get_ifd(ExifTags.IFD.Exif)) else None


# Of the first directory: what names the picture, its maker and the camera. All else there
# describes pixels that no longer exist, or is private to some program.
PICTURE_TAGS = frozenset(
    int(ExifTags.Base[name])
    for name in (
        *("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright"),
    )
)
# Of the camera's directory: the maker's notes, the old size, a link to a further directory.
PRIVATE_TAGS = frozenset(
    int(ExifTags.Base[name])
    for name in ("MakerNote", "ExifImageWidth", "ExifImageHeight", "ExifInteroperabilityOffset")
)
