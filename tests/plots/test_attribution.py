"""Figures of attribution show maps, fields and biases as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swin2sr import plots
from swin2sr.errors import ShapeError
from swin2sr.inspect import Attribution
from tests.inspect.networks import picture
from tests.plots.figures import drawn, panels


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


def test_fields_and_biases_are_drawn_as_they_are() -> None:
    field = torch.rand(7, 9)
    (axes,) = panels(plots.receptive_fields({"net": field}))
    np.testing.assert_allclose(drawn(axes), np.log10(field.numpy()), rtol=1e-5)
    table = torch.rand(2, 15, 15)
    shown = panels(plots.position_biases({"net": table, "other": torch.rand(3, 7, 7)}))
    assert len(shown) == 5
    np.testing.assert_allclose(drawn(shown[1]), table[1].flip(0, 1).numpy())
