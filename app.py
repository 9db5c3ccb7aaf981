"""The page: choose a picture and a task, watch it being restored, compare, download.

    python app.py         # http://127.0.0.1:7860
    python app.py --mcp   # its actions are tools for language models, too

Here the tabs of ``swin2sr.demo.ui`` are put together and opened to the network. What they do is
``swin2sr.demo``.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

# Gradio and the hub read these once, when they are imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")

import swin2sr  # noqa: F401 - before torch: it sets how OpenMP threads wait

try:
    import spaces  # on ZeroGPU; has to come before anything that could touch the GPU
except ImportError:
    spaces = None

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from swin2sr.demo.middleware import Guard, address_of
from swin2sr.demo.queue import Slot
from swin2sr.demo.service import LIMITS, Service
from swin2sr.demo.ui import about
from swin2sr.demo.ui.batch import BatchTab
from swin2sr.demo.ui.compare import CompareTab
from swin2sr.demo.ui.files import KEPT_SECONDS
from swin2sr.demo.ui.inspect import InsideTab
from swin2sr.demo.ui.restore import RestoreTab
from swin2sr.demo.ui.style import CSS, PREPARE, theme
from swin2sr.errors import JobError
from swin2sr.inference import hardware
from swin2sr.inference.upscaler import Upscaler

CLOSING_SECONDS = 4.0
ZERO_GPU = spaces is not None and os.environ.get("SPACES_ZERO_GPU", "").lower() in (
    "1",
    "t",
    "true",
)

TITLE = """
# Swin2SR
Makes small pictures two or four times larger, and repairs JPEG damage. The detail it adds is
**likely**, not true: do not use it to read a face, a number plate or a scan.
"""
FOOTER = f"""
Your pictures and their results are deleted from this server after {KEPT_SECONDS // 60} minutes and
used for nothing else.
"""


class Page:
    """The page with its queue and its limits.

    Args:
        load: makes an upscaler of a registry name.
        slot: where jobs run, one at a time.
    """

    def __init__(
        self,
        load: Callable[[str], Upscaler] = Upscaler.from_pretrained,
        slot: Slot | None = None,
    ) -> None:
        self.service = Service(load, slot, lend=lend_gpu if ZERO_GPU else None)
        with gr.Blocks(
            title="Swin2SR", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)
        ) as self.demo:
            gr.Markdown(TITLE)
            with gr.Tabs():
                with gr.Tab("Restore"):
                    RestoreTab(self.service)
                with gr.Tab("Compare"):
                    CompareTab(self.service)
                with gr.Tab("Look inside"):
                    InsideTab(self.service)
                with gr.Tab("Batch"):
                    BatchTab(self.service)
                with gr.Tab("About"):
                    about.build()
            gr.Markdown(FOOTER, elem_id="footer")
            self.demo.load(None, None, None, js=PREPARE)
        self.demo.queue(max_size=8, default_concurrency_limit=1, api_open=False)

    def launch(self, mcp: bool = False, **options: Any) -> None:
        """Open the page to the network, hardened as docs/reliability.md says.

        Args:
            mcp: offer the actions by the Model Context Protocol, too.
            options: more arguments of ``gr.Blocks.launch``.
        """
        cheap = [number for number, one in self.demo.fns.items() if one.concurrency_id != "model"]
        guard = Middleware(
            Guard, ready=lambda: self.service.ready, waiting=self._waiting, cheap=cheap
        )
        self.demo.launch(
            theme=theme(),
            css=CSS,
            footer_links=["api", "settings"],
            max_file_size=LIMITS.bytes,
            show_error=False,
            max_threads=8,
            allowed_paths=[],
            strict_cors=True,
            enable_monitoring=False,
            run_history=False,
            mcp_server=mcp,
            ssr_mode=False,
            share=False,
            state_session_capacity=100,
            app_kwargs={
                "middleware": [guard],
                "openapi_url": None,
                "docs_url": None,
                "redoc_url": None,
            },
            **options,
        )
        if self.demo.mcp_server_obj:
            leave_out(self.demo.mcp_server_obj, "/batch")

    def _waiting(self, address: str) -> int:
        """Jobs of an address in Gradio's queue, which has no public way to ask."""
        queue = self.demo._queue.event_queue_per_concurrency_id.get("model")
        events = queue.queue if queue else []
        return sum(address_of(event.request.scope) == address for event in events)

    def serve(self, mcp: bool = False) -> None:
        """Run until interrupted or told to end.

        Args:
            mcp: offer the actions by the Model Context Protocol, too.
        """
        Image.MAX_IMAGE_PIXELS = LIMITS.pixels // 2  # Pillow refuses above twice this number
        cores = os.environ.get("CPU_CORES", "")  # on Spaces, where the machine shows more
        hardware.prepare_process(int(cores) if cores.isdecimal() else None)
        write_log()
        signal.signal(signal.SIGTERM, self._end)
        self.launch(mcp, prevent_thread_lock=True)
        self.service.warm_up()
        self.demo.block_thread()

    def _end(self, *_: object) -> None:
        """Take no more jobs, end the running one, tell its visitor, and exit."""
        busy = self.service.slot.holder is not None
        self.service.close(CLOSING_SECONDS)
        if busy:
            threading.Event().wait(1.0)  # for the last messages to be sent
        self.demo.close(verbose=False)
        raise SystemExit


def leave_out(tools: Any, endpoint: str) -> None:
    """Take an action from the tools for language models; it stays an endpoint.

    Gradio's tools cannot take lists of files: such a one fails, whatever it is given.
    """
    offered = tools.tool_to_endpoint.items()
    tools.tool_to_endpoint = {name: place for name, place in offered if place != endpoint}


def lend_gpu(network: Any, seconds: Any) -> Any:
    """Have ZeroGPU run a network in a process of its own, with a GPU meanwhile."""
    lent = spaces.GPU(duration=seconds)(network)

    def run(*args: Any) -> Any:
        try:
            yield from lent(*args)
        except gr.Error as error:  # such as a visitor's share of GPU time being used up
            raise JobError(str(error.message), code="gpu") from error

    return run


def write_log() -> None:
    """Have the lines of the log, one of JSON a job, written where the process complains."""
    log = logging.getLogger("swin2sr.demo")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler())
    log.propagate = False


def main(arguments: list[str] | None = None) -> None:
    """The command ``python app.py``."""
    parser = argparse.ArgumentParser(description="The page, on http://127.0.0.1:7860.")
    parser.add_argument(
        "--mcp", action="store_true", help="offer its actions as tools for language models, too"
    )
    options = parser.parse_args(arguments)
    if options.mcp and find_spec("mcp") is None:
        parser.error("--mcp needs one package more: pip install 'gradio[mcp]'")
    page.serve(options.mcp)


page = Page()
if ZERO_GPU:
    page.service.place()
demo = page.demo

if __name__ == "__main__":
    main()
