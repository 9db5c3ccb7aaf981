"""Scaling curves: whole and in tiles, fitted, capped; and the counts of operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.benchmarks import counts, scaling
from eval.benchmarks.counts import count
from eval.benchmarks.networks import named
from eval.benchmarks.output import TimeLimit
from eval.benchmarks.scaling import Job, Point, curve, fits, prepare
from eval.run.profile import Cost
from swin2sr.config import SwinIRConfig
from swin2sr.errors import ConfigError, JobError
from tests.eval.conftest import TINY


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of its own would set stays out of this one."""
    monkeypatch.setattr(scaling, "prepare_process", lambda: 1)


def test_whole_and_tiles_are_the_same_picture() -> None:
    whole, tiles = (prepare(Job(TINY, way, 40, "float32", "cpu"))() for way in ("whole", "tiles"))
    assert whole.shape == (80, 80, 3)
    assert np.abs(whole - tiles).max() < 1e-4


class FakeWorker:
    """A worker that takes what the test says, by the side of its picture."""

    cost: Callable[[int], float]

    def __init__(self, prepare: object, job: Job, device: str) -> None:
        self.side = job.side

    def run(self) -> Cost:
        return Cost(type(self).cost(self.side), self.side**2 * 10)

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def jobs(*sides: int) -> list[Job]:
    return [Job(TINY, "whole", side, "float32", "cpu") for side in sides]


def test_sizes_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorker.cost = staticmethod(lambda side: side**2 / 1e4)
    monkeypatch.setattr(scaling, "Worker", FakeWorker)
    found = list(curve("net", jobs(100, 200, 400), 2, TimeLimit(10)))
    assert [point.side for point in found if isinstance(point, Point)] == [100, 200]
    assert found[-1] == "net, whole, 400: left out: it would take about 16 s, the limit is 10 s."


def test_sizes_that_need_too_much_memory_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(side: int) -> float:
        if side > 100:
            raise JobError("Too large.", code="over_budget")
        return 1.0

    FakeWorker.cost = staticmethod(cost)
    monkeypatch.setattr(scaling, "Worker", FakeWorker)
    found = list(curve("net", jobs(100, 200), 1, TimeLimit(1e9)))
    assert found[1] == "net, whole, 200: left out: Too large."


def test_other_errors_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(side: int) -> float:
        raise ConfigError("Wrong.")

    FakeWorker.cost = staticmethod(cost)
    monkeypatch.setattr(scaling, "Worker", FakeWorker)
    with pytest.raises(ConfigError, match="Wrong"):
        list(curve("net", jobs(100), 1, TimeLimit(1e9)))


def test_fits_are_by_model_and_way() -> None:
    points = [Point("a", "whole", s, s**2 * 2.0, s * 100) for s in (10, 20, 40)]
    points += [Point("a", "tiles", s, s**3, None) for s in (10, 20)]
    time, memory = fits(points)["a", "whole"]
    assert (time, memory) == (pytest.approx(1), pytest.approx(0.5))
    time, memory = fits(points)["a", "tiles"]
    assert time == pytest.approx(1.5)
    assert np.isnan(memory)


def test_the_command_writes_table_fit_and_plots(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeWorker.cost = staticmethod(lambda side: side**2 / 1e4)
    monkeypatch.setattr(scaling, "Worker", FakeWorker)
    words = ["--models", "swin2sr-small-x2", "--sides", "100", "200", "800", "--out", str(tmp_path)]
    assert scaling.main([*words, "--ways", "whole", "--most-seconds", "10"]) == 0
    out = capsys.readouterr().out
    assert "| swin2sr-small-x2 | whole | 200 | 40,000 | 4.000 | 100.00 | 0 |" in out
    assert "| swin2sr-small-x2 | whole | 1.00 | 1.00 |" in out
    text = (tmp_path / "scaling.md").read_text()
    assert "| swin2sr-small-x2 | whole | 1.00 | 1.00 |" in text
    assert "swin2sr-small-x2, whole, 800: left out" in text
    assert len(json.loads((tmp_path / "scaling.json").read_text())["lines"]) == 2
    assert (tmp_path / "scaling_time.png").stat().st_size > 1000
    assert (tmp_path / "scaling_memory.png").stat().st_size > 1000


# ---------------------------------------------------------------------------------- the operations


def test_operations_are_the_layers_own() -> None:
    dim, window = 12, 8
    config = SwinIRConfig(
        embed_dim=dim,
        depths=(2,),
        num_heads=(2,),
        window_size=window,
        upscale=2,
        upsampler="pixelshuffledirect",
        mlp_ratio=2.0,
    )
    found = count(config)
    layer = 4 * dim * dim + 2 * 2 * dim * dim  # qkv and projection; two linear maps of the MLP
    products = 2 * window**2 * dim  # queries with keys, weights with values
    convolutions = 9 * (3 * dim + dim * dim + dim * dim + dim * 3 * 4)
    assert found.attention_per_pixel == pytest.approx(2 * products)
    assert found.per_pixel == pytest.approx(2 * (layer + products) + convolutions)
    assert found.at_720p == pytest.approx(found.per_pixel * 640 * 360)


def test_the_input_is_counted_with_its_padding() -> None:
    found = count(TINY.replace(upscale=3))
    assert found.at_720p == pytest.approx(found.per_pixel * 432 * 240)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("swinir-lightweight-x2", 195.6e9), ("swin2sr-lightweight-x2", 199.0e9)],
)
def test_without_attention_products_it_is_what_papers_print(name: str, printed: float) -> None:
    (config,) = named([name]).values()
    assert count(config).at_720p_without_attention == pytest.approx(printed, rel=0.02)


def test_parameters_are_the_networks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--models", "swin2sr-small-x2", "--out", str(tmp_path)]
    assert counts.main(words) == 0
    assert "| swin2sr-small-x2 | 510,380 |" in capsys.readouterr().out
    (line,) = json.loads((tmp_path / "counts.json").read_text())["lines"]
    assert line["parameters"] == 510_380
    assert line["per_pixel"] > line["attention_per_pixel"] > 0
