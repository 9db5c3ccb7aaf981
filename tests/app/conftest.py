"""What the page's tests share: a page around tiny random networks, and a rude visitor."""

from __future__ import annotations

import io
import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

import app
from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.checkpoints import find
from swin2sr.inference import estimate
from swin2sr.inference.upscaler import Upscaler

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXE = Path(__file__).parent / "axe" / "axe.min.js"
TINY = Swin2SRConfig(embed_dim=12, depths=(2, 2), num_heads=(2, 2), upsampler="pixelshuffledirect")
PATIENCE = 20  # seconds until a test gives up waiting


class Gate:
    """Holds every run of the network while it is closed, and counts how many run at once."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.running = self.peak = 0
        self.fault: BaseException | None = None  # raised instead of running, while it is set
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
        if self.fault is not None:
            raise self.fault

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

    def load(self, name: str, device: str = "cpu") -> Upscaler:
        if name in self.faults:
            raise self.faults[name]
        torch.manual_seed(0)
        config = TINY.replace(upscale=4 if name.endswith("x4") else 2)
        model = Swin2SRForImageSuperResolution(config).eval()
        self.gate.watch(model)
        return Upscaler(
            model,
            device=device,
            precision="float32",
            name=name,
            origin="packaged",
            entry=find(name),
            notes=["made of random numbers"],
        )

    def visit(self, address: str = "") -> Visitor:
        return Visitor(self, address)

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

    def __init__(self, site: Site, address: str = "") -> None:
        self.site = site
        self.session = secrets.token_hex(6)
        # Taken for the visitor's own on Spaces (SPACE_ID).
        headers = {"x-forwarded-for": address} if address else {}
        self.http = httpx.Client(
            base_url=site.url, timeout=PATIENCE, trust_env=False, headers=headers
        )

    def upload(self, data: bytes, name: str = "photo.png") -> dict[str, Any]:
        """Upload a file; returns it as the page's own code would send it on."""
        answer = self.http.post("/gradio_api/upload", files={"files": (name, data)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}

    def join(self, *data: Any, function: str = "restore") -> httpx.Response:
        """Ask for a job; the metadata of pictures is dropped unless said otherwise."""
        if function == "restore" and len(data) == 3:
            data = (*data, False)
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
            "fn_index": self.site.number("restore"),
        }
        self.http.post("/gradio_api/cancel", json=body).raise_for_status()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the page says about this visitor's jobs, until the last of them has ended."""
        where = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.http.stream("GET", where) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def outcome(self, *data: Any, function: str = "restore") -> dict[str, Any]:
        """Ask for a job and wait for its last message."""
        self.join(*data, function=function).raise_for_status()
        return next(one for one in self.messages() if one["msg"] == "process_completed")

    def result(self, file: dict[str, Any]) -> bytes:
        """Fetch a file that the page has offered."""
        answer = self.http.get(f"/gradio_api/file={file['path']}")
        answer.raise_for_status()
        return answer.content


class Tab:
    """A browser tab that notes what the browser complained about, and what it asked others for."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self.page: Page = browser.new_page(**options)
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", lambda said: self._fault(said.type == "error", said.text))
        self.page.on("pageerror", lambda error: self._fault(True, str(error)))
        self.page.on("request", lambda one: self._fault(not self._ours(one.url), one.url))
        self.page.on(
            "response", lambda one: self._fault(one.status >= 400, f"{one.status} {one.url}")
        )

    def open(self, title: str = "Restore", theme: str = "light", width: int = 1440) -> Page:
        """Load the page at a width, in a theme, and open one of its tabs."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.goto(f"{self.url}/?__theme={theme}")
        self.choose(title)
        return self.page

    def choose(self, title: str) -> None:
        """Click a tab, also where it does not fit the width."""
        shown = self.page.get_by_role("tab", name=title, exact=True).filter(visible=True)
        more = self.page.get_by_role("button", name="More tabs").filter(visible=True)
        shown.or_(more).first.wait_for()
        if not shown.count():
            more.last.click()
            shown = self.page.locator(".overflow-dropdown").get_by_text(title, exact=True)
            shown = shown.filter(visible=True)
        shown.click()

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands."""
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{one['id']}: {node['target']}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def _fault(self, is_one: bool, text: str) -> None:
        if is_one:
            self.faults.append(text)

    @staticmethod
    def _ours(url: str) -> bool:
        return urlsplit(url).hostname in ("127.0.0.1", None, "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; skips where it or playwright is absent."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def tab(site: Site, browser: Browser) -> Iterator[Tab]:
    """A tab of an idle page. At the end nothing may have been wrong."""
    assert site.idle()
    tab = Tab(browser, site.url)
    yield tab
    tab.page.close()
    assert tab.faults == []


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process makes its temporary folders, apart from those of other processes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


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
        patch.setattr(estimate, "STEP_SECONDS", 1e-6)
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
