"""Protocol of the papers: from an image's files to its input, from an output to its scores.

What the published scripts leave to the reader's eye is explicit here, and stands in one line beside
every number (``Protocol.signature``):

- Y is BT.601 in studio range; the border removed is the scale, none at scale 1.
- Grey images. The scripts for super-resolution count them as RGB with equal channels; the tables
  of most papers were computed on the grey value itself where the file has one channel, which alone
  moves Set14's mean by 0.09 dB. The scripts for JPEG score the grey value, too.
- Small images. Those distributed with Set14 and BSD100 were made by a MATLAB that repeats edge
  pixels; made by today's, which mirrors, bicubic scores up to 0.003 dB less.
- Grey JPEG tables of colour sets are on the 8-bit Y of the originals, compressed as grey images.

Source: evaluation scripts of mv-lab/swin2sr and JingyunLiang/SwinIR.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from eval.sets.datasets import Pair, as_rgb
from eval.sets.degradations import Degradation
from swin2sr import metrics
from swin2sr.errors import ConfigError, ShapeError

GREY = ("auto", "rgb", "raw")


@dataclass(frozen=True)
class Scores:
    """Scores of an output against its original, all of uint8 images.

    Args:
        psnr, ssim: dB and 0..1 on Y; of images that are scored as grey, on the grey value.
        psnr_rgb, ssim_rgb: over the three channels; of grey images as ``psnr`` and ``ssim``.
        psnr_b, psnr_b_y: PSNR with the blocking effect, over RGB and on Y; None except at scale 1.
    """

    psnr: float
    ssim: float
    psnr_rgb: float
    ssim_rgb: float
    psnr_b: float | None = None
    psnr_b_y: float | None = None


METRICS = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True)
class Protocol:
    """Protocol of scoring: what can be chosen about it.

    Args:
        grey: how images without colour are treated: "rgb" (equal channels), "raw" (one channel,
            scored on the grey value), or "auto": "raw" at scale 1, else "rgb", as the scripts.
        luma: reduce every image to its 8-bit Y first and treat it as grey, "raw".
        make_lr: make small images by our ``imresize`` even where there are files.
    Raises:
        ConfigError: another ``grey``, or one that contradicts ``luma``.
    """

    grey: str = "auto"
    luma: bool = False
    make_lr: bool = False

    def __post_init__(self) -> None:
        if self.grey not in GREY:
            raise ConfigError(f"grey must be one of {', '.join(GREY)}, not {self.grey!r}.")
        if self.luma and self.grey == "rgb":
            raise ConfigError("Luma images are grey: they are scored raw, not as RGB.")

    def grey_at(self, scale: int) -> str:
        """Treatment of grey at a scale: "rgb" or "raw"."""
        if self.luma or (self.grey == "auto" and scale == 1):
            return "raw"
        return "rgb" if self.grey == "auto" else self.grey

    def images(
        self, pair: Pair, scale: int, degradation: Degradation
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make a model's input and the image its output is compared with.

        Args:
            pair: from ``datasets.load``. scale: the benchmark's. degradation: what to do to it.
        Returns:
            Input (h, w, 3) or (h, w), original (h * scale, w * scale, ...), both uint8.
        Raises:
            ShapeError: an image smaller than the scale.
        """
        lr = None if pair.lr is None else self._view(pair.lr, scale)
        return degradation(self._view(pair.hr, scale), lr, scale)

    def score(self, sr: np.ndarray, hr: np.ndarray, scale: int) -> Scores:
        """Compare an output with its original.

        Args:
            sr, hr: uint8 of one shape, (H, W, 3) or (H, W). scale: gives the border.
        Raises:
            ShapeError: shapes that differ, or too small for the metrics. KindError: not uint8.
        """
        if sr.shape != hr.shape:
            raise ShapeError(f"The output is {sr.shape}, its original {hr.shape}.")
        border = scale if scale > 1 else 0
        y = "rgb" if sr.ndim == 2 else "y"  # of one channel, "rgb" compares the values as they are
        psnr, ssim = (f(sr, hr, border=border, channel=y) for f in (metrics.psnr, metrics.ssim))
        psnr_rgb, ssim_rgb = psnr, ssim
        if sr.ndim == 3:
            psnr_rgb = metrics.psnr(sr, hr, border=border, channel="rgb")
            ssim_rgb = metrics.ssim(sr, hr, border=border, channel="rgb")
        if scale > 1:
            return Scores(psnr, ssim, psnr_rgb, ssim_rgb)
        blocked = [metrics.psnr_b(sr, hr, channel=channel) for channel in ("rgb", y)]
        return Scores(psnr, ssim, psnr_rgb, ssim_rgb, *blocked)

    def signature(self, scale: int, padding: str, lr: str) -> str:
        """Signature: the protocol in one line; numbers compare only where signatures are equal.

        Args:
            scale: of the task. padding: "official", "minimal" or "none".
            lr: where inputs come from: "matlab", "imresize", "files", "realworld" or "none".
        """
        parts = ["Y:bt601", f"crop:{scale if scale > 1 else 0}", f"pad:{padding}", f"lr:{lr}"]
        parts += ["uint8", f"grey:{self.grey_at(scale)}"]
        return "|".join([*parts, "luma"] if self.luma else parts)

    def _view(self, image: np.ndarray, scale: int) -> np.ndarray:
        """View of an image from a file under this protocol."""
        if self.luma and image.ndim == 3:
            return np.round(metrics.luma(image)).astype(np.uint8)
        return image if self.grey_at(scale) == "raw" else as_rgb(image)


def headline(scale: int, degradation: str) -> tuple[str, str]:
    """Headline metrics, the two of ``METRICS`` that papers print for a task: Y; RGB with JPEG."""
    return ("psnr_rgb", "ssim_rgb") if "jpeg" in degradation or scale == 1 else ("psnr", "ssim")


def lr_source(origins: set[str]) -> str:
    """Source of the LR images of a set, in one word.

    Args:
        origins: of ``Pair.lr_origin``.
    Returns:
        "matlab": files, each equal to MATLAB's bicubic; "imresize": made here; "files": others;
        "realworld": damaged here; "none": no LR images.
    """
    if origins in ({"none"}, {"realworld"}):
        return min(origins)
    if origins <= {"made"}:
        return "imresize"
    return "matlab" if origins <= {"mirror", "edge"} else "files"
