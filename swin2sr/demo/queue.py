"""Job queue of the page: one job at a time in a slot, with a deadline and a way to stop it.

The framework's own queue can be walked around (UI-02 in docs/reliability.md), so what holds is
here: a slot that one job has, a cancel token that the network itself reads, and a time-out after
which the slot is taken from a job that nobody continues.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from swin2sr.errors import JobError

T = TypeVar("T")
Clock = Callable[[], float]

TIME_LIMIT = 120.0  # seconds from the slot to the result
WAIT_LIMIT = 10.0  # seconds to wait for the slot: a job that was stopped ends within a layer or two
POLL_SECONDS = 0.5  # between two looks at whether to go on waiting


@dataclass(frozen=True)
class Update:
    """Progress of a job, its result at the end, or its failure.

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
    """Job that has, or wants, the slot; the cancel token of its network, too.

    Args:
        owner: whose it is (a session).
        clock: seconds, ever growing.
        deadline: when its time is over, on the clock; set with the slot.
        waited: seconds it has waited for the slot.
        last_active: when it last came to or left its own code.
        running: whether its own code runs now.
        end_reason: what ended it: "", "stopped", "closing" or "abandoned".
        graceful: asked to stop, its own code runs on to hand over what it has finished; it asks
            ``is_set`` itself and ends soon.
        log_fields: what the log is to say about it.
    """

    owner: str
    clock: Clock = time.monotonic
    deadline: float = 0.0
    waited: float = 0.0
    last_active: float = 0.0
    running: bool = False
    end_reason: str = ""
    graceful: bool = False
    log_fields: dict[str, Any] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def is_set(self) -> bool:
        """Return whether the work should end now; the network asks before every layer."""
        return self._stop.is_set() or self.clock() >= self.deadline

    def stop(self, reason: str) -> None:
        """Ask the work to end; the first reason counts."""
        self.end_reason = self.end_reason or reason
        self._stop.set()


@dataclass(frozen=True)
class Deadline:
    """Cancel token of a job in a process that does not see it: the end of its time alone.

    Args:
        at: on ``time.monotonic``, which all processes of a machine share.
    """

    at: float

    def is_set(self) -> bool:
        """Return whether the work should end now."""
        return time.monotonic() >= self.at


class JobSlot:
    """Slot of the one job that may run a network: acquire, advance step by step, release.

    Args:
        time_limit: seconds a job may take.
        wait_limit: seconds a job waits for the slot before it hears "busy".
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        time_limit: float = TIME_LIMIT,
        wait_limit: float = WAIT_LIMIT,
        clock: Clock = time.monotonic,
    ) -> None:
        self.time_limit = time_limit
        self.clock = clock
        self._wait_limit = wait_limit
        self._holder: Job | None = None
        self._closing = False
        self._free = threading.Condition()

    @property
    def holder(self) -> Job | None:
        """Job that has the slot."""
        return self._holder

    def acquire(self, job: Job) -> bool:
        """Give the slot to a job, waiting a moment for it; false when it is still taken.

        A job that nobody continues for a whole time limit loses the slot here.

        Raises:
            JobError: "busy" after ``wait_limit`` seconds of tries; "cancelled", the server closes.
        """
        with self._free:
            self._free.wait_for(lambda: self._holder is None or self._closing, POLL_SECONDS)
            now = self.clock()
            holder = self._holder
            if self._closing:
                job.stop("closing")
                raise self._end_error(job)
            if holder and not holder.running and now - holder.last_active > self.time_limit:
                holder.stop("abandoned")
                holder = None
            if holder is None:
                job.last_active = now
                job.deadline = now + self.time_limit
                self._holder = job
                return True
        job.waited += POLL_SECONDS
        if job.waited > self._wait_limit:
            raise JobError("The model is busy.", code="busy", remedy="Try again in a moment.")
        return False

    def release(self, job: Job) -> None:
        """Free the slot, if this job still has it."""
        with self._free:
            if self._holder is job:
                self._holder = None
                self._free.notify_all()

    def advance(self, job: Job, steps: Generator[T, None, None]) -> T | None:
        """Run the work's next step; None when it is over or its owner stopped it.

        Raises:
            JobError: "deadline", or "cancelled" when the server closes; and what the work raises.
        """
        with self._free:
            # The deadline does not count here: it is for the network to read.
            job.running = not job.end_reason or (job.graceful and job.end_reason == "stopped")
        try:
            if job.running:
                return next(steps, None)
        except JobError as error:
            if error.code != "cancelled":
                raise
        finally:
            job.last_active = self.clock()
            job.running = False
        if job.end_reason == "stopped":
            return None
        raise self._end_error(job)

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

    def _end_error(self, job: Job) -> JobError:
        if job.end_reason == "closing":
            return JobError(
                "The server is restarting.", code="cancelled", remedy="Try again in a minute."
            )
        if job.end_reason == "abandoned":
            return JobError("The job was left alone for too long.", code="cancelled")
        return JobError(
            f"The job was stopped after {self.time_limit:.0f} s, which is the limit here.",
            code="deadline",
            remedy="Use a smaller picture or a faster model.",
        )
