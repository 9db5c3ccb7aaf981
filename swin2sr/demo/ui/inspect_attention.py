"""Section "Attention" of the tab "Look inside": click a pixel, see where it attends."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.inspect import InspectJob, layer_windows, model_config
from swin2sr.demo.jobs.inspect_results import EVERY, MEAN, AttentionResult
from swin2sr.demo.models import DEFAULT_MODEL
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import (
    NETWORK,
    PRIVATE,
    Relay,
    error_toast,
    job_owner,
    run_buttons,
    stop_on,
)
from swin2sr.demo.ui.files import RETENTION_SECONDS, cache_file, uploaded_path
from swin2sr.demo.ui.inspect_inputs import DARK, InspectInputs, figure
from swin2sr.errors import Swin2SRError

INTRODUCTION = """
In every block, a pixel gathers from the pixels of one small window, and each head asks them another
question: bright is where the marked pixel looks. Every second block shifts its windows by half, so
that pixels on two sides of a border can meet there.
"""
NO_RESULT = (
    'Nothing has been looked at yet: click a pixel of the picture, or choose "Show attention". '
    f"What is found is kept for {RETENTION_SECONDS // 60} minutes."
)
FIRST_BLOCK = 2  # the first that is shifted


class AttentionSection:
    """Section "Attention", to be built inside ``gr.Tab``.

    Args:
        service, job: what does the work.
        inputs: picture, model, pixel and crop.
    Attributes:
        view: the crop to click on.
        block: slider of the block.
    """

    def __init__(self, service: Service, job: InspectJob, inputs: InspectInputs) -> None:
        self._job = job
        self._found = gr.State(time_to_live=RETENTION_SECONDS)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            self.view, _ = figure(
                "Click a pixel: its window is framed",
                "The crop of your picture that is looked at, with the windows of the block; the "
                "chosen pixel is ringed and its window framed",
                click=True,
            )
            self._figure, _ = figure(
                "Where it looks, in this block",
                "Attention of the chosen pixel in one block, a panel a head; the report below "
                "tells it in words",
            )
        self.block = gr.Slider(1, 8, FIRST_BLOCK, step=1, label="Block")
        self._heads = gr.Radio(_head_choices(DEFAULT_MODEL), value=EVERY, label="Heads")
        flow = gr.Checkbox(False, label="Also follow attention through all blocks (twice the time)")
        go, halt = run_buttons("Show attention")
        report = gr.Markdown(NO_RESULT, elem_id="attention-report", elem_classes="report")
        with gr.Row(visible=False) as more:
            self._mosaic, _ = figure(
                "All blocks and heads at once",
                "Attention of the chosen pixel, a row a block, a column a head",
            )
            self._flow, flowing = figure(
                "From where information arrives, all blocks together",
                "Attention followed from the last block to the first, over the crop",
                visible=False,
            )
        with gr.Accordion("Numbers", open=False):
            numbers = gr.JSON(label="Distance in pixels and entropy in bits, by block and head")
        flow.change(lambda wanted: gr.Column(visible=wanted), flow, flowing, queue=False, **PRIVATE)
        self._outputs = [self._figure, self._mosaic, self._flow, numbers, report, self._found]
        self._inputs = [*inputs.required, self.block, self._heads, flow, *inputs.pixel, inputs.dark]
        self._more = more
        runs = self._connect(inputs, report, go)
        stop_on(halt, service, report, runs, "stop_attention")

    def _connect(self, inputs: InspectInputs, report: gr.Markdown, go: gr.Button) -> list[Any]:
        """Connect the events; returns those that run the job."""
        clicked = self.view.select(
            self.pick,
            [inputs.crop],
            [inputs.x, inputs.y],
            api_name="pick_on_crop",
            queue=False,
            **PRIVATE,
        )
        runs = [
            self._run(go.click, api_name="attention"),
            self._run(clicked.success, api_visibility="private"),
            self._run(inputs.x.submit, api_visibility="private"),
            self._run(inputs.y.submit, api_visibility="private"),
        ]
        gr.on(
            [self.block.change, self._heads.change],
            self.redraw,
            [self._found, self.block, self._heads, inputs.dark],
            [self._figure, report],
            js=DARK,
            preprocess=False,
            concurrency_id="draw",
            trigger_mode="always_last",
            api_name="redraw_attention",
            **PRIVATE,
        )
        inputs.model.change(
            self.update_choices,
            [inputs.model, self.block],
            [self.block, self._heads],
            queue=False,
            api_name="update_blocks",
            **PRIVATE,
        )
        return runs

    def _run(self, trigger: Any, **visible: Any) -> Any:
        """Have a trigger show the attention."""
        run = trigger(
            self.attention,
            self._inputs,
            self._outputs,
            js=DARK,
            show_progress_on=self._figure,
            **NETWORK,
            **visible,
        )
        run.success(lambda: gr.Row(visible=True), None, self._more, queue=False, **PRIVATE)
        return run

    def attention(
        self,
        request: gr.Request,
        image: dict[str, Any] | None,
        model: str,
        side: int,
        block: int,
        heads: str,
        flow: bool,
        x: float | None = None,
        y: float | None = None,
        dark: bool = False,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
        """Show where one pixel of a picture attends.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            model: name of the network.
            side: of a larger picture a crop of this side around the pixel is looked at.
            block: which block the first figure shows, from 1.
            heads: "every" (side by side), "mean", or the number of one head, from 1.
            flow: also follow attention through all blocks together.
            x: column of the pixel that looks, from 0 on the left; none for the middle.
            y: its row, from 0 at the top; none for the middle.
            dark: draw figures for a dark page.
        Returns:
            PNG files: one block head by head, all blocks and heads, the flow if it was asked for;
            the numbers; and what was done, as Markdown.
        """
        show = partial(self._show, block, heads, dark)
        relay = Relay(show, count=6, report=4, progress=progress, unit="runs")
        path = uploaded_path(image)
        for update in self._job.attention(job_owner(request), path, model, x, y, side, flow):
            yield relay.outputs(update)
            relay.raise_failure(update)

    def _show(
        self, block: int, heads: str, dark: bool, result: AttentionResult, _: str
    ) -> tuple[Any, ...]:
        flow = inspect_figures.flow_view(result)
        mosaic = inspect_figures.mosaic_figure(result, dark)
        drawn, text = self._draw_block(result, block, heads, dark)
        return (
            drawn,
            cache_file(self._mosaic, mosaic, "attention_all.png"),
            cache_file(self._flow, flow, "attention_flow.png") if flow else None,
            result.numbers(),
            text,
            result,
        )

    def _draw_block(
        self, result: AttentionResult, block: int, heads: str, dark: bool
    ) -> tuple[str, str]:
        """Draw the figure of a block; returns its file and what it shows."""
        try:
            layer = result.block_index(block)
            data = inspect_figures.block_figure(result, layer, heads, dark is True)
        except Swin2SRError as error:
            raise error_toast(error) from error
        return cache_file(self._figure, data, f"attention_{layer + 1}.png"), result.summary(layer)

    def redraw(
        self, result: AttentionResult | None, block: int, heads: str, dark: bool
    ) -> tuple[Any, Any]:
        """Draw another block or head of a result; the network does not run."""
        if not isinstance(result, AttentionResult):
            return gr.skip(), NO_RESULT
        return self._draw_block(result, block, heads, dark)

    def pick(self, crop: Any, event: gr.SelectData) -> tuple[int, int]:
        """Pixel of the picture under a click on the view of the crop."""
        pixel = inspect_figures.clicked_pixel(crop, event.index) if crop is not None else None
        if pixel is None:
            raise error_toast("Choose a picture, then click on it.")
        return pixel

    def update_choices(self, model: str, block: int) -> tuple[gr.Slider, gr.Radio]:
        """Blocks and heads of a model."""
        count = len(layer_windows(model_config(model)))
        return (
            gr.Slider(maximum=count, value=min(block, count)),
            gr.Radio(choices=_head_choices(model), value=EVERY),
        )


def _head_choices(model: str) -> list[tuple[str, str]]:
    count = model_config(model).num_heads[0]
    single = [(f"{number}", f"{number}") for number in range(1, count + 1)]
    return [("All side by side", EVERY), ("Mean", MEAN), *single]
