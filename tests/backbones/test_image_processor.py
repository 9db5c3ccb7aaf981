"""The processor of Swin and Swin V2: sizes, centres, values, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import swin2sr
from swin2sr.backbones.image_processor import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ViTImageProcessor,
    ViTImageProcessorFast,
)
from swin2sr.checkpoints.cache import HubFile
from swin2sr.checkpoints.download import Watchdog
from swin2sr.errors import ConfigError, ImageError, KindError, OutputError, ShapeError, WeightsError

# What the repositories of both networks hold on the Hub.
PUBLISHED = {
    "microsoft/swin-tiny-patch4-window7-224": 224,
    "microsoft/swinv2-tiny-patch4-window8-256": 256,
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _published(size: int) -> dict[str, Any]:
    return {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
        "size": size,
    }


def _colour(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _one(image: Any, **options: Any) -> np.ndarray:
    """One picture through the processor, neither resized nor normalised unless asked."""
    plain = ViTImageProcessor(do_resize=False, do_normalize=False, do_rescale=False)
    (made,) = plain(image, **options).pixel_values
    return made


def _cached(cache: Path, repo: str, filename: str, values: dict[str, Any]) -> None:
    """Put a file where the Hub's library keeps it."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / filename).write_text(json.dumps(values))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(COMMIT)


@pytest.fixture(scope="module")
def theirs() -> Any:
    module = pytest.importorskip("transformers.models.vit.image_processing_pil_vit")
    return module.ViTImageProcessorPil


# Against transformers


SIZES = [224, {"height": 50, "width": 31}, {"shortest_edge": 40}]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("resample", list(Image.Resampling))
def test_resized_pictures_have_the_values_of_transformers(
    theirs: Any, size: Any, resample: int
) -> None:
    for sides in ((1, 1), (7, 90), (64, 64), (150, 97)):
        picture = Image.fromarray(_colour(*sides))
        options = {"size": size, "resample": resample}
        expected = theirs(**options)(picture, return_tensors="np")["pixel_values"]
        found = ViTImageProcessor(**options)(picture, return_tensors="np").pixel_values
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("crop", [1, 33, 64, 65, {"height": 70, "width": 21}], ids=str)
@pytest.mark.parametrize("sides", [(64, 64), (65, 40), (20, 71)])
def test_centres_have_the_values_of_transformers(
    theirs: Any, crop: Any, sides: tuple[int, int]
) -> None:
    picture = Image.fromarray(_colour(*sides))
    options = {"do_resize": False, "do_center_crop": True, "crop_size": crop}
    (expected,) = theirs(**options)(picture)["pixel_values"]
    (found,) = ViTImageProcessor(**options)(picture).pixel_values
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_every_switch_gives_the_values_of_transformers(
    theirs: Any, rescale: bool, normalize: bool
) -> None:
    options: dict[str, Any] = {
        "size": 30,
        "resample": 3,
        "do_rescale": rescale,
        "rescale_factor": 0.01,
        "do_normalize": normalize,
        "image_mean": list(IMAGENET_MEAN),
        "image_std": list(IMAGENET_STD),
    }
    picture = _colour(41, 23)
    (expected,) = theirs()(picture, **options)["pixel_values"]
    (found,) = ViTImageProcessor()(picture, **options).pixel_values
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", PUBLISHED.values())
def test_the_published_files_give_the_values_of_transformers(theirs: Any, size: int) -> None:
    picture = Image.fromarray(_colour(90, 120))
    expected = theirs.from_dict(_published(size))(picture, return_tensors="np")["pixel_values"]
    made = ViTImageProcessor.from_dict(_published(size))(picture, return_tensors="pt")
    assert made.pixel_values.shape == (1, 3, size, size)
    np.testing.assert_array_equal(made.pixel_values.numpy(), expected)


