"""Sample pictures to try a network on: always there, never downloaded."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from swin2sr.errors import ConfigError
from swin2sr.images.resize import imresize
from swin2sr.images.samples import PHOTOGRAPHS, photograph


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_photograph_is_there_in_colour(name: str) -> None:
    pixels = photograph(name)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert pixels.flags.writeable
    assert min(pixels.shape[:2]) >= 300
    assert pixels.std() > 20


def test_it_is_scikit_images() -> None:
    assert np.array_equal(photograph("astronaut"), data.astronaut())
    assert np.array_equal(photograph("camera"), np.repeat(data.camera()[..., None], 3, axis=2))


def test_a_box_is_left_top_right_bottom_and_is_shrunk_by_the_projects_resize() -> None:
    whole = photograph("coffee")
    part = photograph("coffee", box=(40, 10, 240, 110))
    assert np.array_equal(part, whole[10:110, 40:240])
    small = photograph("coffee", box=(40, 10, 240, 110), height=50)
    assert np.array_equal(small, imresize(part, size=(50, 100)))


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are astronaut"):
        photograph("lena")
    for box in ((0, 0, 600, 401), (-1, 0, 10, 10), (20, 0, 20, 10)):
        with pytest.raises(ConfigError, match="not inside the 600x400"):
            photograph("coffee", box=box)
    with pytest.raises(ConfigError, match="at least 1"):
        photograph("coffee", height=0)
