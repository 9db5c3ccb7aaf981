"""Attention logits: those of the attention matrices, and what token length does to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from swin2sr.errors import ConfigError
from swin2sr.inspect import (
    attention_logits,
    attention_statistics,
    entropy_by_scale,
    hidden_states,
)
from swin2sr.inspect.hooks import layers_of
from swin2sr.nn.blocks import Block
from tests.inspect.networks import NETWORKS, make, picture


@pytest.mark.parametrize("network", NETWORKS)
def test_they_are_those_of_the_attention_matrices(network: str) -> None:
    model, image = make(network), picture(16, 24)
    found = attention_logits(model, image)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        matrices = model(pixels, output_attentions=True).attentions
    assert found.peak.shape == (4, 2)
    for layer, weights in enumerate(matrices):
        # Of weights, the logits are known up to a number a row, which no spread depends on.
        logits = weights.double().log()
        block = model.trunk.groups[layer // 2].blocks[layer % 2]
        bias = block.attention.position().double()
        torch.testing.assert_close(
            found.peak[layer], weights.double().amax(-1).mean((0, 2)), rtol=1e-5, atol=0
        )
        alone = attention_logits(model, image, [layer])
        torch.testing.assert_close(alone.content[0], found.content[layer])
        if layer % 2 == 0:  # without masks
            every = (logits - bias).std(-1, correction=0).mean((0, 2))
            torch.testing.assert_close(found.content[layer], every, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(
                found.position[layer], bias.std(-1, correction=0).mean(-1), rtol=1e-5, atol=0
            )


def test_masked_keys_do_not_count() -> None:
    model = make("swinir")
    for block in (part for part in model.modules() if isinstance(part, Block)):
        torch.nn.init.zeros_(block.attention.position.table)
    found = attention_logits(model, picture(16, 16))
    assert (found.position == 0).all()  # with the masks of odd layers it would be about 50


def test_cosines_stay_within_their_temperature_and_products_do_not() -> None:
    image = picture(16, 16)
    cosine = attention_logits(make("swin2sr"), image)
    assert (cosine.largest <= cosine.bound * (1 + 1e-5)).all()
    assert (cosine.largest > 0.3 * cosine.bound).all()
    products = attention_logits(make("swinir"), image)
    assert torch.isinf(products.bound).all()
    model = make("swinir")
    for block in (part for part in model.modules() if isinstance(part, Block)):
        block.norm1.weight.data.mul_(10)
        block.norm1.bias.data.mul_(10)
    assert (attention_logits(model, image, 0).largest > 20 * products.largest[:1]).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_as_trained_the_length_of_tokens_does_not_matter(network: str) -> None:
    model, image = make(network), picture(16, 24)
    factors = [0.5, 1.0, 8.0]
    usual = entropy_by_scale(model, image, 1, factors)
    torch.testing.assert_close(
        usual[1], attention_statistics(model, image, 1).entropy[0], rtol=1e-5, atol=1e-5
    )
    bare = entropy_by_scale(model, image, 1, factors, shielded=False)
    assert usual.shape == bare.shape == (3, 2)
    moved, moved_bare = (float((one[2] - one[1]).abs().mean()) for one in (usual, bare))
    assert moved < 0.3
    assert moved_bare > 3 * moved
    assert (bare[2] < bare[1]).all()


def test_bare_swin_is_swin_without_its_norm() -> None:
    model, image = make("swinir"), picture(16, 24)
    bare = entropy_by_scale(model, image, 1, [2.0], shielded=False)
    layers_of(model)[1].norm1 = torch.nn.Identity()
    torch.testing.assert_close(entropy_by_scale(model, image, 1, [2.0]), bare)


def test_bare_swin2_is_the_formula_of_swin() -> None:
    model, image = make("swin2sr"), picture(8, 8)
    tokens = 2 * hidden_states(model, image, at="layers", which=0).maps[0].flatten(0, 1)
    attention = layers_of(model)[0].attention
    with torch.no_grad():
        query, key, _ = (tokens @ attention.qkv.weight.mT).split(12, dim=1)
        query = query + attention.q_bias
        for head in range(2):
            part = slice(6 * head, 6 * head + 6)
            logits = query[:, part] @ key[:, part].mT / 6**0.5 + attention.position()[head]
            weights = logits.double().softmax(-1)
            wanted = -(weights * weights.log2()).sum(-1).mean()
            found = entropy_by_scale(model, image, 0, [2.0], shielded=False)[0, head]
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_large_factor_on_bare_products_leaves_one_key() -> None:
    image = np.tile(picture(8, 8), (2, 2, 1))
    entropy = entropy_by_scale(make("swinir"), image, 0, [1e3], shielded=False)
    assert float(entropy.max()) < 0.1 < math.log2(64)


def test_wrong_layers_and_factors_are_refused() -> None:
    model, image = make(), picture(8, 8)
    with pytest.raises(ConfigError, match="layer"):
        attention_logits(model, image, 9)
    for factors in ([], [0.0], [-1.0], [math.inf]):
        with pytest.raises(ConfigError, match="factors"):
            entropy_by_scale(model, image, 0, factors)
    mixed = make(depths=(1, 1), num_heads=(2, 3))
    with pytest.raises(ConfigError, match="numbers of heads"):
        attention_logits(mixed, image)


def test_nothing_stays_behind() -> None:
    model, image = make(), picture(8, 8)
    attention_logits(model, image)
    entropy_by_scale(model, image, 0, [2.0])
    assert not any(part._forward_pre_hooks for part in model.modules())
    assert not any(part.hooks for part in model.modules() if isinstance(part, Block))
