"""What to do and with which model: the same questions in the tabs that restore pictures."""

from __future__ import annotations

import gradio as gr

from swin2sr.demo.models import QUALITIES, TASKS
from swin2sr.demo.ui.components import PRIVATE

FIRST = "sharpen-x2"


def choose_model() -> tuple[gr.Radio, gr.Radio, gr.Checkbox]:
    """The task, the quality (shown where the task has several), and whether to keep metadata."""
    with gr.Group():
        task = gr.Radio(
            [(one.label, name) for name, one in TASKS.items()], value=FIRST, label="What to do"
        )
        quality = gr.Radio(qualities(FIRST), value="fast", label="Model")
        keep = gr.Checkbox(False, label="Keep the camera's data in the file (never the place)")
    task.change(offer, [task, quality], quality, queue=False, **PRIVATE)
    return task, quality, keep


def qualities(task: str) -> list[tuple[str, str]]:
    """(label, key) of the qualities a task has."""
    return [(label, key) for key, label in QUALITIES.items() if key in TASKS[task].models]


def offer(task: str, quality: str) -> gr.Radio:
    """The choice of models for a task; the quality stays where the task has it."""
    choices = qualities(task)
    keys = [key for _, key in choices]
    return gr.Radio(
        choices=choices,
        value=quality if quality in keys else keys[0],
        visible=len(choices) > 1,
    )
