"""Pairs and patches: aligned, reproducible, and kept apart from validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from swin2sr.errors import ConfigError, ImageError
from swin2sr.resize import imresize
from swin2sr.training import Pairs, read_images, sample, split


def repeated(height: int = 12, width: int = 14, scale: int = 2) -> Pairs:
    """One pair whose HR image repeats each LR pixel, all LR pixels different."""
    lr = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1).repeat(3, axis=2)
    hr = lr.repeat(scale, axis=0).repeat(scale, axis=1)
    return Pairs(scale, (lr,), (hr,), ("counted",))


def test_lr_is_matlabs_bicubic_of_hr_cropped_to_the_scale(pictures: Path) -> None:
    pairs = read_images(pictures, 2)
    assert pairs.names == ("a.png", "b.webp", "more/c.png", "more/d.png")
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        assert hr.shape == (40, 44, 3)
        assert np.array_equal(lr, imresize(hr, 0.5))


def test_lr_and_hr_patches_stay_aligned_through_flips_and_turns() -> None:
    for step in range(20):
        lr, hr = sample(repeated(), patch=5, batch=3, seed=0, step=step)
        assert lr.shape == (3, 3, 5, 5)
        assert hr.shape == (3, 3, 10, 10)
        enlarged = lr.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert (enlarged == hr).all()


def test_a_step_always_gets_the_same_patches_and_others_get_others() -> None:
    def batch(seed: int, step: int) -> list[float]:
        lr, _ = sample(repeated(), 5, 4, seed, step)
        return lr.flatten().tolist()

    assert batch(0, 3) == batch(0, 3)
    assert batch(0, 3) != batch(0, 4)
    assert batch(0, 3) != batch(1, 3)


def test_all_eight_orientations_occur() -> None:
    lr = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2)
    pairs = Pairs(1, (lr,), (lr,), ("one",))
    patches, _ = sample(pairs, patch=4, batch=200, seed=0, step=0)
    assert len({tuple(patch[0].flatten().tolist()) for patch in patches}) == 8


def test_every_position_is_equally_likely() -> None:
    small, large = repeated(5, 5), repeated(5, 14)  # 1 and 10 places for a patch of 5
    pairs = Pairs(2, small.lr + large.lr, small.hr + large.hr, ("small", "large"))
    patches, _ = sample(pairs, patch=5, batch=2200, seed=0, step=0)
    centres = (patches[:, 0, 2, 2] * 255).round().int()
    counts = {int(value): int((centres == value).sum()) for value in centres.unique()}
    # The centre of the small image and of the large one's first place is 12 or 2 * 14 + 2 = 30.
    assert set(counts) == {12, *range(30, 40)}
    assert min(counts.values()) > 140
    assert max(counts.values()) < 270


def test_patches_are_floats_between_0_and_1() -> None:
    lr, hr = sample(repeated(), 5, 2, 0, 0)
    assert lr.dtype == hr.dtype
    assert str(lr.dtype) == "torch.float32"
    assert lr.min() >= 0
    assert lr.max() <= 167 / 255


def test_held_out_images_are_not_trained_on(pictures: Path) -> None:
    pairs = read_images(pictures, 2)
    training, held_out = split(pairs, 2, side=16)
    assert not set(training.names) & set(held_out.names)
    assert set(training.names) | set(held_out.names) == set(pairs.names)
    assert split(pairs, 2, side=16)[1].names == held_out.names


def test_validation_sees_aligned_centres(pictures: Path) -> None:
    _, held_out = split(read_images(pictures, 2), 1, side=16)
    assert held_out.lr[0].shape == (8, 8, 3)
    assert held_out.hr[0].shape == (16, 16, 3)
    _, counted = split(Pairs(2, *(v * 2 for v in (repeated().lr, repeated().hr)), ("a", "b")), 1, 8)
    assert np.array_equal(counted.hr[0][::2, ::2], counted.lr[0])


def test_what_cannot_be_trained_on_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No images"):
        read_images(tmp_path / "nowhere", 2)
    with pytest.raises(ConfigError, match="hold out 4 of 4"):
        split(read_images(pictures, 2), 4)
    with pytest.raises(ConfigError, match="13x13"):
        sample(repeated(), 13, 1, 0, 0)
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    with pytest.raises(ImageError, match=r"broken\.png"):
        read_images(pictures, 2)
    with pytest.raises(ImageError, match="too small"):
        read_images(pictures, 32, [pictures / "a.png"])