def test_transparency_is_laid_before_white_as_transformers_does(theirs: Any) -> None:
    picture = Image.fromarray(_colour(20, 30, 4))
    expected = theirs(do_convert_rgb=True)(picture, return_tensors="np")["pixel_values"]
    found = ViTImageProcessor()(picture, return_tensors="np").pixel_values
    np.testing.assert_array_equal(found, expected)


def test_transformers_reads_what_we_save(theirs: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"size": {"shortest_edge": 60}, "resample": 3, "image_std": [1, 2, 3]}
    options |= {"do_center_crop": True, "crop_size": 48, "do_rescale": False}
    ours = ViTImageProcessor(**options)
    ours.save_pretrained(tmp_path / "new" / "folder")
    read = theirs.from_pretrained(tmp_path / "new" / "folder")
    picture = Image.fromarray(_colour(70, 90))
    expected = read(picture, return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(ours(picture, return_tensors="np").pixel_values, expected)


def test_we_read_what_transformers_saves(theirs: Any, tmp_path: Path) -> None:
    theirs(size=31, resample=3, do_normalize=False, crop_size=5).save_pretrained(tmp_path)
    read = ViTImageProcessor.from_pretrained(tmp_path)
    wanted = ViTImageProcessor(size=31, resample=3, do_normalize=False, crop_size=5)
    assert read.to_dict() == wanted.to_dict()


def test_options_may_be_the_enumerations_of_transformers() -> None:
    from transformers.image_utils import ChannelDimension, PILImageResampling
    from transformers.utils import TensorType

    made = ViTImageProcessor(resample=PILImageResampling.BICUBIC)(
        _colour(8, 8),
        return_tensors=TensorType.PYTORCH,
        data_format=ChannelDimension.LAST,
        input_data_format=ChannelDimension.LAST,
    )
    assert isinstance(made.pixel_values, torch.Tensor)
    assert made.pixel_values.shape == (1, 224, 224, 3)


# Sizes and values


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30))
def test_the_shortest_edge_is_as_asked_and_the_ratio_stays(
    height: int, width: int, short: int
) -> None:
    made = _one(_colour(height, width), do_resize=True, size={"shortest_edge": short})
    assert min(made.shape[1:]) == short
    assert max(made.shape[1:]) == short * max(height, width) // min(height, width)
    assert (made.shape[1] >= made.shape[2]) == (height >= width) or made.shape[1] == made.shape[2]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_the_centre_lies_in_the_middle(height: int, width: int, high: int, wide: int) -> None:
    picture = _colour(height, width) // 2 + 1  # nowhere 0
    made = _one(picture, do_center_crop=True, crop_size=(high, wide))
    assert made.shape == (3, high, wide)
    seen = np.argwhere(made[0] > 0)
    assert len(seen) == min(height, high) * min(width, wide)
    for axis, side in enumerate((high, wide)):
        before, after = seen[:, axis].min(), side - 1 - seen[:, axis].max()
        assert abs(int(before) - int(after)) <= 1


