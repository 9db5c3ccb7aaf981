"""Position biases: what the layer adds, by offset, also for windows it was not trained with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from swin2sr import Upscaler
from swin2sr.errors import ConfigError, KindError
from swin2sr.inspect import position_bias, with_window
from swin2sr.inspect.hooks import layers_of
from tests.inspect.networks import NETWORKS, make, picture


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_what_the_layer_adds(network: str) -> None:
    model = make(network)
    table = position_bias(model, -1)
    assert table.shape == (2, 15, 15)
    assert not table.requires_grad  # to be drawn
    added = model.trunk.groups[1].blocks[1].attention.constants().bias[0]
    for query, key in ((0, 0), (0, 63), (63, 0), (9, 20), (37, 5)):
        down, right = query // 8 - key // 8, query % 8 - key % 8
        torch.testing.assert_close(table[:, 7 + down, 7 + right], added[:, query, key])


def test_a_continuous_bias_keeps_its_meaning_in_pixels() -> None:
    model = make("swin2sr")
    own = position_bias(model, 0)
    for window in (4, 8, 12):
        other = position_bias(model, 0, window)
        assert other.shape == (2, 2 * window - 1, 2 * window - 1)
        reach = min(window, 8) - 1
        a, b = (
            one[:, side - 1 - reach : side + reach, side - 1 - reach : side + reach]
            for one, side in ((own, 8), (other, window))
        )
        torch.testing.assert_close(a, b)
    assert position_bias(model, 0, 1).shape == (2, 1, 1)


def test_a_table_is_interpolated() -> None:
    model = make("swinir")
    with torch.no_grad():
        slope = torch.arange(15.0)[:, None].expand(15, 15).flatten()
        model.trunk.groups[0].blocks[0].attention.position.table.copy_(slope[:, None])
    larger = position_bias(model, 0, 15)
    assert larger.shape == (2, 29, 29)
    steps = larger[0, 4:-4, 14].diff()
    assert (steps > 0).all()
    assert float(steps.mean()) == pytest.approx(15 / 29, rel=0.02)
    torch.testing.assert_close(larger[0], larger[0, :, :1].expand(29, 29))


def test_wrong_layers_and_windows_are_refused() -> None:
    with pytest.raises(ConfigError, match="layer"):
        position_bias(make(), 4)
    for window in (0, -1, 2.5, True):
        with pytest.raises(ConfigError, match="window"):
            position_bias(make(), 0, window)


@pytest.mark.parametrize("network", NETWORKS)
def test_with_its_own_window_a_network_is_the_same(network: str) -> None:
    model = make(network)
    pixels = torch.from_numpy(picture(24, 20)).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        torch.testing.assert_close(
            with_window(model, 8)(pixels).reconstruction, model(pixels).reconstruction
        )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("window", [4, 16])
def test_in_another_window_biases_are_those_asked_for(network: str, window: int) -> None:
    model = make(network)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = with_window(Upscaler(model), window)
    assert changed.config.window_size == window
    assert {block.attention.shift for block in layers_of(changed)} == {0, window // 2}
    for layer in (0, 3):
        wanted = position_bias(model, layer, window)
        added = layers_of(changed)[layer].attention.constants().bias[0]
        for query, key in ((0, 0), (0, window**2 - 1), (window + 1, 2), (5, window * 2)):
            down, right = query // window - key // window, query % window - key % window
            torch.testing.assert_close(
                added[:, query, key], wanted[:, window - 1 + down, window - 1 + right]
            )
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    theirs = dict(changed.named_parameters())
    same = [name for name in before if name in theirs and theirs[name].shape == before[name].shape]
    assert len(same) > 20
    for name in same:
        torch.testing.assert_close(theirs[name].detach(), before[name], rtol=0, atol=0)


def test_a_larger_window_sees_further() -> None:
    model = make("swinir")
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pixels.requires_grad_()
    reach = []
    for network in (model, with_window(model, 16)):
        tokens = network.trunk.features(network.trunk.prepare(pixels)).last_hidden_state
        (gradient,) = torch.autograd.grad(tokens[0, :, 0, 0].sum(), pixels)
        reach.append(int((gradient[0].abs().sum(0) > 0).sum()))
    assert reach[1] > reach[0]


def test_windows_that_cannot_be_and_other_models_are_refused() -> None:
    for window in (1, 64, 0, 2.5, True):
        with pytest.raises(ConfigError, match="from 2 to 63"):
            with_window(make(), window)  # type: ignore[arg-type]
    for other in (nn.Linear(1, 1), make().trunk):
        with pytest.raises(KindError, match="windows"):
            with_window(other, 8)
