"""Style of every figure: colours, sizes, panel grids, heat maps, and the way to a PNG file.

Figures are returned, never shown, and made through matplotlib's objects alone: no state of pyplot
is read or changed, so that they can be drawn in any thread and beside anybody's own. matplotlib is
imported when the first one is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from swin2sr import images
from swin2sr.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

# Told apart also by eyes that see red and green as one (Okabe and Ito's palette, yellow left out).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
HEAT = "magma"  # of strengths: dark is little
QUERY, WINDOW = "#56B4E9", "#E69F00"  # the query pixel, and the window around it
SMALL = 8  # points, of text beside small pictures
NARROW, READABLE = 4.6, 10  # inches and points: readable where a figure is shown on a phone
DARK, LIGHT = "#18181b", "#e4e4e7"  # ground and text on a dark page


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of so many inches, its parts laid out to fit.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("Figures need matplotlib.", remedy="pip install matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panel_grid(
    count: int, columns: int, width: float, height: float
) -> tuple[Figure, Sequence[Axes]]:
    """Grid of equal panels, filled row by row; places after the last panel are hidden.

    Args:
        count: of panels.
        columns: of a row.
        width, height: of one panel with its caption, in inches.
    Returns:
        The figure and its ``count`` panels.
    """
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, list(grid[:count])


def picture_grid(
    pictures: Sequence[tuple[str, np.ndarray]],
    columns: int,
    width: float,
    text: int = SMALL,
    caption: float = 0.3,
) -> Figure:
    """Grid of captioned pictures, their pixels as squares.

    Args:
        pictures: (caption, pixels (H, W, 3) in 0..1) each; rows are as high as the tallest.
        columns: of a row.
        width: of a picture, in inches.
        text: size of the captions, in points.
        caption: room for one above its picture, in inches.
    """
    tallest = max(pixels.shape[0] / pixels.shape[1] for _, pixels in pictures)
    figure, panels = panel_grid(len(pictures), columns, width, width * tallest + caption)
    for axes, (title, pixels) in zip(panels, pictures, strict=True):
        show(axes, pixels)
        axes.set_title(title, fontsize=text)
    return figure


def png(drawn: Figure | Image.Image, dpi: int = 110) -> bytes:
    """PNG file of a figure (at ``dpi``) or a picture, the same bytes for the same drawing."""
    file = io.BytesIO()
    if isinstance(drawn, Image.Image):
        drawn.save(file, "PNG")
    else:  # without the version of matplotlib, which would change the file
        drawn.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
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
    """Pixels to draw on, (H, W, 3) float32 in 0..1.

    Args:
        image: anything ``Upscaler`` takes.
        size: (height, width) that it has to have.
    Raises:
        ShapeError: another size. ImageError, KindError: a picture that cannot be used.
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
    """Draw a picture without ticks and frame; its pixels stay squares."""
    axes.imshow(pixels, interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def overlay(axes: Axes, pixels: np.ndarray, strength: np.ndarray) -> None:
    """Draw the ``heat`` map of strengths over a picture."""
    show(axes, heat(pixels, strength))


def heat(pixels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Heat map of strengths over a picture, which shows through, grey, where they are small.

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


def outline(axes: Axes, x: float, y: float, side: float, colour: str, **options: Any) -> None:
    """Draw the frame of ``side`` x ``side`` pixels, of which (x, y) is the top left one."""
    from matplotlib.patches import Rectangle

    options = {"fill": False, **options}
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), side, side, edgecolor=colour, **options))


def mark(axes: Axes, pixel: tuple[int, int]) -> None:
    """Mark the query pixel (x, y) with a frame and a cross."""
    x, y = pixel
    outline(axes, x, y, 1, QUERY, linewidth=1.2)
    axes.plot([x], [y], "+", color=QUERY, markersize=6, markeredgewidth=1.0)


def plain(axes: Axes) -> None:
    """Give the axes of curves a quiet frame and grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, linewidth=0.5)


def coloured(several: Mapping[str, T], start: int = 0) -> Iterator[tuple[str, T, str]]:
    """Yield name, value and colour of curves; colours begin again after the last.

    Args:
        several: values by name.
        start: how many colours are taken already.
    """
    for number, (name, value) in enumerate(several.items(), start):
        yield name, value, COLOURS[number % len(COLOURS)]
