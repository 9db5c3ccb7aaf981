"""Upscaler, the one object most people need: image in, image out.

    up = Upscaler.from_pretrained("swin2sr-lightweight-x2")
    image = up("photo.jpg")

Decoding, padding, tiles, precision, transparency and colour are settled here; the network itself
runs in ``engine``, and ``tiling`` says where to cut.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import torch
from PIL import Image
from torch import nn

from swin2sr import checkpoints, images
from swin2sr.config import choice
from swin2sr.errors import ConfigError, Swin2SRError
from swin2sr.images import DEFAULT_LIMITS, Limits, Picture
from swin2sr.images.colour import full_range_luma, replace_luma
from swin2sr.images.jpeg import advice
from swin2sr.inference.engine import Cancel, Engine, TiledPass, cancelled, orient, run_tiles
from swin2sr.inference.estimate import Estimate, check_memory, estimate, run_limits
from swin2sr.inference.report import Report, Step, fault_notes
from swin2sr.inference.target_size import TargetSize, steps_to_size
from swin2sr.inference.tiling import Plan, TilingOptions, plan_picture
from swin2sr.models import from_checkpoint


class Options(TypedDict, total=False):
    """Keyword arguments of ``Upscaler.stream``, where they are described."""

    size: Any
    tile: int | str | None
    margin: int | str
    padding: str
    self_ensemble: bool
    keep_metadata: bool
    limits: Limits
    cancel: Cancel | None


class Upscaler:
    """Upscaler: a restoration network that takes pictures of any kind and size.

    Safe to call from several threads (the network runs for one at a time) and to pickle.

    Args:
        model: a network of ``swin2sr.models``, or any module with such a ``config`` and output.
            It is moved to the device; weights and training flags are left as they are.
        device: "auto" (CUDA, MPS, CPU), "cpu", "cuda", "cuda:1", "mps" or a torch.device.
        precision: "auto", "float32", "bfloat16", "float16" (CUDA only, never the classical
            models, whose numbers are too large for it) or "float64" (for analysis).
        name, origin: what the report calls the model and where it came from.
        sha256: of the file the weights came from, hexadecimal, if they came from one.
        entry: the registry's row, if there is one.
        notes: remarks about the weights; they stand in every report.
    Raises:
        ConfigError: an unknown device or precision, or a network with channels other than 1 or 3.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        name: str = "custom",
        origin: str = "memory",
        sha256: str | None = None,
        entry: checkpoints.Entry | None = None,
        notes: Iterable[str] = (),
    ) -> None:
        self._engine = Engine(model, device, precision)
        self.name = name
        self.origin = origin
        self.sha256 = sha256
        self.entry = entry
        self.notes = tuple(notes)
        config = self.config
        if config.num_channels not in (1, 3) or config.num_channels_out != config.num_channels:
            raise ConfigError(
                f"A network with {config.num_channels} channels in and {config.num_channels_out} "
                "out does not restore pictures; 1 -> 1 (grey) and 3 -> 3 (colour) do."
            )

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        scale: int | None = None,
        task: str | None = None,
        channels: int | None = None,
    ) -> Upscaler:
        """Load a model by name.

        Args:
            name: a name of ``list_models()``, a Hugging Face id, a folder, or a weights file
                (.safetensors, .pth, .bin).
            device, precision: as for the class.
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
            scale, task, channels: refuse a model that enlarges by another factor, is for another
                task (one of ``checkpoints.TASKS``), or has another number of colours (1 or 3).
        Raises:
            WeightsError: weights that cannot be found or used.
            ConfigError: another scale, task or number of colours; an unknown device or precision.
        """
        found = checkpoints.load(
            name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        found.check_fits(scale=scale, task=task, channels=channels)
        return cls(
            from_checkpoint(found),
            device=device,
            precision=precision,
            name=found.name,
            origin=found.origin,
            sha256=found.sha256,
            entry=found.entry,
            notes=found.notes,
        )

    @property
    def model(self) -> nn.Module:
        """Network that runs."""
        return self._engine.model

    @property
    def config(self) -> Any:
        """Configuration of the network."""
        return self._engine.config

    @property
    def scale(self) -> int:
        """Output side over input side."""
        return self._engine.scale

    @property
    def task(self) -> str | None:
        """Task the registry names for the model; None for a model of your own."""
        return self.entry.task if self.entry else None

    @property
    def device(self) -> torch.device:
        """Device that the network runs on."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """Number format in use. With "auto" the first question tries the network briefly."""
        return self._engine.precision

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Lock on the network: nobody else runs it while this context lasts."""
        return self._engine.lock

    def __repr__(self) -> str:
        return f"Upscaler({self.name!r}, scale={self.scale}, device={str(self.device)!r})"

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...] | Generator[Any, None, None],
        *,
        on_error: str = ...,
        **options: Unpack[Options],
    ) -> list[Image.Image | None]: ...

    @overload
    def __call__(
        self, image: Any, *, on_error: str = ..., **options: Unpack[Options]
    ) -> Image.Image: ...

    def __call__(
        self, image: Any, *, on_error: str = "raise", **options: Unpack[Options]
    ) -> Image.Image | list[Image.Image | None]:
        """Upscale a picture, or each of several.

        Args:
            image: as ``stream``; or a list, tuple, or iterator of such.
            on_error: for several pictures. "raise" stops at the first that cannot be used,
                naming its index; "skip" warns, gives None in its place, and goes on.
            options: as ``stream``.
        Returns:
            8-bit PIL image (L, LA, RGB or RGBA); for several a list in the same order.
        Raises:
            As ``stream``.
        """
        choice("on_error", on_error, ("raise", "skip"))
        if not _is_several(image):
            return self._last_step(image, **options)[0]
        results: list[Image.Image | None] = []
        for index, one in enumerate(image):
            try:
                results.append(self._last_step(one, **options)[0])
            except Swin2SRError as error:
                message = f"Picture {index}: {error.message}"
                # Being cancelled, or options that fit no picture, are no fault of this one.
                if on_error == "raise" or error.code in ("cancelled", ConfigError.code):
                    raise type(error)(message, code=error.code, remedy=error.remedy) from error
                warnings.warn(f"{message} It was skipped.", stacklevel=2)
                results.append(None)
        return results

    def picture(self, image: Any, **options: Unpack[Options]) -> Picture:
        """Upscale a picture, keeping full precision, transparency, metadata and notes.

        Args:
            image, options: as ``stream``.
        Returns:
            A ``Picture``; its ``notes`` are those of the report.
        """
        return self._last_step(image, **options)[1]

    def _last_step(self, image: Any, **options: Unpack[Options]) -> tuple[Image.Image, Picture]:
        *_, last = self.stream(image, **options)
        assert last.image is not None
        assert last.picture is not None
        return last.image, last.picture

    def stream(
        self,
        image: Any,
        *,
        size: Any = None,
        tile: int | str | None = "auto",
        margin: int | str = "default",
        padding: str = "minimal",
        self_ensemble: bool = False,
        keep_metadata: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        cancel: Cancel | None = None,
    ) -> Iterator[Step]:
        """Upscale a picture step by step.

        The first step comes before any work, then one after each tile; the last carries the
        result. Closing the generator, or setting ``cancel``, stops the work and leaves nothing
        behind.

        Args:
            image: path, bytes, binary file, PIL image, NumPy array (H, W, 3), torch tensor
                (3, H, W), or ``Picture``; see ``images.decode``.
            size: of the result, as ``TargetSize.parse``: a factor (1.5), "1920x", "x1080",
                (1920, None), ...; the network runs as often as needed, and bicubic interpolation
                reduces what it made. None for what one pass makes.
            tile: longest side in input pixels of what one run of the network keeps; rounded up
                to the window. "auto" cuts as memory and a few seconds a step advise; None or 0
                runs the whole picture at once, which takes least time and most memory.
            margin: surroundings a tile sees: "default" (equal to the whole image up to float32
                round-off), "exact" (independent of where the cuts are), or input pixels.
            padding: "minimal", or "official" as the papers' scripts pad.
            self_ensemble: average over the 8 flips and turns: 8 times the work.
            keep_metadata: carry the camera's data along (never position or thumbnail).
            limits: largest picture accepted.
            cancel: anything with ``is_set()``; asked before every layer.
        Yields:
            ``Step``.
        Raises:
            ConfigError: an argument outside what is offered (at once, before the first step).
            ImageError, KindError, ShapeError: a picture that cannot be used.
            JobError: "over_budget" before the network runs; "cancelled", "memory", "bad_values".
        """
        tiling = TilingOptions.check(self.config, tile, margin, padding, self_ensemble)
        if size is None:
            return self._steps(image, tiling, keep_metadata, limits, cancel)
        target = TargetSize.parse(size)
        return self._sized_steps(image, target, tiling, keep_metadata, limits, cancel)

    def estimate(
        self,
        size: tuple[int, int],
        *,
        target: Any = None,
        tile: int | str | None = "auto",
        margin: int | str = "default",
        padding: str = "minimal",
        self_ensemble: bool = False,
    ) -> Estimate:
        """Estimate time and memory for a picture of this size.

        The first question runs the network twice on a small picture to learn its speed here.

        Args:
            size: of the picture, (width, height) in pixels.
            target: of the result, as ``size`` of ``stream``.
            tile, margin, padding, self_ensemble: as ``stream``.
        Raises:
            ConfigError: an argument outside what is offered.
        """
        tiling = TilingOptions.check(self.config, tile, margin, padding, self_ensemble)
        count = 1 if target is None else TargetSize.parse(target).passes(size, self.scale)
        return estimate(self._engine, *self._plans(size, count, tiling))

    def _plans(self, size: tuple[int, int], count: int, tiling: TilingOptions) -> list[list[Plan]]:
        """Plan ``count`` passes, each over the result of the one before."""
        width, height = size
        factors = [self.scale**index for index in range(count)]
        return [self._plan(height * factor, width * factor, tiling) for factor in factors]

    def _plan(self, height: int, width: int, tiling: TilingOptions) -> list[Plan]:
        limits = run_limits(self._engine, height * width)
        return plan_picture(height, width, self.config.window_size, tiling, limits)

    def _steps(
        self,
        image: Any,
        tiling: TilingOptions,
        keep_metadata: bool,
        limits: Limits,
        cancel: Cancel | None,
    ) -> Iterator[Step]:
        start = time.perf_counter()
        yield Step(0, 1, 0.0, None)
        if cancel is not None and cancel.is_set():
            raise cancelled()
        picture = images.decode(image, limits=limits, keep_metadata=keep_metadata)
        width, height = picture.size
        plans = self._plan(height, width, tiling)
        check_memory(self._engine, plans)
        left = None
        if self._engine.knows_speed():
            left = sum(plan.area for plan in plans) * self._engine.seconds_per_pixel()
        total = sum(len(plan.tiles) for plan in plans)
        yield Step(0, total, time.perf_counter() - start, left)

        pixels = picture.pixels
        if picture.alpha is not None:
            pixels = images.bleed(pixels, picture.alpha)
        colours = self.config.num_channels
        planes = pixels if colours == 3 else full_range_luma(pixels)[..., None]
        canvas = np.zeros(
            (height * self.scale, width * self.scale, colours), self._engine.numpy_dtype
        )
        passes = [
            TiledPass(orient(planes, orientation), plan, orient(canvas, orientation))
            for orientation, plan in enumerate(plans)
        ]
        for progress in run_tiles(self._engine, passes, cancel):
            left = progress.seconds / progress.area * progress.area_left
            if progress.done < progress.total:
                yield Step(progress.done, progress.total, time.perf_counter() - start, left)
        result = self._assemble(replace(picture, pixels=pixels), canvas)
        notes = [*result.notes, *self.notes, *self._engine.notes, *tiling.notes]
        notes += fault_notes(progress.redone, progress.total, progress.halved, self.precision)
        notes += filter(None, [advice(self.task, picture.jpeg_quality)])
        result = replace(result, notes=tuple(dict.fromkeys(notes)))
        image = images.to_pil(result)
        done, seconds = progress.total, time.perf_counter() - start
        report = self._report(picture, result, tiling, plans[0], done, seconds)
        yield Step(done, done, seconds, 0.0, image, result, report)

    def _sized_steps(
        self,
        image: Any,
        target: TargetSize,
        tiling: TilingOptions,
        keep_metadata: bool,
        limits: Limits,
        cancel: Cancel | None,
    ) -> Iterator[Step]:
        """Steps of as many passes as the target needs, and the reduction after them."""
        yield Step(0, 1, 0.0, None)
        picture = images.decode(image, limits=limits, keep_metadata=keep_metadata)
        size, count = target.of(picture.size), target.passes(picture.size, self.scale)
        plans = self._plans(picture.size, count, tiling)
        for plan in plans:  # before the first pass takes minutes for nothing
            check_memory(self._engine, plan)
        tiles = [sum(len(one.tiles) for one in plan) for plan in plans]
        areas = [sum(one.area for one in plan) for plan in plans]

        def run(source: Picture) -> Iterator[Step]:
            return self._steps(source, tiling, keep_metadata, limits, cancel)

        yield from steps_to_size(picture, size, tiles, areas, run)

    def _assemble(self, source: Picture, canvas: np.ndarray) -> Picture:
        """Assemble the result: colour and transparency that the network did not make.

        Args:
            source: the picture, its hidden colours bled.
            canvas: (H*s, W*s, C) what the network made, not clipped.
        """
        pixels = canvas.astype(np.float32, copy=False)
        notes = source.notes
        if source.grey:
            grey = pixels[..., 0] if pixels.shape[2] == 1 else full_range_luma(pixels)
            pixels = np.repeat(grey[..., None], 3, axis=2)
        elif pixels.shape[2] == 1:
            pixels = replace_luma(source.pixels, pixels[..., 0])
            notes += ("This model restores brightness only; the colours are the input's.",)
        alpha = source.alpha
        if alpha is not None and self.scale > 1:
            alpha = images.resize_alpha(alpha, (pixels.shape[1], pixels.shape[0]))
        pixels = np.clip(pixels, 0, 1)
        return replace(source, pixels=pixels, alpha=alpha, jpeg_quality=None, notes=notes)

    def _report(
        self,
        picture: Picture,
        result: Picture,
        tiling: TilingOptions,
        plan: Plan,
        tiles: int,
        seconds: float,
    ) -> Report:
        return Report(
            model=self.name,
            origin=self.origin,
            sha256=self.sha256,
            scale=self.scale,
            task=self.task,
            precision=self.precision,
            device=str(self.device),
            tile=plan.tile if len(plan.tiles) > 1 else None,
            tiles=tiles,
            margin=tiling.margin,
            padding=tiling.padding,
            seconds=seconds,
            input_size=picture.size,
            output_size=result.size,
            notes=result.notes,
        )


def _is_several(image: Any) -> bool:
    """Return whether there are several: an open file is an iterator, too, but holds one."""
    return isinstance(image, list | tuple) or (
        isinstance(image, Iterator) and not hasattr(image, "read")
    )
