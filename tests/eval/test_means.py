"""Means: of the per-image values over whole sets, in an order that never changes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from eval.run.means import degradation_order, in_order, means, write_means
from tests.eval.rows import SETS, restored, row


def test_a_mean_is_of_the_per_image_values() -> None:
    (found,) = means([row("m", "Set5", "a", 30, 0.8), row("m", "Set5", "b", 33, 0.9)], SETS)
    assert found.values["psnr"] == 31.5
    assert found.values["ssim"] == pytest.approx(0.85)
    assert found.values["psnr_b"] is None
    assert (found.count, found.of, found.lr, found.complete) == (2, 2, "matlab", True)


def test_rows_have_one_order_whatever_order_they_came_in() -> None:
    rows = [
        row("b", "Set14", "a", 1),
        row("a", "Set5", "b", 1),
        row("b", "Set5", "a", 1),
        row("a", "Set5", "a", 1),
        restored("a", 1, 1),
    ]
    expected = [rows[2], rows[3], rows[1], rows[0], rows[4]]
    for given in (rows, rows[::-1], rows[2:] + rows[:2]):
        assert in_order(given, ["b", "a"]) == expected


def test_degradations_go_from_clean_and_by_quality() -> None:
    names = ["jpeg40", "bicubic+jpeg10", "jpeg10", "bicubic", "jpeg10@444"]
    ordered = sorted(names, key=degradation_order)
    assert ordered == ["bicubic", "bicubic+jpeg10", "jpeg10", "jpeg10@444", "jpeg40"]


def test_means_are_a_csv_that_programs_read(tmp_path: Path) -> None:
    rows = [row('a, "b"', "Set5", image, 30.1234567) for image in "xy"]
    write_means(tmp_path / "means.csv", means(rows, SETS))
    with (tmp_path / "means.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["model"] == 'a, "b"'
    assert (line["images"], line["of"], line["lr"]) == ("2", "2", "matlab")
    assert (line["psnr"], line["ssim"], line["psnr_b"]) == ("30.123457", "0.90000000", "")
