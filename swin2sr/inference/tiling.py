"""Tiles whose result is the whole image's: where to cut, how much margin, what it costs.

The whole image is padded once to whole windows; tiles start on multiples of the window, see a
margin of their surroundings, and only their centres are kept. Nothing is averaged. A tile's
border is wrong as far as the network's layers carry it inward (``border_spread``), so a margin
beyond that gives the whole image's numbers, and one of 64 gives them to float32 round-off.

Everything here is arithmetic on whole numbers; no pixel is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

from swin2sr.errors import ConfigError

if TYPE_CHECKING:
    from swin2sr.config import RestorationConfig

DEFAULT_MARGIN = 64  # from here on the float32 result does not improve (TILE-06)
_STRIPS = 128 * 1024**2  # bytes for the strip in work, whatever the picture's size
_SAFETY = 1.2
WAITING = 2.0  # see plan_within; a judgement: 1 gives steps of 10 times the wanted length
PADDINGS = ("minimal", "official")


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows ``top:bottom``, columns ``left:right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width


@dataclass(frozen=True)
class Tile:
    """One run of the network: it sees ``crop``, and ``centre`` of the result is kept."""

    centre: Box
    crop: Box


@dataclass(frozen=True)
class Plan:
    """How an image is cut. All numbers are pixels of the input, in the padded image's frame.

    Args:
        height, width: the image.
        padded_height, padded_width: after padding, multiples of ``window``.
        window: side of the attention window; every tile starts on a multiple of it.
        margin: surroundings a tile sees on each side, a multiple of ``window``; a side on the
            padded image's border has none.
        tiles: their centres cover the image without overlap, row by row.
        padding: "minimal" or "official".
    """

    height: int
    width: int
    padded_height: int
    padded_width: int
    window: int
    margin: int
    tiles: tuple[Tile, ...]
    padding: str = "minimal"

    @property
    def area(self) -> int:
        """Pixels the network sees in all, margins included."""
        return sum(tile.crop.area for tile in self.tiles)

    @property
    def largest(self) -> int:
        """Pixels of the largest single run."""
        return max(tile.crop.area for tile in self.tiles)

    @property
    def tile(self) -> tuple[int, int]:
        """(width, height) of the largest centre."""
        return (
            max(tile.centre.width for tile in self.tiles),
            max(tile.centre.height for tile in self.tiles),
        )

    def around(self, centre: Box) -> Tile:
        """The tile that keeps ``centre``: its margins, cut at the padded image's border."""
        margin = self.margin
        crop = Box(
            max(0, centre.top - margin),
            max(0, centre.left - margin),
            min(self.padded_height, centre.bottom + margin),
            min(self.padded_width, centre.right + margin),
        )
        return Tile(centre, crop)

    def halves(self, tile: Tile) -> tuple[Tile, ...]:
        """The same centre in up to four smaller tiles; ``(tile,)`` when it is one window."""
        rows = _halve(tile.centre.top, tile.centre.bottom, self.window)
        columns = _halve(tile.centre.left, tile.centre.right, self.window)
        return tuple(
            self.around(Box(top, left, bottom, right))
            for (top, bottom), (left, right) in product(rows, columns)
        )


def plan(
    height: int,
    width: int,
    window: int,
    tile: int | tuple[int, int] | None,
    margin: int,
    *,
    padding: str = "minimal",
) -> Plan:
    """Cut an image into tiles of nearly equal size, on the grid of the padded image's windows.

    Args:
        height, width: the image, at least 1 pixel each.
        window: side of the attention window.
        tile: longest side of a kept centre in pixels, or (width, height); rounded up to the
            window. None or 0: the whole image in one run.
        margin: pixels seen beyond the centre on each side; rounded up to the window.
        padding: "minimal" pads to the next multiple of the window, "official" by one window more
            when the side already is one.
    Raises:
        ConfigError: a size below 1, a tile below one window, a negative margin, another padding.
    """
    margin = round_up(_not_negative("margin", margin), window)
    sides = tile if isinstance(tile, tuple) else (tile, tile)
    columns, rows = (
        _cut(length, window, side) for length, side in zip((width, height), sides, strict=True)
    )
    return _grid(height, width, window, margin, padding, rows, columns)


