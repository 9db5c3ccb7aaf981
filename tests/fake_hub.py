"""What the tests of checkpoints share: small random networks, and a Hub on this machine."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from swin2sr.checkpoints import to_hub
from swin2sr.checkpoints.expected_shapes import expected_shapes
from swin2sr.config import Swin2SRConfig

State = dict[str, Tensor]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def small() -> Swin2SRConfig:
    """A network of two groups, with heads of its own in each."""
    return Swin2SRConfig(
        image_size=16,
        embed_dim=12,
        depths=(2, 1),
        num_heads=(2, 3),
        window_size=8,
        upsampler="pixelshuffledirect",
    )


@pytest.fixture
def random_state() -> Callable[..., State]:
    """Random parameters for a configuration, by native name."""

    def make(config: Swin2SRConfig, *, bare: bool = False, seed: int = 0) -> State:
        generator = torch.Generator().manual_seed(seed)
        shapes = expected_shapes(config, bare=bare)
        return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}

    return make


@pytest.fixture
def stored(random_state: Callable[..., State]) -> Callable[..., bytes]:
    """The bytes of a safetensors file with random parameters for a configuration."""

    def make(config: Swin2SRConfig, *, seed: int = 0) -> bytes:
        return save(to_hub(random_state(config, seed=seed)), metadata={"format": "pt"})

    return make


@dataclass
class FakeHub:
    """A Hub with the faults a test asks for.

    ``files`` maps (repository, file name) to what is announced and ``sent`` to what is sent instead
    of it; ``log`` keeps (method, path, range) of every request.
    """

    url: str = ""
    commit: str = COMMIT
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)
    releases: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, tuple[int, str]] = field(default_factory=dict)  # method -> code, X-Error-Code
    cuts: int = 0  # downloads that end after a third
    stalls: str = ""  # downloads of such a name stop after a third, the connection stays
    hangs: bool = False  # requests are accepted and never answered
    ranges: bool = True  # whether a download can begin in the middle
    lengths: bool = True  # whether a download says how long it is
    elsewhere: str = ""  # another server, to which questions about files are sent on
    tokens: list[str] = field(default_factory=list)  # the Authorization of every request
    before_get: Callable[[str], None] = lambda _: None  # gets the path
    log: list[tuple[str, str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def count(self, method: str, ending: str = "") -> int:
        """How many requests of a kind came."""
        return sum(m == method and path.endswith(ending) for m, path, _ in self.log)


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            hub.before_get(self.path)
            self._answer()

        def _answer(self) -> None:
            hub.log.append((self.command, self.path, self.headers.get("Range", "")))
            hub.tokens.append(self.headers.get("Authorization", ""))
            if hub.hangs:
                hub.closing.wait(60)
                self.close_connection = True
                return
            if self.command in hub.status:
                self._refuse(*hub.status[self.command])
                return
            repo, _, rest = self.path.lstrip("/").partition("/resolve/")
            key = (repo, rest.partition("/")[2])
            announced = hub.files.get(key, hub.releases.get(self.path))
            if announced is None:
                known = any(name == repo for name, _ in hub.files)
                self._refuse(404, "EntryNotFound" if known else "RepoNotFound")
                return
            self._send(announced, hub.sent.get(key, announced))

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if code:
                self.send_header("X-Error-Code", code)
            self.end_headers()

        def _send(self, announced: bytes, body: bytes) -> None:
            asked = self.headers.get("Range", "")
            start = (
                int(asked.removeprefix("bytes=").partition("-")[0]) if asked and hub.ranges else 0
            )
            etag = f'"{hashlib.sha256(announced).hexdigest()}"'
            if hub.elsewhere:
                self.send_response(302)
                self.send_header("Location", hub.elsewhere + self.path)
                self.send_header("X-Linked-Etag", etag)
                self.send_header("X-Linked-Size", str(len(announced)))
                body = b""
            else:
                self.send_response(206 if start else 200)
                self.send_header("ETag", etag)
            self.send_header("X-Repo-Commit", hub.commit)
            if hub.lengths or self.command == "HEAD":
                size = len(announced if self.command == "HEAD" and not hub.elsewhere else body)
                self.send_header("Content-Length", str(size - start))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "HEAD":
                return
            stalls = bool(hub.stalls) and self.path.endswith(hub.stalls)
            if hub.cuts > 0 or stalls:
                hub.cuts -= 1
                self.wfile.write(body[start : start + (len(body) - start) // 3])
                self.wfile.flush()
                if stalls:
                    hub.closing.wait(60)
                self.close_connection = True
                return
            self.wfile.write(body[start:])

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Clients that go away in the middle are what these tests are about."""


def _serve() -> Iterator[FakeHub]:
    fake = FakeHub()
    server = _Server(("127.0.0.1", 0), _handler(fake))
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield fake
    fake.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub on this machine, and HF_ENDPOINT leading there."""
    for fake in _serve():
        monkeypatch.setenv("HF_ENDPOINT", fake.url)
        yield fake


@pytest.fixture
def storage() -> Iterator[FakeHub]:
    """A second server, as the Hub has them for large files."""
    yield from _serve()


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"


@pytest.fixture
def took() -> Callable[[], float]:
    """Seconds since the test began."""
    begin = time.monotonic()
    return lambda: time.monotonic() - begin
