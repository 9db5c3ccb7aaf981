"""Section "Attribution" of the tab "Look inside": which pixels a patch of the output comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.inspect import BOXES, STEPS, Looking, networks
from swin2sr.demo.jobs.inspect_results import attributions_summary
from swin2sr.demo.messages import plain
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import NETWORK, PRIVATE, failure, owner, stopper
from swin2sr.demo.ui.files import cached, uploaded_path
from swin2sr.demo.ui.inspect_inputs import Subject, figure

TEACH = """
A local attribution map ([Gu and Dong, 2021](https://arxiv.org/abs/2011.11036)) sharpens the picture
step by step and adds up how strongly each pixel of it moves the detail in the framed patch of the
result. The diffusion index says how evenly that is spread: near 0 one pixel does it all, at 100 all
pixels take part alike.
"""
NOTHING = 'Click the patch\'s middle, then choose "Show attribution".'
ALONE = "no other"


class AttributionSection:
    """Build it inside ``gr.Tab``.

    Args:
        service, looking: what does the work.
        subject: what is asked about.
    Attributes:
        view: the piece to click on, the patch framed.
        box: side of the patch.
    """

    def __init__(self, service: Service, looking: Looking, subject: Subject) -> None:
        self._looking = looking
        gr.Markdown(TEACH)
        with gr.Row():
            self.view, _ = figure(
                "Click the middle of the patch",
                "The piece of your picture that is looked at, the patch framed",
                click=True,
            )
            self._first, _ = figure(
                "Pixels that take part",
                "Local attribution map over the piece: bright pixels take part strongly",
            )
            self._second, beside = figure(
                "The same, in the other model",
                "Local attribution map of the other model over the piece",
                visible=False,
            )
        self.box = gr.Radio(list(BOXES), value=BOXES[1], label="Side of the patch, in pixels")
        steps = gr.Radio(
            list(STEPS), value=STEPS[0], label="Steps (more are finer and slower; the paper has 50)"
        )
        other = gr.Dropdown([ALONE, *networks()], value=ALONE, label="Beside", filterable=False)
        with gr.Row():
            go = gr.Button("Show attribution", variant="primary", min_width=100)
            halt = gr.Button("Stop", min_width=100)
        report = gr.Markdown(NOTHING, elem_id="attribution-report", elem_classes="report")
        with gr.Accordion("Numbers", open=False):
            numbers = gr.JSON(label="Patch, diffusion index and mean distance, by model")
        run = go.click(
            self.attribution,
            [*subject.asked, self.box, steps, other, *subject.pixel],
            [self._first, self._second, numbers, report],
            api_name="attribution",
            show_progress_on=self._first,
            **NETWORK,
        )
        halt.click(
            stopper(service),
            None,
            report,
            cancels=[run],
            api_name="stop_attribution",
            queue=False,
            **PRIVATE,
        )
        other.change(
            lambda name: gr.Column(visible=name != ALONE),
            other,
            beside,
            queue=False,
            **PRIVATE,
        )

    def attribution(
        self,
        request: gr.Request,
        image: dict[str, Any] | None,
        model: str,
        side: int,
        box: int,
        steps: int,
        other: str,
        x: float | None = None,
        y: float | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
        """Show which pixels of a picture a patch of the result comes from (LAM).

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            model: name of the network.
            side: of a larger picture a piece of this side around the patch is looked at.
            box: side of the patch, in pixels of the picture.
            steps: of the path from blurred to sharp.
            other: a second network to show beside it, or "no other".
            x: column of the patch's middle, from 0 on the left; none for the picture's middle.
            y: its row, from 0 at the top; none for the picture's middle.
        Returns:
            PNG files: the map over the piece, the same of the other network; the numbers, with the
            diffusion index; and what was done, as Markdown.
        """
        same = (gr.skip(),) * 3
        path = uploaded_path(image)
        names = (model,) if other == ALONE else (model, other)
        updates = self._looking.attribution(owner(request), path, names, x, y, side, box, steps)
        for update in updates:
            if update is None:
                yield *same, gr.skip()
            elif update.failed:
                yield *same, f"**{plain(update.text)}**"
                raise failure(update)
            elif update.result is None:
                progress((update.done, update.total or None), desc="Steps", unit="steps")
                yield *same, plain(update.text)
            else:
                files = [
                    cached(
                        self._first,
                        inspect_figures.attribution_view(one),
                        f"attribution_{one.model}.png",
                    )
                    for one in update.result
                ]
                yield (
                    files[0],
                    files[1] if len(files) > 1 else None,
                    [one.numbers() for one in update.result],
                    attributions_summary(update.result),
                )
