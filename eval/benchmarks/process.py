"""Worker processes, one a network: fresh memory for each measurement, machines' moods shared.

Networks that are compared run by turns, each in its own process as its user would run it, so that a
busy machine slows all of them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np

from eval.run.profile import Cost, measure_cost
from swin2sr.console import as_failure
from swin2sr.errors import JobError, Swin2SRError

Job = TypeVar("Job")
Work = Callable[[], np.ndarray]


class Worker(Generic[Job]):
    """Worker process that prepares some work once and does it when told to.

    Use as a context manager; the process ends with it.

    Args:
        prepare: a function of a module (it travels by name): makes the work out of the job, and
            runs it on something small, so that what a library does once is done.
        job: what to do; travels by pickling. device: where it computes.
    Raises:
        Swin2SRError: what ``prepare`` or the work raised. JobError: "memory" when the system ended
        the process.
    """

    def __init__(self, prepare: Callable[[Job], Work], job: Job, device: str = "cpu") -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(prepare, job, device, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            self._receive()
        except BaseException:
            self._end()
            raise

    def run(self) -> Cost:
        """Do the work once and say what it took."""
        self._ours.send("run")
        cost: Cost = self._receive()
        return cost

    def output(self) -> np.ndarray:
        """Output of the last run."""
        self._ours.send("output")
        result: np.ndarray = self._receive()
        return result

    def __enter__(self) -> Worker[Job]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._ours.close()
        self._process.join(10)
        if self._process.is_alive():  # in the middle of work that nobody waits for
            self._process.kill()
            self._process.join()

    def _receive(self) -> Any:
        try:
            failure, value = self._ours.recv()
        except (EOFError, OSError):
            self._process.join()
            raise JobError(
                f"The process that was measured ended with code {self._process.exitcode}.",
                code="memory",
                remedy="The system ends what needs more memory than there is.",
            ) from None
        if failure is not None:
            message, code = failure
            raise Swin2SRError(message, code=code)
        return value


def _serve(prepare: Callable[[Job], Work], job: Job, device: str, pipe: Connection) -> None:
    output = np.empty(0)
    work: Work | None = None
    wanted = "prepare"
    while True:
        try:
            if work is None:
                work = prepare(job)
                pipe.send((None, None))
            elif wanted == "run":
                output, cost = measure_cost(work, device)
                pipe.send((None, cost))
            else:
                pipe.send((None, output))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failure = as_failure(error)
            pipe.send(((failure.message, failure.code), None))
        try:
            wanted = pipe.recv()
        except (EOFError, OSError):  # the parent is done
            return
