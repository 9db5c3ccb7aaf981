"""Classes chosen by a checkpoint's type, and pipelines from pictures to results."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import swin2sr
from swin2sr import (
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForImageToImage,
    AutoModelForMaskedImageModeling,
    Swin2SRImageProcessor,
    Upscaler,
    ViTImageProcessor,
    pipeline,
)
from swin2sr.auto import ImageClassificationPipeline, ImageToImagePipeline
from swin2sr.auto.devices import device_of, dtype_of
from swin2sr.backbones.config import SwinConfig, Swinv2Config
from swin2sr.backbones.image_processor import IMAGENET_MEAN
from swin2sr.config import SwinIRConfig
from swin2sr.errors import ConfigError, ImageError, JobError, KindError, WeightsError
from swin2sr.inference import hardware

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL: dict[str, Any] = {"embed_dim": 8, "depths": (2, 1), "num_heads": (2, 4), "window_size": 4}
LABELS = {0: "cat", 1: "dog", 2: "tree"}
RESTORATION: dict[str, Any] = {"embed_dim": 12, "depths": (1,), "num_heads": (2,)}
WHOLE = {
    "swin2sr": swin2sr.Swin2SRForImageSuperResolution,
    "swinir": swin2sr.SwinIRForImageRestoration,
    "swin": swin2sr.SwinForImageClassification,
    "swinv2": swin2sr.Swinv2ForImageClassification,
}
CONFIGS = {
    "swin2sr": swin2sr.Swin2SRConfig(window_size=4, image_size=8, **RESTORATION),
    "swinir": SwinIRConfig(window_size=8, image_size=16, **RESTORATION),
    "swin": SwinConfig(image_size=32, encoder_stride=8, id2label=LABELS, **SMALL),
    "swinv2": Swinv2Config(image_size=32, encoder_stride=8, id2label=LABELS, **SMALL),
}


def _picture(height: int = 24, width: int = 20, channels: int = 3) -> Image.Image:
    shape = (height, width, channels)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each type, as its whole network saves itself."""
    torch.manual_seed(0)
    folders = {}
    for kind, config in CONFIGS.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        model: Any = WHOLE[kind](config)  # type: ignore[arg-type]
        model.save_pretrained(folders[kind])
    return folders


@pytest.fixture(scope="module")
def classifier(saved: dict[str, Path]) -> ImageClassificationPipeline:
    """A pipeline that names things."""
    return pipeline("image-classification", saved["swin"], device="cpu")


# Networks


CHOICES = {
    (AutoModel, "swin2sr"): "Swin2SRModel",
    (AutoModel, "swinir"): "SwinIRModel",
    (AutoModel, "swin"): "SwinModel",
    (AutoModel, "swinv2"): "Swinv2Model",
    (AutoModelForImageToImage, "swin2sr"): "Swin2SRForImageSuperResolution",
    (AutoModelForImageToImage, "swinir"): "SwinIRForImageRestoration",
    (AutoModelForImageClassification, "swin"): "SwinForImageClassification",
    (AutoModelForImageClassification, "swinv2"): "Swinv2ForImageClassification",
    (AutoModelForMaskedImageModeling, "swin"): "SwinForMaskedImageModeling",
    (AutoModelForMaskedImageModeling, "swinv2"): "Swinv2ForMaskedImageModeling",
}


