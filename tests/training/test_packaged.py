"""The packaged weights: they are the recipe's, they fit, and they are better than bicubic."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from eval.datasets import find
from eval.run import enlarger, evaluate, mean
from swin2sr import checkpoints
from swin2sr.checkpoints.registry import WEIGHTS_FOLDER
from swin2sr.metrics import psnr
from swin2sr.resize import imresize
from swin2sr.training import find_recipe

NAME = "swin2sr-small-x2"


def drawing(side: int = 128) -> np.ndarray:
    """Circles, stripes and slanted edges with smooth borders, in colour: (side, side, 3) uint8."""
    rows, columns = np.mgrid[:side, :side] / side
    rings = np.tanh(30 * np.sin(25 * np.hypot(rows - 0.4, columns - 0.5)) / 3)
    edge = np.tanh((rows - 0.3 - 0.7 * columns) * side / 1.2)
    stripes = np.tanh(3 * np.sin(60 * (columns + 0.3 * rows)))
    planes = [rings, edge * 0.7 + rings * 0.3, stripes * edge]
    return np.round(np.stack(planes, axis=2) * 100 + 128).astype(np.uint8)


def test_the_weights_are_of_the_recipes_network() -> None:
    entry = checkpoints.find(NAME)
    assert entry is not None
    assert entry.source == "packaged"
    assert entry.config == find_recipe(NAME).config
    assert entry.parameters <= 1_100_000


def test_the_log_beside_the_weights_is_of_the_whole_run() -> None:
    """As long as the card says, which also says how that differs from the recipe."""
    with (WEIGHTS_FOLDER / f"{NAME}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    recipe = find_recipe(NAME)
    card = (WEIGHTS_FOLDER / f"{NAME}.md").read_text(encoding="utf-8")
    printed = re.search(r"^- ([\d,]+) steps in ", card, flags=re.MULTILINE)
    assert printed is not None
    trained = int(printed[1].replace(",", ""))
    assert trained == recipe.steps or "What differed from the recipe" in card
    steps = [int(row["step"]) for row in rows]
    assert steps == list(range(recipe.log_every, trained + 1, recipe.log_every))
    assert rows[-1]["val_psnr"]


def test_the_model_card_stands_beside_the_weights() -> None:
    card = (WEIGHTS_FOLDER / f"{NAME}.md").read_text(encoding="utf-8")
    for needed in ("CLIC", "CID22", "CC BY-SA 4.0", "Unsplash", "Set5", "Y:bt601"):
        assert needed in card


def test_a_drawing_is_enlarged_better_than_by_bicubic() -> None:
    hr = drawing()
    lr = imresize(hr, 0.5)
    sr = enlarger(NAME, 2, "minimal")(lr)
    assert psnr(sr, hr, border=2) > psnr(imresize(lr, 2), hr, border=2) + 1.0


@pytest.mark.benchmark
def test_set5_scores_what_the_model_card_says(shared_data: Path) -> None:
    benchmark = find(shared_data / "benchmarks", "Set5", 2)
    result = mean(list(evaluate(enlarger(NAME, 2, "official"), benchmark)))
    card = (WEIGHTS_FOLDER / f"{NAME}.md").read_text(encoding="utf-8")
    printed = re.search(r"this model, official padding \| ([\d.]+) / ([\d.]+) ", card)
    assert printed is not None
    assert result.psnr == pytest.approx(float(printed[1]), abs=0.005)
    assert result.ssim == pytest.approx(float(printed[2]), abs=1e-4)
