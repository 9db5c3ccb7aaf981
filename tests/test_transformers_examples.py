"""Every example of transformers' documentation of Swin2SR, Swin V2 and Swin, run with this package.

Each function is one example, line by line, with two changes only: names are imported from
``swin2sr``, and pictures come from scikit-image instead of an address or a data set. The Hub's
names stay; a cache as the Hub's library keeps it holds small networks with random weights under
them, and no request leaves. What a page prints is asserted where it holds for a small network;
where this package differs on purpose, the page's line and the id of docs/differences.md (H4:
exact sizes, no needless padding) are named.

Left out, because it is no example of these classes in PyTorch: TensorFlow (``TFSwinModel``, ...),
and ``AutoFeatureExtractor``, which the first pages used where later ones have
``AutoImageProcessor``.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from skimage import data

import swin2sr
from swin2sr.checkpoints import registry

# ruff: noqa: F401  # what a page imports or assigns and does not use belongs to its text

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = {i: f"class {i}" for i in range(1000)} | {281: "tabby, tabby cat", 285: "Egyptian cat"}
BUTTERFLY, CHONK = (64, 64), (96, 80)


def cat(width: int, height: int) -> Image.Image:
    """A photograph of a cat."""
    return Image.fromarray(data.chelsea()).resize((width, height))


def classifier(network: Any, config: Any, favourite: int) -> Any:
    """Random weights that see the same animal everywhere."""
    model = network(config)
    model.classifier.bias.data[favourite] = 5
    return model


def networks() -> dict[str, Any]:
    """By the Hub's names: networks of the real ones' patches, windows and sides, but fewer layers.

    Swin and Swin V2 keep their width, too, because pages print it.
    """
    torch.manual_seed(0)
    shape: dict[str, Any] = {"depths": (2, 1, 1, 1), "id2label": NAMES}
    swin = swin2sr.SwinConfig(**shape)
    swinv2 = swin2sr.Swinv2Config(image_size=256, window_size=8, **shape)
    simmim = swin2sr.SwinConfig(
        image_size=192, window_size=6, embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 2, 4, 8)
    )
    small: dict[str, Any] = {"embed_dim": 12, "depths": (2,), "num_heads": (2,)}
    restoration = swin2sr.Swin2SRForImageSuperResolution
    return {
        "caidas/swin2SR-classical-sr-x2-64": restoration(swin2sr.Swin2SRConfig(**small)),
        "caidas/swin2SR-lightweight-x2-64": restoration(
            swin2sr.Swin2SRConfig(upsampler="pixelshuffledirect", **small)
        ),
        "microsoft/swin-tiny-patch4-window7-224": classifier(
            swin2sr.SwinForImageClassification, swin, 281
        ),
        "microsoft/swinv2-tiny-patch4-window8-256": classifier(
            swin2sr.Swinv2ForImageClassification, swinv2, 285
        ),
        "microsoft/swin-base-simmim-window6-192": swin2sr.SwinForMaskedImageModeling(simmim),
    }


def processor(size: int) -> dict[str, Any]:
    """What those repositories hold as ``preprocessor_config.json``."""
    return {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
        "size": size,
    }


def keep(cache: Path, repo: str, commit: str, files: dict[str, bytes]) -> None:
    """Put files where the Hub's library keeps them: links to blobs named by their content."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "blobs").mkdir(parents=True)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    for name, content in files.items():
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (folder / "snapshots" / commit / name).symlink_to(f"../../blobs/{blob.name}")


