"""Training through kernels: the same run, and never one that fails for want of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from swin2sr.config import SwinIRConfig
from swin2sr.kernels import library
from swin2sr.kernels.build import KernelError
from swin2sr.training import Recipe, train


def why_not() -> str:
    """Why there are no kernels here; "" when there are."""
    try:
        library.load()
    except KernelError as error:
        return str(error)
    return ""


needs_kernels = pytest.mark.skipif(bool(why_not()), reason=f"no kernels: {why_not()}")


@pytest.fixture
def calm(recipe: Recipe) -> Recipe:
    """The tiny recipe with nothing that drops out, which the kernels do not compute."""
    config = recipe.config.replace(drop_path_rate=0.0, hidden_dropout_prob=0.0)
    return replace(recipe, config=config)


def saved(out: Path, kind: str) -> dict[str, Tensor]:
    values: dict[str, Tensor] = torch.load(out / "checkpoint.pt", weights_only=True)[kind]
    return values


@needs_kernels
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_equals_an_unbroken_one(
    calm: Recipe, pictures: Path, tmp_path: Path, precision: str
) -> None:
    chosen, lines = replace(calm, precision=precision), list[str]()
    train(chosen, pictures, tmp_path / "unbroken", say=lines.append)
    assert sum("through kernels" in line for line in lines) == 1
    for stop in (2, 3, 6):
        train(chosen, pictures, tmp_path / "broken", stop_at=stop)
    for kind in ("model", "average"):
        one, other = (saved(tmp_path / name, kind) for name in ("unbroken", "broken"))
        assert all(torch.equal(value, other[name]) for name, value in one.items())


@needs_kernels
@pytest.mark.parametrize("generation", [1, 2])
def test_float32_trains_the_weights_of_pytorch(
    calm: Recipe, pictures: Path, tmp_path: Path, generation: int
) -> None:
    if generation == 1:
        config = SwinIRConfig(
            image_size=16,
            embed_dim=8,
            depths=(2,),
            num_heads=(2,),
            drop_path_rate=0.0,
            upscale=2,
            upsampler="pixelshuffledirect",
        )
        calm = replace(calm, config=config)
    train(calm, pictures, tmp_path / "kernels", stop_at=2)
    train(replace(calm, kernels=False), pictures, tmp_path / "pytorch", stop_at=2)
    ours, theirs = (saved(tmp_path / name, "model") for name in ("kernels", "pytorch"))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)


@needs_kernels
def test_gradient_checkpointing_goes_with_kernels(
    calm: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(calm, pictures, tmp_path / "plain", stop_at=2)
    train(replace(calm, checkpointing=True), pictures, tmp_path / "checkpointed", stop_at=2)
    plain, other = (saved(tmp_path / name, "model") for name in ("plain", "checkpointed"))
    assert all(torch.equal(value, other[name]) for name, value in plain.items())


@needs_kernels
def test_a_run_goes_on_without_kernels(calm: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(calm, pictures, tmp_path / "out", stop_at=2)
    assert train(replace(calm, kernels=False), pictures, tmp_path / "out").step == calm.steps


@needs_kernels
def test_kernels_leave_nothing_to_compile(
    calm: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("it was compiled"))
    train(replace(calm, compiled=True), pictures, tmp_path / "out", stop_at=1)


@pytest.mark.parametrize(
    ("reason", "words"), [("drops", "drops paths"), ("switch", "SWIN2SR_KERNELS=0")]
)
def test_without_kernels_pytorch_trains_and_the_run_says_why(
    recipe: Recipe,
    calm: Recipe,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    words: str,
) -> None:
    lines: list[str] = []
    if reason == "switch":
        monkeypatch.setenv("SWIN2SR_KERNELS", "0")
    chosen = calm if reason == "switch" else recipe
    train(chosen, pictures, tmp_path / "out", stop_at=1, say=lines.append)
    assert words in next(line for line in lines if "through PyTorch" in line)
    train(replace(chosen, kernels=False), pictures, tmp_path / "plain", stop_at=1)
    out, plain = (saved(tmp_path / name, "model") for name in ("out", "plain"))
    assert all(torch.equal(value, plain[name]) for name, value in out.items())


def test_without_a_compiler_pytorch_trains(
    calm: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    library._load.cache_clear()
    lines: list[str] = []
    train(calm, pictures, tmp_path / "out", stop_at=1, say=lines.append)
    library._load.cache_clear()
    assert (
        "window blocks run through PyTorch, not through kernels: there is no C++ compiler" in lines
    )
