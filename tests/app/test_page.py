"""The page as its users and their programs see it."""

from __future__ import annotations

import inspect
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageChops

from swin2sr.demo import service
from swin2sr.demo.models import DEFAULT_MODEL, TASKS, packaged_models
from swin2sr.demo.service import Service
from swin2sr.demo.ui.files import EXAMPLE_NAMES, write_examples, write_task_examples
from swin2sr.errors import WeightsError
from swin2sr.inference.estimate import Estimate
from swin2sr.inference.upscaler import Upscaler

if TYPE_CHECKING:
    from tests.app.conftest import Site, Visitor

Photo = Callable[..., bytes]
ACTIONS = ("/restore", "/batch")
OFFLINE = WeightsError(
    "The model is not here and cannot be downloaded.", code="offline", remedy="Go online once."
)


@contextmanager
def fault(site: Site, name: str, error: Exception) -> Iterator[None]:
    """The named model cannot be loaded meanwhile."""
    site.faults[name] = error
    try:
        yield
    finally:
        del site.faults[name]


def client(site: Site, folder: Path) -> Client:
    return Client(site.url, verbose=False, download_files=str(folder), analytics_enabled=False)


def stored(folder: Path, data: bytes, name: str = "holiday.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# --- through the API ------------------------------------------------------------------------------


def test_a_program_gets_what_the_package_computes(site: Site, photo: Photo, tmp_path: Path) -> None:
    source = stored(tmp_path, photo(150, 30))
    slider, file, report = client(site, tmp_path).predict(
        handle_file(source), "sharpen-x2", "fast", api_name="/restore"
    )
    result = Image.open(file)
    expected = site.load(DEFAULT_MODEL)(source)
    assert result.format == "PNG"
    assert result.size == (300, 60)
    assert ImageChops.difference(result.convert("RGB"), expected.convert("RGB")).getbbox() is None
    assert Path(file).name == "holiday_swin2sr_x2.png"
    assert [Image.open(side).size for side in slider] == [(300, 60), (300, 60)]
    assert Path(slider[1]).read_bytes() == Path(file).read_bytes()
    assert "150x30 to 300x60 pixels" in report


def test_the_report_says_which_weights_ran_and_what_was_done(
    visitor: Visitor, photo: Photo
) -> None:
    outcome = visitor.outcome(visitor.upload(photo()), "sharpen-x4", "fast")
    report = outcome["output"]["data"][2]
    for part in ("swin2sr-small-x4", "included with this page", "float32", "tile"):
        assert part in report
    assert "- made of random numbers" in report
    assert re.search(r"40x30 to 160x120 pixels in \d+\.\d s", report)


def test_every_action_is_published_with_its_docstring(site: Site, tmp_path: Path) -> None:
    described: Any = client(site, tmp_path).view_api(return_format="dict", print_info=False)
    endpoints = described["named_endpoints"]
    assert {"/restore", "/batch", "/compare"} <= endpoints.keys()
    assert not [name for name in endpoints if "preview" in name or "stop" in name]
    assert described["unnamed_endpoints"] == {}
    restore, batch = ([p["parameter_name"] for p in endpoints[n]["parameters"]] for n in ACTIONS)
    assert restore == ["image", "task", "quality", "keep_metadata"]
    assert batch == ["images", "task", "quality", "keep_metadata"]
    defaults = [one["parameter_default"] for one in endpoints["/restore"]["parameters"][1:]]
    assert defaults == ["sharpen-x2", "fast", False]
    choices = endpoints["/restore"]["parameters"][1]["type"]["enum"]
    assert choices == list(TASKS)


def test_published_functions_run_one_at_a_time_and_say_what_they_want(site: Site) -> None:
    public = [one for one in site.page.demo.fns.values() if one.api_visibility == "public"]
    assert len(public) >= 3
    for one in public:
        assert one.concurrency_id == "model", one.api_name
        assert not one.preprocess, one.api_name
        assert "Args:" in (one.fn.__doc__ or ""), one.api_name
        assert "Returns:" in (one.fn.__doc__ or ""), one.api_name


def test_a_program_is_told_why_there_is_no_result(site: Site, tmp_path: Path) -> None:
    source = stored(tmp_path, b"GIF89a but not really", "holiday.gif")
    with pytest.raises(AppError) as caught:
        client(site, tmp_path).predict(
            handle_file(source), "sharpen-x2", "fast", api_name="/restore"
        )
    assert "Something went wrong" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


# --- jobs -----------------------------------------------------------------------------------------


def test_progress_is_told_tile_by_tile_with_the_time_left(visitor: Visitor, photo: Photo) -> None:
    visitor.join(visitor.upload(photo(1000, 24)), "sharpen-x2", "fast")
    messages = list(visitor.messages())
    counts = [
        (one["progress_data"][0]["index"], one["progress_data"][0]["length"])
        for one in messages
        if one["msg"] == "progress" and one["progress_data"][0]["length"]
    ]
    lines = [one["output"]["data"][2] for one in messages if one["msg"] == "process_generating"]
    total = counts[-1][1]
    assert total > 2
    assert counts == sorted(counts)
    assert any("about" in json.dumps(line) and "s left" in json.dumps(line) for line in lines)


def test_load_07_stop_ends_the_job_within_a_tile(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    with site.gate.closed():
        event = visitor.join(visitor.upload(photo(400, 40)), "sharpen-x2", "fast").json()
        assert site.gate.entered.wait(20)
        body = {"data": [], "fn_index": site.number("stop"), "session_hash": visitor.session}
        stopped = visitor.http.post("/gradio_api/run/stop", json=body)
    visitor.cancel(event["event_id"])  # as the page does; it waits for the end of the step
    assert stopped.json()["data"] == ["Stopped."]
    assert site.idle()
    assert site.gate.peak == 1


def test_one_restored_picture_nests_the_six_generators_that_the_service_lists(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    nested: list[tuple[str, str]] = []

    def walk(*_: object) -> None:
        frame: FrameType | None = sys._getframe()
        nested.clear()
        while frame is not None:
            code, module = frame.f_code, str(frame.f_globals.get("__name__"))
            if code.co_flags & inspect.CO_GENERATOR and module.startswith("swin2sr."):
                name = code.co_qualname.replace(".<locals>", "")
                nested.insert(0, (name, f"{module.replace('.', '/')}.py"))
            frame = frame.f_back

    handle = site.page.service.models.get(DEFAULT_MODEL).model.register_forward_pre_hook(walk)
    try:
        assert visitor.outcome(visitor.upload(photo()), "sharpen-x2", "fast")["success"]
    finally:
        handle.remove()
    listed = re.findall(r"^    (\S+) +(swin2sr/\S+\.py) ", service.__doc__ or "", re.M)
    assert nested == listed
    assert len(nested) == 6


def test_nobody_stops_the_job_of_another(site: Site, visitor: Visitor, photo: Photo) -> None:
    other = site.visit()
    with site.gate.closed():
        visitor.join(visitor.upload(photo()), "sharpen-x2", "fast")
        assert site.gate.entered.wait(20)
        body = {"data": [], "fn_index": site.number("stop"), "session_hash": other.session}
        other.http.post("/gradio_api/run/stop", json=body)
    assert next(one for one in visitor.messages() if one["msg"] == "process_completed")["success"]


def test_load_06_a_closed_tab_frees_the_slot(site: Site, visitor: Visitor, photo: Photo) -> None:
    with site.gate.closed():
        visitor.join(visitor.upload(photo(400, 40)), "sharpen-x2", "fast")
        where = f"/gradio_api/queue/data?session_hash={visitor.session}"
        with visitor.http.stream("GET", where) as stream:
            lines = stream.iter_lines()
            next(lines)
            assert site.gate.entered.wait(20)
    assert site.idle()


def test_jobs_leave_no_files_behind(visitor: Visitor, photo: Photo, scratch: Path) -> None:
    for data in (photo(), b"no picture"):
        visitor.outcome(visitor.upload(data), "sharpen-x2", "fast")
    assert visitor.site.idle()
    assert not list(scratch.glob("swin2sr-*"))


def test_sec_23_pictures_are_deleted_after_ten_minutes_but_examples_stay(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    from gradio.route_utils import delete_files_created_by_app

    assert site.page.demo.delete_cache == (60, 600)
    upload = visitor.upload(photo(41, 31))
    result = visitor.outcome(upload, "sharpen-x2", "fast")["output"]["data"][1]
    config = visitor.http.get("/config").json()
    examples = [one for one in config["components"] if one["type"] == "dataset"]
    photographs = [sample[0]["path"] for one in examples for sample in one["props"]["samples"]]
    assert len(photographs) >= len(EXAMPLE_NAMES)
    delete_files_created_by_app(site.page.demo, None)
    assert [Path(one["path"]).exists() for one in (upload, result)] == [False, False]
    assert all(map(os.path.exists, photographs))


def test_a_job_beyond_the_time_is_refused_with_numbers(
    site: Site, visitor: Visitor, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Estimate(540.0, 10**6, 3, True, "About 9 min.")
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: slow)
    outcome = visitor.outcome(visitor.upload(photo(90, 60)), "sharpen-x2", "fast")
    assert not outcome["success"]
    error = outcome["output"]["error"]
    assert "9 min" in error
    assert "limit here is 2 min" in error
    assert error.endswith("Crop or shrink the picture to 42x28 pixels.")  # sqrt(120 / 540)


def test_a_job_beyond_the_memory_is_refused_with_numbers(
    site: Site, visitor: Visitor, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Estimate(1.0, 10**12, 3, False, "About 1 s and 1000 GB. Only 4.0 GB can be used.")
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: large)
    outcome = visitor.outcome(visitor.upload(photo()), "sharpen-x2", "fast")
    assert outcome["output"]["error"] == large.message


def test_a_model_that_cannot_be_had_offline_is_told_so(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    with fault(site, "swin2sr-realworld-x4", OFFLINE):
        outcome = visitor.outcome(visitor.upload(photo()), "photo-x4", "fast")
    assert outcome["output"]["error"] == (
        "swin2sr-realworld-x4 is not on this machine yet, and cannot be downloaded now. "
        'Try again later, or use "Sharpen x2" with the fast model, which is included.'
    )


def test_load_11_when_the_server_ends_the_visitor_is_told(site: Site, photo: Photo) -> None:
    other = type(site)()
    visitor = other.visit()
    with other.gate.closed():
        visitor.join(visitor.upload(photo(400, 40)), "sharpen-x2", "fast")
        assert other.gate.entered.wait(20)
        closing = threading.Thread(target=other.page.service.close, args=(20,))
        closing.start()
        while visitor.http.get("/ready").status_code == 200:
            pass
    closing.join()
    last = [one for one in visitor.messages() if one["msg"] == "process_completed"][-1]
    assert last["output"]["error"] == "The server is restarting. Try again in a minute."
    other.page.demo.close(verbose=False)


# --- before a job ---------------------------------------------------------------------------------


def preview(visitor: Visitor, *data: Any) -> str:
    return str(visitor.outcome(*data, function="preview")["output"]["data"][0])


def test_the_cost_is_told_before_the_job(visitor: Visitor, photo: Photo) -> None:
    text = preview(visitor, visitor.upload(photo(64, 48)), "sharpen-x2", "fast")
    assert "64x48 pixels" in text
    assert re.search(r"[Aa]bout \d+ s", text)


def test_the_time_is_guessed_for_a_model_that_is_not_loaded(
    visitor: Visitor, photo: Photo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = preview(visitor, visitor.upload(photo(64, 48)), "jpeg", "best")
    assert "downloads about 47 MB" in text
    assert re.search(r"About \d+ s for 64x48 pixels, judged by", text)


def test_a_bad_file_is_named_before_the_job(visitor: Visitor) -> None:
    text = preview(visitor, visitor.upload(b"<html>", "photo.png"), "sharpen-x2", "fast")
    assert text.endswith("**")
    assert "/" not in text.split("**")[-2]


def test_examples_are_small_photographs(tmp_path: Path) -> None:
    paths = write_examples(tmp_path)
    assert [Path(path).stem for path in paths] == ["astronaut", "chelsea", "coffee", "rocket"]
    assert all(max(Image.open(path).size) <= 256 for path in paths)


def test_every_included_task_has_an_example_in_the_state_it_is_for(tmp_path: Path) -> None:
    tasks = write_task_examples(tmp_path)
    done = [
        key for key, task in TASKS.items() if set(task.models.values()) & set(packaged_models())
    ]
    assert sorted(tasks.values()) == sorted(done)
    for path, task in tasks.items():
        with Image.open(path) as image:
            assert max(image.size) <= 360
            assert image.format == ("PNG" if task.startswith("sharpen") else "JPEG")


# --- the process ----------------------------------------------------------------------------------


def test_readiness_follows_the_self_test(site: Site) -> None:
    broken = Service(lambda name: site.load("swin2sr-broken"))
    assert not broken.ready
    with fault(site, "swin2sr-broken", OFFLINE):
        broken.warm_up()
    assert not broken.ready
    broken.warm_up()
    assert broken.ready


def test_load_12_the_page_is_alive_and_ready(site: Site) -> None:
    assert httpx.get(f"{site.url}/health", trust_env=False).json() == {"status": "ok"}
    assert httpx.get(f"{site.url}/ready", trust_env=False).json() == {"ready": True}


def test_load_11_the_command_serves_and_ends_on_sigterm(root: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
    }
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if str(port) in line:
                break
        assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
        while httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code != 200:
            assert process.poll() is None
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert time.monotonic() - started <= 10
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_img_31_the_cameras_data_is_kept_on_request_and_the_place_never(
    visitor: Visitor, photo: Photo
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Kamera AG"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    file = io.BytesIO()
    Image.open(io.BytesIO(photo())).save(file, "JPEG", exif=exif)
    upload = visitor.upload(file.getvalue(), "a.jpg")
    kept = []
    for keep in (False, True):
        visitor.session += "x"
        data = visitor.outcome(upload, "sharpen-x2", "fast", keep)["output"]["data"]
        kept.append(Image.open(io.BytesIO(visitor.result(data[1]))).getexif())
    assert dict(kept[0]) == {}
    assert kept[1][0x010F] == "Kamera AG"
    assert 0x8825 not in kept[1]


def test_a_result_is_not_reencoded(visitor: Visitor, photo: Photo) -> None:
    slider, file, _ = visitor.outcome(visitor.upload(photo()), "sharpen-x2", "fast")["output"][
        "data"
    ]
    images = [Image.open(io.BytesIO(visitor.result(one))) for one in (*slider, file)]
    assert [image.format for image in images] == ["PNG"] * 3
