"""Request limits: sizes, foreign paths, unused paths, and the rate limit of an address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from swin2sr.demo.middleware import (
    BODY_BYTES,
    JOIN,
    UPLOAD,
    UPLOAD_BYTES,
    MultiPartException,
    RequestLimits,
    client_address,
)

FORM = {"content-type": "multipart/form-data; boundary=xyz"}


class InnerApp:
    """App behind the middleware: reads the body it is given, and remembers it."""

    def __init__(self, during: Callable[[], Any] | None = None) -> None:
        self.bodies: list[bytes] = []
        self.during = during

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        stated = dict(scope["headers"]).get(b"content-length")
        assert stated is None or int(stated) == len(body)
        if self.during:
            await self.during()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class AsgiClient:
    """Client of the middleware, with its surroundings."""

    def __init__(
        self, *, ready: bool = True, waiting: int = 0, networkless: tuple[int, ...] = ()
    ) -> None:
        self.inner = InnerApp()
        self.limits = RequestLimits(self.inner, lambda: ready, lambda address: waiting, networkless)

    def ask(self, *args: Any, **kwargs: Any) -> int:
        """The status that a request gets."""
        return asyncio.run(self.request(*args, **kwargs))

    async def request(
        self,
        path: str,
        body: bytes | Any = b"",
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        chunk: int = 10_000,
        length: bool = True,
        address: str = "10.0.0.1",
    ) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = dict(headers or {})
        if length:
            fields["content-length"] = str(len(data))
        parts = [data[i : i + chunk] for i in range(0, len(data), chunk)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.encode(), v.encode()) for k, v in fields.items()],
            "client": (address, 1),
        }
        await self.limits(scope, receive, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])


def form(files: int) -> bytes:
    one = b'--xyz\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\nx\r\n'
    return one * files + b"--xyz--\r\n"


def test_health_and_readiness_are_two_things() -> None:
    client = AsgiClient(ready=False)
    assert client.ask("/health", method="GET") == 200
    assert client.ask("/ready", method="GET") == 503
    assert AsgiClient(ready=True).ask("/ready", method="GET") == 200
    assert client.inner.bodies == []


def test_sec_06_a_body_up_to_the_limit_passes_unchanged() -> None:
    client = AsgiClient()
    body = json.dumps("x" * (BODY_BYTES - 2)).encode()
    assert client.ask(JOIN, body) == 200
    assert client.ask(JOIN, body, length=False, chunk=7000) == 200
    assert client.inner.bodies == [body, body]


@pytest.mark.parametrize("length", [True, False])
def test_sec_06_a_larger_body_is_refused_unread(length: bool) -> None:
    client = AsgiClient()
    assert client.ask(JOIN, json.dumps("x" * BODY_BYTES).encode(), length=length) == 413
    assert client.inner.bodies == []


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe\x00", b"[" * 30_000, b"a=b"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert AsgiClient().ask(JOIN, body) == 400


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://example.org/a.png"},
        {"path": " HTTPS://example.org/a.png"},
        {"path": "http://169.254.169.254/"},
        {"path": "file:///etc/passwd"},
        {"path": "data:image/png;base64,AAAA"},
        {"path": "a.png", "url": "data:image/png;base64,AAAA"},
    ],
)
def test_sec_04_paths_to_elsewhere_are_refused_at_any_depth(file: dict[str, str]) -> None:
    client = AsgiClient()
    assert client.ask(JOIN, {"data": [[{"image": file}], None]}) == 400
    assert client.inner.bodies == []


def test_files_of_this_server_pass() -> None:
    own = {"path": "/tmp/gradio/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/tmp/a.png"}
    assert AsgiClient().ask(JOIN, {"data": [own]}) == 200


def test_addresses_of_this_servers_files_become_their_paths() -> None:
    client = AsgiClient()
    own = {"path": "http://localhost:7860/gradio_api/file=/srv/a%20b.png"}
    headers = {"host": "localhost:7860"}
    assert client.ask(JOIN, {"data": [own]}, headers=headers) == 200
    assert json.loads(client.inner.bodies[0]) == {"data": [{"path": "/srv/a b.png"}]}
    assert client.ask(JOIN, {"data": [own]}, headers={"host": "example.org"}) == 400
    nested = {"path": "http://localhost:7860/gradio_api/file=http://example.org/a.png"}
    assert client.ask(JOIN, {"data": [nested]}, headers=headers) == 400


def test_sec_07_uploads_state_their_length_and_keep_it_small() -> None:
    client = AsgiClient()
    assert client.ask(UPLOAD, form(1), headers=FORM) == 200
    assert client.ask(UPLOAD, form(1), headers=FORM, length=False) == 411
    large = {**FORM, "content-length": str(UPLOAD_BYTES + 1)}
    assert client.ask(UPLOAD, form(1), headers=large, length=False) == 413
    assert client.ask(UPLOAD, form(1), headers={"content-type": "text/plain"}) == 400
    chunked = {**FORM, "transfer-encoding": "chunked"}
    assert client.ask(UPLOAD, form(1), headers=chunked) == 411


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 10_000])
def test_sec_07_the_files_of_an_upload_are_counted_across_chunks(chunk: int) -> None:
    client = AsgiClient()
    assert client.ask(UPLOAD, form(20), headers=FORM, chunk=chunk) == 200
    with pytest.raises(MultiPartException):
        client.ask(UPLOAD, form(21), headers=FORM, chunk=chunk)


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/component_server",
        "/gradio_api/deep_link",
        "/gradio_api/proxy=http://example.org/",
        "/gradio_api/runs/",
        "/gradio_api/vibe-code",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_sec_12_unused_paths_are_closed(path: str, method: str) -> None:
    assert AsgiClient().ask(path, {}, method=method) == 404


def test_sec_10_an_address_with_two_waiting_jobs_adds_none() -> None:
    assert AsgiClient(waiting=1).ask(JOIN, {"fn_index": 0}) == 200
    assert AsgiClient(waiting=2).ask(JOIN, {"fn_index": 0}) == 429
    assert AsgiClient(waiting=2).ask("/gradio_api/call/restore", {"data": []}) == 429
    assert AsgiClient(waiting=2).ask("/gradio_api/call/v2/restore", {}) == 429


def test_functions_without_a_network_are_not_counted_but_what_merely_looks_like_one_is() -> None:
    client = AsgiClient(waiting=2, networkless=(1,))
    assert client.ask(JOIN, {"fn_index": 1}) == 200
    for disguised in (True, 1.0, "1", None):
        assert client.ask(JOIN, {"fn_index": disguised}) == 429
    assert client.ask("/gradio_api/cancel", {"event_id": "x"}) == 200


def test_sec_10_requests_on_their_way_into_the_queue_count() -> None:
    client = AsgiClient()

    async def crowd() -> list[int]:
        async def linger() -> None:
            await asyncio.sleep(0)

        client.inner.during = linger
        one = [client.request(JOIN, {"fn_index": 0}) for _ in range(5)]
        other = [client.request(JOIN, {"fn_index": 0}, address="10.0.0.2")]
        return list(await asyncio.gather(*one, *other))

    assert sorted(asyncio.run(crowd())[:5]) == [200, 200, 429, 429, 429]
    assert client.ask(JOIN, {"fn_index": 0}) == 200


def test_forwarded_addresses_count_on_spaces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {
        "client": ("10.0.0.1", 1),
        "headers": [(b"x-forwarded-for", b"203.0.113.9, 10.0.0.7")],
    }
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert client_address(scope) == "10.0.0.1"
    monkeypatch.setenv("SPACE_ID", "someone/swin2sr")
    assert client_address(scope) == "203.0.113.9"
    assert client_address({"client": None, "headers": []}) == ""


def test_mounted_below_a_path_the_rules_stay() -> None:
    client = AsgiClient()

    async def below() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "root_path": "/app", "headers": []}
        await client.limits({**scope, "path": "/app/monitoring"}, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    assert asyncio.run(below()) == 404


def test_other_traffic_is_none_of_its_business() -> None:
    client = AsgiClient()
    seen = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    client.limits.app = inner
    asyncio.run(client.limits({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
