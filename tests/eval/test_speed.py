"""The speed table: real processes, the same weights, medians and ratios that are what they say."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.benchmarks import networks, speed
from eval.benchmarks.networks import OURS, PEER, build, has_peer, named, picture, shapes
from eval.benchmarks.output import TimeLimit, exponent
from eval.benchmarks.process import Work, Worker
from eval.benchmarks.speed import Job, Line, jobs_for, main, measure, prepare, psnr
from eval.run.profile import Cost, measure_cost
from swin2sr import checkpoints
from swin2sr.config import SwinIRConfig
from swin2sr.errors import ConfigError, JobError, Swin2SRError
from tests.eval.conftest import TINY


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of its own would set stays out of this one."""
    monkeypatch.setattr(speed, "prepare_process", lambda: 1)
    monkeypatch.setattr(speed, "available_cores", lambda: 1)


# ------------------------------------------------------------------------------------- the networks


def test_every_shape_of_the_registry_is_measured_once() -> None:
    found = shapes()
    configs = [entry.config for entry in checkpoints.list_models()]
    assert len(found) == len({repr(config.replace(extra={})) for config in configs})
    assert "swin2sr-small-x2" in found
    assert not {"swinir-denoise-colour-15", "swinir-denoise-colour-25"} <= found.keys()


def test_networks_are_named_as_in_the_registry() -> None:
    assert list(named(["swinir-denoise-colour-25"])) == ["swinir-denoise-colour-25"]
    assert named(["all"]).keys() == shapes().keys()
    with pytest.raises(ConfigError, match="no model 'big'"):
        named(["big"])


def test_peers_are_for_what_transformers_computes_alike() -> None:
    assert has_peer(TINY)
    assert not has_peer(TINY.replace(upsampler="pixelshuffle_aux"))
    assert not has_peer(SwinIRConfig())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_libraries_hold_the_same_network(precision: str) -> None:
    pytest.importorskip("transformers")
    outputs = [prepare(Job(library, precision, TINY, 24))() for library in (OURS, PEER)]
    assert outputs[0].shape == (1, 3, 48, 48)
    assert abs(outputs[0] - outputs[1]).max() < (1e-5 if precision == "float32" else 0.1)


def test_real_weights_are_the_named_ones() -> None:
    (config,) = named(["swin2sr-small-x2"]).values()
    made = prepare(Job(OURS, "float32", config, 24, "swin2sr-small-x2"))()
    output = torch.from_numpy(made)
    halved = torch.nn.functional.avg_pool2d(output, 2)
    assert abs(halved - picture(24)).mean() < 0.02
    model = build(OURS, config, "float32", None, "cpu")
    with torch.inference_mode():
        assert abs(model(picture(24)).reconstruction - output).max() > 0.1


def test_pictures_have_any_size_and_go_on_seamlessly() -> None:
    large = picture(1100)
    assert large.shape == (1, 3, 1100, 1100)
    assert torch.equal(large[..., :512, :512], picture(512))
    assert torch.equal(large[..., 512, :], large[..., 511, :])
    assert torch.equal(picture(32, 1)[0, 0], picture(32)[0, 1])


# ------------------------------------------------------------------------------------ the processes


def count_to(job: int) -> Work:
    """Work whose results tell how often it was done."""
    if job < 0:
        raise ConfigError("No such job.")
    done = 0

    def work() -> np.ndarray:
        nonlocal done
        done += 1
        if done == job:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full(3, done)

    return work


def test_a_process_works_when_told_reports_and_may_die() -> None:
    with Worker(count_to, 3) as worker:
        assert 0 <= worker.run().seconds < 60
        worker.run()
        assert worker.output().tolist() == [2, 2, 2]
        with pytest.raises(JobError, match="ended with code -9"):
            worker.run()
    with pytest.raises(Swin2SRError, match="No such job"):
        Worker(count_to, -1)


def test_cost_is_time_and_the_rise_of_memory() -> None:
    result, cost = measure_cost(lambda: np.ones(100_000_000, np.uint8).sum())
    assert result == 100_000_000
    assert cost.seconds > 0
    if Path("/proc/self/clear_refs").exists():
        assert cost.peak_bytes is not None
        assert 90e6 < cost.peak_bytes < 150e6


# ---------------------------------------------------------------------------------------- the table


