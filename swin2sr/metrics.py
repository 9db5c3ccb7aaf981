"""PSNR, SSIM and PSNR-B with the field's conventions.

A number without its conventions says nothing: the same picture scores 30.0 dB on RGB, 30.6 on one
definition of Y and 32.0 on another. Here Y is BT.601 in studio range (MATLAB's ``rgb2ycbcr``), not
rounded; the peak is 255; a border of ``scale`` pixels is removed when super-resolution is scored.

Source: the evaluation scripts of mv-lab/swin2sr and JingyunLiang/SwinIR; Wang et al., "Image
quality assessment" (2004) for SSIM; Yim and Bovik, "Quality assessment of deblocked images"
(2011) for PSNR-B.
"""

from __future__ import annotations

import math

import numpy as np
from skimage.metrics import structural_similarity

from swin2sr.errors import ConfigError, KindError, ShapeError

PEAK = 255.0
CHANNELS = ("y", "rgb")
_LUMA = np.array([65.481, 128.553, 24.966])  # BT.601, red, green and blue in 0..1 to Y in 16..235
_SSIM_WINDOW = 11  # what sigma 1.5 gives with scikit-image's truncation at 3.5 sigma
_BLOCK = 8  # side of a JPEG block in pixels


def luma(rgb: np.ndarray) -> np.ndarray:
    """BT.601 luma in studio range, as MATLAB's ``rgb2ycbcr`` on floating point gives it.

    Args:
        rgb: (H, W, 3) or (H, W), uint8. A grey image counts as RGB with three equal channels,
            as in the published scripts, so its Y is 16 + 219/255 of the grey value.
    Returns:
        (H, W) float64 in 16..235, not rounded.
    Raises:
        KindError, ShapeError: not such an array.
    """
    _check_image(rgb)
    if rgb.ndim == 2:
        return 16.0 + rgb.astype(np.float64) * (_LUMA.sum() / PEAK)
    return 16.0 + rgb.astype(np.float64) @ (_LUMA / PEAK)


def psnr(a: np.ndarray, b: np.ndarray, *, border: int = 0, channel: str = "y") -> float:
    """Peak signal-to-noise ratio in dB; the order of the images does not matter.

    Args:
        a, b: (H, W, 3) or (H, W), uint8, of one shape.
        border: pixels removed on each side first: the scale for super-resolution, else 0.
        channel: "y" compares ``luma``; "rgb" compares all values as they are: of a grey image the
            grey value, on which most printed tables score such images.
    Returns:
        10 log10(255^2 / mean squared difference); infinite for equal images.
    Raises:
        ShapeError: the shapes differ, or the border leaves nothing. KindError: not uint8 arrays.
        ConfigError: another channel.
    """
    first, second = _prepare(a, b, border, channel)
    return _decibel(float(np.mean((first - second) ** 2)))


def ssim(a: np.ndarray, b: np.ndarray, *, border: int = 0, channel: str = "y") -> float:
    """Structural similarity with the 11x11 Gaussian window of sigma 1.5, as MATLAB's script.

    Args:
        a, b, border, channel: as for ``psnr``; at least 11 pixels a side after the crop.
    Returns:
        Mean over the pixels whose window lies inside the image ("rgb": also over the channels);
        1 for equal images.
    Raises:
        As ``psnr``; ShapeError also when a side is shorter than the window.
    """
    first, second = _prepare(a, b, border, channel)
    if min(first.shape[:2]) < _SSIM_WINDOW:
        raise ShapeError(
            f"SSIM needs {_SSIM_WINDOW} pixels a side, got {first.shape[1]}x{first.shape[0]}."
        )
    value = structural_similarity(
        first,
        second,
        data_range=PEAK,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if first.ndim == 3 else None,
    )
    return float(value)