@pytest.fixture(scope="module", autouse=True)
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The Hub's cache, filled; and the registry's rows of the two restoration networks made small.

    A row says which network a file is and which hash it has, so both have to be those of ours.
    """
    from huggingface_hub import constants

    cache, saved = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("saved")
    rows = list(registry.REGISTRY)
    for repo, model in networks().items():
        model.save_pretrained(saved)
        files = {n: (saved / n).read_bytes() for n in ("config.json", "model.safetensors")}
        commit = COMMIT
        if repo.startswith("caidas/"):
            (row,) = (row for row in rows if row.repo == repo)
            commit = row.revision or COMMIT
            digest = hashlib.sha256(files["model.safetensors"]).hexdigest()
            rows[rows.index(row)] = replace(row, config=model.config, sha256=digest, twins=())
        else:
            settings = processor(model.config.image_size)
            files["preprocessor_config.json"] = json.dumps(settings).encode()
        keep(cache, repo, commit, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(registry, "REGISTRY", tuple(rows))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


# docs/source/en/model_doc/swin2sr.md


def test_swin2sr_config() -> None:
    """``Swin2SRConfig``, until 5.23."""
    from swin2sr import Swin2SRConfig, Swin2SRModel

    # Initializing a Swin2SR caidas/swin2sr-classicalsr-x2-64 style configuration
    configuration = Swin2SRConfig()

    # Initializing a model (with random weights) from the caidas/swin2sr-classicalsr-x2-64 style configuration  # noqa: E501
    model = Swin2SRModel(configuration)

    # Accessing the model configuration
    configuration = model.config

    assert configuration == Swin2SRConfig()


def test_swin2sr_model() -> None:
    """``Swin2SRModel.forward`` of 4.x; the pages of 4.56 and 5.x show an empty example."""
    import torch

    from swin2sr import AutoImageProcessor, Swin2SRModel

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("caidas/swin2SR-classical-sr-x2-64")
    model = Swin2SRModel.from_pretrained("caidas/swin2SR-classical-sr-x2-64")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
    list(last_hidden_states.shape)
    # The page: [1, 180, 488, 648]. The width is the network's; H4: no window is added.
    assert list(last_hidden_states.shape) == [1, 12, 480, 640]


def test_swin2sr_for_image_super_resolution() -> None:
    """``Swin2SRForImageSuperResolution.forward``, until 5.23."""
    import numpy as np
    import torch
    from PIL import Image

    from swin2sr import AutoImageProcessor, Swin2SRForImageSuperResolution

    processor = AutoImageProcessor.from_pretrained("caidas/swin2SR-classical-sr-x2-64")
    model = Swin2SRForImageSuperResolution.from_pretrained("caidas/swin2SR-classical-sr-x2-64")

    image = cat(*BUTTERFLY)
    # prepare image for the model
    inputs = processor(image, return_tensors="pt")

    # forward pass
    with torch.no_grad():
        outputs = model(**inputs)

    output = outputs.reconstruction.data.squeeze().float().cpu().clamp_(0, 1).numpy()
    output = np.moveaxis(output, source=0, destination=-1)
    output = (output * 255.0).round().astype(np.uint8)  # float32 to uint8
    # you can visualize `output` with `Image.fromarray`
    assert Image.fromarray(output).size == (128, 128)


# docs/source/en/tasks/image_to_image.md


def guide(device: Any) -> tuple[Any, Any]:
    """The guide's first half, after the device is chosen: (device, image)."""
    from PIL import Image

    from swin2sr import pipeline

    pipe = pipeline(task="image-to-image", model="caidas/swin2SR-lightweight-x2-64", device=device)

    image = cat(532, 432)

    print(image.size)
    # (532, 432)
    assert image.size == (532, 432)

    upscaled = pipe(image)
    print(upscaled.size)
    # The page: (1072, 880). H4: exactly twice the sides.
    assert upscaled.size == (1064, 864)
    return device, image


def test_image_to_image_guide() -> None:
    """All of the guide, as it was last; its first lines changed (see below)."""
    from swin2sr import infer_device

    # automatically detects the underlying device type (CUDA, CPU, XPU, MPS, etc.)
    device = infer_device()
    device, image = guide(device)

    from swin2sr import Swin2SRForImageSuperResolution, Swin2SRImageProcessor

    model = Swin2SRForImageSuperResolution.from_pretrained("caidas/swin2SR-lightweight-x2-64").to(
        device
    )
    processor = Swin2SRImageProcessor("caidas/swin2SR-lightweight-x2-64")

    pixel_values = processor(image, return_tensors="pt").pixel_values
    print(pixel_values.shape)
    assert pixel_values.shape == (1, 3, 432, 536)  # H4: only what is no whole window grows

    pixel_values = pixel_values.to(device)

    import torch

    with torch.no_grad():
        outputs = model(pixel_values)

    # (loss=None, reconstruction=tensor([[[[0.8270, ...), hidden_states=None, attentions=None)
    assert type(outputs).__name__ == "ImageSuperResolutionOutput"
    assert (outputs.loss, outputs.hidden_states, outputs.attentions) == (None, None, None)

    outputs.reconstruction.data.shape  # noqa: B018
    # The page: torch.Size([1, 3, 880, 1072]); H4.
    assert outputs.reconstruction.data.shape == torch.Size([1, 3, 864, 1072])

    import numpy as np

    # squeeze, take to CPU and clip the values
    output = outputs.reconstruction.data.squeeze().cpu().clamp_(0, 1).numpy()
    # rearrange the axes
    output = np.moveaxis(output, source=0, destination=-1)
    # bring values back to pixel values range
    output = (output * 255.0).round().astype(np.uint8)
    Image.fromarray(output)
    assert Image.fromarray(output).size == (1072, 864)


