"""Settings of the page's events, and how an action's failure is told."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from swin2sr.demo.service import Service
from swin2sr.demo.updates import Update

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
