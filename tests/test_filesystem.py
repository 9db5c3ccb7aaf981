"""Atomic writes and locks on folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from swin2sr.errors import OutputError
from swin2sr.filesystem import lock_folder, write_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")

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


@posix
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


@posix
def test_io_10_a_killed_process_lets_go(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(OutputError, match="Another run"), lock_folder(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with lock_folder(tmp_path):
            pass


@posix
def test_io_10_one_waits_for_another(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.close()
        with lock_folder(tmp_path, wait=True):
            assert (tmp_path / "done").exists()
        assert process.wait() == 0


@posix
def test_io_02_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot be used") as refused,
        lock_folder(tmp_path / "file" / "out"),
    ):
        pass
    assert refused.value.code == "output"


@posix
def test_io_02_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write anywhere
    with (
        pytest.raises(OutputError, match="cannot be used: Permission denied"),
        lock_folder(tmp_path),
    ):
        pass


def test_io_01_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file(target, fail)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_io_01_killed_writer_leaves_no_target_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    code = (
        "import os, sys; from swin2sr.filesystem import write_file\n"
        "write_file(sys.argv[1], lambda file: (file.write(b'half'), os.kill(os.getpid(), 9)))"
    )
    target = tmp_path / "a.png"
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", code, str(target)], check=False, cwd=root)
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    write_file(target, lambda file: file.write(b"whole"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_io_01_leftover_of_a_process_with_our_number_is_replaced(tmp_path: Path) -> None:
    names: list[str] = []
    write_file(tmp_path / "a", lambda file: names.append(str(file.name)))
    Path(names[0]).write_bytes(b"left")
    write_file(tmp_path / "a", lambda file: file.write(b"whole"))
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("owner", ["9" * 30, "\u00b2", "x", "4294967296"])
def test_io_01_odd_leftover_names_do_no_harm(tmp_path: Path, owner: str) -> None:
    names: list[str] = []
    write_file(tmp_path / "a", lambda file: names.append(Path(file.name).name))
    parts = names[0].split(".")
    parts[2] = owner
    (tmp_path / ".".join(parts)).touch()
    write_file(tmp_path / "a", lambda file: file.write(b"whole"))
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("name", ["missing/a.png", "x" * 300, "a\0b", "\ud800", "folder"])
def test_io_02_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_file(tmp_path / name, lambda file: file.write(b"x"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_io_02_full_disk_is_one_line_and_no_partial(tmp_path: Path) -> None:
    def full(file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_file(tmp_path / "a", full)
    assert list(tmp_path.iterdir()) == []


def test_io_03_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside, link = tmp_path / "outside", tmp_path / "link"
    outside.write_bytes(b"safe")
    os.symlink(outside, link)
    write_file(link, lambda file: file.write(b"new"))
    assert outside.read_bytes() == b"safe"
    assert not link.is_symlink()


def test_io_02_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_file(tmp_path / "a", lambda file: file.write(b"x"))
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
