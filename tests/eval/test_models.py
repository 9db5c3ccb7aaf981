"""Models: found, described, opened; baselines that are what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.run.models import Model, Settings, enlarger, find_model, open_model
from swin2sr import Swin2SRForImageSuperResolution, Upscaler
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.images.resize import enlarge, imresize
from tests.eval.conftest import TINY, smooth


def test_bicubic_is_matlabs_and_lanczos_is_pillows() -> None:
    lr = smooth(0)
    assert np.array_equal(enlarger("bicubic", 3, "official")(lr), imresize(lr, 3))
    expected = np.asarray(Image.fromarray(lr).resize((112, 96), Image.Resampling.LANCZOS))
    assert np.array_equal(enlarger("lanczos", 2, "official")(lr), expected)
    assert enlarger("lanczos", 2, "official")(lr[..., 0]).shape == (96, 112)


def test_the_input_is_its_own_baseline() -> None:
    assert np.array_equal(enlarger("input", 1, "official")(smooth(0)), smooth(0))


def test_another_name_is_no_baseline() -> None:
    with pytest.raises(ConfigError, match="choose bicubic, lanczos, input"):
        enlarge("nearest", smooth(0), 2)


def test_a_network_is_described_by_what_tells_it_apart(network: Path) -> None:
    model = find_model(str(network))
    assert model.label == network.name
    assert model.scale == 2
    assert model.sha256 is not None
    assert model.facts["network"] == "Swin2SR"
    parameters = Swin2SRForImageSuperResolution(TINY).parameters()
    assert model.facts["parameters"] == sum(p.numel() for p in parameters)


def test_a_label_replaces_the_name(network: Path) -> None:
    assert find_model(f"mine={network}").label == "mine"
    assert find_model("cubic=bicubic").spec == "bicubic"


def test_a_file_whose_name_has_the_sign_is_a_file(network: Path, tmp_path: Path) -> None:
    shutil.copytree(network, tmp_path / "lr=2")
    assert find_model(str(tmp_path / "lr=2")).label == "lr=2"


def test_models_suit_their_scale() -> None:
    assert find_model("bicubic").suits(4)
    assert not find_model("bicubic").suits(1)
    assert find_model("input").suits(1)
    assert not find_model("input").suits(2)
    assert find_model("swin2sr-small-x2").suits(2)
    assert not find_model("swin2sr-small-x2").suits(3)
    with pytest.raises(ConfigError, match="does not enlarge by 3"):
        enlarger("swin2sr-small-x2", 3, "official")


def test_an_output_is_the_upscalers_in_whole_levels(network: Path) -> None:
    enlarge, made = open_model(find_model(str(network)), 2, Settings(padding="minimal"))
    expected = Upscaler.from_pretrained(network, precision="float32").picture(
        smooth(0), tile=None, padding="minimal"
    )
    assert np.array_equal(enlarge(smooth(0)), np.round(expected.pixels * 255).astype(np.uint8))
    assert made == {"device": "cpu", "precision": "float32", "notes": []}


def test_settings_reach_the_network(network: Path) -> None:
    model, lr = find_model(str(network)), smooth(0, 40, 40)
    plain = open_model(model, 2, Settings())[0](lr)
    for other in (Settings(padding="minimal"), Settings(self_ensemble=True)):
        assert not np.array_equal(open_model(model, 2, other)[0](lr), plain)
    _, made = open_model(model, 2, Settings(precision="bfloat16"))
    assert made["precision"] == "bfloat16"


def test_a_precision_that_is_not_had_is_refused_not_replaced(network: Path) -> None:
    with pytest.raises(ConfigError, match="does not run in float16 here"):
        open_model(find_model(str(network)), 2, Settings(precision="float16", device="cpu"))


def test_grey_comes_back_grey(network: Path) -> None:
    assert enlarger(str(network), 2, "official")(smooth(0)[..., 0]).shape == (96, 112)


def test_io_07_weights_that_changed_meanwhile_are_refused(network: Path, tmp_path: Path) -> None:
    model = find_model(str(network))
    torch.manual_seed(2)
    Swin2SRForImageSuperResolution(TINY).save_pretrained(tmp_path / "other")
    changed = Model(model.label, str(tmp_path / "other"), 2, model.sha256, {})
    with pytest.raises(WeightsError, match="changed"):
        open_model(changed, 2, Settings())
