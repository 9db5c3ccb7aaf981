"""Metrics against scikit-image, against hand-worked numbers and against each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.resize import imresize
from swin2sr.metrics import blocking_effect, largest_window, luma, psnr, psnr_b, ssim

Metric = Callable[..., float]


def noise(height: int = 32, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def picture() -> np.ndarray:
    """A photograph: (256, 256, 3) uint8."""
    return np.ascontiguousarray(astronaut()[:256, 128:384])


def test_luma_is_matlabs_rgb2ycbcr() -> None:
    np.testing.assert_allclose(luma(noise()), rgb2ycbcr(noise())[..., 0], atol=1e-10)


def test_grey_counts_as_equal_channels() -> None:
    grey = noise()[..., 0]
    np.testing.assert_allclose(luma(grey), luma(np.stack([grey] * 3, axis=2)), atol=1e-10)


def test_black_is_16_and_white_is_235() -> None:
    np.testing.assert_allclose(luma(np.array([[0, 255]], dtype=np.uint8)), [[16, 235]])


def test_psnr_of_a_constant_difference_is_exact() -> None:
    black = np.zeros((8, 8, 3), dtype=np.uint8)
    assert psnr(black, black + 5, channel="rgb") == pytest.approx(20 * math.log10(255 / 5))


def test_studio_range_y_scores_1_32_db_above_full_range_y() -> None:
    a, b = noise(seed=1), noise(seed=2)
    full = [image.astype(float) @ [0.299, 0.587, 0.114] for image in (a, b)]
    full_range = 10 * math.log10(255**2 / np.mean((full[0] - full[1]) ** 2))
    assert psnr(a, b) - full_range == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)


def test_psnr_agrees_with_scikit_image_on_rgb() -> None:
    a, b = noise(seed=1), noise(seed=2)
    expected = peak_signal_noise_ratio(a, b, data_range=255)
    assert psnr(a, b, channel="rgb") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_y_scores_are_scikit_images_to_1e_9(kind: str, border: int) -> None:
    a, b = picture(), imresize(imresize(picture(), 0.25), 4)
    if kind == "grey":
        a, b = a[..., 1], b[..., 1]
    ys = [rgb2ycbcr(np.stack([i] * 3, axis=2) if i.ndim == 2 else i)[..., 0] for i in (a, b)]
    inner = [y[border : y.shape[0] - border, border : y.shape[1] - border] for y in ys]
    expected = peak_signal_noise_ratio(*inner, data_range=255)
    assert psnr(a, b, border=border) == pytest.approx(expected, abs=1e-9)
    expected = structural_similarity(
        *inner, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b, border=border) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_scores_of_the_grey_value_are_scikit_images_to_1e_9(metric: Metric) -> None:
    a = picture()[..., 0]
    b = imresize(imresize(a, 0.25), 4)
    expected = (
        peak_signal_noise_ratio(a, b, data_range=255)
        if metric is psnr
        else structural_similarity(
            a.astype(float),
            b.astype(float),
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
    assert metric(a, b, channel="rgb") == pytest.approx(expected, abs=1e-9)


def test_the_three_usual_mistakes_are_other_numbers() -> None:
    hr = picture()
    sr = imresize(imresize(hr, 0.25), 4)
    right = psnr(sr, hr, border=4), ssim(sr, hr, border=4)

    def pillow_y(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).convert("YCbCr"))[..., 0][4:-4, 4:-4]

    full_range = peak_signal_noise_ratio(pillow_y(hr), pillow_y(sr), data_range=255)
    assert right[0] - full_range == pytest.approx(20 * math.log10(255 / 219), abs=0.02)
    ys = [luma(image)[4:-4, 4:-4] for image in (sr, hr)]
    default_window = structural_similarity(*ys, data_range=255)
    assert abs(default_window - right[1]) > 0.005
    assert abs(psnr(sr, hr) - right[0]) > 0.01
    assert abs(ssim(sr, hr) - right[1]) > 0.0001


def test_equal_images_score_the_maximum() -> None:
    assert psnr(noise(), noise()) == math.inf
    assert ssim(noise(), noise()) == pytest.approx(1)
    assert psnr_b(np.full((16, 16), 9, dtype=np.uint8), np.full((16, 16), 9, dtype=np.uint8)) == (
        math.inf
    )


def test_the_border_is_not_looked_at() -> None:
    a = noise()
    b = a.copy()
    b[:2], b[-2:], b[:, :2], b[:, -2:] = 0, 0, 0, 0
    assert psnr(a, b, border=2) == math.inf
    assert psnr(a, b, border=1) < math.inf
    assert ssim(a, b, border=2) == pytest.approx(1)


def gaussian_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM written out window by window, from the definition (Wang et al. 2004)."""
    offsets = np.arange(11) - 5
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    scores = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (i[top : top + 11, left : left + 11] for i in (a, b))
            mx, my = (kernel * x).sum(), (kernel * y).sum()
            vx, vy = (kernel * x * x).sum() - mx * mx, (kernel * y * y).sum() - my * my
            cov = (kernel * x * y).sum() - mx * my
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            scores.append(
                (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
            )
    return float(np.mean(scores))


def test_ssim_is_the_definition_over_whole_windows() -> None:
    a = noise(16, 20)
    b = np.clip(a.astype(int) + np.random.default_rng(3).integers(-40, 41, a.shape), 0, 255)
    b = b.astype(np.uint8)
    assert ssim(a, b) == pytest.approx(gaussian_ssim(luma(a), luma(b)), abs=1e-9)


def test_ssim_on_rgb_is_the_mean_over_channels() -> None:
    a, b = noise(16, 20, 1), noise(16, 20, 2)
    channels = [gaussian_ssim(a[..., c].astype(float), b[..., c].astype(float)) for c in range(3)]
    assert ssim(a, b, channel="rgb") == pytest.approx(np.mean(channels), abs=1e-9)


def test_blocking_effect_of_a_step_on_the_grid_is_exact() -> None:
    plane = np.zeros((16, 16))
    plane[:, 8:] = 10  # 16 steps of 100 among 32 boundary pairs; none elsewhere
    assert blocking_effect(plane) == pytest.approx(16 * 100 / 32 * 3 / 4)


def test_a_step_off_the_grid_is_no_blocking() -> None:
    plane = np.zeros((16, 16))
    plane[:, 7:] = 10
    assert blocking_effect(plane) == 0


def written_out_blocking(plane: np.ndarray) -> float:
    """Yim and Bovik's factor, pair of neighbours by pair of neighbours."""
    height, width = plane.shape
    on, off = [], []
    for y in range(height):
        for x in range(width - 1):
            pair = (plane[y, x] - plane[y, x + 1]) ** 2
            (on if x % 8 == 7 else off).append(pair)
    for y in range(height - 1):
        for x in range(width):
            pair = (plane[y, x] - plane[y + 1, x]) ** 2
            (on if y % 8 == 7 else off).append(pair)
    excess = sum(on) / len(on) - sum(off) / len(off)
    return max(0.0, excess) * 3 / math.log2(min(height, width))


def test_psnr_b_is_the_definition_on_a_jpeg() -> None:
    original = np.ascontiguousarray(picture()[:48, :64])
    damaged = Jpeg(5)(original)
    planes = [(damaged[..., c].astype(float), original[..., c].astype(float)) for c in range(3)]
    assert written_out_blocking(planes[1][0]) > 1
    expected = [
        10 * math.log10(255**2 / (np.mean((d - o) ** 2) + written_out_blocking(d)))
        for d, o in planes
    ]
    assert psnr_b(damaged, original) == pytest.approx(np.mean(expected), abs=1e-9)


def test_psnr_b_adds_the_blocking_of_the_restored_image_only() -> None:
    flat = np.full((16, 16), 100, dtype=np.uint8)
    step = flat.copy()
    step[:, 8:] += 10
    error = 50.0  # half of the pixels are off by 10
    assert psnr_b(step, flat) == pytest.approx(10 * math.log10(255**2 / (error + 37.5)))
    assert psnr_b(flat, step) == pytest.approx(psnr(flat, step, channel="rgb"))


def test_sizes_that_differ_raise() -> None:
    for metric in (psnr, ssim, psnr_b):
        with pytest.raises(ShapeError, match="differ in shape"):
            metric(noise(32, 40), noise(32, 41))


def test_what_is_no_image_raises() -> None:
    with pytest.raises(KindError, match="float64"):
        psnr(noise() / 255, noise() / 255)
    with pytest.raises(ShapeError, match="H, W, 3"):
        psnr(noise()[..., :2], noise()[..., :2])
    with pytest.raises(ConfigError, match="y, rgb"):
        psnr(noise(), noise(), channel="l")
    with pytest.raises(ShapeError, match="leaves nothing"):
        psnr(noise(4, 4), noise(4, 4), border=2)
    with pytest.raises(ShapeError, match="11 pixels"):
        ssim(noise(10, 20), noise(10, 20))
    with pytest.raises(ShapeError, match="16 pixels"):
        psnr_b(noise(15, 20), noise(15, 20))


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (32, 40), (99, 7)])
def test_the_largest_window_is_that_of_a_loop(size: tuple[int, int]) -> None:
    plane = noise()[..., 0].astype(np.float32)
    height, width = min(size[0], 32), min(size[1], 40)
    means = {
        (top, left): plane[top : top + height, left : left + width].mean(dtype=np.float64)
        for top in range(33 - height)
        for left in range(41 - width)
    }
    top, left, mean = largest_window(plane, *size)
    assert mean == pytest.approx(max(means.values()))
    assert means[top, left] == pytest.approx(mean)


def test_of_equal_windows_the_first_counts() -> None:
    assert largest_window(np.ones((8, 8)), 3, 3) == (0, 0, 1.0)
