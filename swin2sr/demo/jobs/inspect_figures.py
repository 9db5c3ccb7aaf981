"""What looking inside has found, drawn: PNG files for a page that may be narrow and dark."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from swin2sr import inspect, plots
from swin2sr.demo.jobs.crop import Piece
from swin2sr.demo.jobs.inspect_results import Attended, Attributed, States

SCREEN = 720  # screen pixels of a picture's longer side, about
DPI = 160
MARGIN = 0.3  # inches


def factor(piece: Piece) -> int:
    """How many screen pixels a pixel of the piece has."""
    return max(1, SCREEN // max(piece.width, piece.height))


def pixel_under(piece: Piece, click: Any) -> tuple[int, int] | None:
    """The picture's (x, y) under a click on the enlarged piece; None for anything else.

    Args:
        click: what the browser says: (x, y) in screen pixels of the enlarged piece.
    """
    if not (isinstance(click, list | tuple) and len(click) == 2):
        return None
    if not all(isinstance(at, int | float) and not isinstance(at, bool) for at in click):
        return None
    x, y = (at / factor(piece) for at in click)
    if not (0 <= x < piece.width and 0 <= y < piece.height):
        return None
    return piece.left + int(x), piece.top + int(y)


def piece_view(
    piece: Piece,
    pixels: np.ndarray,
    windows: tuple[int, int] | None = None,
    box: tuple[int, int, int] | None = None,
) -> bytes:
    """The piece to click on: its pixel marked, windows drawn or a patch framed.

    Args:
        piece: what is looked at.
        pixels: (H, W, 3), of the piece, float in 0..1 or uint8.
        windows, box: as ``plots.view``.
    """
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    pixel = None if box else piece.pixel
    return plots.view(pixels, factor(piece), pixel=pixel, windows=windows, box=box)


def layer_figure(attended: Attended, layer: int, heads: Any, dark: bool) -> bytes:
    """One layer's attention, head by head.

    Raises:
        ConfigError: heads that are not there.
    """
    maps = attended.chosen(layer, heads)
    window, shift = attended.windows[layer]
    figure = plots.attention_panels(
        attended.picture, maps, attended.piece.pixel, window, shift, around=4 * window
    )
    return _png(figure, dark)


def mosaic_figure(attended: Attended, dark: bool) -> bytes:
    """Every layer and head at once."""
    labels = [
        f"block {number}\nshifted" if shift else f"block {number}"
        for number, (_, shift) in enumerate(attended.windows, 1)
    ]
    around = 3 * max(window for window, _ in attended.windows)
    figure = plots.attention_mosaic(
        attended.picture, attended.over_piece(), attended.piece.pixel, labels, around
    )
    return _png(figure, dark)


def flow_view(attended: Attended) -> bytes | None:
    """The flow through all layers over the piece, if it was followed."""
    if attended.flow is None:
        return None
    colours = plots.heat(attended.picture / np.float32(255), attended.flow)
    return plots.view(colours, factor(attended.piece), pixel=attended.piece.pixel)


def state_views(states: States) -> tuple[list[bytes], list[bytes]]:
    """Depth by depth the colours and the sizes, enlarged."""
    scale = factor(states.piece)
    colours, sizes = (
        [plots.view(one / np.float32(255), scale) for one in pictures]
        for pictures in (states.colours, states.sizes)
    )
    return colours, sizes


def depths_figure(states: States, dark: bool) -> bytes:
    """All depths at once, in colours."""
    pictures = torch.from_numpy(states.colours / np.float32(255))
    return _png(plots.depth_panels(pictures, states.labels), dark)


def norms_figure(states: States, dark: bool) -> bytes:
    """The size of channels by depth."""
    # A map of one pixel whose channels have these sizes has these norms.
    norms = inspect.HiddenStates(torch.from_numpy(states.channels)[:, None, None], states.labels)
    figure = plots.norms_by_depth({states.model: norms})
    figure.set_size_inches(4.0, 3.6)
    return _png(figure, dark)


def attribution_view(attributed: Attributed) -> bytes:
    """The pixels that are involved, over the piece, the patch framed."""
    colours = plots.heat(attributed.picture / np.float32(255), attributed.map)
    return plots.view(colours, factor(attributed.piece), box=attributed.box)


def _png(figure: Any, dark: bool) -> bytes:
    """A figure as a file, with room above for the buttons that the page lays over it."""
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + MARGIN)
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - MARGIN / figure.get_figheight()))
    return plots.png(plots.darkened(figure) if dark else figure, DPI)
