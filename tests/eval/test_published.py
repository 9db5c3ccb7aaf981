"""Figures in print: sourced, plausible, found by the names that results have."""

from __future__ import annotations

import json

import pytest

from eval.report.published import FILE, find, published
from eval.sets.datasets import KNOWN
from eval.sets.degradations import Degradation
from swin2sr import checkpoints
from swin2sr.images.resize import BASELINES


def test_every_figure_has_a_source_and_none_is_there_twice() -> None:
    keys = [(p.model, p.set, p.scale, p.degradation, p.channel) for p in published()]
    assert len(keys) == len(set(keys)) > 80
    for figure in published():
        assert figure.url.startswith("https://")
        assert figure.table
        assert figure.figures


def test_sources_that_are_named_exist_and_are_used() -> None:
    values = json.loads(FILE.read_text(encoding="utf-8"))
    named = {row["source"] for row in values["rows"]}
    named |= {other for row in values["rows"] for other in row["checked"]}
    assert named == values["sources"].keys()


def test_figures_are_of_models_sets_and_tasks_there_are() -> None:
    for figure in published():
        if figure.model not in BASELINES:
            entry = checkpoints.find(figure.model)
            assert entry is not None, figure.model
            assert entry.name == figure.model
            assert entry.scale == figure.scale
        assert figure.set in {known.name for known in KNOWN}
        assert Degradation.parse(figure.degradation).suits(figure.scale)
        assert figure.channel in ("y", "rgb", "grey")


def test_figures_are_in_the_range_of_their_metric() -> None:
    for figure in published():
        assert 20 < figure.figures["psnr"] < 45
        assert 0.6 < figure.figures.get("ssim", 0.9) < 1
        assert figure.figures.get("psnr_b", 0.0) <= figure.figures["psnr"]


def test_a_larger_scale_is_harder_in_print_too() -> None:
    for name in ("Set5", "Set14", "BSD100", "Urban100", "Manga109"):
        two, three, four = (find("bicubic", name, s, "bicubic", "y") for s in (2, 3, 4))
        assert two is not None
        assert three is not None
        assert four is not None
        assert two.figures["psnr"] > three.figures["psnr"] > four.figures["psnr"]
        assert two.figures["ssim"] > three.figures["ssim"] > four.figures["ssim"]


def test_the_papers_lightweight_row_is_found() -> None:
    figure = find("swin2sr-lightweight-x2", "Set5", 2, "bicubic", "y")
    assert figure is not None
    assert figure.figures == {"psnr": 38.17, "ssim": 0.9613}
    assert (figure.source, figure.table) == ("Swin2SR", "table 4")


def test_what_is_not_printed_is_not_found() -> None:
    assert find("swin2sr-small-x2", "Set5", 2, "bicubic", "y") is None
    assert find("bicubic", "Set5", 2, "bicubic", "rgb") is None


@pytest.mark.parametrize("words", ["Transcribed", "Seen on the pages named"])
def test_what_was_not_seen_at_its_source_says_so(words: str) -> None:
    assert any(words in figure.note for figure in published())
