"""Security (SEC of docs/reliability.md): what a visitor without manners gets."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

if TYPE_CHECKING:
    from tests.app.conftest import Site, Visitor

Photo = Callable[..., bytes]
META = {"_type": "gradio.FileData"}


def refused(outcome: dict[str, Any], *never: str) -> bool:
    """Whether a job failed with words that do not contain what must stay secret."""
    return not outcome["success"] and not any(word in json.dumps(outcome) for word in never)


def serves(visitor: Visitor, photo: Photo) -> bool:
    """Whether the page still does its work, for somebody else."""
    other = visitor.site.visit()
    return bool(other.outcome(other.upload(photo()), "sharpen-x2", "fast")["success"])


@pytest.fixture
def private_picture(tmp_path: Path) -> Path:
    """A picture on the server that nobody has uploaded."""
    path = tmp_path / "private.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=app.py",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=%2fetc%2fpasswd",
        "/gradio_api/file/etc/passwd",
        "/static/../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/launch.py",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/svelte/%2e%2e/%2e%2e/__init__.py",
    ],
)
def test_sec_01_server_files_are_not_served(visitor: Visitor, path: str) -> None:
    answer = visitor.http.get(path)
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_sec_02_server_paths_with_meta_are_refused(visitor: Visitor, private_picture: Path) -> None:
    forged = {"path": str(private_picture), "meta": META}
    outcome = visitor.outcome(forged, "sharpen-x2", "fast")
    assert refused(outcome, "root:", "Traceback")


def test_sec_25_server_paths_without_meta_are_refused(
    visitor: Visitor, private_picture: Path, photo: Photo
) -> None:
    upload = visitor.upload(photo())["path"]
    climbing = f"{Path(upload).parent}/../../{private_picture}"
    for path in (str(private_picture), climbing, f"{upload}/../../../..", "", "app.py"):
        for function in ("restore", "preview"):
            outcome = visitor.outcome({"path": path}, "sharpen-x2", "fast", function=function)
            assert refused(outcome, "8x8"), path
        for function in ("batch", "preview_batch"):
            rest = ("sharpen-x2", "fast", False)[: 3 if function == "batch" else 2]
            outcome = visitor.outcome([{"path": path}], *rest, function=function)
            assert refused(outcome, "8x8"), path
    assert serves(visitor, photo)


def test_sec_25_also_after_an_event_has_updated_the_component(
    visitor: Visitor, private_picture: Path
) -> None:
    # Gradio then has a new component for the session, without what was done to the old one.
    assert visitor.outcome(0, function="load_example")["success"]
    outcome = visitor.outcome({"path": str(private_picture)}, "sharpen-x2", "fast")
    assert refused(outcome, "8x8")
    assert "upload" in outcome["output"]["error"]


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:1/a.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://example.org/a.png",
        "ftp://example.org/a.png",
    ],
)
def test_sec_03_04_addresses_are_refused_before_they_are_read(visitor: Visitor, path: str) -> None:
    assert visitor.join({"path": path, "meta": META}, "sharpen-x2", "fast").status_code == 400
    body: dict[str, Any] = {"data": [{"path": path, "meta": META}, "sharpen-x2", "fast"]}
    assert visitor.http.post("/gradio_api/call/restore", json=body).status_code == 400
    body = {"image": {"path": path, "meta": META}}
    assert visitor.http.post("/gradio_api/call/v2/restore", json=body).status_code == 400


def test_sec_05_pictures_inside_the_request_are_refused(visitor: Visitor) -> None:
    large = {"path": "a.png", "url": "data:image/png;base64," + "A" * 10**6}
    assert visitor.join(large, "sharpen-x2", "fast").status_code == 413
    small = {"path": "a.png", "url": "data:image/png;base64,AAAA"}
    assert visitor.join(small, "sharpen-x2", "fast").status_code == 400


def test_sec_06_large_bodies_are_refused_plain_and_chunked(visitor: Visitor) -> None:
    where = "/gradio_api/queue/join"
    assert visitor.http.post(where, content=b"[" + b" " * 64_000).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from [b" " * 1000] * 65

    assert visitor.http.post(where, content=chunks()).status_code == 413


def test_sec_07_uploads_over_the_limits_are_refused_and_leave_nothing(visitor: Visitor) -> None:
    folder = Path(get_upload_folder())
    before = set(folder.rglob("*"))
    post = visitor.http.post
    where = "/gradio_api/upload"
    assert post(where, files={"files": ("a.png", bytes(11_000_000))}).status_code == 413
    assert post(where, files={"files": ("a.png", bytes(10_000_001))}).status_code == 413
    many = [("files", (f"{number}.png", b"x")) for number in range(100)]
    assert post(where, files=many).status_code == 413
    assert set(folder.rglob("*")) <= before
    assert post(where, files={"files": ("a.png", bytes(9_999_999))}).status_code == 200


def test_sec_08_queued_functions_cannot_be_called_past_the_queue(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    file = visitor.upload(photo())
    paths = [
        f"/gradio_api/{route}/{name}" for route in ("run", "api") for name in ("restore", "preview")
    ]

    def call(path: str) -> int:
        body = {"data": [file, "sharpen-x2", "fast"], "session_hash": visitor.session}
        return visitor.http.post(path, json=body).status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(call, paths * 3)) == {404}
    assert site.page.service.slot.holder is None


def test_sec_09_joining_and_cancelling_in_a_loop_runs_one_job_at_most(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    file = visitor.upload(photo(400, 40))
    with site.gate.closed():
        for _ in range(12):
            answer = visitor.join(file, "sharpen-x2", "fast")
            if answer.status_code == 200:
                visitor.cancel(answer.json()["event_id"])
    assert site.gate.peak <= 1
    assert site.idle()
    assert serves(visitor, photo)


def test_sec_10_an_address_has_one_job_running_and_two_waiting(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    file = visitor.upload(photo())
    with site.gate.closed():
        visitor.join(file, "sharpen-x2", "fast")
        assert site.gate.entered.wait(20)
        answers = [visitor.join(file, "sharpen-x2", "fast") for _ in range(9)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200] * 2 + [429] * 7
    assert "waiting already" in answers[-1].json()["detail"]
    list(visitor.messages())
    assert site.gate.peak == 1


def test_sec_11_private_functions_are_harmless(
    site: Site, visitor: Visitor, private_picture: Path
) -> None:
    names = {one.api_name for one in site.page.demo.fns.values() if one.api_name}
    public = {one.api_name for one in site.page.demo.fns.values() if one.api_visibility == "public"}
    for name in names - public:
        for data in ([], [str(private_picture)], [{"path": str(private_picture)}] * 3):
            answer = visitor.http.post(f"/gradio_api/run/{name}", json={"data": data})
            assert "8x8" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link",
        "/gradio_api/proxy=https://example.org/",
        "/monitoring",
        "/monitoring/summary",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/gradio_api/runs",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/gradio_api/profiling/summary",
    ],
)
def test_sec_12_side_doors_are_closed(visitor: Visitor, path: str) -> None:
    assert 400 <= visitor.http.get(path).status_code < 500


@pytest.mark.parametrize("path", ["component_server", "process_recording", "vibe-edit", "runs"])
def test_sec_12_side_doors_take_nothing(visitor: Visitor, path: str) -> None:
    assert 400 <= visitor.http.post(f"/gradio_api/{path}", json={}).status_code < 500


@pytest.mark.parametrize(
    "data",
    [
        ["sharpen-x3", "fast"],
        ["sharpen-x2", "exquisite"],
        ["sharpen-x2", -1],
        [999, "fast"],
        [None, None],
        [float("nan"), "fast"],
        [["sharpen-x2"], {"quality": "fast"}],
        ["sharpen-x2"],
        [],
    ],
)
def test_sec_13_wrong_arguments_are_errors_and_the_page_goes_on(
    visitor: Visitor, photo: Photo, data: list[Any]
) -> None:
    body = {
        "data": [visitor.upload(photo()), *data],
        "fn_index": visitor.site.number("restore"),
        "session_hash": visitor.session,
    }
    answer = visitor.http.post("/gradio_api/queue/join", content=json.dumps(body))
    if answer.status_code == 200:
        outcome = next(one for one in visitor.messages() if one["msg"] == "process_completed")
        assert refused(outcome, "Traceback", "site-packages")
    else:
        assert 400 <= answer.status_code < 500
    assert serves(visitor, photo)


def test_sec_13_other_types_of_picture_and_long_texts_are_errors(
    visitor: Visitor, photo: Photo
) -> None:
    for picture in ("photo.png", 7, [], {"path": 7}, {"path": None}, {"path": "\0"}):
        answer = visitor.join(picture, "sharpen-x2", "fast")
        if answer.status_code == 200:
            outcome = next(one for one in visitor.messages() if one["msg"] == "process_completed")
            assert refused(outcome, "Traceback", "site-packages"), picture
    assert visitor.join(None, "x" * 10**6, "fast").status_code == 413
    assert serves(visitor, photo)


def test_sec_14_an_unforeseen_error_is_a_number_here_and_a_log_entry_there(
    site: Site, visitor: Visitor, photo: Photo, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hf_" + secrets.token_hex(8)
    site.faults["swin2sr-small-compressed-x4"] = RuntimeError(f"no access with {secret}")
    upload = visitor.upload(photo(), "face.png")
    with caplog.at_level(logging.ERROR):
        outcome = visitor.outcome(upload, "compressed-x4", "fast")
    del site.faults["swin2sr-small-compressed-x4"]
    assert refused(outcome, secret, "RuntimeError")
    found = re.search(r"report (\w{8})", outcome["output"]["error"])
    assert found
    assert f"report {found[1]}" in caplog.text
    assert secret in caplog.text
    assert "face.png" not in caplog.text


def test_sec_15_uploaded_pages_come_back_as_attachments(visitor: Visitor) -> None:
    for name in ("a.html", "a.svg", "a.js"):
        file = visitor.upload(b"<script>alert(1)</script>", name)
        answer = visitor.http.get(f"/gradio_api/file={file['path']}")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "name", ["<img src=x onerror='a&b'>.png", "\u202egnp.exe.png", "n" * 250 + ".png", "..png"]
)
def test_sec_16_results_have_names_of_our_own(visitor: Visitor, photo: Photo, name: str) -> None:
    data = visitor.outcome(visitor.upload(photo(), name), "sharpen-x2", "fast")["output"]["data"]
    for file in (*data[0], data[1]):
        for own in (Path(file["path"]).name, file["orig_name"]):
            assert not re.search(r"""[<>"/\\|\u202e]""", own)
            assert len(own.encode()) <= 255
            assert not own.startswith(".")
    assert data[1]["orig_name"].endswith("_swin2sr_x2.png")
    assert "onerror" not in data[2]


