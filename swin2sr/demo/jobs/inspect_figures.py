"""Figures of the inspect jobs: PNG files for a page that may be narrow and dark."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from swin2sr import inspect, plots
from swin2sr.demo.jobs.crop import Crop
from swin2sr.demo.jobs.inspect_results import AttentionResult, AttributionResult, StatesResult

SCREEN_SIDE = 720  # screen pixels of a picture's longer side, about
DPI = 160
MARGIN = 0.3  # inches


def zoom(crop: Crop) -> int:
    """Zoom of the crop: screen pixels a pixel of it has."""
    return max(1, SCREEN_SIDE // max(crop.width, crop.height))


def clicked_pixel(crop: Crop, click: Any) -> tuple[int, int] | None:
    """Pixel (x, y) of the picture under a click on the enlarged crop; None for anything else.

    Args:
        click: what the browser says: (x, y) in screen pixels of the enlarged crop.
    """
    if not (isinstance(click, list | tuple) and len(click) == 2):
        return None
    if not all(isinstance(at, int | float) and not isinstance(at, bool) for at in click):
        return None
    x, y = (at / zoom(crop) for at in click)
    if not (0 <= x < crop.width and 0 <= y < crop.height):
        return None
    return crop.left + int(x), crop.top + int(y)


def crop_view(
    crop: Crop,
    pixels: np.ndarray,
    windows: tuple[int, int] | None = None,
    box: tuple[int, int, int] | None = None,
) -> bytes:
    """View of the crop to click on: its pixel marked, windows drawn or a patch framed.

    Args:
        crop: what is looked at.
        pixels: (H, W, 3), of the crop, float in 0..1 or uint8.
        windows, box: as ``plots.view``.
    """
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    pixel = None if box else crop.pixel
    return plots.view(pixels, zoom(crop), pixel=pixel, windows=windows, box=box)


def block_figure(result: AttentionResult, layer: int, heads: Any, dark: bool) -> bytes:
    """Attention of one block, head by head.

    Raises:
        ConfigError: heads that are not there.
    """
    maps = result.head_maps(layer, heads)
    window, shift = result.windows[layer]
    figure = plots.attention_panels(
        result.picture, maps, result.crop.pixel, window, shift, around=4 * window
    )
    return _png(figure, dark)


def mosaic_figure(result: AttentionResult, dark: bool) -> bytes:
    """Attention of every block and head at once."""
    labels = [
        f"block {number}\nshifted" if shift else f"block {number}"
        for number, (_, shift) in enumerate(result.windows, 1)
    ]
    around = 3 * max(window for window, _ in result.windows)
    figure = plots.attention_mosaic(
        result.picture, result.full_maps(), result.crop.pixel, labels, around
    )
    return _png(figure, dark)


def flow_view(result: AttentionResult) -> bytes | None:
    """Attention rollout through all layers over the crop, if it was followed."""
    if result.flow is None:
        return None
    colours = plots.heat(result.picture / np.float32(255), result.flow)
    return plots.view(colours, zoom(result.crop), pixel=result.crop.pixel)


def state_views(result: StatesResult) -> tuple[list[bytes], list[bytes]]:
    """Colours and norms of every depth, enlarged."""
    scale = zoom(result.crop)
    colours, sizes = (
        [plots.view(one / np.float32(255), scale) for one in pictures]
        for pictures in (result.colours, result.norms)
    )
    return colours, sizes


def depths_figure(result: StatesResult, dark: bool) -> bytes:
    """Hidden states of all depths at once, in colours."""
    pictures = torch.from_numpy(result.colours / np.float32(255))
    return _png(plots.depth_panels(pictures, result.labels), dark)


def norms_figure(result: StatesResult, dark: bool) -> bytes:
    """Norms of the channels by depth."""
    # A map of one pixel whose channels have these sizes has these norms.
    features = torch.from_numpy(result.channel_norms)[:, None, None]
    norms = inspect.HiddenStates(features, result.labels)
    figure = plots.norms_by_depth({result.model: norms})
    figure.set_size_inches(4.0, 3.6)
    return _png(figure, dark)


def attribution_view(result: AttributionResult) -> bytes:
    """Attribution map over the crop, the patch framed."""
    colours = plots.heat(result.picture / np.float32(255), result.map)
    return plots.view(colours, zoom(result.crop), box=result.patch)


def _png(figure: Any, dark: bool) -> bytes:
    """Encode a figure as PNG, with room above for the buttons that the page lays over it."""
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + MARGIN)
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - MARGIN / figure.get_figheight()))
    return plots.png(plots.darkened(figure) if dark else figure, DPI)
