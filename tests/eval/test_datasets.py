"""Sets are found in the layouts people have, pairs fit, and what does not is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.sets.datasets import (
    SAMPLE,
    SAMPLE_FILES,
    available,
    canonical,
    find,
    is_usual,
    load,
    sample,
)
from swin2sr.errors import ConfigError, ImageError
from swin2sr.images.resize import imresize


def write(path: Path, height: int, width: int, grey: bool = False, seed: int = 0) -> np.ndarray:
    shape = (height, width) if grey else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.mark.parametrize(
    ("hr", "lr", "name"),
    [
        ("Set5/HR/baby.png", "Set5/LR_bicubic/X2/babyx2.png", "baby"),
        ("Set5/HR/baby.png", "Set5/LR_bicubic/X2/baby.png", "baby"),
        ("set5/hr/baby.bmp", "set5/lr_bicubic/x2/babyx2.bmp", "baby"),
        (
            "Set5/image_SRF_2/img_001_SRF_2_HR.png",
            "Set5/image_SRF_2/img_001_SRF_2_LR.png",
            "img_001",
        ),
        ("Set5_HR/baby.png", "Set5_LR_x2/baby.png", "baby"),
        ("Set5/Set5_HR/baby.png", "Set5/Set5_LR_x2/baby.png", "baby"),
        ("Set5/GTmod12/baby.png", "Set5/LRbicx2/baby.png", "baby"),
        ("Set5/baby.png", "Set5/LR/X2/baby_x2.png", "baby"),
        ("Set5/baby.png", None, "baby"),
    ],
)
def test_pairs_are_found_in_every_layout(
    tmp_path: Path, hr: str, lr: str | None, name: str
) -> None:
    write(tmp_path / hr, 8, 8)
    if lr is not None:
        write(tmp_path / lr, 4, 4)
    benchmark = find(tmp_path, "Set5", 2)
    assert [item.name for item in benchmark.items] == [name]
    assert benchmark.items[0].hr == tmp_path / hr
    assert benchmark.items[0].lr == (None if lr is None else tmp_path / lr)


def urban(folder: Path, number: int, side: int) -> Path:
    """Write one original of Urban100 and its small image, in the layout of its authors."""
    place = folder / "Urban100" / f"image_SRF_{number}"
    write(place / f"img_001_SRF_{number}_HR.png", side // 2, side)
    write(place / f"img_001_SRF_{number}_LR.png", side // 2 // number, side // number)
    return place / f"img_001_SRF_{number}_HR.png"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_urban100_is_read_from_the_originals_that_papers_use(tmp_path: Path, scale: int) -> None:
    urban(tmp_path, 2, 512)
    full = urban(tmp_path, 4, 1024)
    found = find(tmp_path, "Urban100", scale)
    assert [(item.name, item.hr) for item in found.items] == [("img_001", full)]
    assert (found.items[0].lr is None) == (scale != 4)
    assert "image_SRF_4" in found.remark
    assert load(found.items[0], scale).hr.shape == (512, 1024, 3)
    assert available(tmp_path) == ["Urban100"]


def test_half_size_pairs_of_urban100_must_be_asked_for(tmp_path: Path) -> None:
    half = urban(tmp_path, 2, 512)
    assert available(tmp_path) == []
    with pytest.raises(ConfigError, match="half the size") as caught:
        find(tmp_path, "urban100", 2)
    assert "Urban100-half" in caught.value.remedy
    found = find(tmp_path, "urban100-half", 2)
    assert found.name == "Urban100-half"
    assert (found.items[0].hr, found.items[0].lr is not None) == (half, True)
    assert "print" in found.remark
    with pytest.raises(ConfigError, match="No images"):
        find(tmp_path, "Urban100-half", 3)


def test_half_size_pairs_are_not_taken_from_full_ones(tmp_path: Path) -> None:
    urban(tmp_path, 4, 1024)
    with pytest.raises(ConfigError, match="No images"):
        find(tmp_path, "Urban100-half", 4)


def test_div2k_is_found_under_the_name_of_its_archives(tmp_path: Path) -> None:
    write(tmp_path / "DIV2K_valid_HR/0801.png", 8, 8)
    write(tmp_path / "DIV2K_valid_LR_bicubic/X4/0801x4.png", 2, 2)
    (item,) = find(tmp_path, "DIV2K", 4).items
    assert item.lr == tmp_path / "DIV2K_valid_LR_bicubic/X4/0801x4.png"


def test_a_set_itself_may_be_given_as_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "B100/HR/a.png", 8, 8)
    assert find(tmp_path / "B100", "bsd100", 2).name == "BSD100"


def test_images_of_other_sets_are_not_taken_for_this_one(tmp_path: Path) -> None:
    write(tmp_path / "HR/a.png", 8, 8)
    write(tmp_path / "b.png", 8, 8)
    with pytest.raises(ConfigError, match="No images of 'Set5' x2"):
        find(tmp_path, "Set5", 2)


def test_names_have_an_order_and_hidden_files_are_none(tmp_path: Path) -> None:
    for name in ("b", "a-c", "a", "._a"):
        write(tmp_path / f"Own/HR/{name}.png", 8, 8)
    assert [item.name for item in find(tmp_path, "Own", 2).items] == ["a", "a-c", "b"]


def test_one_set_has_one_name(tmp_path: Path) -> None:
    assert canonical("b100") == canonical("BSDS100") == canonical("BSD100")
    assert canonical("mine") == ("mine", ("mine",), None)
    write(tmp_path / "urban100/HR/a.png", 8, 8)
    write(tmp_path / "Mine/HR/a.png", 8, 8)
    write(tmp_path / "empty/other.txt.png", 8, 8)
    assert available(tmp_path) == ["Urban100", "Mine"]


def test_sets_are_for_the_tasks_papers_use_them_for() -> None:
    assert is_usual("Set5", 2)
    assert not is_usual("Set5", 1)
    assert is_usual("LIVE1", 1)
    assert not is_usual("Classic5", 4)
    assert is_usual("mine", 1)
    assert is_usual("mine", 3)


def test_a_set_with_images_missing_knows_it(tmp_path: Path) -> None:
    write(tmp_path / "Set5/HR/a.png", 8, 8)
    write(tmp_path / "Own/HR/a.png", 8, 8)
    assert not find(tmp_path, "Set5", 2).complete
    assert find(tmp_path, "Own", 2).complete


def test_the_packaged_set_needs_no_folder() -> None:
    benchmark = find(None, "sample", 2)
    assert benchmark.name == SAMPLE
    assert [item.name for item in benchmark.items] == list(SAMPLE_FILES)
    assert load(sample(1).items[1], 1).hr.shape == (512, 512)


def test_hr_is_cropped_to_lr_times_the_scale_from_the_top_left(tmp_path: Path) -> None:
    hr = write(tmp_path / "One/HR/a.png", 11, 13)
    lr = write(tmp_path / "One/LR_bicubic/X3/ax3.png", 3, 4)
    pair = load(find(tmp_path, "One", 3).items[0], 3)
    assert pair.lr is not None
    assert np.array_equal(pair.lr, lr)
    assert np.array_equal(pair.hr, hr[:9, :12])


def test_without_lr_files_they_are_to_be_made(tmp_path: Path) -> None:
    hr = write(tmp_path / "One/HR/a.png", 9, 12)
    pair = load(find(tmp_path, "One", 2).items[0], 2)
    assert pair.lr is None
    assert pair.lr_origin == "made"
    assert np.array_equal(pair.hr, hr)


@pytest.mark.parametrize("border", ["mirror", "edge"])
def test_matlabs_small_images_are_recognised(tmp_path: Path, border: str) -> None:
    hr = write(tmp_path / "One/HR/a.png", 33, 40)
    small = imresize(hr[:32], 0.5, border=border)
    path = tmp_path / "One/LR_bicubic/X2/a.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(small).save(path)
    (item,) = find(tmp_path, "One", 2).items
    assert load(item, 2).lr_origin == border
    assert load(item, 2, make_lr=True).lr_origin == "made"
    small[3, 3] ^= 1
    Image.fromarray(small).save(path)
    assert load(item, 2).lr_origin == "other"


def test_grey_is_what_is_stored_as_grey(tmp_path: Path) -> None:
    grey = write(tmp_path / "Two/HR/a.png", 8, 8, grey=True)
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "Two/HR/b.png")
    first, second = (load(item, 1).hr for item in find(tmp_path, "Two", 1).items)
    assert np.array_equal(first, grey)
    assert second.shape == (8, 8, 3)


def test_a_grey_original_with_a_coloured_small_image_is_colour(tmp_path: Path) -> None:
    grey = write(tmp_path / "One/HR/a.png", 8, 8, grey=True)
    write(tmp_path / "One/LR_bicubic/X2/a.png", 4, 4)
    pair = load(find(tmp_path, "One", 2).items[0], 2)
    assert np.array_equal(pair.hr, np.stack([grey] * 3, axis=2))


def test_equal_images_have_one_digest_and_others_another(tmp_path: Path) -> None:
    write(tmp_path / "x/One/HR/a.png", 8, 8)
    write(tmp_path / "y/One/HR/a.png", 8, 8)
    first, second = (find(tmp_path / place, "One", 2) for place in "xy")
    assert first.digest() == second.digest()
    write(tmp_path / "y/One/HR/a.png", 8, 8, seed=1)
    assert first.digest() != find(tmp_path / "y", "One", 2).digest()
    write(tmp_path / "x/One/LR/X2/a.png", 4, 4)
    assert first.digest() != find(tmp_path / "x", "One", 2).digest()


def test_io_13_missing_sets_and_images_are_named(tmp_path: Path) -> None:
    write(tmp_path / "Here/HR/a.png", 8, 8)
    write(tmp_path / "Here/HR/b.png", 8, 8)
    with pytest.raises(ConfigError, match="found there: Here"):
        find(tmp_path, "There", 2)
    with pytest.raises(ConfigError, match="--data"):
        find(None, "Set5", 2)
    write(tmp_path / "Here/LR_bicubic/X2/ax2.png", 4, 4)
    with pytest.raises(ConfigError, match="no LR image for b"):
        find(tmp_path, "Here", 2)


def test_io_13_small_images_with_foreign_names_are_no_silent_loss(tmp_path: Path) -> None:
    write(tmp_path / "Own/HR/a.png", 8, 8)
    write(tmp_path / "Own/LR_bicubic/X2/small_a.png", 4, 4)
    with pytest.raises(ConfigError, match=r"as ax2\.png would be"):
        find(tmp_path, "Own", 2)


def test_two_files_of_one_image_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "Own/HR/a.png", 8, 8)
    write(tmp_path / "Own/HR/a.bmp", 8, 8)
    with pytest.raises(ConfigError, match="Keep one"):
        find(tmp_path, "Own", 2)
    assert available(tmp_path) == ["Own"]


@pytest.mark.parametrize(("height", "width"), [(5, 4), (2, 2)])
def test_io_13_sizes_that_do_not_fit_are_an_error(tmp_path: Path, height: int, width: int) -> None:
    write(tmp_path / "One/HR/a.png", 8 if height > 4 else 32, 8)
    write(tmp_path / "One/LR_bicubic/X2/a.png", height, width)
    with pytest.raises(ImageError, match=f"LR asks for {2 * width}x{2 * height}"):
        load(find(tmp_path, "One", 2).items[0], 2)


def test_files_that_are_no_plain_images_are_named(tmp_path: Path) -> None:
    path = tmp_path / "One/HR/a.png"
    write(path, 8, 8)
    (item,) = find(tmp_path, "One", 1).items
    path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"a\.png"):
        load(item, 1)
    Image.fromarray(np.full((8, 8), 40000, dtype=np.uint16)).save(path)
    with pytest.raises(ImageError, match="8-bit"):
        load(item, 1)
    Image.fromarray(np.full((8, 8, 4), 100, dtype=np.uint8)).save(path)
    with pytest.raises(ImageError, match="transparent"):
        load(item, 1)
    Image.fromarray(np.full((8, 8, 4), 255, dtype=np.uint8)).save(path)
    assert load(item, 1).hr.shape == (8, 8, 3)
