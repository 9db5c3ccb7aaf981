"""The figures of what is inside: they show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swin2sr import inspect, plots
from swin2sr.errors import ShapeError
from swin2sr.inspect import AttentionStatistics, Attribution, HiddenStates, Spectrum
from swin2sr.plots.style import overlay
from tests.inspect.networks import make, picture


def drawn(axes: Axes) -> np.ndarray:
    """The picture that a panel shows."""
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def panels(figure: Figure) -> list[Axes]:
    """The visible panels, those of colour bars left out."""
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


def test_attention_maps_show_each_layer_and_head_around_the_pixel() -> None:
    image = picture(60, 70)
    maps = inspect.attention_to(make(), image, (50, 30))
    figure = plots.attention_maps(image, maps, (50, 30), labels=list("abcd"), around=20)
    shown = panels(figure)
    assert len(shown) == 8
    assert [axes.get_ylabel() for axes in shown[::2]] == list("abcd")
    assert [axes.get_title() for axes in shown[:2]] == ["head 1", "head 2"]
    assert drawn(shown[0]).shape == (20, 20, 3)
    for place, axes in enumerate(shown):
        inner = maps[place // 2, place % 2, 20:40, 40:60]
        brightest = drawn(axes).sum(2)[np.unravel_index(int(inner.argmax()), (20, 20))]
        assert brightest == pytest.approx(drawn(axes).sum(2).max(), abs=0.3)
        (cross,) = axes.get_lines()
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (10, 10)
    at_border = plots.attention_maps(image, maps, (69, 0), around=20)
    (cross,) = panels(at_border)[0].get_lines()
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (19, 0)
    assert drawn(panels(plots.attention_maps(image, maps, (0, 0), around=None))[0]).shape[:2] == (
        60,
        70,
    )
    with pytest.raises(ShapeError, match="70x60 pixels, what is drawn on it 60x60"):
        plots.attention_maps(image, maps[..., :60], (0, 0))


def test_an_overlay_is_brightest_where_the_strength_is() -> None:
    axes = Figure().subplots()
    strength = np.zeros((4, 5))
    strength[2, 3] = 7.0
    overlay(axes, np.full((4, 5, 3), 0.5, np.float32), strength)
    light = drawn(axes).sum(2)
    assert np.unravel_index(light.argmax(), light.shape) == (2, 3)
    assert np.allclose(light[strength == 0], light[0, 0])
    overlay(Figure().subplots(), np.zeros((2, 2, 3)), np.zeros((2, 2)))  # nothing at all is fine


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


def test_attributions_frame_their_patch_and_say_their_index() -> None:
    image = picture(16, 24)
    found = Attribution(torch.rand(16, 24), torch.zeros(3, 16, 24), 12.345, (8, 4, 10))
    figure = plots.attribution_maps(image, {"net": found}, scale=2)
    source, result = panels(figure)
    assert result.get_title() == "net\ndiffusion index 12.35"
    for axes in (source, result):
        frame = axes.patches[0]
        assert (frame.get_xy(), frame.get_width()) == ((3.5, 1.5), 5.0)
    with pytest.raises(ShapeError):
        plots.attribution_maps(picture(8, 8), {"net": found}, scale=2)


def test_fields_flows_and_biases_are_drawn_as_they_are() -> None:
    field = torch.rand(7, 9)
    (axes,) = panels(plots.receptive_fields({"net": field}))
    np.testing.assert_allclose(drawn(axes), np.log10(field.numpy()), rtol=1e-5)
    table = torch.rand(2, 15, 15)
    shown = panels(plots.position_biases({"net": table, "other": torch.rand(3, 7, 7)}))
    assert len(shown) == 5
    np.testing.assert_allclose(drawn(shown[1]), table[1].flip(0, 1).numpy())
    assert drawn(panels(plots.flow_map(picture(7, 9), field[None], (1, 1)))[0]).shape == (7, 9, 3)
