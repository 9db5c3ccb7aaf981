"""Hostile files, made here: each is a picture or one typed error, in bounded memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swin2sr.errors import ImageError
from swin2sr.images import Limits, decode, encode
from swin2sr.images.picture import Picture

ROOT = Path(__file__).parent.parent
PAGE = Limits()  # those of the public page
NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def seed(format: str, **options: object) -> bytes:
    return saved(Image.fromarray(NOISE), format, **options)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", fields)


def zeros(count: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block[: min(1 << 20, count - at)]) for at in range(0, count, 1 << 20)]
    return b"".join(parts) + packer.flush()


@cache
def bomb(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    row = 1 + (width * depth * {0: 1, 2: 3}[colour] + 7) // 8
    return header(width, height, depth, colour) + chunk(b"IDAT", zeros(row * height))


def with_chunks(*extra: bytes, last: bool = False) -> bytes:
    data = seed("PNG")
    at = len(data) - 12 if last else 33
    return data[:at] + b"".join(extra) + data[at:]


def with_size(format: str, at: int, form: str, width: int, height: int) -> bytes:
    data = bytearray(seed(format))
    struct.pack_into(form, data, at, width, height)
    return bytes(data)


def broken_crc(data: bytes, name: bytes) -> bytes:
    at = data.find(name)
    end = at + 4 + struct.unpack(">I", data[at - 4 : at])[0]
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


def big_tile() -> bytes:
    data = zeros(30_000_000)
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 6000, 323: 5000, 324: 8}
    tags[325] = len(data)
    data += bytes(len(data) % 2)
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + table + bytes(4)


def float_tiff(*values: float) -> bytes:
    return saved(Image.fromarray(np.float32([values])), "TIFF")


def cut(format: str, part: float) -> Callable[[], bytes]:
    def make() -> bytes:
        data = seed(format)
        return data[: int(len(data) * part)]

    return make


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "01 empty": ("empty", lambda: b""),
    "02 one byte": ("not_an_image", lambda: b"\x89"),
    "02 png signature only": ("not_an_image", lambda: seed("PNG")[:8]),
    "03 random": ("not_an_image", lambda: np.random.default_rng(1).bytes(999)),
    "03 text": ("not_an_image", lambda: b"hello there, " * 50),
    "03 html": ("not_an_image", lambda: b"<!doctype html><html></html>"),
    "04 png cut": ("corrupt", cut("PNG", 0.5)),
    "05 jpeg cut": ("corrupt", cut("JPEG", 0.8)),
    "05 jpeg cut in header": ("corrupt", lambda: seed("JPEG")[:50]),
    "05 webp cut": ("corrupt", cut("WEBP", 0.5)),
    "05 tiff cut": ("corrupt", cut("TIFF", 0.5)),
    "05 gif cut": ("corrupt", cut("GIF", 0.2)),
    "05 bmp cut": ("corrupt", cut("BMP", 0.5)),
    "05 jpeg 2000 cut": ("not_an_image", cut("JPEG2000", 0.5)),
    "06 checksum of the pixels": ("corrupt", lambda: broken_crc(seed("PNG"), b"IDAT")),
    "06 checksum of the header": ("not_an_image", lambda: broken_crc(seed("PNG"), b"IHDR")),
    "13 png 50000 x 50000": ("too_many_pixels", lambda: bomb(50000, 50000, 1)),
    "16 png 2^31": ("too_many_pixels", lambda: header(2**31 - 1, 2**31 - 1) + chunk(b"IDAT", b"")),
    "16 bmp": ("too_many_pixels", lambda: with_size("BMP", 18, "<ii", 2**31 - 1, 2**31 - 1)),
    "16 gif": ("too_many_pixels", lambda: with_size("GIF", 6, "<HH", 65535, 65535)),
    "16 tiff tile larger than the picture": ("too_many_pixels", big_tile),
    "17 png of width 0": ("not_an_image", lambda: header(0, 5) + chunk(b"IDAT", b"")),
    "17 bmp of width 0": ("corrupt", lambda: with_size("BMP", 18, "<ii", 0, 5)),
    "18 1 x 60000": ("side_too_long", lambda: saved(Image.new("L", (1, 60000)), "PNG")),
    "18 60000 x 1": ("side_too_long", lambda: saved(Image.new("L", (60000, 1)), "PNG")),
    "20 text of 50 MB": (
        "corrupt",
        lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + zeros(50_000_000))),
    ),
    "20 80 texts of 1 MB": (
        "corrupt",
        lambda: with_chunks(*[chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(1_000_000))] * 80),
    ),
    "20 text after the pixels": (
        "corrupt",
        lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + zeros(50_000_000)), last=True),
    ),
    "26 float of 0 to 255": ("range", lambda: float_tiff(0, 255)),
    "26 float not a number": ("nan", lambda: float_tiff(0, float("nan"))),
    "26 float infinite": ("nan", lambda: float_tiff(0, float("inf"))),
    "27 int32": ("range", lambda: saved(Image.new("I", (4, 4), 70000), "TIFF")),
    "33 over the byte limit": ("too_many_bytes", lambda: seed("PNG") + bytes(PAGE.bytes)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_img_01_to_33_refused_with_its_code(name: str) -> None:
    code, make = REFUSED[name]
    with pytest.raises(ImageError) as caught:
        decode(make(), limits=PAGE)
    assert caught.value.code == code


ALSO_NAMED = {
    "10 pdf": b"%PDF-1.7\n",
    "10 psd": b"8BPS\0\1" + bytes(50),
    "10 fits": b"SIMPLE  =                    T" + bytes(50),
    "10 icns": b"icns\0\0\0\x10" + bytes(50),
    "10 pcx": b"\x0a\5\1\x08" + bytes(150),
    "10 qoi": b"qoif\0\0\0\1\0\0\0\1\3\0" + bytes(20),
    "10 xbm": b"#define a_width 1\n#define a_height 1\nstatic char a_bits[] = {0};",
    "10 xpm": b"/* XPM */",
    "10 raw": bytes(300),
}
ALSO_SAVED = ("DDS", "ICO", "JPEG2000", "PPM", "SGI", "TGA", "PCX", "IM")


@pytest.mark.parametrize("name", [*ALSO_NAMED, *ALSO_SAVED])
def test_img_10_format_outside_the_list_is_refused(name: str) -> None:
    data = ALSO_NAMED[name] if name in ALSO_NAMED else seed(name)
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.code == "not_an_image"


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6" + bytes(40)])
def test_img_09_postscript_starts_no_parser(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a parser was started")

    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(ImageError, match="PostScript"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize(
    "start", [b"", b"\xef\xbb\xbf", b"<?xml version='1.0'?>\n<!-- x -->\n", b" \n"]
)
def test_img_11_svg_is_refused_by_name(start: bytes) -> None:
    with pytest.raises(ImageError, match="SVG is not supported"):
        decode(start + b"<svg xmlns='x'><script>alert(1)</script></svg>")


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_img_12_heic_and_avif_say_what_to_convert_to(brand: bytes) -> None:
    with pytest.raises(ImageError, match="JPEG or PNG"):
        decode(b"\0\0\0\x18ftyp" + brand + bytes(40))


@pytest.mark.parametrize(("format", "name"), [("JPEG", "a.png"), ("PNG", "a.jpg"), ("PNG", "a")])
def test_img_07_content_decides_and_not_the_name(format: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(seed(format))
    assert decode(tmp_path / name).format == format


@pytest.mark.parametrize(
    ("format", "tail"),
    [("JPEG", b"PK\3\4tail"), ("PNG", b"%PDF-1.7 tail"), ("GIF", b"/*tail*/alert(1)")],
)
def test_img_08_nothing_behind_the_picture_reaches_the_output(format: str, tail: bytes) -> None:
    file = io.BytesIO()
    encode(decode(seed(format) + tail), file)
    assert b"tail" not in file.getvalue()


def test_img_18_longest_side_allowed_is_accepted() -> None:
    assert decode(Image.new("L", (1, 8192)), limits=PAGE).size == (1, 8192)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (4, 4), (7, 7)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_img_19_tiny_pictures_are_read(size: tuple[int, int], format: str) -> None:
    assert decode(saved(Image.new("RGB", size), format)).size == size


def test_img_21_many_text_chunks_end_soon() -> None:
    data = with_chunks(chunk(b"tEXt", b"a\0b") * 200_000)
    start = time.process_time()
    assert isinstance(decode(data), Picture)
    assert time.process_time() - start < 5


def test_img_22_first_of_2000_pictures() -> None:
    frames = [Image.new("L", (4, 4), 255 * (i % 2)) for i in range(2000)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).pixels.max() == 0


def test_img_22_damaged_second_picture_leaves_the_first() -> None:
    second = Image.fromarray(255 - NOISE)
    data = seed("GIF", save_all=True, append_images=[second])
    whole, damaged = decode(data), decode(data[: len(data) - 600])
    np.testing.assert_array_equal(whole.pixels, damaged.pixels)


def test_img_30_broken_exif_leaves_the_pixels() -> None:
    plain = decode(seed("JPEG"))
    broken = decode(seed("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), keep_metadata=True)
    np.testing.assert_array_equal(plain.pixels, broken.pixels)


@pytest.mark.parametrize("extra", [0, 1])
def test_img_33_byte_limit_is_exact(extra: int, tmp_path: Path) -> None:
    data = seed("PNG")
    (tmp_path / "a.png").write_bytes(data + bytes(extra))
    limits = Limits(bytes=len(data))
    if not extra:
        assert decode(tmp_path / "a.png", limits=limits).size == (32, 24)
        return
    with pytest.raises(ImageError) as caught:
        decode(tmp_path / "a.png", limits=limits)
    assert caught.value.code == "too_many_bytes"


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True},
        {"subsampling": 0},
        {"restart_marker_blocks": 1},
        {"optimize": True},
    ],
    ids=str,
)
def test_img_34_kinds_of_jpeg(options: dict[str, object]) -> None:
    assert np.abs(decode(seed("JPEG", **options)).pixels * 255 - NOISE).mean() < 60


def child(code: str) -> list[object]:
    """What a child process prints as JSON; its own memory, and its crash is seen."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


