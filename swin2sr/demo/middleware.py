"""ASGI middleware with the request limits of the page: sizes, files, addresses, rate limit.

What the page never sends is refused before anything reads it. Plain ASGI, so that a request's size
is known before it is in memory. Also answers whether the process lives (``/health``) and whether
it can upscale (``/ready``).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

API = "/gradio_api"
UPLOAD = f"{API}/upload"
FILE = f"{API}/file="
JOIN = f"{API}/queue/join"
CALL = f"{API}/call/"

# Paths of the framework that this page has no use for.
CLOSED_PATHS = (
    "/monitoring",
    f"{API}/component_server",
    f"{API}/custom_component",
    f"{API}/deep_link",
    f"{API}/dev",
    f"{API}/process_recording",
    f"{API}/profiling",
    f"{API}/proxy=",
    f"{API}/run-history",
    f"{API}/runs",
    f"{API}/stream",
    f"{API}/vibe",
)

BODY_BYTES = 64_000
UPLOAD_BYTES = 10_000_000 + BODY_BYTES  # of all files in one request, with the form around them
UPLOAD_FILES = 20
WAITING_JOBS = 2  # rate limit of one address; the job that runs is not counted
FOREIGN_SCHEMES = ("http:", "https:", "file:", "ftp:", "data:")


class HttpError(Exception):
    """HTTP error that answers a request in place of the framework.

    Args:
        status: of HTTP.
        reason: one sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RequestLimits:
    """ASGI middleware that refuses what the page never sends.

    Bodies over 64 kB (uploads: 10 MB and 20 files), paths that point to other machines or carry
    data, jobs beyond two waiting of one address (the rate limit), and unused paths of the
    framework.

    Args:
        app: what is behind it.
        ready: whether the self-test has passed.
        waiting: how many jobs an address has in the queue.
        networkless: numbers of the page's functions that never run a network.
    """

    def __init__(
        self,
        app: App,
        ready: Callable[[], bool],
        waiting: Callable[[str], int],
        networkless: Collection[int],
    ) -> None:
        self.app = app
        self._ready = ready
        self._waiting = waiting
        self._networkless = frozenset(networkless)
        self._joining: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _path(scope)
        try:
            if path == "/health":
                await _send_json(send, 200, {"status": "ok"})
            elif path == "/ready":
                ready = self._ready()
                await _send_json(send, 200 if ready else 503, {"ready": ready})
            elif path.startswith(CLOSED_PATHS):
                raise HttpError(404, "Not found.")
            elif scope["method"] in ("GET", "HEAD", "OPTIONS"):
                await self.app(scope, receive, send)
            elif path == UPLOAD:
                await self.app(scope, _limit_parts(scope, receive), send)
            else:
                await self._forward(scope, receive, send, path)
        except HttpError as error:
            await _send_json(send, error.status, {"detail": error.reason})

    async def _forward(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, path: str
    ) -> None:
        """Read the body within its limit, look through it, and hand it on."""
        body = await _read_body(scope, receive)
        content, changed = _check_body(body, f"http://{_header(scope, b'host')}{FILE}")
        if changed:
            body = json.dumps(content).encode()
            scope = _with_content_length(scope, body)
        job = path.startswith(CALL) or (path == JOIN and not self._is_networkless(content))
        with self._queue_place(client_address(scope) if job else None):
            await self.app(scope, _replay(body, receive), send)

    def _is_networkless(self, content: Any) -> bool:
        number = content.get("fn_index") if isinstance(content, dict) else None
        return type(number) is int and number in self._networkless  # not True, 1.0 or "1"

    @contextmanager
    def _queue_place(self, address: str | None) -> Iterator[None]:
        """Rate limit: hold a place in the queue; requests on their way there count as waiting."""
        if address is None:
            yield
            return
        if self._waiting(address) + self._joining[address] >= WAITING_JOBS:
            raise HttpError(
                429,
                f"{WAITING_JOBS} pictures from your address are waiting already. "
                "Try again when one of them is done.",
            )
        self._joining[address] += 1
        try:
            yield
        finally:
            self._joining[address] -= 1
            if not self._joining[address]:
                del self._joining[address]


