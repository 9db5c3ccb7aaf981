"""Paired differences: counted, bounded, tested as statisticians do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eval.report.significance import compare
from swin2sr.errors import ShapeError


def test_differences_are_counted_and_averaged() -> None:
    found = compare([3.0, 2.0, 5.0], [1.0, 2.0, 6.0])
    assert (found.n, found.wins, found.losses) == (3, 1, 1)
    assert found.difference == pytest.approx(1 / 3)


def test_p_is_the_share_of_sign_patterns_as_extreme() -> None:
    differences = [0.5, -0.2, 1.5, 2.5, 0.9, -0.1, 1.1]
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    observed = abs(sum(r if d > 0 else -r for r, d in zip(ranks, differences, strict=True)))
    sums = [
        abs(sum(s * r for s, r in zip(signs, ranks, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(ranks))
    ]
    expected = sum(total >= observed for total in sums) / len(sums)
    assert compare(differences, [0.0] * 7).p == pytest.approx(expected)


def test_five_images_never_reach_the_usual_level() -> None:
    assert compare([1, 2, 3, 4, 5], [0] * 5).p == pytest.approx(0.0625)
    assert compare([1, 2, 3, 4, 5, 6], [0] * 6).p == pytest.approx(0.03125)


def test_the_interval_holds_the_mean_and_narrows_with_images() -> None:
    noise = np.random.default_rng(0).normal(0.1, 0.3, 400)
    few, many = (compare(noise[:n], np.zeros(n)) for n in (20, 400))
    for found in (few, many):
        assert found.low < found.difference < found.high
    assert many.high - many.low < (few.high - few.low) / 2
    expected = 2 * 1.96 * noise.std() / 20
    assert many.high - many.low == pytest.approx(expected, rel=0.1)


def test_equal_models_do_not_differ() -> None:
    found = compare([1.0, 2.0], [1.0, 2.0])
    assert (found.low, found.difference, found.high, found.p) == (0, 0, 0, 1)


def test_the_same_question_has_the_same_answer() -> None:
    values = np.random.default_rng(1).normal(size=30)
    assert compare(values, np.zeros(30)) == compare(values, np.zeros(30))


def test_other_images_do_not_compare() -> None:
    with pytest.raises(ShapeError, match="1 and 2"):
        compare([1], [1, 2])
    with pytest.raises(ShapeError):
        compare([], [])
