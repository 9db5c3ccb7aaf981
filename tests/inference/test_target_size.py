"""Target size: parsed or refused, reached by whole passes, then by the exact bicubic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swin2sr.errors import ConfigError, JobError
from swin2sr.images import Picture
from swin2sr.images.resize import imresize
from swin2sr.inference.report import Step
from swin2sr.inference.target_size import TargetSize, resize_picture
from swin2sr.inference.upscaler import Upscaler
from tests.inference.test_upscaler import TINY, lively, noise


def upscaler(scale: int = 2) -> Upscaler:
    config = TINY.replace(upscale=scale, upsampler="" if scale == 1 else TINY.upsampler)
    return Upscaler(lively(config), device="cpu", precision="float32")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, (150, 90)),
        (3, (300, 180)),
        ("3", (300, 180)),
        ("0.5", (50, 30)),
        ("1920x", (1920, 1152)),
        ("x1080", (1800, 1080)),
        ("1920x1080", (1800, 1080)),
        ("300 X 9999", (300, 180)),
        ((250, None), (250, 150)),
        ([None, 61], (102, 61)),
        (TargetSize(width=100), (100, 60)),
    ],
)
def test_a_target_is_a_factor_or_pixels(value: Any, expected: tuple[int, int]) -> None:
    assert TargetSize.parse(value).of((100, 60)) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(0, -2, 65, float("nan"), float("inf"), (1, 2, 3), (0, 5), (None, None)),
        *("x", "", "wide", "1920x1080x3", "-5x", object(), None, {"width": 3}),
    ],
)
def test_other_targets_are_refused_in_one_sentence(value: Any) -> None:
    with pytest.raises(ConfigError, match="target size"):
        TargetSize.parse(value)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 900), st.sampled_from([2, 3, 4]))
def test_passes_are_as_few_as_reach_the_target(
    width: int, height: int, wanted: int, scale: int
) -> None:
    target = TargetSize(width=wanted)
    size = target.of((width, height))
    assert size[0] == wanted
    factor = max(size[0] / width, size[1] / height)
    if factor > 64:
        with pytest.raises(ConfigError, match="at most 64 times"):
            target.passes((width, height), scale)
        return
    count = target.passes((width, height), scale)
    assert width * scale**count >= size[0]
    assert height * scale**count >= size[1]
    fewer = scale ** (count - 1)
    assert count == 1 or width * fewer < size[0] or height * fewer < size[1]


def test_one_pass_to_its_own_scale_changes_nothing() -> None:
    one, pixels = upscaler(), noise(21, 34)
    expected = one.picture(pixels)
    for size in (2, "68x", (None, 42)):
        given = one.picture(pixels, size=size)
        assert np.array_equal(given.pixels, expected.pixels)
        assert given.notes == expected.notes


def test_a_smaller_target_is_the_pass_reduced_by_the_exact_bicubic() -> None:
    one, pixels = upscaler(4), noise(20, 30)
    whole, reduced = one.picture(pixels), one.picture(pixels, size=3)
    expected = np.clip(imresize(whole.pixels, size=(60, 90)), 0, 1)
    np.testing.assert_array_equal(reduced.pixels, expected)
    assert reduced.notes[-1] == (
        "The network made 120x80 pixels; bicubic interpolation (MATLAB's) reduced them to 90x60."
    )


def test_a_larger_target_runs_the_network_over_its_result() -> None:
    one, pixels = upscaler(), noise(12, 16)
    twice = one.picture(one.picture(one.picture(pixels)))
    *_, last = one.stream(pixels, size=8)
    assert last.picture is not None
    assert last.report is not None
    np.testing.assert_array_equal(last.picture.pixels, twice.pixels)
    assert last.report.passes == 3
    assert last.report.input_size == (16, 12)
    assert last.report.output_size == (128, 96)
    assert "The network ran 3 times, each time over the result before." in last.report.notes


def test_transparency_and_grey_come_along() -> None:
    pixels = np.repeat(noise(10, 14)[..., :1], 3, axis=2).astype(np.float32) / 255
    alpha = np.linspace(0, 1, 140, dtype=np.float32).reshape(10, 14)
    result = upscaler().picture(Picture(pixels, alpha=alpha, grey=True), size=3)
    assert result.size == (42, 30)
    assert result.alpha is not None
    assert result.alpha.shape == (30, 42)
    assert result.alpha[0, 0] < 0.1 < 0.9 < result.alpha[-1, -1]
    assert np.ptp(result.pixels, axis=2).max() == 0


def test_steps_of_all_passes_are_counted_together() -> None:
    one = upscaler()
    one.estimate((64, 64))  # so that the speed is known
    steps: list[Step] = list(one.stream(noise(20, 20), size=4, tile=16, margin=8))
    assert {step.total for step in steps[1:]} == {4 + 9}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == 13
    left = [step.seconds_left for step in steps[1:]]
    assert all(value is not None and value >= 0 for value in left)
    assert left[-1] == 0
    found = one.estimate((20, 20), target=4, tile=16, margin=8)
    assert found.tiles == 13


def test_models_that_keep_the_size_only_reduce() -> None:
    one = upscaler(1)
    assert one(noise(20, 30), size=0.5).size == (15, 10)
    with pytest.raises(ConfigError, match="keeps the size"):
        one(noise(20, 30), size=2)


def test_memory_of_the_last_pass_is_refused_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from swin2sr.inference import hardware

    one = upscaler()
    monkeypatch.setattr(hardware, "available_memory", lambda *_: 900_000_000)
    ran: list[int] = []
    monkeypatch.setattr(one, "_steps", lambda *_: ran.append(1))
    with pytest.raises(JobError, match="memory") as caught:
        one(noise(300, 300), size=64)
    assert caught.value.code == "over_budget"
    assert not ran


def test_a_picture_of_the_right_size_is_left_as_it_is() -> None:
    picture = Picture(np.zeros((4, 5, 3), np.float32))
    assert resize_picture(picture, (5, 4)) is picture
