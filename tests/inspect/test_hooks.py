"""Hooks and probes: a run ends where it may, leaves no trace, and has the network to itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from swin2sr import Upscaler
from swin2sr.inspect import attention_to
from tests.inspect.networks import make, picture


def test_the_run_ends_after_the_last_layer_asked_for_and_leaves_no_trace() -> None:
    model = make().train()
    ran: list[int] = []
    for number, group in enumerate(model.trunk.groups):
        group.register_forward_hook(lambda *_, number=number: ran.append(number))
    attention_to(model, picture(8, 8), (0, 0), layers=[1])
    assert ran == []  # the first group was left after its last layer
    attention_to(model, picture(8, 8), (0, 0), layers=[2])
    assert ran == [0]
    assert model.training
    assert all(module.training for module in model.modules())
    assert not any(block.hooks for group in model.trunk.groups for block in group.blocks)


def test_an_upscaler_a_trunk_and_a_grey_network_can_be_inspected() -> None:
    model, image = make(), picture(16, 16)
    wanted = attention_to(model, image, (5, 5))
    torch.testing.assert_close(attention_to(Upscaler(model, device="cpu"), image, (5, 5)), wanted)
    torch.testing.assert_close(attention_to(model.trunk, image, (5, 5)), wanted)
    grey = make(num_channels=1)
    assert attention_to(grey, image, (5, 5)).shape == (4, 2, 16, 16)


def test_nobody_else_runs_the_network_meanwhile() -> None:
    """A hook must never be shown the picture of another thread."""
    up, image = Upscaler(make(), device="cpu"), picture(16, 16)
    wanted = attention_to(up, image, (5, 5))
    with ThreadPoolExecutor(1) as pool:
        with up.lock:
            waiting = pool.submit(attention_to, up, image, (5, 5))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        torch.testing.assert_close(waiting.result(timeout=30), wanted)
