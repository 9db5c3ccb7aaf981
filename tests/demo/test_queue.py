"""One job at a time, within its time, and the slot always comes back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator

import pytest

from swin2sr.demo.queue import Job, JobSlot, Update, Updates
from swin2sr.demo.service import Service
from swin2sr.errors import JobError, WeightsError

Run = Generator[Update | None, None, None]


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def outcome(caplog: pytest.LogCaptureFixture) -> Callable[[Iterator[Update | None]], str]:
    """Runs a job to its end; returns the outcome that the log tells."""
    caplog.set_level(logging.INFO, "swin2sr.demo")

    def finish(steps: Iterator[Update | None]) -> str:
        list(steps)
        return str(json.loads(caplog.records[-1].message)["outcome"])

    return finish


def count(job: Job, steps: int = 3) -> Updates:
    """Work of a few steps that looks at its job as the network does."""
    for step in range(1, steps + 1):
        if job.is_set():
            raise JobError("The job was cancelled.", code="cancelled")
        yield Update(str(step))


def perform(slot: JobSlot, owner: str, work: Callable[[Job], Updates] = count) -> Run:
    return Service(slot=slot).perform(owner, work, "count")


def texts(steps: Iterator[Update | None]) -> list[str | None]:
    return [step and step.text for step in steps]


def begun(slot: JobSlot, owner: str = "a") -> Run:
    """A job that has the slot and has done one step."""
    run = perform(slot, owner)
    assert next(run) is None
    assert next(run) == Update("1")
    return run


def test_work_runs_in_the_slot_and_gives_it_back() -> None:
    slot = JobSlot()
    assert texts(perform(slot, "a")) == [None, "1", "2", "3"]
    assert slot.holder is None


def test_the_first_step_comes_before_the_slot_is_taken() -> None:
    slot = JobSlot()
    next(perform(slot, "a"))
    assert slot.holder is None


def test_a_second_job_waits_and_then_hears_busy(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    slot = JobSlot(wait_limit=0.0)
    run = begun(slot)
    assert outcome(perform(slot, "b")) == "busy"
    run.close()
    assert texts(perform(slot, "b"))[-1] == "3"


def test_a_job_that_waits_gets_the_slot_when_it_is_free() -> None:
    slot = JobSlot(wait_limit=10.0)
    run = begun(slot)
    waiting = perform(slot, "b")
    assert [next(waiting), next(waiting)] == [None, None]
    run.close()
    assert texts(waiting) == ["1", "2", "3"]


def test_closing_the_generator_closes_the_work_and_frees_the_slot() -> None:
    slot = JobSlot()
    ended = []

    def work(job: Job) -> Updates:
        try:
            yield from count(job)
        finally:
            ended.append(True)

    run = perform(slot, "a", work)
    next(run), next(run)
    run.close()
    assert ended == [True]
    assert slot.holder is None


def test_an_error_in_the_work_frees_the_slot(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    def work(job: Job) -> Updates:
        yield Update("1")
        raise WeightsError("no", code="offline")

    slot = JobSlot()
    assert outcome(perform(slot, "a", work)) == "offline"
    assert slot.holder is None


def test_only_the_owner_stops_a_job_and_it_ends_quietly() -> None:
    slot = JobSlot()
    run = begun(slot)
    assert not slot.stop("b")
    assert slot.stop("a")
    assert list(run) == []
    assert slot.holder is None
    assert not slot.stop("a")


def test_load_08_a_job_over_its_deadline_is_told_so(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    clock = Clock()
    slot = JobSlot(time_limit=120, clock=clock)
    run = begun(slot)
    clock.now += 121
    assert outcome(run) == "deadline"
    assert slot.holder is None


def test_a_result_that_is_there_at_the_deadline_is_not_taken_back() -> None:
    clock = Clock()
    slot = JobSlot(time_limit=120, clock=clock)
    run = perform(slot, "a")
    assert [step and step.text for step in (next(run) for _ in range(4))] == [None, "1", "2", "3"]
    clock.now += 121
    assert list(run) == []


def test_a_job_nobody_continues_loses_the_slot_after_one_time_limit(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    clock = Clock()
    slot = JobSlot(time_limit=120, wait_limit=0.0, clock=clock)
    abandoned = begun(slot, "a")
    clock.now += 119
    assert outcome(perform(slot, "b")) == "busy"
    clock.now += 2
    following = begun(slot, "b")
    assert outcome(abandoned) == "cancelled"
    assert slot.holder is not None
    assert slot.holder.owner == "b"
    following.close()


def test_a_job_that_works_for_long_keeps_the_slot(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    clock = Clock()
    slot = JobSlot(time_limit=120, wait_limit=0.0, clock=clock)
    heard = []

    def work(job: Job) -> Updates:
        clock.now += 121  # one long step
        heard.append(outcome(perform(slot, "b")))
        yield Update("1")

    list(perform(slot, "a", work))
    assert heard == ["busy"]


def test_closing_ends_the_running_job_and_takes_no_more(
    outcome: Callable[[Iterator[Update | None]], str],
) -> None:
    slot = JobSlot()
    run = begun(slot)
    assert not slot.close(0.0)
    assert outcome(run) == "cancelled"
    assert slot.close(0.0)
    assert outcome(perform(slot, "b")) == "cancelled"
