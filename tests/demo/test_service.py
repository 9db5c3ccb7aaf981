"""Service: failures told, one line of log a job, a GPU that is lent."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.demo.jobs.restore import RestoreJob, RestoreResult
from swin2sr.demo.models import DEFAULT_MODEL
from swin2sr.demo.queue import Deadline, Job, JobSlot, Update, Updates
from swin2sr.demo.service import Service
from swin2sr.errors import ImageError, JobError, WeightsError
from swin2sr.images.degradations import Jpeg
from swin2sr.inference.upscaler import Upscaler

TINY = Swin2SRConfig(embed_dim=12, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect")


def load(name: str, device: str = "cpu") -> Upscaler:
    torch.manual_seed(0)
    model = Swin2SRForImageSuperResolution(TINY).eval()
    return Upscaler(model, device=device, precision="float32", name=name)


def lend(network: Callable[..., Iterator[Any]], seconds: Callable[..., int]) -> Any:
    """As ZeroGPU does it: in a forked copy of the process, through a pipe, step by step."""

    def run(*args: Any) -> Iterator[Any]:
        assert seconds(*args) > 0
        here, there = multiprocessing.Pipe()

        def work() -> None:
            for step in network(*args):
                there.send(step)
                if there.recv() == "close":
                    break
            there.send(None)

        process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
        process.start()
        try:
            while (step := here.recv()) is not None:
                try:
                    yield step
                except GeneratorExit:
                    here.send("close")
                    raise
                here.send("next")
        finally:
            process.join(20)

    return run


def perform(service: Service, work: Callable[[Job], Updates]) -> list[Update]:
    return [one for one in service.perform("a", work, "try") if one is not None]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What the log says about jobs."""
    caplog.set_level(logging.INFO, "swin2sr.demo")
    return lambda: [json.loads(r.message) for r in caplog.records if r.message.startswith("{")]


def test_the_first_update_comes_before_the_slot_is_taken() -> None:
    def work(job: Job) -> Updates:
        yield Update("now")

    service = Service(load)
    updates = service.perform("a", work, "try")
    assert next(updates) is None
    assert service.slot.holder is None
    assert [one.text for one in updates if one] == ["now"]


