"""Attention maps: sums, places, frames, all windows at once, and a naive witness."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from swin2sr.errors import ConfigError, KindError
from swin2sr.inspect import (
    attention_statistics,
    attention_to,
    pixel_statistics,
    rollout,
    window_attention,
)
from swin2sr.inspect.attention import fold, windows_covering
from swin2sr.models import RestorationModel
from tests.inspect.networks import NETWORKS, make, picture


def everything(model: RestorationModel, image: np.ndarray) -> tuple[Tensor, ...]:
    """Every attention matrix, as the network itself returns them."""
    pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        return model(pixels, output_attentions=True).attentions


def witness(matrices: Tensor, shift: int, size: tuple[int, int], pixel: tuple[int, int]) -> Tensor:
    """(heads, H', W') of one pixel by a loop over all windows (frames: docs/models.md)."""
    height, width = size
    x, y = pixel
    found = torch.zeros(matrices.shape[1], height, width)
    for i in range(height // 8):
        for j in range(width // 8):
            window = matrices[i * (width // 8) + j]
            for query in range(64):
                r, c = (i * 8 + query // 8 + shift) % height, (j * 8 + query % 8 + shift) % width
                if (r, c) == (y, x):
                    for key in range(64):
                        to = (i * 8 + key // 8 + shift) % height, (j * 8 + key % 8 + shift) % width
                        found[:, to[0], to[1]] += window[:, query, key]
    return found


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("pixel", [(0, 0), (13, 5), (23, 15), (8, 11)])
def test_maps_are_the_networks_own_matrices_put_in_place(
    network: str, pixel: tuple[int, int]
) -> None:
    model, image = make(network), picture(16, 24)
    maps = attention_to(model, image, pixel)
    assert maps.shape == (4, 2, 16, 24)
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(4, 2))
    for layer, matrices in enumerate(everything(model, image)):
        wanted = witness(matrices, 4 if layer % 2 else 0, (16, 24), pixel)
        torch.testing.assert_close(maps[layer], wanted, rtol=0, atol=1e-5)


def test_weight_on_the_padding_counts_for_the_pixels_it_mirrors() -> None:
    model, image = make(), picture(13, 21)
    maps = attention_to(model, image, (20, 12))
    assert maps.shape == (4, 2, 13, 21)
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(4, 2))
    mirrored = np.pad(image, ((0, 3), (0, 3), (0, 0)), mode="reflect")
    whole = attention_to(model, mirrored, (20, 12))
    for r in range(13):
        for c in range(21):
            rows, columns = [r] + [24 - r] * (9 <= r < 12), [c] + [40 - c] * (17 <= c < 20)
            wanted = sum(whole[:, :, i, j] for i in rows for j in columns)
            torch.testing.assert_close(maps[:, :, r, c], wanted, rtol=0, atol=1e-6)


def test_a_pixel_sees_nothing_outside_its_window() -> None:
    maps = attention_to(make(), picture(40, 40), (20, 20))
    plain, shifted = torch.zeros(40, 40, dtype=torch.bool), torch.zeros(40, 40, dtype=torch.bool)
    plain[16:24, 16:24] = True
    shifted[20:28, 20:28] = True
    for layer, inside in enumerate((plain, shifted, plain, shifted)):
        assert (maps[layer, :, ~inside] == 0).all()
        assert (maps[layer, :, inside] > 0).all()


def test_layers_and_heads_are_chosen_and_checked() -> None:
    model, image = make(), picture(16, 16)
    whole = attention_to(model, image, (3, 3))
    some = attention_to(model, image, (3, 3), layers=[-1, 0], heads=1)
    torch.testing.assert_close(some, whole[[3, 0]][:, [1]])
    for wrong in ({"layers": 4}, {"layers": []}, {"heads": [2]}, {"layers": [-5]}, {"heads": True}):
        with pytest.raises(ConfigError):
            attention_to(model, image, (3, 3), **wrong)
    for pixel in ((16, 0), (0, -1), (1,), "ab"):
        with pytest.raises(ConfigError, match="pixel"):
            attention_to(model, image, pixel)
    with pytest.raises(KindError, match="Linear has no layers to inspect"):
        attention_to(torch.nn.Linear(2, 2), image, (0, 0))
    uneven = make(num_heads=(2, 3))
    with pytest.raises(ConfigError, match="different numbers of heads"):
        attention_to(uneven, image, (0, 0))
    assert attention_to(uneven, image, (0, 0), layers=[2, 3]).shape == (2, 3, 16, 16)


def test_one_window_is_rolled_too() -> None:
    """A picture of one window is rolled and masked like any other (docs/models.md)."""
    model, image = make(), picture(8, 8)
    maps = attention_to(model, image, (6, 6))
    for layer, matrices in enumerate(everything(model, image)):
        wanted = witness(matrices, 4 if layer % 2 else 0, (8, 8), (6, 6))
        torch.testing.assert_close(maps[layer], wanted, rtol=0, atol=1e-6)
    assert (maps[1, :, :4] < 1e-30).all()  # the other side of the border is masked


@pytest.mark.parametrize("network", NETWORKS)
def test_statistics_equal_a_loop(network: str) -> None:
    model, image = make(network), picture(16, 24)
    found = attention_statistics(model, image)
    assert found.labels == tuple(f"group {g}, layer {k}" for g in (1, 2) for k in (1, 2))
    for layer, matrices in enumerate(everything(model, image)):
        for head in range(2):
            distance = entropy = 0.0
            for window in matrices[:, head].double():
                for query in range(64):
                    for key in range(64):
                        weight = float(window[query, key])
                        step = (query // 8 - key // 8, query % 8 - key % 8)
                        distance += weight * math.hypot(*step)
                        entropy -= weight * math.log2(weight) if weight else 0.0
            assert float(found.distance[layer, head]) == pytest.approx(distance / 384, abs=1e-5)
            assert float(found.entropy[layer, head]) == pytest.approx(entropy / 384, abs=1e-5)


def test_statistics_do_not_depend_on_how_many_windows_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, image = make(), picture(40, 40)
    before = attention_statistics(model, image)
    monkeypatch.setattr("swin2sr.inspect.attention.STRIP_WINDOWS", 3)
    after = attention_statistics(model, image)
    torch.testing.assert_close(after.distance, before.distance)
    torch.testing.assert_close(after.entropy, before.entropy)


def full_matrices(model: RestorationModel, image: np.ndarray) -> list[Tensor]:
    """(pixels, pixels) attention of every layer, heads averaged, by the witness."""
    height, width = image.shape[:2]
    found = []
    for layer, matrices in enumerate(everything(model, image)):
        shift = 4 if layer % 2 else 0
        rows = [
            witness(matrices, shift, (height, width), (x, y)).mean(0).flatten()
            for y in range(height)
            for x in range(width)
        ]
        found.append(torch.stack(rows))
    return found


@pytest.mark.parametrize("residual", [0.0, 0.5, 1.0])
def test_rollout_is_the_product_of_whole_matrices(residual: float) -> None:
    model, image = make(), picture(16, 8)
    flows = rollout(model, image, (3, 9), residual)
    assert flows.shape == (4, 16, 8)
    wanted = torch.zeros(128)
    wanted[9 * 8 + 3] = 1.0
    for layer, matrix in reversed(list(enumerate(full_matrices(model, image)))):
        wanted = wanted @ (residual * torch.eye(128) + (1 - residual) * matrix)
        torch.testing.assert_close(flows[layer].flatten(), wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(flows.sum((1, 2)), torch.ones(4))


def test_rollout_of_a_large_picture_costs_what_can_be_reached() -> None:
    model = make(depths=(2,), num_heads=(2,))
    image = picture(160, 160)
    flows = rollout(model, image, (80, 80))
    # The last layer's window, 76 to 83, lies in four of the first layer's, 72 to 87.
    for flow, first, last in ((flows[0], 72, 87), (flows[1], 76, 83)):
        reached = (flow > 0).nonzero()
        assert reached.amin(0).tolist() == [first, first]
        assert reached.amax(0).tolist() == [last, last]
    with pytest.raises(ConfigError, match="residual"):
        rollout(model, image, (0, 0), residual=1.5)


def test_windows_cover_what_was_asked_once() -> None:
    block = make().trunk.groups[0].blocks[1]
    mask = torch.zeros(24, 32, dtype=torch.bool)
    mask[0, 0] = mask[23, 31] = mask[12, 12] = mask[13, 13] = True
    windows = windows_covering(block, mask)
    assert len(windows.kinds) == 2  # the two corners meet in one wrapped window
    assert sorted(windows.kinds.tolist()) == [0, 3]
    covered = torch.zeros(24, 32, dtype=torch.long)
    for rows, columns in zip(windows.rows, windows.columns, strict=True):
        covered[rows[:, None], columns[None, :]] += 1
    assert (covered[mask] == 1).all()
    assert covered.max() == 1


def test_fold_keeps_sums() -> None:
    maps = torch.rand(3, 16, 16, dtype=torch.float64)
    for size in ((16, 16), (9, 13), (1, 1), (3, 16)):
        folded = fold(maps, size)
        assert folded.shape == (3, *size)
        torch.testing.assert_close(folded.sum((1, 2)), maps.sum((1, 2)))


def test_statistics_of_all_pixels_average_to_those_of_the_picture() -> None:
    model, image = make(), picture(8, 16)
    several = [
        pixel_statistics(attention_to(model, image, (x, y)), (x, y))
        for x in range(16)
        for y in range(8)
    ]
    distance, entropy = (torch.stack(values).mean(0) for values in zip(*several, strict=True))
    wanted = attention_statistics(model, image)
    torch.testing.assert_close(distance, wanted.distance, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(entropy, wanted.entropy, rtol=1e-5, atol=1e-6)


def test_statistics_of_a_pixel_have_known_ends() -> None:
    maps = torch.zeros(1, 2, 8, 8)
    maps[0, 0, 2, 3] = 1.0
    maps[0, 1] = 1 / 64
    distance, entropy = pixel_statistics(maps, (0, 6))
    assert distance[0, 0] == pytest.approx(5.0)
    assert entropy[0].tolist() == pytest.approx([0.0, 6.0])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("place", [None, (0, 7)])
def test_window_attention_is_the_sum_of_what_each_window_gives(
    network: str, place: tuple[int, int] | None
) -> None:
    model, image = make(network), picture(16, 24)
    maps = window_attention(model, image, place=place)
    assert maps.shape == (4, 2, 16, 24)
    x, y = place or (4, 4)
    for layer, shift in ((0, 0), (3, 4)):
        wanted = torch.zeros(2, 16, 24)
        for top in (0, 8):
            for left in (0, 8, 16):
                pixel = ((left + x + shift) % 24, (top + y + shift) % 16)
                wanted += attention_to(model, image, pixel, layers=layer)[0]
        torch.testing.assert_close(maps[layer], wanted, rtol=0, atol=1e-6)


def test_window_attention_is_of_the_layers_and_heads_asked_for() -> None:
    model, image = make(), picture(16, 16)
    whole = window_attention(model, image)
    some = window_attention(model, image, layers=[2, 0], heads=-1)
    torch.testing.assert_close(some, whole[[2, 0]][:, 1:], rtol=0, atol=0)


def test_window_attention_keeps_every_windows_sum_on_the_padding() -> None:
    maps = window_attention(make(), picture(13, 21))
    assert maps.shape == (4, 2, 13, 21)
    torch.testing.assert_close(maps.sum((2, 3)), torch.full((4, 2), 6.0))


def test_window_attention_refuses_what_is_not_there() -> None:
    model, image = make(), picture(16, 16)
    for wrong in ({"place": (8, 0)}, {"place": (0, -1)}, {"layers": 4}, {"heads": 2}):
        with pytest.raises(ConfigError):
            window_attention(model, image, **wrong)
    with pytest.raises(ConfigError, match="different numbers"):
        window_attention(make(num_heads=(2, 3)), image)
    with pytest.raises(KindError):
        window_attention(torch.nn.Identity(), image)
