"""Several processes make the table of one; when one dies, the rest is not lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from eval.cli import main
from eval.run import rows
from eval.run.plan import Plan, Request
from eval.run.protocol import Scores
from eval.run.rows import Row, RowLog, TableCell
from eval.run.session import _Session
from swin2sr.console import Console
from tests.eval.conftest import smooth, write
from tests.training.test_distributed import Two

QUALITY = ("images.csv", "means.csv")


def torchrun(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Two processes of this machine; they meet on a free port."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    # The harness must not be told which of them failed by a test's own environment.
    env = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return subprocess.run(
        [*command, "--nproc-per-node", "2", *words],
        cwd=root,
        env={**env, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def quintet(tmp_path: Path) -> Path:
    for seed, name in enumerate("abcde"):
        write(tmp_path / "sets" / "Quintet" / "HR" / f"{name}.png", smooth(seed))
    return tmp_path / "sets"


def command(data: Path, network: Path, out: Path) -> list[str]:
    models = ["--model", "bicubic", f"tiny={network}"]
    sets = ["--data", str(data), "--set", "Quintet", "--scale", "2", "--threads", "1"]
    return ["run", *models, *sets, "--out", str(out)]


def test_two_processes_make_the_table_of_one(
    root: Path, quintet: Path, network: Path, tmp_path: Path
) -> None:
    assert main(command(quintet, network, tmp_path / "one")) == 0
    done = torchrun(root, "-m", "eval", *command(quintet, network, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    for name in QUALITY:
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert done.stdout.count("| bicubic |") == 1  # one of them speaks
    (session,) = json.loads((tmp_path / "two" / "run.json").read_text())["sessions"]
    assert session["processes"] == 2
    assert session["images"] == 10


def test_when_one_dies_all_end_and_the_same_command_goes_on(
    root: Path, quintet: Path, network: Path, tmp_path: Path
) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            from eval.cli import main
            from eval.run.rows import RowLog

            append = RowLog.append

            def dies(self, row):
                append(self, row)
                if os.environ["RANK"] == "1" and row.image == "d":
                    os.kill(os.getpid(), signal.SIGKILL)

            RowLog.append = dies
            sys.exit(main())
            """
        )
    )
    out = tmp_path / "out"
    died = torchrun(root, str(driver), *command(quintet, network, out))
    assert died.returncode != 0
    kept, _ = rows.read(out)
    assert 2 <= len(kept) < 10
    assert not (out / "images.csv").exists()

    assert main(command(quintet, network, tmp_path / "one")) == 0
    assert main(command(quintet, network, out)) == 0
    for name in QUALITY:
        assert (out / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    session = json.loads((out / "run.json").read_text())["sessions"][-1]
    assert session["images"] == 10 - len(kept)


def test_rows_on_another_machines_disk_count(tmp_path: Path) -> None:
    cell = TableCell("m", "Set5", 2, "bicubic")
    mine, theirs = (
        Row(cell, name, "made", 8, 8, Scores(30, 0.9, 28, 0.8), 1.0, None) for name in "ab"
    )
    RowLog(tmp_path, 0).append(mine)
    other = Two(0, 2, others=[None, {theirs.key: theirs}])
    request = Request(models=("m",), out=tmp_path)
    session = _Session(request, Plan({}, {}, (), ()), other, Console())
    assert session._rows_so_far() == {mine.key: mine, theirs.key: theirs}
