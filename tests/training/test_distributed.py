"""Several processes: they share each batch evenly and end with what one process gives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from swin2sr.errors import ConfigError, Swin2SRError
from swin2sr.training.__main__ import main
from swin2sr.training.distributed import Rank, init_distributed


@dataclass(frozen=True)
class Two(Rank):
    """Rank whose other process answers what it is told to, in turn."""

    others: list[Any] = field(default_factory=list)

    def gather(self, value: Any) -> list[Any]:
        other = self.others.pop(0)
        return [other, value] if self.rank else [value, other]


def test_parts_of_a_batch_are_equal_and_make_it_up() -> None:
    ranks = [Rank(rank, 3) for rank in range(3)]
    patches = list(range(12))
    parts = [patches[rank.share(12)] for rank in ranks]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert [patch for part in parts for patch in part] == patches
    with pytest.raises(ConfigError, match=r"batch of 8 .* 3 processes"):
        ranks[0].share(8)


def test_one_process_is_the_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with init_distributed() as rank:
        assert rank == Rank(0, 1, 0, 1)
        assert rank.is_first
        assert rank.device("cpu") == torch.device("cpu")
        assert rank.mean(torch.tensor(3.0)) == 3.0
        assert rank.share(5) == slice(0, 5)
        assert rank.gather("x") == ["x"]


def test_ranks_are_those_that_torchrun_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert Rank.from_environment() == Rank(5, 8, 0, 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert Rank.from_environment() == Rank(5, 8, 1, 4)
    monkeypatch.setenv("WORLD_SIZE", "1")  # one process is alone, whatever started it
    assert Rank.from_environment() == Rank()


def test_two_processes_end_with_the_weights_of_one(
    pictures: Path, tmp_path: Path, root: Path
) -> None:
    """The first step by one process, two more by two under torchrun, resumed from it."""
    words = ["--recipe", "tiny-swin2sr-x2", "--data", str(pictures), "--threads", "1"]
    words += ["--device", "cpu", "--steps", "3"]
    for change in ("patch=16", "batch=4", "warmup=0", "validate_every=3"):
        words += ["--set", change]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    assert main([*words, "--out", str(tmp_path / "two"), "--minutes", "0"]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "-m", "swin2sr.training"]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [*launcher, *words, "--out", str(tmp_path / "two"), "--export", str(tmp_path / "weights")],
        cwd=root,
        env=surroundings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("resumed at step 1 of 3") == 1  # the first process speaks for all
    assert done.stdout.splitlines() == [
        str(tmp_path / "two" / "checkpoint.pt"),
        str(tmp_path / "weights" / "tiny-swin2sr-x2.safetensors"),
    ]
    one, two = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("one", "two")
    )
    assert one["step"] == two["step"] == 3
    assert one["loss_sum"] == two["loss_sum"] == 0.0  # both logged
    logs = [(tmp_path / name / "log.csv").read_text().splitlines()[-1] for name in ("one", "two")]
    losses = [float(line.split(",")[2]) for line in logs]
    assert losses[0] == pytest.approx(losses[1], abs=2e-6)
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=0, atol=2e-5, msg=name)


def test_an_error_of_one_is_an_error_of_all() -> None:
    def fails() -> None:
        raise ConfigError("Mine.", remedy="Mend it.")

    for rank in (0, 1):
        assert Two(rank, 2, others=[None]).agree(lambda: 7) == 7
        with pytest.raises(ConfigError, match="Mine"):
            Two(rank, 2, others=[None]).agree(fails)
        told = ("Theirs.", "config", "Mend it.", 2)
        with pytest.raises(Swin2SRError, match=r"Theirs\. Mend it\.") as raised:
            Two(rank, 2, others=[told]).agree(lambda: 7)
        assert raised.value.exit_code == 2
