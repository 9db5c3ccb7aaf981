"""Figures: they show the numbers of the files they are given, and touch nobody else's."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from swin2sr import plots
from swin2sr.errors import ConfigError

LOG = """step,seconds,loss,lr,val_psnr
100,10.0,0.5,1.0e-03,
200,20.0,0.25,5.0e-04,30.5
300,30.0,0.125,1.0e-05,31.25
400,40.0,0.1,
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def points(axes: object) -> list[list[tuple[float, float]]]:
    lines = axes.get_lines()  # type: ignore[attr-defined]
    return [list(zip(*map(list, line.get_data()), strict=True)) for line in lines]


def test_curves_are_the_logs_numbers(log: Path) -> None:
    psnr, loss, rate = plots.training_curves({"mine": log}).axes
    assert points(psnr) == [[(200.0, 30.5), (300.0, 31.25)]]
    assert points(loss) == [[(100.0, 0.5), (200.0, 0.25), (300.0, 0.125), (400.0, 0.1)]]
    assert points(rate) == [[(100.0, 1e-3), (200.0, 5e-4), (300.0, 1e-5)]]
    assert "PSNR" in psnr.get_ylabel()
    assert rate.get_xlabel() == "step"


def test_runs_are_told_apart(log: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("step,loss,lr,val_psnr\n50,0.4,1e-3,29.0\n")
    figure = plots.training_curves({"mine": log, "theirs": tmp_path / "other.csv"})
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["mine", "theirs"]
    colours = {line.get_color() for line in figure.axes[1].get_lines()}
    assert len(colours) == 2
    assert points(figure.axes[0])[1] == [(50.0, 29.0)]


def test_a_log_without_validation_is_drawn_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,seconds,loss,lr,val_psnr\n")
    figure = plots.training_curves({"new": tmp_path / "log.csv"})
    assert points(figure.axes[0]) == [[]]
    assert plots.png(figure).startswith(b"\x89PNG")


def test_the_picture_is_a_png_that_follows_the_log(log: Path) -> None:
    def picture() -> bytes:
        return plots.png(plots.training_curves({"mine": log}))

    before = picture()
    with Image.open(io.BytesIO(before)) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert picture() == before
    log.write_text(LOG + "500,50.0,0.05,1.0e-06,40.0\n")
    assert picture() != before


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "step,loss\n1,2\n"])
def test_what_is_no_log_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "log.csv").write_text(content)
    with pytest.raises(ConfigError, match="log"):
        plots.training_curves({"mine": tmp_path / "log.csv"})
    with pytest.raises(ConfigError, match="no training log"):
        plots.training_curves({})


def test_without_matplotlib_it_is_said_how_to_get_it(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots.style, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        plots.training_curves({"mine": log})


def test_pyplot_is_left_alone(log: Path, root: Path) -> None:
    code = (
        "import sys; from swin2sr import plots; assert 'matplotlib' not in sys.modules; "
        f"plots.png(plots.training_curves({{'mine': {str(log)!r}}})); "
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
