"""One job at a time, within its time, and the slot always comes back."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from swin2sr.demo.models import Shelf
from swin2sr.demo.queue import Job, Slot
from swin2sr.errors import JobError, WeightsError


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def count(job: Job, steps: int = 3) -> Generator[int, None, None]:
    """Work of a few steps that looks at its job as the network does."""
    for step in range(1, steps + 1):
        if job.is_set():
            raise JobError("The job was cancelled.", code="cancelled")
        yield step


def begun(slot: Slot, owner: str = "a") -> Generator[int | None, None, None]:
    """A job that has the slot and has done one step."""
    run = slot.run(owner, count)
    assert next(run) is None
    assert next(run) == 1
    return run


def refused(steps: Iterator[int | None]) -> str:
    with pytest.raises(JobError) as caught:
        list(steps)
    return caught.value.code


def test_work_runs_in_the_slot_and_gives_it_back() -> None:
    slot = Slot()
    assert list(slot.run("a", count)) == [None, 1, 2, 3]
    assert slot.holder is None


def test_the_first_step_comes_before_the_slot_is_taken() -> None:
    slot = Slot()
    next(slot.run("a", count))
    assert slot.holder is None


def test_a_second_job_waits_and_then_hears_busy() -> None:
    slot = Slot(patience=0.0)
    run = begun(slot)
    assert refused(slot.run("b", count)) == "busy"
    run.close()
    assert list(slot.run("b", count))[-1] == 3


def test_closing_the_generator_closes_the_work_and_frees_the_slot() -> None:
    slot = Slot()
    ended = []

    def work(job: Job) -> Generator[int, None, None]:
        try:
            yield from count(job)
        finally:
            ended.append(True)

    run = slot.run("a", work)
    next(run), next(run)
    run.close()
    assert ended == [True]
    assert slot.holder is None


def test_an_error_in_the_work_frees_the_slot() -> None:
    def work(job: Job) -> Generator[int, None, None]:
        yield 1
        raise WeightsError("no", code="offline")

    slot = Slot()
    with pytest.raises(WeightsError):
        list(slot.run("a", work))
    assert slot.holder is None


def test_only_the_owner_stops_a_job_and_it_ends_quietly() -> None:
    slot = Slot()
    run = begun(slot)
    assert not slot.stop("b")
    assert slot.stop("a")
    assert list(run) == []
    assert slot.holder is None
    assert not slot.stop("a")


def test_load_08_a_job_over_its_deadline_is_told_so() -> None:
    clock = Clock()
    slot = Slot(deadline=120, clock=clock)
    run = begun(slot)
    clock.now += 121
    assert refused(run) == "deadline"
    assert slot.holder is None


def test_a_result_that_is_there_at_the_deadline_is_not_taken_back() -> None:
    clock = Clock()
    slot = Slot(deadline=120, clock=clock)
    run = slot.run("a", count)
    assert [next(run) for _ in range(4)] == [None, 1, 2, 3]
    clock.now += 121
    assert list(run) == []


def test_a_job_nobody_continues_loses_the_slot_after_one_deadline() -> None:
    clock = Clock()
    slot = Slot(deadline=120, patience=0.0, clock=clock)
    abandoned = begun(slot, "a")
    clock.now += 119
    assert refused(slot.run("b", count)) == "busy"
    clock.now += 2
    following = begun(slot, "b")
    assert refused(abandoned) == "cancelled"
    assert slot.holder is not None
    assert slot.holder.owner == "b"
    following.close()


def test_a_job_that_works_for_long_keeps_the_slot() -> None:
    clock = Clock()
    slot = Slot(deadline=120, patience=0.0, clock=clock)
    heard = []

    def work(job: Job) -> Generator[int, None, None]:
        clock.now += 121  # one long step
        heard.append(refused(slot.run("b", count)))
        yield 1

    list(slot.run("a", work))
    assert heard == ["busy"]


def test_closing_ends_the_running_job_and_takes_no_more() -> None:
    slot = Slot()
    run = begun(slot)
    assert not slot.close(0.0)
    assert refused(run) == "cancelled"
    assert slot.close(0.0)
    assert refused(slot.run("b", count)) == "cancelled"


def test_the_shelf_keeps_one_model_always_and_one_other() -> None:
    loaded = []

    def load(name: str) -> object:
        loaded.append(name)
        return object()

    shelf = Shelf(load, always=["small"])  # type: ignore[arg-type]
    for name in ("small", "large", "large", "small", "other", "large", "small"):
        assert shelf.get(name) is shelf.look(name)
    assert loaded == ["small", "large", "other", "large"]
    assert shelf.look("other") is None


def test_a_model_at_hand_does_not_wait_for_one_that_is_being_fetched() -> None:
    arrived = threading.Event()

    def load(name: str) -> object:
        if name == "large":
            assert arrived.wait(10)
        return object()

    shelf = Shelf(load, always=["small"])  # type: ignore[arg-type]
    shelf.get("small")
    promise = shelf.fetch("large")
    assert shelf.get("small") is shelf.fetch("small").result(10)
    assert not promise.done()
    arrived.set()
    assert promise.result(10) is shelf.look("large")


def test_a_failed_fetch_raises_where_its_result_is_asked_for_and_can_be_repeated() -> None:
    failures = [WeightsError("no network", code="offline")]

    def load(name: str) -> object:
        if failures:
            raise failures.pop()
        return object()

    shelf = Shelf(load, always=["small"])  # type: ignore[arg-type]
    with pytest.raises(WeightsError):
        shelf.fetch("large").result(10)
    assert shelf.fetch("large").result(10) is not None