def psnr_b(restored: np.ndarray, reference: np.ndarray, *, channel: str = "rgb") -> float:
    """PSNR with a penalty for steps along the 8x8 grid of JPEG; the order matters.

    Args:
        restored: (H, W, 3) or (H, W), uint8: the image whose blocking is measured.
        reference: the original, same shape.
        channel: "rgb" averages the dB of the three channels, as published; "y" uses ``luma``.
    Returns:
        Decibels, at most ``psnr``'s for one channel; infinite for equal images without steps.
    Raises:
        As ``psnr``; ShapeError also for a side shorter than two blocks.
    Source: equal to the published scripts, also where a side is not a multiple of 8 (they count
        the boundaries there as one fewer than they add up).
    """
    first, second = _prepare(restored, reference, 0, channel)
    if min(first.shape[:2]) < 2 * _BLOCK:
        raise ShapeError(f"PSNR-B needs {2 * _BLOCK} pixels a side, got {first.shape[:2]}.")
    if first.ndim == 2:
        first, second = first[..., None], second[..., None]
    scores = [
        _decibel(float(np.mean((x - y) ** 2)) + blocking_effect(x))
        for x, y in zip(np.moveaxis(first, 2, 0), np.moveaxis(second, 2, 0), strict=True)
    ]
    return sum(scores) / len(scores)


def blocking_effect(plane: np.ndarray) -> float:
    """Blocking effect: excess of squared steps across 8x8 block boundaries over those elsewhere.

    Args:
        plane: (H, W) values in 0..255.
    Returns:
        The blocking effect factor in squared levels, 0 when boundaries do not stand out.
    Source: Yim and Bovik (2011), eq. 6 to 9, counts as in the published scripts.
    """
    values = np.asarray(plane, dtype=np.float64)
    height, width = values.shape
    across, down = np.diff(values, axis=1) ** 2, np.diff(values, axis=0) ** 2
    on_boundary = across[:, _BLOCK - 1 :: _BLOCK].sum() + down[_BLOCK - 1 :: _BLOCK].sum()
    elsewhere = across.sum() + down.sum() - on_boundary
    boundaries = height * (width // _BLOCK - 1) + width * (height // _BLOCK - 1)
    others = height * (width - 1) + width * (height - 1) - boundaries
    excess = on_boundary / boundaries - elsewhere / others
    return max(0.0, float(excess)) * math.log2(_BLOCK) / math.log2(min(height, width))


def largest_window(plane: np.ndarray, height: int, width: int) -> tuple[int, int, float]:
    """Integral-image search for the window with the largest mean, such as the largest error.

    Args:
        plane: (H, W), not empty.
        height, width: of the window; that of the plane where it is smaller.
    Returns:
        Top and left of the window, the first of equals row by row, and its mean.
    """
    height, width = min(height, plane.shape[0]), min(width, plane.shape[1])
    sums = np.pad(plane.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    totals = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
    totals += sums[:-height, :-width]
    top, left = np.unravel_index(int(totals.argmax()), totals.shape)
    return int(top), int(left), float(totals[top, left]) / (height * width)


def _decibel(error: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def _check_image(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise KindError(f"Metrics compare uint8 arrays, not {kind}.")
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ShapeError(f"Metrics compare (H, W, 3) or (H, W) images, not {image.shape}.")


def _prepare(
    a: np.ndarray, b: np.ndarray, border: int, channel: str
) -> tuple[np.ndarray, np.ndarray]:
    """Check and crop two images to float64 in the channel that is compared."""
    _check_image(a)
    _check_image(b)
    if channel not in CHANNELS:
        raise ConfigError(f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}.")
    if a.shape != b.shape:
        raise ShapeError(f"The images differ in shape: {a.shape} and {b.shape}.")
    if border < 0 or min(a.shape[:2]) <= 2 * border:
        raise ShapeError(f"A border of {border} leaves nothing of an image of {a.shape[:2]}.")
    inside = slice(border, -border or None)
    a, b = a[inside, inside], b[inside, inside]
    if channel == "y":
        return luma(a), luma(b)
    return a.astype(np.float64), b.astype(np.float64)
