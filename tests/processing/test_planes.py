"""Pixels to tensors and back: values kept, clipped, other shapes refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swin2sr.errors import KindError, ShapeError
from swin2sr.processing import to_pixels, to_tensor


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_survive_the_way_to_a_tensor_and_back(channels: int) -> None:
    pixels = np.random.default_rng(0).random((5, 7, channels), dtype=np.float32)
    tensor = to_tensor(pixels)
    assert (tensor.shape, tensor.dtype) == ((1, channels, 5, 7), torch.float32)
    np.testing.assert_array_equal(to_pixels(tensor), pixels)
    tensor.zero_()
    assert pixels.max() > 0


def test_pixels_are_clipped_and_single_precision() -> None:
    pixels = to_pixels(torch.tensor([-0.2, 0.25, 1.3])[None, :, None, None].half())
    assert pixels.dtype == np.float32
    assert pixels.ravel().tolist() == [0, 0.25, 1]


def test_pixels_and_tensors_of_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        to_tensor(np.zeros((4, 4), np.float32))
    with pytest.raises(KindError):
        to_tensor(np.zeros((4, 4, 3), np.uint8))
    for shape in ((3, 4, 4), (2, 3, 4, 4)):
        with pytest.raises(ShapeError):
            to_pixels(torch.zeros(shape))