def client_address(scope: MutableMapping[str, Any]) -> str:
    """Address of the client, as far as it can be known.

    On Spaces every connection comes from the proxy, which passes the visitor's address in
    ``x-forwarded-for``. A visitor can put others before it there, so the rate limit that hangs on
    this is a courtesy among visitors; the queue's own size is what holds.
    """
    if os.environ.get("SPACE_ID"):
        forwarded = _header(scope, b"x-forwarded-for").split(",")[0].strip()
        if forwarded:
            return forwarded
    client = scope.get("client")
    return str(client[0]) if client else ""


def _path(scope: MutableMapping[str, Any]) -> str:
    """Path of a request below the mount point, without a slash at its end."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    return path.rstrip("/")


def _header(scope: MutableMapping[str, Any], name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""


def _content_length(scope: MutableMapping[str, Any]) -> int | None:
    text = _header(scope, b"content-length")
    return int(text) if text.isdecimal() else None


async def _read_body(scope: MutableMapping[str, Any], receive: Receive) -> bytes:
    too_large = HttpError(
        413, f"The request is larger than {BODY_BYTES} bytes; pictures are uploaded first."
    )
    if (_content_length(scope) or 0) > BODY_BYTES:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "The request ended early.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES:
            raise too_large
    return bytes(body)


def _check_body(body: bytes, own: str) -> tuple[Any, bool]:
    """Parse and check the JSON of a body; returns it (None if empty) and whether it was changed.

    Addresses of files that were uploaded here become their paths, which are all that programs
    other than the page may know of them (those that speak the Model Context Protocol, for one).

    Args:
        body: of the request.
        own: how the addresses of this server's files begin.
    Raises:
        HttpError: it is no JSON, or asks for something from elsewhere.
    """
    if not body:
        return None, False
    changed = False
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "The request is not valid JSON.") from None
    remaining = [content]
    while remaining:
        one = remaining.pop()
        if isinstance(one, list):
            remaining += one
        elif isinstance(one, dict):
            remaining += one.values()
            path = one.get("path")
            if isinstance(path, str) and path.startswith(own):
                one["path"] = unquote(path.removeprefix(own))
                changed = True
            if _has_prefix(one.get("path"), FOREIGN_SCHEMES) or _has_prefix(
                one.get("url"), ("data:",)
            ):
                raise HttpError(400, "Web addresses are not fetched: please upload the image.")
    return content, changed


def _with_content_length(scope: MutableMapping[str, Any], body: bytes) -> MutableMapping[str, Any]:
    """Scope of a request whose body has changed its length."""
    headers = [(key, value) for key, value in scope["headers"] if key != b"content-length"]
    if len(headers) < len(scope["headers"]):
        headers.append((b"content-length", str(len(body)).encode()))
    return {**scope, "headers": headers}


def _has_prefix(value: object, prefixes: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value.strip().lower().startswith(prefixes)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Replay a body that has been read, then pass on whatever else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _limit_parts(scope: MutableMapping[str, Any], receive: Receive) -> Receive:
    """Stream of an upload whose parts are counted.

    Too many parts are reported by the exception that the form's reader expects of its own kind,
    because on that one it removes the files it has begun.
    """
    length = _content_length(scope)
    if length is None or _header(scope, b"transfer-encoding"):
        raise HttpError(411, "Uploads must state their length.")
    if length > UPLOAD_BYTES:
        raise HttpError(413, f"Uploads of more than {UPLOAD_BYTES // 10**6} MB are not accepted.")
    _, options = parse_options_header(_header(scope, b"content-type"))
    if b"boundary" not in options:
        raise HttpError(400, "Uploads must be forms.")
    mark = b"--" + options[b"boundary"]
    tail = b""
    parts = 0

    async def counted() -> Message:
        nonlocal tail, parts
        message = await receive()
        chunk = tail + message.get("body", b"")
        parts += chunk.count(mark)
        tail = chunk[chunk.rfind(mark) + len(mark) :] if mark in chunk else chunk
        tail = tail[-len(mark) + 1 :]
        if parts > UPLOAD_FILES + 1:  # one mark ends the form
            raise MultiPartException(
                f"The upload exceeds the maximum allowed size of {UPLOAD_FILES} files."
            )
        return message

    return counted


async def _send_json(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
