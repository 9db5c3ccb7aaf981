"""Locks on folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swin2sr.errors import OutputError
from swin2sr.filesystem import lock_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")

HOLD = """
import sys, time
from pathlib import Path
from swin2sr.filesystem import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
    Path(sys.argv[1], "done").touch()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_io_10_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "made" / "for it"
    with (
        lock_folder(out),
        pytest.raises(OutputError, match="Another run is writing") as refused,
        lock_folder(out),
    ):
        pass
    assert refused.value.code == "busy"
    with lock_folder(out):
        assert list(out.iterdir()) == []


def test_io_10_a_killed_process_lets_go(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(OutputError, match="Another run"), lock_folder(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with lock_folder(tmp_path):
            pass


def test_io_10_one_waits_for_another(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.close()
        with lock_folder(tmp_path, wait=True):
            assert (tmp_path / "done").exists()
        assert process.wait() == 0


def test_io_02_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot be used") as refused,
        lock_folder(tmp_path / "file" / "out"),
    ):
        pass
    assert refused.value.code == "output"


def test_io_02_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write anywhere
    with (
        pytest.raises(OutputError, match="cannot be used: Permission denied"),
        lock_folder(tmp_path),
    ):
        pass
