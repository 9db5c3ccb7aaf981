"""What a comparison made: results with their scores, as captions, as tables, and close up."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from swin2sr import metrics, plots
from swin2sr.demo.messages import pixels, plain
from swin2sr.errors import ConfigError, ImageError

ORIGINAL = "original"
REMARK = "Remark"
SIDES = (16, 192)  # of a place that is looked at, in pixels of the results
SHOWN = 384  # pixels a side that a place is enlarged to, at most
OVERVIEW = (400, 800)  # pixels of the longer side, at least about and at most
FRAME = "#E69F00"


@dataclass(frozen=True)
class Result:
    """What one model made of the picture.

    Args:
        name: of the model.
        file: PNG; None when there is no result, which ``remark`` then explains.
        errors: PNG of the error map, where there is an original.
        seconds: it took.
        psnr, ssim: dB and 0..1, where there is an original.
        remark: what a person should know.
    """

    name: str
    file: str | None = None
    errors: str | None = None
    seconds: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class Comparison:
    """Results of one picture, all of one size.

    Args:
        size: (width, height) of the results.
        original: PNG of what they are held against, where there is one.
        asked: how many models were asked for.
        results: in the order in which they were made, also of models that could not be had.
        protocol: how scores were taken; "" where there are none.
        notes: what was done to the picture beforehand, for people.
    """

    size: tuple[int, int]
    original: str | None
    asked: int
    results: tuple[Result, ...]
    protocol: str
    notes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every model has had its turn."""
        return len(self.results) == self.asked

    @property
    def shown(self) -> tuple[Result, ...]:
        """Those that have a picture."""
        return tuple(result for result in self.results if result.file)

    def pictures(self) -> list[tuple[str, str]]:
        """(file, caption) of the original and all results."""
        first = [(self.original, ORIGINAL)] if self.original else []
        return first + [(str(result.file), _caption(result)) for result in self.shown]

    def error_maps(self) -> list[tuple[str, str]]:
        """(file, caption) of all error maps."""
        return [(one.errors, _caption(one)) for one in self.shown if one.errors]

    def moved(self, keep: Callable[[str], str]) -> Comparison:
        """The same with its files at other places.

        Args:
            keep: given a file's path, returns the new one.
        """
        results = (
            replace(
                one,
                file=one.file and keep(one.file),
                errors=one.errors and keep(one.errors),
            )
            for one in self.results
        )
        return replace(self, original=self.original and keep(self.original), results=tuple(results))

    def markdown(self, with_remarks: bool = True) -> str:
        """A table of the results.

        Args:
            with_remarks: whether it has a column for them, where there are any.
        """
        heads, rows = self._cells(with_remarks)
        numbers = len(heads) - 1 - (heads[-1] == REMARK)
        lines = [heads, ["---", *["---:"] * numbers, "---"][: len(heads)], *rows]
        return "\n".join("| " + " | ".join(map(plain, line)) + " |" for line in lines)

    def csv(self) -> str:
        """The same table for programs."""
        heads, rows = self._cells()
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([heads, *rows])
        return file.getvalue()

    def _cells(self, with_remarks: bool = True) -> tuple[list[str], list[list[str]]]:
        scored = ["PSNR Y (dB)", "SSIM Y"] if self.original else []
        remarked = with_remarks and any(one.remark for one in self.results)
        heads = ["Model", *scored, "Seconds", *([REMARK] if remarked else [])]
        rows = []
        for one in self.results:
            scores = [_number(one.psnr, 2), _number(one.ssim, 4)] if self.original else []
            remark = [one.remark] if remarked else []
            rows.append([one.name, *scores, _number(one.seconds, 2), *remark])
        return heads, rows


@dataclass(frozen=True)
class CloseUp:
    """One place of all results.

    Args:
        overview: the whole picture, in a size to point at, the place framed.
        crops: (picture, caption), enlarged without smoothing.
        text: where and how much.
    """

    overview: Image.Image
    crops: list[tuple[Image.Image, str]]
    text: str


