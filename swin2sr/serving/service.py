"""What the page does, whatever draws it: jobs from a file to two files, told in sentences."""

from __future__ import annotations

import html
import logging
import math
import re
import secrets
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from swin2sr import images
from swin2sr.errors import ImageError, JobError, Swin2SRError, WeightsError
from swin2sr.serving.jobs import GLANCE, Job, Shelf, Slot
from swin2sr.serving.tasks import INCLUDED, describe, model_for
from swin2sr.upscale import Report, Step, Upscaler

LIMITS = images.Limits()
FAMILY = "swin2sr"  # in the names of results
ORIGINS = {
    "packaged": "included with this page",
    "cache": "downloaded earlier",
    "hub": "downloaded just now",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """What a job has to say.

    Args:
        text: Markdown, or with ``failed`` one plain sentence.
        done, total: tiles; ``total`` is 0 while they are not known.
        files: at the end, PNG files of the input enlarged the plain way and of the result. They
            are there until the job is asked for its next update.
        failed: there will be no result.
    """

    text: str
    done: int = 0
    total: int = 0
    files: tuple[str, str] | None = None
    failed: bool = False


Updates: TypeAlias = Generator[Update, None, None]
Enlarge: TypeAlias = Callable[[str, str, str], Updates]


class Service:
    """Pictures in, pictures out, one at a time, for people who did not read a manual.

    Args:
        load: makes an upscaler of a registry name.
        slot: where jobs run.
        on_gpu: wraps what runs the network, where the hosting lends a GPU for each job only. Such
            a job runs in a copy of this process, so it is given names, never models.
    """

    def __init__(
        self,
        load: Callable[[str], Upscaler] = Upscaler.from_pretrained,
        slot: Slot | None = None,
        on_gpu: Callable[[Enlarge], Enlarge] = lambda function: function,
    ) -> None:
        self.slot = slot or Slot()
        self.shelf = Shelf(load, always=INCLUDED)
        self.ready = False
        self._on_gpu = on_gpu(self._enlarge)

    def upscale(
        self, owner: str, path: str | None, task: str, quality: str
    ) -> Generator[Update | None, None, None]:
        """Upscale or repair a picture.

        Args:
            owner: who may stop it.
            path: of the picture.
            task, quality: keys of ``TASKS`` and ``QUALITIES``.
        Yields:
            ``Update``, or None when there is nothing new. The first is None, before any work.
            Failures of all kinds are a last update; what is not meant for people is logged.
        """
        try:
            work = partial(self._work, path=path, name=model_for(task, quality))
            yield from self.slot.run(owner, work)
        except Swin2SRError as error:
            yield Update(str(error), failed=True)
        except Exception:
            number = secrets.token_hex(4)
            log.exception("report %s", number)
            text = f"Something went wrong here (report {number}). Try again, or another picture."
            yield Update(text, failed=True)

    def look(self, path: str | None, task: str, quality: str) -> str:
        """The model that is meant and what a picture will cost, as far as known, as Markdown."""
        lines = [""]
        try:
            name = model_for(task, quality)
            lines[0] = describe(name)
            upscaler = self.shelf.look(name)
            if path is not None:
                size = images.decode(path, limits=LIMITS).size
                lines.append(f"Your picture has {_pixels(size)}.")
                if upscaler is not None:
                    lines[-1] = _cost(upscaler, size, self.slot.deadline)
        except Swin2SRError as error:
            lines[1:] = [f"**{plain(str(error))}**"]
        return "\n\n".join(lines)

    def warm_up(self) -> None:
        """Prove on 16x16 pixels that upscaling works, and learn how fast; be ready from then on."""
        try:
            upscaler = self.shelf.get(INCLUDED)
            result = upscaler(np.full((16, 16, 3), 128, np.uint8))
            upscaler.estimate((256, 256))
            self.ready = result.size == (16 * upscaler.scale, 16 * upscaler.scale)
        except Exception:
            log.exception("the self-test failed: not ready")

    def close(self, seconds: float) -> None:
        """Take no more jobs and end the running one; returns when it has, or after ``seconds``."""
        self.ready = False
        self.slot.close(seconds)

    def _work(self, job: Job, path: str | None, name: str) -> Updates:
        """What is done in the slot: get the model, then enlarge."""
        if path is None:
            raise ImageError(
                "There is no picture yet.", code="empty", remedy="Upload or paste one."
            )
        promise = self.shelf.fetch(name)
        while not wait([promise], timeout=GLANCE).done:
            if job.is_set():
                raise JobError(
                    f"Getting {name} takes longer than {self.slot.deadline:.0f} s.",
                    code="deadline",
                    remedy="It goes on: try again in a minute.",
                )
            yield Update(f"Getting {name} ready. The first time, this takes a while.")
        try:
            promise.result()
        except WeightsError as error:
            raise _unavailable(name, error) from error
        with tempfile.TemporaryDirectory(prefix=f"{FAMILY}-") as folder:
            yield from self._on_gpu(path, name, folder)

    def _enlarge(self, path: str, name: str, folder: str) -> Updates:
        """Run a model over a picture; write it, enlarged the plain way and by the model."""
        upscaler = self.shelf.get(name)
        picture = images.decode(path, limits=LIMITS)
        yield Update(_cost(upscaler, picture.size, self.slot.deadline))
        steps = upscaler.stream(picture, limits=LIMITS, cancel=self.slot.holder)
        next(steps)  # knows nothing yet, not even the number of tiles
        for step in steps:
            if step.picture is None or step.report is None:
                yield Update(_standing(step), step.done, step.total)
                continue
            before = Path(folder, "before.png")
            after = Path(folder, images.output_name(Path(path).name, FAMILY, upscaler.scale))
            same_size = images.to_pil(picture).resize(step.picture.size, Image.Resampling.BICUBIC)
            same_size.save(before, compress_level=1)
            images.encode(step.picture, after, format="png")
            text = _summary(step.report)
            yield Update(text, step.done, step.total, (str(before), str(after)))


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} pixels"


