"""Panels, pictures and curves of a figure, read back from it."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image


def drawn(axes: Axes) -> np.ndarray:
    """The picture that a panel shows."""
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def panels(figure: Figure) -> list[Axes]:
    """The visible panels, those of colour bars left out."""
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


def points(axes: object) -> list[list[tuple[float, float]]]:
    lines = axes.get_lines()  # type: ignore[attr-defined]
    return [list(zip(*map(list, line.get_data()), strict=True)) for line in lines]


def pixels_of(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def colour(name: str) -> list[int]:
    return [round(255 * part) for part in to_rgb(name)]
