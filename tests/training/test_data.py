"""Pairs of images: made once, kept apart from validation, refused when they do not serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swin2sr.errors import ConfigError, ImageError, OutputError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.resize import imresize
from swin2sr.training import Pairs, data, read_images, split
from swin2sr.training.data import compressed, downscaled, find_images
from tests.training.test_patches import noise, repeated


def test_lr_is_matlabs_bicubic_of_hr_cropped_to_the_scale(pictures: Path) -> None:
    pairs = read_images(pictures, 2)
    assert pairs.names == ("a.png", "b.webp", "more/c.png", "more/d.png")
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        assert hr.shape == (40, 44, 3)
        assert np.array_equal(lr, imresize(hr, 0.5))


def test_pixels_are_the_files(pictures: Path) -> None:
    with Image.open(pictures / "a.png") as image:
        assert np.array_equal(read_images(pictures, 1).hr[0], np.asarray(image))


def test_at_scale_1_lr_is_hr(pictures: Path) -> None:
    pairs = read_images(pictures, 1)
    assert all(lr is hr for lr, hr in zip(pairs.lr, pairs.hr, strict=True))


def test_grey_networks_get_the_brightness(pictures: Path) -> None:
    pairs = read_images(pictures, 2, channels=1)
    assert pairs.hr[0].shape == (40, 44, 1)
    assert pairs.lr[0].shape == (20, 22, 1)
    with Image.open(pictures / "a.png") as image:
        expected = np.asarray(image.convert("L"))
    assert np.abs(pairs.hr[0][..., 0].astype(int) - expected).max() <= 1
    with Image.open(pictures / "more" / "d.png") as image:  # grey already
        assert np.array_equal(pairs.hr[3][..., 0], np.asarray(image)[:, :44])


def test_hidden_files_and_the_folder_of_the_run_are_not_looked_into(pictures: Path) -> None:
    (pictures / ".hidden.png").write_bytes(b"")
    (pictures / "out").mkdir()
    (pictures / "out" / "curves.png").write_bytes(b"")
    (pictures / "folder.png").mkdir()
    names = ["a.png", "b.webp", "c.png", "d.png"]
    found = find_images(pictures, without=pictures / "more" / ".." / "out")
    assert [path.name for path in found] == names
    # A run may also lie around the images.
    (pictures / "out" / "curves.png").unlink()
    assert [path.name for path in find_images(pictures, without=pictures.parent)] == names


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


@pytest.mark.parametrize("channels", [1, 3])
def test_validation_of_jpeg_recipes_sees_jpeg_always_the_same(channels: int) -> None:
    image = noise(24, 24)[..., :channels]
    pairs = Pairs(1, (image,) * 6, (image,) * 6, tuple("abcdef"))
    damaged = compressed(pairs, (10, 40))
    plain = [lr[..., 0] if channels == 1 else lr for lr in damaged.lr]
    source = image[..., 0] if channels == 1 else image
    candidates = [Jpeg(quality)(np.ascontiguousarray(source)) for quality in range(10, 41)]
    met = [next(i for i, c in enumerate(candidates) if np.array_equal(c, lr)) for lr in plain]
    assert len(set(met)) > 2
    again = compressed(pairs, (10, 40))
    assert all(np.array_equal(a, b) for a, b in zip(damaged.lr, again.lr, strict=True))
    assert damaged.hr is pairs.hr


def test_the_digest_knows_names_and_contents() -> None:
    image = noise(8, 8)
    other = image.copy()
    other[3, 4, 1] ^= 1
    digests = {
        Pairs(1, (image,), (image,), ("a",)).digest(),
        Pairs(1, (image,), (image,), ("b",)).digest(),
        Pairs(1, (other,), (other,), ("a",)).digest(),
        Pairs(2, (image,), (image,), ("a",)).digest(),
    }
    assert len(digests) == 4
    assert Pairs(1, (image,), (image.copy(),), ("a",)).digest() in digests


def test_what_cannot_be_trained_on_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No images"):
        read_images(tmp_path / "nowhere", 2)
    with pytest.raises(ConfigError, match="hold out 4 of 4"):
        split(read_images(pictures, 2), 4)
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    with pytest.raises(ImageError, match=r"broken\.png"):
        read_images(pictures, 2)
    with pytest.raises(ImageError, match="too small"):
        read_images(pictures, 32, paths=[pictures / "a.png"])


# ------------------------------------------------------------------ the cache of small versions


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The scales at which images were made small, one entry each time."""
    calls: list[float] = []

    def counted(image: np.ndarray, scale: float) -> np.ndarray:
        calls.append(scale)
        return imresize(image, scale)

    monkeypatch.setattr(data, "imresize", counted)
    return calls


def test_an_image_is_made_small_once(tmp_path: Path, made: list[float]) -> None:
    image = noise(24, 32)
    first = downscaled(image, 2, tmp_path / "cache")
    again = downscaled(image.copy(), 2, tmp_path / "cache")
    assert np.array_equal(first, imresize(image, 0.5))
    assert np.array_equal(again, first)
    assert made == [0.5]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lr"]


def test_another_scale_or_image_is_another_entry(tmp_path: Path, made: list[float]) -> None:
    image = noise(24, 32)
    other = image.copy()
    other[20, 30, 2] ^= 1  # one bit
    results = [
        downscaled(image, 2, tmp_path),
        downscaled(image, 4, tmp_path),
        downscaled(other, 2, tmp_path),
        downscaled(image.reshape(32, 24, 3), 2, tmp_path),  # the same bytes
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
    downscaled(image, 2, tmp_path)
    (entry,) = tmp_path.iterdir()
    content = entry.read_bytes()
    flipped = content[:100] + bytes([content[100] ^ 1]) + content[101:]
    entry.write_bytes(
        {"flipped": flipped, "cut": content[:-5], "empty": b"", "longer": content * 2}[damage]
    )
    assert np.array_equal(downscaled(image, 2, tmp_path), imresize(image, 0.5))
    assert made == [0.5, 0.5]
    assert entry.read_bytes() == content


def test_without_a_folder_nothing_is_kept(tmp_path: Path, made: list[float]) -> None:
    for _ in range(2):
        downscaled(noise(24, 32), 2, None)
    assert made == [0.5, 0.5]


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        downscaled(noise(24, 32), 2, tmp_path / "file" / "cache")


def test_images_read_through_the_cache_are_the_same(
    pictures: Path, tmp_path: Path, made: list[float]
) -> None:
    plain = read_images(pictures, 2)
    first = read_images(pictures, 2, cache=tmp_path / "cache")
    again = read_images(pictures, 2, cache=tmp_path / "cache")
    assert len(made) == 8
    for pairs in (first, again):
        assert all(np.array_equal(a, b) for a, b in zip(plain.lr, pairs.lr, strict=True))
