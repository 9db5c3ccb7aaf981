"""Bicubic resizing as MATLAB's ``imresize`` does it, and the baselines without a network.

Every published super-resolution number starts from images shrunk by MATLAB's ``imresize(image,
scale, 'bicubic')``: Keys' cubic kernel with a = -0.5, widened by 1/scale when shrinking
(antialiasing), weights summing to one, an 8-bit image rounded after each of its two passes. At the
borders the image is mirrored, edge pixel included; older MATLAB releases repeat the edge pixel
instead, and both are found in the LR images people distribute ("mirror" gives Set5's as in SwinIR's
repository, "edge" Set14's and BSD100's as in SelfExSR's). PIL, OpenCV and torch's own
``interpolate`` differ from it by up to ten levels.

Source: MATLAB's documentation of ``imresize``; R. Keys, "Cubic Convolution Interpolation for
Digital Image Processing" (1981).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swin2sr.errors import ConfigError, KindError, ShapeError

Size = tuple[int, int]
BORDERS = ("mirror", "edge")
BICUBIC = "bicubic"  # MATLAB's, as the papers' tables have it
LANCZOS = "lanczos"  # Pillow's, 3 lobes
INPUT = "input"  # unchanged: what a restoration model has to beat
BASELINES = (BICUBIC, LANCZOS, INPUT)


def imresize(
    image: np.ndarray,
    scale: float | None = None,
    size: Size | None = None,
    *,
    border: str = "mirror",
) -> np.ndarray:
    """Resize one image as MATLAB's ``imresize(image, scale, 'bicubic')`` does.

    Args:
        image: (H, W) or (H, W, C). uint8 in 0..255, or floating point in any range.
        scale: factor of both sides, > 0; the result has ceil(H * scale) rows, as in MATLAB.
        size: (height, width) of the result instead of ``scale``.
        border: "mirror" (MATLAB today) or "edge" (its older releases).
    Returns:
        The same kind of array: uint8 rounded (halves up) and clipped to 0..255 after each of the
        two passes, as MATLAB does; floating point in the input's dtype, computed in float64,
        neither rounded nor clipped.
    Raises:
        KindError: neither uint8 nor floating point. ShapeError: not 2 or 3 axes, or an empty one.
        ConfigError: not exactly one of ``scale`` and ``size``, one that is not positive, or an
        unknown border.
    Source: equal in every value to the LR images distributed with Set5 (mirror), Set14 and BSD100
        (edge) at x2, x3 and x4.
    """
    if not isinstance(image, np.ndarray):
        raise KindError(f"imresize takes a numpy array, not {type(image).__name__}.")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise KindError(f"imresize takes uint8 or floating point, not {image.dtype}.")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(f"imresize takes (H, W) or (H, W, C), not {image.shape}.")
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    values = torch.from_numpy(np.array(planes, dtype=np.float64, order="C"))[None]
    resized = _resize(values, scale, size, border, image.dtype == np.uint8)[0].numpy()
    result = resized[0] if image.ndim == 2 else resized.transpose(1, 2, 0)
    return np.ascontiguousarray(result, dtype=image.dtype)


def imresize_tensor(
    images: Tensor,
    scale: float | None = None,
    size: Size | None = None,
    *,
    border: str = "mirror",
) -> Tensor:
    """Resize a batch as MATLAB's ``imresize`` does, in float64, neither rounded nor clipped.

    Args:
        images: (B, C, H, W), floating point, any range.
        scale: factor of both sides, > 0; ceil(H * scale) rows come out.
        size: (height, width) of the result instead of ``scale``.
        border: "mirror" or "edge".
    Returns:
        (B, C, height, width) in the input's dtype.
    Raises:
        ShapeError: not 4 axes, or an empty one. ConfigError: as for ``imresize``.
    """
    if images.ndim != 4 or 0 in images.shape:
        raise ShapeError(f"imresize_tensor takes (B, C, H, W), not {tuple(images.shape)}.")
    if not images.is_floating_point():
        raise KindError(f"imresize_tensor takes floating point, not {images.dtype}.")
    return _resize(images.double(), scale, size, border, False).to(images.dtype)


def enlarge(name: str, image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge by a baseline: what every model has to beat.

    Args:
        name: one of ``BASELINES``; ``INPUT`` gives the image itself, whatever the scale.
        image: (H, W, 3) or (H, W) uint8.
        scale: whole factor of the sides.
    Returns:
        uint8, (H * scale, W * scale, ...).
    Raises:
        ConfigError: another name.
    """
    if name not in BASELINES:
        raise ConfigError(f"{name!r} is no baseline; choose {', '.join(BASELINES)}.")
    if name == INPUT:
        return image
    if name == BICUBIC:
        return imresize(image, scale)
    size = (image.shape[1] * scale, image.shape[0] * scale)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _resize(
    values: Tensor, scale: float | None, size: Size | None, border: str, eight_bit: bool
) -> Tensor:
    """Run both passes on (B, C, H, W) float64; ``eight_bit`` rounds and clips after each of them.

    MATLAB keeps the class of the image between the passes, so a uint8 image is rounded twice.
    Rounding once, at the end, changes one value in seven of Set5's LR images.
    """
    if border not in BORDERS:
        raise ConfigError(f"border must be one of {', '.join(BORDERS)}, not {border!r}.")
    rows, columns = values.shape[-2:]
    (row_scale, height), (column_scale, width) = _target(rows, columns, scale, size)
    # MATLAB resizes the side with the smaller factor first and rows before columns when equal.
    axes = [(row_scale, -2, rows, height), (column_scale, -1, columns, width)]
    for factor, axis, length, target in sorted(axes, key=lambda entry: entry[0]):
        values = _along(values, axis, *taps(length, target, factor, border))
        if eight_bit:
            # Halves go up, as MATLAB's cast does it; torch.round would send them to even levels.
            values = torch.floor(values + 0.5).clamp(0, 255)
    return values


