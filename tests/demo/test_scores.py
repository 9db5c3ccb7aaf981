"""Scores on the page come from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from swin2sr.demo.scores import card_sections, read_scores, score_table

HEAD = "model,set,scale,degradation,images,of,lr,psnr,ssim,psnr_rgb,ssim_rgb,psnr_b,psnr_b_y\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "x2"
    folder.mkdir()
    (folder / "means.csv").write_text(
        HEAD
        + "bicubic,Set5,2,bicubic,5,5,matlab,33.6731,0.93032,31.8,0.91,,\n"
        + "swin2sr-small-x2,Set5,2,bicubic,5,5,matlab,37.1249,0.95701,35.2,0.94,,\n"
        + "swin2sr-small-x2,Set14,2,bicubic,13,14,matlab,32.79,0.9104,30.9,0.9,,\n"
        + "somebody-elses,Set5,2,bicubic,5,5,matlab,99.0,0.99999,99.0,0.99,,\n"
        + "input,LIVE1,1,jpeg10,29,29,none,27.8,0.79,25.69,0.7433,26.1,26.2\n"
        + "swin2sr-jpeg,LIVE1,1,jpeg10,29,29,none,28.1,0.80,27.9,0.79,27.5,27.6\n",
        encoding="utf-8",
    )
    return tmp_path


def test_means_over_whole_sets_of_known_models_are_shown(results: Path) -> None:
    text = score_table(read_scores(results))
    assert "| task | model | Set5 (5) | LIVE1 (29) |" in text
    assert "| x2 bicubic, Y | bicubic | 33.67 / 0.9303 |  |" in text
    assert "| x2 bicubic, Y | swin2sr-small-x2 | 37.12 / 0.9570 |  |" in text
    assert "Set14" not in text
    assert "somebody" not in text


def test_where_jpeg_is_involved_the_figures_are_those_of_rgb(results: Path) -> None:
    lines = score_table(read_scores(results)).splitlines()
    assert "| jpeg10, RGB | swin2sr-jpeg |  | 27.90 / 0.7900 |" in lines
    assert "| jpeg10, RGB | input |  | 25.69 / 0.7433 |" in lines


def test_baselines_by_another_protocol_do_not_replace_those_beside_models(results: Path) -> None:
    folder = results / "x2-with-another-luma"
    folder.mkdir()
    (folder / "means.csv").write_text(
        HEAD + "input,LIVE1,1,jpeg10,29,29,none,27.8,0.79,27.77,0.79,26.1,26.2\n",
        encoding="utf-8",
    )
    assert "| jpeg10, RGB | input |  | 25.69 / 0.7433 |" in score_table(read_scores(results))


@pytest.mark.parametrize("content", ["", "nonsense\n1,2\n", HEAD + "bicubic,Set5\n", "\xff\0"])
def test_a_file_that_cannot_be_read_costs_nothing_else(results: Path, content: str) -> None:
    folder = results / "other"
    folder.mkdir()
    (folder / "means.csv").write_bytes(content.encode("latin-1"))
    assert len(read_scores(results)) == 4


def test_without_results_there_is_no_table(tmp_path: Path) -> None:
    assert read_scores(tmp_path) == []
    assert read_scores(tmp_path / "nowhere") == []
    assert score_table([]) == ""


def test_cards_of_packaged_models_are_quoted_without_commands(tmp_path: Path) -> None:
    (tmp_path / "swin2sr-small-x2.md").write_text(
        "# Name\n\n## How good it is\n\n| | Set5 |\n|---|---|\n| this | 37.1 |\n\n"
        "Measure it yourself:\n\n    python -m eval run\n\nA remark.\n\n"
        "## How it was made\n\nLong.\n",
        encoding="utf-8",
    )
    (tmp_path / "unknown.md").write_text("## How good it is\n\nBest.\n", encoding="utf-8")
    text = card_sections(tmp_path)
    assert text == {"swin2sr-small-x2": "| | Set5 |\n|---|---|\n| this | 37.1 |\n\nA remark."}
    assert card_sections(tmp_path / "nowhere") == {}


def test_the_card_that_is_here_has_the_section() -> None:
    assert "Set5" in card_sections()["swin2sr-small-x2"]