def test_the_whole_picture_is_the_sum_of_its_steps() -> None:
    picture = Image.fromarray(_colour(60, 80))
    made = ViTImageProcessor(
        size={"shortest_edge": 32},
        resample=Image.Resampling.BICUBIC,
        do_center_crop=True,
        crop_size=28,
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
    )(picture, return_tensors="np").pixel_values[0]
    small = picture.resize((42, 32), Image.Resampling.BICUBIC).crop((7, 2, 35, 30))
    expected = (np.asarray(small) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(made, expected.transpose(2, 0, 1), atol=1e-6)


def test_fractions_are_resized_without_rounding_to_levels() -> None:
    levels = _colour(20, 20).astype(np.float32)
    unit = _one(levels / 255, do_resize=True, size=9)
    whole = _one(levels, do_resize=True, size=9)
    assert np.abs(unit * 255 - whole).max() <= 1  # 8 bits are rounded in both directions
    assert np.unique(unit * 255 % 1).size > 50
    halves = _one(levels + 0.5, do_resize=True, size=9)
    assert np.abs(halves - 0.5 - whole).max() <= 1.01


@pytest.mark.parametrize("white", [1, 255])
def test_interpolation_does_not_leave_the_range(white: int) -> None:
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = white
    edge[0, 0] = 0.25  # a fraction, so not resized as bytes
    made = _one(edge, do_resize=True, size=32, resample=3)
    assert (made.min(), made.max()) == (0, white)


# Modes


def test_every_mode_becomes_three_channels() -> None:
    colour = Image.fromarray(_colour(8, 8))
    grey = colour.convert("L")
    three = np.stack([np.asarray(grey)] * 3)
    palette = colour.quantize(16)
    expected = {
        "L": (grey, three),
        "RGB": (colour, np.asarray(colour).transpose(2, 0, 1)),
        "P": (palette, np.asarray(palette.convert("RGB")).transpose(2, 0, 1)),
        "1": (grey.convert("1"), np.stack([np.asarray(grey.convert("1")) * 255.0] * 3)),
        "LA": (grey.convert("LA"), three),
        "CMYK": (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), [[[255]], [[0]], [[0]]]),
    }
    for mode, (picture, levels) in expected.items():
        assert picture.mode == mode
        levels = np.broadcast_to(levels, (3, 8, 8))
        np.testing.assert_array_equal(_one(picture), levels, err_msg=mode)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa", "PA", "P", "L", "RGB"])
def test_what_is_invisible_shows_the_white_behind_it(mode: str) -> None:
    black = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    if mode in ("P", "L", "RGB"):
        picture = black.convert(mode)
        picture.info["transparency"] = picture.getpixel((0, 0))
    elif mode == "PA":
        picture = black.convert("RGB").quantize(2).convert("PA")
        picture.putalpha(0)
    else:
        picture = black.convert("LA" if mode in ("LA", "La") else "RGBA").convert(mode)
    assert picture.mode == mode
    np.testing.assert_array_equal(_one(picture), 255)


def test_arrays_with_opacity_are_laid_before_white() -> None:
    array = _colour(8, 9, 4)
    expected = _one(Image.fromarray(array))
    found = _one(array, input_data_format="channels_last")
    assert np.abs(found - expected).max() <= 1  # roundings
    unit = _one(array.astype(np.float64) / 255, input_data_format="channels_last")
    assert np.abs(unit * 255 - expected).max() <= 1


