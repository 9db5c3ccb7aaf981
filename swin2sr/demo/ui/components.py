"""Settings of the page's events, and how an action's failure is told."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from swin2sr.demo.models import QUALITIES, TASKS
from swin2sr.demo.queue import Update
from swin2sr.demo.service import Service

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
LOOK: dict[str, Any] = {
    "preprocess": False,
    "concurrency_id": "look",
    "trigger_mode": "always_last",
    **PRIVATE,
}


def owner(request: gr.Request) -> str:
    """Whose job it is: the visitor's session, which may also stop it."""
    return request.session_hash or ""


def failure(update: Update) -> gr.Error:
    """A failed update, as what Gradio shows in a corner and sends to programs."""
    return gr.Error(html.escape(update.text, quote=False), print_exception=False)


def stopper(service: Service) -> Any:
    """What a Stop button calls; beside it stands ``cancels=[...]`` for jobs that still wait."""

    def stop(request: gr.Request) -> Any:
        running = service.slot.stop(owner(request))
        return "Stopped." if running else gr.skip()

    return stop


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
