"""What looking inside has found: small enough to keep for a visitor, with its numbers and words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swin2sr.demo.jobs.crop import Piece
from swin2sr.demo.messages import pixels, plain
from swin2sr.errors import ConfigError

MEAN, EVERY = "mean", "every"  # choices of heads that are no single head


@dataclass(frozen=True)
class Attended:
    """Whom one pixel attends to.

    Args:
        model: registry name.
        piece: what was looked at.
        picture: (H, W, 3) uint8, the piece.
        maps: (layers, heads, h, w) float32, the surroundings of the pixel; all beyond is 0.
        corner: (x, y) in the piece where ``maps`` begins.
        labels: of the layers.
        windows: (window, shift) of each layer, in pixels.
        distance, entropy: (layers, heads) float64, of ``inspect.pixel_statistics``.
        flow: (H, W) float32 through all layers, of ``inspect.rollout``, if it was asked for.
    """

    model: str
    piece: Piece
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
        """How many heads each layer has."""
        return int(self.maps.shape[1])

    def over_piece(self, layers: slice = slice(None)) -> Tensor:
        """The maps of some layers over the whole piece, (layers, heads, H, W)."""
        chosen = torch.from_numpy(self.maps[layers])
        full = chosen.new_zeros(*chosen.shape[:2], self.piece.height, self.piece.width)
        left, top = self.corner
        full[:, :, top : top + chosen.shape[2], left : left + chosen.shape[3]] = chosen
        return full

    def block(self, number: Any) -> int:
        """The index of a block that is asked for by its number from 1, checked.

        Raises:
            ConfigError: the network has no such block.
        """
        count = len(self.labels)
        if isinstance(number, bool) or number not in range(1, count + 1):
            raise ConfigError(f"Block must be 1 to {count}, got {repr(number)[:20]}.")
        return int(number) - 1

    def chosen(self, layer: int, heads: Any) -> dict[str, Tensor]:
        """Maps of a layer by title.

        Args:
            layer: index.
            heads: ``EVERY`` (their mean first), ``MEAN``, or a number from 1, as text or not.
        Raises:
            ConfigError: another choice.
        """
        (maps,) = self.over_piece(slice(layer, layer + 1))
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
        """All of it that is a number, for programs."""
        return {
            **_where(self.model, self.piece),
            "blocks": list(self.labels),
            "windows": [list(one) for one in self.windows],
            "distance": np.round(self.distance, 4).tolist(),
            "entropy": np.round(self.entropy, 4).tolist(),
        }

    def summary(self, layer: int) -> str:
        """What a layer's attention is like, as Markdown."""
        window, shift = self.windows[layer]
        distance, entropy = self.distance[layer], self.entropy[layer]
        near, far = int(distance.argmin()), int(distance.argmax())
        shifted = f", shifted by {shift}" if shift else ", not shifted"
        return (
            f"{_looked_at(self.model, self.piece)}\n\n"
            f"**Block {layer + 1}** ({self.labels[layer]}; windows of {window}x{window} "
            f"pixels{shifted}): head {near + 1} looks nearest, {distance[near]:.1f} pixels away on "
            f"average, head {far + 1} farthest, {distance[far]:.1f}. The attention of all heads is "
            f"spread as if over {2 ** float(entropy.mean()):.0f} of {window**2} pixels."
        )


@dataclass(frozen=True)
class States:
    """What a network makes of a piece, from its first convolution to its end.

    Args:
        model: registry name.
        piece: what was looked at.
        labels: of the depths.
        colours: (depth, H, W, 3) uint8, of ``inspect.pca_pictures``.
        sizes: (depth, H, W, 3) uint8, of ``plots.norm_pictures``.
        span: what the darkest and the brightest of ``sizes`` stand for.
        channels: (depth, C) float32, of ``inspect.channel_norms``.
    """

    model: str
    piece: Piece
    labels: tuple[str, ...]
    colours: np.ndarray
    sizes: np.ndarray
    span: tuple[float, float]
    channels: np.ndarray

    def numbers(self) -> dict[str, Any]:
        """All of it that is a number, for programs."""
        return {
            **_where(self.model, self.piece),
            "depths": list(self.labels),
            "channel_norms": np.round(self.channels.astype(float), 5).tolist(),
        }

    def summary(self) -> str:
        """What the pictures show, as Markdown."""
        first, last = (float(np.median(self.channels[depth])) for depth in (0, -1))
        low, high = self.span
        return (
            f"{_looked_at(self.model, self.piece)}\n\nThe middle channel's size goes from "
            f"{first:.3g} after the first convolution to {last:.3g} at the end of the trunk. In "
            f"the pictures of sizes, black is {low:.3g} or less and the brightest {high:.3g} or "
            "more, at every depth (root mean square of a pixel's channels, logarithmic)."
        )


@dataclass(frozen=True)
class Attributed:
    """Which pixels of a piece a patch of one network's output comes from.

    Args:
        model: registry name.
        piece: what was looked at.
        picture: (H, W, 3) uint8, the piece.
        box: (x, y, side) of the patch, in pixels of the piece.
        map: (H, W) float32 in 0..1.
        index: diffusion index, 0..100.
        steps: of the path.
    """

    model: str
    piece: Piece
    picture: np.ndarray
    box: tuple[int, int, int]
    map: np.ndarray
    index: float
    steps: int

    @property
    def radius(self) -> float:
        """Mean distance in pixels of what is involved from the patch's middle, by strength."""
        x, y, side = self.box
        rows, columns = (np.arange(length) for length in self.map.shape)
        middle = (side - 1) / 2
        apart = np.hypot(rows[:, None] - y - middle, columns[None, :] - x - middle)
        return float((self.map * apart).sum() / max(float(self.map.sum()), 1e-30))

    def numbers(self) -> dict[str, Any]:
        """All of it that is a number, for programs."""
        return {
            **_where(self.model, self.piece),
            "box": list(self.box),
            "steps": self.steps,
            "diffusion_index": round(self.index, 3),
            "mean_distance": round(self.radius, 3),
        }


def attributions_summary(several: tuple[Attributed, ...]) -> str:
    """What the maps of one patch show, as Markdown."""
    first = several[0]
    x, y, side = first.box
    lines = [
        f"{_looked_at(first.model, first.piece)} The patch: {side}x{side} pixels from "
        f"({first.piece.left + x}, {first.piece.top + y}), {first.steps} steps.",
        *(
            f"**{plain(one.model)}**: diffusion index **{one.index:.1f}**, involved pixels "
            f"{one.radius:.1f} pixels from the patch's middle on average."
            for one in several
        ),
    ]
    lines.append(
        "The higher the index, the more of the piece takes part. It depends on the piece's size: "
        "only pieces of one size compare."
    )
    return "\n\n".join(lines)


def _where(model: str, piece: Piece) -> dict[str, Any]:
    return {
        "model": model,
        "picture": list(piece.whole),
        "piece": [piece.left, piece.top, piece.width, piece.height],
        "pixel": list(piece.place),
    }


def _looked_at(model: str, piece: Piece) -> str:
    x, y = piece.place
    return f"**{plain(model)}**, pixel ({x}, {y}), in {describe_piece(piece)}."


def describe_piece(piece: Piece) -> str:
    """What is looked at, in words."""
    if piece.is_whole:
        return f"the whole picture of {pixels(piece.whole)}"
    return (
        f"a piece of {pixels((piece.width, piece.height))} from ({piece.left}, {piece.top}) of "
        f"your {pixels(piece.whole)}"
    )


def about_seconds(seconds: float) -> str:
    """A time to wait, in words."""
    return f"about {max(1, math.ceil(seconds))} s"
