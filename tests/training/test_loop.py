"""The loop: it learns, it resumes bit for bit, and it stops with a reason."""

from __future__ import annotations

import csv
import json
import signal
import sys
import threading
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from PIL import Image

from swin2sr import checkpoints
from swin2sr.config import SwinIRConfig
from swin2sr.errors import ConfigError, JobError, OutputError, WeightsError
from swin2sr.models import restoration_model
from swin2sr.training import Recipe, export, log, train
from swin2sr.training.__main__ import main
from swin2sr.training.state import begin, read_checkpoint

SELDOM: dict[str, Any] = {"log_every": 10, "validate_every": 60, "save_every": 60}


def saved(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_loss_falls(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    calm = recipe.config.replace(drop_path_rate=0.0, hidden_dropout_prob=0.0)
    longer = replace(recipe, config=calm, steps=60, warmup=5, ema=0.9)
    result = train(replace(longer, **SELDOM), pictures, tmp_path / "out")
    losses = [float(row["loss"]) for row in rows(tmp_path / "out")]
    assert losses[-1] < 0.6 * losses[0]
    assert result.val_psnr > 15


def test_one_compressed_picture_is_learned_by_heart(
    compressed_recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (pictures / "a.png").rename(tmp_path / "one" / "a.png")
    longer = replace(compressed_recipe, steps=60, warmup=5, lr=5e-3)
    train(replace(longer, **SELDOM), tmp_path / "one", tmp_path / "out")
    losses = [float(row["loss"]) for row in rows(tmp_path / "out")]
    assert losses[-1] < 0.6 * losses[0]


def test_jpeg_recipes_resume_too(jpeg_recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(jpeg_recipe, pictures, tmp_path / "unbroken", stop_at=3)
    train(jpeg_recipe, pictures, tmp_path / "broken", stop_at=1)
    train(jpeg_recipe, pictures, tmp_path / "broken", stop_at=3)
    one, other = (saved(tmp_path / name)["model"] for name in ("unbroken", "broken"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_grey_network_of_the_first_generation_trains(pictures: Path, tmp_path: Path) -> None:
    config = SwinIRConfig(
        num_channels=1,
        image_size=14,
        window_size=7,
        embed_dim=8,
        depths=(2,),
        num_heads=(2,),
        upscale=1,
        upsampler="",
        img_range=255.0,
    )
    recipe = Recipe("grey", config, 2, patch=16, batch=2, degradation="jpeg", held_out=1)
    result = train(recipe, pictures, tmp_path / "out")
    assert result.step == 2
    assert 15 < result.val_psnr < 60


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
    assert [row["step"] for row in rows(out)] == ["2", "3", "4", "6"]
    expected = saved(tmp_path / "unbroken")["average"]
    assert all(torch.equal(v, expected[k]) for k, v in saved(out)["average"].items())


def test_a_finished_run_does_nothing_more(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(recipe, pictures, tmp_path / "out")
    before = saved(tmp_path / "out")["average"]
    assert train(recipe, pictures, tmp_path / "out").step == recipe.steps
    after = saved(tmp_path / "out")["average"]
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_restarting_ignores_the_checkpoint(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(recipe, pictures, out, stop_at=4)
    assert train(recipe, pictures, out, resume=False, stop_at=2).step == 2
    assert [row["step"] for row in rows(out)] == ["2"]
    # Nor is there one to go on from while the new run has none.
    with pytest.raises(JobError):
        train(replace(recipe, lr=1e37, warmup=0), pictures, out, resume=False)
    assert not (out / "checkpoint.pt").exists()


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


def test_without_decay_the_ema_is_the_weights(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(replace(recipe, ema=0.0), pictures, tmp_path / "out")
    values = saved(tmp_path / "out")
    for name, value in values["model"].items():
        torch.testing.assert_close(values["average"][name], value)


def test_the_ema_follows_the_stated_rule(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
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
    wrapped: list[Any] = []

    def wrap(step: Any, **options: Any) -> Any:
        wrapped.append(step)
        return lambda *args, **kwargs: step(*args, **kwargs)

    monkeypatch.setattr(torch, "compile", wrap)
    train(recipe, pictures, tmp_path / "plain")
    assert not wrapped
    lines: list[str] = []
    train(replace(recipe, compiled=True), pictures, tmp_path / "compiled", say=lines.append)
    assert len(wrapped) == 1
    assert any("compiling" in line for line in lines)
    plain, compiled = (saved(tmp_path / name)["average"] for name in ("plain", "compiled"))
    assert all(torch.equal(value, compiled[name]) for name, value in plain.items())


@pytest.mark.parametrize("option", ["channels_last", "checkpointing"])
def test_what_saves_memory_or_time_does_not_change_the_numbers(
    recipe: Recipe, pictures: Path, tmp_path: Path, option: str
) -> None:
    calm = replace(recipe, config=recipe.config.replace(drop_path_rate=0, hidden_dropout_prob=0))
    train(calm, pictures, tmp_path / "plain", stop_at=2)
    train(replace(calm, **{option: True}), pictures, tmp_path / option, stop_at=2)
    plain, other = (saved(tmp_path / name)["model"] for name in ("plain", option))
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=2e-5, msg=name)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_step_is_the_optimizers(
    recipe: Recipe, pictures: Path, tmp_path: Path, optimizer: str
) -> None:
    """Of Adam's first step all is known but the sign: the rate, and AdamW's decay beside it."""
    decayed = replace(recipe, optimizer=optimizer, weight_decay=0.5, lr=4e-2, warmup=4)
    train(decayed, pictures, tmp_path / "out", stop_at=1)
    before = begin(decayed, torch.device("cpu")).model.state_dict()
    name = "trunk.conv_first.weight"
    decay = 1e-2 * 0.5 * before[name] if optimizer == "adamw" else 0.0
    moved = before[name] - decay - saved(tmp_path / "out")["model"][name]
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, 1e-2), rtol=2e-2, atol=0)


def test_long_gradients_are_cut(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    """The moments that Adam keeps are those of a gradient of the stated length."""
    for clip in (1e-3, 1e-4):
        train(replace(recipe, clip=clip), pictures, tmp_path / str(clip), stop_at=1)
        moments = saved(tmp_path / str(clip))["optimizer"]["state"].values()
        length = torch.cat([m["exp_avg"].flatten() for m in moments]).norm() / (1 - 0.9)
        assert float(length) == pytest.approx(clip, rel=1e-3)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_io_10_two_runs_do_not_share_a_folder(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    refused = []

    def begin_another(line: str) -> None:
        with pytest.raises(OutputError, match="Another run"):
            train(recipe, pictures, tmp_path / "out")
        refused.append(line)

    train(recipe, pictures, tmp_path / "out", stop_at=2, progress=begin_another)
    assert len(refused) == 2
    assert train(recipe, pictures, tmp_path / "out").step == recipe.steps


def test_the_folder_of_the_images_is_not_that_of_the_run(recipe: Recipe, pictures: Path) -> None:
    with pytest.raises(ConfigError, match="folder of its own"):
        train(recipe, pictures, pictures / "more" / "..")


def test_the_log_has_a_row_per_interval_and_validation_where_asked(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    train(replace(recipe, validate_every=4), pictures, tmp_path / "out", say=lines.append)
    log = rows(tmp_path / "out")
    assert [row["step"] for row in log] == ["2", "4", "6"]
    assert [bool(row["val_psnr"]) for row in log] == [False, True, True]
    steps = [line for line in lines if line.startswith("step ")]
    assert [line.split()[1] for line in steps] == ["2/6", "4/6", "6/6"]
    assert all(
        "s/step" in line and line.split("  ")[-1 - scored].endswith("left")
        for scored, line in zip((0, 1, 1), steps, strict=True)
    )
    assert "validation" in steps[1]


def test_a_checkpoint_of_another_recipe_is_refused(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    train(recipe, pictures, tmp_path / "out", stop_at=2)
    with pytest.raises(ConfigError, match="another recipe than 'tiny': lr differ"):
        train(replace(recipe, lr=1e-4), pictures, tmp_path / "out")
    # What does not enter the numbers may change.
    train(replace(recipe, save_every=1, log_every=1), pictures, tmp_path / "out", stop_at=3)
    assert [row["step"] for row in rows(tmp_path / "out")] == ["2", "3"]


def test_other_images_are_not_gone_on_with(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    train(recipe, pictures, tmp_path / "out", stop_at=2)
    with Image.open(pictures / "a.png") as image:
        changed = image.copy()
    changed.putpixel((3, 4), (1, 2, 3))
    changed.save(pictures / "a.png")
    with pytest.raises(ConfigError, match="images are not those"):
        train(recipe, pictures, tmp_path / "out")
    assert train(recipe, pictures, tmp_path / "out", resume=False, stop_at=1).step == 1


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

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        train(recipe, pictures, out)
    assert (out / "checkpoint.pt").read_bytes() == before
    names = ["cache", "checkpoint.pt", "log.csv"]
    assert sorted(path.name for path in out.iterdir()) == names


def test_the_ema_can_be_read_and_used(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    result = train(recipe, pictures, tmp_path / "out")
    saved = read_checkpoint(result.checkpoint, recipe)
    assert saved["step"] == recipe.steps
    model = restoration_model(recipe.config)
    model.load_state_dict(saved["average"])
    with torch.inference_mode():
        output = model.eval()(torch.rand(1, 3, 9, 11)).reconstruction
    assert output.shape == (1, 3, 18, 22)


def test_exported_weights_load_as_any_model_and_know_their_facts(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    result = train(recipe, pictures, tmp_path / "out")
    path = export(recipe, result.checkpoint, tmp_path / "weights", trained_on="waves")
    loaded = checkpoints.load(path)
    weights = read_checkpoint(result.checkpoint, recipe)["average"]
    assert loaded.config.embed_dim == recipe.config.embed_dim
    assert loaded.state.keys() == weights.keys()
    assert all(torch.equal(value, loaded.state[name]) for name, value in weights.items())
    assert json.loads(path.with_suffix(".json").read_text())["checkpoint"]["trained_on"] == "waves"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_whole_step_to_go_on_from(
    recipe: Recipe, pictures: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    train(recipe, pictures, tmp_path / "unbroken")
    handlers = [signal.getsignal(k) for k in (signal.SIGINT, signal.SIGTERM)]
    lines: list[str] = []

    def interrupt(line: str) -> None:
        if line.startswith("step 3/"):
            signal.raise_signal(kind)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, pictures, out, say=lines.append, progress=interrupt)
    assert lines[-1] == "stopped at step 4 of 6; run again to go on"
    assert saved(out)["step"] == 4
    assert [signal.getsignal(k) for k in (signal.SIGINT, signal.SIGTERM)] == handlers
    train(recipe, pictures, out)
    expected = saved(tmp_path / "unbroken")["model"]
    assert all(torch.equal(v, expected[k]) for k, v in saved(out)["model"].items())


def test_a_second_interrupt_acts_at_once(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    usual = signal.getsignal(signal.SIGINT)

    def impatient(line: str) -> None:
        if line.startswith("step 3/"):
            signal.raise_signal(signal.SIGINT)
            # Python hears a signal a moment later, and two of that moment as one.
            while signal.getsignal(signal.SIGINT) != usual:
                time.sleep(0.001)
            signal.raise_signal(signal.SIGINT)
            while True:
                time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, pictures, tmp_path / "out", progress=impatient)
    assert saved(tmp_path / "out")["step"] == 2  # the last one that was due


def test_in_another_thread_signals_are_left_alone(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []
    worker = threading.Thread(
        target=lambda: train(
            recipe,
            pictures,
            tmp_path / "out",
            stop_at=1,
            progress=lambda line: seen.append(signal.getsignal(signal.SIGINT)),
        )
    )
    worker.start()
    worker.join()
    assert seen == [before]


def test_a_run_ends_when_its_minutes_are_over(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    result = train(recipe, pictures, tmp_path / "out", minutes=0, say=lines.append)
    assert result.step == 1
    assert saved(tmp_path / "out")["step"] == 1
    assert "run again to go on" in lines[-1]
    assert train(recipe, pictures, tmp_path / "out", minutes=60).step == recipe.steps


def test_curves_are_drawn_at_each_validation(
    recipe: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    real = log.draw

    def counted(path: Path, name: str) -> None:
        real(path, name)
        drawn.append(len(rows(tmp_path / "out")))

    monkeypatch.setattr(log, "find_spec", find_spec)
    monkeypatch.setattr(log, "draw", counted)
    train(recipe, pictures, tmp_path / "out")
    assert drawn == [2, 4]  # rows of the log at steps 3 and 6
    with Image.open(tmp_path / "out" / "curves.png") as image:
        assert image.format == "PNG"
        image.load()


def test_training_does_without_matplotlib(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    assert log.find_spec("matplotlib") is None  # the fixture's doing
    train(recipe, pictures, tmp_path / "out")
    assert not (tmp_path / "out" / "curves.png").exists()


def test_a_row_cut_in_the_middle_is_dropped(recipe: Recipe, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(recipe, pictures, out, stop_at=4)
    with (out / "log.csv").open("a") as file:
        file.write("4,1.0,0.\nhalf a r")
    train(recipe, pictures, out)
    assert [row["step"] for row in rows(out)] == ["2", "3", "4", "6"]


def test_without_images_to_spare_there_is_no_validation(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    (pictures / "a.png").unlink()
    train(recipe, pictures, tmp_path / "out", say=lines.append)
    assert lines[0] == "3 images, and 0 for validation"
    assert [row["val_psnr"] for row in rows(tmp_path / "out")] == [""] * 4


def test_the_command_trains_and_explains_mistakes(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(pictures), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert main(["--recipe", "unknown", *arguments]) == 2
    assert "swin2sr-small-x2" in capsys.readouterr().err
    assert main(["--recipe", "tiny-swin2sr-x2"]) == 2
    assert "--data and --out" in capsys.readouterr().err
    arguments += ["--recipe", "tiny-swin2sr-x2", "--steps", "2", "--set", "patch=16"]
    arguments += ["--set", "batch=2"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'out' / 'checkpoint.pt'}\n"
    assert "step 2/2" in captured.err
    arguments += ["--export", str(tmp_path / "weights"), "--trained-on", "waves"]
    assert main(arguments) == 0
    assert "resumed at step 2 of 2" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "tiny-swin2sr-x2.csv",
        "tiny-swin2sr-x2.json",
        "tiny-swin2sr-x2.safetensors",
    ]
