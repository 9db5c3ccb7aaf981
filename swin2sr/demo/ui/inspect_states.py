"""Section "Hidden states" of the tab "Look inside": the picture on its way through the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.crop import check_integer
from swin2sr.demo.jobs.inspect import InspectJob, model_config
from swin2sr.demo.jobs.inspect_results import StatesResult
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
Inside the network a picture is a stack of channels: their three strongest directions are shown as
red, green and blue, and a colour means the same at every depth. The second picture shows how large
each pixel's numbers are, on one scale for all depths.
"""
NO_RESULT = (
    'Nothing has been looked at yet: choose a picture, then "Show hidden states". What is found is '
    f"kept for {RETENTION_SECONDS // 60} minutes."
)


@dataclass(frozen=True)
class DepthFiles:
    """Files that the slider of depths steps through.

    Args:
        labels: of the depths.
        colours, norms: files in Gradio's cache, a depth each.
    """

    labels: tuple[str, ...]
    colours: tuple[str, ...]
    norms: tuple[str, ...]


class StatesSection:
    """Section "Hidden states", to be built inside ``gr.Tab``.

    Args:
        service, job: what does the work.
        inputs: picture, model, pixel and crop.
    """

    def __init__(self, service: Service, job: InspectJob, inputs: InspectInputs) -> None:
        self._job = job
        files = gr.State(time_to_live=RETENTION_SECONDS)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            self._colours, _ = figure(
                "Directions of the channels, as colours",
                "The feature map at one depth, its strongest directions as colours",
            )
            self._norms, _ = figure(
                "Size of each pixel's channels",
                "The size of the feature map's channels at one depth; bright is large",
            )
        depth = gr.Slider(1, _depth_count(DEFAULT_MODEL), 1, step=1, label="Depth")
        at = gr.Markdown("", elem_id="states-depth", elem_classes="job-preview")
        go, halt = run_buttons("Show hidden states")
        report = gr.Markdown(NO_RESULT, elem_id="states-report", elem_classes="report")
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
            [*inputs.required, depth, *inputs.pixel, inputs.dark],
            [self._colours, self._norms, self._overview, self._chart, numbers, report, at, files],
            js=DARK,
            api_name="hidden_states",
            show_progress_on=self._colours,
            **NETWORK,
        )
        run.success(lambda: gr.Row(visible=True), None, more, queue=False, **PRIVATE)
        stop_on(halt, service, report, [run], "stop_states")
        depth.change(
            self.step,
            [files, depth],
            [self._colours, self._norms, at],
            preprocess=False,
            concurrency_id="draw",
            trigger_mode="always_last",
            api_name="step_states",
            **PRIVATE,
        )
        inputs.model.change(
            lambda model: gr.Slider(maximum=_depth_count(model), value=1),
            inputs.model,
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
            side: of a larger picture a crop of this side is looked at.
            depth: which map the first two files show, from 1.
            x: column that a crop of a larger picture is cut around; none for the middle.
            y: its row; none for the middle.
            dark: draw figures for a dark page.
        Returns:
            PNG files: one depth as colours and its sizes, all depths, the size of channels by
            depth; the numbers; what was done and which depth is shown, as Markdown.
        """
        show = partial(self._show, depth, dark is True)
        relay = Relay(show, count=8, report=5, progress=progress, unit="runs")
        path = uploaded_path(image)
        for update in self._job.hidden_states(job_owner(request), path, model, x, y, side):
            yield relay.outputs(update)
            relay.raise_failure(update)

    def _show(self, depth: int, dark: bool, result: StatesResult, _: str) -> tuple[Any, ...]:
        colours, norms = inspect_figures.state_views(result)
        files = DepthFiles(
            result.labels,
            tuple(cache_file(self._colours, one, "colours.png") for one in colours),
            tuple(cache_file(self._norms, one, "sizes.png") for one in norms),
        )
        first, second, at = _files_of_depth(files, depth)
        overview = inspect_figures.depths_figure(result, dark)
        chart = inspect_figures.norms_figure(result, dark)
        return (
            first,
            second,
            cache_file(self._overview, overview, "hidden_states.png"),
            cache_file(self._chart, chart, "norms.png"),
            result.numbers(),
            result.summary(),
            at,
            files,
        )

    def step(self, files: DepthFiles | None, depth: int) -> tuple[Any, Any, str]:
        """Show another depth of a result; the network does not run."""
        if not isinstance(files, DepthFiles):
            return gr.skip(), gr.skip(), ""
        return _files_of_depth(files, depth)


def _files_of_depth(files: DepthFiles, depth: Any) -> tuple[str, str, str]:
    """Files of a depth, and its label as Markdown."""
    try:
        number = check_integer(depth, "Depth", 1, len(files.labels))
    except Swin2SRError as error:
        raise error_toast(error) from error
    colours, norms = files.colours[number - 1], files.norms[number - 1]
    if not (Path(colours).is_file() and Path(norms).is_file()):
        raise error_toast(
            'The pictures have been deleted in the meantime; "Show hidden states" again.'
        )
    label = f"Depth {number} of {len(files.labels)}: **{files.labels[number - 1]}**."
    return colours, norms, label


def _depth_count(model: str) -> int:
    """Number of depths: first convolution, embedding, each group, end of the trunk."""
    return len(model_config(model).depths) + 3
