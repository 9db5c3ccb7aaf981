"""Inputs of the tab "Look inside", picture, model, pixel and crop; and its figures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.crop import CROP_SIDES
from swin2sr.demo.jobs.inspect import inspectable_models
from swin2sr.demo.models import DEFAULT_MODEL
from swin2sr.demo.ui.components import picture_input
from swin2sr.demo.ui.files import write_examples

# Whether the page is dark is known in the browser alone; it comes in place of the last input.
DARK = "(...all) => [...all.slice(0, -1), document.body.classList.contains('dark')]"


@dataclass(frozen=True)
class InspectInputs:
    """Components that all three sections share.

    Args:
        source: the picture.
        model: name of the network.
        x, y: the pixel in the picture; empty for the middle.
        side: of the crop.
        dark: whether figures are for a dark page; not shown.
        crop: the ``Crop`` that is on the screen.
    """

    source: gr.Image
    model: gr.Dropdown
    x: gr.Number
    y: gr.Number
    side: gr.Radio
    dark: gr.Checkbox
    crop: gr.State

    @property
    def required(self) -> list[Any]:
        """Inputs that every action is given first."""
        return [self.source, self.model, self.side]

    @property
    def pixel(self) -> list[Any]:
        """Inputs that may be left out, also by programs: they come after what must be there."""
        return [self.x, self.y]


def build_inputs() -> InspectInputs:
    """Build the shared inputs."""
    source = picture_input("Your picture (click a pixel)", 260, alt_text="Your picture")
    with tempfile.TemporaryDirectory() as folder:
        gr.Examples(write_examples(Path(folder)), source, label="Examples")
    model = gr.Dropdown(inspectable_models(), value=DEFAULT_MODEL, label="Model", filterable=False)
    with gr.Row():
        pixel: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}
        x = gr.Number(None, label="Pixel: x", placeholder="middle", **pixel)
        y = gr.Number(None, label="Pixel: y", placeholder="middle", **pixel)
    side = gr.Radio(
        list(CROP_SIDES),
        value=CROP_SIDES[-1],
        label="Look at a crop of at most so many pixels a side",
    )
    dark = gr.Checkbox(False, label="Figures for a dark page", visible=False)
    return InspectInputs(source, model, x, y, side, dark, gr.State())


def figure(
    caption: str, alt: str, *, click: bool = False, visible: bool = True
) -> tuple[gr.Image, gr.Column]:
    """Build a figure with its caption above, where it covers nothing.

    Args:
        caption: what stands above it, and what programs call it.
        alt: what it shows, for those who do not see it.
        click: it is there to be clicked on: nothing lies over it.
        visible: whether it is shown at first.
    Returns:
        The picture, and the column with its caption, which can be hidden.
    """
    buttons: list[Any] = [] if click else ["download", "fullscreen"]
    with gr.Column(min_width=280, visible=visible) as column:
        gr.Markdown(caption, elem_classes="caption")
        image = gr.Image(
            label=caption,
            show_label=False,
            type="filepath",
            format="png",
            interactive=False,
            buttons=buttons,
            alt_text=alt,
        )
    return image, column
