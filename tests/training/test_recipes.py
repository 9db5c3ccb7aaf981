"""Recipes: the learning rate they prescribe and the mistakes they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swin2sr.errors import ConfigError
from swin2sr.training import RECIPES, Recipe, find_recipe


def test_the_rate_warms_up_linearly_then_falls_to_zero(recipe: Recipe) -> None:
    long = replace(recipe, steps=100, warmup=10, lr=1.0)
    rates = [long.learning_rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_recipes_are_found_by_name() -> None:
    assert [find_recipe(recipe.name) for recipe in RECIPES] == list(RECIPES)
    with pytest.raises(ConfigError, match="swin2sr-small-x2"):
        find_recipe("large")


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
        {"precision": "float16"},
    ],
)
def test_a_recipe_that_cannot_run_is_refused(recipe: Recipe, mistake: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(recipe, **mistake)
