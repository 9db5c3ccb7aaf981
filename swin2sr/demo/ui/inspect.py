"""The tab "Look inside": one picture, one pixel, and what the network does with it."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from swin2sr import plots
from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.crop import Piece, one_of
from swin2sr.demo.jobs.inspect import BOXES, Looking, configuration, layer_windows
from swin2sr.demo.jobs.inspect_results import describe_piece
from swin2sr.demo.messages import plain
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import LOOK, PRIVATE
from swin2sr.demo.ui.files import cached, uploaded_path
from swin2sr.demo.ui.inspect_attention import AttentionSection
from swin2sr.demo.ui.inspect_attribution import AttributionSection
from swin2sr.demo.ui.inspect_inputs import choose_subject, figure, refusal
from swin2sr.demo.ui.inspect_states import StatesSection
from swin2sr.errors import Swin2SRError


class InsideTab:
    """Build it inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._looking = looking = Looking(service)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                subject = choose_subject()
                about = gr.Markdown(
                    "Choose a picture.", elem_id="inside-about", elem_classes="about"
                )
                self._whole, self._framed = figure(
                    "Which piece of it is looked at",
                    "Your whole picture, the piece that is looked at framed",
                    click=True,
                    visible=False,
                )
            with gr.Column(scale=5, min_width=300), gr.Tabs():
                with gr.Tab("Attention"):
                    self._attention = AttentionSection(service, looking, subject)
                with gr.Tab("States"):
                    StatesSection(service, looking, subject)
                with gr.Tab("Attribution"):
                    self._attribution = AttributionSection(service, looking, subject)
        drawn = [self._attention.block, self._attribution.box]
        asked = [*subject.asked, *drawn, *subject.pixel]
        views = [self._attention.view, self._attribution.view]
        looked = [about, self._framed, self._whole, *views, subject.seen]
        chosen: dict[str, Any] = {"outputs": [subject.x, subject.y], "queue": False, **PRIVATE}
        subject.source.select(self.pick, None, api_name="pick_pixel", **chosen)
        # A number that nobody has set comes as 0 from the browser: before a new picture is looked
        # at, its pixel is unset.
        emptied = subject.source.change(lambda: (None, None), None, **chosen)
        emptied.then(self.look, asked, looked, api_name="look_at_new", **LOOK)
        gr.on(
            [one.change for one in asked if one is not subject.source],
            self.look,
            asked,
            looked,
            api_name="look_inside",
            **LOOK,
        )
        self._attribution.view.select(
            self._attention.pick, [subject.seen], api_name="pick_on_patch", **chosen
        )

    def look(
        self,
        image: dict[str, Any] | None,
        model: str,
        side: int,
        block: int,
        box: int,
        x: float | None,
        y: float | None,
    ) -> tuple[Any, ...]:
        """What would be looked at: in words, framed in the picture, and to click on."""
        path = uploaded_path(image)
        nothing = (gr.Column(visible=False), None, None, None, None)
        if path is None:
            return "Choose a picture.", *nothing
        try:
            piece, pixels = self._looking.piece(path, model, x, y, side)
            windows = layer_windows(configuration(model))
            patch = piece.box(one_of(box, BOXES, "patch"))
        except Swin2SRError as error:
            return f"**{plain(str(error))}**", *nothing
        part = piece.cut(pixels)
        is_block = block in range(1, len(windows) + 1)
        view = inspect_figures.piece_view(
            piece, part, windows[int(block) - 1] if is_block else None
        )
        framed = inspect_figures.piece_view(piece, part, box=patch)
        return (
            f"Looked at is {describe_piece(piece)}, at pixel {piece.place}.",
            gr.Column(visible=not piece.is_whole),
            self._frame(pixels, piece),
            cached(self._attention.view, view, "piece.png"),
            cached(self._attribution.view, framed, "patch.png"),
            piece,
        )

    def _frame(self, pixels: np.ndarray, piece: Piece) -> str | None:
        """The whole picture with the piece framed, where the piece is not all of it."""
        if piece.is_whole:
            return None
        frame = plots.framed(pixels, (piece.left, piece.top, piece.width, piece.height))
        return cached(self._whole, frame, "whole.png")

    def pick(self, event: gr.SelectData) -> tuple[int, int]:
        """The pixel under a click on the picture itself, which the browser tells."""
        place = event.index
        if not (isinstance(place, list | tuple) and len(place) == 2):
            raise refusal("Click on the picture.")
        if not all(type(at) in (int, float) and 0 <= at < 2**31 for at in place):
            raise refusal("Click on the picture.")
        return int(place[0]), int(place[1])