class Clock:
    """A worker whose times and output are known."""

    def __init__(self, times: list[float], value: float) -> None:
        self._times, self._value = list(times), value

    def run(self) -> Cost:
        return Cost(self._times.pop(0), 7_000_000)

    def output(self) -> np.ndarray:
        return np.full((1, 3, 2, 2), self._value, np.float32)

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_line_is_medians_ratios_and_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([([4.0, 9.0, 3.0], 0.5), ([1.0, 2.0, 90.0], 0.6)])
    monkeypatch.setattr(speed, "Worker", lambda *_: Clock(*next(made)))
    jobs = [Job(library, "float32", TINY, 100) for library in (PEER, OURS)]
    assert [str(line) for line in measure("tiny", jobs, 3)] == [
        "| tiny | 100 | transformers | float32 | 4.000 | 400.00 | 1.00 | 7 | 0.0e+00 | inf |",
        "| tiny | 100 | swin2sr | float32 | 2.000 | 200.00 | 2.00 | 7 | 1.0e-01 | 20.0 |",
    ]


def test_psnr_is_of_the_clipped_images() -> None:
    a = np.zeros((1, 3, 4, 4), np.float32)
    assert psnr(a, a) == math.inf
    assert psnr(a + 0.1, a) == pytest.approx(20, abs=1e-4)
    assert psnr(a - 5, a) == math.inf


def test_a_block_begins_with_its_reference() -> None:
    ways = [(job.library, job.precision) for job in jobs_for(TINY, 8, ["bfloat16"])]
    assert ways == [(PEER, "float32"), (PEER, "bfloat16"), (OURS, "bfloat16")]
    ways = [(j.library, j.precision) for j in jobs_for(SwinIRConfig(), 8, ["float32", "bfloat16"])]
    assert ways == [(OURS, "float32"), (OURS, "bfloat16")]


def test_the_command_prints_and_writes_the_table_and_what_it_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured_line(name: str, jobs: list[Job], repeats: int) -> list[Line]:
        side = jobs[0].side
        return [Line(name, side, OURS, "float32", side / 8, None, 1.0, 0.0, math.inf)]

    monkeypatch.setattr(speed, "measure", measured_line)
    words = ["--models", "swinir-lightweight-x3", "--sides", "16", "8", "512"]
    assert main([*words, "--most-seconds", "30", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.split(" | ")[1] for line in lines[4:]] == ["8", "16"]
    assert all(line.count("|") == lines[2].count("|") for line in lines[3:])
    assert "swinir-lightweight-x3, 512: left out, it would take about 2048 s" in shown.err
    values = json.loads((tmp_path / "speed.json").read_text())
    assert [line["side"] for line in values["lines"]] == [8, 16]
    assert values["lines"][0]["psnr"] is None
    assert (tmp_path / "speed.md").read_text().splitlines() == lines


def test_mistakes_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--models", "big"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no model 'big'")


def test_every_shape_can_be_measured() -> None:
    small: dict[str, Any] = {"depths": (1,), "num_heads": (2,), "embed_dim": 12}
    for name, config in shapes().items():
        job = Job(OURS, "float32", config.replace(**small), 2 * config.window_size)
        output = prepare(job)()
        side = job.side * config.upscale
        assert output.shape == (1, config.num_channels, side, side), name
    assert networks.ALL == "all"


# ---------------------------------------------------------------------------------- what is shared


def test_the_exponent_is_the_slope_in_logarithms() -> None:
    assert exponent([(x, 3 * x**1.5) for x in (1, 10, 100)]) == pytest.approx(1.5)
    assert exponent([(1, 2), (10, 2)]) == pytest.approx(0)
    for few in ([], [(4, 1)], [(4, 1), (4, 2)], [(4, 0), (5, 1)]):
        assert math.isnan(exponent(few))


def test_a_cap_refuses_what_would_take_too_long() -> None:
    cap = TimeLimit(10)
    assert cap.refuses(1e9) == ""  # nothing is known yet
    cap.add(100, 1.0)
    assert cap.refuses(1000) == ""
    assert "about 11 s" in cap.refuses(1100)
    cap.add(200, 4.0)  # it grows with the square
    assert cap.predict(400) == pytest.approx(16)
    assert "the limit is 10 s" in cap.refuses(400)
    cap.add(400, 4.0)
    assert cap.predict(800) == pytest.approx(8)  # never less than in proportion
