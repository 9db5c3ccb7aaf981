"""The tab "About": facts from the registry, figures from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from swin2sr.checkpoints import find
from swin2sr.demo import scores
from swin2sr.demo.models import TASKS
from swin2sr.demo.ui import about

HEAD = "model,set,scale,degradation,images,of,lr,psnr,ssim,psnr_rgb,ssim_rgb,psnr_b,psnr_b_y\n"


def test_every_model_of_the_page_stands_with_its_training_and_licence() -> None:
    text = about.models_text()
    for task in TASKS.values():
        assert f"**{task.label}**" in text
        for name in task.models.values():
            entry = find(name)
            assert entry is not None
            (line,) = [line for line in text.splitlines() if f"- {name}," in line]
            assert entry.licence in line
            assert ("included" in line) == (entry.source == "packaged")


def test_figures_are_those_of_the_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "means.csv").write_text(
        HEAD + "swin2sr-small-x2,Set5,2,bicubic,5,5,matlab,12.346,0.54321,1,1,,\n",
        encoding="utf-8",
    )
    read_scores = scores.read_scores
    monkeypatch.setattr(scores, "read_scores", lambda: read_scores(tmp_path))
    text = about.scores_text()
    assert "| swin2sr-small-x2 | 12.35 / 0.5432 |" in text


def test_without_files_it_says_that_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "read_scores", list)
    assert about.scores_text() == "Measured figures are not part of this installation."


def test_the_texts_hold_no_figure_of_quality() -> None:
    texts = " ".join((about.NETWORK, about.LIMITS, about.PRIVACY, about.LICENCES))
    assert "dB" not in texts
    assert "PSNR" not in texts
    for said in ("not recover the truth", "Faces", "Text", "arxiv.org/abs/2209.11345"):
        assert said in texts
