"""Service behind every action of the page: job slot, model cache, errors as updates, log.

Generators nested while one picture is restored, outermost first; each may be closed between two
steps. A test holds this list against the frames of a running job.

    RestoreTab.restore    swin2sr/demo/ui/restore.py      values of the page's components
    Service.perform       swin2sr/demo/service.py         slot, failures as updates, line of log
    RestoreJob.run.work   swin2sr/demo/jobs/restore.py    model, temporary folder, example cache
    restore_image         swin2sr/demo/jobs/restore.py    an update a tile
    Upscaler._steps       swin2sr/inference/upscaler.py   progress, result and report
    run_tiles             swin2sr/inference/engine.py     tile after tile

Log: one line of JSON a job, by the logger ``swin2sr.demo``. It holds no names of files, no
addresses and no pixels.

    action                    restore, batch, compare, attention, hidden_states, attribution
    outcome                   done; stopped; left (the visitor went away); fault; or an error's code
    seconds                   from the request to the end, with the wait for the slot
    models                    names in the registry, in the order in which they were loaded
    task                      of Compare: key of ``COMPARE_TASKS``
    input_size, output_size   (width, height) in pixels; of Look inside: of the crop
    tiles, precision          of Restore: how the network ran
    images, images_done       of Batch: how many came, and how many were finished
    image_outcomes            of Batch: "done", "waiting", "cut", "fault" or an error's code, each
    report_id                 of a fault: the number that the visitor was told
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Generator
from concurrent.futures import wait
from contextlib import closing
from typing import Any, TypeAlias

import numpy as np

from swin2sr import images
from swin2sr.demo.messages import explain_weights_error
from swin2sr.demo.models import DEFAULT_MODEL, ModelCache, packaged_models
from swin2sr.demo.queue import POLL_SECONDS, Deadline, Job, JobSlot, Update, Updates
from swin2sr.errors import JobError, Swin2SRError, WeightsError
from swin2sr.inference.engine import Cancel
from swin2sr.inference.upscaler import Upscaler

LIMITS = images.Limits()

Network: TypeAlias = Callable[..., Updates]
Seconds: TypeAlias = Callable[..., int]
LendGpu: TypeAlias = Callable[[Any, Seconds], Any]

log = logging.getLogger("swin2sr.demo")


class Service:
    """Service that runs actions, one at a time, for people who did not read a manual.

    Args:
        load: makes an upscaler of a registry name, and if asked on a device.
        slot: where jobs run.
        lend_gpu: where the hosting lends a GPU for each job only: given what runs a network and
            what tells its seconds (both of the same arguments), returns what is to be called
            instead.
    Attributes:
        models: cache of the loaded models.
        ready: whether the self-test has passed.
    """

    def __init__(
        self,
        load: Callable[..., Upscaler] = Upscaler.from_pretrained,
        slot: JobSlot | None = None,
        lend_gpu: LendGpu | None = None,
    ) -> None:
        self.slot = slot or JobSlot()
        self.models = ModelCache(load, pinned=packaged_models())
        self.ready = False
        self._load = load
        self._lend_gpu = lend_gpu
        self._process = os.getpid()

    def perform(
        self, owner: str, work: Callable[[Job], Updates], action: str
    ) -> Generator[Update | None, None, None]:
        """Run an action's work in the slot; every failure becomes a last update, never a raise.

        Whatever happens, one line goes to the log (see the module's docstring).

        Args:
            owner: who may stop it.
            work: given the job; asked for updates as long as the job goes on, and closed
                whatever happens.
            action: what the log calls it.
        Yields:
            ``Update``, or None when there is nothing new. The first is None, before any work.
        """
        job = Job(owner, self.slot.clock)
        outcome = "left"
        started = time.monotonic()
        try:
            # A framework that registers a generator after its first step can close it from then
            # on (UI-03 in docs/reliability.md): nothing is held before.
            yield None
            while not self.slot.acquire(job):
                yield None
            try:
                with closing(work(job)) as steps:
                    while (step := self.slot.advance(job, steps)) is not None:
                        yield step
            finally:
                self.slot.release(job)
            outcome = job.end_reason or "done"
        except Swin2SRError as error:
            outcome = error.code
            yield Update(str(error), failed=True)
        except Exception:  # noqa: BLE001 - logged there
            outcome = "fault"
            job.log_fields["report_id"], text = log_fault()
            yield Update(text, failed=True)
        finally:
            seconds = round(time.monotonic() - started, 3)
            fields = {"action": action, **job.log_fields, "seconds": seconds, "outcome": outcome}
            log.info("%s", json.dumps(fields))

    def load_model(self, job: Job, name: str) -> Generator[Update, None, Upscaler]:
        """Load a model, with an update while that takes a while (use with ``yield from``).

        Args:
            job: the job that needs it; its end is looked at meanwhile.
            name: of the registry.
        Raises:
            JobError: "deadline" while it was on its way; it goes on arriving.
            WeightsError: it cannot be found, downloaded or used, in words for the page.
        """
        job.log_fields.setdefault("models", []).append(name)
        promise = self.models.load_in_thread(name)
        while not wait([promise], timeout=POLL_SECONDS).done:
            if job.is_set():
                raise JobError(
                    f"Getting {name} takes longer than {self.slot.time_limit:.0f} s.",
                    code="deadline",
                    remedy="It goes on: try again in a minute.",
                )
            yield Update(f"Getting {name} ready. The first time, this takes a while.")
        try:
            return promise.result()
        except WeightsError as error:
            raise explain_weights_error(name, error) from error

    @property
    def lends_gpu(self) -> bool:
        """True where networks run on a GPU that is there during jobs only."""
        return self._lend_gpu is not None

    def on_gpu(self, network: Network, seconds: Seconds) -> Network:
        """Wrap the part of an action that runs a network for a GPU that is lent.

        There it runs in a copy of this process, which is kept for later jobs and sees nothing of
        what changes here: its arguments and updates must be plain (names, numbers, dataclasses of
        such), and it asks ``cancel_token`` for its end. Elsewhere it is called as it is.

        Args:
            network: a generator of updates; asks ``self.models.get`` for its models by name.
            seconds: how long it will take, given the same arguments.
        """
        if self._lend_gpu is None:
            return network

        # Out of the copy an exception would come as the name of its class, without its sentence.
        def remote(*args: Any) -> Generator[Update | Swin2SRError, None, None]:
            try:
                yield from network(*args)
            except Swin2SRError as error:
                yield error

        lent = self._lend_gpu(remote, seconds)

        def local(*args: Any) -> Updates:
            with closing(lent(*args)) as steps:
                for step in steps:
                    if isinstance(step, Swin2SRError):
                        raise step
                    yield step

        return local

    def cancel_token(self, deadline: float) -> Cancel | None:
        """Return what a network asks before every layer: the running job, or in a copy of this
        process, which does not see it change, its deadline alone.

        Args:
            deadline: of the job, on its clock.
        """
        return self.slot.holder if os.getpid() == self._process else Deadline(deadline)

    def preload(self) -> None:
        """Load the packaged models: before any job where a GPU is lent, which then has them."""
        for name in packaged_models():
            self.models.get(name)

    def warm_up(self) -> None:
        """Self-test: upscale 16x16 pixels and measure the speed; ready from then on.

        A GPU that is lent to visitors only is not there for this: then the test is the CPU's.
        """
        try:
            if self.lends_gpu:
                upscaler = self._load(DEFAULT_MODEL, device="cpu")
            else:
                upscaler = self.models.get(DEFAULT_MODEL)
            result = upscaler(np.full((16, 16, 3), 128, np.uint8))
            upscaler.estimate((256, 256))
            self.ready = result.size == (16 * upscaler.scale, 16 * upscaler.scale)
        except Exception:
            log.exception("the self-test failed: not ready")

    def close(self, seconds: float) -> None:
        """Take no more jobs and end the running one; returns when it has, or after ``seconds``."""
        self.ready = False
        self.slot.close(seconds)


def log_fault() -> tuple[str, str]:
    """Log the exception that is being handled; returns its number, and what people are told."""
    number = secrets.token_hex(4)
    log.exception("report %s", number)
    return number, f"Something went wrong here (report {number}). Try again, or another picture."
