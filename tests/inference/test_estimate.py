"""Estimates: durations as people say them."""

from __future__ import annotations

import pytest

from swin2sr.inference.estimate import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (42, "42 s"),
        (600, "10 min"),
        (5300, "88 min"),
        (9000, "2 h 30 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations_are_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
