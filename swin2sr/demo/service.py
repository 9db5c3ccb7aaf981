"""What every action of the page goes through: the slot, the models, and honest failures."""

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
from swin2sr.demo.messages import unavailable
from swin2sr.demo.models import INCLUDED, Shelf, included
from swin2sr.demo.queue import GLANCE, Deadline, Job, Slot, Update, Updates
from swin2sr.errors import JobError, Swin2SRError, WeightsError
from swin2sr.inference.engine import Cancel
from swin2sr.inference.upscaler import Upscaler

LIMITS = images.Limits()

Network: TypeAlias = Callable[..., Updates]
Seconds: TypeAlias = Callable[..., int]
Lend: TypeAlias = Callable[[Any, Seconds], Any]

log = logging.getLogger("swin2sr.demo")


class Service:
    """Where actions run, one at a time, for people who did not read a manual.

    Args:
        load: makes an upscaler of a registry name, and if asked on a device.
        slot: where jobs run.
        lend: where the hosting lends a GPU for each job only: given what runs a network and what
            tells its seconds (both of the same arguments), returns what is to be called instead.
    """

    def __init__(
        self,
        load: Callable[..., Upscaler] = Upscaler.from_pretrained,
        slot: Slot | None = None,
        lend: Lend | None = None,
    ) -> None:
        self.slot = slot or Slot()
        self.shelf = Shelf(load, always=included())
        self.ready = False
        self._load = load
        self._lend = lend
        self._process = os.getpid()

    def perform(
        self, owner: str, work: Callable[[Job], Updates], action: str
    ) -> Generator[Update | None, None, None]:
        """Do an action's work in the slot; every failure becomes a last update, never a raise.

        Whatever happens, one line of JSON goes to the log: the action, the facts that the work
        left in ``job.facts``, seconds, and the outcome ("done", "stopped", "left" by a visitor
        who went away, or the error's code). It holds no names of files, addresses or pixels.

        Args:
            owner: who may stop it.
            work: given the job; asked for updates as long as the job goes on.
            action: what the log calls it.
        Yields:
            ``Update``, or None when there is nothing new. The first is None, before any work.
        """
        facts: dict[str, Any] = {"action": action}
        jobs: list[Job] = []
        outcome = "left"
        started = time.monotonic()

        def begin(job: Job) -> Updates:
            job.facts = facts
            jobs.append(job)
            return work(job)

        try:
            yield from self.slot.run(owner, begin)
            outcome = jobs[0].why or "done"
        except Swin2SRError as error:
            outcome = error.code
            yield Update(str(error), failed=True)
        except Exception:  # noqa: BLE001 - logged there
            outcome = "fault"
            facts["report"], text = fault()
            yield Update(text, failed=True)
        finally:
            facts["seconds"] = round(time.monotonic() - started, 3)
            log.info("%s", json.dumps({**facts, "outcome": outcome}))

    def model(self, job: Job, name: str) -> Generator[Update, None, Upscaler]:
        """Get a model, telling that it takes a while: ``upscaler = yield from service.model(...)``.

        Args:
            job: the job that needs it; its end is looked at meanwhile.
            name: of the registry.
        Raises:
            JobError: "deadline" while it was on its way; it goes on arriving.
            WeightsError: it cannot be found, fetched or used, in words for the page.
        """
        job.facts.setdefault("models", []).append(name)
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
            return promise.result()
        except WeightsError as error:
            raise unavailable(name, error) from error

    @property
    def lends(self) -> bool:
        """Whether networks run on a GPU that is there during jobs only."""
        return self._lend is not None

    def on_gpu(self, network: Network, seconds: Seconds) -> Network:
        """The part of an action that runs a network, made fit for a GPU that is lent.

        There it runs in a copy of this process, which is kept for later jobs and sees nothing of
        what changes here: its arguments and updates must be plain (names, numbers, dataclasses of
        such), and what it asks for its end is ``cancel``. Elsewhere it is called as it is.

        Args:
            network: a generator of updates; asks ``self.shelf.get`` for its models by name.
            seconds: how long it will take, given the same arguments.
        """
        if self._lend is None:
            return network

        # Out of the copy an exception would come as the name of its class, without its sentence.
        def there(*args: Any) -> Generator[Update | Swin2SRError, None, None]:
            try:
                yield from network(*args)
            except Swin2SRError as error:
                yield error

        lent = self._lend(there, seconds)

        def here(*args: Any) -> Updates:
            with closing(lent(*args)) as steps:
                for step in steps:
                    if isinstance(step, Swin2SRError):
                        raise step
                    yield step

        return here

    def cancel(self, ends: float) -> Cancel | None:
        """What a network asks before every layer: the running job, or in a copy of this process,
        which does not see it change, its end alone.

        Args:
            ends: of the job, on its clock.
        """
        return self.slot.holder if os.getpid() == self._process else Deadline(ends)

    def place(self) -> None:
        """Load the included models: before any job where a GPU is lent, which then has them."""
        for name in included():
            self.shelf.get(name)

    def warm_up(self) -> None:
        """Prove on 16x16 pixels that upscaling works, and learn how fast; be ready from then on.

        A GPU that is lent to visitors only is not there for this: then the proof is the CPU's.
        """
        try:
            if self.lends:
                upscaler = self._load(INCLUDED, device="cpu")
            else:
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


def fault() -> tuple[str, str]:
    """Log the exception that is being handled; its number, and what people are told."""
    number = secrets.token_hex(4)
    log.exception("report %s", number)
    return number, f"Something went wrong here (report {number}). Try again, or another picture."
