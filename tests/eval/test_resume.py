"""Interrupted and continued: a kill at any moment costs nothing, and changes nothing."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.run import manifest, rows, session
from eval.run.rows import Row, RowLog
from tests.eval.commands import measure, tables


def test_io_04_an_interrupt_keeps_what_is_finished(
    trio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(trio, tmp_path / "whole", "--scale", "2") == 0
    append = RowLog.append

    def interrupted(self: RowLog, row: Row) -> None:
        append(self, row)
        if row.image == "b":
            raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(RowLog, "append", interrupted)
    assert measure(trio, out, "--scale", "2") == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(RowLog, "append", append)
    measured: list[str] = []
    real = session._measure

    def counted(*given: Any) -> Any:
        measured.append("one")
        return real(*given)

    monkeypatch.setattr(session, "_measure", counted)
    assert measure(trio, out, "--scale", "2") == 0
    assert measured == ["one"]
    assert "2 of 3 images are done already" in capsys.readouterr().err
    assert tables(out) == tables(tmp_path / "whole")


def killed_at(moment: int, work: Callable[[], int]) -> bool:
    """Do some work in a child that kills itself at a moment of its writing to disk.

    Moments are the calls that change the disk; a write is cut in the middle.
    Returns whether the child came to its end before.
    """
    child = os.fork()
    if child == 0:
        try:
            _count_down_to(moment)
            os._exit(work())
        except BaseException:  # noqa: BLE001 - the parent sees the code
            traceback.print_exc()
            os._exit(99)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def _count_down_to(moment: int) -> None:
    left = moment

    def watched(name: str) -> None:
        real = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    real(given[0], given[1][: len(given[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        setattr(os, name, call)

    for name in ("write", "fsync", "replace", "unlink", "rmdir"):
        watched(name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that split")
def test_io_05_killed_at_any_moment_a_run_goes_on_and_ends_in_the_same_bytes(
    trio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "commit", lambda: None)
    assert measure(trio, tmp_path / "whole", "--scale", "2") == 0
    expected = tables(tmp_path / "whole")
    finished, moment = False, 0
    while not finished:
        moment += 1
        out = tmp_path / f"out{moment}"
        finished = killed_at(moment, lambda out=out: measure(trio, out, "--scale", "2"))
        rows.read(out)  # whatever happened, what is there can be read
        assert measure(trio, out, "--scale", "2") == 0
        assert tables(out) == expected
        names = sorted(path.name for path in out.iterdir())
        assert names == ["images.csv", "means.csv", "run.json", "seconds.csv"]
    assert moment > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that split")
def test_io_05_killed_again_and_again_a_run_still_ends(
    trio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "commit", lambda: None)
    assert measure(trio, tmp_path / "whole", "--scale", "2", "3") == 0
    out = tmp_path / "out"
    kills = 0
    # Later each time: the first writes of a call go to the manifest, the images' come after them.
    while not killed_at(6 + kills, lambda: measure(trio, out, "--scale", "2", "3")):
        kills += 1
    assert kills >= 2
    assert tables(out) == tables(tmp_path / "whole")