def test_sixteen_bits_end_at_255() -> None:
    levels = np.array([[0, 32895], [257, 65535]], dtype="<u2")
    picture = Image.frombytes("I;16", (2, 2), levels.tobytes())
    expected = np.broadcast_to(levels / 257, (3, 2, 2))
    np.testing.assert_allclose(_one(picture), expected, rtol=1e-6)
    np.testing.assert_allclose(_one(levels), expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_a_white_are_refused(mode: str) -> None:
    with pytest.raises(ImageError) as raised:
        _one(Image.new(mode, (8, 8)))
    assert raised.value.code == "range"


def test_grey_may_stay_grey() -> None:
    grey = Image.fromarray(_colour(8, 8)).convert("L")
    assert _one(grey, do_convert_rgb=False).shape == (1, 8, 8)
    made = _one(grey, do_convert_rgb=False, do_normalize=True, image_mean=128, image_std=[2])
    np.testing.assert_array_equal(made[0], (np.asarray(grey).astype(np.float32) - 128) / 2)


def test_channels_and_means_must_fit() -> None:
    grey = Image.new("L", (8, 8))
    with pytest.raises(ShapeError, match="image_mean"):
        _one(grey, do_convert_rgb=False, do_normalize=True, image_mean=[1, 2, 3])
    with pytest.raises(ShapeError, match="2"):
        _one(np.zeros((2, 8, 8), np.uint8), input_data_format="channels_first")


def test_a_cut_off_file_is_corrupt(tmp_path: Path) -> None:
    Image.fromarray(_colour(64, 64, 4)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with Image.open(tmp_path / "cut.png") as picture, pytest.raises(ImageError) as raised:
        _one(picture)
    assert raised.value.code == "corrupt"


# Kinds of input and output


def test_the_same_picture_gives_the_same_input_in_every_form() -> None:
    picture = _colour(8, 9)
    planes = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    processor = ViTImageProcessor(size=5)
    forms = {
        "array": picture,
        "tensor": planes,
        "integers": picture.astype(np.int64),
        "floats": picture.astype(np.float32),
        "bfloat16": planes.bfloat16(),
    }
    expected = processor(Image.fromarray(picture)).pixel_values[0]
    for name, form in forms.items():
        np.testing.assert_array_equal(processor(form).pixel_values[0], expected, err_msg=name)
    (last,) = processor(picture, data_format="channels_last").pixel_values
    np.testing.assert_array_equal(last.transpose(2, 0, 1), expected)


def test_pictures_of_different_sizes_make_one_batch() -> None:
    pictures = [Image.fromarray(_colour(8, 9)), _colour(30, 20), [Image.new("L", (3, 3))]]
    batch = ViTImageProcessor(size=6)(images=pictures, return_tensors="pt").pixel_values
    assert (batch.shape, batch.dtype) == ((3, 3, 6, 6), torch.float32)
    with pytest.raises(ShapeError, match="without return_tensors"):
        ViTImageProcessor(size={"shortest_edge": 6})(pictures, return_tensors="pt")


def test_the_input_is_left_as_it_was() -> None:
    picture = _colour(8, 8).astype(np.float64)
    picture.setflags(write=False)
    before = picture.copy()
    (made,) = ViTImageProcessor(do_resize=False)(picture).pixel_values
    made[:] = -1
    np.testing.assert_array_equal(picture, before)


def test_rescaling_zero_to_one_again_is_warned_of_at_the_callers_line() -> None:
    picture = np.full((8, 8, 3), 0.5, np.float32)
    with pytest.warns(UserWarning, match="do_rescale=False") as caught:
        ViTImageProcessor()(picture)
    assert caught[0].filename == __file__
    assert _one(picture, do_rescale=False).max() == 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"do_resize": 1},
        {"size": 0},
        {"size": True},
        {"size": {"longest_edge": 5}},
        {"size": {"height": 5}},
        {"size": {"height": 5, "width": 2.0}},
        {"size": (5, 5, 5)},
        {"resample": 6},
        {"resample": "bicubic"},
        {"do_center_crop": True},
        {"crop_size": {"shortest_edge": 5}},
        {"rescale_factor": 0},
        {"image_mean": []},
        {"image_mean": [0.5, float("nan"), 0.5]},
        {"image_std": [1, 0, 1]},
        {"do_convert_rgb": "yes"},
    ],
    ids=str,
)
def test_values_outside_the_offer_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ViTImageProcessor(**options)
    with pytest.raises(ConfigError):
        ViTImageProcessor()(_colour(8, 8), **options)


@pytest.mark.parametrize("name", ["return_tensors", "data_format", "input_data_format"])
def test_formats_outside_the_offer_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ViTImageProcessor()(_colour(8, 8), **{name: "tf"})


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        ViTImageProcessor(do_pad=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ViTImageProcessor()(_colour(8, 8), do_pad=True)  # type: ignore[call-arg]


# Files


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = ViTImageProcessor(size=7, resample=0, image_mean=0.1, do_convert_rgb=False)
    saved.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert stored["image_processor_type"] == "ViTImageProcessor"
    assert (stored["size"], stored["image_mean"]) == ({"height": 7, "width": 7}, [0.1, 0.1, 0.1])
    assert ViTImageProcessor.from_pretrained(str(tmp_path)).to_dict() == saved.to_dict()


def test_a_folder_with_a_network_alone_gives_what_it_was_trained_with(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "swin", "image_size": 96}))
    made = ViTImageProcessor.from_pretrained(tmp_path)
    wanted = ViTImageProcessor.from_dict(_published(96))
    assert made.to_dict() == wanted.to_dict()


