"""Feature maps by depth: the network's own, cut to the picture, and measures with known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from swin2sr.errors import ConfigError, JobError, ShapeError
from swin2sr.inspect import (
    HiddenStates,
    added_spectrum,
    channel_norms,
    features,
    hidden_states,
    pca_pictures,
    similarity,
    stream_growth,
    token_norms,
)
from tests.inspect.networks import NETWORKS, make, picture


def states(maps: Tensor) -> HiddenStates:
    return HiddenStates(maps, tuple(map(str, range(len(maps)))))


@pytest.mark.parametrize("network", NETWORKS)
def test_groups_are_the_networks_hidden_states(network: str) -> None:
    model, image = make(network), picture(13, 21)
    found = hidden_states(model, image)
    assert found.labels == (
        *("first convolution", "embedding", "group 1", "group 2", "end of the trunk"),
    )
    assert found.maps.shape == (5, 13, 21, 12)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        output = model.trunk(pixels, output_hidden_states=True)
        shallow = model.trunk.conv_first(model.trunk.prepare(pixels))
    wanted = [one.unflatten(1, (16, 24))[0, :13, :21] for one in output.hidden_states]
    torch.testing.assert_close(found.maps[1:4], torch.stack(wanted))
    torch.testing.assert_close(found.maps[0], shallow[0, :, :13, :21].permute(1, 2, 0))
    end = output.last_hidden_state[0, :, :13, :21].permute(1, 2, 0)
    torch.testing.assert_close(found.maps[4], end)


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_go_from_the_embedding_through_every_layer(network: str) -> None:
    model, image = make(network), picture(16, 16)
    found = hidden_states(model, image, at="layers")
    assert found.labels[:3] == ("embedding", "group 1, layer 1", "group 1, layer 2")
    assert found.maps.shape == (5, 16, 16, 12)
    groups = hidden_states(model, image)
    torch.testing.assert_close(found.maps[0], groups.maps[1])
    group = model.trunk.groups[1]
    with torch.no_grad():
        end = group.conv(found.maps[4].permute(2, 0, 1)[None])
        end = end if group.proj is None else group.proj(end)
    end = end[0].permute(1, 2, 0) + groups.maps[2]
    torch.testing.assert_close(end, groups.maps[3], rtol=0, atol=1e-5)


def test_some_maps_are_chosen_in_any_order() -> None:
    model, image = make(), picture(16, 16)
    for at in ("groups", "layers"):
        whole = hidden_states(model, image, at=at)
        some = hidden_states(model, image, at=at, which=[-1, 0, 2])
        assert some.labels == (whole.labels[-1], whole.labels[0], whole.labels[2])
        torch.testing.assert_close(some.maps, whole.maps[[-1, 0, 2]])
    assert hidden_states(model, image, at="layers", which=0).maps.shape == (1, 16, 16, 12)
    with pytest.raises(ConfigError, match="'groups', 'layers'"):
        hidden_states(model, image, at="heads")
    with pytest.raises(ConfigError, match="There is no map 9"):
        hidden_states(model, image, which=9)


def test_more_than_fits_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image = make(), picture(16, 16)
    monkeypatch.setattr(features, "MOST_BYTES", 2 * 16 * 16 * 12 * 4)
    model.trunk.conv_first.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    with pytest.raises(JobError, match="3 feature maps of 16x16 pixels") as caught:
        hidden_states(model, image, which=[0, 1, 2])
    assert caught.value.code == "over_budget"


def test_pictures_have_the_colours_of_the_strongest_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(4, 9, 11, 3, generator=generator) * torch.tensor([4.0, 2.0, 1.0])
    turn, _ = torch.linalg.qr(torch.randn(8, 3, generator=generator))
    (pictures,) = pca_pictures(states(hidden @ turn.T + 5.0))
    assert pictures.shape == (4, 9, 11, 3)
    assert pictures.min() == 0
    assert pictures.max() == 1
    for axis in range(3):
        one, other = pictures[0, ..., axis].flatten(), hidden[0, ..., axis].flatten()
        together = torch.corrcoef(torch.stack([one, other]))[0, 1].abs()
        assert together > 0.9


def test_a_colour_means_the_same_in_every_map() -> None:
    base = torch.randn(1, 16, 16, 6, generator=torch.Generator().manual_seed(1))
    maps = torch.cat([base, 3 * base + 1, base])
    pictures, again = pca_pictures(states(maps), states(base))
    torch.testing.assert_close(pictures[0], pictures[2])
    torch.testing.assert_close(pictures[0], pictures[1], rtol=0, atol=1e-4)
    torch.testing.assert_close(pictures[0], again[0])
    with pytest.raises(ShapeError, match="one number of channels"):
        pca_pictures(states(base), states(base[..., :5]))
    with pytest.raises(ShapeError, match="at least 3"):
        pca_pictures(states(base[..., :2]))


def test_norms_are_root_mean_squares() -> None:
    maps = torch.zeros(2, 3, 4, 2)
    maps[1, ..., 0] = -3.0
    maps[1, 0, 0, 1] = 12.0
    wanted = torch.tensor([[0.0, 0.0], [3.0, math.sqrt(12)]])
    torch.testing.assert_close(channel_norms(states(maps)), wanted)


def test_similarity_is_linear_cka() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 20, 30, 5, generator=generator)
    y = torch.randn(1, 20, 30, 7, generator=generator)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=generator))
    maps = states(torch.cat([x, 2.5 * x @ turn + 1]))
    torch.testing.assert_close(similarity(maps, maps), torch.ones(2, 2, dtype=torch.float64))
    found = similarity(maps, states(y))
    flat_x, flat_y = (one.flatten(0, 2).double() for one in (x, y))
    gram_x, gram_y = ((one - one.mean(0)) @ (one - one.mean(0)).T for one in (flat_x, flat_y))
    wanted = (gram_x * gram_y).sum() / (gram_x.norm() * gram_y.norm())
    torch.testing.assert_close(found, wanted.expand(2, 1))
    assert wanted < 0.1
    with pytest.raises(ShapeError, match="one picture"):
        similarity(maps, states(y[:, :3]))


def test_large_maps_are_sampled_evenly_and_alike() -> None:
    x = torch.randn(2, 90, 90, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        similarity(states(x), states(x)).diagonal(), torch.ones(2, dtype=torch.float64)
    )


@pytest.mark.parametrize("cycles", [3, 9, 21])
def test_a_wave_lies_in_its_ring(cycles: int) -> None:
    side, bins = 64, 16
    wave = torch.sin(2 * math.pi * cycles * torch.arange(side) / side)
    maps = torch.zeros(3, side, side, 2)
    maps[1, ..., 0] = wave
    maps[2] = maps[1]
    found = added_spectrum(states(maps), bins)
    assert found.labels == ("0 -> 1", "1 -> 2")
    assert found.frequency[0] == pytest.approx(0.5 / 32)
    ring = int(cycles / side * 2 * bins)
    assert int(found.power[0].argmax()) == ring
    assert found.power[0, ring] > 0.6 * found.power[0].sum()
    assert (found.power[1] == 0).all()


def test_white_noise_has_a_flat_spectrum_of_its_variance() -> None:
    noise = torch.randn(2, 96, 96, 8, generator=torch.Generator().manual_seed(4))
    noise[0] = 0
    power = added_spectrum(states(noise), 8).power[0]
    torch.testing.assert_close(power, torch.ones_like(power), rtol=0.2, atol=0)
    with pytest.raises(ShapeError, match="two maps"):
        added_spectrum(states(noise[:1]))
    with pytest.raises(ConfigError, match="bins"):
        added_spectrum(states(noise), 0)


@pytest.mark.parametrize("network", NETWORKS)
def test_growth_is_the_size_of_each_layers_map(network: str) -> None:
    model, image = make(network), picture(13, 16)
    maps = hidden_states(model, image, at="layers").maps
    wanted = maps.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(stream_growth(model, image), wanted)


def test_token_norms_are_root_mean_squares_over_channels() -> None:
    maps = torch.zeros(2, 3, 4, 5)
    maps[1, 2, 3] = torch.tensor([1.0, -2.0, 3.0, 0.0, 4.0])
    norms = token_norms(states(maps))
    assert norms.shape == (2, 3, 4)
    assert norms[1, 2, 3] == pytest.approx(math.sqrt(6))
    assert norms.sum() == pytest.approx(math.sqrt(6))
