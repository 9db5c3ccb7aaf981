"""Parts that tabs share: event settings, relay of job updates, Stop, errors, choice of a model."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from swin2sr.demo.messages import escape_markdown
from swin2sr.demo.models import QUALITIES, TASKS
from swin2sr.demo.queue import Update
from swin2sr.demo.service import Service
from swin2sr.errors import Swin2SRError

# Small things of the page's own; no part of the API. Private is not protected: anybody may call.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# Whatever runs a network. Gradio would open whatever path it is sent, with every format there is,
# and alter what it opens; hence preprocess. Replacing the component's method does not help: a
# session gets a new component as soon as an event updates the old one.
NETWORK: dict[str, Any] = {
    "preprocess": False,
    "concurrency_limit": 1,
    "concurrency_id": "model",
    "trigger_mode": "once",
}
# Decodes a picture and runs no network: through the queue, in a place of its own.
PREVIEW: dict[str, Any] = {
    "preprocess": False,
    "concurrency_id": "preview",
    "trigger_mode": "always_last",
    **PRIVATE,
}
FIRST_TASK = "sharpen-x2"


@dataclass(frozen=True)
class Relay:
    """Relay of a job's updates to the outputs of a tab; every tab's loop over a job is

        for update in job.run(...):
            yield relay.outputs(update)
            relay.raise_failure(update)

    Args:
        show: values of all outputs for a result and the text that comes with it.
        count: of outputs.
        report: index of the output that shows texts.
        progress: the event's progress bar.
        unit: of its steps, in the plural.
    """

    show: Callable[[Any, str], tuple[Any, ...]]
    count: int
    report: int
    progress: gr.Progress
    unit: str = "tiles"

    def outputs(self, update: Update | None) -> tuple[Any, ...]:
        """Values of all outputs after an update."""
        if update is not None and update.result is not None:
            return self.show(update.result, update.text)
        values = [gr.skip()] * self.count
        if update is not None:
            values[self.report] = update.text
            if update.failed:
                values[self.report] = f"**{escape_markdown(update.text)}**"
            else:
                steps = (update.done, update.total or None)
                self.progress(steps, desc=self.unit.capitalize(), unit=self.unit)
        return tuple(values)

    @staticmethod
    def raise_failure(update: Update | None) -> None:
        """Raise a failed update as an error, once the report has shown it."""
        if update is not None and update.failed:
            raise error_toast(update.text)


def error_toast(error: Swin2SRError | str) -> gr.Error:
    """Error that Gradio shows in a corner of the page and sends to programs."""
    return gr.Error(html.escape(str(error), quote=False), print_exception=False)


def job_owner(request: gr.Request) -> str:
    """Owner of a job: the visitor's session, which may also stop it."""
    return request.session_hash or ""


def picture_input(label: str, height: int, **options: Any) -> gr.Image:
    """Build an input for a picture, by upload or from the clipboard."""
    sources: list[Any] = ["upload", "clipboard"]
    return gr.Image(label=label, type="filepath", sources=sources, height=height, **options)


def run_buttons(label: str) -> tuple[gr.Button, gr.Button]:
    """Build the button that runs a job, and the one that stops it."""
    with gr.Row():
        return gr.Button(label, variant="primary", min_width=100), gr.Button("Stop", min_width=100)


def stop_on(
    button: gr.Button,
    service: Service,
    report: gr.Markdown,
    runs: list[Any],
    api_name: str,
    text: str = "Stopped.",
) -> None:
    """Have a button stop the visitor's job: the running one, which the report then says, or one
    of these runs that still waits.
    """

    def stop(request: gr.Request) -> Any:
        return text if service.slot.stop(job_owner(request)) else gr.skip()

    button.click(stop, None, report, cancels=runs, api_name=api_name, queue=False, **PRIVATE)


def preview_on(inputs: list[Any], preview: Any, output: gr.Markdown, api_name: str) -> None:
    """Have a change of any input write the preview of a job."""
    gr.on([one.change for one in inputs], preview, inputs, output, api_name=api_name, **PREVIEW)


def task_inputs() -> tuple[gr.Radio, gr.Radio, gr.Checkbox]:
    """Inputs of Restore and Batch: task, quality (where the task has several), keep metadata."""
    with gr.Group():
        task = gr.Radio(
            [(one.label, name) for name, one in TASKS.items()], value=FIRST_TASK, label="What to do"
        )
        quality = gr.Radio(task_qualities(FIRST_TASK), value="fast", label="Model")
        keep = gr.Checkbox(False, label="Keep the camera's data in the file (never the place)")
    task.change(update_quality, [task, quality], quality, queue=False, **PRIVATE)
    return task, quality, keep


def task_qualities(task: str) -> list[tuple[str, str]]:
    """Qualities of a task, as (label, key)."""
    return [(label, key) for key, label in QUALITIES.items() if key in TASKS[task].models]


def update_quality(task: str, quality: str) -> gr.Radio:
    """Choices of quality for a task; the chosen one stays where the task has it."""
    choices = task_qualities(task)
    keys = [key for _, key in choices]
    return gr.Radio(
        choices=choices, value=quality if quality in keys else keys[0], visible=len(choices) > 1
    )
