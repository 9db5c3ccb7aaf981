"""The door of the page: what it never sends is turned away before anything reads it.

Plain ASGI, so that a request's size is known before it is in memory. Also answers whether the
process lives (``/health``) and whether it can upscale (``/ready``).
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

# Doors of the framework that this page has no use for.
CLOSED = (
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
WAITING_JOBS = 2  # of one address; the one that runs is not counted
FOREIGN = ("http:", "https:", "file:", "ftp:", "data:")


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An answer other than the framework's.

    Args:
        status: of HTTP.
        reason: one sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Guard:
    """ASGI middleware that keeps out what the page never sends.

    Bodies over 64 kB (uploads: 10 MB and 20 files), paths that point to other machines or carry
    data, jobs beyond two waiting of one address, and the framework's unused doors.

    Args:
        app: what is guarded.
        ready: whether the self-test has passed.
        waiting: how many jobs an address has in the queue.
        cheap: numbers of the page's functions that never run a network.
    """

    def __init__(
        self,
        app: App,
        ready: Callable[[], bool],
        waiting: Callable[[str], int],
        cheap: Collection[int],
    ) -> None:
        self.app = app
        self._ready = ready
        self._waiting = waiting
        self._cheap = frozenset(cheap)
        self._joining: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _path(scope)
        try:
            if path == "/health":
                await _answer(send, 200, {"status": "ok"})
            elif path == "/ready":
                ready = self._ready()
                await _answer(send, 200 if ready else 503, {"ready": ready})
            elif path.startswith(CLOSED):
                raise Refusal(404, "Not found.")
            elif scope["method"] in ("GET", "HEAD", "OPTIONS"):
                await self.app(scope, receive, send)
            elif path == UPLOAD:
                await self.app(scope, _counted(scope, receive), send)
            else:
                await self._pass_on(scope, receive, send, path)
        except Refusal as refusal:
            await _answer(send, refusal.status, {"detail": refusal.reason})

    async def _pass_on(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, path: str
    ) -> None:
        """Read the body within its limit, look through it, and hand it on."""
        body = await _read(scope, receive)
        content, changed = _parse(body, f"http://{_header(scope, b'host')}{FILE}")
        if changed:
            body = json.dumps(content).encode()
            scope = _with_length(scope, body)
        job = path.startswith(CALL) or (path == JOIN and not self._is_cheap(content))
        with self._place(address_of(scope) if job else None):
            await self.app(scope, _replay(body, receive), send)

    def _is_cheap(self, content: Any) -> bool:
        number = content.get("fn_index") if isinstance(content, dict) else None
        return type(number) is int and number in self._cheap  # not True, 1.0 or "1"

    @contextmanager
    def _place(self, address: str | None) -> Iterator[None]:
        """A place in the queue; requests still on their way there count as waiting."""
        if address is None:
            yield
            return
        if self._waiting(address) + self._joining[address] >= WAITING_JOBS:
            raise Refusal(
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


def address_of(scope: MutableMapping[str, Any]) -> str:
    """Who asks, as far as it can be known.

    On Spaces every connection comes from the proxy, which passes the visitor's address in
    ``x-forwarded-for``. A visitor can put others before it there, so the limit that hangs on this
    is a courtesy among visitors; the queue's own size is what holds.
    """
    if os.environ.get("SPACE_ID"):
        forwarded = _header(scope, b"x-forwarded-for").split(",")[0].strip()
        if forwarded:
            return forwarded
    client = scope.get("client")
    return str(client[0]) if client else ""


def _path(scope: MutableMapping[str, Any]) -> str:
    """The path below the mount point, without a slash at its end."""
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


def _length(scope: MutableMapping[str, Any]) -> int | None:
    text = _header(scope, b"content-length")
    return int(text) if text.isdecimal() else None


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> bytes:
    too_large = Refusal(
        413, f"The request is larger than {BODY_BYTES} bytes; pictures are uploaded first."
    )
    if (_length(scope) or 0) > BODY_BYTES:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The request ended early.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES:
            raise too_large
    return bytes(body)


def _parse(body: bytes, own: str) -> tuple[Any, bool]:
    """The JSON of a body, looked through, and whether it was changed; None for an empty one.

    Addresses of files that were uploaded here become their paths, which are all that programs
    other than the page may know of them (those that speak the Model Context Protocol, for one).

    Args:
        body: of the request.
        own: how the addresses of this server's files begin.
    Raises:
        Refusal: it is no JSON, or asks for something from elsewhere.
    """
    if not body:
        return None, False
    changed = False
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request is not valid JSON.") from None
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
            if _starts(one.get("path"), FOREIGN) or _starts(one.get("url"), ("data:",)):
                raise Refusal(400, "Web addresses are not fetched: please upload the image.")
    return content, changed


def _with_length(scope: MutableMapping[str, Any], body: bytes) -> MutableMapping[str, Any]:
    """The request's head, for a body that has changed its length."""
    kept = [(key, value) for key, value in scope["headers"] if key != b"content-length"]
    if len(kept) < len(scope["headers"]):
        kept.append((b"content-length", str(len(body)).encode()))
    return {**scope, "headers": kept}


def _starts(value: object, prefixes: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value.strip().lower().startswith(prefixes)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives a body that has been read once more, then whatever else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _counted(scope: MutableMapping[str, Any], receive: Receive) -> Receive:
    """The stream of an upload, watched for the number of its parts.

    Too many parts are reported by the exception that the form's reader expects of its own kind,
    because on that one it removes the files it has begun.
    """
    length = _length(scope)
    if length is None or _header(scope, b"transfer-encoding"):
        raise Refusal(411, "Uploads must state their length.")
    if length > UPLOAD_BYTES:
        raise Refusal(413, f"Uploads of more than {UPLOAD_BYTES // 10**6} MB are not accepted.")
    _, options = parse_options_header(_header(scope, b"content-type"))
    if b"boundary" not in options:
        raise Refusal(400, "Uploads must be forms.")
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


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
