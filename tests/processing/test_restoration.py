"""Image processor of restoration networks: values of transformers, padding, layouts, files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution, list_models
from swin2sr.checkpoints.cache import HubFile
from swin2sr.checkpoints.download import Watchdog
from swin2sr.errors import (
    ConfigError,
    ImageError,
    JobError,
    KindError,
    OutputError,
    ShapeError,
    WeightsError,
)
from swin2sr.models.outputs import ImageSuperResolutionOutput
from swin2sr.processing import (
    Swin2SRImageProcessor,
    Swin2SRImageProcessorFast,
    Swin2SRImageProcessorPil,
)


def _colour(height: int, width: int, seed: int = 0) -> np.ndarray:
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _one(image: Any, **options: Any) -> np.ndarray:
    """What the default processor makes of one picture, without padding unless asked."""
    (made,) = Swin2SRImageProcessor()(image, **{"do_pad": False, **options}).pixel_values
    return made


@pytest.fixture(scope="module")
def theirs() -> Any:
    module = pytest.importorskip("transformers.models.swin2sr.image_processing_pil_swin2sr")
    return module.Swin2SRImageProcessorPil


# Against transformers


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (7, 8), (16, 24), (40, 3), (64, 64)])
@pytest.mark.parametrize("divisor", [7, 8])
def test_official_padding_gives_the_values_of_transformers(
    theirs: Any, size: tuple[int, int], divisor: int
) -> None:
    picture = Image.fromarray(_colour(*size))
    expected = theirs(size_divisor=divisor)(picture, return_tensors="np")["pixel_values"]
    found = Swin2SRImageProcessor(size_divisor=divisor, padding="official")(
        picture, return_tensors="np"
    )
    np.testing.assert_array_equal(found["pixel_values"], expected)
    assert found["pixel_values"].dtype == expected.dtype == np.float32


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("pad", [True, False])
def test_every_switch_gives_the_values_of_transformers(
    theirs: Any, rescale: bool, pad: bool
) -> None:
    options: dict[str, Any] = {
        "do_rescale": rescale,
        "rescale_factor": 0.01,
        "do_pad": pad,
        "size_divisor": 5,
    }
    picture = _colour(11, 13)
    (expected,) = theirs()(picture, **options)["pixel_values"]
    (found,) = Swin2SRImageProcessor(padding="official")(picture, **options).pixel_values
    np.testing.assert_array_equal(found, expected)


def test_transformers_reads_what_we_save(theirs: Any, tmp_path: Path) -> None:
    ours = Swin2SRImageProcessor(do_rescale=False, rescale_factor=0.5, do_pad=False, size_divisor=7)
    ours.save_pretrained(tmp_path / "new" / "folder")
    read = theirs.from_pretrained(tmp_path / "new" / "folder")
    assert (read.do_rescale, read.rescale_factor) == (False, 0.5)
    assert (read.do_pad, read.size_divisor) == (False, 7)


def test_we_read_what_transformers_saves(theirs: Any, tmp_path: Path) -> None:
    theirs(size_divisor=7, do_rescale=False, rescale_factor=0.5).save_pretrained(tmp_path)
    read = Swin2SRImageProcessor.from_pretrained(tmp_path)
    wanted = Swin2SRImageProcessor(size_divisor=7, do_rescale=False, rescale_factor=0.5)
    assert read.to_dict() == wanted.to_dict()


def test_options_may_be_the_enumerations_of_transformers() -> None:
    from transformers.image_utils import ChannelDimension
    from transformers.utils import TensorType

    made = Swin2SRImageProcessor()(
        _colour(8, 8),
        return_tensors=TensorType.PYTORCH,
        data_format=ChannelDimension.LAST,
        input_data_format=ChannelDimension.LAST,
    )
    assert isinstance(made.pixel_values, torch.Tensor)
    assert made.pixel_values.shape == (1, 8, 8, 3)


# H4: padding and its removal


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_h4_minimal_padding_reflects_up_to_the_next_multiple(
    height: int, width: int, divisor: int
) -> None:
    picture = _colour(height, width)
    made = _one(picture, do_pad=True, size_divisor=divisor, do_rescale=False)
    after = ((0, -height % divisor), (0, -width % divisor), (0, 0))
    expected = np.pad(picture, after, mode="reflect")
    np.testing.assert_array_equal(made, expected.transpose(2, 0, 1))


@pytest.mark.parametrize("padding", ["minimal", "official"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_h4_post_process_returns_the_picture_that_went_in(padding: str, scale: int) -> None:
    processor = Swin2SRImageProcessor(padding=padding)
    pictures = [_colour(17, 24, seed) for seed in (1, 2)]
    made = processor(pictures, return_tensors="pt").pixel_values
    grown = made.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    outputs = ImageSuperResolutionOutput(reconstruction=grown)
    results = processor.post_process(outputs, [(17, 24), (17, 24)])
    for result, picture in zip(results, pictures, strict=True):
        assert (result.mode, result.size) == ("RGB", (24 * scale, 17 * scale))
        np.testing.assert_array_equal(np.asarray(result)[::scale, ::scale], picture)


def test_h4_pictures_go_through_a_model_and_come_back() -> None:
    config = Swin2SRConfig(embed_dim=12, depths=(1,), num_heads=(2,), window_size=4, image_size=8)
    model = Swin2SRForImageSuperResolution(config).eval()
    processor = Swin2SRImageProcessor(size_divisor=4, padding="official")
    with torch.no_grad():
        outputs = model(**processor(_colour(8, 10), return_tensors="pt"))
    (result,) = processor.post_process(outputs, [(8, 10)])
    assert result.size == (20, 16)


def test_h4_a_given_scale_allows_any_padding_and_sizes() -> None:
    batch = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    results = Swin2SRImageProcessor().post_process(batch, [(20, 10), (3, 4)], scale=2)
    assert [result.size for result in results] == [(20, 40), (8, 6)]


def test_post_process_clips_and_gives_arrays_and_tensors() -> None:
    batch = torch.tensor([-0.2, 0.5, 1.3])[None, :, None, None].expand(1, 3, 8, 8)
    processor = Swin2SRImageProcessor()
    (picture,) = processor.post_process(batch, [(8, 8)])
    (array,) = processor.post_process(batch, [(8, 8)], output_type="np")
    (tensor,) = processor.post_process(batch.bfloat16(), [(8, 8)], output_type="pt")
    assert picture.getpixel((0, 0)) == (0, 128, 255)
    assert (array.shape, array.dtype, array[0, 0].tolist()) == ((8, 8, 3), np.float32, [0, 0.5, 1])
    assert (tensor.shape, tensor.dtype) == ((3, 8, 8), torch.float32)
    assert tensor[:, 0, 0].tolist() == [0, 0.5, 1]


def test_post_process_gives_one_channel_as_grey() -> None:
    (result,) = Swin2SRImageProcessor().post_process(torch.full((1, 1, 8, 8), 0.2), [(8, 8)])
    assert (result.mode, result.getpixel((0, 0))) == ("L", 51)


@pytest.mark.parametrize(
    ("outputs", "sizes", "options", "error"),
    [
        (torch.zeros(1, 3, 16, 16), [(8, 8), (8, 8)], {}, ShapeError),
        (torch.zeros(3, 16, 16), [(8, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 16, 16), [(0, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 16, 20), [(8, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 16, 32), [(8, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 4, 4), [(8, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 16, 16), [(8, 9)], {"scale": 2}, ShapeError),
        (torch.zeros(1, 2, 16, 16), [(8, 8)], {}, ShapeError),
        (torch.zeros(1, 3, 16, 16), [(8, 8)], {"scale": 0}, ConfigError),
        (torch.zeros(1, 3, 16, 16), [(8, 8)], {"output_type": "jpg"}, ConfigError),
        (SimpleNamespace(reconstruction=None), [(8, 8)], {}, KindError),
        (torch.full((1, 3, 8, 8), torch.nan), [(8, 8)], {}, JobError),
    ],
)
def test_post_process_refuses_what_does_not_fit(
    outputs: Any, sizes: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Swin2SRImageProcessor().post_process(outputs, sizes, **options)


# H5: the window is the model's


def test_h5_published_models_bring_their_own_window() -> None:
    for entry in list_models():
        for name in filter(None, (entry.name, entry.repo, *entry.aliases)):
            read = Swin2SRImageProcessor.from_pretrained(name)
            assert read.size_divisor == entry.config.window_size, name


def test_h5_the_class_itself_takes_a_models_name(tmp_path: Path) -> None:
    Swin2SRConfig(window_size=7).to_json_file(tmp_path / "config.json")
    assert Swin2SRImageProcessor(tmp_path).size_divisor == 7
    assert Swin2SRImageProcessor("caidas/swin2SR-lightweight-x2-64").size_divisor == 8
    assert Swin2SRImageProcessor(str(tmp_path), size_divisor=3).size_divisor == 3
    with pytest.raises(WeightsError):
        Swin2SRImageProcessor("nothing here")


def test_h5_a_models_folder_brings_its_window(tmp_path: Path) -> None:
    Swin2SRConfig(window_size=7).to_json_file(tmp_path / "config.json")
    assert Swin2SRImageProcessor.from_pretrained(tmp_path).size_divisor == 7
    Swin2SRImageProcessor(size_divisor=14).save_pretrained(tmp_path)
    assert Swin2SRImageProcessor.from_pretrained(str(tmp_path)).size_divisor == 14


def test_an_unknown_name_is_not_found(tmp_path: Path) -> None:
    for name in ("nothing here", tmp_path):
        with pytest.raises(WeightsError) as raised:
            Swin2SRImageProcessor.from_pretrained(name)
        assert raised.value.code == "not_found"
    with pytest.raises(KindError):
        Swin2SRImageProcessor.from_pretrained(8)  # type: ignore[arg-type]


def test_any_repository_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: dict[str, Any] = {
        "preprocessor_config.json": {"pad_size": 12},
        "config.json": {"model_type": "swinir", "window_size": 7},
    }
    asked = []

    def fetch(file: HubFile, watch: Watchdog, sha256: str | None) -> Path:
        asked.append((file.repo, file.filename, file.revision))
        if file.filename not in there:
            raise WeightsError("There is no such file.", code="not_found")
        (tmp_path / file.filename).write_text(json.dumps(there[file.filename]))
        return tmp_path / file.filename

    def divisor(**options: Any) -> int:
        read = Swin2SRImageProcessor.from_pretrained("me/mine", cache_dir=tmp_path, **options)
        return read.size_divisor

    monkeypatch.setattr(HubFile, "fetch", fetch)
    assert divisor(revision="v2") == 12
    assert asked == [("me/mine", "preprocessor_config.json", "v2")]
    del there["preprocessor_config.json"]
    assert divisor() == 7
    with pytest.raises(WeightsError) as raised:
        divisor(local_files_only=True)
    assert raised.value.code == "offline"
    del there["config.json"]
    with pytest.raises(WeightsError) as raised:
        divisor()
    assert raised.value.code == "not_found"
    asked.clear()
    assert Swin2SRImageProcessor.from_pretrained("swin2sr-jpeg").size_divisor == 7
    assert asked == []


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = Swin2SRImageProcessor(
        do_rescale=False, rescale_factor=0.1, do_pad=False, size_divisor=7, padding="official"
    )
    saved.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert stored["image_processor_type"] == "Swin2SRImageProcessor"
    assert stored["pad_size"] == stored["size_divisor"] == 7
    assert Swin2SRImageProcessor.from_pretrained(tmp_path).to_dict() == saved.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[8]", '"x"', "8", '{"size_divisor": 0}', '{"do_pad": 1}'),
        '{"image_processor_type": "ViTImageProcessor"}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ConfigError):
        Swin2SRImageProcessor.from_pretrained(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Swin2SRImageProcessor().save_pretrained(tmp_path / "file")


# H14: modes and depths


def test_h14_modes_become_the_channels_they_stand_for() -> None:
    colour = Image.fromarray(_colour(8, 8))
    grey = colour.convert("L")
    veiled = colour.convert("RGBA")
    veiled.putalpha(grey)
    palette = colour.quantize(16)
    expected = {
        "L": (grey, np.asarray(grey)[None]),
        "RGB": (colour, np.asarray(colour).transpose(2, 0, 1)),
        "RGBA": (veiled, np.asarray(colour).transpose(2, 0, 1)),
        "LA": (grey.convert("LA"), np.stack([np.asarray(grey)] * 3)),
        "P": (palette, np.asarray(palette.convert("RGB")).transpose(2, 0, 1)),
        "1": (grey.convert("1"), np.stack([np.asarray(grey.convert("1")) * 255.0] * 3)),
    }
    for mode, (picture, levels) in expected.items():
        assert picture.mode == mode
        np.testing.assert_array_equal(_one(picture, do_rescale=False), levels, err_msg=mode)


def test_h14_cmyk_is_converted_to_rgb() -> None:
    made = _one(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), do_rescale=False)
    assert made[:, 0, 0].tolist() == [255, 0, 0]


def test_h14_a_palette_with_transparency_is_converted_without_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    palette = Image.fromarray(_colour(8, 8)).quantize(16)
    expected = np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
    palette.info["transparency"] = bytes(range(16))
    np.testing.assert_array_equal(_one(palette, do_rescale=False), expected)
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_h14_sixteen_bits_end_at_one(mode: str) -> None:
    levels = np.array([[0, 32895], [257, 65535]], dtype="<u2" if mode == "I;16" else ">u2")
    picture = Image.frombytes(mode, (2, 2), levels.tobytes())
    expected = np.array([[[0, 32895], [257, 65535]]]) / 65535
    np.testing.assert_allclose(_one(picture), expected, rtol=1e-6)
    np.testing.assert_allclose(_one(levels), expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_h14_modes_without_a_white_are_refused(mode: str) -> None:
    with pytest.raises(ImageError) as raised:
        _one(Image.new(mode, (8, 8)))
    assert raised.value.code == "range"


def test_h14_four_channels_need_a_layout() -> None:
    with pytest.raises(ShapeError):
        _one(np.zeros((8, 8, 4), np.uint8))
    assert _one(np.zeros((8, 9, 4), np.uint8), input_data_format="channels_last").shape == (4, 8, 9)


# H15: layouts


def test_h15_bytes_with_three_last_are_height_width_channels() -> None:
    for size in ((3, 40), (1, 1), (1, 40), (40, 30)):
        picture = _colour(*size)
        expected = picture.transpose(2, 0, 1)
        np.testing.assert_array_equal(_one(picture, do_rescale=False), expected)
        np.testing.assert_array_equal(_one(Image.fromarray(picture), do_rescale=False), expected)


def test_h15_tensors_are_channels_height_width() -> None:
    for shape in ((3, 40, 3), (1, 1, 1), (1, 5, 3), (3, 7, 9)):
        tensor = torch.arange(math.prod(shape)).reshape(shape).to(torch.uint8)
        np.testing.assert_array_equal(_one(tensor, do_rescale=False), tensor.numpy())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 40, 3)),
        np.zeros((1, 1, 1)),
        np.zeros((3, 9, 1), np.uint8),
        np.zeros((8, 8, 5)),
        torch.zeros(40, 30, 3),
    ],
)
def test_h15_ambiguous_arrays_need_a_layout(image: Any) -> None:
    with pytest.raises(ShapeError, match="input_data_format"):
        _one(image)
    height, width, channels = image.shape
    found = _one(image, input_data_format="channels_last")
    assert found.shape == (channels, height, width)
    assert _one(image, input_data_format="channels_first").shape == image.shape


def test_h15_other_arrays_go_by_their_only_small_axis() -> None:
    assert _one(np.zeros((8, 9, 3), np.float32)).shape == (3, 8, 9)
    assert _one(np.zeros((3, 8, 9), np.uint8)).shape == (3, 8, 9)
    assert _one(np.zeros((8, 9), np.uint8)).shape == (1, 8, 9)
    assert _one(torch.zeros(8, 9), input_data_format="none").shape == (1, 8, 9)


# H16: every argument counts, under both names, everywhere


@pytest.mark.parametrize("name", ["pad_size", "size_divisor"])
def test_h16_both_names_count_everywhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({name: 5}))
    picture = _colour(6, 11)
    larger: dict[str, Any] = {name: 8}
    for processor in (
        Swin2SRImageProcessor(**{name: 5}),  # type: ignore[arg-type]
        Swin2SRImageProcessor.from_pretrained(tmp_path),
    ):
        assert processor.pad_size == processor.size_divisor == 5
        assert processor(picture).pixel_values[0].shape == (3, 10, 15)
        assert processor(picture, **larger).pixel_values[0].shape == (3, 8, 16)
    setattr(processor, name, 4)
    assert processor(picture).pixel_values[0].shape == (3, 8, 12)


def test_h16_two_different_divisors_are_refused() -> None:
    with pytest.raises(ConfigError):
        Swin2SRImageProcessor(size_divisor=8, pad_size=7)
    with pytest.raises(ConfigError):
        _one(_colour(8, 8), size_divisor=8, pad_size=7)
    assert Swin2SRImageProcessor(size_divisor=7, pad_size=7).size_divisor == 7


@pytest.mark.parametrize("kind", [None, "np", "pt"])
def test_h16_data_format_is_honoured(kind: str | None) -> None:
    processor, picture = Swin2SRImageProcessor(), _colour(8, 16)
    first = processor(picture, return_tensors=kind)["pixel_values"][0]
    last = processor(picture, return_tensors=kind, data_format="channels_last")["pixel_values"][0]
    assert (first.shape, last.shape) == ((3, 8, 16), (8, 16, 3))
    np.testing.assert_array_equal(np.moveaxis(np.asarray(first), 0, 2), np.asarray(last))


def test_h16_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        Swin2SRImageProcessor(do_resize=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Swin2SRImageProcessor()(_colour(8, 8), size=8)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "options",
    [
        {"do_pad": 1},
        {"do_rescale": "yes"},
        {"rescale_factor": 0},
        {"rescale_factor": float("nan")},
        {"rescale_factor": "1/255"},
        {"size_divisor": 0},
        {"size_divisor": 8.0},
        {"pad_size": True},
        {"padding": "symmetric"},
    ],
)
def test_values_outside_the_offer_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Swin2SRImageProcessor(**options)
    with pytest.raises(ConfigError):
        Swin2SRImageProcessor()(_colour(8, 8), **options)


@pytest.mark.parametrize("name", ["return_tensors", "data_format", "input_data_format"])
def test_formats_outside_the_offer_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        _one(_colour(8, 8), **{name: "tf"})


# H17: any size can be padded


@pytest.mark.parametrize("padding", ["minimal", "official"])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (3, 1)])
def test_h17_the_smallest_pictures_can_be_padded(padding: str, size: tuple[int, int]) -> None:
    picture = _colour(*size)
    made = _one(picture, do_pad=True, padding=padding, size_divisor=16, do_rescale=False)
    assert made.shape == (3, 16, 16)
    np.testing.assert_array_equal(made[:, : size[0], : size[1]], picture.transpose(2, 0, 1))
    mode = "reflect" if padding == "minimal" else "symmetric"
    after = ((0, 16 - size[0]), (0, 16 - size[1]), (0, 0))
    np.testing.assert_array_equal(made, np.pad(picture, after, mode=mode).transpose(2, 0, 1))  # type: ignore[call-overload]


# Kinds of input and output


def test_the_same_picture_gives_the_same_input_in_every_form() -> None:
    picture = _colour(8, 9)
    planes = picture.transpose(2, 0, 1)
    expected = _one(picture)
    forms = {
        "pil": Image.fromarray(picture),
        "planes": planes,
        "fortran": np.asfortranarray(picture),
        "tensor": torch.from_numpy(planes.copy()),
        "integers": picture.astype(np.int64),
        "big-endian": picture.astype(">f4"),
        "half": picture.astype(np.float16),
        "bfloat16": torch.from_numpy(planes.copy()).bfloat16(),
        "gradient": torch.from_numpy(planes.astype(np.float32)).requires_grad_(),
        "negative strides": picture[::-1].copy()[::-1],
    }
    for name, form in forms.items():
        np.testing.assert_array_equal(_one(form), expected, err_msg=name)


def test_the_input_is_left_as_it_was() -> None:
    picture = _colour(8, 8).astype(np.float64)
    picture.setflags(write=False)
    before = picture.copy()
    made = _one(picture)
    made[:] = -1
    np.testing.assert_array_equal(picture, before)


def test_lists_and_batches_give_one_entry_each() -> None:
    processor, picture = Swin2SRImageProcessor(), _colour(8, 8)
    forms = ([picture, Image.fromarray(picture)], [[picture], (picture,)], np.stack([picture] * 2))
    for form in forms:
        batch = processor(form, return_tensors="np").pixel_values
        assert batch.shape == (2, 3, 8, 8)
        np.testing.assert_array_equal(batch[0], batch[1])
    assert processor([]).pixel_values == []


def test_different_sizes_need_a_list() -> None:
    processor, pictures = Swin2SRImageProcessor(), [_colour(8, 8), _colour(8, 9)]
    assert [made.shape for made in processor(pictures)["pixel_values"]] == [(3, 8, 8), (3, 8, 16)]
    for unfit in (pictures, []):
        with pytest.raises(ShapeError, match="without return_tensors"):
            processor(unfit, return_tensors="pt")


@pytest.mark.parametrize(
    ("image", "error"),
    [
        ("photo.png", KindError),
        ([[0, 1]], KindError),
        (None, KindError),
        (np.zeros((8, 8), bool), KindError),
        (np.zeros((8, 8), complex), KindError),
        (np.zeros((8, 8), object), KindError),
        (np.zeros(8), ShapeError),
        (np.zeros((1, 1, 1, 8, 8)), ShapeError),
        (np.zeros((0, 8, 3), np.uint8), ImageError),
        (np.full((8, 8), np.nan), ImageError),
        (torch.full((3, 8, 8), torch.inf), ImageError),
    ],
)
def test_what_is_no_picture_is_refused(image: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        _one(image)


def test_no_channel_axis_contradicts_three_axes() -> None:
    with pytest.raises(ShapeError):
        _one(_colour(8, 8), input_data_format="none")


def test_a_cut_off_file_is_corrupt(tmp_path: Path) -> None:
    Image.fromarray(_colour(64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with Image.open(tmp_path / "cut.png") as picture, pytest.raises(ImageError) as raised:
        _one(picture)
    assert raised.value.code == "corrupt"


def test_rescaling_zero_to_one_again_is_warned_of_at_the_callers_line() -> None:
    picture = np.full((8, 8, 3), 0.5, np.float32)
    with pytest.warns(UserWarning, match="do_rescale=False") as caught:
        Swin2SRImageProcessor()(picture)
    assert caught[0].filename == __file__
    assert _one(picture, do_rescale=False).max() == 0.5


def test_the_other_names_are_the_same_class() -> None:
    import swin2sr

    assert swin2sr.Swin2SRImageProcessor is Swin2SRImageProcessor
    assert swin2sr.Swin2SRImageProcessorFast is Swin2SRImageProcessorFast is Swin2SRImageProcessor
    assert Swin2SRImageProcessorPil is Swin2SRImageProcessor
