"""One picture through several models: the numbers are the files', and no model costs another."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swin2sr import metrics
from swin2sr.checkpoints import find
from swin2sr.demo.jobs import compare, compare_results
from swin2sr.demo.jobs.compare import CompareJob
from swin2sr.demo.jobs.compare_request import RESULT_PIXELS, CompareRequest, make_image_pair
from swin2sr.demo.jobs.compare_results import Comparison
from swin2sr.demo.models import COMPARE_TASKS, DEFAULT_MODEL, model_label
from swin2sr.demo.queue import JobSlot, Update
from swin2sr.demo.service import Service
from swin2sr.errors import ConfigError, ImageError, WeightsError
from swin2sr.images.degradations import Bicubic, Chain, Jpeg
from swin2sr.images.resize import enlarge
from swin2sr.inference.upscaler import Upscaler

PUBLISHED = "swin2sr-lightweight-x2"
ALL = ["bicubic", "lanczos", DEFAULT_MODEL]
OFFLINE = WeightsError("It is not here.", code="offline", remedy="Go online once.")


def load(name: str) -> Upscaler:
    """The packaged network; nothing else can be had."""
    if name != DEFAULT_MODEL:
        raise OFFLINE
    return Upscaler.from_pretrained(name, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(load)


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., str]:
    """Stores a picture with shades and edges; returns its path."""

    def make(width: int = 45, height: int = 38, name: str = "cat.png", mode: str = "RGB") -> str:
        y, x = np.mgrid[:height, :width]
        planes = [(x * 5) % 256, (y * 6) % 256, ((x // 7 + y // 5) % 2) * 200]
        image = Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).convert(mode)
        image.save(tmp_path / name)
        return str(tmp_path / name)

    return make


def pixels(path: str | None) -> np.ndarray:
    assert path is not None
    with Image.open(path) as image:
        return np.asarray(image)


def run(
    service: Service,
    request: CompareRequest,
    folder: Path,
    meanwhile: Callable[[Update], None] = lambda update: None,
) -> tuple[Comparison | None, list[str]]:
    """The last comparison, its files copied into a folder, and all that was said."""
    last, said = None, []

    def keep(path: str) -> str:
        return str(shutil.copy(path, folder))

    updates = CompareJob(service).run("me", request)
    assert next(updates) is None
    for update in updates:
        if update is None:
            continue
        said.append(update.text)
        if isinstance(update.result, Comparison):
            last = update.result.move_files(keep)
        meanwhile(update)
    return last, said


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


@pytest.fixture
def done(service: Service, photo: Callable[..., str], kept: Path) -> Comparison:
    found, said = run(service, CompareRequest(photo(), "x2", "test", ALL), kept)
    assert found is not None, said
    return found


# --- what is compared -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "degradation"),
    [
        ("x2", Bicubic(2)),
        ("x4", Bicubic(4)),
        ("compressed-x4", Chain((Bicubic(4), Jpeg(30)))),
        ("jpeg", Jpeg(30)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_test_picture_is_made_as_the_protocol_makes_it(
    photo: Callable[..., str], task: str, degradation: Callable[..., np.ndarray], mode: str
) -> None:
    path = photo(101, 83, mode=mode)
    pair = make_image_pair(
        CompareRequest(path, task, "test", COMPARE_TASKS[task].names[:1], 30).validated()
    )
    np.testing.assert_array_equal(pair.given, degradation(pixels(path)))
    assert pair.original is not None
    height, width = (side - side % COMPARE_TASKS[task].scale for side in (83, 101))
    np.testing.assert_array_equal(pair.original, pixels(path)[:height, :width])


def test_only_looking_takes_the_picture_as_it_is(photo: Callable[..., str]) -> None:
    path = photo()
    pair = make_image_pair(CompareRequest(path, "x2", "look", ALL).validated())
    np.testing.assert_array_equal(pair.given, pixels(path))
    assert pair.original is None


def test_transparent_parts_are_laid_on_white_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "glass.png"
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(path)
    pair = make_image_pair(CompareRequest(str(path), "x2", "look", ALL).validated())
    assert pair.given.shape == (30, 30, 3)
    assert pair.given.min() == 255
    assert pair.notes == ("Transparent parts were laid on white.",)


def test_an_original_of_another_size_is_refused_in_a_sentence(photo: Callable[..., str]) -> None:
    request = CompareRequest(photo(30, 20), "x2", "given", ALL, original=photo(70, 40, "big.png"))
    with pytest.raises(ImageError) as caught:
        make_image_pair(request.validated())
    assert str(caught.value) == (
        "The original has 70x40 pixels, but results of your picture of 30x20 pixels will have "
        "60x40 pixels. Give the original that the picture was made from."
    )


def test_what_shrinking_drops_of_an_original_is_cut_off(photo: Callable[..., str]) -> None:
    original = photo(61, 41, "big.png")
    request = CompareRequest(photo(30, 20), "x2", "given", ALL, original=original)
    pair = make_image_pair(request.validated())
    assert pair.original is not None
    np.testing.assert_array_equal(pair.original, pixels(original)[:40, :60])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"task": "x3"}, "'x3' is not offered; choose x2, x4"),
        ({"task": ["x2"]}, "is not offered"),
        ({"mode": "maybe"}, "'maybe' is not offered; choose test, given, look"),
        ({"models": []}, "at least one model"),
        ({"models": "bicubic"}, "at least one model"),
        ({"models": ["swin2sr-classical-x4"]}, "choose bicubic, lanczos"),
        ({"models": [{"path": "x"}]}, "is not offered"),
        ({"quality": 0}, "from 1 to 95"),
        ({"quality": float("nan")}, "from 1 to 95"),
        ({"quality": "10"}, "from 1 to 95"),
        ({"quality": True}, "from 1 to 95"),
    ],
)
def test_what_is_not_offered_is_refused(change: dict[str, object], part: str) -> None:
    request = replace(CompareRequest(None, "x2", "test", ALL), **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=part):
        request.validated()


@pytest.mark.parametrize(
    ("size", "test", "code"),
    [((14, 40), "test", "too_small"), ((1, 1), "test", "too_small"), ((2001, 1000), "look", None)],
)
def test_pictures_outside_the_bounds_are_refused(
    photo: Callable[..., str], size: tuple[int, int], test: str, code: str | None
) -> None:
    assert RESULT_PIXELS < 4 * 2001 * 1000
    with pytest.raises(ImageError) as caught:
        make_image_pair(CompareRequest(photo(*size), "x2", test, ALL).validated())
    assert caught.value.code == (code or "too_many_pixels")


def test_models_are_those_of_the_task_and_included_ones_come_first() -> None:
    for task in COMPARE_TASKS.values():
        networks = [entry for name in task.names if (entry := find(name))]
        assert {entry.scale for entry in networks} <= {task.scale}
        here = [entry.source == "packaged" for entry in networks]
        assert here == sorted(here, reverse=True)
        assert len(networks) >= 2
    assert DEFAULT_MODEL in COMPARE_TASKS["x2"].included
    assert PUBLISHED not in COMPARE_TASKS["x2"].included


def test_labels_say_what_a_download_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swin2sr.checkpoints.is_here", lambda entry: entry.source == "packaged")
    assert model_label(PUBLISHED) == f"{PUBLISHED}, downloads 4 MB"
    assert model_label(DEFAULT_MODEL) == f"{DEFAULT_MODEL}, included"
    assert model_label("bicubic") == "Bicubic (no network)"


# --- running --------------------------------------------------------------------------------------


def test_scores_are_the_metrics_of_the_files_pixels(done: Comparison) -> None:
    assert [result.name for result in done.results] == ALL
    original = pixels(done.original)
    assert original.shape == (38, 44, 3)
    for result in done.results:
        restored = pixels(result.file)
        assert result.psnr == metrics.psnr(restored, original, border=2, channel="y")
        assert result.ssim == metrics.ssim(restored, original, border=2, channel="y")
        assert pixels(result.errors).shape == original.shape


def test_results_are_what_each_model_makes_alone(
    done: Comparison, photo: Callable[..., str]
) -> None:
    given = Bicubic(2)(pixels(photo()))
    bicubic, lanczos, network = (pixels(result.file) for result in done.results)
    np.testing.assert_array_equal(bicubic, enlarge("bicubic", given, 2))
    alone = Image.fromarray(given).resize((44, 38), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(lanczos, np.asarray(alone))
    np.testing.assert_array_equal(network, np.asarray(load(DEFAULT_MODEL)(given)))


def test_a_given_original_scores_as_the_test_made_of_it(
    service: Service, photo: Callable[..., str], kept: Path, done: Comparison, tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    Image.fromarray(Bicubic(2)(pixels(photo()))).save(small)
    found, _ = run(service, CompareRequest(str(small), "x2", "given", ALL, original=photo()), kept)
    assert found is not None
    assert [one.psnr for one in found.results] == [one.psnr for one in done.results]
    assert found.protocol.startswith("Against your original.")


def test_without_an_original_nothing_is_scored(
    service: Service, photo: Callable[..., str], kept: Path
) -> None:
    found, said = run(service, CompareRequest(photo(), "x2", "look", ALL), kept)
    assert found is not None
    assert found.size == (90, 76)
    assert [one.psnr for one in found.results] == [None] * 3
    assert found.error_maps() == []
    assert "PSNR" not in said[-1]
    assert "PSNR" not in found.csv()


def test_a_picture_is_held_against_its_jpeg_as_it_is(
    service: Service, photo: Callable[..., str], kept: Path
) -> None:
    found, said = run(service, CompareRequest(photo(), "jpeg", "test", ["input"], 20), kept)
    assert found is not None
    (result,) = found.results
    np.testing.assert_array_equal(pixels(result.file), Jpeg(20)(pixels(photo())))
    assert "JPEG of quality 20" in said[-1]
    assert "no border left out" in said[-1]


def test_a_model_that_cannot_be_had_is_a_row_with_a_sentence(
    service: Service, photo: Callable[..., str], kept: Path
) -> None:
    models = ["bicubic", PUBLISHED, DEFAULT_MODEL]
    found, said = run(service, CompareRequest(photo(), "x2", "test", models), kept)
    assert found is not None
    bicubic, network, missing = found.results
    assert (bicubic.name, network.name, missing.name) == ("bicubic", DEFAULT_MODEL, PUBLISHED)
    assert network.psnr is not None
    assert missing.file is None
    assert missing.remark == (
        f"{PUBLISHED} is not on this machine yet, and cannot be downloaded now."
    )
    assert missing.remark in said[-1].replace("\\", "")
    assert [caption for _, caption in found.pictures()][-1].startswith(DEFAULT_MODEL)


def test_a_model_without_the_time_is_left_out_and_the_others_stay(
    photo: Callable[..., str], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(load)  # whose speed is not known
    real = Upscaler.estimate
    monkeypatch.setattr(
        Upscaler, "estimate", lambda self, size: replace(real(self, size), seconds=500.0)
    )
    found, _ = run(service, CompareRequest(photo(), "x2", "test", ["bicubic", DEFAULT_MODEL]), kept)
    assert found is not None
    assert found.results[0].psnr is not None
    assert found.results[1].file is None
    assert "it would take about 500 s, and 1" in found.results[1].remark


def test_all_models_together_are_refused_with_numbers(
    photo: Callable[..., str], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(load)
    service.warm_up()
    monkeypatch.setattr(CompareJob, "_expected_seconds", lambda self, name, size: 135.0)
    request = CompareRequest(photo(80, 60), "x2", "test", ["bicubic", DEFAULT_MODEL, PUBLISHED])
    found, said = run(service, request, kept)
    assert found is None
    assert said == [
        "2 networks would take about 4 min for 40x30 pixels; the limit here is 2 min. Choose fewer "
        "models, or crop or shrink the picture to 52x40 pixels."  # by the square root of 120 / 270
    ]
    assert CompareJob(service).preview(request) == f"**{said[0]}**"


def test_a_model_that_ran_is_judged_by_its_own_speed(
    service: Service, photo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Upscaler.estimate
    monkeypatch.setattr(
        Upscaler, "estimate", lambda self, size: replace(real(self, size), seconds=7.0)
    )
    action = CompareJob(service)
    list(
        action.run("me", CompareRequest(photo(), "x2", "test", [DEFAULT_MODEL]))
    )  # 22x19 pixels go in
    monkeypatch.setattr(service.models, "peek", lambda name: None)  # as if put away
    assert action._expected_seconds(DEFAULT_MODEL, (220, 190)) == pytest.approx(700.0)
    assert action._expected_seconds(PUBLISHED, (220, 190)) != pytest.approx(700.0)


def test_progress_names_the_model_and_its_tiles(
    service: Service, photo: Callable[..., str], kept: Path
) -> None:
    _, said = run(service, CompareRequest(photo(), "x2", "test", ALL), kept)
    assert any(text.startswith("1 of 3: bicubic") for text in said)
    assert any(text.startswith(f"3 of 3: {DEFAULT_MODEL}, tile 1 of 1") for text in said)


def test_stop_keeps_what_is_finished(photo: Callable[..., str], kept: Path) -> None:
    service = Service(load, JobSlot())

    def stop(update: Update) -> None:
        if update.text.startswith(f"3 of 3: {DEFAULT_MODEL}"):
            assert service.slot.stop("me")

    found, said = run(service, CompareRequest(photo(), "x2", "test", ALL), kept, stop)
    assert found is not None
    assert [one.name for one in found.with_files] == ["bicubic", "lanczos"]
    assert not found.is_complete
    assert all(Path(str(one.file)).is_file() for one in found.with_files)
    assert said[-1].startswith(f"3 of 3: {DEFAULT_MODEL}")
    assert service.slot.holder is None
    assert compare_results.close_up(found, 50, 50, 16).crops


def test_a_comparison_leaves_no_files_behind(
    service: Service, photo: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(compare.tempfile, "tempdir", str(folder))
    updates = list(CompareJob(service).run("me", CompareRequest(photo(), "x2", "test", ALL)))
    assert isinstance(updates[-1], Update)
    assert list(folder.iterdir()) == []


# --- results --------------------------------------------------------------------------------------


def test_tables_hold_what_was_measured(done: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(done.csv())))
    assert [row["Model"] for row in rows] == ALL
    for row, result in zip(rows, done.results, strict=True):
        assert row["PSNR Y (dB)"] == f"{result.psnr:.2f}"
        assert row["SSIM Y"] == f"{result.ssim:.4f}"
    lines = done.markdown().splitlines()
    assert lines[0] == "| Model | PSNR Y (dB) | SSIM Y | Seconds |"
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    assert lines[2].startswith(f"| bicubic | {done.results[0].psnr:.2f} |")
    noted = replace(done, results=(replace(done.results[0], remark="a | b"),))
    lines = noted.markdown().splitlines()
    assert lines[0].endswith("| Seconds | Remark |")
    assert lines[1].endswith("---: | --- |")
    assert lines[2].endswith("a \\| b |")


def test_a_close_up_shows_the_same_pixels_of_all(done: Comparison) -> None:
    seen = compare_results.close_up(done, 100, 0, 16)
    assert seen.text == "16x16 pixels from column 28, row 0, enlarged 24 times without smoothing."
    names = [caption.split(",")[0] for _, caption in seen.crops]
    assert names == ["original", *ALL]
    files = [done.original, *(one.file for one in done.results)]
    original = pixels(done.original)[:16, 28:44]
    for (image, caption), file in zip(seen.crops, files, strict=True):
        crop = pixels(file)[:16, 28:44]
        np.testing.assert_array_equal(np.asarray(image)[::24, ::24], crop)
        np.testing.assert_array_equal(np.asarray(image)[23::24, 23::24], crop)
        if file != done.original:
            assert f"{metrics.psnr(crop, original):.2f} dB here" in caption


def test_the_frame_is_drawn_around_the_place(done: Comparison) -> None:
    framed = np.asarray(compare_results.close_up(done, 0, 0, 16).overview)
    plain = pixels(done.original).repeat(9, axis=0).repeat(9, axis=1)  # 400 // 44
    changed = np.argwhere((framed != plain).any(axis=2))
    assert changed.min(axis=0).tolist() == [0, 0]
    assert changed.max(axis=0).tolist() == [16 * 9 - 1, 16 * 9 - 1]


def test_overviews_of_large_pictures_are_shrunk(
    service: Service, photo: Callable[..., str], kept: Path
) -> None:
    found, _ = run(service, CompareRequest(photo(1000, 40), "x2", "look", ["lanczos"]), kept)
    assert compare_results.close_up(found, 50, 50, 16).overview.size == (800, 32)
    assert compare_results.click_position(found, (400, 8)) == (50.0, 25.0)


def test_the_middle_of_a_place_is_where_somebody_points(done: Comparison) -> None:
    across, down = compare_results.click_position(done, [198, 171])
    assert (across, down) == (50.0, 50.0)
    assert compare_results.click_position(done, (396, 342)) == (100.0, 100.0)


def test_results_are_found_to_differ_where_one_was_changed(done: Comparison) -> None:
    changed = pixels(done.results[0].file).copy()
    changed[4:12, 30:38] = 255 - changed[4:12, 30:38]
    file = Path(str(done.original)).with_name("changed.png")
    Image.fromarray(changed).save(file)
    same = replace(done.results[0], name="same")
    two = replace(done, results=(same, replace(same, file=str(file))))
    across, down = compare_results.largest_difference(two, 16)
    left, right = across / 100 * 44 - 8, across / 100 * 44 + 8
    top, bottom = down / 100 * 38 - 8, down / 100 * 38 + 8
    assert left <= 30
    assert right >= 38
    assert top <= 4
    assert bottom >= 12


def test_a_figure_is_drawn_with_errors_and_without(
    done: Comparison, service: Service, photo: Callable[..., str], kept: Path
) -> None:
    unscored, _ = run(service, CompareRequest(photo(), "x2", "look", ["bicubic", "lanczos"]), kept)
    for one in (done, unscored):
        with Image.open(io.BytesIO(compare_results.close_up_figure(one, 50, 50, 16))) as image:
            assert image.format == "PNG"


@pytest.mark.parametrize("forged", [None, "x", {"original": "/etc/passwd"}, [1], 3.0])
def test_what_is_no_comparison_has_nothing_to_look_at(forged: object) -> None:
    for close_up in (
        lambda: compare_results.close_up(forged, 50, 50, 16),
        lambda: compare_results.close_up_figure(forged, 50, 50, 16),
        lambda: compare_results.click_position(forged, (1, 1)),
        lambda: compare_results.largest_difference(forged, 16),
    ):
        with pytest.raises(ImageError) as caught:
            close_up()
        assert caught.value.code == "empty"


@pytest.mark.parametrize(
    "place", [(-1, 0, 16), (0, 101, 16), (0, 0, 8), (0, 0, "16"), (None, 0, 16)]
)
def test_a_place_outside_the_bounds_is_refused(
    done: Comparison, place: tuple[object, object, object]
) -> None:
    with pytest.raises(ConfigError):
        compare_results.close_up(done, *place)


@pytest.mark.parametrize("point", [None, 5, [1], [1, 2, 3], ["a", 1], [float("nan"), 1], [-1, 2]])
def test_a_point_that_is_none_is_refused(done: Comparison, point: object) -> None:
    with pytest.raises(ConfigError):
        compare_results.click_position(done, point)


def test_files_that_are_gone_are_told_in_a_sentence(done: Comparison) -> None:
    Path(str(done.results[1].file)).unlink()
    for close_up in (
        lambda: compare_results.close_up(done, 50, 50, 16),
        lambda: compare_results.largest_difference(done, 16),
    ):
        with pytest.raises(ImageError) as caught:
            close_up()
        assert str(caught.value) == (
            "These results have been deleted from the server. Compare again."
        )
