"""Benchmark folders: pairs are found, grey becomes colour, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.datasets import find, load
from swin2sr.errors import ConfigError, ImageError
from swin2sr.resize import imresize


def write(path: Path, height: int, width: int, grey: bool = False, seed: int = 0) -> np.ndarray:
    shape = (height, width) if grey else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_pairs_are_found_by_either_name(tmp_path: Path) -> None:
    write(tmp_path / "Two/HR/b.png", 8, 8)
    write(tmp_path / "Two/HR/a.png", 8, 8)
    write(tmp_path / "Two/LR_bicubic/X2/ax2.png", 4, 4)
    write(tmp_path / "Two/LR_bicubic/X2/b.png", 4, 4)
    benchmark = find(tmp_path, "Two", 2)
    assert [item.name for item in benchmark.items] == ["a", "b"]
    assert [item.lr.name for item in benchmark.items if item.lr] == ["ax2.png", "b.png"]
    assert benchmark.lr_origin == "matlab"


def test_hr_is_cropped_to_lr_times_the_scale_from_the_top_left(tmp_path: Path) -> None:
    hr = write(tmp_path / "One/HR/a.png", 11, 13)
    lr = write(tmp_path / "One/LR_bicubic/X3/ax3.png", 3, 4)
    low, high = load(find(tmp_path, "One", 3).items[0], 3)
    assert np.array_equal(low, lr)
    assert np.array_equal(high, hr[:9, :12])


def test_without_lr_files_they_are_made_and_said_so(tmp_path: Path) -> None:
    hr = write(tmp_path / "One/HR/a.png", 9, 12)
    benchmark = find(tmp_path, "One", 2)
    lr, cropped = load(benchmark.items[0], 2)
    assert benchmark.lr_origin == "imresize"
    assert np.array_equal(lr, imresize(hr[:8], 0.5))
    assert np.array_equal(cropped, hr[:8])


def test_grey_images_count_as_equal_channels(tmp_path: Path) -> None:
    grey = write(tmp_path / "One/HR/a.png", 8, 8, grey=True)
    _, hr = load(find(tmp_path, "One", 2).items[0], 2)
    assert np.array_equal(hr, np.stack([grey] * 3, axis=2))


def test_mistakes_are_named(tmp_path: Path) -> None:
    write(tmp_path / "Here/HR/a.png", 8, 8)
    write(tmp_path / "Here/HR/b.png", 8, 8)
    with pytest.raises(ConfigError, match="found there: Here"):
        find(tmp_path, "There", 2)
    write(tmp_path / "Here/LR_bicubic/X2/ax2.png", 5, 4)
    with pytest.raises(ConfigError, match="no LR image for b"):
        find(tmp_path, "Here", 2)
    write(tmp_path / "Here/LR_bicubic/X2/bx2.png", 4, 4)
    first, _ = find(tmp_path, "Here", 2).items
    with pytest.raises(ImageError, match="asks for 8x10"):
        load(first, 2)
    first.hr.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"a\.png"):
        load(first, 2)
