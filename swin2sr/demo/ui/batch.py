"""Tab "Batch": many pictures in, a gallery and one zip out, each with its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.batch import BYTE_LIMIT, FILE_LIMIT, BatchJob, BatchResult
from swin2sr.demo.models import DEFAULT_MODEL, describe_model
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import (
    NETWORK,
    PRIVATE,
    Relay,
    job_owner,
    preview_on,
    run_buttons,
    task_inputs,
)
from swin2sr.demo.ui.files import SUFFIXES, uploaded_path


class BatchTab:
    """Tab "Batch", to be built inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._job = BatchJob(service)
        with gr.Row():
            with gr.Column():
                sources = gr.File(
                    label=f"Your pictures: {FILE_LIMIT}, {BYTE_LIMIT // 10**6} MB at most",
                    file_count="multiple",
                    file_types=list(SUFFIXES),
                    height=260,
                )
                task, quality, keep = task_inputs()
                preview = gr.Markdown(
                    describe_model(DEFAULT_MODEL),
                    elem_id="batch-preview",
                    elem_classes="job-preview",
                )
                go, halt = run_buttons("Restore all")
            with gr.Column():
                self._gallery = gr.Gallery(
                    label="Results",
                    format="png",
                    type="filepath",
                    columns=3,
                    height=440,
                    object_fit="contain",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                )
                report = gr.Markdown(
                    "The results will appear here.", elem_id="batch-report", elem_classes="report"
                )
                self._archive = archive = gr.DownloadButton(
                    "Download all as zip", interactive=False
                )
        preview_on([sources, task, quality], self.preview, preview, "preview_batch")
        run = go.click(
            self.batch,
            [sources, task, quality, keep],
            [self._gallery, self._archive, report],
            api_name="batch",
            show_progress_on=self._gallery,
            **NETWORK,
        )
        run.success(update_download, archive, archive, queue=False, **PRIVATE)
        # A running batch hands over what it has finished, so it must not be cancelled; one that
        # still waits in the queue has nothing, and is. (A State would change unnoticed.)
        idle = gr.Number(0, visible="hidden")
        halt.click(self.stop, idle, [report, idle], api_name="stop_batch", queue=False, **PRIVATE)
        idle.change(None, None, None, cancels=[run])

    def batch(
        self,
        images: list[dict[str, Any]] | None,
        task: str,
        quality: str,
        keep_metadata: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
        """Enlarge or repair pictures one after the other; a bad one does not stop the others.

        Args:
            images: at most 20 pictures of at most 10 MB in all: PNG, JPEG, WebP, BMP, TIFF, GIF.
            task: what to do with them.
            quality: which model, where a task has several.
            keep_metadata: keep the camera's data; the place of a photograph is dropped always.
        Returns:
            The results as PNG files, named for saving; a zip of them; and what became of each
            picture, as Markdown.
        """
        # Results are put into Gradio's cache as they are finished, each once.
        keep = cache(self._gallery.move_resource_to_block_cache)
        show = partial(self._show, keep)
        relay = Relay(show, count=3, report=2, progress=progress, unit="pictures")
        paths = uploaded_paths(images)
        yield [], None, gr.skip()  # of an earlier batch
        for update in self._job.run(job_owner(request), paths, task, quality, keep_metadata):
            yield relay.outputs(update)
            relay.raise_failure(update)

    def _show(self, keep: Callable[[str], Any], result: BatchResult, text: str) -> tuple[Any, ...]:
        gallery = [(keep(one.file), one.name) for one in result.outcomes if one.file]
        archive: Any = None if result.ended else gr.skip()
        if result.archive:
            archive = self._archive.move_resource_to_block_cache(result.archive)
        return gallery, archive, text

    def preview(self, images: list[dict[str, Any]] | None, task: str, quality: str) -> str:
        """Preview of a job: its model and its limits."""
        return self._job.preview(uploaded_paths(images), task, quality)

    def stop(self, idle: int, request: gr.Request) -> tuple[Any, int]:
        """Stop the visitor's batch where it is, and hand over what it has finished.

        Args:
            idle: how often this was asked while nothing ran; counts up then.
        """
        if self._service.slot.stop(job_owner(request)):
            return "Stopping, and packing what is finished.", idle
        return gr.skip(), idle + 1


def update_download(file: str | None) -> Any:
    """Download button, to be pressed when there is something to download."""
    return gr.DownloadButton(interactive=file is not None)


def uploaded_paths(payload: list[dict[str, Any]] | None) -> list[str]:
    """Paths of files that a visitor has uploaded.

    Raises:
        gr.Error: one is none that was uploaded here, or it is no list of files.
    """
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise gr.Error("Please upload the images.", print_exception=False)
    return [path for one in payload if (path := uploaded_path(one)) is not None]