def test_image_to_image_guide_with_torchs_device() -> None:
    """The guide's first lines at first; those of 4.49 to 4.52 ask ``accelerate`` for the same."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    guide(device)


# src/transformers/pipelines/image_to_image.py, shown in main_classes/pipelines.md


def test_image_to_image_pipeline() -> None:
    """``ImageToImagePipeline``, from 4.34 until it was removed in 5.3."""
    from PIL import Image

    from swin2sr import pipeline

    upscaler = pipeline("image-to-image", model="caidas/swin2SR-classical-sr-x2-64")
    img = cat(640, 480)
    img = img.resize((64, 64))
    upscaled_img = upscaler(img)
    assert img.size == (64, 64)

    # The page: (144, 144); H4.
    assert upscaled_img.size == (128, 128)


# docs/source/en/model_doc/swinv2.md


def test_swinv2_pipeline(tmp_path: Path) -> None:
    """The page's first example in 4.56 and 4.57."""
    path = tmp_path / "pipeline-cat-chonk.jpeg"
    cat(*CHONK).save(path)

    import torch

    from swin2sr import pipeline

    pipeline = pipeline(
        task="image-classification",
        model="microsoft/swinv2-tiny-patch4-window8-256",
        dtype=torch.float16,
        device=0,
    )
    found = pipeline(str(path))
    assert pipeline.model.dtype == torch.float16
    assert found[0]["label"] == "Egyptian cat"
    assert len(found) == 5
    assert found[0]["score"] > found[1]["score"]


def test_swinv2_pipeline_without_dtype() -> None:
    """The same example in 5.15."""
    from swin2sr import pipeline

    pipeline = pipeline(
        task="image-classification", model="microsoft/swinv2-tiny-patch4-window8-256", device=0
    )
    assert pipeline(cat(*CHONK))[0]["label"] == "Egyptian cat"


def test_swinv2_auto_model(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's second example in 4.56 to 5.15."""
    import torch
    from PIL import Image

    from swin2sr import AutoImageProcessor, AutoModelForImageClassification

    image_processor = AutoImageProcessor.from_pretrained(
        "microsoft/swinv2-tiny-patch4-window8-256",
    )
    model = AutoModelForImageClassification.from_pretrained(
        "microsoft/swinv2-tiny-patch4-window8-256", device_map="auto"
    )

    image = cat(*CHONK)
    inputs = image_processor(image, return_tensors="pt").to(model.device)

    with torch.no_grad():
        logits = model(**inputs).logits

    predicted_class_id = logits.argmax(dim=-1).item()
    predicted_class_label = model.config.id2label[predicted_class_id]
    print(f"The predicted class label is: {predicted_class_label}")
    assert capsys.readouterr().out == "The predicted class label is: Egyptian cat\n"


def test_swinv2_config() -> None:
    """``Swinv2Config``, until 5.23."""
    from swin2sr import Swinv2Config, Swinv2Model

    # Initializing a Swinv2 microsoft/swinv2-tiny-patch4-window8-256 style configuration
    configuration = Swinv2Config()

    # Initializing a model (with random weights) from the microsoft/swinv2-tiny-patch4-window8-256 style configuration  # noqa: E501
    model = Swinv2Model(configuration)

    # Accessing the model configuration
    configuration = model.config

    assert configuration == Swinv2Config()


def test_swinv2_model() -> None:
    """``Swinv2Model.forward`` of 4.x; the pages of 4.56 and 5.x show an empty example."""
    import torch

    from swin2sr import AutoImageProcessor, Swinv2Model

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")
    model = Swinv2Model.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
    list(last_hidden_states.shape)
    assert list(last_hidden_states.shape) == [1, 64, 768]


@pytest.mark.filterwarnings("ignore:.*newly initialised")  # these weights have a classifier
def test_swinv2_for_masked_image_modeling() -> None:
    """``Swinv2ForMaskedImageModeling.forward``, until 5.23."""
    import torch
    from PIL import Image

    from swin2sr import AutoImageProcessor, Swinv2ForMaskedImageModeling

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")
    model = Swinv2ForMaskedImageModeling.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")

    num_patches = (model.config.image_size // model.config.patch_size) ** 2
    pixel_values = image_processor(images=image, return_tensors="pt").pixel_values
    # create random boolean mask of shape (batch_size, num_patches)
    bool_masked_pos = torch.randint(low=0, high=2, size=(1, num_patches)).bool()

    outputs = model(pixel_values, bool_masked_pos=bool_masked_pos)
    loss, reconstructed_pixel_values = outputs.loss, outputs.reconstruction
    list(reconstructed_pixel_values.shape)
    assert list(reconstructed_pixel_values.shape) == [1, 3, 256, 256]
    assert loss.ndim == 0
    assert loss.isfinite()


def test_swinv2_for_image_classification(capsys: pytest.CaptureFixture[str]) -> None:
    """``Swinv2ForImageClassification.forward``, until 5.23."""
    import torch

    from swin2sr import AutoImageProcessor, Swinv2ForImageClassification

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")
    model = Swinv2ForImageClassification.from_pretrained("microsoft/swinv2-tiny-patch4-window8-256")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        logits = model(**inputs).logits

    # model predicts one of the 1000 ImageNet classes
    predicted_label = logits.argmax(-1).item()
    print(model.config.id2label[predicted_label])
    assert capsys.readouterr().out == "Egyptian cat\n"
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize("name", ["swin-tiny-patch4-window7-224", "swinv2-tiny-patch4-window8-256"])
def test_notes_on_backbones(name: str) -> None:
    """The notes of both pages: any sides divisible by 32, and maps of the hidden states."""
    model = swin2sr.AutoModel.from_pretrained(f"microsoft/{name}")
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, 64, 96), output_hidden_states=True)
    shapes = [tuple(map_.shape) for map_ in outputs.reshaped_hidden_states]
    assert shapes == [
        *((1, 96, 16, 24), (1, 192, 8, 12), (1, 384, 4, 6), (1, 768, 2, 3), (1, 768, 2, 3))
    ]
    for tokens, (batch, channels, height, width) in zip(outputs.hidden_states, shapes, strict=True):
        assert tokens.shape == (batch, height * width, channels)


