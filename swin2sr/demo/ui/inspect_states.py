"""Section "Hidden states" of the tab "Look inside": the picture on its way through the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.crop import whole_number
from swin2sr.demo.jobs.inspect import Looking, configuration
from swin2sr.demo.jobs.inspect_results import States
from swin2sr.demo.messages import plain
from swin2sr.demo.models import INCLUDED
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import NETWORK, PRIVATE, failure, owner, stopper
from swin2sr.demo.ui.files import KEPT_SECONDS, cached, uploaded_path
from swin2sr.demo.ui.inspect_inputs import DARK, Subject, figure, refusal
from swin2sr.errors import Swin2SRError

TEACH = """
Inside the network a picture is a stack of channels: their three strongest directions are shown as
red, green and blue, and a colour means the same at every depth. The second picture shows how large
each pixel's numbers are, on one scale for all depths.
"""
NOTHING = (
    'Nothing has been looked at yet: choose a picture, then "Show hidden states". What is found is '
    f"kept for {KEPT_SECONDS // 60} minutes."
)


@dataclass(frozen=True)
class Kept:
    """What the slider steps through.

    Args:
        labels: of the depths.
        colours, sizes: files in Gradio's cache, a depth each.
    """

    labels: tuple[str, ...]
    colours: tuple[str, ...]
    sizes: tuple[str, ...]


class StatesSection:
    """Build it inside ``gr.Tab``.

    Args:
        service, looking: what does the work.
        subject: what is asked about.
    """

    def __init__(self, service: Service, looking: Looking, subject: Subject) -> None:
        self._looking = looking
        kept = gr.State(time_to_live=KEPT_SECONDS)
        gr.Markdown(TEACH)
        with gr.Row():
            self._colours, _ = figure(
                "Directions of the channels, as colours",
                "The feature map at one depth, its strongest directions as colours",
            )
            self._sizes, _ = figure(
                "Size of each pixel's channels",
                "The size of the feature map's channels at one depth; bright is large",
            )
        depth = gr.Slider(1, _depths(INCLUDED), 1, step=1, label="Depth")
        at = gr.Markdown("", elem_id="states-depth", elem_classes="about")
        with gr.Row():
            go = gr.Button("Show hidden states", variant="primary", min_width=100)
            halt = gr.Button("Stop", min_width=100)
        report = gr.Markdown(NOTHING, elem_id="states-report", elem_classes="report")
        with gr.Row(visible=False) as more:
            self._overview, _ = figure(
                "All depths at once", "The feature maps of all depths, as colours"
            )
            self._chart, _ = figure(
                "How large channels are, by depth",
                "Root mean square of the channels by depth; the numbers are below",
            )
        with gr.Accordion("Numbers", open=False):
            numbers = gr.JSON(label="Root mean square of every channel, by depth")
        run = go.click(
            self.hidden_states,
            [*subject.asked, depth, *subject.pixel, subject.dark],
            [self._colours, self._sizes, self._overview, self._chart, numbers, report, at, kept],
            js=DARK,
            api_name="hidden_states",
            show_progress_on=self._colours,
            **NETWORK,
        )
        run.success(lambda: gr.Row(visible=True), None, more, queue=False, **PRIVATE)
        halt.click(
            stopper(service),
            None,
            report,
            cancels=[run],
            api_name="stop_states",
            queue=False,
            **PRIVATE,
        )
        depth.change(
            self.step,
            [kept, depth],
            [self._colours, self._sizes, at],
            preprocess=False,
            concurrency_id="draw",
            trigger_mode="always_last",
            api_name="step_states",
            **PRIVATE,
        )
        subject.model.change(
            lambda model: gr.Slider(maximum=_depths(model), value=1),
            subject.model,
            depth,
            queue=False,
            **PRIVATE,
        )

    def hidden_states(
        self,
        request: gr.Request,
        image: dict[str, Any] | None,
        model: str,
        side: int,
        depth: int,
        x: float | None = None,
        y: float | None = None,
        dark: bool = False,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio is asked for it
    ) -> Iterator[tuple[Any, ...]]:
        """Show a network's feature maps, from the first convolution to the end of the trunk.

        Args:
            image: PNG, JPEG, WebP, BMP, TIFF or GIF of at most 10 MB and 4 megapixels.
            model: name of the network.
            side: of a larger picture a piece of this side is looked at.
            depth: which map the first two files show, from 1.
            x: column that a piece of a larger picture is cut around; none for the middle.
            y: its row; none for the middle.
            dark: draw figures for a dark page.
        Returns:
            PNG files: one depth as colours and its sizes, all depths, the size of channels by
            depth; the numbers; what was done and which depth is shown, as Markdown.
        """
        same = (gr.skip(),) * 5
        path = uploaded_path(image)
        for update in self._looking.hidden_states(owner(request), path, model, x, y, side):
            if update is None:
                yield *same, gr.skip(), gr.skip(), gr.skip()
            elif update.failed:
                yield *same, f"**{plain(update.text)}**", gr.skip(), gr.skip()
                raise failure(update)
            elif not isinstance(update.result, States):
                progress((update.done, update.total or None), desc="Runs", unit="runs")
                yield *same, plain(update.text), gr.skip(), gr.skip()
            else:
                yield self._shown(update.result, depth, dark is True)

    def _shown(self, found: States, depth: int, dark: bool) -> tuple[Any, ...]:
        colours, sizes = inspect_figures.state_views(found)
        kept = Kept(
            found.labels,
            tuple(cached(self._colours, one, "colours.png") for one in colours),
            tuple(cached(self._sizes, one, "sizes.png") for one in sizes),
        )
        first, second, at = _at(kept, depth)
        return (
            first,
            second,
            cached(self._overview, inspect_figures.depths_figure(found, dark), "hidden_states.png"),
            cached(self._chart, inspect_figures.norms_figure(found, dark), "norms.png"),
            found.numbers(),
            found.summary(),
            at,
            kept,
        )

    def step(self, kept: Kept | None, depth: int) -> tuple[Any, Any, str]:
        """Another depth of what was found; the network does not run."""
        if not isinstance(kept, Kept):
            return gr.skip(), gr.skip(), ""
        return _at(kept, depth)


def _at(kept: Kept, depth: Any) -> tuple[str, str, str]:
    """The two files of a depth and what it is called."""
    try:
        number = whole_number(depth, "Depth", 1, len(kept.labels))
    except Swin2SRError as error:
        raise refusal(error) from error
    colours, sizes = kept.colours[number - 1], kept.sizes[number - 1]
    if not (Path(colours).is_file() and Path(sizes).is_file()):
        raise refusal('The pictures have been deleted in the meantime; "Show hidden states" again.')
    return colours, sizes, f"Depth {number} of {len(kept.labels)}: **{kept.labels[number - 1]}**."


def _depths(model: str) -> int:
    """First convolution, embedding, each group, end of the trunk."""
    return len(configuration(model).depths) + 3
