"""Engine: one network on one device, in the precision that suits both, one thread at a time.

``Engine.run`` is one run of the network; ``run_tiles`` is all the runs of a plan. Numbers go in
and out as float32 on the CPU (float64 in the precision of that name).
"""

from __future__ import annotations

import copy
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from swin2sr.config import choice
from swin2sr.errors import ConfigError, JobError, ShapeError
from swin2sr.images.samples import sample_picture
from swin2sr.inference import hardware
from swin2sr.inference.tiling import Plan, Tile, round_up
from swin2sr.nn.windows import pad_to_windows
from swin2sr.processing import to_tensor

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
PRECISIONS = ("auto", *DTYPES)
TOLERANCE = 2 / 255  # mean difference to float32 a shorter format may cause
WIDE = 96  # features; on a CPU narrower networks gain too little from bfloat16 (1.1 times at 60)
SAMPLE_SIDE = 64  # pixels of the picture that precision and speed are judged on
TIMING_SECONDS = 1.0  # a run of the sample picture is repeated while all took less than this
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class Cancel(Protocol):
    """Cancel token: anything that can be asked whether to stop, as a ``threading.Event``."""

    def is_set(self) -> bool:
        """Return whether the work should stop."""
        ...


@dataclass(frozen=True)
class Progress:
    """Progress of ``run_tiles``."""

    done: int  # tiles
    total: int  # tiles; grows when memory ran out and tiles were halved
    area: int  # pixels the network has seen, margins included
    area_left: int  # pixels it will see
    seconds: float  # spent in the network so far
    redone: int  # tiles computed again in float32 because their numbers were not finite
    halved: int  # how often memory ran out


