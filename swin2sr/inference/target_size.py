"""Target size of a picture: up by the network, as often as needed, then down by bicubic."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swin2sr import images
from swin2sr.errors import ConfigError, ShapeError
from swin2sr.images.colour import resize_alpha
from swin2sr.images.picture import Picture
from swin2sr.images.resize import imresize
from swin2sr.inference.report import Step

Size = tuple[int, int]  # (width, height) in pixels
LARGEST_FACTOR = 64
FORMS = "a factor (1.5), '1920x' (a width), 'x1080' (a height), '1920x1080' (both at most)"
_PIXELS = re.compile(r"(\d*)\s*x\s*(\d*)")


@dataclass(frozen=True)
class TargetSize:
    """Target size: a factor of the sides, or a largest width and height in pixels.

    The aspect ratio is kept. With width and height, both are limits and one of them is reached.

    Args:
        factor: above 0, at most ``LARGEST_FACTOR``; None with pixels.
        width, height: in pixels, at least 1; None for no limit.
    Raises:
        ConfigError: values outside these.
    """

    factor: float | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        sides = [side for side in (self.width, self.height) if side is not None]
        factor = self.factor
        if factor is None:
            is_right = bool(sides) and min(sides) >= 1
        else:
            is_right = not sides and 0 < factor <= LARGEST_FACTOR  # false for nan, too
        if not is_right:
            raise ConfigError(
                f"A target size is {FORMS}; a factor is above 0 and at most {LARGEST_FACTOR}."
            )

    @classmethod
    def parse(cls, value: Any) -> TargetSize:
        """Read a target size.

        Args:
            value: a number (factor); (width, height), one of them None; text as in ``FORMS``; or a
                ``TargetSize``.
        Raises:
            ConfigError: anything else.
        """
        if isinstance(value, TargetSize):
            return value
        try:
            if isinstance(value, str):
                match = _PIXELS.fullmatch(value.strip().lower())
                if match is None:
                    return cls(factor=float(value))
                width, height = (int(side) if side else None for side in match.groups())
                return cls(width=width, height=height)
            if isinstance(value, Sequence):
                width, height = (None if side is None else int(side) for side in value)
                return cls(width=width, height=height)
            return cls(factor=float(value))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"A target size is {FORMS}, not {value!r:.80}.") from error

    def of(self, size: Size) -> Size:
        """Size of the result of a picture of this size, (width, height) in pixels."""
        width, height = size
        factor = self.factor
        if factor is None:
            limits = ((self.width, width), (self.height, height))
            factor = min(limit / side for limit, side in limits if limit is not None)
        # Halves up, as a reader of the numbers expects.
        return max(1, math.floor(width * factor + 0.5)), max(1, math.floor(height * factor + 0.5))

    def passes(self, size: Size, scale: int) -> int:
        """Number of passes through a network of ``scale`` until no side is below the target's.

        Raises:
            ConfigError: a network that keeps the size cannot enlarge, or the factor is above
                ``LARGEST_FACTOR``.
        """
        target = self.of(size)
        factor = max(wanted / side for wanted, side in zip(target, size, strict=True))
        if factor > LARGEST_FACTOR and max(target) > 1:
            raise ConfigError(
                f"{target[0]}x{target[1]} pixels are {factor:.0f} times the picture's "
                f"{size[0]}x{size[1]}; at most {LARGEST_FACTOR} times is offered."
            )
        if scale == 1:
            if factor > 1:
                raise ConfigError(
                    "This model keeps the size of a picture; it cannot make it larger.",
                    remedy="Choose a model that enlarges, or leave the size out.",
                )
            return 1
        count = 1
        while any(side * scale**count < wanted for wanted, side in zip(target, size, strict=True)):
            count += 1
        return count


def resize_picture(picture: Picture, size: Size) -> Picture:
    """Resize a picture with MATLAB's bicubic kernel, transparency with it.

    Args:
        picture: any. size: (width, height).
    Raises:
        ShapeError: an empty size.
    """
    if picture.size == size:
        return picture
    if min(size) < 1:
        raise ShapeError(f"A picture cannot be resized to {size[0]}x{size[1]} pixels.")
    pixels = np.clip(imresize(picture.pixels, size=(size[1], size[0])), 0, 1)
    alpha = None if picture.alpha is None else resize_alpha(picture.alpha, size)
    return replace(picture, pixels=pixels, alpha=alpha)


def size_notes(target: Size, reached: Size, passes: int) -> list[str]:
    """Notes on how a size was reached: several passes, and a reduction after them."""
    notes = []
    if passes > 1:
        notes.append(f"The network ran {passes} times, each time over the result before.")
    if reached != target:
        notes.append(
            f"The network made {reached[0]}x{reached[1]} pixels; bicubic interpolation (MATLAB's) "
            f"reduced them to {target[0]}x{target[1]}."
        )
    return notes


def steps_to_size(
    picture: Picture,
    size: Size,
    tiles: Sequence[int],
    areas: Sequence[int],
    run: Callable[[Picture], Iterator[Step]],
) -> Iterator[Step]:
    """Run passes over a picture, each over the result of the one before, then reduce the last.

    Args:
        picture: decoded. size: of the result, (width, height), which the passes reach.
        tiles, areas: runs of the network, and pixels it sees, in each pass.
        run: steps of one pass.
    Yields:
        ``Step``, of all passes together; the last carries the result.
    """
    start, given = time.perf_counter(), picture.size
    done, total = 0, sum(tiles)
    for index, area in enumerate(areas):
        later = sum(areas[index + 1 :]) / area  # time of the passes after this one, in its own
        for step in run(picture):
            seconds, left = time.perf_counter() - start, step.seconds_left
            if left is not None:
                left += (step.seconds + left) * later
            if step.picture is None and step.total == tiles[index]:
                yield Step(done + step.done, total, seconds, left)
        assert step.picture is not None
        assert step.report is not None
        picture, report, done = step.picture, step.report, done + step.done
        if index + 1 < len(areas):
            yield Step(done, total, time.perf_counter() - start, step.seconds * later)
    notes = (*picture.notes, *size_notes(size, picture.size, len(areas)))
    picture = replace(resize_picture(picture, size), notes=notes)
    image, seconds = images.to_pil(picture), time.perf_counter() - start
    report = replace(
        report,
        tiles=done,
        seconds=seconds,
        input_size=given,
        output_size=size,
        notes=notes,
        passes=len(areas),
    )
    yield Step(done, done, seconds, 0.0, image, picture, report)
