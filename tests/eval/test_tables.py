"""Tables: means over whole sets, ranks by what is printed, an order that never changes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from eval.report import tables
from eval.run.protocol import Protocol, Scores
from eval.run.rows import Cell, Row

SETS = {"Set5 x2": {"images": 2}, "Set14 x2": {"images": 2}, "LIVE1 x1": {"images": 1}}


def row(model: str, name: str, image: str, psnr: float, ssim: float = 0.9) -> Row:
    cell = Cell(model, name, 2, "bicubic")
    return Row(cell, image, "mirror", 8, 8, Scores(psnr, ssim, psnr - 2, ssim), 1.0, None)


def restored(model: str, psnr: float, psnr_b: float) -> Row:
    cell = Cell(model, "LIVE1", 1, "jpeg10")
    scores = Scores(psnr + 2, 0.9, psnr, 0.8, psnr_b, psnr_b)
    return Row(cell, "a", "none", 8, 8, scores, 1.0, None)


def test_a_mean_is_of_the_per_image_values() -> None:
    (found,) = tables.means([row("m", "Set5", "a", 30, 0.8), row("m", "Set5", "b", 33, 0.9)], SETS)
    assert found.values["psnr"] == 31.5
    assert found.values["ssim"] == pytest.approx(0.85)
    assert found.values["psnr_b"] is None
    assert (found.count, found.of, found.lr, found.whole) == (2, 2, "matlab", True)


def test_io_13_part_of_a_set_has_no_mean() -> None:
    (found,) = tables.means([row("m", "Set5", "a", 30)], SETS)
    assert found.values["psnr"] is None
    assert "| m | 1 of 2 images |" in tables.markdown([found], Protocol())


def test_best_is_bold_and_second_underlined_figure_by_figure() -> None:
    rows = [
        *(row("low", "Set5", image, 30, 0.95) for image in "ab"),
        *(row("mid", "Set5", image, 31, 0.91) for image in "ab"),
        *(row("top", "Set5", image, 32, 0.93) for image in "ab"),
    ]
    text = tables.markdown(tables.means(rows, SETS), Protocol())
    assert "| low | 30.00 / **0.9500** |" in text
    assert "| mid | <u>31.00</u> / 0.9100 |" in text
    assert "| top | **32.00** / <u>0.9300</u> |" in text


def test_figures_that_print_alike_share_their_rank() -> None:
    rows = [row(m, "Set5", i, p) for m, p in (("a", 30.001), ("b", 30.002)) for i in "xy"]
    text = tables.markdown(tables.means(rows, SETS), Protocol())
    assert text.count("**30.00**") == 2


def test_one_model_alone_is_not_the_best() -> None:
    rows = [row("m", "Set5", image, 30) for image in "ab"]
    assert "| m | 30.00 / 0.9000 |" in tables.markdown(tables.means(rows, SETS), Protocol())


def test_sets_are_columns_in_the_papers_order_and_gaps_are_empty() -> None:
    rows = [
        *(row("a", "Set14", image, 30) for image in "xy"),
        *(row("b", "Set5", image, 31) for image in "xy"),
        *(row("b", "Set14", image, 29) for image in "xy"),
    ]
    lines = tables.markdown(tables.means(rows, SETS), Protocol()).splitlines()
    assert lines[2] == "|  | Set5 | Set14 |"
    assert lines[4] == "| a | - / - | **30.00** / **0.9000** |"


def test_restoration_is_printed_with_psnr_b() -> None:
    found = tables.means([restored("m", 27.0, 26.5)], SETS)
    text = tables.markdown(found, Protocol())
    assert "**jpeg10** (PSNR / PSNR-B / SSIM on RGB, grey files on the grey value)" in text
    assert "| m | 27.00 / 26.50 / 0.8000 |" in text
    assert "on grey)" in tables.markdown(found, Protocol(luma=True))


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
        assert tables.in_order(given, ["b", "a"]) == expected


def test_degradations_go_from_clean_and_by_quality() -> None:
    names = ["jpeg40", "bicubic+jpeg10", "jpeg10", "bicubic", "jpeg10@444"]
    ordered = sorted(names, key=tables.degradation_order)
    assert ordered == ["bicubic", "bicubic+jpeg10", "jpeg10", "jpeg10@444", "jpeg40"]


def test_means_are_a_csv_that_programs_read(tmp_path: Path) -> None:
    rows = [row('a, "b"', "Set5", image, 30.1234567) for image in "xy"]
    tables.write_means(tmp_path / "means.csv", tables.means(rows, SETS))
    with (tmp_path / "means.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["model"] == 'a, "b"'
    assert (line["images"], line["of"], line["lr"]) == ("2", "2", "matlab")
    assert (line["psnr"], line["ssim"], line["psnr_b"]) == ("30.123457", "0.90000000", "")


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    rows = [row("a|b", "Set5", image, 30) for image in "xy"]
    line = tables.markdown(tables.means(rows, SETS), Protocol()).splitlines()[4]
    assert line.startswith(r"| a\|b |")