def plan_within(
    height: int,
    width: int,
    window: int,
    margin: int,
    *,
    most: float,
    step: float,
    padding: str = "minimal",
) -> Plan:
    """Choose the tiles: as little work as possible, within memory, in steps of bearable length.

    Of all grids of even tiles whose largest run stays within ``most``, the one with the smallest
    ``pixels computed + WAITING * pixels of the longest run beyond step``: a second that one step
    keeps a person waiting beyond the wanted length may cost two seconds of work on margins.

    Args:
        height, width, window, margin, padding: as ``plan``.
        most: pixels of one run that fit the memory; when nothing does, the smallest tiles that
            still pay are planned, and the caller's estimate says that they do not fit.
        step: pixels of one run that take as long as a step should.
    """
    margin = round_up(_not_negative("margin", margin), window)
    edges = []
    for length in (height, width):
        padded = padded_length(length, window, padding)
        cells = _cells(length, window)
        choices = [_split(cells, count) for count in _counts(cells)]
        edges.append([(cuts, *_cost(cuts, window, margin, padded)) for cuts in choices])
    best: tuple[float, float] | None = None
    for (rows, row_sum, row_max), (columns, column_sum, column_max) in product(*edges):
        largest = row_max * column_max
        waiting = WAITING * max(0.0, largest - step)
        excess = max(0.0, largest - most)
        score = (excess, row_sum * column_sum + waiting)
        if best is None or score < best:
            best, chosen = score, (rows, columns)
    return _grid(height, width, window, margin, padding, *chosen)


