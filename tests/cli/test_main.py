"""The command line from the outside: files in, files out, exit codes, and every way to fail."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr import (
    Swin2SRConfig,
    Swin2SRForImageSuperResolution,
    Upscaler,
    __version__,
    images,
    list_models,
)
from swin2sr.cli.main import main
from swin2sr.inference import upscaler

Run = Callable[..., int]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random x2 model."""
    torch.manual_seed(0)
    config = Swin2SRConfig(
        embed_dim=8, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect", upscale=2
    )
    folder = tmp_path_factory.mktemp("model")
    Swin2SRForImageSuperResolution(config).save_pretrained(folder)
    return folder


@pytest.fixture
def run(model: Path) -> Run:
    """``swin2sr upscale`` with the tiny model, in this process."""

    def run(*words: str | Path) -> int:
        return main(["upscale", "--model", str(model), "--device", "cpu", *map(str, words)])

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of 20 x 12 pixels."""
    return _picture(tmp_path / "photo.png")


def _picture(path: Path, size: tuple[int, int] = (20, 12), **options: Any) -> Path:
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with path.open("wb") as file:
        Image.fromarray(pixels).save(file, format=options.pop("format", "png"), **options)
    return path


def _child(model: Path, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "swin2sr", "upscale", "--model", model, *words]
    root = Path(__file__).resolve().parent.parent
    pipe = subprocess.PIPE
    options = {"cwd": root, "stdout": pipe, "stderr": pipe, "text": True, **options}
    return subprocess.Popen(list(map(str, command)), **options)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_file_becomes_a_file(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "-o", tmp_path / "large.png") == 0
    assert _pixels(tmp_path / "large.png").shape == (24, 40, 3)
    assert capsys.readouterr().out == f"{tmp_path / 'large.png'}\n"


def test_results_are_the_upscalers(run: Run, model: Path, photo: Path, tmp_path: Path) -> None:
    up = Upscaler.from_pretrained(model, device="cpu")
    for padding in ("minimal", "official"):
        target = tmp_path / f"{padding}.png"
        assert run(photo, "-o", target, "--padding", padding, "--tile", "whole") == 0
        expected = up(photo, padding=padding, tile=None)
        np.testing.assert_array_equal(_pixels(target), np.asarray(expected))


def test_a_folder_becomes_a_folder(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "trip").mkdir(parents=True)
    _picture(tmp_path / "in" / "a.png")
    _picture(tmp_path / "in" / "trip" / "b.png")
    assert run(tmp_path / "in", photo, "-o", tmp_path / "out", "--recursive") == 0
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("out/**/*.*"))
    assert found == ["a_swin2sr_x2.png", "photo_swin2sr_x2.png", "trip/b_swin2sr_x2.png"]


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_the_format_is_the_one_asked_for(run: Run, photo: Path, tmp_path: Path, form: str) -> None:
    assert run(photo, "-o", tmp_path / "out", "--format", form) == 0
    (result,) = (tmp_path / "out").iterdir()
    with Image.open(result) as image:
        assert image.format == form.upper()


def test_camera_data_is_kept_only_on_request(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}  # the place
    photo = _picture(tmp_path / "photo.jpg", format="jpeg", exif=exif)
    assert run(photo, "-o", tmp_path / "plain.png") == 0
    assert run(photo, "-o", tmp_path / "kept.png", "--keep-metadata") == 0
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "kept.png") as kept:
        assert dict(plain.getexif()) == {}
        assert kept.getexif()[0x010F] == "Maker"
        assert 0x8825 not in kept.getexif()


def test_json_reports_each_picture(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, tmp_path / "missing.png", "-o", tmp_path / "out", "--json") == 1
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (done["status"], done["input"], done["scale"]) == ("done", str(photo), 2)
    assert (done["input_size"], done["output_size"]) == ([20, 12], [40, 24])
    assert Path(done["output"]).is_file()
    assert (failed["status"], failed["output"]) == ("failed", None)
    assert failed["error"].keys() == {"code", "message"}


def test_progress_shows_pictures_and_tiles(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_console import Terminal  # the same stand-in

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert run(photo, "-o", tmp_path / "large.png", "--tile", "8") == 0
    assert "[1/1]" in terminal.getvalue()
    assert "tile 3/6" in terminal.getvalue()


def test_notes_stand_beside_the_result(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "-o", tmp_path / "large.png", "--tile", "9") == 0
    captured = capsys.readouterr()
    assert "note: The tile of 9 was rounded up" in captured.err
    assert captured.out.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["upscale"],
        ["upscale", "a.png"],
        ["upscale", "a.png", "-o", "b", "--tile", "large"],
        ["upscale", "a.png", "-o", "b", "--format", "tiff"],
        ["enlarge"],
    ],
)
def test_wrong_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: swin2sr" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--device", "abacus"),
        ("--precision", "float3"),
        ("--tile", "-8"),
        ("--format", "jpeg", "-o", "large.png"),
        ("-o", "large.tif"),
    ],
)
def test_impossible_wishes_are_exit_2(
    run: Run, photo: Path, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(photo, "-o", "out", *words) == 2


def test_unknown_models_are_told_with_the_choices(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["upscale", str(photo), "-o", str(tmp_path / "out"), "--model", "swin2sr-huge"])
    assert code in (1, 2)
    assert "swin2sr-lightweight-x2" in capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err


def test_io_02_a_missing_folder_is_exit_2(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "-o", tmp_path / "no" / "large.png") == 2
    assert run(photo, "-o", tmp_path / "no" / "out") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_io_02_a_full_disk_ends_the_run_without_remains(
    run: Run,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    other = _picture(tmp_path / "other.png")
    monkeypatch.setattr(os, "fsync", full)
    assert run(photo, other, "-o", tmp_path / "out") == 2
    assert list((tmp_path / "out").iterdir()) == []
    assert "Finished: 0 done, 1 failed, 1 not done." in capsys.readouterr().err


def test_io_03_existing_results_are_kept_unless_asked(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "large.png"
    target.write_text("precious")
    assert run(photo, "-o", target) == 2
    assert target.read_text() == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert run(photo, "-o", target, "--overwrite") == 0
    assert _pixels(target).shape == (24, 40, 3)


def test_io_03_the_input_is_never_replaced(run: Run, photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    assert run(photo, "-o", photo, "--overwrite") == 2
    assert run(photo, "-o", tmp_path / "." / "photo.png", "--overwrite") == 2
    assert photo.read_bytes() == before


def test_io_03_a_link_is_replaced_and_not_followed(run: Run, photo: Path, tmp_path: Path) -> None:
    outside, link = tmp_path / "outside", tmp_path / "large.png"
    outside.write_text("precious")
    link.symlink_to(outside)
    assert run(photo, "-o", link) == 2
    assert run(photo, "-o", link, "--overwrite") == 0
    assert outside.read_text() == "precious"
    assert not link.is_symlink()


def test_io_04_an_interrupt_keeps_what_is_finished(
    run: Run,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = Upscaler.stream
    calls: list[object] = []

    def stream(self: Upscaler, image: object, **options: Any) -> Iterator[upscaler.Step]:
        calls.append(image)
        for step in real(self, image, **options):
            yield step
            if len(calls) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(Upscaler, "stream", stream)
    others = [_picture(tmp_path / f"{name}.png") for name in "xyz"]
    assert run(photo, *others, "-o", tmp_path / "out") == 130
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo_swin2sr_x2.png"]
    assert "Interrupted: 1 done, 0 failed, 3 not done." in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_io_04_ctrl_c_stops_a_real_run(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(200):
        _picture(tmp_path / "in" / f"{number:03}.png", size=(256, 256))
    # A shell that runs the tests in the background makes them, and what they start, deaf to it.
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with _child(model, tmp_path / "in", "-o", tmp_path / "out", preexec_fn=hearing) as child:
        assert child.stdout is not None
        first = child.stdout.readline()  # one picture is done
        child.send_signal(signal.SIGINT)
        rest, messages = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in messages
    finished = [Path(line) for line in (first + rest).splitlines()]
    assert 1 <= len(finished) < 200
    # A picture may be done and not yet reported when the signal comes.
    assert re.search(f"Interrupted: ({len(finished)}|{len(finished) + 1}) done", messages)
    assert set((tmp_path / "out").iterdir()) - set(finished) <= _last_unreported(finished)
    assert all(_pixels(path).shape == (512, 512, 3) for path in (tmp_path / "out").iterdir())


def _last_unreported(finished: list[Path]) -> set[Path]:
    """A picture may have been written just before the signal, and not yet been reported."""
    number = int(finished[-1].name[:3]) + 1
    return {finished[-1].with_name(f"{number:03}_swin2sr_x2.png")}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_io_01_after_a_kill_results_are_whole_and_the_next_run_finishes(
    model: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(40):
        _picture(tmp_path / "in" / f"{number:02}.png", size=(160, 160))
    with _child(model, tmp_path / "in", "-o", tmp_path / "out") as child:
        assert child.stdout is not None
        child.stdout.readline()  # one picture is done
        child.kill()
    finished = list((tmp_path / "out").glob("*.png"))
    assert 1 <= len(finished) < 40
    assert all(_pixels(path).shape == (320, 320, 3) for path in finished)
    assert run(tmp_path / "in", "-o", tmp_path / "out") == 1  # those that exist are kept
    assert len(list((tmp_path / "out").iterdir())) == 40  # all, and no remains


def test_io_08_one_bad_file_among_many(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(20):
        _picture(tmp_path / "in" / f"{number:02}.png", size=(8, 8))
    (tmp_path / "in" / "07.png").write_text("not a picture")
    assert run(tmp_path / "in", "-o", tmp_path / "out") == 1
    assert len(list((tmp_path / "out").iterdir())) == 19
    messages = capsys.readouterr().err
    assert "Finished: 19 done, 1 failed, 0 not done." in messages
    assert messages.count("07.png") == 2  # when it happened, and in the list at the end


def test_io_08_a_surprise_in_one_file_does_not_end_the_batch(
    run: Run,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = images.decode

    def decode(source: Any, **options: Any) -> images.Picture:
        if source == photo:
            raise KeyError("a bug")
        return real(source, **options)

    monkeypatch.setattr(images, "decode", decode)
    assert run(photo, _picture(tmp_path / "other.png"), "-o", tmp_path / "out") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other_swin2sr_x2.png"]
    assert "Unexpected KeyError" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names that other systems refuse")
def test_io_09_odd_names_stay_inside_and_print_escaped(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        b"-rf.png",
        b"a\nb.png",
        b"\x1b[2J.png",
        b"CON.png",
        b"caf\xc3\xa9.png",
        b"cafe\xcc\x81.png",
        b"\xf0\x9f\x94\x8d.png",
        b"gpj.\xe2\x80\xaegnp.png",
        b"\xff\xfe.png",
        b"...png",
        b"n" * 251 + b".png",
    ]
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / os.fsdecode(name) for name in names]
    words = [_picture(path, size=(4, 4)) for path in paths]
    assert run("-o", tmp_path / "out", "--", *words) == 0
    results = list((tmp_path / "out").rglob("*"))
    assert len(results) == len(names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]
    lines = "".join(capsys.readouterr()).split("\n")
    assert all(line.isprintable() for line in lines)


def test_io_10_a_result_made_meanwhile_is_kept(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Upscaler.stream
    target = tmp_path / "large.png"

    def stream(self: Upscaler, image: object, **options: Any) -> Iterator[upscaler.Step]:
        target.write_text("by another run")
        yield from real(self, image, **options)

    monkeypatch.setattr(Upscaler, "stream", stream)
    assert run(photo, "-o", target) == 2
    assert target.read_text() == "by another run"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large.png", "photo.png"]


def test_io_10_two_runs_share_a_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(6):
        _picture(tmp_path / "in" / f"{number}.png", size=(32, 32))
    runs = [_child(model, tmp_path / "in", "-o", tmp_path / "out") for _ in range(2)]
    outputs = [run.communicate(timeout=60) for run in runs]
    done = [line for out, _ in outputs for line in out.splitlines()]
    assert sorted(done) == sorted(str(p) for p in (tmp_path / "out").iterdir())
    assert len(done) == 6
    assert "Traceback" not in "".join(messages for _, messages in outputs)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_io_11_a_reader_that_leaves_does_not_end_the_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        _picture(tmp_path / "in" / f"{number}.png")
    reader, writer = os.pipe()
    os.close(reader)
    child = _child(model, tmp_path / "in", "-o", tmp_path / "out", stdout=writer)
    os.close(writer)
    _, messages = child.communicate(timeout=60)
    assert child.returncode == 0
    assert messages == "Finished: 3 done, 0 failed, 0 not done.\n"
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX environment")
def test_io_11_poor_surroundings_give_no_traceback(model: Path, tmp_path: Path) -> None:
    photo = _picture(tmp_path / "é🔍.png")
    surroundings = {
        "PATH": os.environ["PATH"],
        "LANG": "C",
        "PYTHONIOENCODING": "ascii",
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "OMP_NUM_THREADS": "1",
    }
    with _child(model, photo, "-o", tmp_path / "out", env=surroundings) as child:
        out, messages = child.communicate(timeout=60)
    assert (child.returncode, messages) == (0, "")
    assert r"\xe9\U0001f50d_swin2sr_x2.png" in out


def test_io_12_too_little_memory_is_predicted(
    run: Run,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("swin2sr.inference.hardware.available_memory", lambda *device: 1000)
    assert run(photo, "-o", tmp_path / "large.png") == 3
    assert not (tmp_path / "large.png").exists()
    assert "Crop the picture" in capsys.readouterr().err


def test_img_36_too_large_for_the_format_is_told_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stream(*unused: object, **options: object) -> Iterator[upscaler.Step]:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(Upscaler, "stream", stream)
    long = _picture(tmp_path / "long.png", size=(8192, 1))
    assert run(long, "-o", tmp_path / "long.webp") == 1
    assert "16383" in capsys.readouterr().err


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [entry.name for entry in list_models()]


def test_models_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == [entry.name for entry in list_models()]
    small = rows[0]
    assert (small["name"], small["scale"], small["offline"]) == ("swin2sr-small-x2", 2, True)


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"swin2sr {__version__}\n"


# ------------------------------------------------------------------------------------------ train


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of four pictures of 48 x 40 pixels."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name in "abcd":
        _picture(folder / f"{name}.png", size=(48, 40))
    return folder


TINY = ("--recipe", "tiny-swin2sr-x2", "--device", "cpu", "--threads", "1")
TINY = (*TINY, "--set", "patch=16", "--set", "batch=2")


def _train(*words: str | Path) -> int:
    return main(["train", *map(str, words)])


def test_recipes_are_listed_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("swin2sr-small-x2: ") for line in lines)
    assert any(line.startswith("finetune: ") for line in lines)


def test_trained_weights_can_be_used_at_once(
    album: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, weights = tmp_path / "run", tmp_path / "weights"
    code = _train(*TINY, "--data", album, "--out", out, "--steps", "2", "--export", weights)
    assert code == 0
    captured = capsys.readouterr()
    written = weights / "tiny-swin2sr-x2.safetensors"
    assert captured.out.splitlines() == [str(out / "checkpoint.pt"), str(written)]
    assert "3 images, and 1 for validation" in captured.err
    target = tmp_path / "large.png"
    assert main(["upscale", "--model", str(written), str(photo), "-o", str(target)]) == 0
    assert _pixels(target).shape == (24, 40, 3)


def test_fine_tuned_weights_can_be_used_at_once(
    model: Path, album: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--recipe", "finetune", "--from", model, "--name", "mine", "--device", "cpu")
    words = (*words, "--set", "patch=16", "--set", "batch=2", "--steps", "1", "--threads", "1")
    folders = ("--data", album, "--out", tmp_path / "run", "--export", tmp_path / "weights")
    assert _train(*words, *folders) == 0
    written = tmp_path / "weights" / "mine.safetensors"
    assert str(written) in capsys.readouterr().out
    target = tmp_path / "large.png"
    assert main(["upscale", "--model", str(written), str(photo), "-o", str(target)]) == 0
    assert _pixels(target).shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--recipe"),
        (("--recipe", "tiny-swin2sr-x2"), "--data and --out"),
        (("--recipe", "huge", "--data", "d", "--out", "o"), "swin2sr-small-x2"),
        (("--recipe", "finetune", "--data", "d", "--out", "o"), "--from NAME"),
        ((*TINY, "--data", "d", "--out", "o", "--set", "colour=red"), "'colour'"),
        ((*TINY, "--data", "d", "--out", "o", "--set", "batch=few"), "'few'"),
        ((*TINY, "--data", "d", "--out", "o", "--name", "mine"), "finetune"),
        ((*TINY, "--data", "d", "--out", "o", "--steps", "0"), "positive"),
        ((*TINY, "--data", "d", "--out", "o", "--device", "abacus"), "abacus"),
        ((*TINY, "--data", "d", "--out", "o"), "No images"),
    ],
)
def test_training_that_cannot_begin_is_exit_2_in_one_sentence(
    words: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _train(*words) == 2
    message = capsys.readouterr().err
    assert told in message
    assert len(message.splitlines()) == 1


def test_a_change_without_a_value_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _train(*TINY, "--set", "batch")
    assert caught.value.code == 2
    assert "WHAT=VALUE" in capsys.readouterr().err


def test_training_that_breaks_is_exit_3(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ("--set", "lr=1e37", "--set", "warmup=0")
    assert _train(*TINY, *changes, "--data", album, "--out", tmp_path / "run") == 3
    assert "lower learning rate" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_io_04_ctrl_c_leaves_a_run_that_can_be_gone_on_with(album: Path, tmp_path: Path) -> None:
    words = ["train", *TINY, "--data", album, "--out", tmp_path / "run"]
    command = [sys.executable, "-m", "swin2sr", *map(str, words)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        told = iter(child.stderr.readline, "")
        next(line for line in told if line.startswith("step 10/"))
        child.send_signal(signal.SIGINT)
        messages = "".join(told)
    assert child.returncode == 130
    stopped = re.search(r"stopped at step (\d+) of 300; run again to go on", messages)
    assert stopped is not None
    assert "Traceback" not in messages
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == int(stopped[1]) >= 10