def test_a_typed_error_becomes_a_last_update_with_its_sentence(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    def work(job: Job) -> Updates:
        yield Update("begun")
        raise ImageError("It is empty.", code="empty", remedy="Choose another.")

    updates = perform(Service(load), work)
    assert updates[-1] == Update("It is empty. Choose another.", failed=True)
    assert lines()[-1]["outcome"] == "empty"


def test_another_error_becomes_a_number_that_the_log_explains(
    lines: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    def work(job: Job) -> Updates:
        yield Update("begun")
        raise RuntimeError("a secret")

    last = perform(Service(load), work)[-1]
    assert last.failed
    assert "secret" not in last.text
    (line,) = lines()
    assert line["outcome"] == "fault"
    assert line["report_id"] in last.text
    assert f"report {line['report_id']}" in caplog.text
    assert "a secret" in caplog.text


def test_a_job_leaves_one_line_with_what_was_done_and_nothing_of_whom_or_what(
    lines: Callable[[], list[dict[str, Any]]], tmp_path: Any
) -> None:
    path = tmp_path / "face-of-anna.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path)
    list(RestoreJob(Service(load)).run("session-17", str(path), "sharpen-x2", "fast"))
    (line,) = lines()
    assert line.pop("seconds") >= 0
    assert line == {
        "action": "restore",
        "models": [DEFAULT_MODEL],
        "input_size": [30, 20],
        "output_size": [60, 40],
        "tiles": 1,
        "precision": "float32",
        "outcome": "done",
    }


def test_a_visitor_who_leaves_or_stops_is_told_apart_in_the_log(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    def work(job: Job) -> Updates:
        yield Update("one")
        yield Update("two")

    service = Service(load)
    left = service.perform("a", work, "try")
    next(left), next(left)
    left.close()
    stopped = service.perform("a", work, "try")
    next(stopped), next(stopped)
    assert service.slot.stop("a")
    assert list(stopped) == []
    assert [line["outcome"] for line in lines()] == ["left", "stopped"]
    assert service.slot.holder is None


def test_graceful_work_runs_on_after_a_stop_and_only_then() -> None:
    def work(job: Job) -> Updates:
        job.graceful = True
        while not job.is_set():
            yield Update("working")
        yield Update("kept")

    service = Service(load)
    updates = service.perform("a", work, "try")
    next(updates), next(updates)
    service.slot.stop("a")
    assert [one.text for one in updates if one] == ["kept"]
    closing = service.perform("a", work, "try")
    next(closing), next(closing)
    service.slot.close(0.0)
    assert "restarting" in [one for one in closing if one][-1].text


def test_a_model_that_fails_is_explained_for_the_page() -> None:
    def absent(name: str) -> Upscaler:
        raise WeightsError("There is no network.", code="offline", remedy="Go online.")

    service = Service(absent)

    def work(job: Job) -> Updates:
        yield from service.load_model(job, "swin2sr-classical-x4")

    text = perform(service, work)[-1].text
    assert text.startswith("swin2sr-classical-x4 is not on this machine yet")
    assert "which is included" in text


def test_a_model_that_takes_too_long_ends_the_job_not_the_loading() -> None:
    def slow(name: str) -> Upscaler:
        time.sleep(1.5)
        return load(name)

    service = Service(slow, JobSlot(time_limit=0.6))

    def work(job: Job) -> Updates:
        yield from service.load_model(job, DEFAULT_MODEL)

    updates = perform(service, work)
    assert updates[0].text == f"Getting {DEFAULT_MODEL} ready. The first time, this takes a while."
    assert "takes longer than 1 s" in updates[-1].text
    assert service.models.load_in_thread(DEFAULT_MODEL).result(10).name == DEFAULT_MODEL


def test_a_good_jpeg_is_told_that_repairing_it_does_harm(tmp_path: Any) -> None:
    path = tmp_path / "a.jpg"
    job = RestoreJob(Service(load))
    for quality, told in ((90, True), (20, False)):
        path.write_bytes(Jpeg(quality).encode(np.full((12, 10, 3), 99, np.uint8)))
        text = job.preview(str(path), "jpeg", "fast")
        assert ("it may take fine detail for damage" in text) == told
        assert "10x12 pixels" in text


# --- a GPU that is lent ---------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Any) -> str:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((12, 10, 3), 99, np.uint8)).save(path)
    return str(path)


def test_a_lent_gpu_gives_the_result_that_this_process_gives(picture: str) -> None:
    results = []
    for one in (None, lend):
        job = RestoreJob(Service(load, lend_gpu=one))
        for update in job.run("a", picture, "sharpen-x2", "fast"):
            if update is not None and update.result is not None:
                assert isinstance(update.result, RestoreResult)
                results.append(Image.open(update.result.after).tobytes())
    assert results[0] == results[1]
    assert len(results) == 2


def test_an_error_where_the_gpu_is_comes_back_with_its_sentence(picture: str) -> None:
    with open(picture, "wb") as file:
        file.write(b"GIF89a no")
    here, there = (
        list(RestoreJob(Service(load, lend_gpu=one)).run("a", picture, "sharpen-x2", "fast"))[-1]
        for one in (None, lend)
    )
    assert here == there
    assert there is not None
    assert there.failed


def test_a_copy_of_the_process_asks_its_clock_and_this_one_the_job() -> None:
    def network(ends: float) -> Updates:
        yield Update(type(service.cancel_token(ends)).__name__)

    service = Service(load, lend_gpu=lend)
    lent = service.on_gpu(network, lambda ends: 1)
    kinds = []

    def work(job: Job) -> Updates:
        assert service.cancel_token(job.deadline) is job
        for update in lent(job.deadline):
            kinds.append(update.text)
            yield update

    perform(service, work)
    assert kinds == ["Deadline"]
    assert not Deadline(time.monotonic() + 60).is_set()
    assert Deadline(time.monotonic() - 1).is_set()


def test_closing_a_job_ends_it_where_the_gpu_is(picture: str) -> None:
    service = Service(load, lend_gpu=lend)
    run = RestoreJob(service).run("a", picture, "sharpen-x2", "fast")
    while service.slot.holder is None:
        next(run)
    next(run)
    run.close()
    assert service.slot.holder is None
    assert not multiprocessing.active_children()


def test_where_a_gpu_is_lent_the_self_test_is_the_cpus() -> None:
    asked: list[dict[str, Any]] = []

    def loading(name: str, **options: Any) -> Upscaler:
        asked.append(options)
        return load(name)

    service = Service(loading, lend_gpu=lend)
    service.warm_up()
    assert service.ready
    assert asked == [{"device": "cpu"}]
    service.preload()
    assert service.models.peek(DEFAULT_MODEL) is not None


def test_a_job_error_keeps_its_parts_on_the_way() -> None:
    def network() -> Updates:
        yield Update("begun")
        raise JobError("Too large.", code="over_budget", remedy="Crop it.")

    lent = Service(load, lend_gpu=lend).on_gpu(network, lambda: 1)
    with pytest.raises(JobError) as caught:
        list(lent())
    assert (caught.value.code, caught.value.message, caught.value.remedy) == (
        "over_budget",
        "Too large.",
        "Crop it.",
    )
