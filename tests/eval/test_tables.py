"""Tables: sets in the papers' order, ranks by what is printed, gaps where images are missing."""

from __future__ import annotations

from eval.report import tables
from eval.run.means import means
from eval.run.protocol import Protocol
from tests.eval.rows import SETS, restored, row


def test_io_13_part_of_a_set_has_no_mean() -> None:
    (found,) = means([row("m", "Set5", "a", 30)], SETS)
    assert found.values["psnr"] is None
    assert "| m | 1 of 2 images |" in tables.markdown([found], Protocol())


def test_best_is_bold_and_second_underlined_figure_by_figure() -> None:
    rows = [
        *(row("low", "Set5", image, 30, 0.95) for image in "ab"),
        *(row("mid", "Set5", image, 31, 0.91) for image in "ab"),
        *(row("top", "Set5", image, 32, 0.93) for image in "ab"),
    ]
    text = tables.markdown(means(rows, SETS), Protocol())
    assert "| low | 30.00 / **0.9500** |" in text
    assert "| mid | <u>31.00</u> / 0.9100 |" in text
    assert "| top | **32.00** / <u>0.9300</u> |" in text


def test_figures_that_print_alike_share_their_rank() -> None:
    rows = [row(m, "Set5", i, p) for m, p in (("a", 30.001), ("b", 30.002)) for i in "xy"]
    text = tables.markdown(means(rows, SETS), Protocol())
    assert text.count("**30.00**") == 2


def test_one_model_alone_is_not_the_best() -> None:
    rows = [row("m", "Set5", image, 30) for image in "ab"]
    assert "| m | 30.00 / 0.9000 |" in tables.markdown(means(rows, SETS), Protocol())


def test_sets_are_columns_in_the_papers_order_and_gaps_are_empty() -> None:
    rows = [
        *(row("a", "Set14", image, 30) for image in "xy"),
        *(row("b", "Set5", image, 31) for image in "xy"),
        *(row("b", "Set14", image, 29) for image in "xy"),
    ]
    lines = tables.markdown(means(rows, SETS), Protocol()).splitlines()
    assert lines[2] == "|  | Set5 | Set14 |"
    assert lines[4] == "| a | - / - | **30.00** / **0.9000** |"


def test_restoration_is_printed_with_psnr_b() -> None:
    found = means([restored("m", 27.0, 26.5)], SETS)
    text = tables.markdown(found, Protocol())
    assert "**jpeg10** (PSNR / PSNR-B / SSIM on RGB, grey files on the grey value)" in text
    assert "| m | 27.00 / 26.50 / 0.8000 |" in text
    assert "on grey)" in tables.markdown(found, Protocol(luma=True))


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    rows = [row("a|b", "Set5", image, 30) for image in "xy"]
    line = tables.markdown(means(rows, SETS), Protocol()).splitlines()[4]
    assert line.startswith(r"| a\|b |")
