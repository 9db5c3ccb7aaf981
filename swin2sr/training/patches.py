"""Patches in batches: random places, flips, turns and damage, decided by (seed, step) alone.

An epoch does not exist here. A run that was interrupted sees the same patches as one that was not,
and so do several processes that share a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.realworld import RealWorld
from swin2sr.training.data import Pairs, on_plane
from swin2sr.training.recipes import JPEG_BLOCK

_WHOLE = slice(None)


class Batch(NamedTuple):
    """Batch of patches of one step, float32 in 0..1.

    Attributes:
        lr: (B, C, patch, patch), what the network sees.
        hr: (B, C, patch * scale, patch * scale), what it should answer.
        clean: as ``lr`` before any compression; the same tensor when there is none.
        taught: as ``hr``, by the teacher; the same tensor when there is none.
    """

    lr: Tensor
    hr: Tensor
    clean: Tensor
    taught: Tensor

    def pinned(self) -> Self:
        """Batch in pinned memory, which a GPU can read while the processor works on."""
        return type(self)(*(tensor.pin_memory() for tensor in self))

    def to(self, device: torch.device) -> Self:
        """Batch on a device; a pinned one is on its way when this returns."""
        return type(self)(*(tensor.to(device, non_blocking=True) for tensor in self))


class Draw(NamedTuple):
    """Draw of a patch: everything that chance decides about it."""

    image: int  # its number
    top: int  # in LR pixels
    left: int
    turns: int  # quarter turns
    mirrored: int  # 0 or 1
    quality: int  # of the JPEG compression; 0 for none
    ranges: np.ndarray | None  # (2, C), what 0 and 255 become; None for the colours as they are
    damage: RealWorld | None  # what makes LR of HR, of any strength; None for bicubic


class Patches:
    """Patches of pairs of images: cuts out the batch of any step.

    Every position of every image is equally likely, then one of the eight flips and quarter turns.
    Patches that will be compressed are cut at multiples of 8 LR pixels, the corner of a JPEG
    block, and compressed after the turn: what comes out is what compression of the whole
    picture leaves there, with the blocks where the network's windows are, as in use.

    A recoloured patch has each channel stretched, often beyond recognition and sometimes inverted.
    Interpolation gives the stretched values of stretched ones, so LR is that of the new HR, up to
    rounding.

    Args:
        pairs: images to cut from.
        patch: side of the LR patch in pixels. batch: patches a step.
        seed: what decides, together with the step.
        quality: lowest and highest of the JPEG compression of LR; None for none.
        recolour: share of the patches that get other colours.
        flat: share of the patches that become one colour.
        realworld: damage HR patches at random instead of taking those of the small images.
    Raises:
        ConfigError: an image is smaller than the patch.
    """

    def __init__(
        self,
        pairs: Pairs,
        patch: int,
        batch: int,
        seed: int,
        quality: tuple[int, int] | None = None,
        recolour: float = 0.0,
        flat: float = 0.0,
        realworld: bool = False,
    ) -> None:
        self.pairs, self.patch, self.batch = pairs, patch, batch
        self.seed, self.quality = seed, quality
        self.recolour, self.flat, self.realworld = recolour, flat, realworld
        self.grid = 1 if quality is None else JPEG_BLOCK
        sides = np.array([image.shape[:2] for image in pairs.lr]).reshape(-1, 2)
        small = [n for n, side in zip(pairs.names, sides, strict=True) if side.min() < patch]
        if small or not len(pairs):
            least = patch * pairs.scale
            raise ConfigError(
                f"Images must have at least {least}x{least} pixels, to hold an LR patch of "
                f"{patch}x{patch}" + (f"; {len(small)} do not, as {small[0]!r}." if small else "."),
                remedy="Remove the small ones, or set a smaller patch." if small else "",
            )
        self.places = (sides - patch) // self.grid + 1  # (images, 2) rows and columns to choose of
        self.chances = self.places.prod(1) / self.places.prod(1).sum()

    def __call__(self, step: int, part: slice = _WHOLE) -> Batch:
        """Cut the patches of a step (0-based), or a part of them: the same as in the whole."""
        random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.pairs), size=self.batch, p=self.chances)
        # Everybody draws for all, so that everybody draws the same.
        draws = [self._draw(random, int(index)) for index in chosen]
        lr, clean, hr, *taught = zip(*map(self._cut, draws[part]), strict=True)
        small, large = _stacked(clean), _stacked(hr)
        return Batch(
            small if self.quality is None else _stacked(lr),
            large,
            small,
            _stacked(taught[0]) if taught else large,
        )

    def _draw(self, random: np.random.Generator, index: int) -> Draw:
        top, left = (int(random.integers(limit)) for limit in self.places[index])
        turns, mirrored = int(random.integers(4)), int(random.integers(2))
        quality = int(random.integers(*self.quality, endpoint=True)) if self.quality else 0
        ranges = None
        if self.recolour and random.random() < self.recolour:
            channels = self.pairs.hr[index].shape[2]
            ranges = 255 * random.beta(0.5, 0.5, (2, channels))  # mostly near the ends
        if self.flat and random.random() < self.flat:
            channels = self.pairs.hr[index].shape[2]
            ranges = np.tile(255 * random.beta(0.5, 0.5, channels), (2, 1))  # no range at all
        damage = None
        if self.realworld:
            seed = int(random.integers(2**32))
            damage = RealWorld(self.pairs.scale, random.random(), seed)
        top, left = top * self.grid, left * self.grid
        return Draw(index, top, left, turns, mirrored, quality, ranges, damage)

    def _cut(self, draw: Draw) -> list[np.ndarray]:
        """Cut a patch out: LR, LR before compression, HR, and the teacher's HR if there is one."""
        pairs = self.pairs
        sources = [(pairs.lr, 1), (pairs.hr, pairs.scale)]
        if pairs.taught:
            sources.append((pairs.taught, pairs.scale))
        pieces = []
        for images, factor in sources:
            rows = slice(draw.top * factor, (draw.top + self.patch) * factor)
            columns = slice(draw.left * factor, (draw.left + self.patch) * factor)
            piece = np.rot90(images[draw.image][rows, columns], draw.turns)
            piece = piece[:, ::-1] if draw.mirrored else piece
            pieces.append(piece if draw.ranges is None else _stretched(piece, draw.ranges))
        if draw.damage is not None:
            pieces[0] = on_plane(draw.damage, pieces[1])
        clean = pieces[0]
        lr = on_plane(Jpeg(draw.quality), clean) if draw.quality else clean
        return [lr, *pieces]


def prefetch(
    make: Callable[[int], Batch], steps: Iterable[int], depth: int = 2
) -> Generator[Batch, None, None]:
    """Prefetch the batches that ``make`` gives of ``steps``, in order: ``depth`` of them are made
    while the ones before are used, each by a thread of its own."""
    waiting: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(depth, thread_name_prefix="patches")
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _stretched(piece: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Stretch 0..255 of each channel of (H, W, C) uint8 to a range of its own."""
    table = np.rint(np.linspace(ranges[0], ranges[1], 256)).astype(np.uint8)  # (256, C)
    return np.stack([table[piece[..., c], c] for c in range(piece.shape[2])], axis=2)


def _stacked(patches: Iterable[np.ndarray]) -> Tensor:
    # Not by torch: in a thread of its own it would start a second crowd of workers.
    stacked = np.stack(list(patches)).transpose(0, 3, 1, 2)
    values = np.ascontiguousarray(stacked, dtype=np.float32)
    values /= 255
    return torch.from_numpy(values)
