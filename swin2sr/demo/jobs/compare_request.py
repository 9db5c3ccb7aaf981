"""What is compared: which models, on which picture, and what their results are held against.

The original is the picture itself, shrunk or compressed first as the papers do it ("test"), or one
that the person has ("given"); without either ("look") there is nothing to score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from swin2sr import images
from swin2sr.demo.messages import pixels
from swin2sr.demo.models import KINDS
from swin2sr.demo.service import LIMITS
from swin2sr.errors import ConfigError, ImageError
from swin2sr.images import Picture

RESULT_PIXELS = 8_000_000  # of each result: several are held and shown at once
TESTS = ("test", "given", "look")
QUALITIES = (1, 95)  # of JPEG, as a test may ask for it
LEAST_SCORED = 11  # pixels a side, after the border: the window of SSIM


@dataclass(frozen=True)
class Trial:
    """A comparison that somebody wants; anything may stand in it until ``checked``.

    Args:
        path: of the picture.
        kind: a key of ``KINDS``.
        test: one of ``TESTS``.
        models: of ``Kind.names``.
        quality: of JPEG in a test.
        original: path of what "given" holds the results against.
    """

    path: str | None
    kind: str
    test: str
    models: Sequence[str]
    quality: float = 10
    original: str | None = None

    def checked(self) -> Trial:
        """The same in the order in which models run.

        Raises:
            ConfigError: something that is not offered.
        """
        _require(self.kind, tuple(KINDS))
        _require(self.test, TESTS)
        offered = KINDS[self.kind].names
        if not isinstance(self.models, list | tuple) or not self.models:
            raise ConfigError("Choose at least one model.")
        for name in self.models:
            _require(name, offered)
        low, high = QUALITIES
        if type(self.quality) not in (int, float) or not low <= self.quality <= high:
            raise ConfigError(f"The JPEG quality is a number from {low} to {high}.")
        models = tuple(name for name in offered if name in self.models)
        return replace(self, models=models, quality=round(self.quality))


@dataclass(frozen=True)
class Pair:
    """What models are given, and what they should have made of it; uint8, (H, W, 3) or (H, W)."""

    given: np.ndarray
    original: np.ndarray | None
    notes: tuple[str, ...]


def make_pair(trial: Trial) -> Pair:
    """Read the picture and, where one is asked for, the original; make the test picture.

    Args:
        trial: checked.
    Raises:
        ImageError, ConfigError: pictures that cannot be used or do not go together.
    """
    kind = KINDS[trial.kind]
    picture, notes = _opaque(trial.path, "There is no picture yet.", "Upload or paste one.")
    given, original = picture, None
    if trial.test == "test":
        if min(picture.shape[:2]) < kind.scale:
            raise _too_small(picture, kind.scale)
        height, width = (side - side % kind.scale for side in picture.shape[:2])
        original = picture[:height, :width]
        given = kind.degradation(round(trial.quality))(original)
    elif trial.test == "given":
        original, more = _opaque(trial.original, "There is no original yet.", "Upload one.")
        original = _fitting(original, picture, kind.scale)
        notes = (*notes, *(f"Original: {note}" for note in more))
    width, height = given.shape[1] * kind.scale, given.shape[0] * kind.scale
    if width * height > RESULT_PIXELS:
        raise ImageError(
            f"Results would have {pixels((width, height))}; comparisons end at "
            f"{RESULT_PIXELS / 1e6:.0f} million.",
            code="too_many_pixels",
            remedy="Crop or shrink the picture.",
        )
    if original is not None and min(original.shape[:2]) < LEAST_SCORED + 2 * border(kind.scale):
        raise _too_small(original, kind.scale)
    return Pair(given, original, notes)


def border(scale: int) -> int:
    """Pixels at each side that are left out of scores."""
    return scale if scale > 1 else 0


def protocol(trial: Trial) -> str:
    """How input and scores are made, in a sentence or two.

    Args:
        trial: checked.
    """
    kind = KINDS[trial.kind]
    made = "Against your original."
    if trial.test == "test":
        steps = [f"shrunk to 1/{kind.scale} by MATLAB's bicubic"] if kind.scale > 1 else []
        steps += [f"saved as JPEG of quality {trial.quality:.0f}"] if kind.jpeg else []
        made = f"Against your picture, which was {' and '.join(steps)} first."
    left_out = border(kind.scale)
    where = f"{left_out} pixels at each border left out" if left_out else "no border left out"
    return f"{made} PSNR and SSIM on brightness (Y of BT.601) of the 8-bit files, {where}."


def _require(value: object, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{str(value)[:40]!r} is not offered; choose {', '.join(choices)}.")


def _opaque(path: str | None, missing: str, remedy: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A file as 8-bit pixels without transparency, and what was changed."""
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


def _fitting(original: np.ndarray, picture: np.ndarray, scale: int) -> np.ndarray:
    """An original as large as the results; rows and columns that shrinking drops are cut off.

    Raises:
        ImageError: "size", it does not fit.
    """
    wanted = (picture.shape[0] * scale, picture.shape[1] * scale)
    if any(not 0 <= a - b < scale for a, b in zip(original.shape, wanted, strict=False)):
        here, there = (pixels((one.shape[1], one.shape[0])) for one in (original, picture))
        raise ImageError(
            f"The original has {here}, but results of your picture of {there} will have "
            f"{pixels((wanted[1], wanted[0]))}.",
            code="size",
            remedy="Give the original that the picture was made from.",
        )
    return original[: wanted[0], : wanted[1]]


def _too_small(image: np.ndarray, scale: int) -> ImageError:
    least = LEAST_SCORED + 2 * border(scale)
    return ImageError(
        f"The picture has {pixels((image.shape[1], image.shape[0]))}; to be scored it needs "
        f"{least} a side.",
        code="too_small",
        remedy="Take a larger one, or only look.",
    )
