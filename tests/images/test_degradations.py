"""Degradations: what they do is what the libraries do, and chains keep their order."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.images.degradations import Bicubic, Chain, Jpeg
from swin2sr.images.resize import imresize


def picture(height: int = 32, width: int = 48) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 7, columns * 5, rows * columns]
    return (np.stack(planes, axis=2) % 256).astype(np.uint8)


def test_bicubic_crops_to_a_multiple_then_shrinks() -> None:
    assert np.array_equal(Bicubic(3)(picture(32, 47)), imresize(picture()[:30, :45], 1 / 3))


def test_jpeg_is_pillows_jpeg_of_that_quality() -> None:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", quality=10)
    assert Jpeg(10).encode(picture()) == file.getvalue()
    assert np.array_equal(Jpeg(10)(picture()), np.array(Image.open(file)))


def test_lower_quality_is_smaller_and_worse() -> None:
    errors = [np.abs(Jpeg(q)(picture()).astype(int) - picture()).mean() for q in (10, 40, 95)]
    assert errors[0] > errors[1] > errors[2] > 0
    assert len(Jpeg(10).encode(picture())) < len(Jpeg(95).encode(picture()))


def test_full_colour_keeps_more_than_subsampled() -> None:
    error = {
        kind: np.abs(Jpeg(90, kind)(picture()).astype(int) - picture()).mean()
        for kind in ("4:2:0", "4:4:4")
    }
    assert error["4:4:4"] < error["4:2:0"]


def test_grey_stays_grey() -> None:
    assert Chain((Bicubic(2), Jpeg(30)))(picture()[..., 0]).shape == (16, 24)


def test_a_chain_applies_in_order() -> None:
    chain = Chain((Bicubic(2), Jpeg(20)))
    assert np.array_equal(chain(picture()), Jpeg(20)(Bicubic(2)(picture())))
    assert not np.array_equal(chain(picture()), Bicubic(2)(Jpeg(20)(picture())))


def test_the_input_is_left_alone() -> None:
    image = picture()
    Chain((Jpeg(10), Bicubic(2)))(image)
    assert np.array_equal(image, picture())


def test_what_cannot_be_degraded_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 100"):
        Jpeg(0)
    with pytest.raises(ConfigError, match="4:4:4"):
        Jpeg(10, "4:1:1")
    with pytest.raises(ConfigError, match="at least 1"):
        Bicubic(0)
    with pytest.raises(ShapeError, match="cannot be shrunk"):
        Bicubic(4)(picture(3, 8))
    with pytest.raises(KindError, match="uint8"):
        Chain(())(picture() / 255)
    with pytest.raises(ShapeError, match="H, W, 3"):
        Jpeg(10)(picture()[..., :2])
