"""Figures of pictures and of plain numbers: they show what they are given."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swin2sr import plots
from swin2sr.errors import ShapeError
from tests.inspect.networks import picture


def shown(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def pixels(axes: Axes) -> np.ndarray:
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def test_pictures_stand_beside_each_other_with_their_captions() -> None:
    several = {f"picture {i}": picture(10 + i, 12) for i in range(5)}
    figure = plots.picture_row(several, columns=3)
    assert [axes.get_title() for axes in shown(figure)] == list(several)
    assert len(figure.axes) == 6
    for axes, given in zip(shown(figure), several.values(), strict=True):
        np.testing.assert_allclose(pixels(axes), given / 255, atol=1e-6)
    assert len(plots.picture_row({"one": picture(8, 8)}).axes) == 1
    for wrong in ({}, None):
        with pytest.raises(ShapeError, match="at least one"):
            plots.picture_row(wrong or {}, columns=3 if wrong is not None else 0)


def test_zooms_show_the_same_place_of_versions_of_any_size() -> None:
    large = picture(32, 48)
    small = large[::2, ::2]
    figure = plots.zooms(large, {"itself": large, "half": small}, (16, 8, 12))
    whole, itself, half = shown(figure)
    frame = whole.patches[0]
    assert (*frame.get_xy(), frame.get_width()) == (15.5, 7.5, 12)
    np.testing.assert_allclose(pixels(itself), large[8:20, 16:28] / 255, atol=1e-6)
    np.testing.assert_allclose(pixels(half), small[4:10, 8:14] / 255, atol=1e-6)
    assert [axes.get_title() for axes in (itself, half)] == ["itself", "half"]
    for box in ((40, 0, 12), (-1, 0, 4), (0, 0, 0), (0, 30, 4)):
        with pytest.raises(ShapeError, match="48x32"):
            plots.zooms(large, {"itself": large}, box)


def test_curves_go_through_their_points() -> None:
    points = {"a": [(1.0, 2.0), (3.0, 5.0)], "b": [(1.0, 0.0)]}
    (axes,) = shown(plots.curves(points, "x", "y", levels={"none": 4.0}, log_x=True))
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
        (axes,) = shown(plots.curves(points, "group", "y"))
        assert any(tick % 1 for tick in axes.get_xticks()) == halves


def test_heads_have_a_point_each_and_their_mean_a_line() -> None:
    values = torch.tensor([[1.0, 3.0], [4.0, 6.0]])
    without = torch.full((2, 2), math.inf)
    figure = plots.heads_by_layer({"size": {"one": values, "two": without}, "q": {"one": values}})
    left, right = shown(figure)
    mean, heads, nothing, _ = left.get_lines()
    assert list(mean.get_ydata()) == [2.0, 5.0]
    assert list(heads.get_ydata()) == [1.0, 3.0, 4.0, 6.0]
    assert list(heads.get_xdata()) == [0, 0, 1, 1]
    assert np.isnan(nothing.get_ydata()).all()
    assert (left.get_ylabel(), right.get_ylabel()) == ("size", "q")
    assert left.get_yscale() == "linear"
    logarithmic = plots.heads_by_layer({"size": {"one": values}}, log_y=True)
    assert shown(logarithmic)[0].get_yscale() == "log"
