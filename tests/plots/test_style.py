"""Style of figures: heat, dark pages, panel grids, and matplotlib left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from swin2sr import plots
from swin2sr.errors import ConfigError
from swin2sr.plots.style import DARK, LIGHT, overlay, panel_grid, png
from tests.plots.figures import colour, drawn, panels, pixels_of


def test_a_grid_has_the_panels_asked_for_and_hides_the_other_places() -> None:
    figure, several = panel_grid(4, 3, 2.0, 1.5)
    assert panels(figure) == several
    assert len(several) == 4
    assert len(figure.axes) == 6
    assert tuple(figure.get_size_inches()) == (6.0, 3.0)


def test_a_png_says_nothing_of_the_program_that_made_it() -> None:
    figure, _ = panel_grid(1, 1, 1.0, 1.0)
    assert b"Software" not in png(figure)
    assert png(figure) == png(figure)


def test_an_overlay_is_brightest_where_the_strength_is() -> None:
    axes = Figure().subplots()
    strength = np.zeros((4, 5))
    strength[2, 3] = 7.0
    overlay(axes, np.full((4, 5, 3), 0.5, np.float32), strength)
    light = drawn(axes).sum(2)
    assert np.unravel_index(light.argmax(), light.shape) == (2, 3)
    assert np.allclose(light[strength == 0], light[0, 0])
    overlay(Figure().subplots(), np.zeros((2, 2, 3)), np.zeros((2, 2)))  # nothing at all is fine


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


def test_without_matplotlib_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plots.style, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        plots.curves({"a": [(0, 1)]}, "x", "y")


def test_pyplot_is_left_alone(root: Path) -> None:
    code = (
        "import sys; from swin2sr import plots; assert 'matplotlib' not in sys.modules; "
        "plots.png(plots.curves({'a': [(0, 1)]}, 'x', 'y')); "
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
