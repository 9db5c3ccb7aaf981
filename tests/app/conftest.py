"""What the page's tests share: a page around tiny random networks, and a rude visitor."""

from __future__ import annotations

import io
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

import app
from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution, budget
from swin2sr.checkpoints import find
from swin2sr.upscale import Upscaler

TINY = Swin2SRConfig(embed_dim=12, depths=(2, 2), num_heads=(2, 2), upsampler="pixelshuffledirect")
PATIENCE = 20  # seconds until a test gives up waiting


class Gate:
    """Holds every run of the network while it is closed, and counts how many run at once."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.running = self.peak = 0
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()

    def watch(self, model: torch.nn.Module) -> None:
        model.register_forward_pre_hook(self._enter)
        model.register_forward_hook(self._leave, always_call=True)

    @contextmanager
    def closed(self) -> Iterator[None]:
        self.entered.clear()
        self._open.clear()
        self.peak = 0
        try:
            yield
        finally:
            self._open.set()

    def _enter(self, *_: object) -> None:
        with self._lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        self.entered.set()
        assert self._open.wait(PATIENCE)

    def _leave(self, *_: object) -> None:
        with self._lock:
            self.running -= 1


class Site:
    """A page that is up, with networks of random weights instead of the published ones."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.faults: dict[str, Exception] = {}
        self.page = app.Page(self.load)
        self.page.launch(prevent_thread_lock=True, quiet=True)
        self.page.service.warm_up()
        self.url = str(self.page.demo.local_url).rstrip("/")

    def load(self, name: str) -> Upscaler:
        if name in self.faults:
            raise self.faults[name]
        torch.manual_seed(0)
        config = TINY.replace(upscale=4 if name.endswith("x4") else 2)
        model = Swin2SRForImageSuperResolution(config).eval()
        self.gate.watch(model)
        return Upscaler(
            model,
            device="cpu",
            precision="float32",
            name=name,
            origin="packaged",
            entry=find(name),
            notes=["made of random numbers"],
        )

    def visit(self) -> Visitor:
        return Visitor(self)

    def number(self, api_name: str) -> int:
        """The framework's number of a function of the page."""
        functions = self.page.demo.fns.items()
        return next(number for number, one in functions if one.api_name == api_name)

    def idle(self) -> bool:
        """Whether the slot gets free, and soon."""
        for _ in range(PATIENCE * 20):
            if self.page.service.slot.holder is None:
                return True
            threading.Event().wait(0.05)
        return False


class Visitor:
    """Speaks to the page as no client would: any path, any body, listening or not."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = secrets.token_hex(6)
        self.http = httpx.Client(base_url=site.url, timeout=PATIENCE, trust_env=False)

    def upload(self, data: bytes, name: str = "photo.png") -> dict[str, Any]:
        """Upload a file; returns it as the page's own code would send it on."""
        answer = self.http.post("/gradio_api/upload", files={"files": (name, data)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}

    def join(self, *data: Any, function: str = "upscale") -> httpx.Response:
        """Ask for a job."""
        body = {
            "data": list(data),
            "fn_index": self.site.number(function),
            "session_hash": self.session,
        }
        return self.http.post("/gradio_api/queue/join", json=body)

    def cancel(self, event: str) -> None:
        body = {
            "event_id": event,
            "session_hash": self.session,
            "fn_index": self.site.number("upscale"),
        }
        self.http.post("/gradio_api/cancel", json=body).raise_for_status()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the page says about this visitor's jobs, until the last of them has ended."""
        where = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.http.stream("GET", where) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def outcome(self, *data: Any, function: str = "upscale") -> dict[str, Any]:
        """Ask for a job and wait for its last message."""
        self.join(*data, function=function).raise_for_status()
        return next(one for one in self.messages() if one["msg"] == "process_completed")

    def result(self, file: dict[str, Any]) -> bytes:
        """Fetch a file that the page has offered."""
        answer = self.http.get(f"/gradio_api/file={file['path']}")
        answer.raise_for_status()
        return answer.content


@pytest.fixture(scope="session")
def photo() -> Callable[..., bytes]:
    """Makes a PNG of (width, height) pixels that are all different."""

    def make(width: int = 40, height: int = 30) -> bytes:
        pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A page whose jobs take many steps, however small the picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "STEP_SECONDS", 1e-6)
        site = Site()
        yield site
        site.page.demo.close(verbose=False)


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """A new visitor of an idle page."""
    assert site.idle()
    visitor = site.visit()
    yield visitor
    visitor.http.close()
