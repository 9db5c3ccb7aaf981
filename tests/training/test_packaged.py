"""The packaged weights: they are their recipes', they do their task, and their cards are true."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from eval.run.plan import Request
from eval.run.protocol import headline
from eval.run.session import run
from swin2sr import Upscaler, checkpoints
from swin2sr.checkpoints.registry import WEIGHTS_FOLDER
from swin2sr.console import Console
from swin2sr.images.degradations import Bicubic, Jpeg
from swin2sr.images.resize import imresize
from swin2sr.inspect import hidden_states
from swin2sr.metrics import psnr
from swin2sr.training import find_recipe

FAMILY = (
    "swin2sr-small-x2",
    "swinir-small-x2",
    "swin2sr-small-x4",
    "swin2sr-small-compressed-x4",
    "swin2sr-small-jpeg",
)
MOST_BYTES = 5_000_000
GAINS = {  # dB on the drawing over plain bicubic, or over the JPEG
    "swin2sr-small-x2": 1.0,
    "swinir-small-x2": 1.0,
    "swin2sr-small-x4": 1.0,
    "swin2sr-small-compressed-x4": 0.3,
    "swin2sr-small-jpeg": 0.5,
}

# Near the border, where zeros were padded: in so many pixels of the input a flat picture may be off
# by so many levels; elsewhere by one. Corners are worse after a head of three channels (its card).
BORDER = dict.fromkeys(FAMILY, (1, 3)) | {"swin2sr-small-compressed-x4": (4, 6)}
WITHOUT_CORNERS = ("swin2sr-small-compressed-x4",)

each = pytest.mark.parametrize("name", FAMILY)


@pytest.fixture(scope="module")
def upscaler(request: pytest.FixtureRequest) -> Upscaler:
    return Upscaler.from_pretrained(request.param, precision="float32")


loaded = pytest.mark.parametrize("upscaler", FAMILY, indirect=True)


def drawing(side: int = 128) -> np.ndarray:
    """Circles, stripes and slanted edges with smooth borders, in colour: (side, side, 3) uint8."""
    rows, columns = np.mgrid[:side, :side] / side
    rings = np.tanh(30 * np.sin(25 * np.hypot(rows - 0.4, columns - 0.5)) / 3)
    edge = np.tanh((rows - 0.3 - 0.7 * columns) * side / 1.2)
    stripes = np.tanh(3 * np.sin(60 * (columns + 0.3 * rows)))
    planes = [rings, edge * 0.7 + rings * 0.3, stripes * edge]
    return np.round(np.stack(planes, axis=2) * 100 + 128).astype(np.uint8)


def degraded(name: str, hr: np.ndarray) -> np.ndarray:
    """What the model's task starts from: small, compressed (quality 20), or both."""
    recipe = find_recipe(name)
    small = Bicubic(recipe.config.upscale)(hr) if "bicubic" in recipe.degradation else hr
    return Jpeg(20)(small) if "jpeg" in recipe.degradation else small


def plain(small: np.ndarray, scale: int) -> np.ndarray:
    return imresize(small, scale) if scale > 1 else small


