"""Section "Attribution" of the tab "Look inside": the pixels a patch of the output comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.inspect import PATCH_SIDES, STEP_CHOICES, InspectJob, inspectable_models
from swin2sr.demo.jobs.inspect_results import AttributionResult, attribution_summary
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import NETWORK, PRIVATE, Relay, job_owner, run_buttons, stop_on
from swin2sr.demo.ui.files import cache_file, uploaded_path
from swin2sr.demo.ui.inspect_inputs import InspectInputs, figure

INTRODUCTION = """
A local attribution map ([Gu and Dong, 2021](https://arxiv.org/abs/2011.11036)) sharpens the picture
step by step and adds up how strongly each pixel of it moves the detail in the framed patch of the
result. The diffusion index says how evenly that is spread: near 0 one pixel does it all, at 100 all
pixels take part alike.
"""
NO_RESULT = 'Click the patch\'s middle, then choose "Show attribution".'
NO_OTHER = "no other"


class AttributionSection:
    """Section "Attribution", to be built inside ``gr.Tab``.

    Args:
        service, job: what does the work.
        inputs: picture, model, pixel and crop.
    Attributes:
        view: the crop to click on, the patch framed.
        patch_side: radio of the patch's side.
    """

    def __init__(self, service: Service, job: InspectJob, inputs: InspectInputs) -> None:
        self._job = job
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            self.view, _ = figure(
                "Click the middle of the patch",
                "The crop of your picture that is looked at, the patch framed",
                click=True,
            )
            self._first, _ = figure(
                "Pixels that take part",
                "Local attribution map over the crop: bright pixels take part strongly",
            )
            self._second, beside = figure(
                "The same, in the other model",
                "Local attribution map of the other model over the crop",
                visible=False,
            )
        self.patch_side = gr.Radio(
            list(PATCH_SIDES), value=PATCH_SIDES[1], label="Side of the patch, in pixels"
        )
        steps = gr.Radio(
            list(STEP_CHOICES),
            value=STEP_CHOICES[0],
            label="Steps (more are finer and slower; the paper has 50)",
        )
        other = gr.Dropdown(
            [NO_OTHER, *inspectable_models()], value=NO_OTHER, label="Beside", filterable=False
        )
        go, halt = run_buttons("Show attribution")
        report = gr.Markdown(NO_RESULT, elem_id="attribution-report", elem_classes="report")
        with gr.Accordion("Numbers", open=False):
            numbers = gr.JSON(label="Patch, diffusion index and mean distance, by model")
        run = go.click(
            self.attribution,
            [*inputs.required, self.patch_side, steps, other, *inputs.pixel],
            [self._first, self._second, numbers, report],
            api_name="attribution",
            show_progress_on=self._first,
            **NETWORK,
        )
        stop_on(halt, service, report, [run], "stop_attribution")
        other.change(
            lambda name: gr.Column(visible=name != NO_OTHER), other, beside, queue=False, **PRIVATE
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
            side: of a larger picture a crop of this side around the patch is looked at.
            box: side of the patch, in pixels of the picture.
            steps: of the path from blurred to sharp.
            other: a second network to show beside it, or "no other".
            x: column of the patch's middle, from 0 on the left; none for the picture's middle.
            y: its row, from 0 at the top; none for the picture's middle.
        Returns:
            PNG files: the map over the crop, the same of the other network; the numbers, with the
            diffusion index; and what was done, as Markdown.
        """
        relay = Relay(self._show, count=4, report=3, progress=progress, unit="steps")
        path = uploaded_path(image)
        models = (model,) if other == NO_OTHER else (model, other)
        owner = job_owner(request)
        for update in self._job.attribution(owner, path, models, x, y, side, box, steps):
            yield relay.outputs(update)
            relay.raise_failure(update)

    def _show(self, results: tuple[AttributionResult, ...], _: str) -> tuple[Any, ...]:
        files = [
            cache_file(
                self._first, inspect_figures.attribution_view(one), f"attribution_{one.model}.png"
            )
            for one in results
        ]
        return (
            files[0],
            files[1] if len(files) > 1 else None,
            [one.numbers() for one in results],
            attribution_summary(results),
        )
