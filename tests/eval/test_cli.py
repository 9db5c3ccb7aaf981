"""The command line: usage, exit codes, and streams that go away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eval.cli import main
from eval.run.progress import ProgressBar
from swin2sr.console import Console
from tests.test_console import Terminal  # the same stand-in


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["walk"],
        ["run"],
        ["run", "--model", "bicubic", "--tile", "0"],
        ["run", "--model", "bicubic", "--threads", "none"],
        ["run", "--model", "bicubic", "--padding", "some"],
        ["fetch"],
    ],
)
def test_wrong_usage_is_told_by_the_parser(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(words)
    assert raised.value.code == 2
    assert "usage: python -m eval" in capsys.readouterr().err


def test_a_surprise_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("eval.run.session.run", broken)
    assert main(["run", "--model", "bicubic"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Unexpected ZeroDivisionError in test_cli.py")
    assert len(error.splitlines()) == 1


def test_sets_are_listed(trio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets", "--data", str(trio)]) == 0
    assert capsys.readouterr().out == "Trio\n"


def test_io_11_a_reader_that_goes_away_is_no_error(root: Path, trio: Path) -> None:
    words = ["run", "--model", "bicubic", "--data", str(trio), "--set", "Trio", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "eval", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    assert process.wait(100) == 0
    assert error == ""


def test_the_bar_shows_what_is_done_and_what_is_left() -> None:
    times = iter([0.0, 10.0, 25.0])
    bar = ProgressBar(Console(), 4, lambda: next(times))
    assert bar.line("a") == "[........................] 0/4  a"
    bar.step()
    assert bar.line("b") == "[######..................] 1/4, 30 s left  b"
    bar.step()
    assert bar.line("c") == "[############............] 2/4, 25 s left  c"


def test_the_bar_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ProgressBar(Console(), 4).working_on("unseen")
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    ProgressBar(Console(), 4).working_on("baby")
    assert "0/4  baby" in terminal.getvalue()
