"""Section "Attention" of the tab "Look inside": click a pixel, see whom it attends to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.inspect import Looking, configuration, layer_windows
from swin2sr.demo.jobs.inspect_results import EVERY, MEAN, Attended
from swin2sr.demo.messages import plain
from swin2sr.demo.models import INCLUDED
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import NETWORK, PRIVATE, failure, owner, stopper
from swin2sr.demo.ui.files import KEPT_SECONDS, cached, uploaded_path
from swin2sr.demo.ui.inspect_inputs import DARK, Subject, figure, refusal
from swin2sr.errors import Swin2SRError

TEACH = """
In every block, a pixel gathers from the pixels of one small window, and each head asks them another
question: bright is where the marked pixel looks. Every second block shifts its windows by half, so
that pixels on two sides of a border can meet there.
"""
NOTHING = (
    'Nothing has been looked at yet: click a pixel of the picture, or choose "Show attention". '
    f"What is found is kept for {KEPT_SECONDS // 60} minutes."
)
FIRST_BLOCK = 2  # the first that is shifted


class AttentionSection:
    """Build it inside ``gr.Tab``.

    Args:
        service, looking: what does the work.
        subject: what is asked about.
    Attributes:
        view: the piece to click on.
        block: slider of the block.
    """

    def __init__(self, service: Service, looking: Looking, subject: Subject) -> None:
        self._looking = looking
        self._kept = gr.State(time_to_live=KEPT_SECONDS)
        gr.Markdown(TEACH)
        with gr.Row():
            self.view, _ = figure(
                "Click a pixel: its window is framed",
                "The piece of your picture that is looked at, with the windows of the block; the "
                "chosen pixel is ringed and its window framed",
                click=True,
            )
            self._figure, _ = figure(
                "Where it looks, in this block",
                "Attention of the chosen pixel in one block, a panel a head; the report below "
                "tells it in words",
            )
        self.block = gr.Slider(1, 8, FIRST_BLOCK, step=1, label="Block")
        self._heads = gr.Radio(_heads(INCLUDED), value=EVERY, label="Heads")
        flow = gr.Checkbox(False, label="Also follow attention through all blocks (twice the time)")
        with gr.Row():
            go = gr.Button("Show attention", variant="primary", min_width=100)
            halt = gr.Button("Stop", min_width=100)
        report = gr.Markdown(NOTHING, elem_id="attention-report", elem_classes="report")
        with gr.Row(visible=False) as more:
            self._mosaic, _ = figure(
                "All blocks and heads at once",
                "Attention of the chosen pixel, a row a block, a column a head",
            )
            self._flow, flowing = figure(
                "From where information arrives, all blocks together",
                "Attention followed from the last block to the first, over the piece",
                visible=False,
            )
        with gr.Accordion("Numbers", open=False):
            numbers = gr.JSON(label="Distance in pixels and entropy in bits, by block and head")
        flow.change(lambda wanted: gr.Column(visible=wanted), flow, flowing, queue=False, **PRIVATE)
        self._outputs = [self._figure, self._mosaic, self._flow, numbers, report, self._kept]
        self._inputs = [*subject.asked, self.block, self._heads, flow, *subject.pixel, subject.dark]
        self._more = more
        self._wire(subject, report, go, halt, stopper(service))

    def _wire(
        self,
        subject: Subject,
        report: gr.Markdown,
        go: gr.Button,
        halt: gr.Button,
        stop: Any,
    ) -> None:
        clicked = self.view.select(
            self.pick,
            [subject.seen],
            [subject.x, subject.y],
            api_name="pick_on_piece",
            queue=False,
            **PRIVATE,
        )
        runs = [
            self._run(go.click, api_name="attention"),
            self._run(clicked.success, api_visibility="private"),
            self._run(subject.x.submit, api_visibility="private"),
            self._run(subject.y.submit, api_visibility="private"),
        ]
        halt.click(
            stop, None, report, cancels=runs, api_name="stop_attention", queue=False, **PRIVATE
        )
        gr.on(
            [self.block.change, self._heads.change],
            self.redraw,
            [self._kept, self.block, self._heads, subject.dark],
            [self._figure, report],
            js=DARK,
            preprocess=False,
            concurrency_id="draw",
            trigger_mode="always_last",
            api_name="redraw_attention",
            **PRIVATE,
        )
        subject.model.change(
            self.offer,
            [subject.model, self.block],
            [self.block, self._heads],
            queue=False,
            api_name="offer_blocks",
            **PRIVATE,
        )

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
        """Show whom one pixel of a picture attends to.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            model: name of the network.
            side: of a larger picture a piece of this side around the pixel is looked at.
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
        same = (gr.skip(),) * 4
        path = uploaded_path(image)
        for update in self._looking.attention(owner(request), path, model, x, y, side, flow):
            if update is None:
                yield *same, gr.skip(), gr.skip()
            elif update.failed:
                yield *same, f"**{plain(update.text)}**", gr.skip()
                raise failure(update)
            elif not isinstance(update.result, Attended):
                progress((update.done, update.total or None), desc="Runs", unit="runs")
                yield *same, plain(update.text), gr.skip()
            else:
                yield self._shown(update.result, block, heads, dark)

    def _shown(self, found: Attended, block: int, heads: str, dark: bool) -> tuple[Any, ...]:
        flow = inspect_figures.flow_view(found)
        drawn, text = self._block(found, block, heads, dark)
        return (
            drawn,
            cached(self._mosaic, inspect_figures.mosaic_figure(found, dark), "attention_all.png"),
            cached(self._flow, flow, "attention_flow.png") if flow else None,
            found.numbers(),
            text,
            found,
        )

    def _block(self, found: Attended, block: int, heads: str, dark: bool) -> tuple[str, str]:
        """The figure of a block and what it shows."""
        try:
            layer = found.block(block)
            data = inspect_figures.layer_figure(found, layer, heads, dark is True)
        except Swin2SRError as error:
            raise refusal(error) from error
        return cached(self._figure, data, f"attention_{layer + 1}.png"), found.summary(layer)

    def redraw(self, found: Attended | None, block: int, heads: str, dark: bool) -> tuple[Any, Any]:
        """Another block or head of what was found; the network does not run."""
        if not isinstance(found, Attended):
            return gr.skip(), NOTHING
        return self._block(found, block, heads, dark)

    def pick(self, seen: Any, event: gr.SelectData) -> tuple[int, int]:
        """The pixel of the picture under a click on the view."""
        place = inspect_figures.pixel_under(seen, event.index) if seen is not None else None
        if place is None:
            raise refusal("Choose a picture, then click on it.")
        return place

    def offer(self, model: str, block: int) -> tuple[gr.Slider, gr.Radio]:
        """Blocks and heads of a model."""
        count = len(layer_windows(configuration(model)))
        return (
            gr.Slider(maximum=count, value=min(block, count)),
            gr.Radio(choices=_heads(model), value=EVERY),
        )


def _heads(model: str) -> list[tuple[str, str]]:
    count = configuration(model).num_heads[0]
    single = [(f"{number}", f"{number}") for number in range(1, count + 1)]
    return [("All side by side", EVERY), ("Mean", MEAN), *single]
