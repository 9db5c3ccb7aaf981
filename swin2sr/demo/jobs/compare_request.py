"""Compare request: models, picture, and the original that their results are held against.

The original is the picture itself, shrunk or compressed first as the papers do it ("test"), or one
that the person has ("given"); without either ("look") there is nothing to score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from swin2sr import images
from swin2sr.demo.messages import size_text
from swin2sr.demo.models import COMPARE_TASKS, check_offered
from swin2sr.demo.service import LIMITS
from swin2sr.errors import ConfigError, ImageError
from swin2sr.images import Picture

RESULT_PIXELS = 8_000_000  # of each result: several are held and shown at once
REFERENCE_MODES = ("test", "given", "look")
JPEG_QUALITIES = (1, 95)  # of JPEG, as a test may ask for it
LEAST_SCORED = 11  # pixels a side, after the border: the window of SSIM


@dataclass(frozen=True)
class CompareRequest:
    """Request of a comparison; anything may stand in it until ``validated``.

    Args:
        path: of the picture.
        task: a key of ``COMPARE_TASKS``.
        mode: one of ``REFERENCE_MODES``.
        models: of ``CompareTask.names``.
        quality: of JPEG in a test.
        original: path of what "given" holds the results against.
    """

    path: str | None
    task: str
    mode: str
    models: Sequence[str]
    quality: float = 10
    original: str | None = None

    def validated(self) -> CompareRequest:
        """Validate the request; returns it with the models in the order in which they run.

        Raises:
            ConfigError: something that is not offered.
        """
        check_offered(self.task, COMPARE_TASKS)
        check_offered(self.mode, REFERENCE_MODES)
        offered = COMPARE_TASKS[self.task].names
        if not isinstance(self.models, list | tuple) or not self.models:
            raise ConfigError("Choose at least one model.")
        for name in self.models:
            check_offered(name, offered)
        low, high = JPEG_QUALITIES
        if type(self.quality) not in (int, float) or not low <= self.quality <= high:
            raise ConfigError(f"The JPEG quality is a number from {low} to {high}.")
        models = tuple(name for name in offered if name in self.models)
        return replace(self, models=models, quality=round(self.quality))


@dataclass(frozen=True)
class ImagePair:
    """Input of the models and their original, uint8, (H, W, 3) or (H, W); and notes for people."""

    given: np.ndarray
    original: np.ndarray | None
    notes: tuple[str, ...]


def make_image_pair(request: CompareRequest) -> ImagePair:
    """Read the picture and, where one is asked for, the original; make the test picture.

    Args:
        request: validated.
    Raises:
        ImageError, ConfigError: pictures that cannot be used or do not go together.
    """
    task = COMPARE_TASKS[request.task]
    picture, notes = _read_opaque(request.path, "There is no picture yet.", "Upload or paste one.")
    given, original = picture, None
    if request.mode == "test":
        if min(picture.shape[:2]) < task.scale:
            raise _too_small_error(picture, task.scale)
        height, width = (side - side % task.scale for side in picture.shape[:2])
        original = picture[:height, :width]
        given = task.degradation(round(request.quality))(original)
    elif request.mode == "given":
        original, more = _read_opaque(request.original, "There is no original yet.", "Upload one.")
        original = _crop_original(original, picture, task.scale)
        notes = (*notes, *(f"Original: {note}" for note in more))
    width, height = given.shape[1] * task.scale, given.shape[0] * task.scale
    if width * height > RESULT_PIXELS:
        raise ImageError(
            f"Results would have {size_text((width, height))}; comparisons end at "
            f"{RESULT_PIXELS / 1e6:.0f} million.",
            code="too_many_pixels",
            remedy="Crop or shrink the picture.",
        )
    if original is not None and min(original.shape[:2]) < LEAST_SCORED + 2 * score_border(
        task.scale
    ):
        raise _too_small_error(original, task.scale)
    return ImagePair(given, original, notes)


def score_border(scale: int) -> int:
    """Border in pixels that is left out of scores at each side."""
    return scale if scale > 1 else 0


def protocol_text(request: CompareRequest) -> str:
    """Protocol of input and scores, in a sentence or two.

    Args:
        request: validated.
    """
    task = COMPARE_TASKS[request.task]
    made = "Against your original."
    if request.mode == "test":
        steps = [f"shrunk to 1/{task.scale} by MATLAB's bicubic"] if task.scale > 1 else []
        steps += [f"saved as JPEG of quality {request.quality:.0f}"] if task.jpeg else []
        made = f"Against your picture, which was {' and '.join(steps)} first."
    left_out = score_border(task.scale)
    where = f"{left_out} pixels at each border left out" if left_out else "no border left out"
    return f"{made} PSNR and SSIM on brightness (Y of BT.601) of the 8-bit files, {where}."


def _read_opaque(path: str | None, missing: str, remedy: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode a file to 8-bit pixels without transparency; returns them and what was changed."""
    if path is None:
        raise ImageError(missing, code="empty", remedy=remedy)
    picture = images.decode(path, limits=LIMITS)
    notes = picture.notes
    if picture.alpha is not None:
        opacity = picture.alpha[..., None]
        flat = picture.pixels * opacity + (1 - opacity)
        picture = Picture(flat, grey=picture.grey)
        notes = (*notes, "Transparent parts were laid on white.")
    return np.asarray(images.to_pil(picture)), notes


def _crop_original(original: np.ndarray, picture: np.ndarray, scale: int) -> np.ndarray:
    """Crop an original to the size of the results: shrinking drops the last rows and columns.

    Raises:
        ImageError: "size", it does not fit.
    """
    wanted = (picture.shape[0] * scale, picture.shape[1] * scale)
    if any(not 0 <= a - b < scale for a, b in zip(original.shape, wanted, strict=False)):
        here, there = (size_text((one.shape[1], one.shape[0])) for one in (original, picture))
        raise ImageError(
            f"The original has {here}, but results of your picture of {there} will have "
            f"{size_text((wanted[1], wanted[0]))}.",
            code="size",
            remedy="Give the original that the picture was made from.",
        )
    return original[: wanted[0], : wanted[1]]


def _too_small_error(image: np.ndarray, scale: int) -> ImageError:
    least = LEAST_SCORED + 2 * score_border(scale)
    return ImageError(
        f"The picture has {size_text((image.shape[1], image.shape[0]))}; to be scored it needs "
        f"{least} a side.",
        code="too_small",
        remedy="Take a larger one, or only look.",
    )