def round_up(value: int, window: int) -> int:
    """The smallest multiple of ``window`` not below ``value``."""
    return -(-value // window) * window


def padded_length(length: int, window: int, padding: str = "minimal") -> int:
    """Length of an axis after padding (see ``plan``).

    Raises:
        ConfigError: another padding.
    """
    if padding not in PADDINGS:
        raise ConfigError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}.")
    if padding == "official":
        return (length // window + 1) * window
    return round_up(length, window)


def border_spread(config: RestorationConfig) -> int:
    """How many rows from a cut border on can differ from the whole image's, at most.

    The first convolution reads one row beyond the border; then every attention layer carries the
    fault to the end of the window it stands in (windows of odd layers are shifted by half a
    window, which lie differently towards the first and the last row), and every 3x3 convolution
    one row further.

    Args:
        config: of a restoration network.
    Returns:
        Rows of the input.
    Source: TILE-04 and TILE-05 of docs/reliability.md; 24 * groups + 9 for six layers a group and
    a window of 8.
    """
    window, shift = config.layer_window, config.layer_shift
    long = config.resi_connection == "3conv"
    # conv_after_body and the head's convolutions, those at a finer grid counting less than a row.
    tail = (6 if config.upsampler == "pixelshuffle_aux" else 4) + long
    reached = 0
    for offset in {shift, (window - shift) % window}:
        row = 1
        for depth in config.depths:
            for layer in range(depth):
                start = offset if layer % 2 else 0
                row = start + round_up(row - start, window)
            row += 2 if long else 1
        reached = max(reached, row + tail)
    return reached


def exact_margin(config: RestorationConfig) -> int:
    """The margin beyond which a tile's centre does not depend on where it was cut.

    Returns:
        A multiple of the window: 112 for the lightweight, 160 for the classical, 140 for the
        JPEG models.
    """
    return round_up(border_spread(config), config.window_size)


def default_margin(config: RestorationConfig) -> int:
    """64 rounded up to the window, or the exact margin where that is smaller."""
    return min(round_up(DEFAULT_MARGIN, config.window_size), exact_margin(config))


def run_bytes(config: RestorationConfig, pixels: int, item_size: int = 4) -> int:
    """Memory one run of the network needs on top of its weights, at most.

    The trunk keeps about five maps of features; a head keeps the largest of its layers' input and
    output. Layers run strip by strip, so their number and the attention matrices do not count.

    Args:
        config: of a restoration network.
        pixels: of input, margins included.
        item_size: bytes of a number.
    Returns:
        Bytes. Measured peaks were 54 to 81 % of it, over all heads, 160 to 512 pixels a side.
    """
    return int(_STRIPS + _SAFETY * pixels * _numbers_per_pixel(config) * item_size)


def pixels_within(config: RestorationConfig, budget: float, item_size: int = 4) -> float:
    """How many pixels of input one run may have to need at most ``budget`` bytes."""
    return max(0.0, budget - _STRIPS) / (_SAFETY * _numbers_per_pixel(config) * item_size)


def picture_bytes(config: RestorationConfig, pixels: int, item_size: int = 4) -> int:
    """Memory a picture itself needs from reading to its 8-bit result, network apart.

    Args:
        config: of a restoration network.
        pixels: of the picture that goes in.
        item_size: bytes of a number in the network; results are kept in no less than float32.
    """
    return pixels * (8 + 12 * config.upscale**2) * max(item_size, 4)


def _numbers_per_pixel(config: RestorationConfig) -> float:
    """Numbers that live at once for each pixel of input, when it is at its worst."""
    dim, scale = config.embed_dim, config.upscale
    head = {
        "pixelshuffle": 64 * (2 * scale**2 + (1 if scale == 3 else scale**2 // 4)),
        "pixelshuffle_aux": 3 * 64 * scale**2,
        "nearest+conv": 3 * 64 * scale**2,
        "pixelshuffledirect": 2 * config.num_channels_out * scale**2,
    }.get(config.upsampler, 0)
    return max(5.5 * dim, 2 * dim + head)


def _not_negative(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{name} must be a whole number of pixels from 0 up, got {value!r}.")
    return value


def _cells(length: int, window: int) -> int:
    """Windows that cover an axis of the image."""
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ConfigError(f"A picture's side must be at least 1 pixel, got {length!r}.")
    return -(-length // window)


def _cut(length: int, window: int, side: int | None) -> list[int]:
    """Edges, in windows, of even pieces no longer than ``side`` pixels."""
    cells = _cells(length, window)
    if _not_negative("tile", side or 0) == 0:
        return [0, cells]
    assert side is not None
    if side < window:
        raise ConfigError(
            f"A tile of {side} pixels is smaller than the model's window of {window}.",
            remedy=f"Use a multiple of {window}, 'auto', or None for the whole image.",
        )
    return _split(cells, -(-cells // -(-side // window)))


def _split(cells: int, count: int) -> list[int]:
    return [cells * i // count for i in range(count + 1)]


def _counts(cells: int) -> Iterator[int]:
    """Numbers of pieces worth trying on an axis: every small one, then ever coarser steps."""
    count = 1
    while count < cells:
        yield count
        count += max(1, count // 16)
    yield cells


def _cost(edges: list[int], window: int, margin: int, padded: int) -> tuple[int, int]:
    """Sum and maximum of the lengths the network sees along one axis."""
    lengths = [
        min(padded, stop * window + margin) - max(0, start * window - margin)
        for start, stop in pairwise(edges)
    ]
    return sum(lengths), max(lengths)


def _halve(start: int, stop: int, window: int) -> list[tuple[int, int]]:
    middle = start + round_up((stop - start) // 2, window)
    return [(start, middle), (middle, stop)] if middle < stop else [(start, stop)]


def _grid(
    height: int,
    width: int,
    window: int,
    margin: int,
    padding: str,
    rows: list[int],
    columns: list[int],
) -> Plan:
    """The plan whose centres lie between these edges, given in windows."""
    whole = Plan(
        height,
        width,
        padded_length(height, window, padding),
        padded_length(width, window, padding),
        window,
        margin,
        (),
        padding,
    )
    boxes = (
        Box(top * window, left * window, bottom * window, right * window)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    )
    return replace(whole, tiles=tuple(whole.around(box) for box in boxes))
