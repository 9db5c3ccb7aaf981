"""Encoder: files that say what they are, under names that stay names."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from swin2sr.errors import ConfigError, ImageError
from swin2sr.images import Picture, check_size, decode, encode, output_name, to_pil
from swin2sr.images.encode import MAX_SIDE

NOISE = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_png_round_trip_is_exact(mode: str) -> None:
    channels = {"L": 1, "RGB": 3, "LA": 2, "RGBA": 4}[mode]
    array = np.ascontiguousarray(NOISE[..., 4 - channels :])
    file = io.BytesIO()
    encode(decode(array), file)
    image = Image.open(file)
    assert image.mode == mode
    np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lossy_round_trip_is_near(format: str) -> None:
    smooth = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32, 1).repeat(3, 2)
    file = io.BytesIO()
    encode(Picture(smooth), file, format=format)
    assert np.abs(decode(file.getvalue()).pixels - smooth).max() < 0.03


def test_jpeg_lays_transparency_on_white() -> None:
    file = io.BytesIO()
    encode(
        Picture(np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32)), file, format="jpeg"
    )
    assert decode(file.getvalue()).pixels.min() > 0.98


def test_files_are_tagged_srgb() -> None:
    files = {format: io.BytesIO() for format in ("png", "jpeg", "webp")}
    for format, file in files.items():
        encode(decode(NOISE), file, format=format)
    assert b"sRGB" in files["png"].getvalue()
    for format in ("jpeg", "webp"):
        profile = Image.open(files[format]).info["icc_profile"]
        assert "sRGB" in ImageCms.getProfileDescription(
            ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )


def test_same_picture_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import sys, numpy as np; from swin2sr.images import *;"
        "encode(decode(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)), sys.stdout.buffer,"
        "format='jpeg')"
    )
    root = Path(__file__).parent.parent
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=root)
    file = io.BytesIO()
    encode(decode(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)), file, format="jpeg")
    assert other.stdout == file.getvalue()


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_img_36_side_too_long_for_the_format_is_said_before_the_work(format: str) -> None:
    check_size((MAX_SIDE[format], 1), format)
    with pytest.raises(ImageError, match="Use PNG") as caught:
        check_size((1, MAX_SIDE[format] + 1), format)
    assert caught.value.code == "side_too_long"


def test_img_36_too_long_picture_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        encode(decode(np.zeros((1, 16384), np.uint8)), tmp_path / "a.webp", format="webp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"format": "gif"}, {"quality": 0}, {"quality": 101}])
def test_unknown_format_and_quality_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        encode(decode(NOISE), io.BytesIO(), **options)


def test_to_pil_has_the_mode_of_the_picture() -> None:
    modes = [to_pil(decode(NOISE[..., :count])).mode for count in (1, 2, 3, 4)]
    assert modes == ["L", "LA", "RGB", "RGBA"]


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("photo.jpg", "photo"),
        ("../../etc/x.png", "x"),
        ("/abs/x.png", "x"),
        ("C:\\dir\\x.png", "x"),
        ("a\nb.png", "ab"),
        ("a\u2028b.png", "ab"),
        ("-rf.png", "rf"),
        ("CON.png", "CON"),
        ("gpj\u202e.png", "gpj"),
        ("bad\udcff.png", "bad"),
        ("e\u0301.png", "\u00e9"),
        ("\U0001f600.png", "\U0001f600"),
        ('a<b>:"|?*.png', "a_b______"),
        ("", "image"),
        ("...", "image"),
        ("..", "image"),
    ],
)
def test_io_09_names_stay_names(source: str, stem: str) -> None:
    assert output_name(source, "swin2sr", 4) == f"{stem}_swin2sr_x4.png"


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
def test_io_09_long_names_fit(letter: str) -> None:
    name = output_name(letter * 255 + ".png", "swin2sr", 4, ".jpeg")
    assert len(name.encode()) <= 255
    assert name.endswith("_swin2sr_x4.jpeg")
