"""Arrays and tensors as pictures: shapes, types and ranges that are accepted."""

from __future__ import annotations

from typing import Any

import numpy as np

from swin2sr.errors import ImageError, KindError, ShapeError
from swin2sr.images.picture import Limits, Picture

TOLERANCE = 1e-3  # interpolation overshoots 0..1 a little; beyond this it is an error


def from_tensor(tensor: Any, limits: Limits) -> Picture:
    """Read a torch tensor (C, H, W) or (1, C, H, W); otherwise as ``from_array``."""
    import torch

    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 2, 3, 4):
        raise ShapeError(
            f"A tensor picture has shape (C, H, W) or (1, C, H, W) with 1 to 4 channels, "
            f"not {tuple(tensor.shape)}."
        )
    try:
        tensor = tensor.detach().cpu().permute(1, 2, 0)
        array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    except (TypeError, RuntimeError) as error:  # numpy has no such type; no values at all
        raise KindError(
            f"Pictures are uint8, uint16 or floating point in 0..1, not {tensor.dtype} of "
            f"{tensor.device}."
        ) from error
    return from_array(array, limits)


def from_array(array: np.ndarray, limits: Limits) -> Picture:
    """Read an array as a picture; it is never changed.

    Args:
        array: (H, W), (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA;
            uint8, uint16 (divided by 65535) or floating point in 0..1.
        limits: on its size.
    Raises:
        ShapeError: another shape. KindError: another type.
        ImageError: nan, range, too_many_pixels, side_too_long.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ShapeError(
            f"A picture has shape (H, W) or (H, W, 1 to 4) and is not empty; got {array.shape}."
        )
    planes = array[..., None] if array.ndim == 2 else array
    if planes.shape[2] not in (1, 2, 3, 4):
        raise ShapeError(f"A picture has 1 to 4 channels, last; got shape {array.shape}.")
    limits.check_size(planes.shape[1], planes.shape[0])
    values = unit_range(planes)
    channels = planes.shape[2]
    alpha = None
    if channels in (2, 4) and values[..., -1].min() < 1:
        alpha = np.ascontiguousarray(values[..., -1])
    grey = channels <= 2
    pixels = values[..., :1].repeat(3, axis=2) if grey else values[..., :3]
    deep = array.dtype.kind == "u" and array.dtype.itemsize == 2
    notes = (SIXTEEN_BITS,) if deep else ()
    return Picture(np.ascontiguousarray(pixels), alpha, grey, 16 if deep else 8, notes=notes)


SIXTEEN_BITS = "The picture has 16 bits a channel; the result has 8."


def unit_range(values: np.ndarray) -> np.ndarray:
    """Convert numbers of any accepted type to float32 in 0..1, a copy.

    Raises:
        KindError: another type. ImageError: nan or range.
    """
    kind, width = values.dtype.kind, values.dtype.itemsize
    if kind == "u" and width <= 2:
        return values.astype(np.float32) / np.float32(255 if width == 1 else 65535)
    if kind != "f":
        raise KindError(
            f"Pictures are uint8, uint16 or floating point in 0..1, not {values.dtype}.",
            remedy="Convert the array first.",
        )
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ImageError(f"The value at {place} is {values[place]}, not a number.", code="nan")
    low, high = float(values.min()), float(values.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        hint = "It looks like 0..255: divide by 255." if low >= 0 and 1 < high <= 256 else ""
        raise ImageError(
            f"Floating point pictures lie in 0..1; this one in {low:.4g}..{high:.4g}.",
            code="range",
            remedy=hint or "Scale it first.",
        )
    return np.clip(values, 0, 1).astype(np.float32)
