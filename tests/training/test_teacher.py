"""Teacher: its output on the training images is a target, made once and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from swin2sr import checkpoints
from swin2sr.errors import ConfigError
from swin2sr.inference.upscaler import Upscaler
from swin2sr.models import restoration_model
from swin2sr.training import Recipe, teacher, train
from swin2sr.training.data import Pairs, read_images

CPU = torch.device("cpu")


@pytest.fixture
def weights(recipe: Recipe, tmp_path: Path) -> str:
    """A file of random weights of a wider network."""
    torch.manual_seed(5)
    config = recipe.config.replace(embed_dim=12)
    state = restoration_model(config).state_dict()
    return str(checkpoints.package(state, config, "wide", tmp_path))


@pytest.fixture
def pairs(pictures: Path) -> Pairs:
    return read_images(pictures, 2)


def never(*_: object) -> np.ndarray:
    raise AssertionError("the teacher ran again")


def test_a_teachers_answers_are_its_own_and_kept(
    weights: str, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    taught = teacher.teach(pairs, weights, CPU, tmp_path / "cache", lines.append).taught
    expected = np.array(Upscaler.from_pretrained(weights)(pairs.lr[0]))
    assert [image.shape for image in taught] == [image.shape for image in pairs.hr]
    np.testing.assert_array_equal(taught[0], expected)
    assert lines == [f"teacher: 'wide' on {len(pairs)} images"]
    monkeypatch.setattr(teacher, "_output", never)
    again = teacher.teach(pairs, weights, CPU, tmp_path / "cache", lines.append).taught
    assert all(map(np.array_equal, taught, again))


def test_another_teacher_or_image_is_asked_anew(
    weights: str, recipe: Recipe, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher.teach(pairs, weights, CPU, tmp_path / "cache", print)
    monkeypatch.setattr(teacher, "_output", never)
    other = restoration_model(recipe.config).state_dict()
    path = checkpoints.package(other, recipe.config, "other", tmp_path)
    with pytest.raises(AssertionError, match="again"):
        teacher.teach(pairs, str(path), CPU, tmp_path / "cache", print)
    changed = replace(pairs, lr=(pairs.lr[0] + 1, *pairs.lr[1:]))
    with pytest.raises(AssertionError, match="again"):
        teacher.teach(changed, weights, CPU, tmp_path / "cache", print)


def test_teachers_of_another_scale_are_refused(
    weights: str, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="of scale 2"):
        teacher.teach(read_images(pictures, 4), weights, CPU, tmp_path, print)


def test_a_network_learns_from_its_teacher_alone(
    weights: str, recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    def weights_after(**changes: object) -> dict[str, torch.Tensor]:
        out = tmp_path / "-".join(["out", *map(str, changes.values())]).replace("/", "_")
        train(replace(recipe, **changes), pictures, out)
        return torch.load(out / "checkpoint.pt", weights_only=True)["model"]

    plain, *others = (
        weights_after(teacher=weights, distill=share) if share is not None else weights_after()
        for share in (None, 0.0, 1.0)
    )
    unchanged = [all(map(torch.equal, plain.values(), other.values())) for other in others]
    assert unchanged == [True, False]