FLIPS = """
import io, json, warnings
import numpy as np
from PIL import Image
from swin2sr.errors import ImageError
from swin2sr.images import Picture, decode
noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
others = []
for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
    file, exif = io.BytesIO(), Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    options = {} if format in ("GIF", "BMP") else {"exif": exif}
    Image.fromarray(noise).save(file, format, **options)
    random = np.random.default_rng(len(format) + ord(format[0]))
    for _ in range(200):
        data = bytearray(file.getvalue())
        end = len(data) if random.random() < 0.5 else 200  # headers get half of them
        for at in random.integers(0, end, random.integers(1, 5)):
            data[at] ^= 1 << random.integers(8)
        try:
            picture = decode(bytes(data), keep_metadata=True)
            fine = isinstance(picture, Picture) and np.isfinite(picture.pixels).all()
            if not fine:
                others.append([format, "not a picture"])
        except ImageError:
            pass
        except BaseException as error:
            others.append([format, repr(error)])
print(json.dumps(others))
"""


def test_img_35_flipped_bits_give_a_picture_or_an_image_error() -> None:
    assert child(FLIPS) == []


MEMORY = """
import json, resource, sys
from swin2sr.errors import ImageError
from swin2sr.images import Limits, decode
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
try:  # what is loaded on first use
    decode(sys.argv[0].encode())
except ImageError:
    pass
result = []
for name in {names}:
    data = open(name, "rb").read()
    before = peak()
    try:
        decode(data, limits=Limits())
        code = "accepted"
    except ImageError as error:
        code = error.code
    result.append([code, peak() - before])
print(json.dumps(result))
"""


def test_img_13_to_15_bombs_are_refused_without_their_memory(tmp_path: Path) -> None:
    bombs = [bomb(50000, 50000, 1), bomb(19000, 9000), bomb(9400, 9400, 8, 2), big_tile()]
    names = [str(tmp_path / f"{number}.png") for number in range(len(bombs))]
    for name, data in zip(names, bombs, strict=True):
        Path(name).write_bytes(data)
    for code, growth in child(MEMORY.format(names=names)):  # type: ignore[misc]
        assert code == "too_many_pixels"
        assert growth < 5


def test_img_20_metadata_bombs_stay_below_70_mb(tmp_path: Path) -> None:
    bombs = [
        with_chunks(chunk(b"zTXt", b"a\0\0" + zeros(50_000_000))),
        with_chunks(*[chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(1_000_000))] * 80),
        with_chunks(chunk(b"iCCP", b"a\0\0" + zeros(200_000_000))),
    ]
    names = [str(tmp_path / f"{number}.png") for number in range(len(bombs))]
    for name, data in zip(names, bombs, strict=True):
        Path(name).write_bytes(data)
    assert all(growth < 70 for _, growth in child(MEMORY.format(names=names)))  # type: ignore[misc]
