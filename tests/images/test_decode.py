"""Decoder: pictures as they are meant to be seen. Encoder: files that say what they are."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from swin2sr.images import Picture, decode, encode

NOISE = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)
CAMERA = (0x829A, 0.01)  # exposure time, in the camera's directory


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


def tiff(width: int, height: int, bits: int, data: bytes, **tags: int) -> bytes:
    """A grey TIFF; ``big=1`` for big-endian, other tags as ``t<number>=value``."""
    end, mark = (">", b"MM\0*") if tags.pop("big", 0) else ("<", b"II*\0")
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    entries |= {279: len(data)} | {int(name[1:]): value for name, value in tags.items()}
    data += bytes(len(data) % 2)
    short = (258, 259, 262, 274, 277, 339)
    table = b"".join(
        struct.pack(end + "HHI", tag, 3 if tag in short else 4, 1)
        + (struct.pack(end + "HH", value, 0) if tag in short else struct.pack(end + "I", value))
        for tag, value in sorted(entries.items())
    )
    head = mark + struct.pack(end + "I", 8 + len(data))
    return head + data + struct.pack(end + "H", len(entries)) + table + bytes(4)


def levels(picture: Picture) -> np.ndarray:
    return np.rint(picture.pixels * 255).astype(int)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_img_07_lossless_formats_give_the_exact_pixels(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    image = Image.fromarray(NOISE[..., :3])
    picture = decode(saved(image.quantize(64) if format == "GIF" else image, format, **options))
    reference = np.asarray(image.quantize(64).convert("RGB")) if format == "GIF" else NOISE[..., :3]
    np.testing.assert_array_equal(levels(picture), reference)
    assert picture.format == format


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "F"])
def test_img_28_grey_modes_stay_grey(mode: str) -> None:
    picture = decode(Image.new(mode, (3, 2)))
    assert picture.grey
    assert picture.pixels.shape == (2, 3, 3)


@pytest.mark.parametrize(
    "mode", ["P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_img_28_colour_modes_become_rgb(mode: str) -> None:
    picture = decode(Image.new(mode, (3, 2)))
    assert not picture.grey
    assert picture.pixels.shape == (2, 3, 3)


def test_img_28_palette_gives_its_colours() -> None:
    image = Image.fromarray(NOISE[..., :3]).quantize(8)
    np.testing.assert_array_equal(
        levels(decode(saved(image, "PNG"))), np.asarray(image.convert("RGB"))
    )


def test_img_23_cmyk_is_converted_with_a_note() -> None:
    picture = decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert np.abs(levels(picture) - [255, 0, 0]).max() <= 3
    assert "CMYK" in picture.notes[0]


def test_img_23_adobe_inverted_cmyk_equals_the_cmyk_tiff() -> None:
    image = Image.new("CMYK", (8, 8), (200, 30, 90, 10))
    jpeg, plain = (decode(saved(image, format)) for format in ("JPEG", "TIFF"))
    assert np.abs(levels(jpeg) - levels(plain)).max() <= 4


def test_img_24_sixteen_bit_grey_png_is_scaled_with_a_note() -> None:
    picture = decode(png(3, 1, 16, 0, b"\0" + struct.pack(">3H", 0, 32768, 65535)))
    np.testing.assert_allclose(picture.pixels[0, :, 0], [0, 32768 / 65535, 1], atol=1e-6)
    assert picture.bits == 16
    assert "16 bits" in picture.notes[0]


@pytest.mark.parametrize(("big", "negative"), [(0, 0), (1, 0), (0, 1)])
def test_img_24_sixteen_bit_grey_tiff_is_scaled_and_never_a_negative(
    big: int, negative: int
) -> None:
    data = struct.pack((">" if big else "<") + "2H", 65535, 256)
    picture = decode(tiff(2, 1, 16, data, big=big, t262=1 - negative))
    expected = np.array([1, 256 / 65535])
    np.testing.assert_allclose(
        picture.pixels[0, :, 0], 1 - expected if negative else expected, atol=1e-6
    )


def test_img_24_twelve_bit_tiff_is_scaled_by_its_own_white() -> None:
    np.testing.assert_array_equal(
        decode(tiff(2, 1, 12, b"\xff\xf0\x00")).pixels[0, :, 0], np.float32([1, 0])
    )


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_img_25_sixteen_bit_colour_is_eight_bits_with_a_note(colour: int) -> None:
    channels = {2: 3, 4: 2, 6: 4}[colour]
    picture = decode(
        png(1, 1, 16, colour, b"\0" + struct.pack(f">{channels}H", *[32768] * channels))
    )
    assert levels(picture).tolist() == [[[128, 128, 128]]]
    assert picture.grey == (colour == 4)
    assert "16 bits" in picture.notes[0]


def test_img_26_floating_point_tiff_keeps_its_values() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    picture = decode(saved(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(picture.pixels[..., 0], values)


def test_img_27_lab_tiff_is_converted() -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = Image.new("RGB", (2, 2), (200, 100, 50))
    lab = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert np.abs(levels(decode(saved(lab, "TIFF"))) - [200, 100, 50]).max() <= 3


@pytest.mark.parametrize(
    ("depth", "rows", "level", "opacity"),
    [
        (1, b"\0\x80", 1, [0, 1]),
        (2, b"\0\x90", 2, [0, 1]),
        (4, b"\0\xf3", 15, [0, 1]),
        (8, b"\0\x07\x09", 7, [0, 1]),
        (16, b"\0" + struct.pack(">2H", 40000, 9), 40000, [0, 1]),
    ],
)
def test_img_29_transparent_grey_level_of_any_depth(
    depth: int, rows: bytes, level: int, opacity: list[int]
) -> None:
    alpha = decode(png(2, 1, depth, 0, rows, chunk(b"tRNS", struct.pack(">H", level)))).alpha
    assert alpha is not None
    assert alpha.tolist() == [opacity]


@pytest.mark.parametrize("depth", [8, 16])
def test_img_29_transparent_colour(depth: int) -> None:
    values = [255 * 257 if depth == 16 else 255, 0, 0, 1, 1, 1]
    rows = b"\0" + struct.pack(f">6{'H' if depth == 16 else 'B'}", *values)
    alpha = decode(png(2, 1, depth, 2, rows, chunk(b"tRNS", struct.pack(">3H", *values[:3])))).alpha
    assert alpha is not None
    assert alpha.tolist() == [[0, 1]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_img_29_opacity_is_apart_and_exact(mode: str) -> None:
    image = Image.fromarray(NOISE if mode == "RGBA" else np.ascontiguousarray(NOISE[..., 2:]))
    alpha = decode(saved(image, "PNG")).alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha, NOISE[..., 3] / np.float32(255))


def test_img_29_full_opacity_is_dropped() -> None:
    assert decode(Image.new("RGBA", (2, 2), (1, 2, 3, 255))).alpha is None


TURNED = {  # what each orientation's stored pixels are made of
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("orientation", TURNED)
def test_img_30_every_orientation_is_turned_upright(
    orientation: int, keep: bool, format: str
) -> None:
    upright = np.full((16, 32, 3), (250, 250, 250), np.uint8)
    upright[:8, :8] = (250, 0, 0)
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](upright)))
    picture = decode(saved(stored, format, exif=exif, quality=100), keep_metadata=keep)
    assert picture.size == (32, 16)
    assert np.abs(levels(picture) - upright)[2:6, 2:6].max() <= 8
    assert np.abs(levels(picture) - upright)[10:, 10:].max() <= 8


def test_img_30_unknown_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[274] = 99
    assert decode(saved(Image.new("RGB", (9, 5)), "JPEG", exif=exif)).size == (9, 5)


def personal() -> Image.Exif:
    exif = Image.Exif()
    exif.update({271: "TheMaker", 274: 6, 306: "2020:01:01 00:00:00", 700: b"<xmp>Secret"})
    exif.get_ifd(0x8769).update({CAMERA[0]: CAMERA[1], 0x927C: b"MakersSecret"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    return exif


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_img_31_nothing_personal_reaches_the_output(source: str, format: str) -> None:
    options: dict[str, Any] = {"comment": b"Secret"} if source == "JPEG" else {}
    data = saved(Image.new("RGB", (9, 5)), source, exif=personal(), **options)
    assert b"TheMaker" in data
    file = io.BytesIO()
    encode(decode(data), file, format=format)
    for word in (b"TheMaker", b"Secret", b"Exif", b"EXIF", b"eXIf", b"xmp"):
        assert word not in file.getvalue()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_img_31_kept_metadata_has_the_camera_and_never_the_position(format: str) -> None:
    data = saved(Image.new("RGB", (9, 5)), "JPEG", exif=personal())
    file = io.BytesIO()
    encode(decode(data, keep_metadata=True), file, format=format)
    exif = Image.open(file).getexif()
    assert exif[271] == "TheMaker"
    assert exif.get_ifd(0x8769)[CAMERA[0]] == pytest.approx(CAMERA[1])
    assert not exif.get_ifd(0x8825)
    assert 274 not in exif
    assert b"Secret" not in file.getvalue()


def test_img_31_nothing_to_keep_is_none() -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = saved(Image.new("RGB", (9, 5)), "JPEG", exif=exif)
    assert decode(data, keep_metadata=True).metadata is None


def matrix_profile(name: bytes, primaries: list[tuple[float, float, float]], gamma: float) -> bytes:
    """A display profile of ICC version 2; the columns are XYZ under D50."""

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *[round(v * 65536) for v in values])

    text = struct.pack(">I", len(name) + 1) + name + bytes(1 + 4 + 4 + 2 + 1 + 67)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    parts = {b"desc": b"desc\0\0\0\0" + text, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    for letter, values in zip((b"r", b"g", b"b"), primaries, strict=True):
        parts |= {letter + b"XYZ": xyz(values), letter + b"TRC": curve}
    table, body = struct.pack(">I", len(parts)), b""
    for tag, data in parts.items():
        table += tag + struct.pack(">II", 132 + 12 * len(parts) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = b"\0\0\0\0\x02\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return struct.pack(">I", 128 + len(table) + len(body)) + head + table + body


SRGB = [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
ADOBE = [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)]


def test_img_32_adobe_rgb_is_converted() -> None:
    data = saved(
        Image.new("RGB", (2, 2), (150, 100, 80)),
        "PNG",
        icc_profile=matrix_profile(b"Adobe RGB", ADOBE, 2.2),
    )
    picture = decode(data)
    assert np.abs(levels(picture) - [167, 100, 78]).max() <= 3
    assert picture.notes == ()


def test_img_32_srgb_profile_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.fromarray(NOISE[..., :3]), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(levels(decode(data)), NOISE[..., :3])


def test_img_32_linear_profile_with_srgb_in_its_name_is_converted() -> None:
    profile = matrix_profile(b"Linear sRGB", SRGB, 1.0)
    data = saved(Image.new("RGB", (2, 2), (55, 55, 55)), "PNG", icc_profile=profile)
    assert np.abs(levels(decode(data)) - 128).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_img_32_garbage_is_ignored_with_a_note(mode: str) -> None:
    data = saved(Image.new(mode, (2, 2)), "TIFF", icc_profile=b"garbage" * 30)
    assert any("colour profile" in note for note in decode(data).notes)


def test_img_32_profile_of_another_colour_space_is_ignored_with_a_note() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.new("CMYK", (2, 2)), "JPEG", icc_profile=profile)
    assert any("colour profile" in note for note in decode(data).notes)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_img_22_first_of_several_pictures_with_a_note(format: str) -> None:
    first, second = (Image.new("RGB", (16, 16), c) for c in ((255, 0, 0), (0, 0, 255)))
    picture = decode(saved(first, format, save_all=True, append_images=[second] * 11))
    assert np.abs(levels(picture) - [255, 0, 0]).max() <= 3
    assert any("several" in note for note in picture.notes)
