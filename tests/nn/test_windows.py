"""Windows: folding against NumPy, partition against loops, masks against the whole image's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swin2sr.errors import ShapeError
from swin2sr.nn.windows import (
    Region,
    fold_indices,
    pad_to_windows,
    put,
    regions,
    shift_masks,
    strips,
    take,
    window_merge,
    window_partition,
)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_folding_is_numpys(length: int, symmetric: bool) -> None:
    for target in range(length, 4 * length + 9):
        mode = "symmetric" if symmetric else "reflect"
        wanted = np.pad(np.arange(length), (0, target - length), mode=mode)
        assert fold_indices(length, target, symmetric).tolist() == wanted.tolist()


@pytest.mark.parametrize(("length", "target"), [(0, 4), (5, 4)])
def test_folding_refuses(length: int, target: int) -> None:
    with pytest.raises(ShapeError):
        fold_indices(length, target)


def test_padding_rules() -> None:
    pixels = torch.rand(1, 3, 8, 11)
    assert pad_to_windows(pixels, 8).shape == (1, 3, 8, 16)
    assert pad_to_windows(pixels, 8, official=True).shape == (1, 3, 16, 16)
    with pytest.raises(ShapeError):
        pad_to_windows(torch.rand(3, 8, 8), 8)


def test_partition_and_merge() -> None:
    tokens = torch.rand(2, 6, 9, 4)
    windows = window_partition(tokens, 3)
    for row in range(2):
        for column in range(3):
            part = tokens[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            assert torch.equal(windows[:, row, column], part.reshape(2, 9, 4))
    assert torch.equal(window_merge(windows, 3), tokens)
    with pytest.raises(ShapeError):
        window_partition(tokens, 4)


@pytest.mark.parametrize("size", [(8, 8), (16, 8), (24, 32)])
@pytest.mark.parametrize("shift", [0, 4])
def test_regions_are_the_windows_of_the_rolled_map(shift: int, size: tuple[int, int]) -> None:
    height, width = size
    tokens = torch.rand(2, height, width, 3)
    rolled = window_partition(torch.roll(tokens, (-shift, -shift), (1, 2)), 8)
    label = torch.zeros(height, width)
    for axis, length in ((0, height), (1, width)):
        bound = torch.arange(length)
        region = (bound >= length - 8).float() + (bound >= length - 4).float()
        label += (3 if axis == 0 else 1) * (region[:, None] if axis == 0 else region[None, :])
    label = window_partition(label[None, :, :, None], 8)[0, ..., 0]
    masks, seen, copy = shift_masks(8, 4), 0, torch.zeros_like(tokens)
    for region in regions(height, width, 8, shift):
        part = take(tokens, region, 8)
        put(copy, region, part, 8)
        seen += len(part)
        last_row, last_column = divmod(region.kind, 2)
        rows = slice(-1, None) if last_row else slice(0, height // 8 - bool(shift))
        columns = slice(-1, None) if last_column else slice(0, width // 8 - bool(shift))
        assert torch.equal(part, rolled[:, rows, columns].flatten(0, 2))
        if shift:
            for ids in label[rows, columns].flatten(0, 1):
                assert torch.equal(masks[region.kind], (ids[:, None] != ids[None]) * -100.0)
    assert seen == 2 * height * width // 64
    assert torch.equal(copy, tokens)


@pytest.mark.parametrize("most", [1, 5, 16, 1000])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("size", [(8, 8), (16, 40), (72, 24)])
def test_strips_hold_every_window_once_and_no_more_than_asked(
    size: tuple[int, int], shift: int, batch: int, most: int
) -> None:
    tokens = torch.arange(batch * size[0] * size[1]).reshape(batch, *size, 1)
    whole = regions(*size, 8, shift)
    seen: list[int] = []
    longest = max(batch * region.windows(batch, 8)[2] for region in whole)
    for strip in strips(whole, batch, 8, most):
        windows = [take(tokens, region, 8) for region in strip]
        assert sum(len(part) for part in windows) <= max(most + most // 4, longest)
        seen += [int(value) for part in windows for value in part.flatten()]
    assert sorted(seen) == tokens.flatten().tolist()


def test_small_regions_share_a_strip_and_large_ones_are_cut() -> None:
    strip_lengths = [len(strip) for strip in strips(regions(64, 64, 8, 4), 1, 8, 100)]
    assert strip_lengths == [4]
    whole = regions(64, 64, 8, 0)
    assert len(list(strips(whole, 1, 8, 16))) == 4
    wrapped = next(region for region in regions(64, 64, 8, 4) if region.kind == 3)
    assert wrapped.strip(0, 8) is wrapped
    part = Region((slice(4, 60),), (slice(4, 60),), 0).strip(8, 24)
    assert part.rows == (slice(12, 28),)
