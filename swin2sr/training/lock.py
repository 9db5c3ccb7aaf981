"""One run a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swin2sr.errors import OutputError

NAME = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go when the process ends, however it ends.

    Where the system or the file system has no such locks, nothing is kept out.

    Raises:
        OutputError: another run works there, or the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"Another run works in {str(folder)!r}.",
                remedy="Wait for it, or choose another folder.",
            ) from error
        except OSError:
            pass
        yield
    finally:
        os.close(file)