class Engine:
    """Network ready to run on a device, in a precision.

    Args:
        model: module with a ``config`` (``window_size``, ``upscale``, ``num_channels``, ``depths``,
            ``embed_dim``, ``upsampler``) whose call returns an object with ``reconstruction``. It
            is moved to the device; its weights and its training flags are left as they are.
        device: see ``hardware.pick_device``.
        precision: one of ``PRECISIONS``. "auto" is bfloat16 where the device multiplies it in
            hardware, the network is wide enough to gain from it and, tried once, its result
            stays within ``TOLERANCE`` of float32; else float32. No clock is asked, so the same
            machine always chooses the same.
    Raises:
        ConfigError: an unknown device or precision.
    """

    def __init__(
        self, model: nn.Module, device: str | torch.device = "auto", precision: str = "auto"
    ) -> None:
        choice("precision", precision, PRECISIONS)
        self.device = hardware.pick_device(device)
        if precision == "float64" and self.device.type == "mps":
            raise ConfigError("The device 'mps' has no float64.", remedy="Use device='cpu'.")
        self.model = model.to(self.device)
        self.config: Any = model.config
        self.notes: tuple[str, ...] = ()
        self._requested = precision
        self._precision: str | None = None
        self._lock = threading.RLock()
        self._copies: dict[str, tuple[object, nn.Module]] = {}
        self._speeds: dict[tuple[str, int], float] = {}
        _engines.add(self)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_lock"]
        # A worker makes its own copies and measures its own machine, but keeps the precision.
        return state | {"_copies": {}, "_speeds": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        _engines.add(self)

    @property
    def scale(self) -> int:
        """Output side over input side."""
        return int(self.config.upscale)

    @property
    def precision(self) -> str:
        """Number format in use; for "auto" the first question runs the network once or twice."""
        if self._precision is None:  # asked without the lock, which another thread may hold long
            with self._lock:
                if self._precision is None:
                    self._precision = self._choose_precision()
        return self._precision

    @property
    def numpy_dtype(self) -> type[np.floating]:
        """Format of results: float64 in that precision, else float32."""
        return np.float64 if self.precision == "float64" else np.float32

    @property
    def item_size(self) -> int:
        """Bytes of one number in the network."""
        return DTYPES[self.precision].itemsize

    @property
    def lock(self) -> threading.RLock:
        """Lock held while the network runs: for those who hook into it."""
        return self._lock

    def run(self, pixels: Tensor, cancel: Cancel | None = None) -> tuple[Tensor, bool]:
        """Run the network once.

        Args:
            pixels: (1, C, H, W), 0..1, H and W multiples of the window.
            cancel: asked before every layer.
        Returns:
            (1, C', H*scale, W*scale) on the CPU, not clipped, float32 (float64 in that
            precision); and whether a shorter format failed and float32 had to be used.
        Raises:
            JobError: "bad_values" when float32, too, gives numbers that are not finite;
                "cancelled".
        """
        with self._lock:
            precision, area = self.precision, pixels.shape[2] * pixels.shape[3]
            start = time.perf_counter()
            result = self._forward(precision, pixels, cancel)
            if bool(result.isfinite().all()):
                if area >= SAMPLE_SIDE**2:  # smaller runs say nothing about large ones
                    speed = (time.perf_counter() - start) / area
                    self._speeds[precision, torch.get_num_threads()] = speed
                return result, False
            if precision in ("bfloat16", "float16"):
                result = self._forward("float32", pixels, cancel)
                if bool(result.isfinite().all()):
                    return result, True
        raise JobError(
            "The network gave numbers that are not finite.",
            code="bad_values",
            remedy="Its weights may be damaged: load them again or choose another model.",
        )

    def seconds_per_pixel(self) -> float:
        """Seconds the network needs for one pixel of input here, now: those of its last run, or
        else of the slowest of up to three small ones. Kept by precision and number of threads."""
        key = (self.precision, torch.get_num_threads())
        if key not in self._speeds:  # asked without the lock, as in ``precision``
            with self._lock:
                if key not in self._speeds:
                    self._speeds[key] = self._measure_speed(self.precision)
        return self._speeds[key]

    def knows_speed(self) -> bool:
        """Return whether ``seconds_per_pixel`` answers without running anything."""
        return (self._precision or "", torch.get_num_threads()) in self._speeds

    def _measure_speed(self, precision: str) -> float:
        pixels = self._sample()
        self._forward(precision, pixels, None)  # the first run also fills caches
        times: list[float] = []
        while len(times) < 3 and sum(times) < TIMING_SECONDS:
            start = time.perf_counter()
            self._forward(precision, pixels, None)
            times.append(time.perf_counter() - start)
        return max(times) / (pixels.shape[2] * pixels.shape[3])

    def _sample(self) -> Tensor:
        side = round_up(SAMPLE_SIDE, self.config.window_size)
        return sample_picture(side, self.config.num_channels)

    def _choose_precision(self) -> str:
        """Choose the precision; leaves a note where it is not the one requested."""
        if self._requested == "float16" and (reason := self._float16_fault()):
            self.notes += (f"float16 was asked for, float32 is used: {reason}.",)
            return "float32"
        if self._requested != "auto":
            return self._requested
        narrow = self.device.type == "cpu" and self.config.embed_dim < WIDE
        if narrow or not hardware.has_fast_bfloat16(self.device):
            return "float32"
        pixels = self._sample()
        full = self._forward("float32", pixels, None)
        difference = self._forward("bfloat16", pixels, None) - full
        # A comparison with NaN is False: numbers that are not finite do not agree either.
        if float(difference.abs().mean()) <= TOLERANCE:
            return "bfloat16"
        self._copies.pop("bfloat16", None)
        self.notes += ("bfloat16 is not accurate enough with this model: float32 is used.",)
        return "float32"

    def _float16_fault(self) -> str:
        if self.device.type != "cuda":
            return f"the device {self.device.type!r} does not compute in float16"
        if self.config.embed_dim >= 180 and self.config.upsampler.startswith("pixelshuffle"):
            return "the activations of classical models exceed its largest number, 65504"
        return ""

    def _network(self, precision: str) -> nn.Module:
        """Return the model in a precision: itself, or a copy that is brought up to date.

        The copy's numbers are written anew for each run, since a write to the weights through
        ``.data`` or NumPy leaves no trace; it is made anew when the model has other parameters.
        """
        dtype = DTYPES[precision]
        tensors = [*self.model.parameters(), *self.model.buffers()]
        if all(p.dtype == dtype for p in self.model.parameters()):
            return self.model
        shapes = [(id(one), one.shape) for one in tensors]
        made_of, made = self._copies.get(precision, (None, None))
        if made is None or made_of != shapes:
            made = copy.deepcopy(self.model).to(dtype).eval()
            self._copies[precision] = shapes, made
        else:
            torch._foreach_copy_([*made.parameters(), *made.buffers()], tensors)
        return made

    def _forward(self, precision: str, pixels: Tensor, cancel: Cancel | None) -> Tensor:
        outside = torch.float64 if precision == "float64" else torch.float32
        with (
            self._lock,
            torch.inference_mode(),
            evaluating(network := self._network(precision)),
            interruptible(network, cancel),
        ):
            result: Tensor = network(pixels.to(self.device, outside).contiguous()).reconstruction
        wanted = tuple(side * self.scale for side in pixels.shape[2:])
        if tuple(result.shape[2:]) != wanted:
            raise ShapeError(
                f"The network made {tuple(result.shape[2:])} (height, width) of "
                f"{tuple(pixels.shape[2:])}, expected {wanted}."
            )
        return result.to("cpu", outside)


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _in_forked_child() -> None:
    """Replace locks in a forked child, which has none of its parent's other threads."""
    if _engines:
        torch.set_num_threads(1)  # OpenMP would look for its helpers
    for engine in _engines:
        engine._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


@dataclass(frozen=True)
class TiledPass:
    """Pass of the network over a picture, tile by tile, and the canvas for its result."""

    planes: np.ndarray  # (H, W, C) float in 0..1
    plan: Plan  # where to cut it
    canvas: np.ndarray  # (H*scale, W*scale, C') float, added to in place

    def padded(self) -> Tensor:
        """Return the planes as (1, C, H', W'), filled up to whole windows as the plan says."""
        return pad_to_windows(
            to_tensor(self.planes), self.plan.window, self.plan.padding == "official"
        )

    def add(self, result: Tensor, tile: Tile, scale: int, weight: float) -> None:
        """Add a tile's centre, less what lies beyond the image, to the canvas."""
        centre, crop = tile.centre, tile.crop
        bottom = min(centre.bottom, self.plan.height)
        right = min(centre.right, self.plan.width)
        inner = result[
            0,
            :,
            (centre.top - crop.top) * scale : (bottom - crop.top) * scale,
            (centre.left - crop.left) * scale : (right - crop.left) * scale,
        ]
        rows = slice(centre.top * scale, bottom * scale)
        columns = slice(centre.left * scale, right * scale)
        self.canvas[rows, columns] += inner.permute(1, 2, 0).numpy() * weight


def run_tiles(
    engine: Engine, passes: Sequence[TiledPass], cancel: Cancel | None = None
) -> Iterator[Progress]:
    """Run the network over every tile of every pass, adding each kept centre to its canvas.

    Several passes are averaged: what each adds is divided by their number. When memory runs out,
    the tiles still to do are halved and the work goes on; finished tiles stay. The generator may
    be closed between tiles; ``cancel`` is asked between them and before every layer.

    Yields:
        One ``Progress`` after each tile.
    Raises:
        JobError: "cancelled"; "memory" when not even one window fits; "bad_values".
    """
    waiting = [[*one.plan.tiles] for one in passes]
    done = area = redone = halved = 0
    seconds = 0.0
    for one, tiles in zip(passes, waiting, strict=True):
        pixels = one.padded()
        while tiles:
            if cancel is not None and cancel.is_set():
                raise cancelled()
            crop = tiles[0].crop
            start = time.perf_counter()
            out_of_memory = False
            try:
                result, again = engine.run(
                    pixels[:, :, crop.top : crop.bottom, crop.left : crop.right], cancel
                )
            except (MemoryError, RuntimeError) as error:
                if isinstance(error, JobError) or not _is_out_of_memory(error):
                    raise
                out_of_memory = True  # handled below, where no traceback holds tensors
            seconds += time.perf_counter() - start
            if out_of_memory:
                tiles[:] = _halve_all(engine, one.plan, tiles)
                halved += 1
                continue
            one.add(result, tiles.pop(0), engine.scale, 1 / len(passes))
            done, area, redone = done + 1, area + crop.area, redone + again
            left = [tile.crop.area for later in waiting for tile in later]
            yield Progress(done, done + len(left), area, sum(left), seconds, redone, halved)


def orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Flip and turn an image, as a view: writing to it writes to ``array``.

    Args:
        array: (H, W, C).
        orientation: 0..7. Bit 0: upside down, bit 1: left to right, bit 2: rows and columns
            swapped.
    """
    if orientation & 4:
        array = array.swapaxes(0, 1)
    return array[:: -1 if orientation & 1 else 1, :: -1 if orientation & 2 else 1]


def cancelled() -> JobError:
    """Error of a job that was asked to stop."""
    return JobError("The job was cancelled.", code="cancelled")


def _halve_all(engine: Engine, plan: Plan, waiting: list[Tile]) -> list[Tile]:
    """Halve the tiles still to do; JobError "memory" when the first is one window."""
    smaller = [half for tile in waiting for half in plan.halves(tile)]
    if len(plan.halves(waiting[0])) == 1:
        raise JobError(
            "The memory is too small for even one window of this picture.",
            code="memory",
            remedy="Close other programs, use a smaller margin, or a smaller model.",
        )
    if engine.device.type == "cuda":
        torch.cuda.empty_cache()
    return smaller


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode; every module's own training flag comes back afterwards."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def interruptible(model: nn.Module, cancel: Cancel | None) -> Iterator[None]:
    """Attach hooks that ask ``cancel`` before every layer, so that a long run, too, can stop."""

    def ask(module: nn.Module, inputs: object) -> None:
        if cancel is not None and cancel.is_set():
            raise cancelled()

    layers = [
        layer
        for block in (model.modules() if cancel is not None else ())
        if isinstance(block, nn.ModuleList)
        for layer in block
    ]
    hooks = [layer.register_forward_pre_hook(ask) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
