"""Pictures of the tab "Look inside": a caption above, where it covers nothing, and a text for those
who do not see it."""

from __future__ import annotations

import html
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from swin2sr.demo.jobs.crop import SIDES
from swin2sr.demo.jobs.inspect import networks
from swin2sr.demo.models import INCLUDED
from swin2sr.demo.ui.files import small_photographs
from swin2sr.errors import Swin2SRError


def figure(
    caption: str, alt: str, *, click: bool = False, visible: bool = True
) -> tuple[gr.Image, gr.Column]:
    """A picture that the page makes.

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


# Whether the page is dark is known in the browser alone; it comes in place of the last input.
DARK = "(...all) => [...all.slice(0, -1), document.body.classList.contains('dark')]"


@dataclass(frozen=True)
class Subject:
    """The components that all three sections share.

    Args:
        source: the picture.
        model: name of the network.
        x, y: the pixel in the picture; empty for the middle.
        side: of the piece.
        dark: whether figures are for a dark page; not shown.
        seen: the ``Piece`` that is on the screen.
    """

    source: gr.Image
    model: gr.Dropdown
    x: gr.Number
    y: gr.Number
    side: gr.Radio
    dark: gr.Checkbox
    seen: gr.State

    @property
    def asked(self) -> list[Any]:
        """What every action is given first."""
        return [self.source, self.model, self.side]

    @property
    def pixel(self) -> list[Any]:
        """Given after what must be there: without a value they are optional, also for endpoints."""
        return [self.x, self.y]


def choose_subject() -> Subject:
    """Build the choices."""
    source = gr.Image(
        label="Your picture (click a pixel)",
        type="filepath",
        sources=["upload", "clipboard"],
        height=260,
        alt_text="Your picture",
    )
    with tempfile.TemporaryDirectory() as folder:
        gr.Examples(small_photographs(Path(folder)), source, label="Examples")
    model = gr.Dropdown(networks(), value=INCLUDED, label="Model", filterable=False)
    with gr.Row():
        pixel: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}
        x = gr.Number(None, label="Pixel: x", placeholder="middle", **pixel)
        y = gr.Number(None, label="Pixel: y", placeholder="middle", **pixel)
    side = gr.Radio(
        list(SIDES), value=SIDES[-1], label="Look at a piece of at most so many pixels a side"
    )
    dark = gr.Checkbox(False, label="Figures for a dark page", visible=False)
    return Subject(source, model, x, y, side, dark, gr.State())


def refusal(error: Swin2SRError | str) -> gr.Error:
    """A sentence, as what Gradio shows in a corner and sends to programs."""
    return gr.Error(html.escape(str(error), quote=False), print_exception=False)
