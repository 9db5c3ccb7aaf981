"""Attachment of the kernels: to which networks, for which calls, and what it leaves alone."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from swin2sr.config import Swin2SRConfig, SwinIRConfig
from swin2sr.kernels import library, verify
from swin2sr.kernels.attach import attach, detach, unsuitable
from swin2sr.kernels.block import BlockKernel
from swin2sr.kernels.build import KernelError
from swin2sr.models import RestorationModel, restoration_model
from swin2sr.nn.blocks import Block, ResidualConv, build_block

try:
    KERNELS = library.load()
except KernelError as error:
    pytest.skip(f"no kernels: {error}", allow_module_level=True)

TINY: dict[str, Any] = {
    "embed_dim": 16,
    "depths": (2,),
    "num_heads": (2,),
    "window_size": 8,
    "drop_path_rate": 0.0,
    "upscale": 2,
    "upsampler": "pixelshuffledirect",
}
CONFIG = Swin2SRConfig(**TINY)


@pytest.fixture
def model() -> RestorationModel:
    torch.manual_seed(0)
    return restoration_model(CONFIG).train()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Maps that kernels computed."""
    seen: list[Tensor] = []
    run = BlockKernel.__call__

    def counted(self: BlockKernel, tokens: Tensor) -> Tensor:
        seen.append(tokens)
        return run(self, tokens)

    monkeypatch.setattr(BlockKernel, "__call__", counted)
    return seen


def output(model: RestorationModel, pixels: Tensor, **options: Any) -> Tensor:
    result: Tensor = model(pixels, **options).reconstruction
    return result


@pytest.mark.parametrize("kind", [Swin2SRConfig, SwinIRConfig])
def test_an_attached_network_computes_the_same(
    kind: type[Swin2SRConfig] | type[SwinIRConfig], calls: list[Tensor]
) -> None:
    model = restoration_model(kind(**TINY)).train()
    pixels = torch.rand(2, 3, 16, 24)
    expected = output(model, pixels)
    assert "float32" in attach(model, bfloat16=False)
    calls.clear()
    torch.testing.assert_close(output(model, pixels), expected)
    assert len(calls) == 2
    detach(model)
    assert torch.equal(output(model, pixels), expected)
    assert len(calls) == 2


@pytest.mark.skipif(not KERNELS.has_bfloat16, reason="the processor has no AMX")
def test_convolutions_of_an_attached_network_multiply_in_bfloat16(model: RestorationModel) -> None:
    pixels = torch.rand(2, 3, 16, 24)
    expected = output(model, pixels)
    attach(model, bfloat16=True)
    convolutions = [m for m in model.modules() if isinstance(m, ResidualConv)]
    assert all(conv.kernel is not None for conv in convolutions)
    assert len(convolutions) == 2
    found = output(model, pixels)
    assert 0 < (found - expected).abs().max() < 1e-2
    detach(model)
    assert torch.equal(output(model, pixels), expected)


def test_without_gradients_pytorch_computes(model: RestorationModel, calls: list[Tensor]) -> None:
    pixels = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        expected = output(model.eval(), pixels)
    attach(model, bfloat16=True)
    calls.clear()
    with torch.no_grad():
        assert torch.equal(output(model, pixels), expected)
    with torch.inference_mode():
        assert torch.equal(output(model, pixels), expected)
    assert not calls


def test_attention_matrices_and_head_masks_come_from_pytorch(
    model: RestorationModel, calls: list[Tensor]
) -> None:
    pixels, mask = torch.rand(1, 3, 16, 16), torch.ones(2)
    expected = output(model, pixels, head_mask=mask)
    attach(model, bfloat16=False)
    calls.clear()
    assert torch.equal(output(model, pixels, head_mask=mask), expected)
    assert model(pixels, output_attentions=True).attentions
    assert not calls


