"""Tiles cover the image, stand on the window grid, and see far enough."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError
from swin2sr.inference import tiling
from swin2sr.inference.tiling import Plan, RunLimits

LIGHTWEIGHT = Swin2SRConfig(
    embed_dim=60, depths=(6,) * 4, num_heads=(6,) * 4, upsampler="pixelshuffledirect"
)
CLASSICAL = Swin2SRConfig()
JPEG = Swin2SRConfig(
    num_channels=1, upscale=1, image_size=126, window_size=7, img_range=255.0, upsampler=""
)
LARGE = Swin2SRConfig(
    embed_dim=240,
    depths=(6,) * 9,
    num_heads=(8,) * 9,
    upscale=4,
    upsampler="nearest+conv",
    resi_connection="3conv",
)

plans = st.builds(
    tiling.plan,
    st.integers(1, 300),
    st.integers(1, 300),
    st.just(8) | st.just(7),
    st.none() | st.integers(8, 400) | st.tuples(st.integers(8, 90), st.integers(8, 90)),
    st.integers(0, 200),
    padding=st.sampled_from(tiling.PADDINGS),
)


def small(depths: tuple[int, ...], window: int, **fields: object) -> Swin2SRConfig:
    return Swin2SRConfig(
        embed_dim=12, depths=depths, num_heads=(2,) * len(depths), window_size=window
    ).replace(**fields)


@settings(max_examples=25)
@given(plans)
def test_centres_cover_the_image_once(plan: Plan) -> None:
    seen = np.zeros((plan.padded_height, plan.padded_width), int)
    for tile in plan.tiles:
        seen[tile.centre.top : tile.centre.bottom, tile.centre.left : tile.centre.right] += 1
    assert (seen[: plan.height, : plan.width] == 1).all()
    assert seen.max() == 1


@settings(max_examples=25)
@given(plans)
def test_inv_06_every_tile_stands_on_the_window_grid(plan: Plan) -> None:
    for tile in plan.tiles:
        for box in (tile.centre, tile.crop):
            assert {box.top % plan.window, box.left % plan.window} == {0}
            assert {box.height % plan.window, box.width % plan.window} == {0}
            assert min(box.height, box.width) > 0


@settings(max_examples=25)
@given(plans)
def test_a_tile_sees_its_margin_unless_the_image_ends(plan: Plan) -> None:
    for tile in plan.tiles:
        crop, centre = tile.crop, tile.centre
        assert crop.top == max(0, centre.top - plan.margin)
        assert crop.left == max(0, centre.left - plan.margin)
        assert crop.bottom == min(plan.padded_height, centre.bottom + plan.margin)
        assert crop.right == min(plan.padded_width, centre.right + plan.margin)


@settings(max_examples=25)
@given(plans)
def test_no_tile_lies_wholly_in_the_padding(plan: Plan) -> None:
    for tile in plan.tiles:
        assert tile.centre.top < plan.height
        assert tile.centre.left < plan.width


@settings(max_examples=25)
@given(plans)
def test_tiles_are_even(plan: Plan) -> None:
    heights = {tile.centre.height for tile in plan.tiles}
    widths = {tile.centre.width for tile in plan.tiles}
    assert max(heights) - min(heights) <= plan.window
    assert max(widths) - min(widths) <= plan.window


def test_no_centre_is_larger_than_asked() -> None:
    plan = tiling.plan(200, 300, 8, 100, 64)
    assert max(plan.tile) <= 104
    assert len(plan.tiles) == 2 * 3


@pytest.mark.parametrize("tile", [None, 0, 1000])
def test_no_tile_or_a_large_one_is_the_whole_image(tile: int | None) -> None:
    plan = tiling.plan(50, 70, 8, tile, 64)
    assert len(plan.tiles) == 1
    assert (plan.tiles[0].crop.height, plan.tiles[0].crop.width) == (56, 72)


def test_official_padding_adds_a_window_to_an_aligned_side() -> None:
    plan = tiling.plan(64, 60, 8, None, 0, padding="official")
    assert (plan.padded_height, plan.padded_width) == (72, 64)


@pytest.mark.parametrize("tile", [-8, -1, 1, 7, True, 64.0, "64"])
def test_arr_12_a_tile_below_one_window_is_refused(tile: object) -> None:
    with pytest.raises(ConfigError):
        tiling.plan(64, 64, 8, tile, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments", [(0, 8, 8, None, 0), (8, -1, 8, None, 0), (8, 8, 8, None, -8), (8, 8, 8, 8, 1.5)]
)
def test_sizes_and_margins_that_make_no_sense_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ConfigError):
        tiling.plan(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'minimal', 'official'"):
        tiling.plan(8, 8, 8, None, 0, padding="none")


@settings(max_examples=25)
@given(plans)
def test_halves_keep_the_same_centre(plan: Plan) -> None:
    tile = plan.tiles[-1]
    halves = plan.halves(tile)
    assert sum(half.centre.area for half in halves) == tile.centre.area
    one_window = tile.centre.area == plan.window**2
    assert one_window == (halves == (tile,))
    if not one_window:
        assert max(half.centre.area for half in halves) < tile.centre.area


@pytest.mark.parametrize(
    ("config", "exact", "default"),
    [(LIGHTWEIGHT, 112, 64), (CLASSICAL, 160, 64), (JPEG, 140, 70), (LARGE, 232, 64)],
)
def test_margins_of_the_published_models(config: Swin2SRConfig, exact: int, default: int) -> None:
    assert tiling.exact_margin(config) == exact
    assert tiling.default_margin(config) == default


@pytest.mark.parametrize("groups", [1, 2, 4, 6, 9])
def test_spread_is_24_rows_a_group_and_9(groups: int) -> None:
    assert tiling.border_spread(small((6,) * groups, 8)) == 24 * groups + 9


def test_default_margin_is_not_larger_than_the_exact_one() -> None:
    config = small((2,), 8)
    assert tiling.default_margin(config) == tiling.exact_margin(config) < 64


def spreading(image: np.ndarray, config: Swin2SRConfig) -> np.ndarray:
    """The worst network there can be: whole numbers, every layer mixes all it can reach.

    Exact arithmetic, so that any dependence shows and nothing else does; written from the
    papers, not from ``nn.windows``.
    """
    window, prime = config.layer_window, 2**31 - 1

    def convolve(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, 1)
        height, width = values.shape
        mixed = np.zeros_like(values)
        for r, c in product(range(3), range(3)):
            mixed += (3 * r + c + 1) * padded[r : r + height, c : c + width]
        return mixed % prime

    def attend(values: np.ndarray, shift: int) -> np.ndarray:
        rolled = np.roll(values, (-shift, -shift), (0, 1))
        sums = rolled
        for axis, length in enumerate(values.shape):
            edges = sorted({*range(0, length, window), length - shift} - {length})
            sums = np.add.reduceat(sums, edges, axis)
            sums = np.repeat(sums, [b - a for a, b in pairwise([*edges, length])], axis)
        return np.roll((rolled * 7 + sums * 11) % prime, (shift, shift), (0, 1))

    features = convolve(image)
    for depth in config.depths:
        for layer in range(depth):
            features = attend(features, config.layer_shift if layer % 2 else 0)
        features = convolve(features)
    for _ in range(4):  # conv_after_body and the longest head
        features = convolve(features)
    return features


def tiled(image: np.ndarray, config: Swin2SRConfig, plan: Plan) -> np.ndarray:
    result = np.full_like(image, -1)
    for tile in plan.tiles:
        crop, centre = tile.crop, tile.centre
        run = spreading(image[crop.top : crop.bottom, crop.left : crop.right], config)
        top, left = centre.top - crop.top, centre.left - crop.left
        result[centre.top : centre.bottom, centre.left : centre.right] = run[
            top : top + centre.height, left : left + centre.width
        ]
    return result


NETWORKS = [
    LIGHTWEIGHT,
    CLASSICAL,
    JPEG,
    small((2, 2), 8),
    small((1, 3), 8),
    small((5, 1, 2), 7),
    small((2, 2), 8, image_size=8),
    small((3,), 5),
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda c: f"{len(c.depths)}w{c.window_size}")
def test_inv_03_nothing_reaches_beyond_the_exact_margin(config: Swin2SRConfig) -> None:
    window, margin = config.window_size, tiling.exact_margin(config)
    height, width = (2 * margin // window + 6) * window, 4 * window
    rng = np.random.default_rng(0)
    for shape in ((height, width), (width, height)):
        image = rng.integers(0, 1000, shape)
        plan = tiling.plan(*shape, window, 2 * window, margin)
        assert (tiled(image, config, plan) == spreading(image, config)).all()


@pytest.mark.parametrize("config", NETWORKS, ids=lambda c: f"{len(c.depths)}w{c.window_size}")
def test_the_exact_margin_is_hardly_larger_than_needed(config: Swin2SRConfig) -> None:
    window, margin = config.window_size, tiling.exact_margin(config)
    shape = ((2 * margin // window + 6) * window, 4 * window)
    image = np.random.default_rng(0).integers(0, 1000, shape)
    plan = tiling.plan(*shape, window, 2 * window, max(0, margin - 2 * window))
    assert (tiled(image, config, plan) != spreading(image, config)).any()


def test_a_small_picture_is_one_step() -> None:
    assert len(tiling.plan_within(200, 300, 8, 64, RunLimits(1e6, 1e6)).tiles) == 1


@settings(max_examples=25)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(200**2, 800**2))
def test_automatic_tiles_stay_within_the_memory(height: int, width: int, most: int) -> None:
    plan = tiling.plan_within(height, width, 8, 64, RunLimits(most, 1e9))
    assert plan.largest <= most


@settings(max_examples=25)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 10**6))
def test_automatic_tiles_never_cost_more_than_the_waiting_they_save(
    height: int, width: int, step: int
) -> None:
    whole = tiling.plan(height, width, 8, None, 64)
    plan = tiling.plan_within(height, width, 8, 64, RunLimits(1e9, step))
    saved = max(0, whole.largest - step) - max(0, plan.largest - step)
    assert plan.area - whole.area <= tiling.WAITING * saved


def test_automatic_tiles_shrink_as_the_machine_slows_down() -> None:
    runs = [
        tiling.plan_within(1024, 1024, 8, 64, RunLimits(1e9, step)).largest
        for step in (2**20, 2**17, 2**14)
    ]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] > runs[-1]


def test_tiles_too_large_for_any_memory_are_still_planned() -> None:
    assert tiling.plan_within(64, 64, 8, 8, RunLimits(1, 1)).largest == 24 * 24
