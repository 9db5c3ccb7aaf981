"""Tab "Compare": one picture through several models; results side by side and close up."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from swin2sr.demo.jobs import compare_results
from swin2sr.demo.jobs.compare import CompareJob
from swin2sr.demo.jobs.compare_request import JPEG_QUALITIES, CompareRequest
from swin2sr.demo.jobs.compare_results import CLOSE_UP_SIDES, Comparison
from swin2sr.demo.messages import escape_markdown
from swin2sr.demo.models import COMPARE_TASKS, model_label
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import (
    NETWORK,
    PREVIEW,
    PRIVATE,
    Relay,
    job_owner,
    picture_input,
    preview_on,
    run_buttons,
    stop_on,
)
from swin2sr.demo.ui.files import cache_file, uploaded_path, write_examples
from swin2sr.errors import Swin2SRError

FIRST_TASK = "x2"
REFERENCE_LABELS = {
    "test": "Make a test of my picture",
    "given": "I have the original",
    "look": "Only look",
}
REFERENCE_HELP = (
    "A test shrinks or compresses your picture as the papers do, restores it, and measures how "
    "near each model comes. With the original of a small picture you can measure, too."
)
ERROR_MAP_HELP = (
    "Black is equal to the original, yellow is wrong; the colours mean the same in all maps."
)
STOPPED = "Stopped. What is finished stays."
NO_RESULTS = "When there are results, one place of all of them can be seen here from near."
# Natural proportions, captions below in whole; see the page's style.
GALLERY: dict[str, Any] = {
    "format": "png",
    "height": "auto",
    "buttons": ["download", "fullscreen"],
    "elem_classes": "side-by-side",
}


class CompareTab:
    """Tab "Compare", to be built inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._job = CompareJob(service)
        comparison = gr.State()
        with gr.Row():
            with gr.Column():
                inputs = self._build_inputs()
                preview = gr.Markdown("Choose a picture.", elem_classes="job-preview")
                go, halt = run_buttons("Compare")
            with gr.Column():
                self._results = gr.Gallery(label="Results", columns=2, **GALLERY)
                report = gr.Markdown(
                    "The results will appear here.", elem_id="compare-report", elem_classes="report"
                )
        self._build_close_up(comparison)
        with gr.Accordion("Error maps", open=False):
            gr.Markdown(ERROR_MAP_HELP)
            maps = gr.Gallery(label="Errors of brightness", columns=4, **GALLERY)
        with gr.Accordion("Table to copy", open=False), gr.Row():
            copied: dict[str, Any] = {"lines": 5, "buttons": ["copy"], "interactive": False}
            markdown = gr.Textbox(label="As Markdown", **copied)
            table = gr.Textbox(label="As CSV", **copied)
        preview_on(inputs, self.preview, preview, "preview_compare")
        run = go.click(
            self.compare,
            inputs,
            [self._results, maps, markdown, table, report, comparison],
            api_name="compare",
            show_progress_on=self._results,
            **NETWORK,
        )
        stop_on(halt, service, report, [run], "stop_compare", STOPPED)

    def _build_inputs(self) -> list[Any]:
        """Build what goes in: picture, task, what to measure against, models."""
        source = picture_input("Your picture", 260)
        with tempfile.TemporaryDirectory() as folder:
            gr.Examples(write_examples(Path(folder)), source, label="Examples")
        task = gr.Radio(
            [(one.label, name) for name, one in COMPARE_TASKS.items()],
            value=FIRST_TASK,
            label="Task",
        )
        test = gr.Radio(
            [(text, name) for name, text in REFERENCE_LABELS.items()],
            value="test",
            label="Measure",
            info=REFERENCE_HELP,
        )
        with gr.Column(visible=False) as given:
            original = picture_input("The original", 200)
        quality = gr.Slider(
            *JPEG_QUALITIES,
            10,
            step=1,
            label="JPEG quality of the test (papers: 10 to 40)",
            visible=False,
        )
        models = gr.CheckboxGroup(
            [(model_label(name), name) for name in COMPARE_TASKS[FIRST_TASK].names],
            value=COMPARE_TASKS[FIRST_TASK].included,
            label="Models, in the order in which they run",
        )
        task.change(
            lambda name: gr.CheckboxGroup(
                [(model_label(one), one) for one in COMPARE_TASKS[name].names],
                value=COMPARE_TASKS[name].included,
            ),
            task,
            models,
            queue=False,
            **PRIVATE,
        )
        gr.on(
            [task.change, test.change],
            lambda name, how: (
                gr.Slider(visible=how == "test" and COMPARE_TASKS[name].jpeg),
                gr.Column(visible=how == "given"),
            ),
            [task, test],
            [quality, given],
            queue=False,
            **PRIVATE,
        )
        return [source, task, test, models, quality, original]

    def _build_close_up(self, comparison: gr.State) -> None:
        """Build the close-up of one place of all results, and what moves it."""
        with gr.Accordion("One place from near"), gr.Row(elem_id="compare-close-up"):
            with gr.Column(scale=2):
                overview = gr.Image(
                    label="Click where to look",
                    format="png",
                    height=300,
                    interactive=False,
                    buttons=[],
                    alt_text="The whole picture; the place that is looked at is framed.",
                )
                across = gr.Slider(0, 100, 50, step=0.5, label="Across, in percent")
                down = gr.Slider(0, 100, 50, step=0.5, label="Down, in percent")
                side = gr.Slider(*CLOSE_UP_SIDES, 48, step=8, label="Size, in pixels of the result")
                most = gr.Button("Where the results differ most")
            with gr.Column(scale=3):
                text = gr.Markdown(
                    NO_RESULTS, elem_id="compare-close-up-report", elem_classes="report"
                )
                crops = gr.Gallery(
                    label="The same place of each", columns=3, elem_id="compare-crops", **GALLERY
                )
                with gr.Accordion("One figure of this place, to save", open=False):
                    draw = gr.Button("Draw")
                    figure = gr.Image(
                        label="Figure",
                        format="png",
                        interactive=False,
                        buttons=["download", "fullscreen"],
                        alt_text="This place in every result, and below each where it is wrong.",
                    )
        place, shown = [across, down, side], [overview, crops, text]
        moved = [across, down, *shown]
        gr.on(
            [slider.input for slider in place],
            self.show,
            [comparison, *place],
            shown,
            api_name="close_up",
            **PREVIEW,
        )
        overview.select(
            self.show_click, [comparison, side], moved, api_name="close_up_click", **PREVIEW
        )
        self._results.change(
            self.show_new, [comparison, *place], moved, api_name="close_up_new", **PREVIEW
        )
        most.click(
            self.show_difference,
            [comparison, side],
            moved,
            api_name="close_up_difference",
            **PREVIEW,
        )
        draw.click(
            self.draw, [comparison, *place], [figure, text], api_name="close_up_figure", **PREVIEW
        )

    def compare(
        self,
        request: gr.Request,  # here, so that an original may be left out
        image: dict[str, Any] | None,
        task: str,
        test: str,
        models: list[str],
        quality: float,
        original: dict[str, Any] | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
        """Restore one picture by several models, and measure them where there is an original.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            task: what the models do.
            test: "test" shrinks or compresses the picture, restores it and measures against it;
                "given" restores it and measures against the original; "look" measures nothing.
            models: which; of the task's.
            quality: of JPEG, where a test compresses.
            original: with "given", the picture that the image was made from.
        Returns:
            PNG files with captions of the original and every result; error maps likewise; the
            table of PSNR, SSIM and seconds as Markdown and as CSV; and all of it in words.
        """
        wanted = _request(image, task, test, models, quality, original)
        # Put into Gradio's cache by the component that was built here, as in "Restore"; each once.
        move = cache(self._results.move_resource_to_block_cache)
        relay = Relay(partial(self._show_results, move), count=6, report=4, progress=progress)
        for update in self._job.run(job_owner(request), wanted):
            yield relay.outputs(update)
            relay.raise_failure(update)

    @staticmethod
    def _show_results(move: Callable[[str], Any], result: Comparison, text: str) -> tuple[Any, ...]:
        moved = result.move_files(lambda path: move(path) or path)
        lists = moved.pictures(), moved.error_maps()
        return *lists, moved.markdown(), moved.csv(), text, moved

    def preview(
        self,
        image: dict[str, Any] | None,
        task: str,
        test: str,
        models: list[str],
        quality: float,
        original: dict[str, Any] | None,
    ) -> str:
        """Preview of a comparison: its cost."""
        return self._job.preview(_request(image, task, test, models, quality, original))

    def show(
        self, comparison: object, across: object, down: object, side: object
    ) -> tuple[Any, ...]:
        """Close-up of a place, or why there is none."""
        try:
            found = compare_results.close_up(comparison, across, down, side)
        except Swin2SRError as error:
            return gr.skip(), gr.skip(), escape_markdown(str(error))
        crops = [(self._cache_image(image), caption) for image, caption in found.crops]
        return self._cache_image(found.overview), crops, escape_markdown(found.text)

    def show_click(self, comparison: object, side: object, event: gr.SelectData) -> tuple[Any, ...]:
        """Close-up of the place that was clicked."""
        try:
            across, down = compare_results.click_position(comparison, event.index)
        except Swin2SRError as error:
            return *(gr.skip(),) * 4, escape_markdown(str(error))
        return across, down, *self.show(comparison, across, down, side)

    def show_difference(self, comparison: object, side: object) -> tuple[Any, ...]:
        """Close-up of the place where the results differ most."""
        try:
            across, down = compare_results.largest_difference(comparison, side)
        except Swin2SRError as error:
            return *(gr.skip(),) * 4, escape_markdown(str(error))
        return across, down, *self.show(comparison, across, down, side)

    def show_new(
        self, comparison: object, across: object, down: object, side: object
    ) -> tuple[Any, ...]:
        """Close-up of new results: one place as they come, at the end where they differ most."""
        if isinstance(comparison, Comparison) and comparison.is_complete:
            return self.show_difference(comparison, side)
        return gr.skip(), gr.skip(), *self.show(comparison, across, down, side)

    def draw(
        self, comparison: object, across: object, down: object, side: object
    ) -> tuple[Any, Any]:
        """Figure of a place, or why there is none."""
        try:
            drawn = compare_results.close_up_figure(comparison, across, down, side)
        except Swin2SRError as error:
            return gr.skip(), escape_markdown(str(error))
        return cache_file(self._results, drawn, "comparison.png"), gr.skip()

    def _cache_image(self, image: Image.Image) -> str:
        file = BytesIO()
        image.save(file, "PNG")
        return cache_file(self._results, file.getvalue(), "place.png")


def _request(
    image: dict[str, Any] | None,
    task: str,
    test: str,
    models: list[str],
    quality: float,
    original: dict[str, Any] | None,
) -> CompareRequest:
    """Request of what was chosen; with an original only where one takes part."""
    given = uploaded_path(original) if test == "given" else None
    return CompareRequest(uploaded_path(image), task, test, models, quality, given)
