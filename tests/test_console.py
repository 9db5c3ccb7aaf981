"""Lines stay printable, streams may close, every exception becomes one of ours."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swin2sr.console import INTERRUPTED, Console, Parser, as_failure, printable, run_command
from swin2sr.errors import ConfigError, JobError


class Terminal(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@given(st.text(st.characters(codec=None)))
def test_io_09_printable_text_is_one_visible_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb.png", r"a\nb.png"),
        ("\x1b[2J.png", r"\x1b[2J.png"),
        ("gpj.\u202egnp", r"gpj.\u202egnp"),
        ("\udcff.png", r"\udcff.png"),
        ("café 🔍.png", "café 🔍.png"),
    ],
)
def test_io_09_only_dangerous_characters_are_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_io_11_unencodable_characters_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    Console().say("é🔍")
    assert buffer.getvalue() == rb"\xe9\U0001f50d" + os.linesep.encode()


def test_io_11_a_closed_or_absent_stream_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        console = Console()
        console.say("result")
        console.tell("remark")


def test_io_11_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    Console().progress("tile 1/2")
    assert plain.getvalue() == ""


def test_progress_is_cleared_before_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    console = Console()
    console.progress("a line that is too long")
    console.tell("done")
    assert terminal.getvalue() == "\r\x1b[Ka line th" + "\r\x1b[K" + "done\n"


def test_failures_keep_our_own_errors() -> None:
    error = ConfigError("no")
    assert as_failure(error) is error


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "words"),
    [
        (MemoryError(), "memory", 3, "memory is too small"),
        (OSError(errno.EACCES, "Permission denied", "a.png"), "system", 1, "'a.png'"),
        (OSError("odd"), "system", 1, "odd"),
        (KeyError("x"), "unexpected", 1, "KeyError"),
    ],
)
def test_failures_name_what_happened(
    error: Exception, code: str, exit_code: int, words: str
) -> None:
    failure = as_failure(error)
    assert (failure.code, failure.exit_code) == (code, exit_code)
    assert words in str(failure)


def test_unexpected_failures_say_where() -> None:
    with pytest.raises(KeyError) as caught:
        raise KeyError("x")
    assert "test_console.py:" in str(as_failure(caught.value))


def test_memory_failures_are_job_errors() -> None:
    assert isinstance(as_failure(MemoryError()), JobError)


def test_a_command_ends_in_an_exit_code_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(error: BaseException) -> int:
        return run_command(lambda console: raised(error), prefix="tool", interrupted="Stopped.")

    def raised(error: BaseException) -> int:
        raise error

    assert run_command(lambda console: 7) == 7
    assert fails(ConfigError("No.", remedy="Yes.")) == 2
    assert fails(ZeroDivisionError("by zero")) == 1
    assert fails(KeyboardInterrupt()) == INTERRUPTED
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "tool: No. Yes."
    assert lines[1].startswith("tool: Unexpected ZeroDivisionError in test_console.py:")
    assert lines[2:] == ["Stopped."]


def test_io_09_wrong_usage_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Parser(prog="tool").parse_args(["\x1b[2J"])
    assert ended.value.code == 2
    assert "\x1b" not in capsys.readouterr().err
