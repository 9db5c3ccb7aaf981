"""Losses against their formulas, written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from swin2sr.models import restoration_model
from swin2sr.training import Recipe
from swin2sr.training.losses import (
    Objective,
    bfloat16_attention,
    charbonnier,
    gaussian,
    high_frequency,
    l1,
)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of 2 colour images of 7x9."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 2, 3, 7, 9, generator=generator)
    return first, second


def test_l1_is_the_mean_absolute_difference(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (tensor.double().numpy() for tensor in pair)
    assert float(l1(*pair)) == pytest.approx(np.abs(a - b).mean(), rel=1e-6)


def test_charbonnier_is_a_parabola_that_becomes_a_line(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    a, b = (tensor.double().numpy() for tensor in pair)
    assert float(charbonnier(*pair)) == pytest.approx(np.sqrt((a - b) ** 2 + 1e-6).mean(), rel=1e-6)
    assert float(charbonnier(pair[0], pair[0])) == pytest.approx(1e-3)


def test_the_gaussian_has_five_taps_of_the_stated_width() -> None:
    kernel = gaussian().double().numpy()
    distance = np.arange(-2, 3)
    expected = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.1**2))
    np.testing.assert_allclose(kernel, expected / expected.sum(), rtol=1e-6)


def test_high_frequency_compares_what_the_gaussian_takes_away(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    kernel = gaussian().double().numpy()

    def high(images: torch.Tensor) -> np.ndarray:
        planes = images.double().flatten(0, 1).numpy()
        return np.stack([p - correlate(p, kernel, mode="mirror") for p in planes])

    expected = np.abs(high(pair[0]) - high(pair[1])).mean()
    assert float(high_frequency(*pair)) == pytest.approx(expected, rel=1e-5)


def test_high_frequency_does_not_see_brightness(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert float(high_frequency(pair[0], pair[0] + 0.25)) < 1e-6


def objective(recipe: Recipe, **changes: object) -> Objective:
    torch.manual_seed(0)
    return Objective(restoration_model(recipe.config), replace(recipe, **changes))


def batch(recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lr, clean = torch.rand(2, 2, 3, 8, 8, generator=generator)
    side = 8 * recipe.config.upscale
    return lr, torch.rand(2, 3, side, side, generator=generator), clean


def test_the_objective_adds_what_the_recipe_weighs(compressed_recipe: Recipe) -> None:
    whole = objective(compressed_recipe, aux_weight=0.7, hf_weight=0.3)
    lr, hr, clean = batch(compressed_recipe)
    output = whole.model(lr)
    expected = (
        l1(output.reconstruction, hr)
        + 0.7 * l1(output.aux, clean)
        + 0.3 * high_frequency(output.reconstruction, hr)
    )
    torch.testing.assert_close(whole(lr, hr, clean), expected)
    plain = objective(compressed_recipe, aux_weight=0.0, hf_weight=0.0, loss="charbonnier")
    torch.testing.assert_close(plain(lr, hr, clean), charbonnier(output.reconstruction, hr))


def test_a_teacher_has_its_share_of_the_loss(compressed_recipe: Recipe) -> None:
    lr, hr, clean = batch(compressed_recipe)
    taught = hr.flip(0)
    weights = {"aux_weight": 0.0, "hf_weight": 0.0}
    whole = objective(compressed_recipe, teacher="some", distill=0.25, **weights)
    output = whole.model(lr).reconstruction
    expected = 0.75 * l1(output, hr) + 0.25 * l1(output, taught)
    torch.testing.assert_close(whole(lr, hr, clean, taught), expected)
    alone = objective(compressed_recipe, distill=0.25, **weights)
    torch.testing.assert_close(alone(lr, hr, clean, taught), l1(output, hr))


def test_heads_without_an_auxiliary_image_have_no_loss_for_it(recipe: Recipe) -> None:
    calm = recipe.config.replace(drop_path_rate=0.0, hidden_dropout_prob=0.0)
    whole = objective(replace(recipe, config=calm), aux_weight=5.0)
    lr, hr, clean = batch(recipe)
    torch.testing.assert_close(whole(lr, hr, clean), l1(whole.model(lr).reconstruction, hr))


def test_losses_are_float32_whatever_the_network_computes_in(compressed_recipe: Recipe) -> None:
    lr, hr, clean = batch(compressed_recipe)
    exact = objective(compressed_recipe)(lr, hr, clean)
    narrow = objective(compressed_recipe, precision="bfloat16")(lr, hr, clean)
    assert narrow.dtype == torch.float32
    assert narrow != exact
    torch.testing.assert_close(narrow, exact, rtol=0.02, atol=0)


def test_the_switch_for_attention_is_put_back(recipe: Recipe) -> None:
    allowed = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed
    before = allowed()
    with bfloat16_attention(replace(recipe, precision="bfloat16")):
        assert allowed()
    assert allowed() == before
    with bfloat16_attention(recipe):
        assert allowed() == before
