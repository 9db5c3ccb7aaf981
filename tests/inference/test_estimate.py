"""Estimates: memory and MACs by arithmetic, durations as people say them."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.inference import estimate, hardware
from swin2sr.inference.engine import Engine
from swin2sr.inference.estimate import duration, macs_per_pixel, run_bytes, run_limits
from swin2sr.inference.tiling import plan_within

HEADS = {
    "direct": {"upsampler": "pixelshuffledirect"},
    "direct-w7": {"upsampler": "pixelshuffledirect", "window_size": 7, "upscale": 3},
    "classical": {"upsampler": "pixelshuffle"},
    "classical-x3": {"upsampler": "pixelshuffle", "upscale": 3},
    "compressed": {"upsampler": "pixelshuffle_aux", "upscale": 4},
    "real": {"upsampler": "nearest+conv", "upscale": 4, "resi_connection": "3conv"},
    "jpeg": {"upsampler": "", "upscale": 1, "num_channels": 1, "window_size": 7},
    "denoise": {"upsampler": "", "upscale": 1},
}
SMALL = Swin2SRConfig(embed_dim=12, depths=(2, 2), num_heads=(2, 2), upsampler="pixelshuffle")


@pytest.fixture
def engine() -> Engine:
    return Engine(Swin2SRForImageSuperResolution(SMALL), "cpu", "float32")


def test_automatic_tiles_stay_within_half_of_the_memory(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    for free in (4_000_000_000, 1_000_000_000, 600_000_000):
        monkeypatch.setattr(hardware, "available_memory", lambda device="cpu", free=free: free)
        plan = plan_within(2000, 2000, 8, 64, run_limits(engine, 2000 * 2000))
        assert run_bytes(SMALL, plan.largest, 4) <= free / 2
        sizes.append(plan.largest)
    assert sizes == sorted(sizes, reverse=True)


def test_automatic_tiles_ask_no_clock(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "available_memory", lambda device="cpu": 64_000_000_000)
    monkeypatch.setattr(Engine, "_measure_speed", lambda *_: pytest.fail("timed"))
    first, second = (run_limits(engine, 1500 * 1000) for _ in range(2))
    assert first == second
    monkeypatch.setattr(estimate, "CORE_RATE", estimate.CORE_RATE / 64)
    assert run_limits(engine, 1500 * 1000).step == first.step / 64


@pytest.mark.parametrize("head", HEADS)
def test_macs_are_those_torch_counts(head: str) -> None:
    """Within a third: the tables of position biases and the smallest layers are left out."""
    config = Swin2SRConfig(embed_dim=60, depths=(2, 2), num_heads=(6, 6), **HEADS[head])
    model = Swin2SRForImageSuperResolution(config).eval()
    side = 16 * config.window_size
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.rand(1, config.num_channels, side, side))
    counted = counter.get_total_flops() / 2 / side**2
    assert 2 / 3 < macs_per_pixel(config) / counted < 3 / 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (42, "42 s"),
        (600, "10 min"),
        (5300, "88 min"),
        (9000, "2 h 30 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations_are_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