@pytest.mark.parametrize("origin", ["https://example.org", "null"])
def test_sec_17_other_origins_may_not_read(visitor: Visitor, origin: str) -> None:
    for path in ("/config", "/gradio_api/info"):
        answer = visitor.http.get(path, headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_sec_18_results_of_others_cannot_be_guessed_or_listed(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    data = photo(43, 31)
    upload = visitor.upload(data)
    result = visitor.outcome(upload, "sharpen-x2", "fast")["output"]["data"][1]
    for file in (upload, result):
        place = Path(file["path"])
        assert re.fullmatch(r"[0-9a-f]{40,}", place.parent.name)
        # The folder's name is no plain hash, which whoever has the same picture could compute.
        plain = {hashlib.new(kind, place.read_bytes()).hexdigest() for kind in ("sha1", "sha256")}
        assert place.parent.name not in plain
        for folder in (place.parent, place.parent.parent):
            assert visitor.http.get(f"/gradio_api/file={folder}").status_code in (403, 404)
    outcome = site.visit().outcome(
        {"path": str(Path(result["path"]).parent / "photo_swin2sr_x3.png")}, "sharpen-x2", "fast"
    )
    assert refused(outcome)


def test_sec_19_what_is_in_the_environment_stays_there(
    site: Site, photo: Photo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secrets_ = {name: f"{name.lower()}-{secrets.token_hex(8)}" for name in ("HF_TOKEN", "API_KEY")}
    for name, value in secrets_.items():
        monkeypatch.setenv(name, value)
    other = type(site)()
    visitor = other.visit()
    other.faults["swin2sr-jpeg"] = RuntimeError("no")
    told = [visitor.http.get(path).text for path in ("/", "/config", "/gradio_api/info", "/ready")]
    with caplog.at_level(logging.DEBUG):
        told.append(json.dumps(visitor.outcome(visitor.upload(photo()), "jpeg", "best")))
        visitor.session += "x"
        told.append(json.dumps(visitor.outcome(visitor.upload(photo()), "sharpen-x2", "fast")))
    other.page.demo.close(verbose=False)
    for value in secrets_.values():
        assert not [text for text in (*told, caplog.text) if value in text]


def test_sec_20_nothing_calls_home(
    site: Site, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def watched_connect(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            asked.append(address)
        return connect(self, address)

    def watched_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            asked.append(host)
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", watched_connect)
    monkeypatch.setattr(socket, "getaddrinfo", watched_lookup)
    other = type(site)()
    visitor = other.visit()
    assert visitor.outcome(visitor.upload(photo()), "sharpen-x2", "fast")["success"]
    other.page.demo.close(verbose=False)
    assert asked == []
    assert not other.page.demo.analytics_enabled


def test_sec_21_the_page_loads_nothing_from_elsewhere(visitor: Visitor) -> None:
    page = visitor.http.get("/").text
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']([^\"']+)", page)
    foreign = [url for url in loaded if re.match(r"(https?:)?//", url)]
    assert [url for url in foreign if not url.startswith(visitor.site.url)] == []
    assert not re.search(r"url\([\"']?(https?:)?//", visitor.http.get("/theme.css").text)


def test_sec_22_models_are_chosen_from_a_list_and_nowhere_else(
    site: Site, visitor: Visitor, photo: Photo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    get = site.page.service.models.get
    monkeypatch.setattr(
        site.page.service.models, "get", lambda name: asked.append(name) or get(name)
    )
    (tmp_path / "mine.safetensors").write_bytes(b"")
    wanted = (
        "caidas/swin2SR-classical-sr-x2-64",
        "https://example.org/a.pth",
        str(tmp_path / "mine.safetensors"),
        "swin2sr-classical-x2",
        "../sharpen-x2",
    )
    file = visitor.upload(photo())
    for name in wanted:
        for function, source in (("restore", file), ("batch", [file])):
            for chosen in ((name, "fast"), ("sharpen-x2", name)):
                visitor.session += "x"
                outcome = visitor.outcome(source, *chosen, False, function=function)
                assert refused(outcome), (function, chosen)
                assert "is not offered" in outcome["output"]["error"]
    assert asked == []


def test_sec_26_a_cancelled_job_never_keeps_the_slot(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    file = visitor.upload(photo(400, 40))
    moments = np.random.default_rng(26).uniform(0, 0.2, 20)
    moments[::4] = 0  # before or during the first step
    for moment in moments:
        event = visitor.join(file, "sharpen-x2", "fast").json()["event_id"]
        threading.Event().wait(moment)
        visitor.cancel(event)
        assert site.idle()
    assert serves(visitor, photo)
