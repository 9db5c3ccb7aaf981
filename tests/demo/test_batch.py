"""Many pictures: each with its own outcome, and what is finished stays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.demo.jobs import batch
from swin2sr.demo.jobs.batch import ARCHIVE, BatchJob, BatchResult, check_uploads
from swin2sr.demo.queue import JobSlot, Update
from swin2sr.demo.service import Service
from swin2sr.errors import ImageError, JobError
from swin2sr.inference.upscaler import Upscaler

TINY = Swin2SRConfig(embed_dim=12, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect")


def load(name: str) -> Upscaler:
    torch.manual_seed(0)
    model = Swin2SRForImageSuperResolution(TINY).eval()
    return Upscaler(model, device="cpu", precision="float32", name=name)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., str]:
    """Stores a picture of its own under a name, in a folder of its own, as uploads are."""
    made: list[Path] = []

    def make(name: str = "a.png", data: bytes | None = None) -> str:
        path = tmp_path / str(len(made)) / name
        path.parent.mkdir()
        if data is None:
            pixels = np.random.default_rng(len(made)).integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        else:
            path.write_bytes(data)
        made.append(path)
        return str(path)

    return make


def run(
    service: Service, paths: list[str], meanwhile: Callable[[Update], None] = lambda update: None
) -> tuple[BatchResult, str, list[str]]:
    """The last batch, what was said of it, and the names and pictures of the zip."""
    for update in BatchJob(service).run("a", paths, "sharpen-x2", "fast"):
        if update is None:
            continue
        assert not update.failed, update.text
        meanwhile(update)
        if isinstance(update.result, BatchResult) and update.result.ended:
            packed = []
            if update.result.archive:
                with zipfile.ZipFile(update.result.archive) as archive:
                    assert archive.testzip() is None
                    packed = archive.namelist()
            assert all(Path(one).is_file() for one in update.result.files)
            last = update.result, update.text, packed
    return last


def test_each_picture_is_what_it_is_alone(picture: Callable[..., str]) -> None:
    paths = [picture("a.png"), picture("b.png")]
    alone = [np.asarray(load("x")(path)) for path in paths]
    seen = []
    for update in BatchJob(Service(load)).run("a", paths, "sharpen-x2", "fast"):
        if update is not None and isinstance(update.result, BatchResult) and update.result.ended:
            with zipfile.ZipFile(str(update.result.archive)) as archive:
                assert Path(str(update.result.archive)).name == ARCHIVE
                for name in archive.namelist():
                    with archive.open(name) as file:
                        seen.append(np.asarray(Image.open(file)))
    assert [np.array_equal(one, other) for one, other in zip(seen, alone, strict=True)] == [
        True
    ] * 2


def test_a_bad_picture_does_not_stop_the_others(picture: Callable[..., str]) -> None:
    paths = [picture("a.png"), picture("b.gif", b"GIF89a no"), picture("c.png")]
    found, text, packed = run(Service(load), paths)
    assert [one.code for one in found.outcomes] == ["done", "corrupt", "done"]
    assert packed == ["a_swin2sr_x2.png", "c_swin2sr_x2.png"]
    assert text.startswith("2 of 3 pictures done.\n")
    assert "2. b: The GIF file is damaged" in text


def test_neither_does_an_unforeseen_fault(
    picture: Callable[..., str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = batch.restore_image

    def breaks(service: Service, request: Any) -> Any:
        if request.path.endswith("b.png"):
            raise RuntimeError("a secret")
        return whole(service, request)

    monkeypatch.setattr(batch, "restore_image", breaks)
    found, text, packed = run(Service(load), [picture("b.png"), picture("c.png")])
    assert [one.code for one in found.outcomes] == ["fault", "done"]
    assert "secret" not in text
    assert "a secret" in caplog.text
    assert packed == ["c_swin2sr_x2.png"]


def test_files_of_one_name_stay_apart(picture: Callable[..., str]) -> None:
    _, _, packed = run(Service(load), [picture("a.png"), picture("a.png"), picture("A.png")])
    assert packed == ["a_swin2sr_x2.png", "a_swin2sr_x2_2.png", "A_swin2sr_x2_3.png"]


def test_stop_keeps_what_is_finished(picture: Callable[..., str]) -> None:
    service = Service(load)

    def stop(update: Update) -> None:
        if isinstance(update.result, BatchResult) and len(update.result.files) == 1:
            service.slot.stop("a")

    found, text, packed = run(service, [picture(), picture(), picture()], stop)
    assert packed == ["a_swin2sr_x2.png"]
    assert [one.code for one in found.outcomes][0::2] == ["done", "waiting"]
    assert text.startswith("Stopped. 1 of 3 pictures done.")
    assert "The time was over" not in text
    assert service.slot.holder is None


def test_load_08_the_deadline_is_the_whole_batchs_and_who_was_not_reached_is_named(
    picture: Callable[..., str],
) -> None:
    clock = Clock()
    service = Service(load, JobSlot(time_limit=120, clock=clock))

    def wait(update: Update) -> None:
        if isinstance(update.result, BatchResult):
            clock.now += 61

    found, text, packed = run(service, [picture(f"{name}.png") for name in "abcd"], wait)
    assert packed == ["a_swin2sr_x2.png", "b_swin2sr_x2.png"]
    assert [one.code for one in found.outcomes] == ["done", "done", "waiting", "waiting"]
    assert "The time was over: 120 s is the limit here." in text
    assert "4. d: Not reached." in text


def test_a_batch_of_nothing_but_bad_pictures_ends_without_a_zip(
    picture: Callable[..., str],
) -> None:
    found, text, packed = run(Service(load), [picture("a.png", b"")])
    assert found.archive is None
    assert packed == []
    assert text.startswith("0 of 1 picture done.")


def test_the_caps_name_their_numbers(picture: Callable[..., str]) -> None:
    with pytest.raises(ImageError, match="no pictures yet"):
        check_uploads([])
    small = picture("a.png")
    assert check_uploads([small] * 20) == 20 * Path(small).stat().st_size
    with pytest.raises(JobError, match="21 files; 20 at a time"):
        check_uploads([small] * 21)
    with pytest.raises(ImageError, match=r"11\.0 MB together; the limit is 10 MB"):
        check_uploads([picture("b.png", bytes(5_500_000)), picture("c.png", bytes(5_500_000))])


def test_nothing_is_left_behind(picture: Callable[..., str]) -> None:
    folders = []

    def remember(update: Update) -> None:
        if isinstance(update.result, BatchResult):
            folders.extend(Path(one).parent for one in update.result.files)

    run(Service(load), [picture(), picture()], remember)
    assert folders
    assert not any(folder.exists() for folder in folders)


def test_the_preview_says_what_a_batch_may_take(picture: Callable[..., str]) -> None:
    preview = BatchJob(Service(load)).preview
    assert "2 pictures, 0.1 MB. There are 2 min for all" in preview(
        [picture(), picture()], "sharpen-x2", "fast"
    )
    assert "**There are 21 files" in preview([picture()] * 21, "sharpen-x2", "fast")
    assert "is not offered" in preview([], "sharpen-x3", "fast")
