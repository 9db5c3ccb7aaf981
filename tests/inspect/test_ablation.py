"""Ablation of groups: the network is what its other groups make of the picture."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from swin2sr import Upscaler
from swin2sr.errors import ConfigError, KindError
from swin2sr.inspect import ablate_groups, hidden_states
from tests.inspect.networks import NETWORKS, make, picture

THREE = {"depths": (2, 2, 2), "num_heads": (2, 2, 2)}


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_left_out_adds_nothing_and_the_others_what_they_did(network: str) -> None:
    model, image = make(network, **THREE), picture(16, 24)
    maps = hidden_states(model, image).maps
    shorter = hidden_states(ablate_groups(model, 1), image).maps
    assert torch.equal(shorter[:3], maps[:3])
    assert torch.equal(shorter[3], maps[2])
    assert not torch.equal(shorter[4], maps[4])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_shorter_network_is_one_that_was_built_shorter(network: str) -> None:
    model, shorter = make(network, **THREE), make(network)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("trunk.groups.1.")}
    shorter.load_state_dict(
        {k.replace("trunk.groups.2.", "trunk.groups.1."): v for k, v in state.items()}
    )
    pixels = torch.rand(1, 3, 11, 8)
    with torch.inference_mode():
        wanted = shorter(pixels).reconstruction
        found = ablate_groups(model, [-2])(pixels).reconstruction
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_added_everywhere_alike_can_be_kept(network: str) -> None:
    model, image, other = make(network, **THREE), picture(16, 24), picture(8, 16)
    maps = hidden_states(model, other).maps
    wanted = (maps[3] - maps[2]).mean((0, 1))
    shorter = hidden_states(ablate_groups(Upscaler(model), [1], mean_over=other), image).maps
    torch.testing.assert_close(
        shorter[3] - shorter[2], wanted.expand_as(shorter[2]), rtol=0, atol=1e-4
    )


def test_all_groups_may_go_or_none_and_the_network_itself_stays() -> None:
    model, image = make().train(), picture(8, 8)
    upscaler = Upscaler(model, device="cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps = hidden_states(ablate_groups(upscaler, (0, 1)), image).maps
    assert torch.equal(maps[3], maps[1])
    whole = ablate_groups(model, ())
    assert torch.equal(hidden_states(whole, image).maps, hidden_states(model, image).maps)
    assert not whole.training
    assert model.training
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_groups_that_are_not_there_and_other_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="no group 2; groups are 0 to 1"):
        ablate_groups(make(), 2)
    for wrong in (nn.Linear(2, 2), make().trunk):
        with pytest.raises(KindError, match="no groups to leave out"):
            ablate_groups(wrong, 0)
