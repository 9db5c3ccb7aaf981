"""The cache of small versions: met again, and not believed when damaged or of another image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from swin2sr.errors import OutputError
from swin2sr.images.resize import imresize
from swin2sr.training import cache, read_images
from tests.training.test_patches import noise


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The scales at which images were made small, one entry each time."""
    calls: list[float] = []

    def counted(image: np.ndarray, scale: float) -> np.ndarray:
        calls.append(scale)
        return imresize(image, scale)

    monkeypatch.setattr(cache, "imresize", counted)
    return calls


def test_an_image_is_made_small_once(tmp_path: Path, made: list[float]) -> None:
    image = noise(24, 32)
    first = cache.shrunk(image, 2, tmp_path / "cache")
    again = cache.shrunk(image.copy(), 2, tmp_path / "cache")
    assert np.array_equal(first, imresize(image, 0.5))
    assert np.array_equal(again, first)
    assert made == [0.5]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lr"]


def test_another_scale_or_image_is_another_entry(tmp_path: Path, made: list[float]) -> None:
    image = noise(24, 32)
    other = image.copy()
    other[20, 30, 2] ^= 1  # one bit
    results = [
        cache.shrunk(image, 2, tmp_path),
        cache.shrunk(image, 4, tmp_path),
        cache.shrunk(other, 2, tmp_path),
        cache.shrunk(image.reshape(32, 24, 3), 2, tmp_path),  # the same bytes
    ]
    assert [result.shape for result in results] == [
        (12, 16, 3),
        (6, 8, 3),
        (12, 16, 3),
        (16, 12, 3),
    ]
    assert made == [0.5, 0.25, 0.5, 0.5]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "longer"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, made: list[float], damage: str) -> None:
    image = noise(24, 32)
    cache.shrunk(image, 2, tmp_path)
    (entry,) = tmp_path.iterdir()
    data = entry.read_bytes()
    flipped = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    entry.write_bytes(
        {"flipped": flipped, "cut": data[:-5], "empty": b"", "longer": data * 2}[damage]
    )
    assert np.array_equal(cache.shrunk(image, 2, tmp_path), imresize(image, 0.5))
    assert made == [0.5, 0.5]
    assert entry.read_bytes() == data


def test_without_a_folder_nothing_is_kept(tmp_path: Path, made: list[float]) -> None:
    for _ in range(2):
        cache.shrunk(noise(24, 32), 2, None)
    assert made == [0.5, 0.5]


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        cache.shrunk(noise(24, 32), 2, tmp_path / "file" / "cache")


def test_images_read_through_the_cache_are_the_same(
    pictures: Path, tmp_path: Path, made: list[float]
) -> None:
    plain = read_images(pictures, 2)
    first = read_images(pictures, 2, cache=tmp_path / "cache")
    again = read_images(pictures, 2, cache=tmp_path / "cache")
    assert len(made) == 8
    for pairs in (first, again):
        assert all(np.array_equal(a, b) for a, b in zip(plain.lr, pairs.lr, strict=True))