def close_up(comparison: object, across: object, down: object, side: object) -> CloseUp:
    """Look at one place of every result.

    Args:
        comparison: what was kept; anything else counts as nothing.
        across, down: of the place's middle, in percent of the width and height.
        side: of the place, in pixels of the results.
    Raises:
        ImageError: "empty", nothing was compared; "expired", the files are gone.
        ConfigError: numbers outside what is offered.
    """
    kept = _kept(comparison)
    box = _box(kept.size, across, down, side)
    crops = _crops(kept, box)
    wanted = crops.get(ORIGINAL)
    factor = max(1, SHOWN // max(box[2] - box[0], box[3] - box[1]))
    enlarged = []
    for name, crop in crops.items():
        caption = name
        if wanted is not None and name != ORIGINAL:
            here = metrics.psnr(np.asarray(crop), np.asarray(wanted))
            caption = f"{name}, {_number(here, 2)} dB here"
        enlarged.append((crop.resize((crop.width * factor, crop.height * factor), 0), caption))
    times = f"enlarged {factor} times without smoothing" if factor > 1 else "not enlarged"
    width, height = box[2] - box[0], box[3] - box[1]
    text = f"{pixels((width, height))} from column {box[0]}, row {box[1]}, {times}."
    return CloseUp(_overview(kept, box), enlarged, text)


def figure(comparison: object, across: object, down: object, side: object) -> bytes:
    """A place of every result as one figure, a PNG; with error maps where there is an original.

    Args:
        comparison, across, down, side: as ``close_up``.
    Raises:
        As ``close_up``.
    """
    kept = _kept(comparison)
    crops = _crops(kept, _box(kept.size, across, down, side))
    arrays = {name: np.asarray(crop) for name, crop in crops.items()}
    original = arrays.pop(ORIGINAL, None)
    if original is None:
        return plots.png(plots.picture_row(arrays, columns=len(arrays)))
    scores = {name: _number(metrics.psnr(crop, original), 2) for name, crop in arrays.items()}
    captions = {f"{name}\n{scores[name]} dB here": crop for name, crop in arrays.items()}
    return plots.png(plots.close_ups(captions, original))


def pointed_at(comparison: object, point: object) -> tuple[float, float]:
    """Where in the overview somebody has pointed, in percent of the width and height.

    Args:
        comparison: as ``close_up``.
        point: (x, y) in pixels of the overview.
    Raises:
        As ``close_up``.
    """
    width, height = _overview_size(_kept(comparison).size)
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise ConfigError("A point is two numbers.")
    x, y = (_within(value, 0, 1e6, "A point") for value in point)
    return round(min(100, 100 * x / width), 1), round(min(100, 100 * y / height), 1)


def most_different(comparison: object, side: object) -> tuple[float, float]:
    """The middle of the place where the results differ most, in percent of the width and height.

    Args:
        comparison, side: as ``close_up``.
    Raises:
        As ``close_up``.
    """
    kept = _kept(comparison)
    width, height = kept.size
    step = max(1, int(_within(side, *SIDES, "The size")) // 4)
    low = high = _open(str(kept.shown[0].file)).convert("L")
    for result in kept.shown[1:]:
        grey = _open(str(result.file)).convert("L")
        low, high = ImageChops.darker(low, grey), ImageChops.lighter(high, grey)
    spread = np.asarray(ImageChops.difference(high, low).reduce(step), dtype=np.float64)
    # Windows of 4 x 4 of these cells, or what there is.
    rows, columns = (min(4, length) for length in spread.shape)
    top, left, _ = metrics.largest_window(spread, rows, columns)
    across = 100 * (left + columns / 2) * step / width
    down = 100 * (top + rows / 2) * step / height
    return round(min(100.0, across), 1), round(min(100.0, down), 1)


def _kept(comparison: object) -> Comparison:
    if not isinstance(comparison, Comparison) or not comparison.shown:
        raise ImageError("There are no results to look at yet.", code="empty")
    return comparison


def _open(path: str) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise ImageError(
            "These results have been deleted from the server.",
            code="expired",
            remedy="Compare again.",
        ) from error


def _within(value: object, least: float, most: float, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise ConfigError(f"{what} is a number from {least:g} to {most:g}.")
    return float(value)  # type: ignore[arg-type]


def _box(
    size: tuple[int, int], across: object, down: object, side: object
) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a place, moved to where it fits."""
    wanted = int(_within(side, *SIDES, "The size"))
    spans = []
    for length, middle in zip(size, (across, down), strict=True):
        reach = min(wanted, length)
        at = _within(middle, 0, 100, "A place") / 100 * length - reach / 2
        start = min(max(0, round(at)), length - reach)
        spans.append((start, start + reach))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _crops(comparison: Comparison, box: tuple[int, int, int, int]) -> dict[str, Image.Image]:
    """The place in the original, if there is one, and in all results, by name."""
    files = {ORIGINAL: comparison.original} if comparison.original else {}
    files |= {result.name: str(result.file) for result in comparison.shown}
    return {name: _open(path).crop(box).convert("RGB") for name, path in files.items()}


def _overview_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height): large pictures shrunk; small ones enlarged by whole factors, to be hit."""
    least, most = OVERVIEW
    share = min(max(1, least // max(size)), most / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _overview(comparison: Comparison, box: tuple[int, int, int, int]) -> Image.Image:
    width, height = _overview_size(comparison.size)
    path = comparison.original or str(comparison.shown[0].file)
    image = _open(path).convert("RGB").resize((width, height), Image.Resampling.BOX)
    left, right = (edge * width / comparison.size[0] for edge in (box[0], box[2]))
    top, bottom = (edge * height / comparison.size[1] for edge in (box[1], box[3]))
    frame = (left, top, max(left, right - 1), max(top, bottom - 1))
    draw = ImageDraw.Draw(image)
    draw.rectangle(frame, outline=FRAME, width=max(2, min(width, height) // 100))
    return image


def _caption(result: Result) -> str:
    """Name and scores; a name that was made elsewhere is shown as text by whoever shows it."""
    parts = [result.name]
    if result.psnr is not None:
        parts.append(f"{_number(result.psnr, 2)} dB")
    if result.ssim is not None:
        parts.append(f"SSIM {_number(result.ssim, 4)}")
    return ", ".join(parts)


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return "equal" if math.isinf(value) else f"{value:.{digits}f}"
