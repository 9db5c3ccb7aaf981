"""One job at a time, within its time, and stoppable; and the models that jobs use.

The framework's own queue can be walked around, so what holds is here: a slot that one job has,
a deadline and a wish to stop that the network itself reads, and a way to take the slot back from
a job that nobody continues.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from swin2sr.errors import JobError

T = TypeVar("T")
Clock = Callable[[], float]

DEADLINE = 120.0  # seconds from the slot to the result
PATIENCE = 10.0  # seconds to wait for the slot: a job that was stopped ends within a layer or two
GLANCE = 0.5  # seconds between two looks at whether to go on waiting


@dataclass(frozen=True)
class Update:
    """What a job has to say.

    Args:
        text: Markdown, or with ``failed`` one plain sentence.
        done, total: steps, mostly tiles; ``total`` is 0 while they are not known.
        result: at the end, what the action made: a dataclass of its own. Files it names are there
            until the job is asked for its next update.
        failed: there will be no result.
    """

    text: str
    done: int = 0
    total: int = 0
    result: Any = None
    failed: bool = False


Updates: TypeAlias = Generator[Update, None, None]


@dataclass(eq=False)
class Job:
    """A job that has, or wants, the slot; the network asks ``is_set`` before every layer.

    Args:
        owner: whose it is (a session).
        ends: when its time is over, on the clock.
        touched: when it last came to or left its own code.
        working: whether its own code runs now.
        why: what ended it: "", "stopped", "closing" or "abandoned".
        facts: what the log is to say about it.
        keeps: asked to stop, its own code runs on to hand over what it has finished; it looks at
            ``is_set`` itself and ends soon.
    """

    owner: str
    ends: float
    touched: float
    clock: Clock = time.monotonic
    working: bool = False
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    keeps: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def is_set(self) -> bool:
        """Whether the work should end now."""
        return self._stop.is_set() or self.clock() >= self.ends

    def stop(self, why: str) -> None:
        """Ask the work to end."""
        self.why = self.why or why
        self._stop.set()


@dataclass(frozen=True)
class Deadline:
    """What is left of a job in a process that does not see it: the end of its time.

    Args:
        ends: on ``time.monotonic``, which all processes of a machine share.
    """

    ends: float

    def is_set(self) -> bool:
        """Whether the work should end now."""
        return time.monotonic() >= self.ends


class Slot:
    """The one place where a network runs.

    Args:
        deadline: seconds a job may take.
        patience: seconds a job waits for the slot before it hears "busy".
        clock: seconds, ever growing.
    """

    def __init__(
        self, deadline: float = DEADLINE, patience: float = PATIENCE, clock: Clock = time.monotonic
    ) -> None:
        self.deadline = deadline
        self._patience = patience
        self._clock = clock
        self._holder: Job | None = None
        self._closing = False
        self._free = threading.Condition()

    @property
    def holder(self) -> Job | None:
        """The job that has the slot."""
        return self._holder

    def run(
        self, owner: str, work: Callable[[Job], Generator[T, None, None]]
    ) -> Generator[T | None, None, None]:
        """Do work in the slot, step by step.

        The first step does nothing: a framework that registers a generator after its first step
        can then close it at any time (RELIABILITY, section 7), so the slot is never lost.

        Args:
            owner: who may stop it.
            work: given the job; its generator is closed whatever happens.
        Yields:
            None while it waits, then what the work yields. Ends early when its owner stops it.
        Raises:
            JobError: "busy", "deadline", "cancelled" (the server closes).
        """
        yield None
        job = Job(owner, 0.0, 0.0, self._clock)
        waited = 0.0
        while not self._take(job):
            waited += GLANCE
            if waited > self._patience:
                raise JobError("The model is busy.", code="busy", remedy="Try again in a moment.")
            yield None
        try:
            with closing(work(job)) as steps:
                while (step := self._next(job, steps)) is not None:
                    yield step
        finally:
            self._leave(job)

    def stop(self, owner: str) -> bool:
        """Stop the running job of this owner; returns whether there was one."""
        with self._free:
            job = self._holder
            if job is None or job.owner != owner:
                return False
            job.stop("stopped")
            return True

    def close(self, seconds: float) -> bool:
        """Take no more jobs, stop the one that runs, and wait for its end.

        Returns:
            Whether the slot is free.
        """
        with self._free:
            self._closing = True
            if self._holder is not None:
                self._holder.stop("closing")
            return self._free.wait_for(lambda: self._holder is None, seconds)

    def _take(self, job: Job) -> bool:
        with self._free:
            self._free.wait_for(lambda: self._holder is None or self._closing, GLANCE)
            now = self._clock()
            holder = self._holder
            if self._closing:
                job.stop("closing")
                raise self._ended(job)
            if holder and not holder.working and now - holder.touched > self.deadline:
                holder.stop("abandoned")
                holder = None
            if holder is not None:
                return False
            job.touched = now
            job.ends = now + self.deadline
            self._holder = job
            return True

    def _leave(self, job: Job) -> None:
        with self._free:
            if self._holder is job:
                self._holder = None
                self._free.notify_all()

    def _next(self, job: Job, steps: Generator[T, None, None]) -> T | None:
        """The work's next step; None when it is over or its owner stopped it."""
        with self._free:
            # Its deadline is for the network to read.
            job.working = not job.why or (job.keeps and job.why == "stopped")
        try:
            if job.working:
                return next(steps, None)
        except JobError as error:
            if error.code != "cancelled":
                raise
        finally:
            job.touched = self._clock()
            job.working = False
        if job.why == "stopped":
            return None
        raise self._ended(job)

    def _ended(self, job: Job) -> JobError:
        if job.why == "closing":
            return JobError(
                "The server is restarting.", code="cancelled", remedy="Try again in a minute."
            )
        if job.why == "abandoned":
            return JobError("The job was left alone for too long.", code="cancelled")
        return JobError(
            f"The job was stopped after {self.deadline:.0f} s, which is the limit here.",
            code="deadline",
            remedy="Use a smaller picture or a faster model.",
        )
