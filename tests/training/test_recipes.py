"""Recipes: the learning rate they prescribe, the mistakes they refuse, the family they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swin2sr.checkpoints import list_models
from swin2sr.config import Swin2SRConfig, SwinIRConfig
from swin2sr.errors import ConfigError
from swin2sr.training import RECIPES, Recipe, find_recipe
from swin2sr.training.cli import override, recipe_lines
from swin2sr.training.recipes import FINETUNE, fine_tuning


def test_the_rate_warms_up_linearly_then_falls_to_zero(recipe: Recipe) -> None:
    long = replace(recipe, steps=100, warmup=10, lr=1.0)
    rates = [long.learning_rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_the_rate_falls_in_steps_where_asked(recipe: Recipe) -> None:
    stepped = replace(
        recipe, steps=100, warmup=2, lr=1.0, decay="multistep", milestones=(10, 50), gamma=0.1
    )
    rates = [stepped.learning_rate(step) for step in (0, 1, 9, 10, 49, 50, 99)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_the_ema_forgets_the_first_weights_soon(recipe: Recipe) -> None:
    decays = [replace(recipe, ema=0.99).ema_decay(step) for step in (0, 8, 890, 10_000)]
    assert decays == pytest.approx([0.1, 0.5, 0.99, 0.99])


def test_recipes_are_found_by_name() -> None:
    assert [find_recipe(recipe.name) for recipe in RECIPES] == list(RECIPES)
    with pytest.raises(ConfigError, match="swin2sr-small-x2"):
        find_recipe("large")
    with pytest.raises(ConfigError, match="--from"):
        find_recipe(FINETUNE)


@pytest.mark.parametrize("name", ["{}-small-x2", "tiny-{}-x2"])
def test_the_two_generations_differ_in_nothing_but_the_network(name: str) -> None:
    first, second = (find_recipe(name.format(network)) for network in ("swinir", "swin2sr"))
    assert isinstance(first.config, SwinIRConfig)
    assert isinstance(second.config, Swin2SRConfig)
    one, other = first.to_dict(), second.to_dict()
    assert {key for key in one if one[key] != other[key]} == {"name", "about", "config"}
    different = {key for key, v in one["config"].items() if other["config"][key] != v}
    assert different == {"model_type"}


def test_the_family_shares_its_trunk_and_begins_with_itself() -> None:
    base = find_recipe("swin2sr-small-x2").config
    names = {recipe.name for recipe in RECIPES} | {entry.name for entry in list_models()}
    for recipe in RECIPES:
        if "-small-" in recipe.name:
            assert recipe.config.embed_dim == base.embed_dim
            assert recipe.config.depths == base.depths
            assert recipe.config.drop_path_rate == 0.0
        assert not recipe.init or recipe.init in names


def test_every_recipe_is_listed_in_words() -> None:
    text = "\n".join(recipe_lines())
    for recipe in RECIPES:
        assert f"{recipe.name}: {recipe.about}" in text
        assert f"{recipe.steps} steps" in text
    assert FINETUNE in text
    assert "quality 10-40" in text


@pytest.mark.parametrize(
    "mistake",
    [
        {"steps": 0},
        {"patch": 0},
        {"batch": -1},
        {"held_out": -1},
        {"lr": 0.0},
        {"clip": 0.0},
        {"ema": 1.0},
        {"gamma": 0.0},
        {"hf_weight": -0.1},
        {"recolour": 1.1},
        {"flat": -0.1},
        {"betas": (0.9, 1.0)},
        {"precision": "float16"},
        {"optimizer": "sgd"},
        {"loss": "l2"},
        {"decay": "linear"},
        {"milestones": (5, 3)},
        {"degradation": "blur"},
        {"degradation": "jpeg"},  # of a network that enlarges
        {"degradation": "bicubic+jpeg", "patch": 12},
        {"degradation": "bicubic+jpeg", "quality": (40, 10)},
        {"degradation": "bicubic+jpeg", "quality": (0, 10)},
        {"config": Swin2SRConfig(upscale=1, upsampler="")},  # nothing to undo
        {"config": Swin2SRConfig(num_channels=4)},
        {"config": Swin2SRConfig(num_channels=1, num_channels_out=3)},
    ],
)
def test_a_recipe_that_cannot_run_is_refused(recipe: Recipe, mistake: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(recipe, **mistake)


@pytest.mark.parametrize(
    ("config", "degradation", "patch"),
    [
        (Swin2SRConfig(upscale=4), "bicubic", 48),
        (SwinIRConfig(upscale=2, upsampler="nearest+conv"), "bicubic", 48),
        (Swin2SRConfig(upscale=4, upsampler="pixelshuffle_aux"), "bicubic+jpeg", 48),
        (SwinIRConfig(upscale=1, upsampler="", num_channels=1), "jpeg", 48),
        (SwinIRConfig(upscale=1, upsampler="", window_size=7, image_size=126), "jpeg", 56),
        (Swin2SRConfig(window_size=16), "bicubic", 48),
    ],
)
def test_fine_tuning_suits_the_network(config: Any, degradation: str, patch: int) -> None:
    recipe = fine_tuning("mine", "theirs", config)
    assert (recipe.degradation, recipe.patch) == (degradation, patch)
    assert (recipe.name, recipe.init, recipe.config) == ("mine", "theirs", config)
    assert recipe.lr < min(other.lr for other in RECIPES)


def test_changes_in_words(recipe: Recipe) -> None:
    words = {
        "batch": "32",
        "lr": "1e-4",
        "compiled": "yes",
        "checkpointing": "False",
        "loss": "charbonnier",
        "betas": "0.8,0.9",
        "milestones": "3, 5",
    }
    result = override(recipe, words)
    assert result == replace(
        recipe,
        batch=32,
        lr=1e-4,
        compiled=True,
        loss="charbonnier",
        betas=(0.8, 0.9),
        milestones=(3, 5),
    )


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("colour", "red"),
        ("config", "large"),
        ("batch", "many"),
        ("batch", "2.5"),
        ("compiled", "maybe"),
        ("milestones", "1,x"),
        ("precision", "float8"),
    ],
)
def test_changes_that_make_no_sense_are_refused(recipe: Recipe, name: str, word: str) -> None:
    with pytest.raises(ConfigError, match=name):
        override(recipe, {name: word})
