"""Runs: what is measured, what is kept, and what may go wrong."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eval.cli import main
from eval.run import session
from eval.run.models import Model
from eval.run.protocol import Protocol
from eval.run.rows import TableCell, read
from eval.run.saved_images import place
from eval.run.session import enlarger, evaluate, mean
from eval.sets.datasets import find
from swin2sr.errors import WeightsError
from swin2sr.filesystem import lock_folder
from swin2sr.images.resize import imresize
from swin2sr.metrics import psnr, ssim
from tests.eval.commands import measure, tables, words
from tests.eval.conftest import write

# ------------------------------------------------------------------------------- what is measured


def test_scores_are_psnr_and_ssim_without_the_border(trio: Path) -> None:
    score = next(iter(evaluate(enlarger("bicubic", 2, "minimal"), find(trio, "Trio", 2))))
    with Image.open(trio / "Trio/HR/a.png") as image:
        hr = np.array(image)
    sr = imresize(imresize(hr, 0.5), 2)
    assert score.name == "a"
    assert score.psnr == psnr(sr, hr, border=2)
    assert score.ssim == ssim(sr, hr, border=2)


def test_the_mean_is_over_images(trio: Path) -> None:
    scores = list(evaluate(enlarger("bicubic", 2, "minimal"), find(trio, "Trio", 2)))
    assert mean(scores).psnr == pytest.approx(sum(s.psnr for s in scores) / 3)
    assert mean(scores).ssim == pytest.approx(sum(s.ssim for s in scores) / 3)


def test_a_run_is_every_combination_in_order(trio: Path, network: Path, tmp_path: Path) -> None:
    code = measure(
        trio,
        tmp_path / "out",
        *("--scale", "2", "1", "--degradation", "jpeg30", "bicubic", "jpeg10", "bicubic+jpeg10"),
        models=("bicubic", "input", f"tiny={network}"),
    )
    assert code == 0
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    found = [(x["scale"], x["degradation"], x["model"], x["image"]) for x in lines]
    expected = [
        *(("1", quality, "input", name) for quality in ("jpeg10", "jpeg30") for name in "abc"),
        *(
            ("2", degradation, model, name)
            for degradation in ("bicubic", "bicubic+jpeg10")
            for model in ("bicubic", "tiny")
            for name in "abc"
        ),
    ]
    assert found == expected
    assert all(bool(x["psnr_b"]) == (x["scale"] == "1") for x in lines)


def test_a_row_is_what_evaluate_gives(trio: Path, network: Path, tmp_path: Path) -> None:
    assert measure(trio, tmp_path, "--scale", "2", models=(str(network),)) == 0
    rows, _ = read(tmp_path)
    scores = evaluate(enlarger(str(network), 2, "official"), find(trio, "Trio", 2))
    for row, score in zip(rows.values(), scores, strict=True):
        assert (row.width, row.height) == (28, 24)
        assert row.scores.psnr == pytest.approx(score.psnr, abs=1e-6)
        assert row.scores.ssim == pytest.approx(score.ssim, abs=1e-8)
        assert row.seconds > 0


def test_small_images_can_be_made_where_there_are_files(trio: Path) -> None:
    for name in "abc":
        small = np.zeros((24, 28, 3), np.uint8)
        write(trio / "Trio" / "LR_bicubic" / "X2" / f"{name}.png", small)
    benchmark, cubic = find(trio, "Trio", 2), enlarger("bicubic", 2, "minimal")
    from_files, made = (
        [score.psnr for score in evaluate(cubic, benchmark, Protocol(make_lr=make))]
        for make in (False, True)
    )
    assert all(a < b for a, b in zip(from_files, made, strict=True))


def test_the_manifest_holds_what_repeats_the_run(trio: Path, network: Path, tmp_path: Path) -> None:
    options = ("--padding", "minimal", "--self-ensemble", "--tile", "16")
    assert measure(trio, tmp_path, *options, models=("bicubic", str(network))) == 0
    kept = json.loads((tmp_path / "run.json").read_text())
    assert kept["settings"] == {
        "grey": "auto",
        "luma": False,
        "make_lr": False,
        "padding": "minimal",
        "precision": "float32",
        "tile": 16,
        "self_ensemble": True,
        "device": "cpu",
        "threads": 1,
    }
    assert {"python", "torch", "numpy", "pillow", "scikit-image"} <= kept["versions"].keys()
    assert kept["models"]["bicubic"]["sha256"] is None
    assert len(kept["models"][network.name]["sha256"]) == 64
    assert kept["sets"]["Trio x2"]["images"] == 3
    (session,) = kept["sessions"]
    assert session["images"] == 6
    assert session["failures"] == []
    assert session["peak_memory_bytes"] > 1e6
    assert session["models"][network.name]["precision"] == "float32"
    assert session["machines"][0]["cores"] >= 1


def test_no_path_or_host_is_written(trio: Path, network: Path, tmp_path: Path) -> None:
    assert measure(trio, tmp_path / "out", "--save-images", models=(str(network),)) == 0
    for path in (tmp_path / "out").rglob("*.*"):
        if path.suffix in (".csv", ".json"):
            text = path.read_text()
            assert str(tmp_path) not in text
            assert os.uname().nodename not in text or len(os.uname().nodename) < 4


def test_images_are_saved_on_request(trio: Path, tmp_path: Path) -> None:
    assert measure(trio, tmp_path, "--scale", "2", "--save-images") == 0
    folder = place(tmp_path, TableCell("bicubic", "Trio", 2, "bicubic"), "a")
    assert sorted(path.name for path in folder.iterdir()) == [
        "input.png",
        "model_bicubic.png",
        "original.png",
    ]
    with Image.open(folder / "input.png") as lr, Image.open(folder / "model_bicubic.png") as sr:
        assert np.array_equal(np.array(sr), imresize(np.array(lr), 2))


def test_without_a_folder_the_images_are_printed(
    trio: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(trio, "--scale", "2", "--threads", "1")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[3] for line in lines[2:5]] == ["a", "b", "c"]
    assert lines[-1] == "Trio x2: Y:bt601|crop:2|pad:none|lr:imresize|uint8|grey:rgb"


def test_without_data_there_is_the_packaged_set_and_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.sets.datasets.SAMPLE_FILES", ("coffee",))
    assert main(["run", "--model", "bicubic", "--scale", "4", "--threads", "1"]) == 0
    shown = capsys.readouterr()
    assert "| Sample (no standard set) |" in shown.out
    assert "Sample is not a standard set" in shown.err


# ------------------------------------------------------------------------------ what may go wrong


def test_io_08_one_bad_image_costs_only_itself(
    trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trio / "Trio/HR/b.png").write_bytes(b"no image")
    out = tmp_path / "out"
    assert measure(trio, out, "--scale", "2") == 1
    assert "bicubic on Trio x2 bicubic, b: Cannot read 'b.png'" in capsys.readouterr().err
    assert [key[1] for key in read(out)[0]] == ["a", "c"]
    with (out / "means.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["images"], line["of"], line["psnr"]) == ("2", "3", "")


def test_io_12_when_memory_fails_everywhere_the_exit_code_says_so(
    trio: Path, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swin2sr.inference.hardware.available_memory", lambda *_: 1000)
    assert measure(trio, tmp_path, models=(str(network),)) == 3
    assert read(tmp_path)[0] == {}


def test_io_07_other_settings_or_weights_are_refused(
    trio: Path, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    shutil.copytree(network, weights)
    assert measure(trio, out, models=(f"m={weights}",)) == 0
    before = tables(out)
    for change, word in (
        (("--padding", "minimal"), "padding"),
        (("--precision", "bfloat16"), "precision"),
        (("--grey", "raw"), "grey"),
        (("--threads", "2"), "threads"),
    ):
        assert measure(trio, out, *change, models=(f"m={weights}",)) == 2
        assert f"settings {word} was" in capsys.readouterr().err
    assert measure(trio, out, models=("m=swin2sr-small-x2",)) == 2
    assert "models m" in capsys.readouterr().err
    Image.open(trio / "Trio/HR/a.png").rotate(180).save(trio / "Trio/HR/a.png")
    assert measure(trio, out, models=(f"m={weights}",)) == 2
    assert "sets Trio x2 sha256" in capsys.readouterr().err
    assert tables(out) == before


def test_models_can_be_added_to_a_folder(trio: Path, network: Path, tmp_path: Path) -> None:
    assert measure(trio, tmp_path / "a", "--scale", "2") == 0
    assert measure(trio, tmp_path / "a", "--scale", "2", models=(f"m={network}",)) == 0
    assert measure(trio, tmp_path / "b", "--scale", "2", models=("bicubic", f"m={network}")) == 0
    assert tables(tmp_path / "a") == tables(tmp_path / "b")


def test_io_10_two_runs_do_not_share_a_folder(
    trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_folder(tmp_path):
        assert measure(trio, tmp_path) == 2
    assert "Another run is writing" in capsys.readouterr().err
    assert measure(trio, tmp_path) == 0


def test_io_02_an_output_that_cannot_be_written_is_named(
    trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert measure(trio, tmp_path / "file" / "out") == 2
    assert "cannot be used" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_with_its_code(
    trio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    real = os.write
    monkeypatch.setattr(os, "write", full)
    assert measure(trio, tmp_path) == 2
    monkeypatch.setattr(os, "write", real)
    assert "No space left" in capsys.readouterr().err
    assert measure(trio, tmp_path) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--scale", "3"), "nothing to measure"),
        (("--degradation", "jpeg10"), "nothing to measure"),
        (("--degradation", "fog"), "Unknown degradation"),
        (("--set", "Set5"), "Sets found there: Trio"),
        (("--set", "Trio", "--data", "nowhere"), "No images of 'Trio' x2"),
        (("--model", "tiny", "tiny"), "no model 'tiny'"),
    ],
)
def test_mistakes_end_with_one_sentence(
    trio: Path,
    network: Path,
    change: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(words(trio, *change, models=(str(network),)))
    shown = capsys.readouterr()
    assert code != 0
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_folder_without_sets_is_no_reason_to_measure_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", "bicubic", "--scale", "2", "--data", str(tmp_path)]) == 2
    assert "There is no set for x2" in capsys.readouterr().err


def test_a_model_that_cannot_be_opened_fails_alone(
    trio: Path,
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = session.open_model

    def refused(model: Model, *rest: Any) -> Any:
        if not model.is_baseline:
            raise WeightsError("Gone.", code="not_found")
        return real(model, *rest)

    monkeypatch.setattr(session, "open_model", refused)
    models = (f"m={network}", "bicubic")
    assert measure(trio, tmp_path, "--scale", "2", models=models) == 1
    error = capsys.readouterr().err
    assert error.count("failed: m x2: Gone.") == 1
    assert "3 images failed:" in error
    assert {key[0].model for key in read(tmp_path)[0]} == {"bicubic"}


def test_two_models_of_one_name_must_be_told_apart(
    trio: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(trio, models=(str(network), str(network)))) == 2
    assert "--model other=" in capsys.readouterr().err
