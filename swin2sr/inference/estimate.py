"""What a job will cost in time and memory, decided before it runs.

On a CPU there is no out-of-memory exception to recover from, the system kills the process: so the
memory is compared with the need beforehand, and tiles are chosen to stay far below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from swin2sr.errors import ConfigError, JobError
from swin2sr.inference import hardware, tiling
from swin2sr.inference.engine import Engine
from swin2sr.inference.tiling import Plan

STEP_SECONDS = 4.0  # how long one step should keep a person waiting, about
CORE_RATE = 20e9  # multiplications a second of one core, about; measured 20 to 90 with two
MOST_BYTES = 2 * 1024**3  # of memory a run on the CPU may take when tiles are automatic
SAFE_SHARE = 0.8  # of the free memory that a job may plan to use
TURNS = 8  # flips and turns of a self-ensemble; those from 4 on swap height and width


@dataclass(frozen=True)
class Estimate:
    """What a picture will cost, before anything is run on it.

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


@dataclass(frozen=True)
class Wishes:
    """Checked wishes about tiles.

    Args:
        tile: longest side of a kept centre, a multiple of the window; None for the whole image,
            "auto" for ours to choose.
        margin: pixels, a multiple of the window.
        padding: "minimal" or "official".
        self_ensemble: average over flips and turns.
        notes: what was rounded.
    """

    tile: int | str | None
    margin: int
    padding: str
    self_ensemble: bool
    notes: tuple[str, ...]

    @classmethod
    def check(
        cls,
        engine: Engine,
        tile: int | str | None,
        margin: int | str,
        padding: str,
        self_ensemble: bool,
    ) -> Wishes:
        """Read the arguments people give (see ``Upscaler.stream``).

        Raises:
            ConfigError: an argument outside what is offered.
        """
        config = engine.config
        window: int = config.window_size
        notes: list[str] = []
        if isinstance(tile, str) and tile != "auto":
            raise ConfigError(f"tile must be 'auto', None or pixels, got {tile!r}.")
        if isinstance(margin, str):
            named = {"default": tiling.default_margin, "exact": tiling.exact_margin}
            if margin not in named:
                raise ConfigError(f"margin must be 'default', 'exact' or pixels, got {margin!r}.")
            margin = named[margin](config)
        # Cutting the smallest picture there is checks every other wish.
        if getattr(config, "use_absolute_embeddings", False) and tile:
            # The position table is stretched over each run: tiles would see other positions.
            if tile != "auto":
                notes.append("This model knows absolute positions: tiles change its result.")
            else:
                tile = None
        side = None if isinstance(tile, str) else tile
        rounded = tiling.plan(window, window, window, side, margin, padding=padding).margin
        if rounded != margin:
            notes.append(f"The margin of {margin} was rounded up to {rounded} (window {window}).")
        if isinstance(tile, int) and tile % window:
            notes.append(f"The tile of {tile} was rounded up to a multiple of {window}.")
            tile = tiling.round_up(tile, window)
        return cls(tile or None, rounded, padding, bool(self_ensemble), tuple(notes))


def plans(engine: Engine, height: int, width: int, wishes: Wishes) -> list[Plan]:
    """How a picture will be cut: one plan, or one for each turn of a self-ensemble."""
    flat = _plan(engine, height, width, wishes)
    if not wishes.self_ensemble:
        return [flat]
    swapped = _plan(engine, width, height, wishes)
    return [flat] * (TURNS // 2) + [swapped] * (TURNS // 2)


def estimate(engine: Engine, height: int, width: int, wishes: Wishes) -> Estimate:
    """Time and memory for a picture; measures the network's speed when it is not known."""
    cut = plans(engine, height, width, wishes)
    seconds = sum(plan.area for plan in cut) * engine.seconds_per_pixel()
    tiles = sum(len(plan.tiles) for plan in cut)
    needed, advice = _memory(engine, cut)
    message = (
        f"About {duration(seconds)} and {_gigabytes(needed)} for {width}x{height} pixels "
        f"in {tiles} tile{'s' if tiles > 1 else ''}. {advice}"
    )
    return Estimate(seconds, needed, tiles, not advice, message.strip())


def multiplications(config: Any) -> float:
    """Multiplications of the network for one pixel of input, about (heads other than the direct
    one by their largest layers).

    Args:
        config: of a restoration network.
    """
    dim, tokens = config.embed_dim, config.layer_window**2
    layer = dim * dim * (4 + 2 * config.mlp_ratio) + 2 * tokens * dim
    group_end = 10 * dim * dim
    trunk = sum(config.depths) * layer + len(config.depths) * group_end
    direct = config.upsampler in ("", "pixelshuffledirect")
    return trunk + (0 if direct else 2 * 9 * 64 * 64 * config.upscale**2)


def require(engine: Engine, cut: list[Plan]) -> None:
    """Refuse a job that does not fit the memory.

    Raises:
        JobError: "over_budget", with the need, what is there, and the remedy.
    """
    needed, advice = _memory(engine, cut)
    if advice:
        raise JobError(
            f"This picture of {cut[0].width}x{cut[0].height} pixels needs about "
            f"{_gigabytes(needed)} of memory.",
            code="over_budget",
            remedy=advice,
        )


def _plan(engine: Engine, height: int, width: int, wishes: Wishes) -> Plan:
    config = engine.config
    window: int = config.window_size
    if not isinstance(wishes.tile, str):
        return tiling.plan(
            height, width, window, wishes.tile, wishes.margin, padding=wishes.padding
        )
    free = hardware.available_memory(engine.device)
    budget = free / 2
    if engine.device.type != "cuda":
        held = tiling.picture_bytes(config, height * width, engine.item_size)
        budget = min(budget, MOST_BYTES, SAFE_SHARE * free - held)
    step = math.inf
    if engine.device.type != "cuda":
        # From arithmetic, not from a clock: the same machine always cuts the same tiles.
        rate = CORE_RATE * torch.get_num_threads()
        step = STEP_SECONDS * rate / multiplications(config)
    return tiling.plan_within(
        height,
        width,
        window,
        wishes.margin,
        most=tiling.pixels_within(config, budget, engine.item_size),
        step=step,
        padding=wishes.padding,
    )


def _memory(engine: Engine, cut: list[Plan]) -> tuple[int, str]:
    """Bytes needed, and what to do when they are not there ("" when they are)."""
    config, size = engine.config, engine.item_size
    run = max(tiling.run_bytes(config, plan.largest, size) for plan in cut)
    held = tiling.picture_bytes(config, cut[0].height * cut[0].width, size)
    # A GPU has its own memory, and running out of that only halves the tiles.
    here = held if engine.device.type == "cuda" else held + run
    safe = int(SAFE_SHARE * hardware.available_memory())
    if here <= safe:
        return held + run, ""
    plan = cut[0]
    reach = plan.window + 2 * plan.margin
    least = min(plan.padded_height, reach) * min(plan.padded_width, reach)
    possible = held + tiling.run_bytes(config, least, size) <= safe
    tiles = "Use tile='auto' or a smaller tile, or " if possible else ""
    rest = "crop the picture, or close other programs."
    return held + run, (
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
