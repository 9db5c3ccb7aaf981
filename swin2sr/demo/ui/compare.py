"""The tab "Compare": one picture through several models; results side by side and close up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from swin2sr.demo.jobs import compare_results
from swin2sr.demo.jobs.compare import Comparing
from swin2sr.demo.jobs.compare_request import QUALITIES, Trial
from swin2sr.demo.jobs.compare_results import SIDES, Comparison
from swin2sr.demo.messages import plain
from swin2sr.demo.models import KINDS, label
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import LOOK, NETWORK, PRIVATE, failure, owner
from swin2sr.demo.ui.files import cached, small_photographs, uploaded_path
from swin2sr.errors import Swin2SRError

FIRST = "x2"
TESTS = {
    "test": "Make a test of my picture",
    "given": "I have the original",
    "look": "Only look",
}
TEST_HELP = (
    "A test shrinks or compresses your picture as the papers do, restores it, and measures how "
    "near each model comes. With the original of a small picture you can measure, too."
)
ERRORS = "Black is equal to the original, yellow is wrong; the colours mean the same in all maps."
STOPPED = "Stopped. What is finished stays."
NOTHING = "When there are results, one place of all of them can be seen here from near."
# Natural proportions, captions below in whole; see the page's style.
GALLERY: dict[str, Any] = {
    "format": "png",
    "height": "auto",
    "buttons": ["download", "fullscreen"],
    "elem_classes": "beside",
}


class CompareTab:
    """Build it inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._comparing = Comparing(service)
        kept = gr.State()
        with gr.Row():
            with gr.Column():
                choices = self._choices()
                about = gr.Markdown("Choose a picture.", elem_classes="about")
                with gr.Row():
                    go = gr.Button("Compare", variant="primary", min_width=100)
                    halt = gr.Button("Stop", min_width=100)
            with gr.Column():
                self._results = gr.Gallery(label="Results", columns=2, **GALLERY)
                report = gr.Markdown(
                    "The results will appear here.", elem_id="compare-report", elem_classes="report"
                )
        self._places(kept)
        with gr.Accordion("Error maps", open=False):
            gr.Markdown(ERRORS)
            maps = gr.Gallery(label="Errors of brightness", columns=4, **GALLERY)
        with gr.Accordion("Table to copy", open=False), gr.Row():
            copied: dict[str, Any] = {"lines": 5, "buttons": ["copy"], "interactive": False}
            markdown = gr.Textbox(label="As Markdown", **copied)
            table = gr.Textbox(label="As CSV", **copied)
        gr.on(
            [choice.change for choice in choices],
            self.look,
            choices,
            about,
            api_name="look_compare",
            **LOOK,
        )
        run = go.click(
            self.compare,
            choices,
            [self._results, maps, markdown, table, report, kept],
            api_name="compare",
            show_progress_on=self._results,
            **NETWORK,
        )
        halt.click(
            self.stop,
            None,
            report,
            cancels=[run],
            api_name="stop_compare",
            queue=False,
            **PRIVATE,
        )

    def _choices(self) -> list[Any]:
        """What goes in: picture, task, what to measure against, models."""
        source = gr.Image(
            label="Your picture", type="filepath", sources=["upload", "clipboard"], height=260
        )
        with tempfile.TemporaryDirectory() as folder:
            gr.Examples(small_photographs(Path(folder)), source, label="Examples")
        task = gr.Radio(
            [(one.label, name) for name, one in KINDS.items()], value=FIRST, label="Task"
        )
        test = gr.Radio(
            [(text, name) for name, text in TESTS.items()],
            value="test",
            label="Measure",
            info=TEST_HELP,
        )
        with gr.Column(visible=False) as given:
            original = gr.Image(
                label="The original", type="filepath", sources=["upload", "clipboard"], height=200
            )
        quality = gr.Slider(
            *QUALITIES,
            10,
            step=1,
            label="JPEG quality of the test (papers: 10 to 40)",
            visible=False,
        )
        models = gr.CheckboxGroup(
            [(label(name), name) for name in KINDS[FIRST].names],
            value=KINDS[FIRST].included,
            label="Models, in the order in which they run",
        )
        task.change(
            lambda name: gr.CheckboxGroup(
                [(label(one), one) for one in KINDS[name].names], value=KINDS[name].included
            ),
            task,
            models,
            queue=False,
            **PRIVATE,
        )
        gr.on(
            [task.change, test.change],
            lambda name, how: (
                gr.Slider(visible=how == "test" and KINDS[name].jpeg),
                gr.Column(visible=how == "given"),
            ),
            [task, test],
            [quality, given],
            queue=False,
            **PRIVATE,
        )
        return [source, task, test, models, quality, original]

    def _places(self, kept: gr.State) -> None:
        """One place of all results from near, and what moves it."""
        with gr.Accordion("One place from near"), gr.Row(elem_id="compare-places"):
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
                side = gr.Slider(*SIDES, 48, step=8, label="Size, in pixels of the result")
                most = gr.Button("Where the results differ most")
            with gr.Column(scale=3):
                text = gr.Markdown(NOTHING, elem_id="compare-place", elem_classes="report")
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
        place, seen = [across, down, side], [overview, crops, text]
        moved = [across, down, *seen]
        gr.on(
            [slider.input for slider in place],
            self.show,
            [kept, *place],
            seen,
            api_name="show_place",
            **LOOK,
        )
        overview.select(self.point, [kept, side], moved, api_name="point_place", **LOOK)
        self._results.change(self.arrive, [kept, *place], moved, api_name="new_place", **LOOK)
        most.click(self.seek, [kept, side], moved, api_name="seek_place", **LOOK)
        draw.click(self.draw, [kept, *place], [figure, text], api_name="draw_place", **LOOK)

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
        same = gr.skip()
        trial = _trial(image, task, test, models, quality, original)
        places: dict[str, str] = {}

        def keep(path: str) -> str:
            # Put into Gradio's cache by the component that was built here, as in "Restore".
            if path not in places:
                places[path] = self._results.move_resource_to_block_cache(path) or path
            return places[path]

        for update in self._comparing.run(owner(request), trial):
            if update is None:
                yield (same,) * 6
            elif update.failed:
                yield *(same,) * 4, f"**{plain(update.text)}**", same
                raise failure(update)
            elif update.result is None:
                progress((update.done, update.total or None), desc="Tiles", unit="tiles")
                yield *(same,) * 4, update.text, same
            else:
                found: Comparison = update.result.moved(keep)
                lists = found.pictures(), found.error_maps()
                yield *lists, found.markdown(), found.csv(), update.text, found

    def look(
        self,
        image: dict[str, Any] | None,
        task: str,
        test: str,
        models: list[str],
        quality: float,
        original: dict[str, Any] | None,
    ) -> str:
        """What a comparison would take."""
        return self._comparing.look(_trial(image, task, test, models, quality, original))

    def stop(self, request: gr.Request) -> Any:
        """Stop the visitor's comparison."""
        return STOPPED if self._service.slot.stop(owner(request)) else gr.skip()

    def show(self, kept: object, across: object, down: object, side: object) -> tuple[Any, ...]:
        """A place from near, or why not."""
        try:
            seen = compare_results.close_up(kept, across, down, side)
        except Swin2SRError as error:
            return gr.skip(), gr.skip(), plain(str(error))
        crops = [(self._stored(image), caption) for image, caption in seen.crops]
        return self._stored(seen.overview), crops, plain(seen.text)

    def point(self, kept: object, side: object, event: gr.SelectData) -> tuple[Any, ...]:
        """The place that was clicked."""
        try:
            across, down = compare_results.pointed_at(kept, event.index)
        except Swin2SRError as error:
            return *(gr.skip(),) * 4, plain(str(error))
        return across, down, *self.show(kept, across, down, side)

    def seek(self, kept: object, side: object) -> tuple[Any, ...]:
        """The place where the results differ most."""
        try:
            across, down = compare_results.most_different(kept, side)
        except Swin2SRError as error:
            return *(gr.skip(),) * 4, plain(str(error))
        return across, down, *self.show(kept, across, down, side)

    def arrive(self, kept: object, across: object, down: object, side: object) -> tuple[Any, ...]:
        """Results have come: as they come the same place, at the end where they differ most."""
        if isinstance(kept, Comparison) and kept.is_complete:
            return self.seek(kept, side)
        return gr.skip(), gr.skip(), *self.show(kept, across, down, side)

    def draw(self, kept: object, across: object, down: object, side: object) -> tuple[Any, Any]:
        """A place as one figure, or why not."""
        try:
            drawn = compare_results.figure(kept, across, down, side)
        except Swin2SRError as error:
            return gr.skip(), plain(str(error))
        return cached(self._results, drawn, "comparison.png"), gr.skip()

    def _stored(self, image: Image.Image) -> str:
        file = BytesIO()
        image.save(file, "PNG")
        return cached(self._results, file.getvalue(), "place.png")


def _trial(
    image: dict[str, Any] | None,
    task: str,
    test: str,
    models: list[str],
    quality: float,
    original: dict[str, Any] | None,
) -> Trial:
    """What was chosen; of an original only where one takes part."""
    given = uploaded_path(original) if test == "given" else None
    return Trial(uploaded_path(image), task, test, models, quality, given)
