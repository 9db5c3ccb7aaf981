"""Attribution: the published definition, exact cuts, zero beyond the reach."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from swin2sr import Upscaler
from swin2sr.errors import ConfigError, KindError
from swin2sr.inspect import (
    attribution,
    attribution_cost,
    attribution_steps,
    diffusion_index,
    effective_receptive_field,
    local_attribution,
)
from swin2sr.inspect.attribution import gaussian
from swin2sr.models import RestorationModel
from tests.inspect.networks import NETWORKS, make, picture


def published(model: RestorationModel, image: np.ndarray, box: tuple[int, int, int]) -> Tensor:
    """LAM as its authors' code computes it, on the whole picture, with SciPy's filter."""
    from scipy.ndimage import correlate

    low = image.astype(np.float64).transpose(2, 0, 1) / 255
    axis = np.arange(-9 // 2 + 1.0, 9 // 2 + 1.0)
    xx, yy = np.meshgrid(axis, axis)
    kernels = []
    for sigma in np.linspace(1.2, 0, 51):
        kernel = np.exp(-(xx**2 + yy**2) / (2.0 * (sigma + 1e-5) ** 2))
        kernels.append(kernel / kernel.sum())
    total = np.zeros_like(low)
    x, y, side = box
    for before, after in itertools.pairwise(kernels):
        sharp = np.stack([correlate(plane, after, mode="mirror") for plane in low])
        change = np.stack([correlate(plane, (after - before) * 50, mode="mirror") for plane in low])
        pixels = torch.from_numpy(sharp)[None].requires_grad_()
        out = model(pixels).reconstruction
        down = (out[:, :, :-1, :] - out[:, :, 1:, :]) ** 2
        right = (out[:, :, :, :-1] - out[:, :, :, 1:]) ** 2
        size = (down[:, :, :, :-1] + right[:, :, :-1, :]) ** 0.5
        size[:, :, y : y + side, x : x + side].sum().backward()
        total += pixels.grad[0].numpy() * change
    strength = np.abs((total / 50).sum(axis=0))
    return torch.from_numpy(strength / strength.max())


@pytest.mark.parametrize("network", NETWORKS)
def test_the_map_is_the_published_one(network: str) -> None:
    model, image = make(network, depths=(2,), num_heads=(2,)), picture(16, 24)
    found = local_attribution(model, image, (14, 10, 8))
    assert found.map.shape == (16, 24)
    assert found.signed.shape == (3, 16, 24)
    assert found.box == (14, 10, 8)
    wanted = published(model.double(), image, (14, 10, 8))
    torch.testing.assert_close(found.map.double(), wanted, rtol=0, atol=2e-3)
    assert found.map.max() == 1


def test_kernels_are_the_published_ones() -> None:
    for deviation in (1.2, 0.4, 0.0):
        axis = np.arange(-9 // 2 + 1.0, 9 // 2 + 1.0)
        xx, yy = np.meshgrid(axis, axis)
        kernel = np.exp(-(xx**2 + yy**2) / (2.0 * (deviation + 1e-5) ** 2))
        wanted = torch.from_numpy((kernel / kernel.sum()).astype(np.float32))
        torch.testing.assert_close(gaussian(9, deviation), wanted)
    assert gaussian(9, 0.0)[4, 4] == 1


def test_diffusion_index_has_known_ends() -> None:
    one = torch.zeros(10, 10)
    one[3, 4] = 1.0
    assert diffusion_index(one) == pytest.approx(1.0, abs=0.01)  # 1 of 100 places
    assert diffusion_index(torch.full((7, 9), 0.3)) == pytest.approx(100.0, abs=1e-6)
    half = torch.cat([torch.zeros(50), torch.ones(50)])
    assert diffusion_index(half) == pytest.approx(50.0, abs=0.01)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("box", [(200, 180, 8), (0, 0, 8), (388, 311, 8), (100, 312, 8)])
def test_a_cut_gives_the_gradients_of_the_whole(
    network: str, box: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, image = make(network, depths=(1,), num_heads=(2,)).double(), picture(160, 198)
    small = local_attribution(model, image, box, steps=2)
    ran: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(lambda _, given: ran.append(tuple(given[0].shape[2:])))
    local_attribution(model, image, box, steps=1)
    monkeypatch.setattr(attribution, "exact_margin", lambda config: 1000)
    whole = local_attribution(model, image, box, steps=2)
    assert ran[0][0] * ran[0][1] < 160 * 198 / 3
    assert ran[-1] == (160, 198)
    torch.testing.assert_close(
        small.signed, whole.signed, rtol=0, atol=1e-6 * whole.signed.abs().max()
    )
    assert small.diffusion_index == pytest.approx(whole.diffusion_index, abs=1e-3)


def test_nothing_beyond_the_reach_is_involved() -> None:
    model = make(depths=(1,), num_heads=(2,))
    field = effective_receptive_field(model, picture(64, 64), (64, 64))
    assert field.max() == 1
    inside = (field > 0).nonzero()
    low, high = inside.amin(0), inside.amax(0)
    # Output pixel (64, 64) is made of features 31 to 33, by three 3x3 convolutions of tokens 29
    # to 35, whose windows are 24 to 39, which see one pixel more.
    assert low.tolist() == [23, 23]
    assert high.tolist() == [40, 40]


def test_receptive_field_is_the_gradient() -> None:
    model, image = make(), picture(9, 7)
    pixels = (torch.from_numpy(image).permute(2, 0, 1)[None] / 255).requires_grad_()
    model(pixels).reconstruction[0, :, 5, 11].sum().backward()
    wanted = pixels.grad[0].abs().sum(0)
    torch.testing.assert_close(
        effective_receptive_field(model, image, (11, 5)), wanted / wanted.max()
    )
    middle = effective_receptive_field(model, image)
    torch.testing.assert_close(middle, effective_receptive_field(model, image, (7, 9)))


def test_flipping_the_picture_flips_the_field() -> None:
    """For a network that treats left and right alike: one whose layers attend evenly."""
    model = make(depths=(1,), num_heads=(2,))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and parameter.ndim == 4:
                parameter.add_(parameter.flip(3).clone()).mul_(0.5)
            elif "qkv" in name or "position" in name or "q_bias" in name:
                parameter.zero_()
        # The head's channels are the four places of the enlarged pixel: the same left and right.
        head = model.head.upsample[0]
        head.weight.copy_(
            head.weight.unflatten(0, (3, 2, 2))
            .mean(2, keepdim=True)
            .expand(-1, -1, 2, -1, -1, -1)
            .flatten(0, 2)
        )
        head.bias.copy_(
            head.bias.unflatten(0, (3, 2, 2)).mean(2, keepdim=True).expand(-1, -1, 2).flatten()
        )
    image = picture(16, 16)
    field = effective_receptive_field(model, image, (12, 20))
    mirrored = effective_receptive_field(model, image[:, ::-1].copy(), (31 - 12, 20))
    torch.testing.assert_close(mirrored.flip(1), field, rtol=0, atol=1e-5)


def test_progress_is_told_and_can_end_the_work() -> None:
    model, image = make(), picture(8, 8)
    told: list[tuple[int, int]] = []
    local_attribution(model, image, (0, 0, 4), steps=3, progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local_attribution(model, image, (0, 0, 4), steps=3, progress=stop)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_networks_own_state_is_left_as_it_was() -> None:
    model = make().train()
    frozen = model.trunk.norm.weight.requires_grad_(False)
    local_attribution(Upscaler(model, device="cpu"), picture(8, 8), (0, 0, 4), steps=1)
    assert model.training
    assert not frozen.requires_grad
    assert model.trunk.norm.bias.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_wrong_boxes_and_networks_are_refused() -> None:
    model, image = make(), picture(8, 8)
    for box in ((0, 0, 17), (-1, 0, 4), (13, 0, 4), (0, 0, 0), (1, 2), "abc"):
        with pytest.raises(ConfigError, match="box"):
            local_attribution(model, image, box)
    for wrong in ({"steps": 0}, {"kernel": 4}, {"sigma": 0.0}):
        with pytest.raises(ConfigError, match="steps and kernel"):
            local_attribution(model, image, (0, 0, 4), **wrong)
    with pytest.raises(KindError, match="no output to trace back"):
        local_attribution(model.trunk, image, (0, 0, 4))


def test_a_flat_picture_has_a_map_without_nan() -> None:
    flat = np.full((8, 8, 3), 128, np.uint8)
    found = local_attribution(make(), flat, (0, 0, 4), steps=2)
    assert found.map.isfinite().all()
    assert found.signed.abs().max() < 1e-5


def test_steps_can_be_taken_one_by_one() -> None:
    model, image = make(depths=(1,), num_heads=(2,)), picture(8, 8)
    work = attribution_steps(model, image, (0, 0, 4), steps=3)
    assert [next(work) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(StopIteration) as end:
        next(work)
    wanted = local_attribution(model, image, (0, 0, 4), steps=3)
    assert torch.equal(end.value.value.map, wanted.map)
    with pytest.raises(ConfigError, match="box"):
        next(attribution_steps(model, image, (0, 0, 99)))


@pytest.mark.parametrize("network", NETWORKS)
def test_cost_is_what_a_step_runs_over_and_keeps(network: str) -> None:
    model, image = make(network, embed_dim=60, num_heads=(6, 6)), picture(40, 200)
    ran: list[int] = []
    model.register_forward_pre_hook(lambda _, given: ran.append(given[0][0, 0].numel()))
    parameters = {one.untyped_storage().data_ptr() for one in model.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        local_attribution(model, image, (20, 20, 8), steps=1)
    pixels, needed = attribution_cost(model.config, (40, 200), (20, 20, 8))
    assert ran == [pixels]
    counted = sum(size for size, _ in kept.values())
    assert counted < needed < 3 * counted
