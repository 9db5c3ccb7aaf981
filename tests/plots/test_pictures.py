"""Figures of pictures show them, places in them, and how far results are off."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from swin2sr import plots
from swin2sr.errors import ShapeError
from tests.inspect.networks import picture
from tests.plots.figures import drawn, panels


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_pictures_stand_beside_each_other_with_their_captions() -> None:
    several = {f"picture {i}": picture(10 + i, 12) for i in range(5)}
    figure = plots.picture_row(several, columns=3)
    assert [axes.get_title() for axes in panels(figure)] == list(several)
    assert len(figure.axes) == 6
    for axes, given in zip(panels(figure), several.values(), strict=True):
        np.testing.assert_allclose(drawn(axes), given / 255, atol=1e-6)
    assert len(plots.picture_row({"one": picture(8, 8)}).axes) == 1
    for wrong in ({}, None):
        with pytest.raises(ShapeError, match="at least one"):
            plots.picture_row(wrong or {}, columns=3 if wrong is not None else 0)


def test_zooms_show_the_same_place_of_versions_of_any_size() -> None:
    large = picture(32, 48)
    small = large[::2, ::2]
    figure = plots.zooms(large, {"itself": large, "half": small}, (16, 8, 12))
    whole, itself, half = panels(figure)
    frame = whole.patches[0]
    assert (*frame.get_xy(), frame.get_width()) == (15.5, 7.5, 12)
    np.testing.assert_allclose(drawn(itself), large[8:20, 16:28] / 255, atol=1e-6)
    np.testing.assert_allclose(drawn(half), small[4:10, 8:14] / 255, atol=1e-6)
    assert [axes.get_title() for axes in (itself, half)] == ["itself", "half"]
    for box in ((40, 0, 12), (-1, 0, 4), (0, 0, 0), (0, 30, 4)):
        with pytest.raises(ShapeError, match="48x32"):
            plots.zooms(large, {"itself": large}, box)


def test_an_error_map_is_the_distance_of_brightness() -> None:
    restored, original = noise(0, 9, 7, 3), noise(1, 9, 7, 3)
    expected = np.abs(rgb2ycbcr(restored)[..., 0] - rgb2ycbcr(original)[..., 0])
    np.testing.assert_allclose(plots.error_map(restored, original), expected, atol=1e-4)


def test_error_maps_of_different_pictures_are_refused() -> None:
    with pytest.raises(ShapeError):
        plots.error_map(noise(0, 9, 7, 3), noise(1, 9, 8, 3))


def test_errors_get_brighter_up_to_the_last_level_that_is_told_apart() -> None:
    errors = np.array([[0.0, 12.0, 24.0, 48.0, 200.0]], np.float32)
    colours = plots.error_colours(errors)
    assert colours.dtype == np.uint8
    assert colours.shape == (1, 5, 3)
    brightness = colours.astype(int).sum(axis=2)[0]
    assert brightness[0] < 10
    assert all(np.diff(brightness[:4]) > 0)
    assert brightness[4] == brightness[3]


def test_close_ups_show_crops_above_and_errors_below_on_one_scale() -> None:
    original = noise(0, 8, 8, 3)
    crops = {"near": original // 2 + 64, "far": 255 - original}
    figure = plots.close_ups(crops, original)
    shown = [axes for axes in figure.axes if axes.images and axes.get_visible()]
    titles = [axes.get_title() for axes in shown]
    assert titles == ["original", "near", "far", "", ""]
    for axes, pixels in zip(shown[:3], (original, *crops.values()), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), pixels)
        assert axes.images[0].get_interpolation() == "nearest"
    for axes, pixels in zip(shown[3:], crops.values(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), plots.error_map(pixels, original))
        assert axes.images[0].get_clim() == shown[3].images[0].get_clim()


def test_close_ups_take_grey_crops() -> None:
    figure = plots.close_ups({"one": noise(1, 8, 8)}, noise(0, 8, 8))
    assert plots.png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("crops", [{}, {"one": noise(1, 8, 9, 3)}])
def test_close_ups_without_a_crop_or_of_another_shape_are_refused(
    crops: dict[str, np.ndarray],
) -> None:
    with pytest.raises(ShapeError):
        plots.close_ups(crops, noise(0, 8, 8, 3))
