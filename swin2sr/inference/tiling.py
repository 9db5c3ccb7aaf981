"""Tiling: where to cut an image so that the tiles' result is the whole image's.

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

from swin2sr.config import RestorationConfig, choice, whole
from swin2sr.errors import ConfigError

DEFAULT_MARGIN = 64  # from here on the float32 result does not improve (TILE-06)
WAITING = 2.0  # see plan_within; a judgement: 1 gives steps of 10 times the wanted length
PADDINGS = ("minimal", "official")
ORIENTATIONS = 8  # flips and turns of a self-ensemble; those from 4 on swap height and width


@dataclass(frozen=True)
class Box:
    """Box of pixels: rows ``top:bottom``, columns ``left:right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width


@dataclass(frozen=True)
class Tile:
    """Tile: one run of the network, which sees ``crop``; ``centre`` of the result is kept."""

    centre: Box
    crop: Box


@dataclass(frozen=True)
class Plan:
    """Plan of an image's tiles, in pixels of the input, in the padded image's frame."""

    height: int
    width: int
    padded_height: int  # a multiple of the window, as the width
    padded_width: int
    window: int  # side of the attention window; every tile starts on a multiple of it
    margin: int  # surroundings a tile sees on each side, but none beyond the padded image
    tiles: tuple[Tile, ...]  # their centres cover the image without overlap, row by row
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
        """Return the tile that keeps ``centre``, margins cut at the padded image's border."""
        margin = self.margin
        crop = Box(
            max(0, centre.top - margin),
            max(0, centre.left - margin),
            min(self.padded_height, centre.bottom + margin),
            min(self.padded_width, centre.right + margin),
        )
        return Tile(centre, crop)

    def halves(self, tile: Tile) -> tuple[Tile, ...]:
        """Cut the centre into up to four smaller tiles; ``(tile,)`` when it is one window."""
        rows = _halve(tile.centre.top, tile.centre.bottom, self.window)
        columns = _halve(tile.centre.left, tile.centre.right, self.window)
        return tuple(
            self.around(Box(top, left, bottom, right))
            for (top, bottom), (left, right) in product(rows, columns)
        )


@dataclass(frozen=True)
class RunLimits:
    """Limits of one run of the network, in pixels of input, margins included.

    When nothing fits the memory, the smallest tiles that still pay are planned, and the estimate
    says that they do not fit.
    """

    most: float  # what fits the memory
    step: float  # what takes as long as a step should


@dataclass(frozen=True)
class TilingOptions:
    """Options of the tiling, checked.

    ``tile`` is the longest side of a kept centre; None takes the whole image, "auto" chooses within
    ``RunLimits``.
    """

    tile: int | str | None  # a multiple of the window
    margin: int  # pixels, a multiple of the window
    padding: str
    self_ensemble: bool  # average over flips and turns
    notes: tuple[str, ...]  # what was rounded

    @classmethod
    def check(
        cls,
        config: RestorationConfig,
        tile: int | str | None,
        margin: int | str,
        padding: str,
        self_ensemble: bool,
    ) -> TilingOptions:
        """Check the arguments people give (see ``Upscaler.stream``).

        Raises:
            ConfigError: an argument outside what is offered.
        """
        window = config.window_size
        notes: list[str] = []
        if isinstance(tile, str) and tile != "auto":
            raise ConfigError(f"tile must be 'auto', None or pixels, got {tile!r}.")
        if isinstance(margin, str):
            named = {"default": default_margin, "exact": exact_margin}
            if margin not in named:
                raise ConfigError(f"margin must be 'default', 'exact' or pixels, got {margin!r}.")
            margin = named[margin](config)
        if getattr(config, "use_absolute_embeddings", False) and tile:
            # The position table is stretched over each run: tiles would see other positions.
            if tile != "auto":
                notes.append("This model knows absolute positions: tiles change its result.")
            else:
                tile = None
        side = None if isinstance(tile, str) else tile
        # Cutting the smallest image there is checks the numbers and the padding.
        rounded = plan(window, window, window, side, margin, padding=padding).margin
        if rounded != margin:
            notes.append(f"The margin of {margin} was rounded up to {rounded} (window {window}).")
        if isinstance(tile, int) and tile % window:
            notes.append(f"The tile of {tile} was rounded up to a multiple of {window}.")
            tile = round_up(tile, window)
        return cls(tile or None, rounded, padding, bool(self_ensemble), tuple(notes))


