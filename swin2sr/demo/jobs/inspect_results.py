"""Results of the inspect jobs, small enough to keep for a session, with numbers and words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swin2sr.demo.jobs.crop import Crop
from swin2sr.demo.messages import escape_markdown, size_text
from swin2sr.errors import ConfigError

MEAN, EVERY = "mean", "every"  # choices of heads that are no single head


@dataclass(frozen=True)
class AttentionResult:
    """Attention of one pixel in every layer and head.

    Args:
        model: registry name.
        crop: what was looked at.
        picture: (H, W, 3) uint8, the crop.
        maps: (layers, heads, h, w) float32, the surroundings of the pixel; all beyond is 0.
        corner: (x, y) in the crop where ``maps`` begins.
        labels: of the layers.
        windows: (window, shift) of each layer, in pixels.
        distance, entropy: (layers, heads) float64, of ``inspect.pixel_statistics``.
        flow: (H, W) float32 through all layers, of ``inspect.rollout``, if it was asked for.
    """

    model: str
    crop: Crop
    picture: np.ndarray
    maps: np.ndarray
    corner: tuple[int, int]
    labels: tuple[str, ...]
    windows: tuple[tuple[int, int], ...]
    distance: np.ndarray
    entropy: np.ndarray
    flow: np.ndarray | None

    @property
    def heads(self) -> int:
        """Number of heads of each layer."""
        return int(self.maps.shape[1])

    def full_maps(self, layers: slice = slice(None)) -> Tensor:
        """Maps of some layers over the whole crop, (layers, heads, H, W)."""
        chosen = torch.from_numpy(self.maps[layers])
        full = chosen.new_zeros(*chosen.shape[:2], self.crop.height, self.crop.width)
        left, top = self.corner
        full[:, :, top : top + chosen.shape[2], left : left + chosen.shape[3]] = chosen
        return full

    def block_index(self, number: Any) -> int:
        """Index of a block that is asked for by its number from 1, checked.

        Raises:
            ConfigError: the network has no such block.
        """
        count = len(self.labels)
        if isinstance(number, bool) or number not in range(1, count + 1):
            raise ConfigError(f"Block must be 1 to {count}, got {repr(number)[:20]}.")
        return int(number) - 1

    def head_maps(self, layer: int, heads: Any) -> dict[str, Tensor]:
        """Maps of a layer by title.

        Args:
            layer: index.
            heads: ``EVERY`` (their mean first), ``MEAN``, or a number from 1, as text or not.
        Raises:
            ConfigError: another choice.
        """
        (maps,) = self.full_maps(slice(layer, layer + 1))
        single = {f"head {number}": one for number, one in enumerate(maps, 1)}
        if heads == EVERY:
            return {"mean of heads": maps.mean(0), **single}
        if heads == MEAN:
            return {"mean of heads": maps.mean(0)}
        title = f"head {heads}"
        if title not in single:
            raise ConfigError(
                f"Heads must be {EVERY!r}, {MEAN!r} or 1 to {self.heads}, got {repr(heads)[:20]}."
            )
        return {title: single[title]}

    def numbers(self) -> dict[str, Any]:
        """Numbers of the result, for programs."""
        return {
            **_crop_fields(self.model, self.crop),
            "blocks": list(self.labels),
            "windows": [list(one) for one in self.windows],
            "distance": np.round(self.distance, 4).tolist(),
            "entropy": np.round(self.entropy, 4).tolist(),
        }

    def summary(self, layer: int) -> str:
        """Summary of a layer's attention, as Markdown."""
        window, shift = self.windows[layer]
        distance, entropy = self.distance[layer], self.entropy[layer]
        near, far = int(distance.argmin()), int(distance.argmax())
        shifted = f", shifted by {shift}" if shift else ", not shifted"
        return (
            f"{_subject_text(self.model, self.crop)}\n\n"
            f"**Block {layer + 1}** ({self.labels[layer]}; windows of {window}x{window} "
            f"pixels{shifted}): head {near + 1} looks nearest, {distance[near]:.1f} pixels away on "
            f"average, head {far + 1} farthest, {distance[far]:.1f}. The attention of all heads is "
            f"spread as if over {2 ** float(entropy.mean()):.0f} of {window**2} pixels."
        )


