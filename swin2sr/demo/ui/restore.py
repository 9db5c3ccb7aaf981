"""Tab "Restore": one picture enlarged or repaired, watched, compared, downloaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.restore import RestoreJob, RestoreResult
from swin2sr.demo.models import DEFAULT_MODEL, describe_model
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import (
    NETWORK,
    PRIVATE,
    Relay,
    job_owner,
    picture_input,
    preview_on,
    run_buttons,
    stop_on,
    task_inputs,
    update_quality,
)
from swin2sr.demo.ui.files import uploaded_path, write_task_examples


class RestoreTab:
    """Tab "Restore", to be built inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        with tempfile.TemporaryDirectory() as folder, gr.Row():
            self._examples = write_task_examples(Path(folder))
            self._job = RestoreJob(service, self._examples)
            with gr.Column():
                inputs, go, halt = self._build_inputs()
            with gr.Column():
                self._build_outputs(inputs, go, halt, service)

    def _build_inputs(self) -> tuple[list[Any], gr.Button, gr.Button]:
        """Build what goes in: picture, task and model; the preview; the two buttons."""
        source = picture_input("Your picture", 240)
        examples = gr.Examples(list(self._examples), source, label="Examples, each with its task")
        task, quality, keep = task_inputs()
        # The task of the example that was chosen; its result comes with it.
        self._chosen = examples.load_input_event.success(
            self.choose_example, examples.dataset, [task, quality], queue=False, **PRIVATE
        )
        preview = gr.Markdown(
            describe_model(DEFAULT_MODEL), elem_id="restore-preview", elem_classes="job-preview"
        )
        go, halt = run_buttons("Restore")
        preview_on([source, task, quality], self.preview, preview, "preview")
        return [source, task, quality, keep], go, halt

    def _build_outputs(
        self, inputs: list[Any], go: gr.Button, halt: gr.Button, service: Service
    ) -> None:
        """Build what comes out: before and after, report, file; and the events that run the job."""
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
            self._run(inputs, outputs, go.click, api_name="restore"),
            self._run(inputs, outputs, self._chosen.success, api_visibility="private"),
        ]
        for run in runs:
            run.success(
                lambda: gr.DownloadButton(interactive=True), None, download, queue=False, **PRIVATE
            )
        stop_on(halt, service, report, runs, "stop")
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
            self.restore, inputs, outputs, show_progress_on=self._result, **NETWORK, **visible
        )

    def restore(
        self,
        image: dict[str, Any] | None,
        task: str,
        quality: str,
        keep_metadata: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
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
        relay = Relay(self._show, count=3, report=2, progress=progress)
        path = uploaded_path(image)
        for update in self._job.run(job_owner(request), path, task, quality, keep_metadata):
            yield relay.outputs(update)
            relay.raise_failure(update)

    def _show(self, result: RestoreResult, text: str) -> tuple[Any, ...]:
        # Put into Gradio's cache by the component that was built here: files that those of a
        # session put there are not deleted with time.
        keep = self._result.move_resource_to_block_cache
        before, after = keep(result.before), keep(result.after)
        return (before, after), after, text

    def choose_example(self, example: tuple[int, Any]) -> tuple[str, gr.Radio]:
        """Choose the task that an example is for; returns it and its qualities."""
        task = list(self._examples.values())[example[0]]
        return task, update_quality(task, "fast")

    def preview(self, image: dict[str, Any] | None, task: str, quality: str) -> str:
        """Preview of a job: its model and its cost."""
        return self._job.preview(uploaded_path(image), task, quality)
