"""The speed table: real processes, the same weights, medians and ratios that are what they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.benchmarks import speed
from eval.benchmarks.speed import CONFIGS, WAYS, Job, Runner, build, main, measure, picture, psnr
from swin2sr.config import Swin2SRConfig

TINY = Swin2SRConfig(
    embed_dim=12, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect", drop_path_rate=0.0
)
pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONFIGS, "lightweight", TINY)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_libraries_hold_the_same_network(precision: str) -> None:
    pixels = picture(24)
    ours, theirs = (
        speed.run(build(f"{library} {precision}", TINY, None), pixels)
        for library in ("swin2sr", "transformers")
    )
    tolerance = 1e-5 if precision == "float32" else 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def test_real_weights_are_the_named_ones() -> None:
    model = build(WAYS[2], TINY, "swin2sr-small-x2")
    assert model.config.embed_dim != TINY.embed_dim
    with torch.inference_mode():
        result = speed.run(model, picture(24))
    halved = torch.nn.functional.avg_pool2d(result, 2)
    assert abs(halved - picture(24)).mean() < 0.02


def test_a_runner_reports_its_time_memory_and_output() -> None:
    with Runner(Job(WAYS[2], TINY, 32, None)) as runner:
        assert math.isfinite(runner.memory) or not Path("/proc/self/clear_refs").exists()
        assert 0 < runner.seconds() < 60
        output = runner.output()
    assert output.shape == (1, 3, 64, 64)
    expected = speed.run(build(WAYS[2], TINY, None), picture(32)).numpy()
    assert abs(output - expected).max() <= 1e-5


def test_psnr_is_of_the_clipped_images() -> None:
    a = np.zeros((1, 3, 4, 4), np.float32)
    assert psnr(a, a) == math.inf
    assert psnr(a + 0.1, a) == pytest.approx(20, abs=1e-4)
    assert psnr(a - 5, a) == math.inf


class Clock:
    """A runner whose times are known."""

    def __init__(self, job: Job, times: list[float], value: float) -> None:
        self.memory, self._times, self._value = 7.0, list(times), value

    def seconds(self) -> float:
        return self._times.pop(0)

    def output(self) -> np.ndarray:
        return np.full((1, 3, 2, 2), self._value, np.float32)

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_line_is_medians_ratios_and_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([([4.0, 9.0, 3.0], 0.5), ([1.0, 2.0, 90.0], 0.6)])
    monkeypatch.setattr(speed, "Runner", lambda job: Clock(job, *next(made)))
    lines = measure("tiny", [Job(way, TINY, 100, None) for way in (WAYS[0], WAYS[2])], 3)
    assert lines == [
        "| tiny x2 | 100 | transformers float32 | 4.000 | 400.00 | 1.00 | 7 | 0.0e+00 | inf |",
        "| tiny x2 | 100 | swin2sr float32 | 2.000 | 200.00 | 2.00 | 7 | 1.0e-01 | 20.0 |",
    ]


def test_the_command_prints_a_table_with_the_reference_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--models", "lightweight", "--sizes", "24", "--repeats", "1"]
    assert main([*arguments, "--ways", "swin2sr float32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[2] for line in lines[3:]] == list(WAYS[::2])
    assert all(line.count("|") == lines[1].count("|") for line in lines[1:])