# docs/source/en/model_doc/swin.md


def test_swin_pipeline(tmp_path: Path) -> None:
    """The page's first example in 4.56 and 4.57."""
    path = tmp_path / "pipeline-cat-chonk.jpeg"
    cat(*CHONK).save(path)

    import torch

    from swin2sr import pipeline

    pipeline = pipeline(
        task="image-classification",
        model="microsoft/swin-tiny-patch4-window7-224",
        dtype=torch.float16,
        device=0,
    )
    found = pipeline(str(path))
    assert pipeline.model.dtype == torch.float16
    assert found[0]["label"] == "tabby, tabby cat"
    assert found == sorted(found, key=lambda one: -one["score"])


def test_swin_auto_model(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's second example in 4.56 and 4.57.

    4.57 has a line more, "device = Accelerator().device", whose name it does not import and whose
    result it does not use.
    """
    import torch
    from PIL import Image

    from swin2sr import AutoImageProcessor, AutoModelForImageClassification

    image_processor = AutoImageProcessor.from_pretrained(
        "microsoft/swin-tiny-patch4-window7-224",
        use_fast=True,
    )
    model = AutoModelForImageClassification.from_pretrained(
        "microsoft/swin-tiny-patch4-window7-224", device_map="auto"
    )

    image = cat(*CHONK)
    inputs = image_processor(image, return_tensors="pt").to(model.device)

    with torch.no_grad():
        logits = model(**inputs).logits
    predicted_class_id = logits.argmax(dim=-1).item()

    class_labels = model.config.id2label
    predicted_class_label = class_labels[predicted_class_id]
    print(f"The predicted class label is: {predicted_class_label}")
    assert capsys.readouterr().out == "The predicted class label is: tabby, tabby cat\n"


def test_swin_config() -> None:
    """``SwinConfig``, until 5.23."""
    from swin2sr import SwinConfig, SwinModel

    # Initializing a Swin microsoft/swin-tiny-patch4-window7-224 style configuration
    configuration = SwinConfig()

    # Initializing a model (with random weights) from the microsoft/swin-tiny-patch4-window7-224 style configuration  # noqa: E501
    model = SwinModel(configuration)

    # Accessing the model configuration
    configuration = model.config

    assert configuration == SwinConfig()


def test_swin_model() -> None:
    """``SwinModel.forward`` of 4.x; the pages of 4.56 and 5.x show an empty example."""
    import torch

    from swin2sr import AutoImageProcessor, SwinModel

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swin-tiny-patch4-window7-224")
    model = SwinModel.from_pretrained("microsoft/swin-tiny-patch4-window7-224")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
    list(last_hidden_states.shape)
    assert list(last_hidden_states.shape) == [1, 49, 768]


def test_swin_for_masked_image_modeling() -> None:
    """``SwinForMaskedImageModeling.forward``, until 5.23."""
    import torch
    from PIL import Image

    from swin2sr import AutoImageProcessor, SwinForMaskedImageModeling

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swin-base-simmim-window6-192")
    model = SwinForMaskedImageModeling.from_pretrained("microsoft/swin-base-simmim-window6-192")

    num_patches = (model.config.image_size // model.config.patch_size) ** 2
    pixel_values = image_processor(images=image, return_tensors="pt").pixel_values
    # create random boolean mask of shape (batch_size, num_patches)
    bool_masked_pos = torch.randint(low=0, high=2, size=(1, num_patches)).bool()

    outputs = model(pixel_values, bool_masked_pos=bool_masked_pos)
    loss, reconstructed_pixel_values = outputs.loss, outputs.reconstruction
    list(reconstructed_pixel_values.shape)
    assert list(reconstructed_pixel_values.shape) == [1, 3, 192, 192]
    assert loss.ndim == 0
    assert loss.isfinite()


def test_swin_for_image_classification(capsys: pytest.CaptureFixture[str]) -> None:
    """``SwinForImageClassification.forward``, until 5.23."""
    import torch

    from swin2sr import AutoImageProcessor, SwinForImageClassification

    image = cat(640, 480)

    image_processor = AutoImageProcessor.from_pretrained("microsoft/swin-tiny-patch4-window7-224")
    model = SwinForImageClassification.from_pretrained("microsoft/swin-tiny-patch4-window7-224")

    inputs = image_processor(image, return_tensors="pt")

    with torch.no_grad():
        logits = model(**inputs).logits

    # model predicts one of the 1000 ImageNet classes
    predicted_label = logits.argmax(-1).item()
    print(model.config.id2label[predicted_label])
    assert capsys.readouterr().out == "tabby, tabby cat\n"
    assert logits.shape == (1, 1000)


# The pages' text itself, where transformers is installed to be asked

SHOWN: dict[str, Callable[..., None]] = {
    "Swin2SRConfig": test_swin2sr_config,
    "Swin2SRForImageSuperResolution.forward": test_swin2sr_for_image_super_resolution,
    "Swinv2Config": test_swinv2_config,
    "Swinv2ForMaskedImageModeling.forward": test_swinv2_for_masked_image_modeling,
    "Swinv2ForImageClassification.forward": test_swinv2_for_image_classification,
    "SwinConfig": test_swin_config,
    "SwinForMaskedImageModeling.forward": test_swin_for_masked_image_modeling,
    "SwinForImageClassification.forward": test_swin_for_image_classification,
}
BASES: dict[str, Callable[..., None]] = {
    "Swin2SRModel caidas/swin2SR-classical-sr-x2-64": test_swin2sr_model,
    "Swinv2Model microsoft/swinv2-tiny-patch4-window8-256": test_swinv2_model,
    "SwinModel microsoft/swin-tiny-patch4-window7-224": test_swin_model,
}
PICTURE = re.compile(r"(url|image|dataset) = |with httpx\.stream")
SPACES = re.compile(r"\s+|(?<=\()\s|,\s*(?=\))")


def lines_of(page: str) -> list[str]:
    """What an example does: without its imports and without where its picture comes from."""
    code = re.findall(r"^\s*(?:>>>|\.\.\.) ?(.*)$", page, flags=re.MULTILINE)
    kept = [line for line in code if not re.match(r"\s*(import|from) ", line)]
    return [line.strip() for line in kept if line.strip() and not PICTURE.match(line.strip())]


def source(test: Callable[..., None]) -> str:
    """A test's text, its line breaks and the linter's remarks left aside."""
    text = re.sub(r"  # noqa.*", "", inspect.getsource(test))
    return SPACES.sub("", text)


@pytest.mark.parametrize("name", SHOWN)
def test_examples_are_the_installed_pages_text(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    shown = transformers
    for part in name.split("."):
        shown = getattr(shown, part)
    page = inspect.getdoc(shown) or ""
    lines = lines_of(page[page.index("```python") :])
    assert len(lines) >= 3
    text = source(SHOWN[name])
    assert [line for line in lines if SPACES.sub("", line) not in text] == []


@pytest.mark.parametrize("name", BASES)
def test_examples_of_bases_are_the_installed_pattern(name: str) -> None:
    patterns = pytest.importorskip("transformers.utils.doc")
    network, checkpoint = name.split()
    page = patterns.PT_VISION_BASE_MODEL_SAMPLE.format(
        model_class=network, checkpoint=checkpoint, expected_output=""
    )
    lines = lines_of(page)
    assert len(lines) == 7
    text = source(BASES[name])
    assert [line for line in lines if SPACES.sub("", line) not in text] == []