@dataclass(frozen=True)
class StatesResult:
    """Hidden states of a network over a crop, from its first convolution to its end.

    Args:
        model: registry name.
        crop: what was looked at.
        labels: of the depths.
        colours: (depth, H, W, 3) uint8, of ``inspect.pca_pictures``.
        norms: (depth, H, W, 3) uint8, of ``plots.norm_pictures``.
        norm_range: what the darkest and the brightest of ``norms`` stand for.
        channel_norms: (depth, C) float32, of ``inspect.channel_norms``.
    """

    model: str
    crop: Crop
    labels: tuple[str, ...]
    colours: np.ndarray
    norms: np.ndarray
    norm_range: tuple[float, float]
    channel_norms: np.ndarray

    def numbers(self) -> dict[str, Any]:
        """Numbers of the result, for programs."""
        return {
            **_crop_fields(self.model, self.crop),
            "depths": list(self.labels),
            "channel_norms": np.round(self.channel_norms.astype(float), 5).tolist(),
        }

    def summary(self) -> str:
        """Summary of the pictures, as Markdown."""
        first, last = (float(np.median(self.channel_norms[depth])) for depth in (0, -1))
        low, high = self.norm_range
        return (
            f"{_subject_text(self.model, self.crop)}\n\nThe middle channel's size goes from "
            f"{first:.3g} after the first convolution to {last:.3g} at the end of the trunk. In "
            f"the pictures of sizes, black is {low:.3g} or less and the brightest {high:.3g} or "
            "more, at every depth (root mean square of a pixel's channels, logarithmic)."
        )


@dataclass(frozen=True)
class AttributionResult:
    """Attribution of a patch of one network's output to the pixels of a crop.

    Args:
        model: registry name.
        crop: what was looked at.
        picture: (H, W, 3) uint8, the crop.
        patch: (x, y, side) of the patch, in pixels of the crop.
        map: (H, W) float32 in 0..1.
        diffusion_index: 0..100, of ``inspect.diffusion_index``.
        steps: of the path.
    """

    model: str
    crop: Crop
    picture: np.ndarray
    patch: tuple[int, int, int]
    map: np.ndarray
    diffusion_index: float
    steps: int

    @property
    def mean_distance(self) -> float:
        """Mean distance in pixels of what is involved from the patch's middle, by strength."""
        x, y, side = self.patch
        rows, columns = (np.arange(length) for length in self.map.shape)
        middle = (side - 1) / 2
        apart = np.hypot(rows[:, None] - y - middle, columns[None, :] - x - middle)
        return float((self.map * apart).sum() / max(float(self.map.sum()), 1e-30))

    def numbers(self) -> dict[str, Any]:
        """Numbers of the result, for programs."""
        return {
            **_crop_fields(self.model, self.crop),
            "box": list(self.patch),
            "steps": self.steps,
            "diffusion_index": round(self.diffusion_index, 3),
            "mean_distance": round(self.mean_distance, 3),
        }


def attribution_summary(several: tuple[AttributionResult, ...]) -> str:
    """Summary of the maps of one patch, as Markdown."""
    first = several[0]
    x, y, side = first.patch
    lines = [
        f"{_subject_text(first.model, first.crop)} The patch: {side}x{side} pixels from "
        f"({first.crop.left + x}, {first.crop.top + y}), {first.steps} steps.",
        *(
            f"**{escape_markdown(one.model)}**: diffusion index **{one.diffusion_index:.1f}**, "
            f"involved pixels {one.mean_distance:.1f} pixels from the patch's middle on average."
            for one in several
        ),
    ]
    lines.append(
        "The higher the index, the more of the crop takes part. It depends on the crop's size: "
        "only crops of one size compare."
    )
    return "\n\n".join(lines)


def _crop_fields(model: str, crop: Crop) -> dict[str, Any]:
    return {
        "model": model,
        "picture": list(crop.image_size),
        "crop": [crop.left, crop.top, crop.width, crop.height],
        "pixel": list(crop.image_pixel),
    }


def _subject_text(model: str, crop: Crop) -> str:
    x, y = crop.image_pixel
    return f"**{escape_markdown(model)}**, pixel ({x}, {y}), in {crop_text(crop)}."


def crop_text(crop: Crop) -> str:
    """Crop in words."""
    if crop.is_whole:
        return f"the whole picture of {size_text(crop.image_size)}"
    return (
        f"a crop of {size_text((crop.width, crop.height))} from ({crop.left}, {crop.top}) of "
        f"your {size_text(crop.image_size)}"
    )


def seconds_text(seconds: float) -> str:
    """Time to wait, in words."""
    return f"about {max(1, math.ceil(seconds))} s"
