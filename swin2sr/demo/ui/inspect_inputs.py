"""Pictures of the tab "Look inside": a caption above, where it covers nothing, and a text for those
who do not see it."""

from __future__ import annotations

from typing import Any

import gradio as gr


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
