"""Linear maps: whichever way they are computed, the numbers are F.linear's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from swin2sr.nn import linear as room
from swin2sr.nn.linear import FEWEST, apply_linear, linear


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The token counts that went through the convolution."""
    seen: list[int] = []
    original = F.conv2d

    def counted(pixels: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        seen.append(pixels.shape[3])
        return original(pixels, *rest)

    monkeypatch.setattr(room, "AS_CONVOLUTION", True)
    monkeypatch.setattr(room.F, "conv2d", counted)
    return seen


def case(*shape: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    sizes = [shape, (20, shape[-1]), (20,)]
    return [torch.randn(size, generator=made).to(dtype) for size in sizes]


@pytest.mark.parametrize("shape", [(FEWEST, 12), (4, FEWEST // 4, 12), (2, 3, FEWEST, 12)])
def test_many_tokens_go_through_the_convolution(
    shape: tuple[int, ...], convolutions: list[int]
) -> None:
    tokens, weight, bias = case(*shape)
    with torch.inference_mode():
        result = linear(tokens, weight, bias)
    assert convolutions == [tokens.numel() // 12]
    torch.testing.assert_close(result, F.linear(tokens, weight, bias), rtol=0, atol=1e-5)
    assert result.is_contiguous()


def test_tokens_that_are_a_view(convolutions: list[int]) -> None:
    tokens, weight, bias = case(2, 12, FEWEST)
    weight = weight[:, :12]
    with torch.inference_mode():
        view = tokens.transpose(1, 2)
        result = linear(view, weight, bias)
    assert convolutions
    torch.testing.assert_close(result, F.linear(view, weight, bias), rtol=0, atol=1e-5)


def test_few_tokens_no_bias_another_format_or_a_gradient_do_not(convolutions: list[int]) -> None:
    tokens, weight, bias = case(FEWEST, 12)
    with torch.inference_mode():
        assert torch.equal(linear(tokens, weight, None), F.linear(tokens, weight))
        assert torch.equal(linear(tokens[1:], weight, bias), F.linear(tokens[1:], weight, bias))
        for dtype in (torch.float64, torch.bfloat16):
            other = case(FEWEST, 12, dtype=dtype)
            assert torch.equal(linear(*other), F.linear(*other))
    weight.requires_grad_()
    linear(tokens, weight, bias).sum().backward()
    wanted = tokens.double().sum(0).float().expand(20, -1)
    torch.testing.assert_close(weight.grad, wanted, rtol=0, atol=1e-3)  # thousands are summed
    assert not convolutions


def test_a_machine_without_onednn_takes_the_plain_way(
    convolutions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "AS_CONVOLUTION", False)
    tokens, weight, bias = case(FEWEST, 12)
    with torch.inference_mode():
        assert torch.equal(linear(tokens, weight, bias), F.linear(tokens, weight, bias))
    assert not convolutions


def test_a_layer_goes_the_same_way_and_its_hooks_are_called(convolutions: list[int]) -> None:
    layer = torch.nn.Linear(12, 20)
    tokens, seen = case(FEWEST, 12)[0], []
    with torch.no_grad():
        wanted = layer(tokens)
        torch.testing.assert_close(apply_linear(layer, tokens), wanted, rtol=0, atol=1e-5)
        assert len(convolutions) == 1
        handle = layer.register_forward_hook(lambda *_: seen.append(1))
        assert torch.equal(apply_linear(layer, tokens), wanted)
        handle.remove()
        apply_linear(layer, tokens)
    assert (len(seen), len(convolutions)) == (1, 2)


class Doubled(torch.nn.Linear):
    """A layer that computes something else than its weights say."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(tokens)


@pytest.mark.parametrize("kind", [torch.nn.Linear, Doubled])
def test_a_bias_is_added_to_what_the_layer_gives(kind: type[torch.nn.Linear]) -> None:
    layer, (tokens, _, bias) = kind(12, 20, bias=False), case(3, 12)
    wanted = layer(tokens) + bias
    torch.testing.assert_close(apply_linear(layer, tokens, bias), wanted, rtol=0, atol=1e-5)
