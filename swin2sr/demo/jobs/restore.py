"""Restore job: one picture in, two files out, and a preview of the cost before that."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from swin2sr import checkpoints, images
from swin2sr.demo.jobs.example_cache import CacheKey, ExampleCache
from swin2sr.demo.messages import (
    cost_text,
    escape_markdown,
    progress_text,
    report_text,
    rough_estimate,
    size_text,
)
from swin2sr.demo.models import DEFAULT_MODEL, describe_model, task_model
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service
from swin2sr.errors import ConfigError, ImageError, Swin2SRError
from swin2sr.images.jpeg import advice
from swin2sr.inference.estimate import macs_per_pixel
from swin2sr.inference.report import Report

FAMILY = "swin2sr"  # in the names of results
# What a lent GPU is asked for. None was at hand to measure, so both are on the safe side: too long
# costs a visitor a later place in the queue, too short the job.
GPU_START = 15.0  # seconds before its first tile
GPU_RATE = 1e12  # MACs a second


@dataclass(frozen=True)
class RestoreRequest:
    """Request to run a model over a picture; plain, as it may cross to another process.

    Args:
        path: of the picture.
        model: name in the registry.
        folder: where results go.
        deadline: of the job, on its clock.
        keep_metadata: keep the camera's data.
    """

    path: str
    model: str
    folder: str
    deadline: float
    keep_metadata: bool = False


@dataclass(frozen=True)
class RestoreResult:
    """Files and report of a restored picture.

    Args:
        before, after: PNG files of the input enlarged the plain way (bicubic), and of the result.
        report: what was done.
    """

    before: str
    after: str
    report: Report


class RestoreJob:
    """Restore job: the action of the tab "Restore".

    Args:
        service: where it runs.
        examples: paths of pictures whose results are cached, for whoever asks for them again.
    """

    def __init__(self, service: Service, examples: Iterable[str] = ()) -> None:
        self._service = service
        self._examples = ExampleCache(examples)
        self._network = service.on_gpu(partial(restore_image, service), self._gpu_seconds)

    def run(
        self, owner: str, path: str | None, task: str, quality: str, keep_metadata: bool = False
    ) -> Generator[Update | None, None, None]:
        """Enlarge or repair a picture.

        Args:
            owner: who may stop it.
            path: of the picture.
            task, quality: keys of ``TASKS`` and ``QUALITIES``.
            keep_metadata: keep the camera's data (never place, thumbnail or orientation).
        Returns:
            Updates as of ``Service.perform``; the result is ``RestoreResult``. What is cached is
            there at once.
        """
        key: CacheKey | None = None
        with suppress(ConfigError):  # a task that is not offered is for the job to tell
            key = self._examples.key(path, task_model(task, quality), keep_metadata is True)
        cached = self._examples.get(key)
        if cached is not None:
            return (update for update in (None, cached))

        def work(job: Job) -> Updates:
            model = task_model(task, quality)
            if path is None:
                raise ImageError(
                    "There is no picture yet.", code="empty", remedy="Upload or paste one."
                )
            yield from self._service.load_model(job, model)
            with tempfile.TemporaryDirectory(prefix=f"{FAMILY}-") as folder:
                request = RestoreRequest(path, model, folder, job.deadline, keep_metadata is True)
                with closing(self._network(request)) as updates:
                    for update in updates:
                        if update.result is not None:
                            self._finish(job, key, update)
                        yield update

        return self._service.perform(owner, work, "restore")

    def preview(self, path: str | None, task: str, quality: str) -> str:
        """Preview of a job as Markdown: its model, and the cost as far as it is known."""
        lines = [""]
        try:
            model = task_model(task, quality)
            lines[0] = describe_model(model)
            if path is not None:
                picture = images.decode(path, limits=LIMITS)
                lines.append(self._cost(model, picture.size))
                entry = checkpoints.find(model)
                hint = advice(entry.task, picture.jpeg_quality) if entry else None
                lines += [hint] if hint else []
        except Swin2SRError as error:
            lines[1:] = [f"**{escape_markdown(str(error))}**"]
        return "\n\n".join(lines)

    def _cost(self, model: str, size: tuple[int, int]) -> str:
        service = self._service
        upscaler, included = service.models.peek(model), service.models.peek(DEFAULT_MODEL)
        if service.lends_gpu or included is None:
            return f"Your picture has {size_text(size)}."
        if upscaler is None:
            return rough_estimate(model, included, size)
        return cost_text(upscaler, size, service.slot.time_limit)

    def _finish(self, job: Job, key: CacheKey | None, update: Update) -> None:
        """Note what the log says of a result, and cache that of an example."""
        report: Report = update.result.report
        job.log_fields.update(
            input_size=report.input_size,
            output_size=report.output_size,
            tiles=report.tiles,
            precision=report.precision,
        )
        if key is not None:
            self._examples.put(key, update)

    def _gpu_seconds(self, request: RestoreRequest) -> int:
        return gpu_seconds(self._service, request.model, [request.path])


def restore_image(service: Service, request: RestoreRequest) -> Updates:
    """Run a model over a picture; write it, enlarged the plain way and by the model.

    Args:
        service: whose models.
        request: what to do.
    Yields:
        The cost, an ``Update`` a tile, and one with ``RestoreResult``.
    Raises:
        ImageError, JobError: as ``Upscaler.stream``; "over_budget" for time, too.
    """
    upscaler = service.models.get(request.model)
    picture = images.decode(request.path, limits=LIMITS, keep_metadata=request.keep_metadata)
    yield Update(cost_text(upscaler, picture.size, service.slot.time_limit))
    cancel = service.cancel_token(request.deadline)
    steps = upscaler.stream(picture, limits=LIMITS, cancel=cancel)
    next(steps)  # knows nothing yet, not even the number of tiles
    for step in steps:
        if step.picture is None or step.report is None:
            yield Update(progress_text(step), step.done, step.total)
            continue
        before = Path(request.folder, "before.png")
        name = images.output_name(Path(request.path).name, FAMILY, upscaler.scale)
        after = Path(request.folder, name)
        same_size = images.to_pil(picture).resize(step.picture.size, Image.Resampling.BICUBIC)
        same_size.save(before, compress_level=1)
        images.encode(step.picture, after, format="png")
        result = RestoreResult(str(before), str(after), step.report)
        yield Update(report_text(step.report), step.done, step.total, result)


def gpu_seconds(service: Service, model: str, paths: Sequence[str]) -> int:
    """Seconds to ask a lent GPU for, at most a job's time; short asks are served first.

    Args:
        service: whose model and time limit.
        model: name in the registry, loaded.
        paths: of the pictures; those that cannot be read cost nothing.
    """
    area = 0
    for path in paths:
        with suppress(Swin2SRError):
            width, height = images.decode(path, limits=LIMITS).size
            area += width * height
    macs = area * macs_per_pixel(service.models.get(model).config)
    return math.ceil(min(service.slot.time_limit, GPU_START + macs / GPU_RATE))
