"""The tab "Batch": many pictures in, a gallery and one zip out, each with its own outcome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.batch import MOST_BYTES, MOST_FILES, Batching
from swin2sr.demo.messages import plain
from swin2sr.demo.models import INCLUDED, describe
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import LOOK, NETWORK, PRIVATE, choose_model, failure, owner
from swin2sr.demo.ui.files import SUFFIXES, uploaded_path


class BatchTab:
    """Build it inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._batching = Batching(service)
        with gr.Row():
            with gr.Column():
                sources = gr.File(
                    label=f"Your pictures: {MOST_FILES}, {MOST_BYTES // 10**6} MB at most",
                    file_count="multiple",
                    file_types=list(SUFFIXES),
                    height=260,
                )
                task, quality, keep = choose_model()
                about = gr.Markdown(describe(INCLUDED), elem_id="batch-about", elem_classes="about")
                with gr.Row():
                    go = gr.Button("Restore all", variant="primary", min_width=100)
                    halt = gr.Button("Stop", min_width=100)
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
        gr.on(
            [sources.change, task.change, quality.change],
            self.look,
            [sources, task, quality],
            about,
            api_name="look_batch",
            **LOOK,
        )
        run = go.click(
            self.batch,
            [sources, task, quality, keep],
            [self._gallery, self._archive, report],
            api_name="batch",
            show_progress_on=self._gallery,
            **NETWORK,
        )
        run.success(offer_archive, archive, archive, queue=False, **PRIVATE)
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
    ) -> Iterator[tuple[Any, Any, Any]]:
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
        same = gr.skip()
        paths = uploaded_paths(images)
        shown: dict[str, str] = {}
        begun = False
        for update in self._batching.run(owner(request), paths, task, quality, keep_metadata):
            if update is None:
                yield (same, same, same) if begun else ([], None, same)
                begun = True
                continue
            if update.failed:
                yield same, same, f"**{plain(update.text)}**"
                raise failure(update)
            gallery, archive = same, same
            if update.result is not None:
                gallery = [
                    (self._kept(shown, one.file), one.name)
                    for one in update.result.outcomes
                    if one.file
                ]
                if update.result.archive:
                    archive = self._archive.move_resource_to_block_cache(update.result.archive)
                elif update.result.ended:
                    archive = None
            progress((update.done, update.total or None), desc="Pictures", unit="pictures")
            yield gallery, archive, update.text

    def look(self, images: list[dict[str, Any]] | None, task: str, quality: str) -> str:
        """What a job would take."""
        return self._batching.look(uploaded_paths(images), task, quality)

    def stop(self, idle: int, request: gr.Request) -> tuple[Any, int]:
        """Stop the visitor's batch where it is, and hand over what it has finished.

        Args:
            idle: how often this was asked while nothing ran; counts up then.
        """
        if self._service.slot.stop(owner(request)):
            return "Stopping, and packing what is finished.", idle
        return gr.skip(), idle + 1

    def _kept(self, shown: dict[str, str], file: str) -> str:
        """The file in Gradio's cache, where it is deleted with time; each is copied once."""
        if file not in shown:
            shown[file] = str(self._gallery.move_resource_to_block_cache(file))
        return shown[file]


def offer_archive(file: str | None) -> Any:
    """The download button, to be pressed when there is something to download."""
    return gr.DownloadButton(interactive=file is not None)


def uploaded_paths(payload: list[dict[str, Any]] | None) -> list[str]:
    """The paths of files that a visitor has uploaded.

    Raises:
        gr.Error: one is none that was uploaded here, or it is no list of files.
    """
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise gr.Error("Please upload the images.", print_exception=False)
    return [path for one in payload if (path := uploaded_path(one)) is not None]
