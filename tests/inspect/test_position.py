"""Position biases: what the layer adds, by offset, also for windows it was not trained with."""

from __future__ import annotations

import pytest
import torch

from swin2sr.errors import ConfigError
from swin2sr.inspect import position_bias
from tests.inspect.networks import NETWORKS, make


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
