"""The page: choose a picture and a task, watch it being upscaled, compare, download.

    python app.py

Here is what is seen, and the settings of the web framework. What is done is ``swin2sr.serving``.
"""

from __future__ import annotations

import html
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

# Gradio and the hub read these once, when they are imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")

try:
    import spaces  # on ZeroGPU; has to come before anything that could touch the GPU
except ImportError:
    spaces = None

import gradio as gr
import numpy as np
import skimage.data
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.middleware import Middleware

from swin2sr import hardware, resize
from swin2sr.serving.guard import Guard, address_of
from swin2sr.serving.jobs import DEADLINE, Slot
from swin2sr.serving.service import LIMITS, Service, plain
from swin2sr.serving.tasks import INCLUDED, QUALITIES, TASKS, describe
from swin2sr.upscale import Upscaler

KEPT_SECONDS = 600  # pictures of visitors and results
CLOSING_SECONDS = 4.0
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
EXAMPLE_HEIGHT = 160

TITLE = """
# Swin2SR
Makes small pictures two or four times larger, and repairs JPEG damage. It adds detail that is
**likely**, not detail that was there: do not use it to read a face, a number plate or a scan.
"""
FOOTER = f"""
Pictures and results are deleted from this server after {KEPT_SECONDS // 60} minutes, and used for
nothing else; the download link ends then too. Results carry no place and no camera data.

Examples: Eileen Collins (NASA, public domain), Chelsea (Stefan van der Walt, CC0), coffee (Rachel
Michetti, CC0), Falcon 9 (SpaceX, public domain), all from scikit-image. The network is from
[Conde et al., 2022](https://arxiv.org/abs/2209.11345).
"""
CSS = """
#about, #report { min-height: 3.2em; }
#about p, #report p, #footer p { margin: 0 0 .4em; }
#footer { font-size: .85em; }
"""
# Has changes of the report read out; the framework has no argument for it.
ANNOUNCE = "() => { document.getElementById('report')?.setAttribute('aria-live', 'polite'); }"
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


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
        on_gpu = {"on_gpu": spaces.GPU(duration=int(DEADLINE))} if spaces else {}
        self.service = Service(load, slot, **on_gpu)
        with gr.Blocks(
            title="Swin2SR", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)
        ) as self.demo:
            gr.Markdown(TITLE)
            with gr.Row():
                with gr.Column():
                    choices, go, halt = self._choices()
                with gr.Column():
                    self._results(choices, go, halt)
            gr.Markdown(FOOTER, elem_id="footer")
            self.demo.load(None, None, None, js=ANNOUNCE)
        self.demo.queue(max_size=8, default_concurrency_limit=1, api_open=False)

    def _choices(self) -> tuple[list[gr.components.Component], gr.Button, gr.Button]:
        """What goes in: picture, task and model; what they mean; the two buttons."""
        source = gr.Image(
            label="Your picture", type="filepath", sources=["upload", "clipboard"], height=260
        )
        with tempfile.TemporaryDirectory() as folder:
            gr.Examples(small_photographs(Path(folder)), source, label="Examples")
        task = gr.Radio(
            [(one.label, name) for name, one in TASKS.items()],
            value="sharpen-x2",
            label="What to do",
        )
        quality = gr.Radio(
            [(label, name) for name, label in QUALITIES.items()], value="fast", label="Model"
        )
        about = gr.Markdown(describe(INCLUDED), elem_id="about")
        with gr.Row():
            go = gr.Button("Upscale", variant="primary", min_width=100)
            halt = gr.Button("Stop", min_width=100)
        task.change(
            lambda name: gr.Radio(visible=len(TASKS[name].models) > 1),
            task,
            quality,
            queue=False,
            **PRIVATE,
        )
        # Looking decodes the picture, so it goes through the queue, in a place of its own.
        gr.on(
            [source.change, task.change, quality.change],
            self.look,
            [source, task, quality],
            about,
            preprocess=False,  # as for upscaling
            concurrency_id="look",
            trigger_mode="always_last",
            **PRIVATE,
        )
        return [source, task, quality], go, halt

    def _results(
        self, choices: list[gr.components.Component], go: gr.Button, halt: gr.Button
    ) -> None:
        """What comes out: before and after, the report, the file; and what makes it come."""
        self._result = gr.ImageSlider(
            label="Before and after", type="filepath", format="png", height=440
        )
        position = gr.Slider(0, 100, 50, step=1, label="Dividing line (also by arrow keys)")
        report = gr.Markdown("The result will appear here.", elem_id="report")
        download = gr.DownloadButton("Download PNG", interactive=False)
        run = go.click(
            self.upscale,
            choices,
            [self._result, download, report],
            api_name="upscale",
            # Gradio would open whatever path it is sent, with every format there is, and alter
            # what it opens. Replacing the component's method does not help: a session gets a new
            # component as soon as an event updates the old one.
            preprocess=False,
            concurrency_limit=1,
            concurrency_id="model",
            trigger_mode="once",
            show_progress_on=self._result,
        )
        run.success(
            lambda: gr.DownloadButton(interactive=True), None, download, queue=False, **PRIVATE
        )
        halt.click(self.stop, None, report, cancels=[run], queue=False, **PRIVATE)
        # The slider inside the pictures cannot be reached by keyboard; this one can.
        position.input(
            lambda share: gr.ImageSlider(slider_position=share),
            position,
            self._result,
            queue=False,
            trigger_mode="always_last",
            **PRIVATE,
        )

    def upscale(
        self,
        image: dict[str, Any] | None,
        task: str,
        quality: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Upscale or repair one picture.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            task: what to do with it.
            quality: which model, where a task has several.
        Returns:
            Two PNG files: the picture enlarged the plain way (bicubic), and the result; the
            result once more, named for saving; and what was done, as Markdown.
        """
        same = gr.skip()
        path = uploaded_path(image)
        for update in self.service.upscale(request.session_hash or "", path, task, quality):
            if update is None:
                yield same, same, same
            elif update.failed:
                yield same, same, f"**{plain(update.text)}**"
                raise gr.Error(html.escape(update.text, quote=False), print_exception=False)
            elif update.files is None:
                progress((update.done, update.total or None), desc="Tiles", unit="tiles")
                yield same, same, update.text
            else:
                # Put into Gradio's cache by the component that was built here: files that those of
                # a session put there are not deleted with time.
                before, after = map(self._result.move_resource_to_block_cache, update.files)
                yield (before, after), after, update.text

    def look(self, image: dict[str, Any] | None, task: str, quality: str) -> str:
        """What a job would take."""
        return self.service.look(uploaded_path(image), task, quality)

    def stop(self, request: gr.Request) -> Any:
        """Stop the visitor's job."""
        running = self.service.slot.stop(request.session_hash or "")
        return "Stopped." if running else gr.skip()

    def launch(self, **options: Any) -> None:
        """Open the page to the network, hardened as RELIABILITY, section 8, says.

        Args:
            options: more arguments of ``gr.Blocks.launch``.
        """
        cheap = [number for number, one in self.demo.fns.items() if one.concurrency_id != "model"]
        guard = Middleware(
            Guard, ready=lambda: self.service.ready, waiting=self._waiting, cheap=cheap
        )
        self.demo.launch(
            theme=gr.themes.Monochrome(),
            css=CSS,
            footer_links=["api", "settings"],
            max_file_size=LIMITS.bytes,
            show_error=False,
            max_threads=8,
            allowed_paths=[],
            strict_cors=True,
            enable_monitoring=False,
            run_history=False,
            mcp_server=False,
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

    def _waiting(self, address: str) -> int:
        """Jobs of an address in Gradio's queue, which has no public way to ask."""
        queue = self.demo._queue.event_queue_per_concurrency_id.get("model")
        events = queue.queue if queue else []
        return sum(address_of(event.request.scope) == address for event in events)

    def serve(self) -> None:
        """Run until interrupted or told to end."""
        Image.MAX_IMAGE_PIXELS = LIMITS.pixels // 2  # Pillow refuses above twice this number
        hardware.prepare_process()
        signal.signal(signal.SIGTERM, self._end)
        self.launch(prevent_thread_lock=True)
        self.service.warm_up()
        self.demo.block_thread()

    def _end(self, *_: object) -> None:
        """Take no more jobs, end the running one, tell its visitor, and exit."""
        self.service.close(CLOSING_SECONDS)
        threading.Event().wait(1.0)  # for the last messages to be sent
        self.demo.close(verbose=False)
        raise SystemExit


def uploaded_path(payload: dict[str, Any] | None) -> str | None:
    """The path of a file that a visitor has uploaded; decoding it is for the job to do.

    Args:
        payload: what the visitor's browser, or whoever else, says the picture is.
    Raises:
        gr.Error: it is none that was uploaded here.
    """
    if payload is None:
        return None
    root = Path(get_upload_folder()).resolve()
    with suppress(OSError, ValueError):  # names too long, or with a zero in them
        path = Path(payload.get("path") or "").resolve()
        if path.is_relative_to(root) and path.is_file():
            return str(path)
    raise gr.Error("Please upload the image.", print_exception=False)


def small_photographs(folder: Path) -> list[str]:
    """Photographs of scikit-image, shrunk as the networks expect; returns their paths in folder."""
    paths = []
    for name in PHOTOGRAPHS:
        original = Path(skimage.data.__file__).parent / name  # its functions might download
        if original.is_file():
            photograph = np.asarray(Image.open(original).convert("RGB"))
            width = round(EXAMPLE_HEIGHT * photograph.shape[1] / photograph.shape[0])
            path = folder / f"{original.stem}.png"
            Image.fromarray(resize.imresize(photograph, size=(EXAMPLE_HEIGHT, width))).save(path)
            paths.append(str(path))
    return paths


page = Page()
demo = page.demo

if __name__ == "__main__":
    page.serve()
