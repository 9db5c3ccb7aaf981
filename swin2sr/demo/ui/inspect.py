"""Tab "Look inside": one picture, one pixel, and what the network does with it."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from swin2sr import plots
from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.crop import Crop, check_choice
from swin2sr.demo.jobs.inspect import PATCH_SIDES, InspectJob, layer_windows, model_config
from swin2sr.demo.jobs.inspect_results import crop_text
from swin2sr.demo.messages import escape_markdown
from swin2sr.demo.service import Service
from swin2sr.demo.ui.components import PREVIEW, PRIVATE, error_toast
from swin2sr.demo.ui.files import cache_file, uploaded_path
from swin2sr.demo.ui.inspect_attention import AttentionSection
from swin2sr.demo.ui.inspect_attribution import AttributionSection
from swin2sr.demo.ui.inspect_inputs import build_inputs, figure
from swin2sr.demo.ui.inspect_states import StatesSection
from swin2sr.errors import Swin2SRError


class InspectTab:
    """Tab "Look inside", to be built inside ``gr.Tab``.

    Args:
        service: what does the work.
    """

    def __init__(self, service: Service) -> None:
        self._job = job = InspectJob(service)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                inputs = build_inputs()
                preview = gr.Markdown(
                    "Choose a picture.", elem_id="inspect-preview", elem_classes="job-preview"
                )
                self._whole, self._framed = figure(
                    "Which crop of it is looked at",
                    "Your whole picture, the crop that is looked at framed",
                    click=True,
                    visible=False,
                )
            with gr.Column(scale=5, min_width=300), gr.Tabs():
                with gr.Tab("Attention"):
                    self._attention = AttentionSection(service, job, inputs)
                with gr.Tab("States"):
                    StatesSection(service, job, inputs)
                with gr.Tab("Attribution"):
                    self._attribution = AttributionSection(service, job, inputs)
        drawn = [self._attention.block, self._attribution.patch_side]
        previewed = [*inputs.required, *drawn, *inputs.pixel]
        views = [self._attention.view, self._attribution.view]
        outputs = [preview, self._framed, self._whole, *views, inputs.crop]
        pixel: dict[str, Any] = {"outputs": [inputs.x, inputs.y], "queue": False, **PRIVATE}
        inputs.source.select(self.pick, None, api_name="pick_pixel", **pixel)
        # A number that nobody has set comes as 0 from the browser: before the preview of a new
        # picture, its pixel is unset.
        emptied = inputs.source.change(lambda: (None, None), None, **pixel)
        emptied.then(self.preview, previewed, outputs, api_name="preview_new_image", **PREVIEW)
        gr.on(
            [one.change for one in previewed if one is not inputs.source],
            self.preview,
            previewed,
            outputs,
            api_name="preview_inspect",
            **PREVIEW,
        )
        self._attribution.view.select(
            self._attention.pick, [inputs.crop], api_name="pick_on_patch", **pixel
        )

    def preview(
        self,
        image: dict[str, Any] | None,
        model: str,
        side: int,
        block: int,
        box: int,
        x: float | None,
        y: float | None,
    ) -> tuple[Any, ...]:
        """Preview of the crop: in words, framed in the picture, and to click on."""
        path = uploaded_path(image)
        nothing = (gr.Column(visible=False), None, None, None, None)
        if path is None:
            return "Choose a picture.", *nothing
        try:
            crop, pixels = self._job.crop(path, model, x, y, side)
            windows = layer_windows(model_config(model))
            patch = crop.patch_box(check_choice(box, PATCH_SIDES, "patch"))
        except Swin2SRError as error:
            return f"**{escape_markdown(str(error))}**", *nothing
        cut = crop.cut(pixels)
        is_block = block in range(1, len(windows) + 1)
        view = inspect_figures.crop_view(crop, cut, windows[int(block) - 1] if is_block else None)
        framed = inspect_figures.crop_view(crop, cut, box=patch)
        return (
            f"Looked at is {crop_text(crop)}, at pixel {crop.image_pixel}.",
            gr.Column(visible=not crop.is_whole),
            self._frame(pixels, crop),
            cache_file(self._attention.view, view, "crop.png"),
            cache_file(self._attribution.view, framed, "patch.png"),
            crop,
        )

    def _frame(self, pixels: np.ndarray, crop: Crop) -> str | None:
        """Draw the whole picture with the crop framed, where the crop is not all of it."""
        if crop.is_whole:
            return None
        frame = plots.framed(pixels, (crop.left, crop.top, crop.width, crop.height))
        return cache_file(self._whole, frame, "whole.png")

    def pick(self, event: gr.SelectData) -> tuple[int, int]:
        """Pixel under a click on the picture itself, which the browser tells."""
        click = event.index
        if not (isinstance(click, list | tuple) and len(click) == 2):
            raise error_toast("Click on the picture.")
        if not all(type(at) in (int, float) and 0 <= at < 2**31 for at in click):
            raise error_toast("Click on the picture.")
        return int(click[0]), int(click[1])