def _unavailable(name: str, error: WeightsError) -> WeightsError:
    """Why a model cannot be had, for somebody who has nothing but the page."""
    if name == INCLUDED:
        return error
    reason = error.message
    if error.code == "offline":
        reason = f"{name} is not on this machine yet, and cannot be downloaded now."
    remedy = 'Try again later, or use "Sharpen x2" with the fast model, which is included.'
    return WeightsError(reason, code=error.code, remedy=remedy)


def _cost(upscaler: Upscaler, size: tuple[int, int], deadline: float) -> str:
    """What a picture of (width, height) will cost, in words.

    Raises:
        JobError: "over_budget", more memory than there is or more time than is given.
    """
    estimate = upscaler.estimate(size)
    if not estimate.fits:
        raise JobError(estimate.message, code="over_budget")
    if estimate.seconds > deadline:
        share = math.sqrt(deadline / estimate.seconds)
        smaller = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
        faster = "" if upscaler.name == INCLUDED else "choose a faster model, or "
        raise JobError(
            f"{_pixels(size)} would take this model about {estimate.seconds / 60:.0f} min; "
            f"the limit here is {deadline / 60:.0f} min.",
            code="over_budget",
            remedy=f"{faster}crop or shrink the picture to {_pixels(smaller)}.".capitalize(),
        )
    return estimate.message


def _standing(step: Step) -> str:
    line = f"Tile {min(step.done + 1, step.total)} of {step.total}, {step.seconds:.0f} s so far"
    if step.seconds_left is None:
        return f"{line}."
    return f"{line}, about {math.ceil(step.seconds_left)} s left."


def _summary(report: Report) -> str:
    """What was done: sizes, time, weights, number format, and what a person should know."""
    weights = [ORIGINS.get(report.origin, report.origin)]
    if report.sha256:
        weights.append(f"sha256 {report.sha256[:12]}")
    width, height = report.input_size
    lines = [
        f"{width}x{height} to {_pixels(report.output_size)} in {report.seconds:.1f} s.",
        f"Model **{plain(report.model)}** ({', '.join(weights)}), {report.precision}, "
        f"{report.tiles} tile{'s' if report.tiles > 1 else ''}.",
    ]
    return "\n\n".join(lines) + "\n" + "".join(f"\n- {plain(note)}" for note in report.notes)
