"""The tab "Restore": one picture enlarged or repaired, watched, compared, downloaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.restore import Restoring
from swin2sr.demo.messages import plain
from swin2sr.demo.models import INCLUDED, describe
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import (
    LOOK,
    NETWORK,
    PRIVATE,
    choose_model,
    failure,
    offer,
    owner,
    stopper,
)
from swin2sr.demo.ui.files import task_pictures, uploaded_path


class RestoreTab:
    """Build it inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        with tempfile.TemporaryDirectory() as folder, gr.Row():
            self._examples = task_pictures(Path(folder))
            self._restoring = Restoring(service, self._examples)
            with gr.Column():
                choices, go, halt = self._choices()
            with gr.Column():
                self._results(choices, go, halt, stopper(service))

    def _choices(self) -> tuple[list[gr.components.Component], gr.Button, gr.Button]:
        """What goes in: picture, task and model; what they mean; the two buttons."""
        source = gr.Image(
            label="Your picture", type="filepath", sources=["upload", "clipboard"], height=240
        )
        examples = gr.Examples(list(self._examples), source, label="Examples, each with its task")
        task, quality, keep = choose_model()
        # The task of the example that was chosen; its result comes with it.
        self._chosen = examples.load_input_event.success(
            self.choose, examples.dataset, [task, quality], queue=False, **PRIVATE
        )
        about = gr.Markdown(describe(INCLUDED), elem_id="restore-about", elem_classes="about")
        with gr.Row():
            go = gr.Button("Restore", variant="primary", min_width=100)
            halt = gr.Button("Stop", min_width=100)
        gr.on(
            [source.change, task.change, quality.change],
            self.look,
            [source, task, quality],
            about,
            api_name="look",
            **LOOK,
        )
        return [source, task, quality, keep], go, halt

    def _results(
        self, choices: list[gr.components.Component], go: gr.Button, halt: gr.Button, stop: Any
    ) -> None:
        """What comes out: before and after, the report, the file; and what makes it come."""
        # Inside its borders the frame is 438 px high. A picture that may be higher is cropped, and
        # the framework puts before and after at different heights.
        self._result = gr.ImageSlider(
            label="Before and after", type="filepath", format="png", height=440, max_height=436
        )
        position = gr.Slider(0, 100, 50, step=1, label="Dividing line (arrow keys move it)")
        report = gr.Markdown(
            "The result will appear here.", elem_id="restore-report", elem_classes="report"
        )
        download = gr.DownloadButton("Download PNG", interactive=False, elem_id="restore-download")
        outputs = [self._result, download, report]
        runs = [
            self._run(choices, outputs, go.click, api_name="restore"),
            self._run(choices, outputs, self._chosen.success, api_visibility="private"),
        ]
        for run in runs:
            run.success(
                lambda: gr.DownloadButton(interactive=True), None, download, queue=False, **PRIVATE
            )
        halt.click(stop, None, report, cancels=runs, api_name="stop", queue=False, **PRIVATE)
        # The slider inside the pictures cannot be reached by keyboard; this one can.
        position.input(
            lambda share: gr.ImageSlider(slider_position=share),
            position,
            self._result,
            queue=False,
            trigger_mode="always_last",
            **PRIVATE,
        )

    def _run(self, inputs: list[Any], outputs: list[Any], trigger: Any, **visible: Any) -> Any:
        """Have a trigger restore the picture."""
        return trigger(
            self.restore,
            inputs,
            outputs,
            show_progress_on=self._result,
            **NETWORK,
            **visible,
        )

    def restore(
        self,
        image: dict[str, Any] | None,
        task: str,
        quality: str,
        keep_metadata: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Enlarge or repair one picture.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            task: what to do with it.
            quality: which model, where a task has several.
            keep_metadata: keep the camera's data; the place of a photograph is dropped always.
        Returns:
            Two PNG files: the picture enlarged the plain way (bicubic), and the result; the
            result once more, named for saving; and what was done, as Markdown.
        """
        same = gr.skip()
        path = uploaded_path(image)
        for update in self._restoring.run(owner(request), path, task, quality, keep_metadata):
            if update is None:
                yield same, same, same
            elif update.failed:
                yield same, same, f"**{plain(update.text)}**"
                raise failure(update)
            elif update.result is None:
                progress((update.done, update.total or None), desc="Tiles", unit="tiles")
                yield same, same, update.text
            else:
                # Put into Gradio's cache by the component that was built here: files that those of
                # a session put there are not deleted with time.
                keep = self._result.move_resource_to_block_cache
                before, after = keep(update.result.before), keep(update.result.after)
                yield (before, after), after, update.text

    def choose(self, example: tuple[int, Any]) -> tuple[str, gr.Radio]:
        """The task that an example is for, and its models."""
        task = list(self._examples.values())[example[0]]
        return task, offer(task, "fast")

    def look(self, image: dict[str, Any] | None, task: str, quality: str) -> str:
        """What a job would take."""
        return self._restoring.look(uploaded_path(image), task, quality)
