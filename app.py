"""Entry point of the demo: builds the page of ``swin2sr.demo.ui`` and serves it.

    python app.py         # http://127.0.0.1:7860
    python app.py --mcp   # its actions are tools for language models, too

Here the tabs are put together and opened to the network. What they do is ``swin2sr.demo``.
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

from swin2sr.demo.middleware import RequestLimits, client_address
from swin2sr.demo.queue import JobSlot
from swin2sr.demo.service import LIMITS, Service
from swin2sr.demo.ui import about
from swin2sr.demo.ui.batch import BatchTab
from swin2sr.demo.ui.compare import CompareTab
from swin2sr.demo.ui.files import RETENTION_SECONDS
from swin2sr.demo.ui.inspect import InspectTab
from swin2sr.demo.ui.restore import RestoreTab
from swin2sr.demo.ui.style import ACCESSIBILITY_SCRIPT, CSS, theme
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
Your pictures and their results are deleted from this server after
{RETENTION_SECONDS // 60} minutes and used for nothing else.
"""


class Page:
    """Page with its queue and its request limits.

    Args:
        load: makes an upscaler of a registry name.
        slot: where jobs run, one at a time.
    """

    def __init__(
        self,
        load: Callable[[str], Upscaler] = Upscaler.from_pretrained,
        slot: JobSlot | None = None,
    ) -> None:
        self.service = Service(load, slot, lend_gpu=lend_gpu if ZERO_GPU else None)
        with gr.Blocks(
            title="Swin2SR", analytics_enabled=False, delete_cache=(60, RETENTION_SECONDS)
        ) as self.demo:
            gr.Markdown(TITLE)
            with gr.Tabs():
                with gr.Tab("Restore"):
                    RestoreTab(self.service)
                with gr.Tab("Compare"):
                    CompareTab(self.service)
                with gr.Tab("Look inside"):
                    InspectTab(self.service)
                with gr.Tab("Batch"):
                    BatchTab(self.service)
                with gr.Tab("About"):
                    about.build()
            gr.Markdown(FOOTER, elem_id="footer")
            self.demo.load(None, None, None, js=ACCESSIBILITY_SCRIPT)
        self.demo.queue(max_size=8, default_concurrency_limit=1, api_open=False)

    def launch(self, mcp: bool = False, **options: Any) -> None:
        """Open the page to the network, hardened as docs/reliability.md says.

        Args:
            mcp: offer the actions by the Model Context Protocol, too.
            options: more arguments of ``gr.Blocks.launch``.
        """
        functions = self.demo.fns.items()
        limits = Middleware(
            RequestLimits,
            ready=lambda: self.service.ready,
            waiting=self._waiting_jobs,
            networkless=[number for number, one in functions if one.concurrency_id != "model"],
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
                "middleware": [limits],
                "openapi_url": None,
                "docs_url": None,
                "redoc_url": None,
            },
            **options,
        )
        if self.demo.mcp_server_obj:
            hide_mcp_tool(self.demo.mcp_server_obj, "/batch")

    def _waiting_jobs(self, address: str) -> int:
        """Number of an address's jobs in Gradio's queue, which has no public way to ask."""
        queue = self.demo._queue.event_queue_per_concurrency_id.get("model")
        events = queue.queue if queue else []
        return sum(client_address(event.request.scope) == address for event in events)

    def serve(self, mcp: bool = False) -> None:
        """Run until interrupted or told to end.

        Args:
            mcp: offer the actions by the Model Context Protocol, too.
        """
        Image.MAX_IMAGE_PIXELS = LIMITS.pixels // 2  # Pillow refuses above twice this number
        cores = os.environ.get("CPU_CORES", "")  # on Spaces, where the machine shows more
        hardware.prepare_process(int(cores) if cores.isdecimal() else None)
        configure_logging()
        signal.signal(signal.SIGTERM, self._terminate)
        self.launch(mcp, prevent_thread_lock=True)
        self.service.warm_up()
        self.demo.block_thread()

    def _terminate(self, *_: object) -> None:
        """Take no more jobs, end the running one, tell its visitor, and exit."""
        busy = self.service.slot.holder is not None
        self.service.close(CLOSING_SECONDS)
        if busy:
            threading.Event().wait(1.0)  # for the last messages to be sent
        self.demo.close(verbose=False)
        raise SystemExit


def hide_mcp_tool(tools: Any, endpoint: str) -> None:
    """Hide an action from the tools for language models; it stays an endpoint.

    Gradio's tools cannot take lists of files: such a one fails, whatever it is given.
    """
    offered = tools.tool_to_endpoint.items()
    tools.tool_to_endpoint = {name: path for name, path in offered if path != endpoint}


def lend_gpu(network: Any, seconds: Any) -> Any:
    """Wrap a network for ZeroGPU, which runs it in a process of its own with a GPU."""
    lent = spaces.GPU(duration=seconds)(network)

    def run(*args: Any) -> Any:
        try:
            yield from lent(*args)
        except gr.Error as error:  # such as a visitor's share of GPU time being used up
            raise JobError(str(error.message), code="gpu") from error

    return run


def configure_logging() -> None:
    """Send the log, a line of JSON a job (``swin2sr.demo.service``), to standard error."""
    log = logging.getLogger("swin2sr.demo")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler())
    log.propagate = False


def main(arguments: list[str] | None = None) -> None:
    """Run the command ``python app.py``."""
    parser = argparse.ArgumentParser(
        description="Serve the demo page on http://127.0.0.1:7860 (other port: GRADIO_SERVER_PORT)."
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="serve its actions as tools for language models, too (Model Context Protocol)",
    )
    options = parser.parse_args(arguments)
    if options.mcp and find_spec("mcp") is None:
        parser.error("--mcp needs one package more: pip install 'gradio[mcp]'")
    page.serve(options.mcp)


page = Page()
if ZERO_GPU:
    page.service.preload()
demo = page.demo

if __name__ == "__main__":
    main()
