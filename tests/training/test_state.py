"""State of a run: what of trained weights fits is taken over, and nothing is an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from swin2sr import checkpoints
from swin2sr.config import SwinIRConfig
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.models import Swin2SRModel, restoration_model
from swin2sr.training import Recipe, finetune_recipe, train
from swin2sr.training.state import copy_matching, init_from_weights

SMALL = "swin2sr-small-x2"


@pytest.fixture
def weights(recipe: Recipe, tmp_path: Path) -> Path:
    """A file of random weights of the tiny network."""
    torch.manual_seed(5)
    state = restoration_model(recipe.config).state_dict()
    return checkpoints.package(state, recipe.config, "tiny", tmp_path)


def test_names_and_shapes_that_match_are_copied(recipe: Recipe) -> None:
    torch.manual_seed(1)
    source = restoration_model(recipe.config).state_dict()
    torch.manual_seed(2)
    larger = recipe.config.replace(upscale=4)
    model = restoration_model(larger)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    taken, total = copy_matching(model, source)
    head = {name for name in before if name.startswith("head.")}
    assert (taken, total) == (len(before) - len(head), len(before))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] if name in head else source[name]), name


def test_a_trunk_of_another_scale_is_taken_over_and_counted(
    recipe: Recipe, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    larger = replace(recipe, config=recipe.config.replace(upscale=4), init=str(weights))
    lines: list[str] = []
    # A rate of almost nothing: what was taken over is still there after the first step.
    train(replace(larger, lr=1e-30), pictures, tmp_path / "out", stop_at=1, say=lines.append)
    total = len(restoration_model(recipe.config).state_dict())
    assert f"{total - 2} of {total} parameters begin with 'tiny'" in lines
    assert any("dB with these weights" in line for line in lines)
    saved = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    given = checkpoints.load(weights).state
    for kind in ("model", "average"):
        for name in ("trunk.conv_first.weight", "trunk.groups.0.blocks.1.mlp.fc1.weight"):
            torch.testing.assert_close(saved[kind][name], given[name], rtol=0, atol=1e-12)


def test_a_trunk_without_head_is_enough_to_begin_with(recipe: Recipe, tmp_path: Path) -> None:
    Swin2SRModel(recipe.config).save_pretrained(tmp_path / "trunk")
    model = restoration_model(recipe.config)
    total = len(model.state_dict())
    told = init_from_weights(model, str(tmp_path / "trunk"))
    assert told == f"{total - 2} of {total} parameters begin with 'trunk'"


def test_weights_of_which_nothing_fits_are_refused(recipe: Recipe) -> None:
    sides = {"embed_dim": 12, "depths": (2,), "num_heads": (2,)}
    wider = restoration_model(SwinIRConfig(upsampler="pixelshuffledirect", **sides))
    del wider.head  # colours alone decide the shape of its bias
    with pytest.raises(WeightsError, match="Nothing of 'swin2sr-small-x2'") as caught:
        init_from_weights(wider, SMALL)
    assert caught.value.code == "wrong_model"


def test_weights_that_do_not_exist_are_refused(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="swin2sr-smaller"):
        train(replace(recipe, init="swin2sr-smaller"), pictures, tmp_path / "out")


def test_a_resumed_run_does_not_begin_again(
    recipe: Recipe, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    begun = replace(recipe, init=str(weights))
    train(begun, pictures, tmp_path / "unbroken")
    train(begun, pictures, tmp_path / "broken", stop_at=2)
    train(begun, pictures, tmp_path / "broken")
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["model"]
        for name in ("unbroken", "broken")
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_packaged_model_can_be_fine_tuned(pictures: Path, tmp_path: Path) -> None:
    recipe = replace(finetune_recipe(SMALL), patch=16, batch=2, steps=2, warmup=0)
    assert recipe.name == f"{SMALL}-finetuned"
    lines: list[str] = []
    train(recipe, pictures, tmp_path / "out", say=lines.append)
    saved = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["model"]
    given = checkpoints.load(SMALL).state
    assert f"{len(given)} of {len(given)} parameters begin with '{SMALL}'" in lines
    moved = [name for name, value in saved.items() if not torch.equal(value, given[name])]
    assert len(moved) > 150
    for name, value in saved.items():
        torch.testing.assert_close(value, given[name], rtol=0, atol=3 * recipe.lr)


def test_names_of_fine_tuned_weights_are_names_of_files(weights: Path, tmp_path: Path) -> None:
    odd = weights.rename(tmp_path / "my model (1).safetensors")
    assert finetune_recipe(str(odd)).name == "my-model-1--finetuned"
    assert finetune_recipe(str(odd), "mine").name == "mine"


def test_a_trunk_cannot_be_fine_tuned(recipe: Recipe, tmp_path: Path) -> None:
    Swin2SRModel(recipe.config).save_pretrained(tmp_path / "trunk")
    with pytest.raises(WeightsError, match="without reconstruction head"):
        finetune_recipe(str(tmp_path / "trunk"))


def test_networks_of_four_channels_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe.config.replace(num_channels=4)
    state = restoration_model(config).state_dict()
    path = checkpoints.package(state, config, "four", tmp_path)
    with pytest.raises(ConfigError, match="grey or colour"):
        finetune_recipe(str(path))
