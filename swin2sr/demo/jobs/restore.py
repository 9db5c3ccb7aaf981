"""One picture restored: a file in, two files out, and what it will cost before that."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from swin2sr import checkpoints, images
from swin2sr.demo.jobs.example_cache import Kept
from swin2sr.demo.messages import cost, guess, pixels, plain, standing, summary
from swin2sr.demo.models import INCLUDED, describe, model_for
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service
from swin2sr.errors import ConfigError, ImageError, Swin2SRError
from swin2sr.images.jpeg import advice
from swin2sr.inference.estimate import multiplications
from swin2sr.inference.report import Report

FAMILY = "swin2sr"  # in the names of results
# What a lent GPU is asked for. None was at hand to measure, so both are on the safe side: too long
# costs a visitor a later place in the queue, too short the job.
GPU_START = 15.0  # seconds before its first tile
GPU_RATE = 1e12  # multiplications a second


@dataclass(frozen=True)
class Wish:
    """What one run over a picture needs to know; plain, as it may cross to another process.

    Args:
        path: of the picture.
        name: of the model.
        folder: where results go.
        ends: of the job, on its clock.
        keep_metadata: keep the camera's data.
    """

    path: str
    name: str
    folder: str
    ends: float
    keep_metadata: bool = False


@dataclass(frozen=True)
class Restored:
    """What restoring made.

    Args:
        before, after: PNG files of the input enlarged the plain way (bicubic), and of the result.
        report: what was done.
    """

    before: str
    after: str
    report: Report


class Restoring:
    """The action of the tab "Restore".

    Args:
        service: where it runs.
        examples: paths of pictures whose results are kept, for whoever asks for them again.
    """

    def __init__(self, service: Service, examples: Iterable[str] = ()) -> None:
        self._service = service
        self._kept = Kept(examples)
        self._restored = service.on_gpu(self._restore, self._seconds)

    def run(
        self, owner: str, path: str | None, task: str, quality: str, keep_metadata: bool = False
    ) -> Generator[Update | None, None, None]:
        """Enlarge or repair a picture.

        Args:
            owner: who may stop it.
            path: of the picture.
            task, quality: keys of ``TASKS`` and ``QUALITIES``.
            keep_metadata: keep the camera's data (never place, thumbnail or orientation).
        Yields:
            As ``Service.perform``; the result is ``Restored``. What is kept is there at once.
        """
        kept = found = None
        with suppress(ConfigError):  # a task that is not offered is for the job to tell
            kept = self._kept.asked(path, model_for(task, quality), keep_metadata is True)
            found = self._kept.find(kept)
        if found is not None:
            yield None
            yield found
            return

        def work(job: Job) -> Updates:
            name = model_for(task, quality)
            if path is None:
                raise ImageError(
                    "There is no picture yet.", code="empty", remedy="Upload or paste one."
                )
            yield from self._service.model(job, name)
            with tempfile.TemporaryDirectory(prefix=f"{FAMILY}-") as folder:
                wish = Wish(path, name, folder, job.ends, keep_metadata is True)
                with closing(self._restored(wish)) as updates:
                    for update in updates:
                        if update.result is not None:
                            job.facts.update(facts(update.result.report))
                        yield update

        with closing(self._service.perform(owner, work, "restore")) as updates:
            for update in updates:
                if kept is not None and update is not None and update.result is not None:
                    self._kept.keep(kept, update)
                yield update

    def look(self, path: str | None, task: str, quality: str) -> str:
        """The model that is meant and what a picture will cost, as far as known, as Markdown."""
        lines = [""]
        try:
            name = model_for(task, quality)
            lines[0] = describe(name)
            if path is not None:
                picture = images.decode(path, limits=LIMITS)
                lines.append(self._cost(name, picture.size))
                entry = checkpoints.find(name)
                hint = advice(entry.task, picture.jpeg_quality) if entry else None
                lines += [hint] if hint else []
        except Swin2SRError as error:
            lines[1:] = [f"**{plain(str(error))}**"]
        return "\n\n".join(lines)

    def _cost(self, name: str, size: tuple[int, int]) -> str:
        service = self._service
        upscaler, included = service.shelf.look(name), service.shelf.look(INCLUDED)
        if service.lends or included is None:
            return f"Your picture has {pixels(size)}."
        if upscaler is None:
            return guess(name, included, size)
        return cost(upscaler, size, service.slot.deadline)

    def _restore(self, wish: Wish) -> Updates:
        yield from restore(self._service, wish)

    def _seconds(self, wish: Wish) -> int:
        """Seconds of a GPU to ask for."""
        return gpu_seconds(self._service, wish.name, [wish.path])


def restore(service: Service, wish: Wish) -> Updates:
    """Run a model over a picture; write it, enlarged the plain way and by the model.

    Args:
        service: whose models.
        wish: what to do.
    Yields:
        What it will cost, an ``Update`` a tile, and one with ``Restored``.
    Raises:
        ImageError, JobError: as ``Upscaler.stream``; "over_budget" for time, too.
    """
    upscaler = service.shelf.get(wish.name)
    picture = images.decode(wish.path, limits=LIMITS, keep_metadata=wish.keep_metadata)
    yield Update(cost(upscaler, picture.size, service.slot.deadline))
    steps = upscaler.stream(picture, limits=LIMITS, cancel=service.cancel(wish.ends))
    next(steps)  # knows nothing yet, not even the number of tiles
    for step in steps:
        if step.picture is None or step.report is None:
            yield Update(standing(step), step.done, step.total)
            continue
        before = Path(wish.folder, "before.png")
        after = Path(wish.folder, images.output_name(Path(wish.path).name, FAMILY, upscaler.scale))
        same_size = images.to_pil(picture).resize(step.picture.size, Image.Resampling.BICUBIC)
        same_size.save(before, compress_level=1)
        images.encode(step.picture, after, format="png")
        result = Restored(str(before), str(after), step.report)
        yield Update(summary(step.report), step.done, step.total, result)


def gpu_seconds(service: Service, name: str, paths: Sequence[str]) -> int:
    """How long a lent GPU will be needed, at most a job's time; short asks are served first.

    Args:
        service: whose model and deadline.
        name: of the model, loaded.
        paths: of the pictures; those that cannot be read cost nothing.
    """
    area = 0
    for path in paths:
        with suppress(Swin2SRError):
            width, height = images.decode(path, limits=LIMITS).size
            area += width * height
    work = area * multiplications(service.shelf.get(name).config)
    return math.ceil(min(service.slot.deadline, GPU_START + work / GPU_RATE))


def facts(report: Report) -> dict[str, Any]:
    """What the log says about a picture: sizes, tiles and number format, nothing of its content."""
    return {
        "input": report.input_size,
        "output": report.output_size,
        "tiles": report.tiles,
        "precision": report.precision,
    }