def test_a_traced_network_is_pytorchs(model: RestorationModel, calls: list[Tensor]) -> None:
    block = next(m for m in model.modules() if isinstance(m, Block))
    attach(model, bfloat16=False)
    kernel = block.kernel
    assert kernel is not None
    accepted = []

    def run(tokens: Tensor) -> Tensor:
        accepted.append(kernel.accepts(tokens))
        return tokens * 2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # exporters to ONNX still trace
        torch.jit.trace(run, torch.zeros(1, 8, 8, 16), check_trace=False)
    assert accepted == [False]


def test_copies_and_pickles_of_an_attached_network_work(model: RestorationModel) -> None:
    attach(model, bfloat16=False)
    pixels = torch.rand(1, 3, 16, 16)
    expected = output(model, pixels)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            next(model.parameters()).add_(1)  # the twin has parameters of its own
        assert torch.equal(output(twin, pixels), expected)


def test_hooks_of_blocks_see_the_maps(model: RestorationModel) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[Tensor] = []

        def before(self, block: Block, tokens: Tensor) -> None:
            self.seen.append(tokens.clone())

        def after(self, block: Block, tokens: Tensor) -> None:
            self.seen.append(tokens.clone())

    recorder = Recorder()
    next(m for m in model.modules() if isinstance(m, Block)).hooks.append(recorder)
    pixels = torch.rand(1, 3, 16, 16)
    output(model, pixels)
    attach(model, bfloat16=False)
    output(model, pixels)
    expected, found = recorder.seen[:2], recorder.seen[2:]
    torch.testing.assert_close(found, expected)


def test_networks_elsewhere_are_refused(model: RestorationModel) -> None:
    for other in (copy.deepcopy(model).double(), copy.deepcopy(model).to("meta")):
        with pytest.raises(KernelError, match="float32 on the CPU"):
            attach(other, bfloat16=False)
    with pytest.raises(KernelError, match="no block"):
        attach(torch.nn.Linear(2, 2), bfloat16=False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden_act": "relu"}, "relu"),
        ({"hidden_dropout_prob": 0.1}, "drops"),
        ({"attention_probs_dropout_prob": 0.1}, "drops"),
        ({"window_size": 16}, "window"),
        ({"embed_dim": 33, "num_heads": (3,)}, "odd"),
    ],
)
def test_blocks_of_other_kinds_are_refused(changes: dict[str, Any], reason: str) -> None:
    config = CONFIG.replace(**changes)
    assert reason in unsuitable(build_block(config, config.num_heads[0], 4, 0.0))


def test_a_block_that_drops_paths_is_refused() -> None:
    assert "drops" in unsuitable(build_block(CONFIG, 2, 4, 0.1))
    assert unsuitable(build_block(CONFIG, 2, 4, 0.0)) == ""


def test_one_block_that_is_refused_leaves_all_to_pytorch(model: RestorationModel) -> None:
    blocks = [m for m in model.modules() if isinstance(m, Block)]
    blocks[-1].drop_path.rate = 0.1
    with pytest.raises(KernelError, match="drops"):
        attach(model, bfloat16=False)
    assert all(block.kernel is None for block in blocks)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_verification_passes_here_and_draws_no_random_numbers(bfloat16: bool) -> None:
    verify._difference.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch.no_grad():
        verify.verify(KERNELS, bfloat16 and KERNELS.has_bfloat16)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("error", [1e-4, float("nan")])
def test_kernels_that_compute_something_else_are_refused(
    model: RestorationModel, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    run = library.block_forward
    verify._difference.cache_clear()
    monkeypatch.setattr(library, "block_forward", lambda *given: run(*given) * (1 + error))
    with pytest.raises(KernelError, match="differ from PyTorch"):
        attach(model, bfloat16=False)
    assert all(m.kernel is None for m in model.modules() if isinstance(m, Block))
    verify._difference.cache_clear()


def test_a_failure_inside_the_kernels_is_an_error(
    model: RestorationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        library._check(2)
    with pytest.raises(TypeError, match="float32"):
        library._address(torch.zeros(2, dtype=torch.float64))
