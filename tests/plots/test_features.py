"""Figures of hidden states show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swin2sr import inspect, plots
from swin2sr.inspect import HiddenStates, Spectrum
from tests.plots.figures import drawn, panels


def states(depth: int) -> HiddenStates:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(depth, 6, 9, 5, generator=generator)
    return HiddenStates(maps, tuple(f"map {i}" for i in range(depth)))


def test_feature_pictures_are_the_pca_pictures() -> None:
    one, two = states(3), states(2)
    figure = plots.feature_pictures({"one": one, "two": two})
    shown = panels(figure)
    assert [axes.get_title() for axes in shown][2:4] == ["one: map 2", "two: map 0"]
    for axes, wanted in zip(shown, torch.cat(inspect.pca_pictures(one, two)), strict=True):
        np.testing.assert_allclose(drawn(axes), wanted.numpy())
    assert panels(plots.feature_pictures({"one": one}))[0].get_title() == "map 0"


def test_sizes_have_one_scale_for_all_depths() -> None:
    norms = torch.logspace(-2, 2, 3 * 8 * 8).reshape(3, 8, 8)
    shown = plots.norm_pictures(norms)
    assert shown.shape == (3, 8, 8, 3)
    light = shown.sum(-1).flatten()
    assert (light.diff() >= -0.02).all()
    assert light[0] < 0.1 < light[-1]
    low, high = plots.norm_range(norms)
    assert (low, high) == pytest.approx((10**-1.96, 10**1.96), rel=0.02)
    assert plots.norm_pictures(torch.zeros(1, 2, 2)).isfinite().all()


def test_depths_are_panels_with_their_names() -> None:
    shown = torch.rand(4, 6, 9, 3)
    figure = plots.depth_panels(shown, list("abcd"))
    assert [axes.get_title() for axes in panels(figure)] == list("abcd")
    for axes, one in zip(panels(figure), shown, strict=True):
        np.testing.assert_allclose(drawn(axes), one.numpy())


def test_norms_and_growth_are_drawn_by_depth() -> None:
    one = states(4)
    (axes,) = panels(plots.norms_by_depth({"one": one, "short": states(2)}))
    middle = np.median(inspect.channel_norms(one).numpy(), axis=1)
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), middle, rtol=1e-6)
    assert [text.get_text() for text in axes.get_xticklabels()] == list(one.labels)
    (axes,) = panels(plots.growth_by_depth({"a": torch.tensor([1.0, 2.0, 4.0])}))
    assert list(axes.get_lines()[0].get_ydata()) == [1.0, 2.0, 4.0]
    assert axes.get_yscale() == "log"


def test_a_matrix_says_its_numbers() -> None:
    values = torch.tensor([[1.0, 0.25, 0.5], [0.0, 0.75, 0.125]])
    figure = plots.similarity_matrix(values, ["a", "b"], ["x", "y", "z"], ("one", "two"))
    (axes,) = panels(figure)
    assert [text.get_text() for text in axes.texts] == [
        "1.00",
        "0.25",
        "0.50",
        "0.00",
        "0.75",
        "0.12",
    ]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("one", "two")


def test_spectra_have_a_line_a_step() -> None:
    found = Spectrum(torch.tensor([0.1, 0.3]), torch.tensor([[4.0, 2.0], [0.0, 1.0]]), ("p", "q"))
    (axes,) = panels(plots.spectra(found))
    assert [line.get_label() for line in axes.get_lines()] == ["p", "q"]
    assert list(axes.get_lines()[0].get_ydata()) == [4.0, 2.0]
