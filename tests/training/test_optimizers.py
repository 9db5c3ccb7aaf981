"""Optimisers: Muon moves the matrices, AdamW the rest, and a resumed run goes on with both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from swin2sr.models import restoration_model
from swin2sr.training import Recipe, train
from swin2sr.training.optimizers import MuonWithAdamW, make_optimizer


@pytest.fixture
def muon(recipe: Recipe) -> Recipe:
    return replace(recipe, optimizer="muon")


def test_every_parameter_has_one_optimiser(muon: Recipe) -> None:
    model = restoration_model(muon.config)
    optimizer = make_optimizer(model, muon)
    assert isinstance(optimizer, MuonWithAdamW)
    groups = optimizer.param_groups
    assert sum(p.numel() for group in groups for p in group["params"]) == sum(
        p.numel() for p in model.parameters()
    )
    names = {n for n, p in model.named_parameters() for w in optimizer.weights if p is w}
    assert "trunk.groups.0.blocks.0.mlp.fc1.weight" in names
    assert "trunk.groups.0.conv.weight" in names
    assert not any("position" in name or "norm" in name for name in names)


def test_matrices_step_by_orthogonal_updates_of_adamws_size(muon: Recipe) -> None:
    torch.manual_seed(0)
    model = restoration_model(muon.config)
    optimizer = make_optimizer(model, muon)
    weight = model.get_parameter("trunk.groups.0.conv.weight")
    before = weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    change = (weight.detach() - before).flatten(1)
    values = torch.linalg.svdvals(change)
    assert values.max() < 2 * values.min()  # a gradient's own lie further apart
    assert change.square().mean().sqrt() == pytest.approx(0.2 * muon.lr, rel=0.3)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_run_with_muon_resumes_bit_for_bit(muon: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(muon, pictures, tmp_path / "unbroken")
    train(muon, pictures, tmp_path / "broken", stop_at=3)
    train(muon, pictures, tmp_path / "broken")
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("unbroken", "broken")
    )
    for kind in ("model", "average"):
        assert all(torch.equal(value, other[kind][name]) for name, value in one[kind].items())
