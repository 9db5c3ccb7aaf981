"""Convolution of the kernels: map, linear map and shortcut against PyTorch, in bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from swin2sr.kernels import library
from swin2sr.kernels.build import KernelError
from swin2sr.kernels.convolution import ConvolutionKernel
from swin2sr.nn.blocks import add_convolved

try:
    KERNELS = library.load()
except KernelError as error:
    pytest.skip(f"no kernels: {error}", allow_module_level=True)
if not KERNELS.has_bfloat16:
    pytest.skip("the processor has no AMX", allow_module_level=True)

# batch, height, width, channels in, channels out: one pixel, odd sides, several tiles of a map in
# both directions, channels that fill no tile, more or fewer of them behind.
SHAPES = (
    (1, 1, 1, 16, 16),
    (2, 8, 8, 16, 16),
    (1, 5, 7, 60, 60),
    (2, 33, 70, 64, 12),
    (1, 17, 130, 30, 90),
    (3, 16, 64, 32, 48),
)


def layers(inputs: int, outputs: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(inputs)
    return nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 1)


def gradients(
    run: Callable[[Tensor, nn.Conv2d, Tensor], Tensor],
    proj: nn.Conv2d,
    maps: tuple[Tensor, Tensor, Tensor],
    parameters: list[nn.Parameter],
) -> list[Tensor]:
    """The map, and the gradients of its weighted sum."""
    tokens, shortcut = (one.clone().requires_grad_() for one in maps[:2])
    output = run(tokens, proj, shortcut)
    found = torch.autograd.grad((output * maps[2]).sum(), [tokens, shortcut, *parameters])
    return [output.detach(), *found]


@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_pytorchs(shape: tuple[int, ...]) -> None:
    batch, height, width, inputs, outputs = shape
    conv, proj = layers(inputs, outputs)
    parameters = [*conv.parameters(), *proj.parameters()]
    tokens = torch.randn(batch, height, width, inputs)
    shortcut, weights = torch.randn(2, batch, height, width, outputs)
    maps = (tokens, shortcut, weights)
    ours = gradients(ConvolutionKernel(KERNELS, conv), proj, maps, parameters)
    theirs = gradients(
        lambda tokens, proj, shortcut: add_convolved(conv, proj, tokens, shortcut),
        proj,
        maps,
        parameters,
    )
    for found, expected in zip(ours, theirs, strict=True):
        assert (found - expected).norm() / expected.norm() < 4e-3


def test_threads_change_rounding_alone() -> None:
    conv, proj = layers(24, 24)
    maps = (*torch.randn(3, 2, 40, 70, 24),)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 2, 50):
        torch.set_num_threads(threads)
        kernel = ConvolutionKernel(KERNELS, conv)
        found.append(gradients(kernel, proj, maps, [*conv.parameters()]))
    torch.set_num_threads(before)
    one, two, two_again, many = found
    assert all(torch.equal(a, b) for a, b in zip(two, two_again, strict=True))
    for other in (two, many):
        assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
        for a, b in zip(one[3:], other[3:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_reaches_its_neighbours_alone(value: float) -> None:
    conv, _ = layers(16, 16)
    tokens, shortcut = torch.randn(2, 1, 20, 70, 16)
    tokens[0, 16, 63, 5] = value
    finite = ConvolutionKernel(KERNELS, conv)(tokens, None, shortcut).isfinite().all(-1)[0]
    assert not finite[15:18, 62:65].any()
    finite[15:18, 62:65] = True
    assert finite.all()


def test_maps_in_another_layout_or_format_are_computed_too() -> None:
    conv, _ = layers(16, 16)
    kernel = ConvolutionKernel(KERNELS, conv)
    tokens, shortcut = torch.randn(2, 1, 16, 9, 12)
    tokens, shortcut = (one.permute(0, 2, 3, 1) for one in (tokens, shortcut.bfloat16()))
    expected = kernel(tokens.contiguous(), None, shortcut.float().contiguous())
    assert torch.equal(kernel(tokens, None, shortcut), expected)
    assert kernel.accepts(tokens)
    assert not kernel.accepts(tokens.double())
    assert not kernel.accepts(tokens.to("meta"))
