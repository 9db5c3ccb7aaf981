"""What every figure is made with: matplotlib's objects, one set of colours, one way to a file.

Figures are returned, never shown, and made through matplotlib's objects alone: no state of pyplot
is read or changed, so that they can be drawn in any thread and beside anybody's own. matplotlib is
imported when the first one is drawn.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr import images
from swin2sr.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart also by eyes that see red and green as one (Okabe and Ito's palette, yellow left out).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
HEAT = "magma"  # of strengths: dark is little
QUERY, WINDOW = "#56B4E9", "#E69F00"  # the pixel that looks, and the window around it
SMALL = 8  # points, of text beside small pictures
NARROW, READABLE = 4.6, 10  # inches and points: readable where a figure is shown on a phone
DARK, LIGHT = "#18181b", "#e4e4e7"  # ground and text on a dark page


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, its parts laid out to fit.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("Figures need matplotlib.", remedy="pip install matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def darkened(figure: Figure) -> Figure:
    """The figure itself, for a dark page: what was black or white in frame and text is changed.

    Pictures, curves and legends keep their colours; legends lose their ground.
    """
    from matplotlib.text import Text

    figure.set_facecolor(DARK)
    for axes in figure.axes:
        axes.set_facecolor(DARK)
        axes.spines[:].set_edgecolor(LIGHT)
        axes.tick_params(colors=LIGHT, which="both")
    for text in figure.findobj(Text):
        text.set_color(LIGHT)
    return figure


def picture_of(image: Any, size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels to draw, (H, W, 3) float32 in 0..1.

    Args:
        image: anything ``Upscaler`` takes.
        size: (height, width) that it has to have.
    Raises:
        ShapeError: it has not. ImageError, KindError: it cannot be used.
    """
    pixels = images.decode(image).pixels
    if size is not None and pixels.shape[:2] != tuple(size):
        height, width = size
        raise ShapeError(
            f"The picture has {pixels.shape[1]}x{pixels.shape[0]} pixels, what is drawn on it "
            f"{width}x{height}."
        )
    return pixels


def show(axes: Axes, pixels: np.ndarray, **options: Any) -> None:
    """A picture without ticks and frame; its pixels stay squares."""
    axes.imshow(pixels, interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def overlay(axes: Axes, pixels: np.ndarray, strength: np.ndarray) -> None:
    """Strengths over a picture, as ``heat``, in a panel."""
    show(axes, heat(pixels, strength))


def heat(pixels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Strengths over a picture, which shows through, grey, where they are small.

    Args:
        pixels: (H, W, 3) in 0..1.
        strength: (H, W), not negative; the largest is the brightest, on a square-root scale, since
            attention spreads over several powers of ten.
    Returns:
        (H, W, 3) in 0..1.
    """
    import matplotlib

    relative = np.sqrt(np.clip(strength, 0, None) / max(float(strength.max()), 1e-30))
    colours = matplotlib.colormaps[HEAT](relative)[..., :3]
    grey = pixels.mean(axis=2, keepdims=True)
    return (0.35 * grey * (1 - relative[..., None]) + colours).clip(0, 1)


def mark(axes: Axes, pixel: tuple[int, int]) -> None:
    """Frame a pixel."""
    from matplotlib.patches import Rectangle

    x, y = pixel
    frame = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=QUERY, linewidth=1.2)
    axes.add_patch(frame)
    axes.plot([x], [y], "+", color=QUERY, markersize=6, markeredgewidth=1.0)


def plain(axes: Axes) -> None:
    """A quiet frame and grid for curves."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, linewidth=0.5)
