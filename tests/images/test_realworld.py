"""Real-world degradation: one seed is one damage, and strength makes it worse."""

from __future__ import annotations

import numpy as np
import pytest

from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.images.realworld import RealWorld, blurred
from swin2sr.images.resize import imresize


def picture(height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth picture of little colour, which JPEG keeps."""
    size = (height // 16, width // 16)
    random = np.random.default_rng(0)
    raw = random.integers(40, 200, (*size, 1)) + random.integers(0, 20, (*size, 3))
    return imresize(raw.astype(np.uint8), size=(height, width))


def test_one_seed_is_one_damage() -> None:
    image = picture()
    before = image.copy()
    first, again, other = (RealWorld(4, 0.6, seed)(image) for seed in (1, 1, 2))
    assert first.shape == (16, 24, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, before)


def test_strength_makes_it_worse() -> None:
    image = picture()
    clean = imresize(image, 1 / 4).astype(float)
    errors = [
        np.mean([np.abs(RealWorld(4, s, seed)(image) - clean).mean() for seed in range(40)])
        for s in (0.0, 0.3, 0.6, 1.0)
    ]
    assert errors == sorted(errors)
    assert errors[0] < 4
    assert errors[-1] > 3 * errors[0]


def test_the_picture_stays_where_it_is() -> None:
    """No kernel moves it: the mean over many damages is as far from a picture moved to the left
    as from one moved to the right."""
    image = picture()
    mean = np.mean([RealWorld(4, 0.5, seed)(image) for seed in range(200)], axis=0)
    clean = imresize(image, 1 / 4).astype(float)
    for axis in (0, 1):
        moved = [np.roll(clean, shift, axis) for shift in (-1, 1)]
        left, right = (np.abs(mean - other)[1:-1, 1:-1].mean() for other in moved)
        assert left == pytest.approx(right, rel=0.05)


@pytest.mark.parametrize("shape", [(37, 50), (5, 7, 3), (4, 4)])
def test_grey_and_tiny_pictures_and_those_with_a_rest_are_damaged_too(
    shape: tuple[int, ...],
) -> None:
    image = np.full(shape, 130, np.uint8)
    for seed in range(30):
        small = RealWorld(4, 1.0, seed)(image)
        assert small.shape == (shape[0] // 4, shape[1] // 4, *shape[2:])


def test_a_gaussian_in_frequencies_is_one_in_pixels() -> None:
    values = np.zeros((41, 41, 1), np.float32)
    values[20, 20] = 1
    spot = blurred(values, np.array([3.0, 1.5]), np.pi / 2)[..., 0]  # long from top to bottom
    rows, columns = np.mgrid[-20:21, -20:21]
    expected = np.exp(-0.5 * ((rows / 3.0) ** 2 + (columns / 1.5) ** 2)) / (2 * np.pi * 3.0 * 1.5)
    np.testing.assert_allclose(spot, expected, atol=1e-6)
    flat = blurred(np.full((9, 5, 3), 0.25, np.float32), np.array([4.0, 4.0]), 0.0)
    np.testing.assert_allclose(flat, 0.25, atol=1e-6)


@pytest.mark.parametrize("values", [(0, 0.5, 0), (4, 1.5, 0), (4, -0.1, 0), (4, 0.5, -1)])
def test_other_values_are_refused(values: tuple[int, float, int]) -> None:
    with pytest.raises(ConfigError, match="real-world degradation"):
        RealWorld(*values)


def test_pictures_that_cannot_be_damaged_are_refused() -> None:
    with pytest.raises(ShapeError, match="cannot be shrunk"):
        RealWorld(4, 0.5, 0)(picture()[:3])
    with pytest.raises(KindError, match="uint8"):
        RealWorld(4, 0.5, 0)(picture() / 255)