@pytest.mark.parametrize(("repo", "size"), PUBLISHED.items())
def test_a_hub_id_is_found_in_the_cache(tmp_path: Path, repo: str, size: int) -> None:
    _cached(tmp_path, repo, "preprocessor_config.json", _published(size))
    read = ViTImageProcessor.from_pretrained(repo, cache_dir=tmp_path, local_files_only=True)
    assert read.to_dict() == ViTImageProcessor.from_dict(_published(size)).to_dict()
    with pytest.raises(WeightsError) as raised:
        ViTImageProcessor.from_pretrained(
            repo, cache_dir=tmp_path, local_files_only=True, revision="other"
        )
    assert raised.value.code == "offline"


def test_without_the_network_an_uncached_id_is_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = "microsoft/swin-tiny-patch4-window7-224"
    # A network whose file of the processor is missing must not get guessed values.
    _cached(tmp_path, repo, "config.json", {"model_type": "swin", "image_size": 224})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE") as raised:
        ViTImageProcessor.from_pretrained(repo, cache_dir=tmp_path)
    assert raised.value.code == "offline"


def test_what_is_not_cached_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"preprocessor_config.json": _published(192), "config.json": {"image_size": 96}}
    asked = []

    def fetch(file: HubFile, watch: Watchdog, sha256: str | None) -> Path:
        asked.append((file.repo, file.filename, file.revision))
        if file.filename not in there:
            raise WeightsError("There is no such file.", code="not_found")
        (tmp_path / file.filename).write_text(json.dumps(there[file.filename]))
        return tmp_path / file.filename

    def read() -> ViTImageProcessor:
        return ViTImageProcessor.from_pretrained("a/b", revision="v1", cache_dir=tmp_path)

    monkeypatch.setattr(HubFile, "fetch", fetch)
    assert read().to_dict() == ViTImageProcessor.from_dict(_published(192)).to_dict()
    assert asked == [("a/b", "preprocessor_config.json", "v1")]
    del there["preprocessor_config.json"]
    assert read().to_dict() == ViTImageProcessor.from_dict(_published(96)).to_dict()
    del there["config.json"]
    with pytest.raises(WeightsError) as raised:
        read()
    assert raised.value.code == "not_found"


def test_a_broken_connection_is_not_taken_for_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(file: HubFile, watch: Watchdog, sha256: str | None) -> Path:
        raise WeightsError("The server does not answer.", code="download")

    _cached(tmp_path, "a/b", "config.json", {"image_size": 96})
    monkeypatch.setattr(HubFile, "fetch", fetch)
    with pytest.raises(WeightsError) as raised:
        ViTImageProcessor.from_pretrained("a/b", cache_dir=tmp_path)
    assert raised.value.code == "download"


@pytest.mark.parametrize("name", ["no-such-folder", "./no/such", "model.safetensors"])
def test_an_unknown_name_is_not_found(name: str) -> None:
    with pytest.raises(WeightsError) as raised:
        ViTImageProcessor.from_pretrained(name)
    assert raised.value.code == "not_found"


def test_an_empty_folder_and_another_kind_of_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        ViTImageProcessor.from_pretrained(tmp_path)
    assert raised.value.code == "not_found"
    with pytest.raises(KindError):
        ViTImageProcessor.from_pretrained(8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "[8]", '"x"', '{"size": 0}', '{"image_processor_type": "Swin2SRImageProcessor"}']
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ConfigError):
        ViTImageProcessor.from_pretrained(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        ViTImageProcessor().save_pretrained(tmp_path / "file")


def test_the_other_names_are_the_same_class() -> None:
    assert swin2sr.ViTImageProcessor is ViTImageProcessor
    assert swin2sr.ViTImageProcessorFast is ViTImageProcessorFast is ViTImageProcessor
