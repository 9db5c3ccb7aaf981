"""Planes of numbers from pictures of every kind, and pictures from planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swin2sr.errors import ImageError, KindError, ShapeError

FIRST, LAST = "channels_first", "channels_last"
_CHANNELS = (1, 3)  # what an array without a given layout is taken to have


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Copy (H, W, C) floating-point pixels in 0..1 into a (1, C, H, W) batch of their type.

    Raises:
        ShapeError: not three axes.
        KindError: whole numbers, whose range would be another.
    """
    if pixels.ndim != 3:
        raise ShapeError(f"Expected (height, width, channels) pixels, got {pixels.shape}.")
    if pixels.dtype.kind != "f":
        raise KindError(f"Expected floating-point pixels in 0..1, got {pixels.dtype}.")
    # A copy even where NumPy calls it contiguous: an axis of one pixel may keep a stride torch
    # refuses, and the array may be read-only.
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy(order="C"))[None]


def to_pixels(image: Tensor) -> np.ndarray:
    """Turn a (1, C, H, W) batch into (H, W, C) float32 pixels, clipped to 0..1 (NaN stays NaN).

    Raises:
        ShapeError: not four axes, or more than one picture.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise ShapeError(f"Expected (1, channels, height, width), got {tuple(image.shape)}.")
    planes = image.detach()[0].float().clamp(0, 1).cpu()
    return planes.permute(1, 2, 0).contiguous().numpy()


def to_picture(pixels: np.ndarray) -> Image.Image:
    """Round (H, W, 1 or 3) pixels in 0..1 to a PIL image of 8 bits, L or RGB.

    Raises:
        ShapeError: channels that PIL has no mode for.
    """
    channels = pixels.shape[2]
    if channels not in _CHANNELS:
        raise ShapeError(f"PIL has no mode for {channels} channels.", remedy='Ask for "np".')
    levels = np.rint(pixels * 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if channels == 1 else levels)


def flatten_images(images: Any) -> list[Any]:
    """List single pictures, from one, from lists of them and from batches."""
    if isinstance(images, list | tuple):
        return [image for item in images for image in flatten_images(item)]
    if isinstance(images, np.ndarray | Tensor) and images.ndim == 4:
        return list(images)
    return [images]


def read_planes(image: Any, layout: str | None) -> tuple[np.ndarray, bool]:
    """Read one picture as numbers.

    Args:
        image: picture of PIL, array or tensor.
        layout: where the channels of an array or tensor are; None finds out.
    Returns:
        (C, H, W) float64, 0..255 unless the picture has other values; and whether they were
        floating point.
    Raises:
        ShapeError, ImageError, KindError: as ``Swin2SRImageProcessor.preprocess``.
    """
    is_tensor = isinstance(image, Tensor)
    if isinstance(image, Image.Image):
        values, layout = _from_pil(image), LAST
    elif isinstance(image, Tensor):
        values = (image.float() if image.dtype == torch.bfloat16 else image).detach().cpu().numpy()
    elif isinstance(image, np.ndarray):
        values = image
    else:
        kind = type(image).__name__
        raise KindError(f"A picture is an image of PIL, an array or a tensor, not {kind}.")
    dtype, shape = values.dtype, values.shape
    if dtype.kind not in "uif":
        raise KindError(f"Pixels are whole or floating-point numbers, not {dtype}.")
    if len(shape) == 2:
        values, layout = values[None], FIRST
    elif len(shape) != 3 or layout == "none":
        raise ShapeError(f"A picture has (height, width) and perhaps channels, got {shape}.")
    if 0 in shape:
        raise ImageError(f"The picture is empty: its shape is {shape}.", code="empty")
    if (layout or _layout(shape, is_tensor, dtype == np.uint8)) == LAST:
        values = values.transpose(2, 0, 1)
    planes = np.array(values, dtype=np.float64)
    if not np.isfinite(planes).all():
        raise ImageError("The picture holds NaN or infinity.", code="nan")
    if dtype.kind == "u" and dtype.itemsize == 2:
        planes /= 257  # 65535 becomes 255
    return planes, dtype.kind == "f"


def _from_pil(image: Image.Image) -> np.ndarray:
    """(H, W) of grey pictures, (H, W, 3) of all others; 0..255 (16-bit grey: 0..65535)."""
    if image.mode in ("I", "F"):
        text = f"Mode {image.mode} does not say which value is white."
        raise ImageError(text, code="range", remedy="Give an array of values in 0..255.")
    try:
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode not in ("L", "RGB") and not image.mode.startswith("I;16"):
            image = image.convert("RGB")
        return np.asarray(image)
    except (OSError, ValueError) as error:
        raise ImageError(f"PIL cannot decode the picture: {error}.", code="corrupt") from error


def _layout(shape: tuple[int, ...], is_tensor: bool, is_bytes: bool) -> str:
    """Find the axis of the channels of a picture with three axes."""
    first, last = shape[0] in _CHANNELS, shape[-1] in _CHANNELS
    is_first = first and (is_tensor or not last)
    is_last = last and not is_tensor and (not first or (is_bytes and shape[-1] == 3))
    if not (is_first or is_last):
        text = f"It is not clear where the 1 or 3 channels of {shape} are."
        raise ShapeError(text, remedy=f'Give input_data_format "{FIRST}" or "{LAST}".')
    return LAST if is_last else FIRST
