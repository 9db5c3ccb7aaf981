"""Degradations of an image before a model sees it, by the names that tables use."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Bicubic, Jpeg
from swin2sr.images.realworld import RealWorld

BICUBIC = "bicubic"
PAPERS_QUALITIES = (10, 20, 30, 40)
REALWORLD = {"realworld-light": 0.25, "realworld-mid": 0.5, "realworld-heavy": 1.0}  # strengths
_FORM = re.compile(r"(?:(bicubic)(?:\+(?=jpeg)|$))?(?:jpeg(\d+)(?:@(\d{3}))?)?")


@dataclass(frozen=True)
class Degradation:
    """Degradation: bicubic downscale, JPEG, the one and then the other, or real-world damage.

    Args:
        shrinks: whether the image is made smaller by the scale of the task.
        jpeg: the compression, or None.
        realworld: one of ``REALWORLD`` in place of both, or None. The content of an image is its
            seed, so that everybody damages it alike.
    """

    shrinks: bool
    jpeg: Jpeg | None
    realworld: str | None = None

    @classmethod
    def parse(cls, name: str) -> Degradation:
        """Read a name: "bicubic", "jpeg10", "bicubic+jpeg10", "jpeg10@444" (colour sampling).

        Names of ``REALWORLD`` are read, too.

        Raises:
            ConfigError: another name, or a quality or sampling that is not offered.
        """
        if name in REALWORLD:
            return cls(True, None, name)
        match = _FORM.fullmatch(name)
        if match is None or not name:
            raise ConfigError(
                f"Unknown degradation {name!r}.",
                remedy="Choose bicubic, bicubic+jpegQ or jpegQ (Q from 1 to 100), "
                f"with @444, @422 or @420 for the colours, or {', '.join(REALWORLD)}.",
            )
        shrinks, quality, sampling = match.groups()
        jpeg = None
        if quality is not None:
            jpeg = Jpeg(int(quality), ":".join(sampling or "420"))
        return cls(shrinks is not None, jpeg)

    @property
    def name(self) -> str:
        """Name that ``parse`` reads; the encoders' default sampling is not in it."""
        if self.realworld:
            return self.realworld
        parts = [BICUBIC] if self.shrinks else []
        if self.jpeg is not None:
            sampling = self.jpeg.subsampling.replace(":", "")
            parts.append(f"jpeg{self.jpeg.quality}" + ("" if sampling == "420" else f"@{sampling}"))
        return "+".join(parts)

    def suits(self, scale: int) -> bool:
        """Tell whether a task of this scale has such inputs: enlarging has images made smaller."""
        return self.shrinks == (scale > 1)

    def __call__(
        self, hr: np.ndarray, lr: np.ndarray | None, scale: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make a model's input.

        Args:
            hr: (H, W, 3) or (H, W) uint8. lr: its small image where there is one, else None.
            scale: factor between them.
        Returns:
            The input (h, w, ...) uint8, and ``hr`` cropped to the input's size times ``scale``.
        Raises:
            ShapeError: an image smaller than the scale.
        """
        if self.realworld:
            height, width = (side - side % scale for side in hr.shape[:2])
            hr = np.ascontiguousarray(hr[:height, :width])
            damage = RealWorld(scale, REALWORLD[self.realworld], seed=zlib.crc32(hr.tobytes()))
            return damage(hr), hr
        small = hr
        if self.shrinks:
            small = Bicubic(scale)(hr) if lr is None else lr
        height, width = (side * scale for side in small.shape[:2])
        return small if self.jpeg is None else self.jpeg(small), hr[:height, :width]


def usual(scale: int) -> tuple[Degradation, ...]:
    """Degradations that papers use for a scale: bicubic, or at scale 1 JPEG at four qualities."""
    if scale > 1:
        return (Degradation(True, None),)
    return tuple(Degradation(False, Jpeg(quality)) for quality in PAPERS_QUALITIES)