def card(name: str) -> tuple[dict[str, Any], str]:
    """The header and the text of a model card."""
    _, header, text = (WEIGHTS_FOLDER / f"{name}.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(header), text


def test_the_family_is_what_is_packaged() -> None:
    packaged = [entry.name for entry in checkpoints.list_models() if entry.source == "packaged"]
    assert set(packaged) == set(FAMILY)


@each
def test_the_weights_are_of_the_recipes_network(name: str) -> None:
    entry = checkpoints.find(name)
    assert entry is not None
    assert entry.source == "packaged"
    assert entry.config == find_recipe(name).config
    assert (WEIGHTS_FOLDER / f"{name}.safetensors").stat().st_size <= MOST_BYTES


def test_both_generations_were_trained_alike() -> None:
    """The lessons compare them: same size, data, steps, seed; only the network differs."""
    first, second = find_recipe("swinir-small-x2"), find_recipe("swin2sr-small-x2")
    alike = ("steps", "patch", "batch", "degradation", "loss", "lr", "warmup", "decay", "seed")
    assert all(getattr(first, key) == getattr(second, key) for key in alike)
    sizes = [checkpoints.find(one.name) for one in (first, second)]
    counts = [entry.parameters for entry in sizes if entry is not None]
    assert max(counts) < 1.1 * min(counts)  # the rest is the networks of the position biases


def trained_steps(text: str) -> list[int]:
    """What a card says of the runs, one after the other, that made the weights."""
    line = re.search(r"^- [\d,]+ steps in .*", text, flags=re.MULTILINE)
    assert line is not None
    return [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) steps", line[0])]


@each
def test_the_log_beside_the_weights_is_of_all_that_the_card_says(name: str) -> None:
    with (WEIGHTS_FOLDER / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    recipe, runs = find_recipe(name), trained_steps(card(name)[1])
    assert runs[0] == recipe.steps
    steps = [int(row["step"]) for row in rows]
    assert steps == list(range(recipe.log_every, sum(runs) + 1, recipe.log_every))
    assert rows[-1]["val_psnr"]


@each
def test_the_card_says_where_the_weights_come_from(name: str) -> None:
    header, text = card(name)
    entry = checkpoints.find(name)
    assert entry is not None
    assert header["license"] == entry.licence.lower()
    for needed in ("CLIC", "CID22", "CC BY-SA 4.0", "Unsplash", f"{entry.parameters:,} parameters"):
        assert needed in text
    assert "## What it is not good at" in text
    sets = {result["dataset"]["name"] for result in header["model-index"][0]["results"]}
    assert sets >= {"Set5", "Set14", "BSD100"}


@loaded
def test_the_task_is_done_better_than_without_a_network(upscaler: Upscaler) -> None:
    hr = drawing()
    small = degraded(upscaler.name, hr)
    border = upscaler.scale if upscaler.scale > 1 else 0
    result = np.asarray(upscaler(small))
    gain = psnr(result, hr, border=border) - psnr(plain(small, upscaler.scale), hr, border=border)
    assert gain > GAINS[upscaler.name]


def flat_errors(upscaler: Upscaler, colour: tuple[int, int, int]) -> np.ndarray:
    """What a flat picture becomes, less its colour: (H, W, 3) in levels."""
    flat = np.full((40, 40, 3), colour, np.uint8)
    return np.asarray(upscaler(flat)).astype(np.int64) - np.asarray(colour)


@loaded
@pytest.mark.parametrize(
    "colour", [(0,) * 3, (20,) * 3, (128,) * 3, (255,) * 3, (200, 160, 130), (90, 140, 200)]
)
def test_inv_12_a_flat_picture_stays_flat(upscaler: Upscaler, colour: tuple[int, int, int]) -> None:
    errors = np.abs(flat_errors(upscaler, colour))
    pixels, most = BORDER[upscaler.name]
    edge = pixels * upscaler.scale
    assert errors[edge:-edge, edge:-edge].max() <= 1
    if upscaler.name in WITHOUT_CORNERS:
        assert max(errors[edge:-edge].max(), errors[:, edge:-edge].max()) <= most
    else:
        assert errors.max() <= most


@loaded
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
def test_inv_12_pure_colours_too_but_for_the_border(
    upscaler: Upscaler, colour: tuple[int, int, int]
) -> None:
    errors, edge = flat_errors(upscaler, colour), 8 * upscaler.scale
    inside = errors[edge:-edge, edge:-edge]
    assert inside.std(axis=(0, 1)).max() <= 1
    assert np.abs(inside).max() <= 2


@loaded
def test_inv_13_grey_stays_grey(upscaler: Upscaler) -> None:
    grey = drawing()[..., :1].repeat(3, axis=2)
    result = np.asarray(upscaler(grey)).astype(np.int64)
    assert (result.max(axis=2) - result.min(axis=2)).mean() <= 4


@pytest.mark.parametrize(
    "upscaler",
    [name for name in FAMILY if find_recipe(name).degradation == "bicubic"],
    indirect=True,
)
def test_inv_18_shrinking_gives_the_input_back(upscaler: Upscaler) -> None:
    small = degraded(upscaler.name, drawing())
    back = imresize(np.asarray(upscaler(small)), 1 / upscaler.scale)
    assert psnr(back, small, channel="rgb") >= 35


@loaded
def test_inv_20_opposite_borders_do_not_see_each_other(upscaler: Upscaler) -> None:
    """Cyclic shifting brings them into one window; the mask keeps them apart there."""
    side = 48
    picture = drawing(side)
    changed = picture.copy()
    changed[-1] = 255 - changed[-1]
    first, second = (
        hidden_states(upscaler, one, at="layers", which=2).maps[0] for one in (picture, changed)
    )
    difference = (first - second).abs().amax(dim=(1, 2))
    assert difference[-1] > 1e-3
    assert difference[: side // 2].max() <= 1e-6  # two layers reach no further than two windows


@pytest.mark.benchmark
@each
def test_set5_scores_what_the_card_says(name: str, shared_data: Path) -> None:
    header, _ = card(name)
    results = header["model-index"][0]["results"]
    recipe = find_recipe(name)
    scale = recipe.config.upscale
    degradation = {"bicubic": "bicubic", "bicubic+jpeg": "bicubic+jpeg20", "jpeg": "jpeg10"}
    request = Request(
        models=(name,),
        sets=("Set5",),
        scales=(scale,),
        degradations=(degradation[recipe.degradation],),
        data=shared_data / "benchmarks",
    )
    rows = run(request, Console(), threads=torch.get_num_threads()).rows
    assert len(rows) == 5
    metric = headline(scale, rows[0].cell.degradation)[0]
    measured = np.mean([getattr(row.scores, metric) for row in rows])
    kind = metric.removesuffix("_rgb")
    printed = [
        found["value"]
        for result in results
        if result["dataset"]["name"] == "Set5"
        and result["dataset"]["config"].endswith(rows[0].cell.degradation)
        for found in result["metrics"]
        if found["type"] == kind
    ]
    assert printed == [pytest.approx(measured, abs=0.005)]
