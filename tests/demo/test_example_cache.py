"""Cache of the examples' results: filled once, and with nobody else's."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swin2sr.demo.jobs.example_cache import REMARK
from swin2sr.demo.jobs.restore import RestoreJob, RestoreResult
from swin2sr.demo.queue import Update
from swin2sr.demo.service import Service


def painted(path: Path, level: int) -> str:
    Image.fromarray(np.full((12, 10, 3), level, np.uint8)).save(path)
    return str(path)


@pytest.fixture
def example(tmp_path: Path) -> str:
    return painted(tmp_path / "cat.png", 99)


class Counted:
    """A service that counts its jobs, and the action on it."""

    def __init__(self, *examples: str) -> None:
        self.service = Service()
        self.jobs = 0
        self.job = RestoreJob(self.service, examples)
        perform = self.service.perform

        def counted(*args: object) -> object:
            self.jobs += 1
            return perform(*args)  # type: ignore[arg-type]

        self.service.perform = counted  # type: ignore[method-assign,assignment]

    def ask(self, path: str, keep_metadata: bool = False) -> tuple[Update, bytes]:
        """The last update, and the file that it names while it is there."""
        steps = self.job.run("a", path, "sharpen-x2", "fast", keep_metadata)
        for update in steps:
            if update is not None and isinstance(update.result, RestoreResult):
                return update, Path(update.result.after).read_bytes()
        raise AssertionError("no result")


def test_the_second_to_ask_gets_what_the_first_one_waited_for(example: str, tmp_path: Path) -> None:
    page = Counted(example)
    first, made = page.ask(example)
    upload = tmp_path / "upload"
    upload.mkdir()
    again = painted(upload / "cat.png", 99)  # as a browser sends it: another path, the same bytes
    second, cached = page.ask(again)
    assert page.jobs == 1
    assert cached == made
    assert second.text == f"{first.text}\n\n{REMARK}"
    assert Path(second.result.after).name == Path(first.result.after).name == "cat_swin2sr_x2.png"
    assert Path(second.result.before).exists()
    assert not Path(first.result.after).exists()  # went with its job


def test_other_requests_are_other_jobs(example: str) -> None:
    page = Counted(example)
    page.ask(example)
    page.ask(example, keep_metadata=True)
    assert page.jobs == 2


def test_what_people_bring_is_never_cached(example: str, tmp_path: Path) -> None:
    page = Counted(example)
    own = painted(tmp_path / "own.png", 98)
    assert Path(own).stat().st_size == Path(example).stat().st_size
    for _ in range(2):
        update, _ = page.ask(own)
        assert REMARK not in update.text
    assert page.jobs == 2


def test_an_example_by_another_name_is_somebodys_own(example: str, tmp_path: Path) -> None:
    """Else the store would grow with every name that somebody thinks of."""
    page = Counted(example)
    for name in ("dog.png", "dog.png"):
        update, _ = page.ask(painted(tmp_path / name, 99))
        assert REMARK not in update.text
    assert page.jobs == 2


def test_a_result_that_cannot_be_cached_is_given_all_the_same(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Counted(example)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy", full)
        update, made = page.ask(example)
    assert made
    assert REMARK not in update.text
    page.ask(example)  # cached now
    third, again = page.ask(example)
    assert (page.jobs, again) == (2, made)
    Path(third.result.after).unlink()  # as a cleaner of temporary files may
    assert page.ask(example)[1] == made
    assert page.jobs == 3
    assert REMARK in page.ask(example)[0].text
    assert page.jobs == 3


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_failures_are_not_cached(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"GIF89a no")
    page = Counted(str(path))
    for _ in range(2):
        last = list(page.job.run("a", str(path), "sharpen-x2", "fast"))[-1]
        assert last is not None
        assert last.failed
    assert page.jobs == 2


def test_a_picture_that_has_gone_and_a_forged_task_are_told_by_the_job(example: str) -> None:
    page = Counted(example)
    Path(example).unlink()
    for task in ("sharpen-x2", "paint"):
        last = list(page.job.run("a", example, task, "fast"))[-1]
        assert last is not None
        assert last.failed
        assert "went wrong" not in last.text
