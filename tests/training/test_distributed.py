"""Several processes: they share each batch evenly and end with what one process gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from swin2sr.errors import ConfigError
from swin2sr.training.__main__ import main
from swin2sr.training.distributed import Here, join


def test_parts_of_a_batch_are_equal_and_make_it_up() -> None:
    processes = [Here(torch.device("cpu"), rank, 3) for rank in range(3)]
    patches = list(range(12))
    parts = [patches[here.part(12)] for here in processes]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert [patch for part in parts for patch in part] == patches
    with pytest.raises(ConfigError, match=r"batch of 8 .* 3 processes"):
        processes[0].part(8)


def test_one_process_is_alone() -> None:
    with join("cpu") as here:
        assert (here.rank, here.size, here.first) == (0, 1, True)
        assert here.mean(torch.tensor(3.0)) == 3.0
        assert here.part(5) == slice(0, 5)


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
