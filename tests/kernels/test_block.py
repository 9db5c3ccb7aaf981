"""Window block of the kernels: outputs and gradients against PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig
from swin2sr.kernels import library
from swin2sr.kernels.attach import unsuitable
from swin2sr.kernels.block import BlockKernel
from swin2sr.kernels.build import KernelError
from swin2sr.nn.blocks import Block, build_block, run_block

try:
    KERNELS = library.load()
except KernelError as error:
    pytest.skip(f"no kernels: {error}", allow_module_level=True)

needs_bfloat16 = pytest.mark.skipif(not KERNELS.has_bfloat16, reason="the processor has no AMX")
PRECISIONS = [False, pytest.param(True, marks=needs_bfloat16)]
GENERATIONS = (Swin2SRConfig, SwinIRConfig)
# dim, heads, window, shift, height, width: inner windows and every kind of border, one window in a
# direction, one window in all, heads that do not fill a tile, a window that does not.
SHAPES = (
    (64, 4, 8, 0, 16, 24),
    (64, 4, 8, 4, 24, 24),
    (60, 6, 8, 4, 16, 16),
    (32, 2, 8, 4, 8, 24),
    (32, 2, 8, 4, 24, 8),
    (32, 2, 8, 4, 8, 8),
    (24, 3, 7, 3, 14, 21),
    (24, 3, 7, 0, 7, 7),
    (180, 6, 8, 4, 16, 8),
)


def random_block(
    kind: type[RestorationConfig], dim: int, heads: int, window: int, shift: int
) -> Block:
    """A block whose parameters are all different and of the size of trained ones."""
    torch.manual_seed(dim + shift)
    config = kind(embed_dim=dim, num_heads=(heads,), depths=(1,), window_size=window, image_size=56)
    block = build_block(config, heads, shift, 0.0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return block


def kernel_of(block: Block, bfloat16: bool = False) -> BlockKernel:
    assert unsuitable(block) == ""
    return BlockKernel(KERNELS, block, bfloat16)


def eager(block: Block) -> Callable[[Tensor], Tensor]:
    return lambda tokens: run_block(block, tokens, None, False)[0]


def outputs(
    run: Callable[[Tensor], Tensor], block: Block, tokens: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """The map and the gradients of its weighted sum, in float64."""
    block.zero_grad()
    tokens = tokens.clone().requires_grad_()
    output = run(tokens)
    (output * weights).sum().backward()
    assert tokens.grad is not None
    found = {"output": output.detach(), "tokens": tokens.grad}
    found |= {name: p.grad for name, p in block.named_parameters() if p.grad is not None}
    return {name: value.double() for name, value in found.items()}


def difference(found: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> float:
    """Largest difference, as a share of the largest number."""
    return float((found[name] - expected[name]).abs().max() / expected[name].abs().max())


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", GENERATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_pytorchs(
    kind: type[RestorationConfig], shape: tuple[int, ...]
) -> None:
    dim, heads, window, shift, height, width = shape
    block = random_block(kind, dim, heads, window, shift)
    tokens, weights = torch.randn(2, 2, height, width, dim)
    found = outputs(kernel_of(block), block, tokens, weights)
    block.double()  # PyTorch's own rounding in float32 is as large as the kernels'
    expected = outputs(eager(block), block, tokens.double(), weights.double())
    assert found.keys() == expected.keys()
    for name in expected:
        assert difference(found, expected, name) < 1e-5, name


@needs_bfloat16
@pytest.mark.parametrize("kind", GENERATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_is_closer_to_float32_than_autocast(
    kind: type[RestorationConfig], shape: tuple[int, ...]
) -> None:
    dim, heads, window, shift, height, width = shape
    block = random_block(kind, dim, heads, window, shift)
    tokens, weights = torch.randn(2, 2, height, width, dim)

    def autocast(tokens: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return run_block(block, tokens, None, False)[0].float()

    expected = outputs(eager(block), block, tokens, weights)
    ours = outputs(kernel_of(block, bfloat16=True), block, tokens, weights)
    theirs = outputs(autocast, block, tokens, weights)

    def spread(found: dict[str, Tensor]) -> float:
        """Root mean square over all tensors of the error's share of the tensor's norm."""
        shares = [(found[n] - expected[n]).norm() / expected[n].norm() for n in expected]
        return float(torch.stack(shares).square().mean().sqrt())

    assert spread(ours) <= spread(theirs)
    assert spread(ours) < 0.03


def test_temperatures_have_a_highest() -> None:
    block = random_block(Swin2SRConfig, 32, 2, 8, 4)
    with torch.no_grad():
        block.get_parameter("attention.logit_scale").view(-1)[0] = 7.0
    tokens, weights = torch.randn(2, 1, 8, 16, 32)
    found = outputs(kernel_of(block), block, tokens, weights)
    assert found["attention.logit_scale"].view(-1)[0] == 0 != found["attention.logit_scale"][1]
    block.double()
    expected = outputs(eager(block), block, tokens.double(), weights.double())
    assert all(difference(found, expected, name) < 1e-5 for name in expected)


def test_a_block_without_biases_is_pytorchs_too() -> None:
    config = Swin2SRConfig(embed_dim=32, num_heads=(2,), depths=(1,), qkv_bias=False)
    torch.manual_seed(0)
    block = build_block(config, 2, 4, 0.0)
    tokens, weights = torch.randn(2, 1, 16, 16, 32)
    found = outputs(kernel_of(block), block, tokens, weights)
    expected = outputs(eager(block), block, tokens, weights)
    assert all(difference(found, expected, name) < 1e-5 for name in expected)


@pytest.mark.parametrize("bfloat16", PRECISIONS)
@pytest.mark.parametrize("kind", GENERATIONS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_seen_in_its_window_alone(
    kind: type[RestorationConfig], bfloat16: bool, value: float
) -> None:
    block = random_block(kind, 64, 4, 8, 0)
    tokens = torch.randn(1, 16, 16, 64)
    tokens[0, 3, 4, 5] = value
    output = kernel_of(block, bfloat16)(tokens)
    assert not output[0, :8, :8].isfinite().any(-1).any()
    assert output[0, 8:].isfinite().all()
    assert output[0, :8, 8:].isfinite().all()


@pytest.mark.parametrize("bfloat16", PRECISIONS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["attention.qkv.weight", "attention.proj.bias", "mlp.fc2.weight"])
def test_parameters_that_are_not_finite_are_seen(name: str, value: float, bfloat16: bool) -> None:
    block = random_block(SwinIRConfig, 32, 2, 8, 4)
    with torch.no_grad():
        block.get_parameter(name).view(-1)[3] = value
    tokens = torch.randn(1, 8, 16, 32, requires_grad=True)
    output = kernel_of(block, bfloat16)(tokens)
    assert not output.isfinite().all()
    output.sum().backward()
    assert tokens.grad is not None
    assert not tokens.grad.isfinite().all()


def test_a_gradient_that_is_not_finite_stays_so() -> None:
    block = random_block(Swin2SRConfig, 32, 2, 8, 4)
    tokens = torch.randn(1, 8, 16, 32, requires_grad=True)
    gradient = torch.zeros(1, 8, 16, 32)
    gradient[0, 1, 2, 3] = torch.nan
    kernel_of(block)(tokens).backward(gradient)
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None
        assert not parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("bfloat16", PRECISIONS)
def test_threads_change_rounding_alone(bfloat16: bool) -> None:
    block = random_block(Swin2SRConfig, 64, 4, 8, 4)
    tokens, weights = torch.randn(2, 2, 24, 24, 64)
    found = []
    for threads in (1, 1, 2, 2, 3, 40):
        torch.set_num_threads(threads)
        found.append(outputs(kernel_of(block, bfloat16), block, tokens, weights))
    one, one_again, two, two_again, *more = found
    for first, second in ((one, one_again), (two, two_again)):
        assert all(torch.equal(first[name], second[name]) for name in first)
    # Sums over windows are split otherwise; each window's own numbers are the same.
    for other, limit in ((two, 1e-6), *((other, 3e-6) for other in more)):
        assert torch.equal(one["output"], other["output"])
        assert torch.equal(one["tokens"], other["tokens"])
        for name in one:
            assert difference(other, one, name) < limit, name


def test_gradients_of_vectors_without_length_are_finite() -> None:
    block = random_block(Swin2SRConfig, 32, 2, 8, 0)
    with torch.no_grad():
        block.get_parameter("attention.qkv.weight").zero_()
        block.get_parameter("attention.q_bias").zero_()
    tokens, weights = torch.randn(2, 1, 8, 8, 32)
    found = outputs(kernel_of(block), block, tokens, weights)
    assert all(value.isfinite().all() for value in found.values())


def test_maps_that_are_not_contiguous_are_computed_too() -> None:
    block = random_block(Swin2SRConfig, 32, 2, 8, 4)
    tokens = torch.randn(1, 32, 8, 16).permute(0, 2, 3, 1)
    assert not tokens.is_contiguous()
    torch.testing.assert_close(kernel_of(block)(tokens), eager(block)(tokens.contiguous()))


def test_maps_of_other_kinds_are_not_accepted() -> None:
    kernel = kernel_of(random_block(Swin2SRConfig, 32, 2, 8, 4))
    assert kernel.accepts(torch.zeros(1, 8, 16, 32))
    assert not kernel.accepts(torch.zeros(1, 9, 16, 32))
    assert not kernel.accepts(torch.zeros(1, 8, 12, 32))
    assert not kernel.accepts(torch.zeros(1, 8, 16, 32, dtype=torch.float64))
    assert not kernel.accepts(torch.zeros(1, 8, 16, 32, device="meta"))
