"""The loop: it learns, it resumes bit for bit, and it stops with a reason."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from swin2sr import checkpoints
from swin2sr.errors import ConfigError, JobError, OutputError, WeightsError
from swin2sr.metrics import psnr
from swin2sr.training import Recipe, export, read_images, split, train, validate
from swin2sr.training import loop as loop_module
from swin2sr.training.__main__ import main
from swin2sr.training.loop import averaged, read_average


def saved(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_loss_falls(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    calm = recipe.config.replace(drop_path_rate=0.0, hidden_dropout_prob=0.0)
    longer = replace(recipe, config=calm, steps=60, log_every=10, warmup=5, ema=0.9)
    result = train(replace(longer, validate_every=60), pictures, tmp_path / "out")
    losses = [float(row["loss"]) for row in rows(tmp_path / "out")]
    assert losses[-1] < 0.6 * losses[0]
    assert result.val_psnr > 15


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_resumed_run_equals_an_unbroken_one(
    recipe: Recipe, pictures: Path, tmp_path: Path, stop: int
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    train(recipe, pictures, unbroken)
    assert train(recipe, pictures, broken, stop_at=stop).step == stop
    torch.manual_seed(999)  # whatever happened in between
    assert train(recipe, pictures, broken).step == recipe.steps
    one, other = saved(unbroken), saved(broken)
    for kind in ("model", "average"):
        for name, value in one[kind].items():
            assert torch.equal(value, other[kind][name]), (kind, name)
    for key, moments in one["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, other["optimizer"]["state"][key][name])
    assert torch.equal(one["random"], other["random"])
    without_time = [[{**row, "seconds": ""} for row in rows(out)] for out in (unbroken, broken)]
    assert without_time[0] == without_time[1]


def test_a_kill_after_the_last_checkpoint_costs_only_the_steps_since(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(recipe, pictures, tmp_path / "unbroken")
    out = tmp_path / "killed"
    train(recipe, pictures, out, stop_at=2)
    checkpoint = (out / "checkpoint.pt").read_bytes()
    train(recipe, pictures, out, stop_at=5)
    (out / "checkpoint.pt").write_bytes(checkpoint)  # rows of step 4 are in the log already
    train(recipe, pictures, out)
    assert [row["step"] for row in rows(out)] == ["2", "4", "6"]
    expected = saved(tmp_path / "unbroken")["average"]
    assert all(torch.equal(v, expected[k]) for k, v in saved(out)["average"].items())


def test_a_finished_run_does_nothing_more(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(recipe, pictures, tmp_path / "out")
    before = saved(tmp_path / "out")["average"]
    assert train(recipe, pictures, tmp_path / "out").step == recipe.steps
    after = saved(tmp_path / "out")["average"]
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_restarting_ignores_the_checkpoint(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(recipe, pictures, tmp_path / "out", stop_at=4)
    assert train(recipe, pictures, tmp_path / "out", resume=False, stop_at=2).step == 2
    assert [row["step"] for row in rows(tmp_path / "out")] == ["2"]


def test_the_seed_decides_the_weights(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(replace(recipe, seed=seed), pictures, tmp_path / name, stop_at=1)
    a, b, c = (saved(tmp_path / name)["model"]["trunk.conv_first.weight"] for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_numbers_that_are_not_finite_stop_the_run_with_the_step(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobError, match="step 1") as caught:
        train(replace(recipe, lr=1e37, warmup=0), pictures, tmp_path / "out")
    assert caught.value.code == "bad_values"
    assert "lower learning rate" in str(caught.value)


def test_without_averaging_the_average_is_the_weights(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(replace(recipe, ema=0.0), pictures, tmp_path / "out")
    values = saved(tmp_path / "out")
    for name, value in values["model"].items():
        torch.testing.assert_close(values["average"][name], value)


def test_the_average_follows_the_stated_rule(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    name = "trunk.conv_first.weight"
    seen = []
    for steps in (1, 2, 3):
        train(recipe, pictures, tmp_path / "out", stop_at=steps)
        seen.append(saved(tmp_path / "out"))
    expected = seen[0]["average"][name]
    for step in (1, 2):
        decay = min(recipe.ema, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * seen[step]["model"][name]
    torch.testing.assert_close(seen[2]["average"][name], expected)


def test_bfloat16_trains_close_to_float32(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    calm = replace(recipe, config=recipe.config.replace(drop_path_rate=0, hidden_dropout_prob=0))
    for precision in ("float32", "bfloat16"):
        train(replace(calm, precision=precision), pictures, tmp_path / precision)
    first, second = (rows(tmp_path / p)[0]["loss"] for p in ("float32", "bfloat16"))
    assert first != second
    assert float(first) == pytest.approx(float(second), rel=0.02)
    weights = saved(tmp_path / "bfloat16")["average"]
    assert {value.dtype for value in weights.values()} == {torch.float32}


def test_a_compiled_recipe_trains_the_same_weights(
    recipe: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[torch.nn.Module] = []

    def wrap(model: torch.nn.Module) -> Any:
        wrapped.append(model)
        return lambda *args, **kwargs: model(*args, **kwargs)

    monkeypatch.setattr(torch, "compile", wrap)
    train(recipe, pictures, tmp_path / "plain")
    assert not wrapped
    train(replace(recipe, compiled=True), pictures, tmp_path / "compiled")
    assert len(wrapped) == 1
    plain, compiled = (saved(tmp_path / name)["average"] for name in ("plain", "compiled"))
    assert all(torch.equal(value, compiled[name]) for name, value in plain.items())


def test_the_log_has_a_row_per_interval_and_validation_where_asked(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    train(replace(recipe, validate_every=4), pictures, tmp_path / "out", say=lines.append)
    log = rows(tmp_path / "out")
    assert [row["step"] for row in log] == ["2", "4", "6"]
    assert [bool(row["val_psnr"]) for row in log] == [False, True, True]
    assert all("min left" in line for line in lines)
    assert "validation" in lines[1]


def test_validation_is_the_psnr_of_rounded_images(recipe: Recipe, pictures: Path) -> None:
    _, held_out = split(read_images(pictures, 2), 1, side=32)

    class Repeat(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> Any:
            larger = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)
            return type("Output", (), {"reconstruction": larger})

    repeated = np.repeat(np.repeat(held_out.lr[0], 2, axis=0), 2, axis=1)
    expected = psnr(repeated, held_out.hr[0], border=2)
    assert validate(Repeat(), held_out) == pytest.approx(expected, abs=1e-9)


def test_a_checkpoint_of_another_recipe_is_refused(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(recipe, pictures, tmp_path / "out", stop_at=2)
    with pytest.raises(ConfigError, match="another recipe"):
        train(replace(recipe, lr=1e-4), pictures, tmp_path / "out")


def test_a_damaged_checkpoint_is_refused_with_what_to_do(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train(recipe, pictures, out, stop_at=2)
    (out / "checkpoint.pt").write_bytes((out / "checkpoint.pt").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="Delete it"):
        train(recipe, pictures, out)


def test_a_full_disk_leaves_the_last_checkpoint(
    recipe: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train(recipe, pictures, out, stop_at=2)
    before = (out / "checkpoint.pt").read_bytes()

    def full(values: object, file: BinaryIO) -> None:
        file.write(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop_module.torch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        train(recipe, pictures, out)
    assert (out / "checkpoint.pt").read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.pt", "log.csv"]


def test_the_average_can_be_read_and_used(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    result = train(recipe, pictures, tmp_path / "out")
    weights, step, _ = read_average(result.checkpoint, recipe)
    assert step == recipe.steps
    with torch.inference_mode():
        output = averaged(recipe, weights)(torch.rand(1, 3, 9, 11)).reconstruction
    assert output.shape == (1, 3, 18, 22)


def test_exported_weights_load_as_any_model_and_know_their_facts(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    result = train(recipe, pictures, tmp_path / "out")
    path = export(recipe, result.checkpoint, tmp_path / "weights", trained_on="waves")
    loaded = checkpoints.load(path)
    weights, _, _ = read_average(result.checkpoint, recipe)
    assert loaded.config.embed_dim == recipe.config.embed_dim
    assert loaded.state.keys() == weights.keys()
    assert all(torch.equal(value, loaded.state[name]) for name, value in weights.items())
    assert json.loads(path.with_suffix(".json").read_text())["checkpoint"]["trained_on"] == "waves"


def test_the_command_trains_and_explains_mistakes(
    recipe: Recipe,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--data", str(pictures), "--out", str(tmp_path / "out")]
    assert main(["--recipe", "unknown", *arguments]) == 2
    assert "swin2sr-small-x2" in capsys.readouterr().err
    monkeypatch.setattr("swin2sr.training.__main__.find_recipe", lambda name: recipe)
    assert main(["--recipe", "tiny", *arguments, "--threads", "1"]) == 0
    assert "done: step 6" in capsys.readouterr().out
    arguments += ["--export", str(tmp_path / "weights"), "--trained-on", "waves"]
    assert main(["--recipe", "tiny", *arguments, "--threads", "1"]) == 0
    assert "resumed at step 6 of 6" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "tiny.json",
        "tiny.safetensors",
    ]