def taps(length: int, target: int, scale: float, border: str = "mirror") -> tuple[Tensor, Tensor]:
    """Indices and weights of the source pixels that each result pixel is made of.

    Args:
        length: pixels of the source side. target: pixels of the result side.
        scale: the factor between the two grids; its inverse widens the kernel when below one.
        border: "mirror" or "edge": which pixel stands for one outside the image.
    Returns:
        Indices (target, P) int64 within 0..length-1 and weights (target, P) float64 whose rows
        sum to one.
    """
    widening = min(scale, 1.0)
    reach = 4.0 / widening
    centre = (torch.arange(target, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - reach / 2)
    positions = first[:, None] + torch.arange(math.ceil(reach) + 2, dtype=torch.float64)
    weights = _cubic((centre[:, None] - positions) * widening)
    weights = weights / weights.sum(1, keepdim=True)
    used = (weights != 0).any(0)
    indices = positions[:, used].long()
    if border == "edge":
        return indices.clamp(0, length - 1), weights[:, used]
    folded = indices % (2 * length)
    return torch.where(folded < length, folded, 2 * length - 1 - folded), weights[:, used]


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel with a = -0.5 at distances in source pixels (any shape, float64)."""
    d = distance.abs()
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return torch.where(d <= 1, near, torch.where(d <= 2, far, torch.zeros_like(d)))


def _along(values: Tensor, axis: int, indices: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums along one axis, tap by tap: no copy of the image per tap is kept."""
    indices, weights = indices.to(values.device), weights.to(values.device)
    shape = [1] * values.ndim
    shape[axis] = -1
    total = values.index_select(axis, indices[:, 0]) * weights[:, 0].view(shape)
    for tap in range(1, indices.shape[1]):
        total += values.index_select(axis, indices[:, tap]) * weights[:, tap].view(shape)
    return total


def _target(
    rows: int, columns: int, scale: float | None, size: Size | None
) -> tuple[tuple[float, int], tuple[float, int]]:
    """(factor, length) of the result's rows and columns."""
    if (scale is None) == (size is None):
        raise ConfigError("imresize takes either a scale or a size.")
    if scale is not None:
        if not (scale > 0 and math.isfinite(scale)):
            raise ConfigError(f"A scale is a positive number, not {scale}.")
        # 1/3 in binary is a hair off: 9 * (1/3) must not become 4 rows.
        return tuple((scale, math.ceil(round(n * scale, 9))) for n in (rows, columns))  # type: ignore[return-value]
    assert size is not None
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"A size is (height, width) of at least 1 pixel, not {size}.")
    return (size[0] / rows, int(size[0])), (size[1] / columns, int(size[1]))
