"""Inspect jobs: attention, hidden states and attribution of a network on a visitor's picture."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from swin2sr import checkpoints, images, inspect, plots
from swin2sr.config import RestorationConfig
from swin2sr.demo.jobs.crop import Crop, check_choice, crop_around
from swin2sr.demo.jobs.inspect_results import (
    AttentionResult,
    AttributionResult,
    StatesResult,
    seconds_text,
)
from swin2sr.demo.jobs.restore import GPU_RATE, GPU_START
from swin2sr.demo.messages import size_text
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service
from swin2sr.errors import ConfigError, ImageError, JobError
from swin2sr.inference import hardware
from swin2sr.inference.engine import interruptible
from swin2sr.inference.estimate import SAFE_SHARE, macs_per_pixel
from swin2sr.inference.upscaler import Upscaler

# Of an attribution. The paper takes 50; with 10 the maps of two patches (swin2sr-small-x2, a cat's
# eye) correlate with those to 0.998, and the index is at most 0.01 off.
STEP_CHOICES = (10, 20, 50)
PATCH_SIDES = (8, 16, 24, 32)  # pixels of the picture that went in, side of a patch
TIMED_STEPS = 2  # steps after which the time of the others is known
BACKWARD_COST = (
    4.5  # a step forward and back takes 3 to 4.6 times a run without gradients (measured)
)


@dataclass(frozen=True)
class InspectRequest:
    """Request to inspect a network; plain, as it may cross to another process.

    Args:
        path: of the picture.
        model: name in the registry.
        crop: of the picture.
        deadline: of the job, on its clock.
        flow: follow attention through all layers, too.
        patch: (x, y, side) of an attribution's patch, in pixels of the crop.
        steps: of an attribution.
    """

    path: str
    model: str
    crop: Crop
    deadline: float
    flow: bool = False
    patch: tuple[int, int, int] = (0, 0, 1)
    steps: int = 0


class InspectJob:
    """Inspect jobs: the actions of the tab "Look inside".

    Args:
        service: where they run.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._attention_network = service.on_gpu(self._run_attention, self._gpu_seconds)
        self._states_network = service.on_gpu(self._run_states, self._gpu_seconds)
        self._attribution_network = service.on_gpu(self._run_attribution, self._gpu_seconds)

    def attention(
        self, owner: str, path: str | None, model: Any, x: Any, y: Any, side: Any, flow: Any
    ) -> Generator[Update | None, None, None]:
        """Attention of a pixel in every layer and head.

        Args:
            owner: who may stop it.
            path: of the picture.
            model: its name, one of ``inspectable_models()``.
            x, y: of the pixel in the picture; None for the middle.
            side: of the crop at most, one of ``crop.CROP_SIDES``.
            flow: follow it through all layers together, too.
        Returns:
            Updates as of ``Service.perform``; the result is ``AttentionResult``.
        """

        def work(job: Job) -> Updates:
            request = yield from self._prepare(job, path, model, x, y, side, flow=flow is True)
            yield from self._attention_network(request)

        return self._service.perform(owner, work, "attention")

    def hidden_states(
        self, owner: str, path: str | None, model: Any, x: Any, y: Any, side: Any
    ) -> Generator[Update | None, None, None]:
        """Hidden states of the network on the picture, depth by depth.

        Args:
            owner, path, model, x, y, side: as ``attention``.
        Returns:
            Updates as of ``Service.perform``; the result is ``StatesResult``.
        """

        def work(job: Job) -> Updates:
            request = yield from self._prepare(job, path, model, x, y, side)
            yield from self._states_network(request)

        return self._service.perform(owner, work, "hidden_states")

    def attribution(
        self,
        owner: str,
        path: str | None,
        models: tuple[Any, ...],
        x: Any,
        y: Any,
        side: Any,
        patch_side: Any,
        steps: Any,
    ) -> Generator[Update | None, None, None]:
        """Attribution of a patch of the output to pixels, for one network or several.

        Args:
            owner, path, x, y, side: as ``attention``; the pixel is the patch's middle.
            models: their names.
            patch_side: of the patch, in pixels of the picture that goes in, one of ``PATCH_SIDES``.
            steps: one of ``STEP_CHOICES``.
        Returns:
            Updates as of ``Service.perform``, one a step; the result is a tuple of
            ``AttributionResult``.
        """

        def work(job: Job) -> Updates:
            patch = check_choice(patch_side, PATCH_SIDES, "patch")
            count = check_choice(steps, STEP_CHOICES, "steps")
            found: list[AttributionResult] = []
            total = count * len(models)
            for number, model in enumerate(models):
                request = yield from self._prepare(
                    job, path, model, x, y, side, patch_side=patch, steps=count
                )
                for update in self._attribution_network(request):
                    if update.result is None:
                        yield Update(update.text, number * count + update.done, total)
                    else:
                        found.append(update.result)
            yield Update("Done.", total, total, tuple(found))

        return self._service.perform(owner, work, "attribution")

    def crop(self, path: str, model: Any, x: Any, y: Any, side: Any) -> tuple[Crop, np.ndarray]:
        """Crop that would be inspected, and the whole picture, (H, W, 3) in 0..1; runs nothing.

        Raises:
            ConfigError, ImageError: as the actions.
        """
        picture = images.decode(path, limits=LIMITS)
        window = model_config(self._check_model(model)).window_size
        return crop_around(picture.size, x, y, side, window), picture.pixels

    def _check_model(self, model: Any) -> str:
        """Check a model's name: nobody may have another downloaded by looking into it."""
        names = inspectable_models()
        if model not in names:
            raise ConfigError(
                f"{str(model)[:40]!r} cannot be looked into here; choose {', '.join(names)}."
            )
        return str(model)

    def _prepare(
        self,
        job: Job,
        path: str | None,
        model: Any,
        x: Any,
        y: Any,
        side: Any,
        flow: bool = False,
        patch_side: int = 1,
        steps: int = 0,
    ) -> Generator[Update, None, InspectRequest]:
        """Check the request, choose the crop, load the model."""
        if path is None:
            raise ImageError(
                "There is no picture yet.", code="empty", remedy="Upload one, or take an example."
            )
        known = self._check_model(model)
        crop, _ = self.crop(path, known, x, y, side)
        job.log_fields.update(input_size=(crop.width, crop.height))
        yield from self._service.load_model(job, known)
        patch = crop.patch_box(patch_side)
        return InspectRequest(path, known, crop, job.deadline, flow, patch, steps)

    def _run_attention(self, request: InspectRequest) -> Updates:
        upscaler, picture = self._load_inputs(request)
        crop = request.crop
        runs = 2 if request.flow else 1
        yield self._cost_update(upscaler, crop, runs)
        with self._cancellable(upscaler, request):
            maps = inspect.attention_to(upscaler, picture, crop.pixel)
        flow = None
        if request.flow:
            yield Update("Following attention through all blocks.", 1, runs)
            with self._cancellable(upscaler, request):
                flow = inspect.rollout(upscaler, picture, crop.pixel)[0].numpy()
        distance, entropy = inspect.pixel_statistics(maps, crop.pixel)
        config = upscaler.config
        rows, columns = (
            slice(max(0, at - config.window_size + 1), at + config.window_size)
            for at in crop.pixel[::-1]
        )
        found = AttentionResult(
            model=request.model,
            crop=crop,
            picture=picture,
            maps=maps[:, :, rows, columns].numpy().copy(),
            corner=(columns.start, rows.start),
            labels=inspect.layer_labels(config),
            windows=layer_windows(config),
            distance=distance.numpy(),
            entropy=entropy.numpy(),
            flow=flow,
        )
        yield Update("Done.", runs, runs, found)

    def _run_states(self, request: InspectRequest) -> Updates:
        upscaler, picture = self._load_inputs(request)
        yield self._cost_update(upscaler, request.crop, 1)
        with self._cancellable(upscaler, request):
            states = inspect.hidden_states(upscaler, picture)
        (colours,) = inspect.pca_pictures(states)
        norms = inspect.token_norms(states)
        found = StatesResult(
            model=request.model,
            crop=request.crop,
            labels=states.labels,
            colours=_to_uint8(colours),
            norms=_to_uint8(plots.norm_pictures(norms)),
            norm_range=plots.norm_range(norms),
            channel_norms=inspect.channel_norms(states).numpy(),
        )
        yield Update("Done.", 1, 1, found)

    def _run_attribution(self, request: InspectRequest) -> Updates:
        upscaler, picture = self._load_inputs(request)
        patch = tuple(length * upscaler.scale for length in request.patch)
        x, y, side = patch
        self._check_memory(upscaler, request, (x, y, side))
        yield Update(f"{request.model}: step 1 of {request.steps}.", 0, request.steps)
        started = time.monotonic()
        work = inspect.attribution_steps(upscaler, picture, (x, y, side), request.steps)
        while True:
            try:
                with self._cancellable(upscaler, request):
                    done = next(work)
            except StopIteration as end:
                found: inspect.Attribution = end.value
                break
            pace = (time.monotonic() - started) / done
            left = (request.steps - done) * pace
            if done == TIMED_STEPS and time.monotonic() + left > request.deadline:
                raise _time_error(
                    f"{request.steps} steps back through {request.model}",
                    request.steps * pace,
                    self._service.slot.time_limit,
                    "fewer steps, a smaller crop",
                )
            text = f"{request.model}: step {min(done + 1, request.steps)} of {request.steps}"
            yield Update(f"{text}, {seconds_text(left)} left.", done, request.steps)
        attributed = AttributionResult(
            model=request.model,
            crop=request.crop,
            picture=picture,
            patch=request.patch,
            map=found.map.numpy(),
            diffusion_index=found.diffusion_index,
            steps=request.steps,
        )
        yield Update("Done.", request.steps, request.steps, attributed)

    def _load_inputs(self, request: InspectRequest) -> tuple[Upscaler, np.ndarray]:
        """Load the model and the crop, (H, W, 3) uint8: what is drawn is what the network sees."""
        picture = images.decode(request.path, limits=LIMITS)
        return self._service.models.get(request.model), _to_uint8(request.crop.cut(picture.pixels))

    @contextmanager
    def _cancellable(self, upscaler: Upscaler, request: InspectRequest) -> Iterator[None]:
        """Context in which the network asks before every layer whether to go on."""
        cancel = self._service.cancel_token(request.deadline)
        with upscaler.lock, interruptible(upscaler.model, cancel):
            yield

    def _cost_update(self, upscaler: Upscaler, crop: Crop, runs: int) -> Update:
        """Update with the cost of a job; "over_budget" above memory or time."""
        size = (crop.width, crop.height)
        estimate = upscaler.estimate(size, tile=None)
        if not estimate.fits:
            raise JobError(estimate.message, code="over_budget")
        seconds, limit = runs * estimate.seconds, self._service.slot.time_limit
        if seconds > limit:
            raise _time_error(f"Running over {size_text(size)}", seconds, limit, "a smaller crop")
        return Update(f"Running {upscaler.name} over {size_text(size)}, {seconds_text(seconds)}.")

    def _check_memory(
        self, upscaler: Upscaler, request: InspectRequest, patch: tuple[int, int, int]
    ) -> None:
        """Check that there is memory for an attribution; "over_budget" where there is not."""
        size = (request.crop.height, request.crop.width)
        area, needed = inspect.attribution_cost(upscaler.config, size, patch)
        free = int(SAFE_SHARE * hardware.available_memory(upscaler.device))
        if needed > free:
            raise JobError(
                f"Looking back through {upscaler.name} over {area} pixels needs about "
                f"{needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB can be used.",
                code="over_budget",
                remedy="Choose a smaller crop or a smaller model.",
            )

    def _gpu_seconds(self, request: InspectRequest) -> int:
        """Seconds to ask a lent GPU for."""
        area = request.crop.width * request.crop.height
        macs = area * macs_per_pixel(model_config(request.model))
        runs = max(1 + request.flow, BACKWARD_COST * request.steps)
        return math.ceil(min(self._service.slot.time_limit, GPU_START + runs * macs / GPU_RATE))


def inspectable_models() -> list[str]:
    """Names of the models that can be inspected: packaged ones, and others that are here."""
    entries = checkpoints.list_models()
    return [entry.name for entry in entries if checkpoints.is_here(entry)]


def model_config(name: str) -> RestorationConfig:
    """Configuration of a model in the registry."""
    entry = checkpoints.find(name)
    if entry is None:
        raise ConfigError(f"There is no model {name[:40]!r}.")
    return entry.config


def layer_windows(config: RestorationConfig) -> tuple[tuple[int, int], ...]:
    """Window and shift of every layer, in pixels."""
    return tuple(
        (config.layer_window, config.layer_shift if layer % 2 else 0)
        for depth in config.depths
        for layer in range(depth)
    )


def _time_error(what: str, seconds: float, limit: float, instead: str) -> JobError:
    return JobError(
        f"{what} would take {seconds_text(seconds)}; the limit here is {limit:.0f} s.",
        code="over_budget",
        remedy=f"Choose {instead} or a smaller model.",
    )


def _to_uint8(pictures: torch.Tensor | np.ndarray) -> np.ndarray:
    """Convert pictures in 0..1 to uint8."""
    return (np.asarray(pictures) * 255).round().clip(0, 255).astype(np.uint8)
