"""MATLAB's bicubic: against torch's own kernel, against laws, and against MATLAB-made images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.images.resize import imresize, imresize_tensor


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def witness(image: np.ndarray, scale: float, mode: str) -> np.ndarray:
    """torch's antialiased kernel on an image extended by whole result pixels, cropped."""
    factor = round(max(scale, 1 / scale))
    pad = 8 * factor
    values = np.pad(image.astype(np.float64), ((pad, pad), (pad, pad), (0, 0)), mode=mode)
    tensor = torch.from_numpy(values).permute(2, 0, 1)[None]
    size = [round(side * scale) for side in tensor.shape[2:]]
    resized = F.interpolate(tensor, size=size, mode="bicubic", antialias=True)
    edge = round(pad * scale)
    return resized[0, :, edge:-edge, edge:-edge].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("border", ["mirror", "edge"])
@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 3, 4])
def test_floating_point_equals_torch_on_an_extended_image(scale: float, border: str) -> None:
    image = noise(48, 60)
    mode = {"mirror": "symmetric", "edge": "edge"}[border]
    ours = imresize(image.astype(np.float64), scale, border=border)
    np.testing.assert_allclose(ours, witness(image, scale, mode), atol=1e-10)


def test_bytes_are_rounded_after_each_pass_rows_first() -> None:
    image = noise(24, 36)
    rows = np.clip(np.floor(imresize(image.astype(float), size=(12, 36)) + 0.5), 0, 255)
    both = np.clip(np.floor(imresize(rows, size=(12, 18)) + 0.5), 0, 255)
    once = np.clip(np.floor(imresize(image.astype(float), 0.5) + 0.5), 0, 255)
    assert np.array_equal(imresize(image, 0.5), both)
    assert not np.array_equal(both, once)


def test_halves_are_rounded_up() -> None:
    image = np.array([[0, 1], [0, 1]], dtype=np.uint8)
    assert imresize(image.astype(float), size=(2, 1)).tolist() == [[0.5], [0.5]]
    assert imresize(image, size=(2, 1)).tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("side", "scale", "expected"), [(9, 1 / 3, 3), (10, 1 / 3, 4), (7, 0.5, 4), (7, 3, 21)]
)
def test_a_scale_gives_as_many_pixels_as_matlab(side: int, scale: float, expected: int) -> None:
    assert imresize(noise(side, side), scale).shape == (expected, expected, 3)


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    scale=st.sampled_from([0.25, 1 / 3, 0.5, 0.7, 1.0, 1.5, 2.0, 4.0]),
    value=st.integers(0, 255),
    border=st.sampled_from(["mirror", "edge"]),
)
def test_a_constant_image_stays_constant(
    height: int, width: int, scale: float, value: int, border: str
) -> None:
    image = np.full((height, width), value, dtype=np.uint8)
    assert (imresize(image, scale, border=border) == value).all()


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.5, 2.0, 3.0]))
def test_resizing_commutes_with_mirroring(height: int, width: int, scale: float) -> None:
    image = noise(height, width).astype(np.float64)
    if scale < 1:  # an odd side has no symmetric half grid: keep the sides even
        image = np.concatenate([image, image[:, ::-1]], axis=1)
        image = np.concatenate([image, image[::-1]], axis=0)
    flipped = imresize(image[:, ::-1], scale)[:, ::-1]
    np.testing.assert_allclose(flipped, imresize(image, scale), atol=1e-9)


def test_scale_one_changes_nothing() -> None:
    assert np.array_equal(imresize(noise(5, 7), 1), noise(5, 7))


def test_tensors_and_arrays_get_the_same_numbers() -> None:
    image = noise(12, 18).astype(np.float32)
    tensor = imresize_tensor(torch.from_numpy(image).permute(2, 0, 1)[None], 0.5)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor[0].permute(1, 2, 0).numpy(), imresize(image, 0.5))


def test_what_cannot_be_resized_is_refused() -> None:
    image = noise(4, 4)
    with pytest.raises(ConfigError, match="either a scale or a size"):
        imresize(image)
    with pytest.raises(ConfigError, match="either a scale or a size"):
        imresize(image, 2, (8, 8))
    with pytest.raises(ConfigError, match="positive"):
        imresize(image, 0)
    with pytest.raises(ConfigError, match="at least 1"):
        imresize(image, size=(0, 3))
    with pytest.raises(ConfigError, match="mirror, edge"):
        imresize(image, 2, border="wrap")
    with pytest.raises(KindError, match="int32"):
        imresize(image.astype(np.int32), 2)
    with pytest.raises(ShapeError, match="H, W"):
        imresize(np.zeros((0, 3), dtype=np.uint8), 2)
    with pytest.raises(ShapeError, match="B, C, H, W"):
        imresize_tensor(torch.zeros(3, 4, 4), 2)


@pytest.mark.benchmark
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("name", "border"), [("Set5", "mirror"), ("Set14", "edge")])
def test_every_value_equals_the_images_matlab_made(
    shared_data: Path, name: str, border: str, scale: int
) -> None:
    folder = shared_data / "benchmarks" / name
    found = sorted((folder / "HR").iterdir())
    assert found
    for path in found:
        small = folder / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}{path.suffix}"
        with Image.open(path) as hr_file, Image.open(small) as lr_file:
            hr, lr = np.array(hr_file), np.array(lr_file)
        hr = hr[: lr.shape[0] * scale, : lr.shape[1] * scale]
        assert np.array_equal(imresize(hr, 1 / scale, border=border), lr), path.name
