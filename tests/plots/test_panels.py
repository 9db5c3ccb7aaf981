"""Panels, mosaics and pictures to click on show what they are given."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from swin2sr import inspect, plots
from swin2sr.errors import ShapeError
from swin2sr.plots.style import DARK, LIGHT, QUERY, WINDOW
from tests.inspect.networks import make, picture
from tests.plots.test_inspect_plots import drawn, panels


def pixels_of(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def colour(name: str) -> list[int]:
    return [round(255 * part) for part in to_rgb(name)]


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
    with pytest.raises(ShapeError):
        plots.attention_panels(picture(8, 8), chosen, (1, 1), 8, 4)


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


def test_a_dark_figure_has_light_text_on_dark_ground() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="curve", color="#0072B2")
    axes.set_title("title")
    axes.legend()
    assert plots.darkened(figure) is figure
    shown = pixels_of(plots.png(figure, 50))
    assert (shown[0, 0] == colour(DARK)).all()
    assert not (shown == 255).all(2).any()
    assert axes.title.get_color() == LIGHT
    assert axes.get_legend().get_texts()[0].get_color() == LIGHT
    assert axes.get_lines()[0].get_color() == "#0072B2"


def test_a_view_keeps_every_pixel_as_a_square() -> None:
    image = picture(6, 5)
    shown = pixels_of(plots.view(image / 255, 4))
    np.testing.assert_array_equal(shown, image.repeat(4, axis=0).repeat(4, axis=1))


def test_a_view_draws_windows_pixel_and_box_where_they_are() -> None:
    grey = np.full((32, 40, 3), 0.5)
    factor = 10
    shown = pixels_of(plots.view(grey, factor, pixel=(13, 21), windows=(8, 4)))
    # The pixel's window goes from (12, 20) to (20, 28).
    for x, y in ((120, 240), (200, 240), (160, 200), (160, 280)):
        assert (shown[y, x] == colour(WINDOW)).all()
    middle = (shown[215, 135] == 128).all()
    assert middle
    assert (shown[215, 135 + 7] == colour(QUERY)).all()
    line = shown[5, 40]
    assert (line > 128).all()
    assert (shown[5, 80] == 128).all()
    boxed = pixels_of(plots.view(grey, factor, box=(4, 6, 8)))
    for x, y in ((40, 100), (120, 100), (80, 60), (80, 140)):
        assert (boxed[y, x] == colour(QUERY)).all()
    assert (boxed[100, 80] == 128).all()


def test_a_frame_lies_around_its_part_of_the_whole() -> None:
    data = plots.framed(np.full((600, 1200, 3), 0.5), (300, 150, 256, 256), most=480)
    shown = pixels_of(data)
    assert shown.shape == (240, 480, 3)
    found = np.argwhere((shown == colour(WINDOW)).all(2))
    low, high = found.min(0), found.max(0)
    np.testing.assert_allclose(low, (60, 120), atol=1)
    np.testing.assert_allclose(high, (162, 222), atol=1)
    small = pixels_of(plots.framed(np.full((30, 20, 3), 0.5), (0, 0, 10, 10)))
    assert small.shape == (30, 20, 3)


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
