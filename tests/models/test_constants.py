"""Position biases, masks and q/v biases follow the weights, however those were written to."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from swin2sr.backbones import SwinConfig, SwinModel, Swinv2Config, Swinv2Model
from swin2sr.config import Swin2SRConfig, SwinIRConfig
from swin2sr.inference.upscaler import Upscaler
from swin2sr.models import Swin2SRForImageSuperResolution, SwinIRForImageRestoration

SHAPE = {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2)}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "Swin2SR": lambda: Swin2SRForImageSuperResolution(Swin2SRConfig(**SHAPE)),
    "SwinIR": lambda: SwinIRForImageRestoration(SwinIRConfig(**SHAPE)),
    "Swin": lambda: SwinModel(SwinConfig(image_size=32, window_size=4, **SHAPE)),
    "SwinV2": lambda: Swinv2Model(Swinv2Config(image_size=32, window_size=4, **SHAPE)),
}


def through_data(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data.mul_(1.2).add_(0.01)


def by_new_data(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data * 1.2 + 0.01


def through_numpy(model: nn.Module) -> None:
    for parameter in model.parameters():
        array = parameter.detach().numpy()
        array *= 1.3


def by_moving_average(model: nn.Module) -> None:
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data.lerp_(torch.randn_like(parameter), 0.1)


def by_loading(model: nn.Module) -> None:
    model.load_state_dict({name: 1.1 * value for name, value in model.state_dict().items()})


CHANGES = (through_data, by_new_data, through_numpy, by_moving_average, by_loading)


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = NETWORKS[name]().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


def from_scratch(name: str, model: nn.Module) -> nn.Module:
    fresh = NETWORKS[name]().eval()
    fresh.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    return fresh


def image_or_features(model: nn.Module, pixels: Tensor) -> Tensor:
    return model(pixels, return_dict=False)[0].clone()


@pytest.mark.parametrize("without_gradients", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_next_pass_sees_weights_changed_in_place(
    name: str,
    change: Callable[[nn.Module], None],
    without_gradients: Callable[[], AbstractContextManager[None]],
) -> None:
    model, pixels = network(name), torch.rand(1, 3, 24, 16)
    with without_gradients():
        before = image_or_features(model, pixels)
        change(model)
        after = image_or_features(model, pixels)
        expected = image_or_features(from_scratch(name, model), pixels)
    assert not torch.equal(after, before)
    assert torch.equal(after, expected)


@pytest.mark.parametrize("name", ["Swin2SR", "SwinIR"])
def test_a_moving_average_is_validated_as_it_is(name: str) -> None:
    pixels, target = torch.rand(1, 3, 8, 16), torch.rand(1, 3, 16, 32)
    model, average = network(name).train(), network(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(pixels, labels=target).loss.backward()
        optimizer.step()
        for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
            slow.data.lerp_(fast.data, 0.5)
        with torch.no_grad():
            got = image_or_features(average, pixels)
            expected = image_or_features(from_scratch(name, average), pixels)
        assert torch.equal(got, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
def test_an_upscaler_sees_weights_changed_in_place(precision: str) -> None:
    model = network("Swin2SR")
    upscaler = Upscaler(model, device="cpu", precision=precision)
    image = torch.rand(3, 16, 24)
    before = upscaler.picture(image).pixels
    through_data(model)
    after = upscaler.picture(image).pixels
    anew = Upscaler(copy.deepcopy(model), device="cpu", precision=precision)
    assert (after != before).any()
    assert (after == anew.picture(image).pixels).all()


class Image(nn.Module):
    """A network whose output is one tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels).reconstruction


@pytest.fixture(params=["Swin2SR", "SwinIR"])
def traceable(request: pytest.FixtureRequest) -> Iterator[Image]:
    yield Image(network(request.param))
    torch.compiler.reset()


def test_export_gives_a_program_of_the_same_image(traceable: Image) -> None:
    pixels = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        program = torch.export.export(traceable, (pixels,))
        torch.testing.assert_close(program.module()(pixels), traceable(pixels), rtol=0, atol=1e-6)


def test_compiling_breaks_no_graph(traceable: Image) -> None:
    pixels = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        compiled = torch.compile(traceable, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(pixels), traceable(pixels), rtol=0, atol=1e-6)
