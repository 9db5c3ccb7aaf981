"""The page of a run: tables, print, comparisons, figures, cards."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results
from PIL import Image

from eval.cli import main
from eval.report import crops, plots
from eval.report.crops import SIDE, Crop, Window
from eval.report.page import OLDER
from eval.report.plots import Point
from eval.report.published import find
from eval.run import manifest, saved_images
from eval.run.protocol import Scores
from eval.run.rows import Row, TableCell, merge
from swin2sr.plots import png
from tests.eval.conftest import smooth


def row(model: str, name: str, image: str, psnr: float, ssim: float = 0.9) -> Row:
    cell = TableCell(model, name, 2, "bicubic")
    return Row(cell, image, "mirror", 100, 100, Scores(psnr, ssim, psnr, ssim), 0.02, 1_000_000)


def finished(out: Path, rows: list[Row], **facts: object) -> Path:
    """The folder of a run with these rows."""
    out.mkdir(parents=True)
    models: dict[str, dict[str, object]] = {
        r.cell.model: {"name": r.cell.model, "sha256": "1" * 64, "parameters": 1000} for r in rows
    }
    if "bicubic" in models:
        models["bicubic"] |= {"sha256": None, "parameters": None}
    sets = {f"{r.cell.set} x2": {"images": 5, "expected": 5, "sha256": "0"} for r in rows}
    machine = {"processor": "CPU", "cores": 2, "gpus": []}
    session = {
        "ended": "2026-11-21T00:00:00+00:00",
        "images": len(rows),
        "seconds": 3.0,
        "processes": 1,
        "machines": [machine],
    }
    settings = {
        "grey": "auto",
        "luma": False,
        "make_lr": False,
        "padding": "official",
        "precision": "float32",
        "tile": None,
        "self_ensemble": False,
        "device": "cpu",
        "threads": 1,
    }
    values = {
        "format": manifest.FORMAT,
        "settings": settings,
        "versions": {"torch": "2"},
        "models": models,
        "sets": sets,
        "sessions": [session],
    }
    manifest.write(out, values | facts)
    merge(out, rows)
    return out


def five(model: str, psnr: float, name: str = "Set5") -> list[Row]:
    return [row(model, name, image, psnr + i / 10) for i, image in enumerate("abcde")]


def page(out: Path) -> str:
    return (out / "README.md").read_text(encoding="utf-8")


def test_measured_stands_beside_printed_with_the_difference(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", [*five("bicubic", 33.47), *five("swin2sr-lightweight-x2", 38)])
    assert main(["report", str(run)]) == 0
    expected = (
        "| bicubic | Set5 | x2 bicubic | 33.67 / 0.9000 | 33.66 / 0.9299 * | +0.01 / -0.0299 |"
    )
    assert expected in page(run)
    assert "| 38.20 / 0.9000 | 38.17 / 0.9613 * | +0.03 / -0.0613 |" in page(run)
    printed = find("bicubic", "Set5", 2, "bicubic", "y")
    assert printed is not None
    assert printed.note in page(run)


def test_part_of_a_set_does_not_stand_beside_print(tmp_path: Path) -> None:
    part = {"Set5 x2": {"images": 5, "expected": 6, "sha256": "0"}}
    run = finished(tmp_path / "run", five("bicubic", 33.47), sets=part)
    assert main(["report", str(run)]) == 0
    assert "Beside print" not in page(run)
    assert "5 of 6 images" in page(run)


def test_small_images_of_other_making_are_pointed_out(tmp_path: Path) -> None:
    rows = [replace(one, lr="other") for one in five("bicubic", 33.47)]
    run = finished(tmp_path / "run", rows)
    assert main(["report", str(run)]) == 0
    assert "**Set5 x2: small images that are not MATLAB's bicubic**" in page(run)
    assert "lr:files" in page(run)


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", five("bicubic", 33.47)[:3])
    assert main(["report", str(run)]) == 0
    assert "**unfinished**: bicubic on Set5: 3 of 5 images" in page(run)


def test_models_are_compared_with_the_next_best_or_with_one(tmp_path: Path) -> None:
    rows = [*five("low", 30), *five("mid", 31), *five("top", 32)]
    run = finished(tmp_path / "run", rows)
    assert main(["report", str(run)]) == 0
    assert "| Set5 | x2 bicubic | top | mid | 5 | 5 | +1.000 | +1.000 to +1.000 |" in page(run)
    assert "| top | low |" not in page(run)
    assert main(["report", str(run), "--against", "low"]) == 0
    assert "| top | low | 5 | 5 | +2.000 |" in page(run)
    assert "| top | mid |" not in page(run)


def test_several_runs_are_sections_of_one_page(tmp_path: Path) -> None:
    runs = [finished(tmp_path / name, five("bicubic", 33.47)) for name in ("one", "two")]
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "page")]) == 0
    text = page(tmp_path / "page")
    assert text.index("## one") < text.index("## two")


def test_every_figure_on_the_page_is_there(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", [*five("bicubic", 33.47), *five("net", 38)])
    assert main(["report", str(run)]) == 0
    names = [part.partition(")")[0] for part in page(run).split("](plots/")[1:]]
    assert sorted(names) == sorted(path.name for path in (run / "plots").iterdir())
    assert {name.partition("_")[2].partition("_")[0] for name in names} == {
        "parameters",
        "seconds",
        "wins",
    }
    for name in names:
        with Image.open(run / "plots" / name) as image:
            assert min(image.size) > 200


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", [*five("bicubic", 33.47), *five("net", 38)])
    contents = []
    for place in ("x", "y"):
        assert main(["report", str(run), "--out", str(tmp_path / place)]) == 0
        files = sorted(path for path in (tmp_path / place).rglob("*") if path.is_file())
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]


def test_without_matplotlib_there_is_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.report.page.find_spec", lambda _: None)
    run = finished(tmp_path / "run", [*five("bicubic", 33.47), *five("net", 38)])
    assert main(["report", str(run)]) == 0
    assert "pip install matplotlib" in capsys.readouterr().err
    assert not (run / "plots").exists()
    assert "| net |" in page(run)


def test_card_metadata_is_what_the_hub_reads_back(tmp_path: Path) -> None:
    rows = [*five("net", 38), *five("net", 30, "Sample")]
    run = finished(tmp_path / "run", rows)
    assert main(["report", str(run)]) == 0
    (card,) = (run / "cards").iterdir()
    index = yaml.safe_load(card.read_text())["model-index"]
    name, results = model_index_to_eval_results(index)
    assert name == "net"
    assert [(r.dataset_name, r.metric_type, r.metric_value) for r in results] == [
        ("Set5", "psnr", 38.2),
        ("Set5", "ssim", 0.9),
    ]
    assert results[0].dataset_type == "eugenesiow/Set5"
    assert "Y:bt601|crop:2|pad:official" in results[0].metric_name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no run in"),
        (["run", "--against", "other"], "There are: bicubic"),
        (["run", "run"], "folders of one name"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(tmp_path / "run", five("bicubic", 33.47))
    places = [str(tmp_path / word) if "run" in word or "where" in word else word for word in words]
    assert main(["report", *places]) == 2
    assert message in capsys.readouterr().err


def test_a_run_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished(tmp_path / "run", [])
    assert main(["report", str(run)]) == 2
    assert "no results yet" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------ crops


def saved(out: Path, model: str, image: str, hr: np.ndarray, sr: np.ndarray) -> TableCell:
    cell = TableCell(model, "Set5", 2, "bicubic")
    lr = smooth(9, hr.shape[0] // 2, hr.shape[1] // 2)
    saved_images.save(out, cell, image, {"original": hr, "input": lr, "output": sr})
    return cell


def test_the_window_is_where_outputs_differ_most(tmp_path: Path) -> None:
    hr = smooth(0, 160, 200)
    other = hr.copy()
    other[80:120, 110:150] ^= 64
    same = saved(tmp_path, "a", "x", hr, hr), saved(tmp_path, "b", "x", hr, hr)
    cells = saved(tmp_path, "a", "y", hr, hr), saved(tmp_path, "b", "y", hr, other)
    assert cells == same
    first, second = crops.most_different(tmp_path, cells, ["x", "y", "missing"])
    assert (first.image, second.image) == ("y", "x")
    assert first.top <= 80 < 120 <= first.top + SIDE
    assert first.left <= 110 < 150 <= first.left + SIDE


def test_a_row_of_crops_shows_original_input_and_models(tmp_path: Path) -> None:
    hr = smooth(0, 160, 200)
    cells = [saved(tmp_path, m, "y", hr, np.roll(hr, n, 1)) for n, m in enumerate(("a", "b"))]
    row = crops.crop_row(tmp_path, cells, Window("y", 10, 20, 1.0))
    assert [crop.caption.partition("\n")[0] for crop in row] == ["original", "input", "a", "b"]
    assert np.array_equal(row[0].pixels, hr[10:74, 20:84])
    assert all(crop.pixels.shape == (SIDE, SIDE, 3) for crop in row)
    assert row[2].caption.endswith("inf dB here")


def test_an_input_that_is_one_of_the_models_is_shown_once(tmp_path: Path) -> None:
    hr = smooth(0, 80, 80)
    cells = [saved(tmp_path, model, "y", hr, hr) for model in ("input", "a")]
    row = crops.crop_row(tmp_path, cells, Window("y", 0, 0, 1.0))
    assert [crop.caption.partition("\n")[0] for crop in row] == ["original", "input", "a"]


def test_crops_are_on_the_page_when_images_were_saved(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", [*five("low", 30), *five("top", 32)])
    for image in "abcde":
        hr = smooth(ord(image), 80, 80)
        saved(run, "low", image, hr, np.roll(hr, 2, 1))
        saved(run, "top", image, hr, hr)
    assert main(["report", str(run)]) == 0
    drawn = run / "plots" / "run_crops_Set5_x2_bicubic.png"
    before, picture = page(run), drawn.read_bytes()
    assert f"]({drawn.relative_to(run).as_posix()})" in before
    shutil.rmtree(run / "images")
    assert main(["report", str(run)]) == 0
    assert drawn.read_bytes() == picture  # what cannot be drawn again stays
    assert page(run) == before.rstrip("\n") + f"\n\n{OLDER}\n"
    drawn.unlink()
    assert main(["report", str(run)]) == 0
    assert "crops" not in page(run)


# ------------------------------------------------------------------------------------------ plots


def texts(figure: object) -> str:
    from matplotlib.text import Text

    return " ".join(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]


def test_quality_shows_points_on_a_logarithmic_axis_and_baselines_as_levels() -> None:
    points = [Point("net", 1e6, 38.0), Point("small", 1e5, 37.0), Point("bicubic", None, 33.7)]
    figure = plots.quality({"Set5": points, "Set14": points[1:]}, "parameters", "dB")
    first, second, *_ = figure.axes
    assert first.get_xscale() == "log"
    assert sorted(line.get_ydata()[0] for line in first.lines) == [33.7, 37.0, 38.0]
    assert len(second.lines) == 2
    for word in ("Set5", "Set14", "net", "small", "bicubic", "parameters"):
        assert word in texts(figure)


def test_wins_are_sorted_and_counted() -> None:
    figure = plots.wins("Set5 x2", "a", "b", {"x": -0.5, "y": 1.0, "z": 0.25})
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert heights == [1.0, 0.25, -0.5]
    assert "better on 2 of 3" in texts(figure)


def test_scaling_has_both_axes_logarithmic() -> None:
    figure = plots.scaling({"net": [(100, 1), (1000, 10)]}, {"net": "(1.00)"}, "pixels", "s")
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert "net (1.00)" in texts(figure)


def test_crops_are_drawn_pixel_by_pixel() -> None:
    grey = smooth(0)[..., 0]
    figure = plots.crop_grid([("img", [Crop("one", grey), Crop("two", smooth(1))])])
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert np.array_equal(shown[0].get_array(), grey)
    assert all(image.get_interpolation() == "nearest" for image in shown)


def test_figures_leave_no_state_behind(tmp_path: Path) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    data = png(plots.wins("t", "a", "b", {"x": 1.0}))
    assert pyplot.get_fignums() == before
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"


def test_names_of_files_are_plain_and_told_apart() -> None:
    assert saved_images.safe("swin2sr-small-x2") == "swin2sr-small-x2"
    hostile = ["../x", "a/b", "a\\b", "a b", "", ".", "..", "é" * 300, "a\u202eb", "x" * 300]
    names = [saved_images.safe(name) for name in hostile]
    assert len(set(names)) == len(hostile)
    for name in names:
        assert Path(name).name == name
        assert len(name) < 100


def test_saved_pictures_are_what_was_given(tmp_path: Path) -> None:
    cell = saved(tmp_path, "../m", "../i", smooth(0), smooth(1))
    folder = saved_images.place(tmp_path, cell, "../i")
    assert tmp_path in folder.parents
    with Image.open(folder / f"{saved_images.output('../m')}.png") as image:
        assert np.array_equal(np.array(image), smooth(1))
    assert len(list(folder.iterdir())) == 3
