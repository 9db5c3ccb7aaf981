"""Results of a comparison with their scores: as captions, as tables, and close up."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from swin2sr import metrics, plots
from swin2sr.demo.messages import escape_markdown, size_text
from swin2sr.errors import ConfigError, ImageError

ORIGINAL = "original"
REMARK = "Remark"
CLOSE_UP_SIDES = (16, 192)  # of a close-up, in pixels of the results
CROP_SIDE = 384  # pixels that a crop is enlarged to, at most
OVERVIEW_SIDES = (400, 800)  # pixels of the longer side, at least about and at most
FRAME_COLOUR = "#E69F00"


@dataclass(frozen=True)
class CompareResult:
    """Result of one model, with its scores.

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
        requested: how many models were asked for.
        results: in the order in which they were made, also of models that could not be had.
        protocol: of the scores; "" where there are none.
        notes: what was done to the picture beforehand, for people.
    """

    size: tuple[int, int]
    original: str | None
    requested: int
    results: tuple[CompareResult, ...]
    protocol: str
    notes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """True once every model has had its turn."""
        return len(self.results) == self.requested

    @property
    def with_files(self) -> tuple[CompareResult, ...]:
        """Results that have a picture."""
        return tuple(result for result in self.results if result.file)

    def pictures(self) -> list[tuple[str, str]]:
        """Pictures of the original and all results, as (file, caption)."""
        first = [(self.original, ORIGINAL)] if self.original else []
        return first + [(str(result.file), _caption(result)) for result in self.with_files]

    def error_maps(self) -> list[tuple[str, str]]:
        """Error maps of all results, as (file, caption)."""
        return [(one.errors, _caption(one)) for one in self.with_files if one.errors]

    def move_files(self, move: Callable[[str], str]) -> Comparison:
        """Move all files; returns the comparison with their new places.

        Args:
            move: given a file's path, returns the new one.
        """
        results = (
            replace(one, file=one.file and move(one.file), errors=one.errors and move(one.errors))
            for one in self.results
        )
        return replace(self, original=self.original and move(self.original), results=tuple(results))

    def markdown(self, with_remarks: bool = True) -> str:
        """Table of the results as Markdown.

        Args:
            with_remarks: whether it has a column for them, where there are any.
        """
        heads, rows = self._table_cells(with_remarks)
        numbers = len(heads) - 1 - (heads[-1] == REMARK)
        lines = [heads, ["---", *["---:"] * numbers, "---"][: len(heads)], *rows]
        return "\n".join("| " + " | ".join(map(escape_markdown, line)) + " |" for line in lines)

    def csv(self) -> str:
        """Table of the results as CSV, for programs."""
        heads, rows = self._table_cells()
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([heads, *rows])
        return file.getvalue()

    def _table_cells(self, with_remarks: bool = True) -> tuple[list[str], list[list[str]]]:
        scored = ["PSNR Y (dB)", "SSIM Y"] if self.original else []
        remarked = with_remarks and any(one.remark for one in self.results)
        heads = ["Model", *scored, "Seconds", *([REMARK] if remarked else [])]
        rows = []
        for one in self.results:
            scores = (
                [_format_number(one.psnr, 2), _format_number(one.ssim, 4)] if self.original else []
            )
            remark = [one.remark] if remarked else []
            rows.append([one.name, *scores, _format_number(one.seconds, 2), *remark])
        return heads, rows


@dataclass(frozen=True)
class CloseUp:
    """Close-up of one place of all results.

    Args:
        overview: the whole picture, in a size to point at, the place framed.
        crops: (picture, caption), enlarged without smoothing.
        text: where and how much.
    """

    overview: Image.Image
    crops: list[tuple[Image.Image, str]]
    text: str


def close_up(comparison: object, across: object, down: object, side: object) -> CloseUp:
    """Crop one place of every result and enlarge it.

    Args:
        comparison: what the session has; anything but a ``Comparison`` counts as nothing.
        across, down: of the place's middle, in percent of the width and height.
        side: of the place, in pixels of the results.
    Raises:
        ImageError: "empty", nothing was compared; "expired", the files are gone.
        ConfigError: numbers outside what is offered.
    """
    checked = _require_results(comparison)
    box = _crop_box(checked.size, across, down, side)
    crops = _crops(checked, box)
    wanted = crops.get(ORIGINAL)
    factor = max(1, CROP_SIDE // max(box[2] - box[0], box[3] - box[1]))
    enlarged = []
    for name, crop in crops.items():
        caption = name
        if wanted is not None and name != ORIGINAL:
            here = metrics.psnr(np.asarray(crop), np.asarray(wanted))
            caption = f"{name}, {_format_number(here, 2)} dB here"
        enlarged.append((crop.resize((crop.width * factor, crop.height * factor), 0), caption))
    times = f"enlarged {factor} times without smoothing" if factor > 1 else "not enlarged"
    width, height = box[2] - box[0], box[3] - box[1]
    text = f"{size_text((width, height))} from column {box[0]}, row {box[1]}, {times}."
    return CloseUp(_overview(checked, box), enlarged, text)


def close_up_figure(comparison: object, across: object, down: object, side: object) -> bytes:
    """Figure of one place of every result, a PNG; with error maps where there is an original.
    Arguments and errors are those of ``close_up``.
    """
    checked = _require_results(comparison)
    crops = _crops(checked, _crop_box(checked.size, across, down, side))
    arrays = {name: np.asarray(crop) for name, crop in crops.items()}
    original = arrays.pop(ORIGINAL, None)
    if original is None:
        return plots.png(plots.picture_row(arrays, columns=len(arrays)))
    captions = {
        f"{name}\n{_format_number(metrics.psnr(crop, original), 2)} dB here": crop
        for name, crop in arrays.items()
    }
    return plots.png(plots.close_ups(captions, original))


def click_position(comparison: object, point: object) -> tuple[float, float]:
    """Position of a click in the overview, in percent of the width and height.

    Args:
        comparison: as of ``close_up``, as are the errors.
        point: (x, y) in pixels of the overview.
    """
    width, height = _overview_size(_require_results(comparison).size)
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise ConfigError("A point is two numbers.")
    x, y = (_check_range(value, 0, 1e6, "A point") for value in point)
    return round(min(100, 100 * x / width), 1), round(min(100, 100 * y / height), 1)


def largest_difference(comparison: object, side: object) -> tuple[float, float]:
    """Position where the results differ most, in percent of the width and height.
    Arguments and errors are those of ``close_up``.
    """
    checked = _require_results(comparison)
    width, height = checked.size
    step = max(1, int(_check_range(side, *CLOSE_UP_SIDES, "The size")) // 4)
    low = high = _open_image(str(checked.with_files[0].file)).convert("L")
    for result in checked.with_files[1:]:
        grey = _open_image(str(result.file)).convert("L")
        low, high = ImageChops.darker(low, grey), ImageChops.lighter(high, grey)
    spread = np.asarray(ImageChops.difference(high, low).reduce(step), dtype=np.float64)
    # Windows of 4 x 4 of these cells, or what there is.
    rows, columns = (min(4, length) for length in spread.shape)
    top, left, _ = metrics.largest_window(spread, rows, columns)
    across = 100 * (left + columns / 2) * step / width
    down = 100 * (top + rows / 2) * step / height
    return round(min(100.0, across), 1), round(min(100.0, down), 1)


def _require_results(comparison: object) -> Comparison:
    if not isinstance(comparison, Comparison) or not comparison.with_files:
        raise ImageError("There are no results to look at yet.", code="empty")
    return comparison


def _open_image(path: str) -> Image.Image:
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


def _check_range(value: object, least: float, most: float, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise ConfigError(f"{what} is a number from {least:g} to {most:g}.")
    return float(value)  # type: ignore[arg-type]


def _crop_box(
    size: tuple[int, int], across: object, down: object, side: object
) -> tuple[int, int, int, int]:
    """Crop box (left, top, right, bottom), moved to where it fits."""
    wanted = int(_check_range(side, *CLOSE_UP_SIDES, "The size"))
    spans = []
    for length, middle in zip(size, (across, down), strict=True):
        reach = min(wanted, length)
        at = _check_range(middle, 0, 100, "A place") / 100 * length - reach / 2
        start = min(max(0, round(at)), length - reach)
        spans.append((start, start + reach))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _crops(comparison: Comparison, box: tuple[int, int, int, int]) -> dict[str, Image.Image]:
    """Crops of the original, if there is one, and of all results, by name."""
    files = {ORIGINAL: comparison.original} if comparison.original else {}
    files |= {result.name: str(result.file) for result in comparison.with_files}
    return {name: _open_image(path).crop(box).convert("RGB") for name, path in files.items()}


def _overview_size(size: tuple[int, int]) -> tuple[int, int]:
    """Size (width, height) of the overview: large pictures shrunk, small ones enlarged by whole
    factors, so that a click hits a place."""
    least, most = OVERVIEW_SIDES
    share = min(max(1, least // max(size)), most / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _overview(comparison: Comparison, box: tuple[int, int, int, int]) -> Image.Image:
    width, height = _overview_size(comparison.size)
    path = comparison.original or str(comparison.with_files[0].file)
    image = _open_image(path).convert("RGB").resize((width, height), Image.Resampling.BOX)
    left, right = (edge * width / comparison.size[0] for edge in (box[0], box[2]))
    top, bottom = (edge * height / comparison.size[1] for edge in (box[1], box[3]))
    frame = (left, top, max(left, right - 1), max(top, bottom - 1))
    draw = ImageDraw.Draw(image)
    draw.rectangle(frame, outline=FRAME_COLOUR, width=max(2, min(width, height) // 100))
    return image


def _caption(result: CompareResult) -> str:
    """Caption of a result: name and scores, as plain text."""
    parts = [result.name]
    if result.psnr is not None:
        parts.append(f"{_format_number(result.psnr, 2)} dB")
    if result.ssim is not None:
        parts.append(f"SSIM {_format_number(result.ssim, 4)}")
    return ", ".join(parts)


def _format_number(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return "equal" if math.isinf(value) else f"{value:.{digits}f}"
