"""Validation: the PSNR that an evaluation of the same images would print."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from swin2sr.images.resize import imresize
from swin2sr.metrics import psnr
from swin2sr.training import Pairs, read_images, split, validate
from swin2sr.training.validation import baseline
from tests.training.test_patches import noise


class Repeat(torch.nn.Module):
    """Makes every pixel larger."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, pixels: torch.Tensor) -> SimpleNamespace:
        larger = pixels.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return SimpleNamespace(reconstruction=larger)


def test_validation_is_the_psnr_of_rounded_images(pictures: Path) -> None:
    _, held_out = split(read_images(pictures, 2), 1, side=32)
    repeated = np.repeat(np.repeat(held_out.lr[0], 2, axis=0), 2, axis=1)
    expected = psnr(repeated, held_out.hr[0], border=2)
    assert validate(Repeat(2), held_out) == pytest.approx(expected, abs=1e-9)


def test_no_border_is_left_out_at_scale_1() -> None:
    hr, lr = noise(16, 20), noise(16, 20, seed=1)
    lr[4:-4, 4:-4] = hr[4:-4, 4:-4]  # all of the error is at the border
    pairs = Pairs(1, (lr,), (hr,), ("one",))
    assert validate(Repeat(1), pairs) == pytest.approx(psnr(lr, hr), abs=1e-9)
    assert baseline(pairs) == pytest.approx(psnr(lr, hr), abs=1e-9)


def test_grey_images_are_scored_as_grey() -> None:
    hr, lr = noise(16, 20)[..., :1], noise(16, 20, seed=1)[..., :1]
    pairs = Pairs(1, (lr,), (hr,), ("one",))
    assert validate(Repeat(1), pairs) == pytest.approx(psnr(lr[..., 0], hr[..., 0]), abs=1e-9)


def test_the_baseline_is_bicubic() -> None:
    hr = noise(16, 20)
    lr = imresize(hr, 0.5)
    expected = psnr(imresize(lr, 2), hr, border=2)
    assert baseline(Pairs(2, (lr,), (hr,), ("one",))) == pytest.approx(expected, abs=1e-9)


def test_without_images_there_is_no_score() -> None:
    assert math.isnan(validate(Repeat(2), Pairs(2, (), (), ())))
    assert math.isnan(baseline(Pairs(2, (), (), ())))
