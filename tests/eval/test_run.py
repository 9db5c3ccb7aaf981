"""Scores: the protocol's border and mean, the signature, the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.datasets import find
from eval.run import enlarger, evaluate, main, mean, signature
from swin2sr.metrics import psnr, ssim
from swin2sr.resize import imresize


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "Pair" / "HR"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("a", "b")):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(imresize(pixels, size=(64, 80))).save(folder / f"{name}.png")
    return tmp_path


def test_scores_are_psnr_and_ssim_without_the_border(data: Path) -> None:
    score = next(iter(evaluate(enlarger("bicubic", 2, "minimal"), find(data, "Pair", 2))))
    with Image.open(data / "Pair/HR/a.png") as image:
        hr = np.array(image)
    sr = imresize(imresize(hr, 0.5), 2)
    assert score.name == "a"
    assert score.psnr == psnr(sr, hr, border=2)
    assert score.ssim == ssim(sr, hr, border=2)


def test_the_mean_is_over_images(data: Path) -> None:
    scores = list(evaluate(enlarger("bicubic", 2, "minimal"), find(data, "Pair", 2)))
    assert mean(scores).psnr == pytest.approx((scores[0].psnr + scores[1].psnr) / 2)
    assert mean(scores).ssim == pytest.approx((scores[0].ssim + scores[1].ssim) / 2)


def test_the_signature_says_what_was_compared(data: Path) -> None:
    expected = "Y:bt601|crop:2|pad:official|lr:imresize|uint8"
    assert signature(find(data, "Pair", 2), "official") == expected


def test_the_command_prints_a_row_per_image_and_the_signature(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--model", "bicubic", "--data", str(data), "--set", "Pair", "--scale", "2"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[4:7]] == ["| a", "| b", "| mean"]
    assert lines[-1] == "Y:bt601|crop:2|pad:none|lr:imresize|uint8"


def test_a_mistake_ends_with_its_exit_code(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--model", "bicubic", "--data", str(data), "--set", "X", "--scale", "2"]
    assert main(arguments) == 2
    assert "Sets found there: Pair" in capsys.readouterr().err


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "scale", "expected_psnr", "expected_ssim"),
    [("Set5", 2, 33.673, 0.9303), ("Set5", 3, 30.40, 0.8689), ("Set5", 4, 28.43, 0.8111)],
)
def test_bicubic_scores_what_it_scores_in_print(
    shared_data: Path, name: str, scale: int, expected_psnr: float, expected_ssim: float
) -> None:
    benchmark = find(shared_data / "benchmarks", name, scale)
    result = mean(list(evaluate(enlarger("bicubic", scale, "minimal"), benchmark)))
    assert result.psnr == pytest.approx(expected_psnr, abs=0.01)
    assert result.ssim == pytest.approx(expected_ssim, abs=2e-4)
