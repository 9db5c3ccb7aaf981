"""The table of training steps: real processes, medians and ratios that are what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.benchmarks import training
from eval.benchmarks.training import EAGER, KERNELS, Job, jobs_for, main, measure, prepare
from eval.run.profile import Cost
from swin2sr.errors import ConfigError
from swin2sr.kernels import library
from swin2sr.kernels.build import KernelError
from swin2sr.training.recipes import Recipe, find_recipe

TINY = replace(find_recipe("tiny-swin2sr-x2"), batch=2, patch=10)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of its own would set stays out of this one."""
    monkeypatch.setattr(training, "prepare_process", lambda _: 1)


def test_a_turn_trains_and_gives_the_first_gradient() -> None:
    work = prepare(Job(TINY, EAGER, 1, 2))
    first = work().copy()
    assert np.isfinite(first).all()
    assert np.linalg.norm(first) > 0
    np.testing.assert_array_equal(work(), first)
    torch.manual_seed(9)  # whatever happened in between
    np.testing.assert_array_equal(prepare(Job(TINY, EAGER, 1, 1))(), first)


def test_kernels_are_used_or_the_benchmark_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        library.load()
    except KernelError as error:
        pytest.skip(f"no kernels: {error}")
    recipe = replace(TINY, patch=8)
    ours, theirs = (prepare(Job(recipe, way, 1, 1))() for way in (KERNELS, EAGER))
    assert 0 < np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs)
    monkeypatch.setenv("SWIN2SR_KERNELS", "0")
    with pytest.raises(ConfigError, match="SWIN2SR_KERNELS=0"):
        prepare(Job(recipe, KERNELS, 1, 1))


def test_a_block_begins_with_its_reference() -> None:
    jobs = jobs_for(TINY, [2, 1], 3, compiled=False)
    assert [(j.threads, j.way, j.recipe.precision) for j in jobs] == [
        (threads, way, precision)
        for threads in (1, 2)
        for way in ("eager", "kernels")
        for precision in ("float32", "bfloat16")
    ]
    assert len(jobs_for(TINY, [1], 3, compiled=True)) == 5


class Clock:
    """A worker whose times and output are known."""

    def __init__(self, times: list[float], value: float) -> None:
        self._times, self._value = list(times), value

    def run(self) -> Cost:
        return Cost(self._times.pop(0), None)

    def output(self) -> np.ndarray:
        return np.full(4, self._value, np.float32)

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_line_is_medians_and_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    known = iter(
        [
            *([([4.0, 9.0, 3.0], 1.0), ([1.0, 2.0, 90.0], 1.5)]),
            *([([4.0, 4.0, 4.0], 1.0), ([1.0, 1.0, 1.0], 1.0)]),
        ]
    )
    monkeypatch.setattr(training, "Worker", lambda *_: Clock(*next(known)))
    jobs = [Job(TINY, way, threads, 2) for threads in (1, 2) for way in (EAGER, KERNELS)]
    name = "| tiny-swin2sr-x2"
    assert [str(line) for line in measure(jobs, 3)] == [
        f"{name} | 1 | eager | float32 | 2000.0 | 10000.0 | 1.00 | 1.00 | 0.0e+00 |",
        f"{name} | 1 | kernels | float32 | 1000.0 | 5000.0 | 2.00 | 1.00 | 5.0e-01 |",
        f"{name} | 2 | eager | float32 | 2000.0 | 10000.0 | 1.00 | 1.00 | 0.0e+00 |",
        f"{name} | 2 | kernels | float32 | 500.0 | 2500.0 | 4.00 | 2.00 | 0.0e+00 |",
    ]


def test_the_command_prints_and_writes_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The processes are real, but only those that need no compiler.
    def jobs(recipe: Recipe, *others: Any) -> list[Job]:
        return [job for job in jobs_for(recipe, *others) if job.way == EAGER]

    monkeypatch.setattr(training, "jobs_for", jobs)
    words = ["--recipes", "tiny-swinir-x2", "--threads", "1", "--batch", "1", "--patch", "8"]
    assert main([*words, "--repeats", "1", "--steps", "1", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[2:4] for line in lines[4:]] == [
        ["eager", "float32"],
        ["eager", "bfloat16"],
    ]
    assert all(line.count("|") == lines[2].count("|") for line in lines[3:])
    values = json.loads((tmp_path / "training.json").read_text())
    assert [line["precision"] for line in values["lines"]] == ["float32", "bfloat16"]
    assert (tmp_path / "training.md").read_text().splitlines() == lines