@pytest.mark.filterwarnings("ignore:.*newly initialised")  # of masked image modelling
@pytest.mark.parametrize(("auto", "kind"), CHOICES)
def test_the_type_chooses_the_class(auto: Any, kind: str, saved: dict[str, Path]) -> None:
    model = auto.from_pretrained(saved[kind])
    assert type(model).__name__ == CHOICES[auto, kind]
    assert not model.training
    assert model.dtype == torch.float32
    loaded = type(model).from_pretrained(saved[kind]).state_dict()
    known = WHOLE[kind].from_pretrained(saved[kind]).state_dict()
    for name, tensor in model.state_dict().items():
        inside = {name, f"trunk.{name}", f"backbone.{name}"} & known.keys()
        if inside:  # not what is initialised afresh
            torch.testing.assert_close(tensor, loaded[name], rtol=0, atol=0)
            torch.testing.assert_close(tensor, known[inside.pop()], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("auto", "kind", "offered"),
    [
        (AutoModelForImageToImage, "swin", "swin2sr, swinir"),
        (AutoModelForImageClassification, "swin2sr", "swin, swinv2"),
        (AutoModelForMaskedImageModeling, "swinir", "swin, swinv2"),
        (AutoModel, "vit", "swin2sr, swinir, swin, swinv2"),
    ],
)
def test_another_type_is_refused_with_what_is_offered(
    auto: Any, kind: str, offered: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(WeightsError, match=f"{kind!r} network.* offers {offered}") as raised:
        auto.from_pretrained(saved.get(kind, tmp_path))
    assert raised.value.code == "wrong_model"


def test_published_names_are_known_without_a_file() -> None:
    model = AutoModelForImageToImage.from_pretrained("swin2sr-small-x2")
    assert isinstance(model, swin2sr.Swin2SRForImageSuperResolution)
    with pytest.raises(WeightsError, match="AutoModelForImageClassification") as raised:
        AutoModelForImageClassification.from_pretrained("caidas/swin2SR-lightweight-x2-64")
    assert raised.value.code == "wrong_model"


def test_a_cached_repository_is_found_and_another_is_offline(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    snapshot = tmp_path / "models--someone--swin" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in saved["swin"].iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    refs = tmp_path / "models--someone--swin" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    remote: dict[str, Any] = {"cache_dir": tmp_path, "local_files_only": True}
    model = AutoModel.from_pretrained("someone/swin", **remote)
    assert type(model) is swin2sr.SwinModel
    for auto in (AutoModel, AutoImageProcessor):
        with pytest.raises(WeightsError) as raised:
            auto.from_pretrained("someone/else", **remote)
        assert raised.value.code == "offline"


def test_a_folder_comes_before_a_published_model_of_its_name(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "swin2sr-classical-x2"
    (tmp_path / name).symlink_to(saved["swin"])
    monkeypatch.chdir(tmp_path)
    assert type(AutoModel.from_pretrained(name)) is swin2sr.SwinModel
    assert isinstance(AutoImageProcessor.from_pretrained(name), ViTImageProcessor)


@pytest.mark.parametrize("name", ["no-such-folder", "weights.safetensors", "/no/such"])
def test_an_unknown_name_is_not_found(name: str) -> None:
    for auto in (AutoModel, AutoImageProcessor):
        with pytest.raises(WeightsError) as raised:
            auto.from_pretrained(name)
        assert raised.value.code == "not_found"


def test_a_folder_that_says_nothing_is_refused(tmp_path: Path) -> None:
    for auto in (AutoModel, AutoImageProcessor):
        with pytest.raises(WeightsError) as raised:
            auto.from_pretrained(tmp_path)
        assert raised.value.code == "not_found"
    (tmp_path / "config.json").write_text('{"depths": [1]}')
    for auto in (AutoModel, AutoImageProcessor):
        with pytest.raises(ConfigError, match="model_type"):
            auto.from_pretrained(tmp_path)
    with pytest.raises(KindError):
        AutoModel.from_pretrained(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [{"dtype": torch.bfloat16}, {"dtype": "bfloat16"}, {"torch_dtype": "torch.bfloat16"}],
    ids=str,
)
def test_the_format_of_the_weights_has_two_names(
    options: dict[str, Any], saved: dict[str, Path]
) -> None:
    assert AutoModel.from_pretrained(saved["swin"], **options).dtype == torch.bfloat16


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_auto_is_the_format_that_the_file_names(
    key: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    for file in saved["swin"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert AutoModel.from_pretrained(tmp_path, dtype="auto").dtype == torch.float32
    values = json.loads((tmp_path / "config.json").read_text()) | {key: "float16"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert AutoModel.from_pretrained(tmp_path, dtype="auto").dtype == torch.float16
    assert AutoModel.from_pretrained(tmp_path).dtype == torch.float32


def test_options_of_the_class_reach_it(saved: dict[str, Path]) -> None:
    with pytest.warns(UserWarning, match="newly initialised"):
        model = AutoModelForImageClassification.from_pretrained(
            saved["swin"], num_labels=7, ignore_mismatched_sizes=True
        )
    assert model.config.num_labels == 7
    with pytest.raises(TypeError):
        AutoModelForImageToImage.from_pretrained(saved["swin2sr"], num_labels=7)


# Devices and formats


def test_devices_in_every_way() -> None:
    best = torch.device(swin2sr.infer_device())
    for value in (None, "auto", {"": "auto"}, best):
        assert device_of(value).type == best.type
    for value in (-1, "cpu", {"": "cpu"}, torch.device("cpu")):
        assert device_of(value) == torch.device("cpu")
    numbered = torch.device("cuda", 0) if best.type == "cuda" else best
    assert device_of(0) == device_of({"": 0}) == numbered


@pytest.mark.parametrize(
    ("best", "first", "second"),
    [("cuda", "cuda:0", "cuda:1"), ("mps", "mps", "mps"), ("cpu", "cpu", "cpu")],
)
def test_numbers_are_accelerators_where_there_are_any(
    best: str, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pick(device: str) -> torch.device:
        return torch.device(best if device == "auto" else device)

    monkeypatch.setattr(hardware, "pick_device", pick)
    assert (str(device_of(0)), str(device_of(1)), str(device_of(-1))) == (first, second, "cpu")


@pytest.mark.parametrize("value", ["tpu", "cuda:99", {"": "cpu", "head": "cpu"}, {"head": 0}])
def test_devices_that_are_not_here_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError):
        device_of(value)


@pytest.mark.parametrize("value", [True, 0.0, {"": 0.0}, ["cpu"]])
def test_what_is_no_device_is_refused(value: Any) -> None:
    with pytest.raises(KindError):
        device_of(value)


def test_formats_outside_the_offer_are_refused(saved: dict[str, Path]) -> None:
    assert dtype_of("float16", torch.float16) == torch.float16
    assert (dtype_of(None), dtype_of("auto")) == (None, "auto")
    for given in (("int8",), (torch.int64,), ("float16", "float32")):
        with pytest.raises(ConfigError, match="dtype"):
            dtype_of(*given)
    with pytest.raises(ConfigError, match="dtype"):
        pipeline("image-to-image", saved["swin2sr"], dtype="int8")


# Processors


def test_the_file_names_the_processor(tmp_path: Path) -> None:
    for made in (Swin2SRImageProcessor(size_divisor=7), ViTImageProcessor(size=9)):
        made.save_pretrained(tmp_path)
        read = AutoImageProcessor.from_pretrained(tmp_path, use_fast=True)
        assert type(read) is type(made)
        assert read.to_dict() == made.to_dict()
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "CLIPProcessor"}')
    with pytest.raises(ConfigError, match=r"CLIPProcessor.*Swin2SRImageProcessor, ViTImage"):
        AutoImageProcessor.from_pretrained(tmp_path)


def test_a_network_alone_gives_its_processor(saved: dict[str, Path]) -> None:
    for kind in ("swin", "swinv2"):
        made = AutoImageProcessor.from_pretrained(saved[kind])
        assert isinstance(made, ViTImageProcessor)
        assert made.size == {"height": 32, "width": 32}
        assert made.image_mean == list(IMAGENET_MEAN)
    for kind, window in (("swin2sr", 4), ("swinir", 8)):
        made = AutoImageProcessor.from_pretrained(saved[kind])
        assert isinstance(made, Swin2SRImageProcessor)
        assert made.size_divisor == window
    published = AutoImageProcessor.from_pretrained("caidas/swin2SR-classical-sr-x2-64")
    assert isinstance(published, Swin2SRImageProcessor)


def test_a_file_without_a_name_goes_by_the_network(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"size": 40, "pad_size": 5}')
    found: list[Any] = []
    for kind in ("swin", "swin2sr"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        found.append(AutoImageProcessor.from_pretrained(tmp_path))
    assert found[0].size == {"height": 40, "width": 40}
    assert found[1].size_divisor == 5


# Pictures to pictures


@pytest.mark.parametrize("kind", ["swin2sr", "swinir"])
def test_pictures_become_what_upscaler_makes(kind: str, saved: dict[str, Path]) -> None:
    pipe = pipeline("image-to-image", model=saved[kind], device=-1)
    assert isinstance(pipe, ImageToImagePipeline)
    assert (pipe.task, pipe.device) == ("image-to-image", torch.device("cpu"))
    picture = _picture()
    expected = Upscaler.from_pretrained(saved[kind], device="cpu")(picture)
    result = pipe(picture)
    assert (result.size, result.mode) == ((40, 48), "RGB")
    np.testing.assert_array_equal(np.asarray(result), np.asarray(expected))
    several = pipe([picture, _picture(5, 9)])
    assert [one.size for one in several] == [(40, 48), (18, 10)]
    np.testing.assert_array_equal(np.asarray(several[0]), np.asarray(expected))


def test_the_processors_padding_counts_unless_the_call_says_otherwise(
    saved: dict[str, Path],
) -> None:
    processor = Swin2SRImageProcessor(padding="official")
    pipe = pipeline("image-to-image", model=saved["swin2sr"], image_processor=processor)
    upscaler, picture = Upscaler.from_pretrained(saved["swin2sr"]), _picture()
    official, minimal = (
        np.asarray(upscaler(picture, padding=padding)) for padding in ("official", "minimal")
    )
    assert (official != minimal).any()
    np.testing.assert_array_equal(np.asarray(pipe(picture)), official)
    np.testing.assert_array_equal(np.asarray(pipe(picture, padding="minimal")), minimal)


def test_networks_files_and_names_are_taken(saved: dict[str, Path]) -> None:
    picture = _picture(8, 8)
    model = AutoModelForImageToImage.from_pretrained(saved["swin2sr"])
    file = saved["swin2sr"] / "model.safetensors"
    forms = [model, file, os.fspath(saved["swin2sr"])]
    results = [np.asarray(pipeline("image-to-image", form)(picture)) for form in forms]
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    assert pipeline("image-to-image", model).model is model
    assert pipeline("image-to-image", "swin2sr-small-x2")(picture).size == (16, 16)


def test_the_format_is_the_precision(saved: dict[str, Path]) -> None:
    for dtype, precision in ((torch.float64, "float64"), ("bfloat16", "bfloat16")):
        pipe = pipeline("image-to-image", saved["swin2sr"], dtype=dtype, device="cpu")
        assert pipe.upscaler.precision == precision


# Pictures to names


def test_names_come_best_first_with_their_share(
    classifier: ImageClassificationPipeline, saved: dict[str, Path]
) -> None:
    picture = _picture()
    found = classifier(picture)
    model = AutoModelForImageClassification.from_pretrained(saved["swin"])
    inputs = AutoImageProcessor.from_pretrained(saved["swin"])(picture, return_tensors="pt")
    with torch.no_grad():
        shares = model(**inputs).logits.softmax(-1)[0]
    assert [one["label"] for one in found] == [LABELS[i] for i in shares.argsort().tolist()[::-1]]
    assert {one["label"]: one["score"] for one in found} == pytest.approx(
        {LABELS[i]: share for i, share in enumerate(shares.tolist())}
    )
    assert classifier(picture, top_k=None) == classifier(picture, top_k=9) == found
    assert classifier(picture, top_k=2) == found[:2]


def test_one_picture_gives_a_list_and_several_a_list_of_lists(
    classifier: ImageClassificationPipeline, tmp_path: Path
) -> None:
    picture = _picture()
    picture.save(tmp_path / "picture.png")
    array = np.asarray(picture)
    forms: list[Any] = [
        picture,
        str(tmp_path / "picture.png"),
        tmp_path / "picture.png",
        (tmp_path / "picture.png").read_bytes(),
        array,
        torch.from_numpy(array.transpose(2, 0, 1).copy()),
    ]
    expected = classifier(picture)
    assert classifier(forms) == [expected] * len(forms)
    assert classifier(forms[:2], top_k=1) == [expected[:1]] * 2
    assert classifier([]) == []


def test_files_are_seen_upright(classifier: ImageClassificationPipeline, tmp_path: Path) -> None:
    picture = _picture()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by the camera
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert classifier(tmp_path / "turned.png") == classifier(picture)


@pytest.mark.parametrize(
    ("changes", "function"),
    [
        ({}, "softmax"),
        ({"problem_type": "single_label_classification"}, "softmax"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({"problem_type": "regression"}, "none"),
        ({"num_labels": 1}, "sigmoid"),
    ],
    ids=str,
)
def test_the_network_says_what_makes_scores_of_its_numbers(
    changes: dict[str, Any], function: str
) -> None:
    torch.manual_seed(0)
    model = swin2sr.SwinForImageClassification(CONFIGS["swin"].replace(**changes)).train()  # type: ignore[arg-type]
    processor = ViTImageProcessor(size=32)
    pipe = pipeline("image-classification", model, image_processor=processor, device="cpu")
    picture = _picture()
    with torch.no_grad():
        numbers = pipe.model(**processor(picture, return_tensors="pt")).logits[0]
    scores = {"softmax": numbers.softmax(0), "sigmoid": numbers.sigmoid(), "none": numbers}
    for asked in (None, "default", *scores):
        found = pipe(picture, function_to_apply=asked)
        wanted = scores[function if asked in (None, "default") else str(asked)]
        assert [one["score"] for one in found] == pytest.approx(sorted(wanted.tolist())[::-1])
    assert pipe.model is model
    assert not model.training


def test_scores_are_those_of_transformers(saved: dict[str, Path]) -> None:
    transformers = pytest.importorskip("transformers")
    for kind in ("swin", "swinv2"):
        model = transformers.AutoModelForImageClassification.from_pretrained(saved[kind])
        settings = AutoImageProcessor.from_pretrained(saved[kind]).to_dict()
        processor = transformers.ViTImageProcessor.from_dict(settings)
        theirs = transformers.pipeline(
            "image-classification", model=model, image_processor=processor, device="cpu"
        )
        expected, found = (
            theirs(_picture()),
            pipeline("image-classification", saved[kind])(_picture()),
        )
        assert [one["label"] for one in found] == [one["label"] for one in expected]
        assert [one["score"] for one in found] == pytest.approx(
            [one["score"] for one in expected], abs=1e-5
        )


def test_half_precision_is_used_and_its_limit_is_told(saved: dict[str, Path]) -> None:
    pipe = pipeline("image-classification", saved["swin"], dtype=torch.float16, device="cpu")
    assert pipe.model.dtype == torch.float16
    assert sum(one["score"] for one in pipe(_picture())) == pytest.approx(1, abs=1e-3)
    pipe.model.classifier.bias.data[0] = torch.inf
    with pytest.raises(JobError, match="float32") as raised:
        pipe(_picture())
    assert raised.value.code == "bad_values"


def test_what_is_no_picture_or_option_is_refused(classifier: ImageClassificationPipeline) -> None:
    for wrong, error in (
        ("https://example.invalid/cat.jpg", ImageError),
        ("no-such-file.png", ImageError),
        (None, KindError),
    ):
        with pytest.raises(error):
            classifier(wrong)
    for options in ({"top_k": 0}, {"top_k": 1.5}, {"function_to_apply": "relu"}):
        with pytest.raises(ConfigError):
            classifier(_picture(), **options)  # type: ignore[arg-type]


# Pipelines


def test_a_processor_may_be_named(saved: dict[str, Path], tmp_path: Path) -> None:
    ViTImageProcessor(size=16).save_pretrained(tmp_path)
    pipe = pipeline("image-classification", saved["swinv2"], image_processor=str(tmp_path))
    assert pipe.image_processor.size == {"height": 16, "width": 16}
    assert len(pipe(_picture())) == 3


def test_tasks_and_networks_must_fit(saved: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"image-to-image.*image-classification"):
        pipeline("depth-estimation", saved["swin"])
    for task, kind in (("image-to-image", "swin"), ("image-classification", "swin2sr")):
        auto = AutoModel.from_pretrained(saved[kind])
        for model in (saved[kind], auto):
            with pytest.raises(WeightsError) as raised:
                pipeline(task, model)
            assert raised.value.code == "wrong_model"
    model = AutoModelForImageClassification.from_pretrained(saved["swin"])
    with pytest.raises(ConfigError, match="image_processor"):
        pipeline("image-classification", model)


def test_every_name_is_exported() -> None:
    for name in ("AutoImageProcessor", "AutoModel", "infer_device", "pipeline"):
        assert name in swin2sr.__all__
        assert getattr(swin2sr, name).__module__.startswith("swin2sr.auto")
