"""All windows at once: the same as asking them one after another."""

from __future__ import annotations

import pytest
import torch

from swin2sr.errors import ConfigError, KindError
from swin2sr.inspect import attention_to, window_attention
from tests.inspect.networks import NETWORKS, make, picture


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("place", [None, (0, 7)])
def test_it_is_the_sum_of_what_each_window_gives(
    network: str, place: tuple[int, int] | None
) -> None:
    model, image = make(network), picture(16, 24)
    maps = window_attention(model, image, place=place)
    assert maps.shape == (4, 2, 16, 24)
    x, y = place or (4, 4)
    for layer, shift in ((0, 0), (3, 4)):
        wanted = torch.zeros(2, 16, 24)
        for top in (0, 8):
            for left in (0, 8, 16):
                pixel = ((left + x + shift) % 24, (top + y + shift) % 16)
                wanted += attention_to(model, image, pixel, layers=layer)[0]
        torch.testing.assert_close(maps[layer], wanted, rtol=0, atol=1e-6)


def test_layers_and_heads_are_those_asked_for() -> None:
    model, image = make(), picture(16, 16)
    whole = window_attention(model, image)
    some = window_attention(model, image, layers=[2, 0], heads=-1)
    torch.testing.assert_close(some, whole[[2, 0]][:, 1:], rtol=0, atol=0)


def test_padding_keeps_every_windows_sum() -> None:
    maps = window_attention(make(), picture(13, 21))
    assert maps.shape == (4, 2, 13, 21)
    torch.testing.assert_close(maps.sum((2, 3)), torch.full((4, 2), 6.0))


def test_what_is_not_there_is_an_error() -> None:
    model, image = make(), picture(16, 16)
    for wrong in ({"place": (8, 0)}, {"place": (0, -1)}, {"layers": 4}, {"heads": 2}):
        with pytest.raises(ConfigError):
            window_attention(model, image, **wrong)
    with pytest.raises(ConfigError, match="different numbers"):
        window_attention(make(num_heads=(2, 3)), image)
    with pytest.raises(KindError):
        window_attention(torch.nn.Identity(), image)
