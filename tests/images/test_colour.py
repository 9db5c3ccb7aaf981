"""Luma apart from colour, transparency apart from both, and back together."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from swin2sr.errors import ShapeError
from swin2sr.images.colour import bleed, full_range_luma, replace_luma, resize_alpha


def colours(height: int = 12, width: int = 10) -> np.ndarray:
    return np.random.default_rng(3).random((height, width, 3), dtype=np.float32)


def test_luma_is_what_jpeg_files_hold() -> None:
    levels = (colours() * 255).round().astype(np.uint8)
    expected = np.asarray(Image.fromarray(levels).convert("YCbCr"))[..., 0]
    assert abs(full_range_luma(levels / np.float32(255)) * 255 - expected).max() <= 1


def test_luma_of_grey_is_the_grey() -> None:
    grey = colours()[..., :1].repeat(3, axis=2)
    np.testing.assert_allclose(full_range_luma(grey), grey[..., 0], atol=1e-6)


def test_a_picture_is_its_luma_and_its_colours() -> None:
    pixels = colours()
    np.testing.assert_allclose(replace_luma(pixels, full_range_luma(pixels)), pixels, atol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_result_has_the_restored_luma(scale: int) -> None:
    restored = np.random.default_rng(4).random((12 * scale, 10 * scale), dtype=np.float32)
    result = replace_luma(colours(), restored)
    assert result.shape == (12 * scale, 10 * scale, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(full_range_luma(result), restored, atol=1e-5)


def test_flat_colours_stay_flat_when_enlarged() -> None:
    pixels = np.full((6, 6, 3), (0.2, 0.5, 0.7), np.float32)
    result = replace_luma(pixels, full_range_luma(pixels).repeat(2, 0).repeat(2, 1))
    np.testing.assert_allclose(result, np.broadcast_to(pixels[0, 0], (12, 12, 3)), atol=1e-5)


def test_a_luma_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(12, 10\)"):
        replace_luma(colours(), np.zeros((13, 10), np.float32))


def test_img_29_bleed_keeps_visible_pixels_and_colours_the_hidden_ones() -> None:
    pixels = np.zeros((7, 11, 3), np.float32)
    alpha = np.zeros((7, 11), np.float32)
    pixels[2:4, 3:6], alpha[2:4, 3:6] = (0.2, 0.9, 0.4), 0.5
    filled = bleed(pixels, alpha)
    np.testing.assert_allclose(filled, np.broadcast_to(filled[2, 3], filled.shape), atol=1e-6)
    np.testing.assert_array_equal(filled[2:4, 3:6], pixels[2:4, 3:6])


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_img_29_bleed_of_all_or_nothing_changes_nothing(opacity: float) -> None:
    pixels = colours(6, 9)
    np.testing.assert_array_equal(bleed(pixels, np.full((6, 9), opacity, np.float32)), pixels)


def test_img_29_opacity_is_enlarged_within_its_range() -> None:
    alpha = np.zeros((4, 5), np.float32)
    alpha[:, 2:] = 1
    large = resize_alpha(alpha, (20, 16))
    assert large.shape == (16, 20)
    assert large.dtype == np.float32
    assert (large.min(), large.max()) == (0, 1)
