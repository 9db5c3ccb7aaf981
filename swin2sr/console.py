"""Console of a command line: printable lines, progress, streams that may close, one error."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from swin2sr.errors import JobError, Swin2SRError

INTERRUPTED = 130  # exit code after Ctrl-C
_CLEAR = "\r\x1b[K"  # back to the start of the terminal's line, and empty it


def printable(text: str) -> str:
    """Put ``text`` on one line: control, direction and half characters written as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Console:
    """Console of standard output and error, written to without ever raising.

    A stream that is closed, whose reader went away, or that cannot write a character is no
    reason to lose the work that is being reported.
    """

    def __init__(self) -> None:
        self._pending = False  # a progress line stands on the terminal

    def say(self, text: str) -> None:
        """Write one line of result to standard output."""
        self._clear()
        self._write(sys.stdout, printable(text) + "\n")

    def tell(self, text: str) -> None:
        """Write one line for the person to standard error."""
        self._clear()
        self._write(sys.stderr, printable(text) + "\n")

    def progress(self, text: str) -> None:
        """Write a progress line that the next one overwrites; only on a terminal."""
        if sys.stderr is None or not sys.stderr.isatty():
            return
        width = shutil.get_terminal_size().columns - 1
        self._write(sys.stderr, _CLEAR + printable(text)[:width])
        self._pending = True

    def _clear(self) -> None:
        if self._pending:
            self._write(sys.stderr, _CLEAR)
            self._pending = False

    @staticmethod
    def _write(stream: Any, text: str) -> None:
        if stream is None:  # closed before Python started
            return
        encoding = stream.encoding or "ascii"
        try:
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError):
            # What is left in the buffer would fail once more when Python flushes it at exit.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Parser(argparse.ArgumentParser):
    """Argument parser whose complaints are printable whatever the words were."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def run_command(
    command: Callable[[Console], int], *, prefix: str = "error", interrupted: str = "Interrupted."
) -> int:
    """Run a command; whatever goes wrong becomes one line on standard error and an exit code.

    Args:
        command: gets the console, returns the exit code.
        prefix: of the line that says what went wrong. interrupted: line after Ctrl-C.
    Returns:
        The exit code; nothing but ``SystemExit`` is raised.
    """
    console = Console()
    try:
        return command(console)
    except KeyboardInterrupt:
        console.tell(interrupted)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback
        failure = as_failure(error)
        console.tell(f"{prefix}: {failure}")
        return failure.exit_code


def as_failure(error: BaseException) -> Swin2SRError:
    """Return any exception as one of ours: one sentence, a code, an exit code."""
    if isinstance(error, Swin2SRError):
        return error
    if isinstance(error, MemoryError):
        return JobError("The memory is too small.", code="memory", remedy="Use a smaller --tile.")
    if isinstance(error, OSError):
        place = "" if error.filename is None else f": {error.filename!r}"
        return Swin2SRError(f"{error.strerror or error}{place}.", code="system")
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return Swin2SRError(f"Unexpected {type(error).__name__}{place}: {error}", code="unexpected")