def plan_picture(
    height: int, width: int, window: int, options: TilingOptions, limits: RunLimits
) -> list[Plan]:
    """Plan a picture: one plan, or one for each orientation of a self-ensemble.

    Raises:
        ConfigError: a size below 1.
    """

    def plan_one(height: int, width: int) -> Plan:
        if options.tile == "auto":
            return plan_within(
                height, width, window, options.margin, limits, padding=options.padding
            )
        assert not isinstance(options.tile, str)
        return plan(height, width, window, options.tile, options.margin, padding=options.padding)

    upright = plan_one(height, width)
    if not options.self_ensemble:
        return [upright]
    half = ORIENTATIONS // 2
    return [upright] * half + [plan_one(width, height)] * half


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
    margin = round_up(whole("margin", margin, least=0), window)
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
    limits: RunLimits,
    *,
    padding: str = "minimal",
) -> Plan:
    """Choose the tiles: as little work as possible, within memory, in steps of bearable length.

    Of all grids of even tiles whose largest run stays within ``limits.most``, the one with the
    smallest ``pixels computed + WAITING * pixels of the longest run beyond limits.step``: a second
    that one step keeps a person waiting beyond the wanted length may cost two seconds of work on
    margins. All arguments but ``limits`` are those of ``plan``.
    """
    margin = round_up(whole("margin", margin, least=0), window)
    edges = []
    for length in (height, width):
        padded = padded_length(length, window, padding)
        cells = _cells(length, window)
        choices = [_split(cells, count) for count in _counts(cells)]
        edges.append([(cuts, *_cost(cuts, window, margin, padded)) for cuts in choices])
    best: tuple[float, float] | None = None
    for (rows, row_sum, row_max), (columns, column_sum, column_max) in product(*edges):
        largest = row_max * column_max
        waiting = WAITING * max(0.0, largest - limits.step)
        excess = max(0.0, largest - limits.most)
        score = (excess, row_sum * column_sum + waiting)
        if best is None or score < best:
            best, chosen = score, (rows, columns)
    return _grid(height, width, window, margin, padding, *chosen)


def round_up(value: int, window: int) -> int:
    """Round up to a multiple of ``window``."""
    return -(-value // window) * window


def padded_length(length: int, window: int, padding: str = "minimal") -> int:
    """Length of an axis after padding (see ``plan``).

    Raises:
        ConfigError: another padding.
    """
    official = choice("padding", padding, PADDINGS) == "official"
    return (length // window + 1) * window if official else round_up(length, window)


def border_spread(config: RestorationConfig) -> int:
    """Spread of a cut border: rows of the input that can differ from the whole image's, at most.

    The first convolution reads one row beyond the border; then every attention layer carries the
    fault to the end of the window it stands in (windows of odd layers are shifted by half a
    window, which lie differently towards the first and the last row), and every 3x3 convolution
    one row further.

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
    """Exact margin, beyond which a tile's centre does not depend on where it was cut: a multiple of
    the window, 112 for the lightweight, 160 for the classical, 140 for the JPEG models."""
    return round_up(border_spread(config), config.window_size)


def default_margin(config: RestorationConfig) -> int:
    """Default margin: 64 rounded up to the window, or the exact one where that is smaller."""
    return min(round_up(DEFAULT_MARGIN, config.window_size), exact_margin(config))


def _cells(length: int, window: int) -> int:
    """Count the windows that cover an axis of the image."""
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ConfigError(f"A picture's side must be at least 1 pixel, got {length!r}.")
    return -(-length // window)


def _cut(length: int, window: int, side: int | None) -> list[int]:
    """Cut an axis evenly; edges, in windows, of pieces no longer than ``side`` pixels."""
    cells = _cells(length, window)
    side = whole("tile", side or 0, least=0)
    if side == 0:
        return [0, cells]
    if side < window:
        raise ConfigError(
            f"A tile of {side} pixels is smaller than the model's window of {window}.",
            remedy=f"Use a multiple of {window}, 'auto', or None for the whole image.",
        )
    return _split(cells, -(-cells // -(-side // window)))


def _split(cells: int, count: int) -> list[int]:
    return [cells * i // count for i in range(count + 1)]


def _counts(cells: int) -> Iterator[int]:
    """Count the pieces worth trying on an axis: every small number, then ever coarser steps."""
    count = 1
    while count < cells:
        yield count
        count += max(1, count // 16)
    yield cells


def _cost(edges: list[int], window: int, margin: int, padded: int) -> tuple[int, int]:
    """Add up the lengths the network sees along one axis; sum and maximum."""
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
    """Plan the tiles whose centres lie between these edges, given in windows."""
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
