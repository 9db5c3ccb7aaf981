"""Figures of attention show windows, maps and statistics where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swin2sr import inspect, plots
from swin2sr.errors import ShapeError
from swin2sr.inspect import AttentionStatistics
from tests.inspect.networks import make, picture
from tests.plots.figures import drawn, panels


def test_panels_show_the_picture_then_each_map_in_its_window() -> None:
    image = picture(40, 48)
    maps = inspect.attention_to(make(), image, (30, 21))[1]
    chosen = {"mean": maps.mean(0), "head 2": maps[1]}
    figure = plots.attention_panels(image, chosen, (30, 21), 8, 4, around=24)
    first, *others = panels(figure)
    np.testing.assert_allclose(drawn(first), image[9:33, 18:42] / 255, atol=1e-6)
    assert [axes.get_title() for axes in panels(figure)] == ["the windows", "mean", "head 2"]
    for axes, strengths in zip(others, chosen.values(), strict=True):
        inside = strengths[9:33, 18:42].numpy()
        brightest = drawn(axes).sum(2)[np.unravel_index(inside.argmax(), inside.shape)]
        assert brightest == pytest.approx(drawn(axes).sum(2).max(), abs=0.3)
    for axes in panels(figure):
        # The pixel (30, 21) lies in the shifted window from (28, 20), 10 and 11 further inside.
        assert axes.patches[0].get_xy() == (28 - 18 - 0.5, 20 - 9 - 0.5)
        lines = {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 2}
        assert {20 - 18 - 0.5, 28 - 18 - 0.5, 36 - 18 - 0.5} <= lines
    with pytest.raises(ShapeError, match="8x8 pixels, what is drawn on it 48x40"):
        plots.attention_panels(picture(8, 8), chosen, (1, 1), 8, 4)


def test_panels_end_at_the_border_and_may_show_the_whole_picture() -> None:
    image, maps = picture(40, 48), {"mean": torch.rand(40, 48)}
    at_border, _ = panels(plots.attention_panels(image, maps, (47, 0), 8, 0, around=20))
    np.testing.assert_allclose(drawn(at_border), image[:20, 28:] / 255, atol=1e-6)
    cross = at_border.get_lines()[-1]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (19, 0)
    whole, _ = panels(plots.attention_panels(image, maps, (0, 0), 8, 0, around=None))
    assert drawn(whole).shape[:2] == (40, 48)


def test_a_mosaic_has_a_row_a_layer_and_a_column_a_head() -> None:
    image = picture(40, 48)
    maps = inspect.attention_to(make(), image, (30, 21))
    (axes,) = panels(plots.attention_mosaic(image, maps, (30, 21), list("abcd"), around=16))
    shown = drawn(axes)
    assert shown.shape == (4 * 17 - 1, 2 * 17 - 1, 4)
    assert (shown[16] == 0).all()  # the ground between rows shows through
    wanted = plots.heat(image[13:29, 22:38] / np.float32(255), maps[2, 1, 13:29, 22:38].numpy())
    np.testing.assert_allclose(shown[34:50, 17:33, :3], wanted, atol=1e-6)
    assert [text.get_text() for text in axes.get_yticklabels()] == list("abcd")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["head 1", "head 2"]
    (dots,) = axes.get_lines()
    assert (dots.get_xdata()[3], dots.get_ydata()[3]) == (17 + 8, 17 + 8)


def test_windows_are_ruled_and_the_pixels_own_is_framed() -> None:
    figure = plots.window_grid(picture(24, 32), 8, 4, (13, 5))
    even, odd = panels(figure)
    for axes, offset, corner in ((even, 0, (7.5, -0.5)), (odd, 4, (11.5, 3.5))):
        lines = {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 2}
        assert {at - 0.5 for at in range(offset, 33, 8)} <= lines
        assert axes.patches[0].get_xy() == corner
        assert axes.get_xlim() == (-0.5, 31.5)
        assert axes.get_ylim() == (23.5, -0.5)
    plain = plots.window_grid(picture(24, 32), 8, 4)
    assert not panels(plain)[0].patches


def test_a_flow_lies_over_its_picture() -> None:
    (axes,) = panels(plots.flow_map(picture(7, 9), torch.rand(1, 7, 9), (1, 1)))
    assert drawn(axes).shape == (7, 9, 3)


def test_habits_have_a_point_a_head_and_the_line_of_even_attention() -> None:
    found = AttentionStatistics(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 5.0]]), ("a",))
    figure = plots.attention_habits({"one": found, "two": found}, 8)
    distance, entropy = panels(figure)
    even = distance.get_lines()[-1].get_ydata()[0]
    places = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0))
    assert even == pytest.approx(float(torch.cdist(places, places).mean()))
    assert entropy.get_lines()[-1].get_ydata()[0] == 6
    assert list(distance.get_lines()[0].get_ydata()) == [2.0]
    assert list(distance.get_lines()[1].get_ydata()) == [1.0, 3.0]
    assert [text.get_text() for text in distance.get_legend().get_texts()] == ["one", "two"]


def test_the_figure_lets_every_window_reach_the_brightest_colour() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    strengths = torch.full((16, 16), 1e-3)
    bright = [(1, 2), (3, 9), (12, 3), (15, 15)]  # one in each window, of very unlike strength
    for power, (row, column) in enumerate(bright):
        strengths[row, column] = 4.0**-power / 2
    shifted = torch.zeros(16, 16)
    shifted[5, 6] = 0.2
    figure = plots.window_mosaics(image, {"a": (strengths, 0), "b": (shifted, 4)}, 8)
    first, second = (np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes[1:3])
    brightest = plots.heat(np.zeros((1, 1, 3)), np.ones((1, 1)))[0, 0]
    for row, column in bright:
        np.testing.assert_allclose(first[row, column], brightest, atol=1e-6)
    assert (np.abs(second - brightest).max(axis=2) < 1e-6).sum() == 1
    with pytest.raises(ShapeError):
        plots.window_mosaics(image, {"a": (strengths[:8], 0)}, 8)
