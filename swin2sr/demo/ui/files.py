"""Files between visitors and the page: uploads, examples, and the cache of what is sent back."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from swin2sr.demo.models import TASKS, packaged_models
from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.samples import photograph

RETENTION_SECONDS = 600  # of pictures of visitors and results
EXAMPLE_NAMES = ("astronaut", "chelsea", "coffee", "rocket")
EXAMPLE_HEIGHT = 160
# By task: photograph, height in pixels, and the JPEG quality it is saved with, if any.
TASK_EXAMPLES = {
    "sharpen-x2": ("chelsea", 160, None),
    "sharpen-x4": ("astronaut", 120, None),
    "compressed-x4": ("coffee", 120, 30),
    "jpeg": ("rocket", 240, 15),
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def uploaded_path(payload: dict[str, Any] | None) -> str | None:
    """Path of a file that a visitor has uploaded; decoding it is for the job to do.

    Args:
        payload: what the visitor's browser, or whoever else, says the picture is.
    Raises:
        gr.Error: it is none that was uploaded here.
    """
    if payload is None:
        return None
    root = Path(get_upload_folder()).resolve()
    with suppress(AttributeError, OSError, TypeError, ValueError):  # whatever was sent instead
        path = Path(payload.get("path") or "").resolve()
        if path.is_relative_to(root) and path.is_file():
            return str(path)
    raise gr.Error("Please upload the image.", print_exception=False)


def write_examples(folder: Path) -> list[str]:
    """Write photographs, shrunk as the networks expect; returns their paths in ``folder``."""
    paths = []
    for name in EXAMPLE_NAMES:
        with suppress(ConfigError):  # a scikit-image without its pictures
            path = folder / f"{name}.png"
            Image.fromarray(photograph(name, height=EXAMPLE_HEIGHT)).save(path)
            paths.append(str(path))
    return paths


def write_task_examples(folder: Path) -> dict[str, str]:
    """Write a picture for each task that a packaged model does, in the state that it is for.

    Args:
        folder: where they are written.
    Returns:
        Their paths, and the keys of their tasks.
    """
    pictures = {}
    for task, (name, height, quality) in TASK_EXAMPLES.items():
        if not any(one in packaged_models() for one in TASKS[task].models.values()):
            continue
        with suppress(ConfigError):  # as above
            small = photograph(name, height=height)
            path = folder / f"{name}.{'jpg' if quality else 'png'}"
            if quality:
                path.write_bytes(Jpeg(quality).encode(small))
            else:
                Image.fromarray(small).save(path)
            pictures[str(path)] = task
    return pictures


def cache_file(component: gr.components.Component, data: bytes, name: str) -> str:
    """Put a file where Gradio serves it from, and deletes it in time; returns its path.

    Args:
        component: one that was built with the page: files of those that a session has put in its
            place are not deleted.
        data: of the file.
        name: of the file, for who saves it.
    """
    # Gradio's own way for bytes writes anew what is there already, perhaps while it is being sent.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return str(component.move_resource_to_block_cache(path))
