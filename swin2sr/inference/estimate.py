"""Estimate of a picture's time, MACs and memory, made before the network runs.

Automatic tiles have so many MACs (multiplications with an addition) that each takes a few seconds.
On a CPU there is no out-of-memory exception to recover from, the system kills the process: so the
memory is compared with the need beforehand, and tiles are chosen to stay far below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from swin2sr.errors import JobError
from swin2sr.inference import hardware
from swin2sr.inference.engine import Engine
from swin2sr.inference.tiling import Plan, RunLimits

if TYPE_CHECKING:
    from swin2sr.config import RestorationConfig

STEP_SECONDS = 4.0  # of waiting for one step, about
CORE_RATE = 20e9  # MACs a second of one core, about; measured 20 to 90 with two
MOST_BYTES = 2 * 1024**3  # of memory a run on the CPU may take when tiles are automatic
SAFE_SHARE = 0.8  # of the free memory that a job may plan to use
STRIP_BYTES = 128 * 1024**2  # for the strip in work, whatever the picture's size
SAFETY = 1.2  # factor on the memory of a run


@dataclass(frozen=True)
class Estimate:
    """Estimate of a picture's cost.

    Args:
        seconds: of the network, from its measured speed on this machine.
        bytes: of memory on top of what is in use now.
        tiles: runs of the network.
        fits: whether the memory suffices.
        message: one sentence with these numbers and, where it does not fit, the remedy.
    """

    seconds: float
    bytes: int
    tiles: int
    fits: bool
    message: str


def run_limits(engine: Engine, pixels: int) -> RunLimits:
    """Limits of one run for automatic tiles, from the free memory, the network's size and the
    ``pixels`` of the picture that goes in."""
    config, item_size = engine.config, engine.item_size
    free = hardware.available_memory(engine.device)
    if engine.device.type == "cuda":
        return RunLimits(pixels_within(config, free / 2, item_size), math.inf)
    left = SAFE_SHARE * free - picture_bytes(config, pixels, item_size)
    budget = min(free / 2, MOST_BYTES, left)
    # From arithmetic, not from a clock: the same machine always cuts the same tiles.
    rate = CORE_RATE * torch.get_num_threads()
    step = STEP_SECONDS * rate / macs_per_pixel(config)
    return RunLimits(pixels_within(config, budget, item_size), step)


def estimate(engine: Engine, *passes: list[Plan]) -> Estimate:
    """Estimate a picture's planned passes; measures the network's speed when it is not known."""
    plans = [plan for one in passes for plan in one]
    seconds = sum(plan.area for plan in plans) * engine.seconds_per_pixel()
    tiles = sum(len(plan.tiles) for plan in plans)
    needed, remedy = max(_memory(engine, one) for one in passes)
    message = (
        f"About {duration(seconds)} and {_gigabytes(needed)} for {plans[0].width}x"
        f"{plans[0].height} pixels in {tiles} tile{'s' if tiles > 1 else ''}. {remedy}"
    )
    return Estimate(seconds, needed, tiles, not remedy, message.strip())


def check_memory(engine: Engine, plans: list[Plan]) -> None:
    """Refuse a picture that does not fit the memory.

    Raises:
        JobError: "over_budget", with the need, what is there, and the remedy.
    """
    needed, remedy = _memory(engine, plans)
    if remedy:
        raise JobError(
            f"This picture of {plans[0].width}x{plans[0].height} pixels needs about "
            f"{_gigabytes(needed)} of memory.",
            code="over_budget",
            remedy=remedy,
        )


def macs_per_pixel(config: RestorationConfig) -> float:
    """MACs of the network for one pixel of input, about (heads other than the direct one by their
    largest layers)."""
    dim, tokens = config.embed_dim, config.layer_window**2
    layer = dim * dim * (4 + 2 * config.mlp_ratio) + 2 * tokens * dim
    group_end = 10 * dim * dim
    trunk = sum(config.depths) * layer + len(config.depths) * group_end
    direct = config.upsampler in ("", "pixelshuffledirect")
    return trunk + (0 if direct else 2 * 9 * 64 * 64 * config.upscale**2)


def run_bytes(config: RestorationConfig, pixels: int, item_size: int = 4) -> int:
    """Memory that one run of the network needs on top of its weights, at most.

    The trunk keeps about five maps of features; a head keeps the largest of its layers' input and
    output. Layers run strip by strip, so their number and the attention matrices do not count.

    Args:
        pixels: of input, margins included.
        item_size: bytes of a number.
    Returns:
        Bytes. Measured peaks were 54 to 81 % of it, over all heads, 160 to 512 pixels a side.
    """
    return int(STRIP_BYTES + SAFETY * pixels * _numbers_per_pixel(config) * item_size)


def pixels_within(config: RestorationConfig, budget: float, item_size: int = 4) -> float:
    """Pixels of input that one run may have to need at most ``budget`` bytes."""
    return max(0.0, budget - STRIP_BYTES) / (SAFETY * _numbers_per_pixel(config) * item_size)


def picture_bytes(config: RestorationConfig, pixels: int, item_size: int = 4) -> int:
    """Memory that a picture of so many ``pixels`` itself needs from reading to its 8-bit result,
    network apart, in bytes."""
    # Results are kept in no less than float32.
    return pixels * (8 + 12 * config.upscale**2) * max(item_size, 4)


def _numbers_per_pixel(config: RestorationConfig) -> float:
    """Count the numbers that live at once for each pixel of input, at the worst moment."""
    dim, scale = config.embed_dim, config.upscale
    head = {
        "pixelshuffle": 64 * (2 * scale**2 + (1 if scale == 3 else scale**2 // 4)),
        "pixelshuffle_aux": 3 * 64 * scale**2,
        "nearest+conv": 3 * 64 * scale**2,
        "pixelshuffledirect": 2 * config.num_channels_out * scale**2,
    }.get(config.upsampler, 0)
    return max(5.5 * dim, 2 * dim + head)


def _memory(engine: Engine, plans: list[Plan]) -> tuple[int, str]:
    """Compare need and free memory; bytes needed, and the remedy ("" where they are there)."""
    config, item_size, plan = engine.config, engine.item_size, plans[0]
    run = max(run_bytes(config, one.largest, item_size) for one in plans)
    picture = picture_bytes(config, plan.height * plan.width, item_size)
    # A GPU has its own memory, and running out of that only halves the tiles.
    here = picture if engine.device.type == "cuda" else picture + run
    safe = int(SAFE_SHARE * hardware.available_memory())
    if here <= safe:
        return picture + run, ""
    reach = plan.window + 2 * plan.margin
    least = min(plan.padded_height, reach) * min(plan.padded_width, reach)
    possible = picture + run_bytes(config, least, item_size) <= safe
    tiles = "Use tile='auto' or a smaller tile, or " if possible else ""
    rest = "crop the picture, or close other programs."
    return picture + run, (
        f"Only {_gigabytes(safe)} can safely be used. {tiles}{rest if tiles else rest.capitalize()}"
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(1, round(count / 1e6))} MB"


def duration(seconds: float) -> str:
    """Duration in words: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
