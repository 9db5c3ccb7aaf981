"""Overlays on pictures to click on: every pixel a square, marks where they belong."""

from __future__ import annotations

import numpy as np

from swin2sr import plots
from swin2sr.plots.style import QUERY, WINDOW
from tests.inspect.networks import picture
from tests.plots.figures import colour, pixels_of


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
