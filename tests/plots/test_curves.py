"""Figures of curves go through the numbers they are given."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr import plots
from swin2sr.errors import ConfigError
from tests.plots.figures import panels, points

LOG = """step,seconds,loss,lr,val_psnr
100,10.0,0.5,1.0e-03,
200,20.0,0.25,5.0e-04,30.5
300,30.0,0.125,1.0e-05,31.25
400,40.0,0.1,
"""


def test_curves_go_through_their_points() -> None:
    points = {"a": [(1.0, 2.0), (3.0, 5.0)], "b": [(1.0, 0.0)]}
    (axes,) = panels(plots.curves(points, "x", "y", levels={"none": 4.0}, log_x=True))
    first, second, level = axes.get_lines()
    assert list(zip(*map(list, first.get_data()), strict=True)) == points["a"]
    assert list(second.get_ydata()) == [0.0]
    assert set(level.get_ydata()) == {4.0}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "none"]
    assert len({line.get_color() for line in axes.get_lines()}) == 3
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "3"]
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "x", "y")


def test_there_are_no_half_groups() -> None:
    for step, halves in ((1.0, False), (0.5, True)):
        points = {"a": [(step * i, 0.0) for i in range(1, 5)]}
        (axes,) = panels(plots.curves(points, "group", "y"))
        assert any(tick % 1 for tick in axes.get_xticks()) == halves


def test_heads_have_a_point_each_and_their_mean_a_line() -> None:
    values = torch.tensor([[1.0, 3.0], [4.0, 6.0]])
    without = torch.full((2, 2), math.inf)
    figure = plots.heads_by_layer({"size": {"one": values, "two": without}, "q": {"one": values}})
    left, right = panels(figure)
    mean, heads, nothing, _ = left.get_lines()
    assert list(mean.get_ydata()) == [2.0, 5.0]
    assert list(heads.get_ydata()) == [1.0, 3.0, 4.0, 6.0]
    assert list(heads.get_xdata()) == [1, 1, 2, 2]
    assert np.isnan(nothing.get_ydata()).all()
    assert (left.get_ylabel(), right.get_ylabel()) == ("size", "q")
    assert left.get_yscale() == "linear"
    logarithmic = plots.heads_by_layer({"size": {"one": values}}, log_y=True)
    assert panels(logarithmic)[0].get_yscale() == "log"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_training_curves_are_the_logs_numbers(log: Path) -> None:
    psnr, loss, rate = plots.training_curves({"mine": log}).axes
    assert points(psnr) == [[(200.0, 30.5), (300.0, 31.25)]]
    assert points(loss) == [[(100.0, 0.5), (200.0, 0.25), (300.0, 0.125), (400.0, 0.1)]]
    assert points(rate) == [[(100.0, 1e-3), (200.0, 5e-4), (300.0, 1e-5)]]
    assert "PSNR" in psnr.get_ylabel()
    assert rate.get_xlabel() == "step"


def test_runs_are_told_apart(log: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("step,loss,lr,val_psnr\n50,0.4,1e-3,29.0\n")
    figure = plots.training_curves({"mine": log, "theirs": tmp_path / "other.csv"})
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["mine", "theirs"]
    colours = {line.get_color() for line in figure.axes[1].get_lines()}
    assert len(colours) == 2
    assert points(figure.axes[0])[1] == [(50.0, 29.0)]


def test_a_log_without_validation_is_drawn_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,seconds,loss,lr,val_psnr\n")
    figure = plots.training_curves({"new": tmp_path / "log.csv"})
    assert points(figure.axes[0]) == [[]]
    assert plots.png(figure).startswith(b"\x89PNG")


def test_the_picture_is_a_png_that_follows_the_log(log: Path) -> None:
    def picture() -> bytes:
        return plots.png(plots.training_curves({"mine": log}))

    before = picture()
    with Image.open(io.BytesIO(before)) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert picture() == before
    log.write_text(LOG + "500,50.0,0.05,1.0e-06,40.0\n")
    assert picture() != before


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "step,loss\n1,2\n"])
def test_what_is_no_log_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "log.csv").write_text(content)
    with pytest.raises(ConfigError, match="log"):
        plots.training_curves({"mine": tmp_path / "log.csv"})
    with pytest.raises(ConfigError, match="no training log"):
        plots.training_curves({})
