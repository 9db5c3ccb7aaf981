"""Arrays, tensors and file objects as pictures: what is accepted, and what it means."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr.errors import ImageError, KindError, ShapeError, Swin2SRError
from swin2sr.images import Limits, decode, to_pil
from swin2sr.images.picture import Picture


def levels(height: int = 5, width: int = 7, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "uint8": lambda a: a,
    "uint16": lambda a: a.astype(np.uint16) * 257,
    "float16": lambda a: (a / 255).astype(np.float16),
    "float32": lambda a: (a / 255).astype(np.float32),
    "float64": lambda a: a / 255,
    "pil": Image.fromarray,
    "tensor CHW": lambda a: torch.from_numpy(a).permute(2, 0, 1),
    "tensor NCHW": lambda a: torch.from_numpy(a / 255).permute(2, 0, 1)[None],
    "tensor with gradient": lambda a: torch.from_numpy(a / 255).permute(2, 0, 1).requires_grad_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_arr_01_every_form_of_a_picture_is_the_same_picture(form: str) -> None:
    array = levels()
    pixels = decode(FORMS[form](array)).pixels
    assert pixels.dtype == np.float32
    assert pixels.shape == (5, 7, 3)
    assert np.abs(pixels * 255 - array).max() < 0.1


def test_arr_01_bfloat16_tensor_is_within_its_own_precision() -> None:
    array = levels()
    tensor = torch.from_numpy(array / 255).permute(2, 0, 1).to(torch.bfloat16)
    assert np.abs(decode(tensor).pixels * 255 - array).max() <= 0.6


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "channels reversed": lambda a: a[:, :, ::-1],
    "upside down": lambda a: a[::-1],
    "fortran": np.asfortranarray,
    "every second": lambda a: a[::2, 1::2],
    "transposed": lambda a: a.transpose(1, 0, 2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["u1", ">u2", "<u2", ">f4", ">f8", "f2"])
def test_arr_02_any_layout_and_byte_order_equals_its_copy(layout: str, kind: str) -> None:
    scale = {"u1": 1, ">u2": 257, "<u2": 257}.get(kind, 1 / 255)
    view = LAYOUTS[layout]((levels().astype(float) * scale).astype(kind))
    copy = np.ascontiguousarray(view).astype(np.dtype(kind).newbyteorder("="))
    np.testing.assert_array_equal(decode(view).pixels, decode(copy).pixels)


def test_arr_02_read_only_array_is_read() -> None:
    array = levels()
    array.flags.writeable = False
    np.testing.assert_array_equal(decode(array).pixels, array / np.float32(255))


@pytest.mark.parametrize("form", ["uint8", "uint16", "float32", "float64"])
def test_arr_03_input_is_neither_changed_nor_shared(form: str) -> None:
    array = FORMS[form](levels())
    before = array.copy()
    decode(array).pixels[:] = 0
    np.testing.assert_array_equal(array, before)


def test_arr_03_tensor_is_neither_changed_nor_shared() -> None:
    tensor = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    before = tensor.clone()
    decode(tensor).pixels[:] = 0
    assert torch.equal(tensor, before)


def test_arr_03_pil_image_is_not_changed() -> None:
    image = Image.fromarray(levels())
    image.getexif()[274] = 6
    image.getexif()[271] = "Maker"
    decode(image, keep_metadata=True)
    assert dict(image.getexif()) == {274: 6, 271: "Maker"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arr_04_not_a_number_is_refused_with_its_place(value: float) -> None:
    array = np.zeros((3, 4, 3), np.float32)
    array[1, 2, 0] = array[2, 0, 0] = value
    with pytest.raises(ImageError, match=r"\(1, 2, 0\)") as caught:
        decode(array)
    assert caught.value.code == "nan"


def test_arr_05_floats_of_0_to_255_are_not_guessed_at() -> None:
    with pytest.raises(ImageError, match="looks like 0\\.\\.255") as caught:
        decode(levels().astype(np.float32))
    assert caught.value.code == "range"


@pytest.mark.parametrize("value", [-0.01, 1.01, 70000.0])
def test_arr_05_floats_outside_the_range_are_refused(value: float) -> None:
    with pytest.raises(ImageError) as caught:
        decode(np.full((2, 2), value))
    assert caught.value.code == "range"


def test_arr_05_slight_overshoot_is_clipped() -> None:
    pixels = decode(np.array([[-0.0009, 1.0009]])).pixels
    np.testing.assert_array_equal(pixels[0, :, 0], np.float32([0, 1]))


def test_arr_06_output_is_clipped_before_it_becomes_bytes() -> None:
    pixels = np.array([[[-0.2, 1.3, 0.5]]], np.float32)
    assert np.asarray(to_pil(Picture(pixels))).tolist() == [[[0, 255, 128]]]


def test_arr_06_bytes_come_back_as_they_went_in() -> None:
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(np.asarray(to_pil(decode(array))), array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4, 3), np.uint32),
        np.zeros((4, 4), bool),
        np.zeros((4, 4, 3), object),
        np.zeros((4, 4, 3), complex),
        np.full((4, 4, 3), "a"),
        np.zeros((4, 4), "M8[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arr_07_other_types_are_refused(array: np.ndarray) -> None:
    with pytest.raises(KindError, match="uint8, uint16 or floating point"):
        decode(array)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.complex64, torch.float8_e4m3fn])
def test_arr_07_tensors_of_other_types_are_refused(kind: torch.dtype) -> None:
    with pytest.raises(KindError):
        decode(torch.zeros(3, 4, 4).to(kind))


def test_arr_07_tensor_without_values_is_refused() -> None:
    with pytest.raises(KindError):
        decode(torch.zeros(3, 4, 4, device="meta"))


def test_arr_07_sixteen_bits_are_noted() -> None:
    picture = decode(np.full((2, 2), 65535, np.uint16))
    assert picture.bits == 16
    assert picture.pixels.min() == 1
    assert "16 bits" in picture.notes[0]


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_arr_08_one_or_two_channels_are_grey(channels: int) -> None:
    array = levels(channels=channels or 1)
    picture = decode(array if channels else array[..., 0])
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels, array[..., :1].repeat(3, 2) / np.float32(255))


@pytest.mark.parametrize("channels", [2, 4])
def test_arr_08_last_of_two_or_four_channels_is_opacity(channels: int) -> None:
    array = levels(channels=channels)
    alpha = decode(array).alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha, array[..., -1] / np.float32(255))


@pytest.mark.parametrize("channels", [2, 4])
def test_arr_08_full_opacity_is_dropped(channels: int) -> None:
    array = levels(channels=channels)
    array[..., -1] = 255
    assert decode(array).alpha is None


@pytest.mark.parametrize(
    "shape", [(), (5,), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0, 3), (4, 4, 0), (3, 9, 9)]
)
def test_arr_08_other_shapes_are_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        decode(np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(4, 4), (5, 4, 4), (2, 3, 4, 4), (3, 0, 4)])
def test_arr_08_other_shapes_of_tensors_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        decode(torch.zeros(shape))


def test_arr_08_limits_hold_for_arrays() -> None:
    with pytest.raises(ImageError) as caught:
        decode(np.zeros((11, 10), np.uint8), limits=Limits(pixels=100))
    assert caught.value.code == "too_many_pixels"


def test_arr_08_limits_hold_for_a_decoded_picture() -> None:
    picture = decode(np.zeros((11, 10), np.uint8))
    with pytest.raises(ImageError):
        decode(picture, limits=Limits(side=10))


def test_arr_16_path_bytes_and_open_files_are_the_same_picture(tmp_path: Path) -> None:
    data = png(levels())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    sources: list[Any] = [str(path), path, data, bytearray(data), memoryview(data)]
    sources.append(io.BytesIO(data))
    for source in sources:
        np.testing.assert_array_equal(decode(source).pixels, levels() / np.float32(255))


@pytest.mark.parametrize("source", ["http://127.0.0.1/a.png", "HTTPS://x/a.png", "data:image/png,"])
def test_arr_16_web_address_is_refused(source: str) -> None:
    with pytest.raises(ImageError, match="web address"):
        decode(source)


@pytest.mark.parametrize("source", [None, 5, [], [[1, 2]], object()])
def test_arr_16_other_sources_are_refused(source: Any) -> None:
    with pytest.raises(KindError, match="A picture is a path"):
        decode(source)


def test_arr_16_text_file_object_is_refused() -> None:
    with pytest.raises(KindError, match="binary mode"):
        decode(io.StringIO("text"))


def test_arr_16_file_object_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    closed = io.BytesIO(b"")
    closed.close()
    with open(tmp_path / "a", "wb") as write_only:
        for file in (closed, write_only):
            with pytest.raises(Swin2SRError):
                decode(file)


def test_arr_16_missing_file_is_named() -> None:
    with pytest.raises(ImageError, match="no file 'nowhere") as caught:
        decode("nowhere.png")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png", "x" * 300, ""])
def test_arr_16_names_no_system_has_are_refused(name: str) -> None:
    with pytest.raises(ImageError):
        decode(name)


def test_arr_16_folder_is_refused_and_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(ImageError):
            decode(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_arr_16_pipe_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="not a file"):
        decode(tmp_path / "pipe")
