"""Atomic writes, of files that appear whole or not at all, and locks on folders."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from swin2sr.errors import OutputError


def write_file(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, flush it to the disk, then move it there in one step.

    An existing one (or a link of that name) is replaced. What a killed writer of the same file left
    behind is removed first.

    Raises:
        OutputError: the file cannot be written; nothing is left behind.
    """
    target = Path(path)
    if not _is_possible(target):
        raise OutputError(f"{str(target)!r} cannot be written: no file can have this name.")
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
    partial = target.parent / f".{mark}.{os.getpid()}.{threading.get_ident()}.partial"
    try:
        _remove_orphans(target.parent, mark)
        # One of our own number is left by a killed process that had it before, as in a container.
        partial.unlink(missing_ok=True)
        with open(partial, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        reason = error.strerror or str(error)
        raise OutputError(f"{str(target)!r} cannot be written: {reason}.") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """As ``write_file``, with the content at hand."""
    write_file(path, lambda file: file.write(data))


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder and its parents where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{os.fspath(folder)!r} cannot be made: {error.strerror}.") from error


@contextmanager
def lock_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder against other processes, and make it where it is missing.

    The system lets go when this process ends, however it ends; nothing is left in the folder. On
    Windows, and on network disks that know no such locks, nobody is kept out.

    Args:
        folder: what to lock.
        wait: for another process to let go; False refuses at once.
    Raises:
        OutputError: "busy", another process holds it; "output", it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        # Locked is the folder itself: a file for it would be left behind.
        lock = -1 if sys.platform == "win32" else os.open(folder, os.O_RDONLY)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"The folder {str(folder)!r} cannot be used: {reason}.") from error
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"Another run is writing into {str(folder)!r}.",
                code="busy",
                remedy="Wait for it, or choose another folder.",
            ) from error
        except OSError:  # some network disks know no locks
            pass
        yield
    finally:
        os.close(lock)


def _is_possible(path: Path) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _remove_orphans(folder: Path, mark: str) -> None:
    for left in folder.glob(f".{mark}.*.partial"):
        owner = left.name.split(".")[2]
        if owner.isdecimal() and not _is_running(int(owner)):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name == "nt":  # there, asking with signal 0 would interrupt it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
