"""Training pairs: whole images in memory as bytes, random aligned patches out of them.

An epoch does not exist here. The batch of a step is a function of (seed, step) alone, so a run
that was interrupted sees the same patches as one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swin2sr.errors import ConfigError, ImageError
from swin2sr.resize import imresize

SUFFIXES = (".png", ".webp", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Pairs:
    """Low- and high-resolution images that belong together.

    ``lr[i]`` is (h, w, 3) uint8 and ``hr[i]`` is (h * scale, w * scale, 3) uint8.
    """

    scale: int
    lr: tuple[np.ndarray, ...]
    hr: tuple[np.ndarray, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.hr)


def read_images(folder: Path, scale: int, paths: Sequence[Path] | None = None) -> Pairs:
    """Read the images below a folder and make their small versions once.

    Args:
        folder: searched with its sub-folders, in the order of the relative paths.
        scale: each image is cropped to a multiple of it from the top left, then shrunk by it with
            MATLAB's bicubic kernel.
        paths: read only these instead of all.
    Returns:
        Pairs, colour: grey images get three equal channels, transparency is dropped.
    Raises:
        ConfigError: no images there. ImageError: one cannot be read, or is below 2 * scale pixels.
    """
    files = list(paths) if paths is not None else find_images(folder)
    if not files:
        raise ConfigError(f"No images in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    hr, names = [], []
    for path in files:
        try:
            with Image.open(path) as image:
                pixels = np.array(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ImageError(f"Cannot read {path.name!r}: {error}.", code="corrupt") from error
        height, width = (side - side % scale for side in pixels.shape[:2])
        if min(height, width) < 2 * scale:
            raise ImageError(f"{path.name!r} is too small to train on.", code="range")
        hr.append(np.ascontiguousarray(pixels[:height, :width]))
        names.append(path.relative_to(folder).as_posix())
    lr = tuple(imresize(image, 1 / scale) for image in hr)
    return Pairs(scale, lr, tuple(hr), tuple(names))


def find_images(folder: Path) -> list[Path]:
    """Every image file below ``folder``, by suffix, in the order of the relative paths."""
    found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def split(pairs: Pairs, held_out: int, side: int = 256) -> tuple[Pairs, Pairs]:
    """Set some images aside for validation.

    Args:
        pairs: at least ``held_out + 1`` of them when ``held_out`` > 0.
        held_out: how many; those whose names have the smallest sha256, so that adding images
            changes the choice little and nobody's taste enters it.
        side: validation sees the central ``side`` x ``side`` HR pixels of each, or less.
    Returns:
        (training pairs, validation pairs).
    Raises:
        ConfigError: too few images.
    """
    if held_out < 0 or held_out >= len(pairs):
        raise ConfigError(f"Cannot hold out {held_out} of {len(pairs)} images.")
    digests = [hashlib.sha256(name.encode()).digest() for name in pairs.names]
    order = sorted(range(len(pairs)), key=lambda i: digests[i])
    chosen = set(order[:held_out])
    rest = [i for i in range(len(pairs)) if i not in chosen]
    return _take(pairs, rest), _centres(_take(pairs, sorted(chosen)), side)


def sample(pairs: Pairs, patch: int, batch: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """The patches of one training step.

    Every position of every image is equally likely, then one of the eight flips and quarter
    turns. Images smaller than the patch are refused.

    Args:
        patch: side of the LR patch in pixels. batch: patches. seed, step: what decides them.
    Returns:
        lr (batch, 3, patch, patch) and hr (batch, 3, patch * scale, patch * scale), float32 0..1.
    Raises:
        ConfigError: an image is smaller than the patch.
    """
    places = np.array([(i.shape[0] - patch + 1, i.shape[1] - patch + 1) for i in pairs.lr])
    if len(places) == 0 or places.min() < 1:
        raise ConfigError(f"Every image must hold an LR patch of {patch}x{patch} pixels.")
    weights = places.prod(1)
    random = np.random.default_rng((seed, step))
    lr: list[np.ndarray] = []
    hr: list[np.ndarray] = []
    for index in random.choice(len(pairs), size=batch, p=weights / weights.sum()):
        top, left = (int(random.integers(limit)) for limit in places[index])
        turns, mirrored = int(random.integers(4)), bool(random.integers(2))
        for images, out, factor in ((pairs.lr, lr, 1), (pairs.hr, hr, pairs.scale)):
            rows = slice(top * factor, (top + patch) * factor)
            columns = slice(left * factor, (left + patch) * factor)
            piece = np.rot90(images[index][rows, columns], turns)
            out.append(piece[:, ::-1] if mirrored else piece)
    return _batch(lr), _batch(hr)


def _batch(patches: Iterable[np.ndarray]) -> Tensor:
    stacked = torch.from_numpy(np.stack(list(patches)))
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()


def _take(pairs: Pairs, indices: Sequence[int]) -> Pairs:
    return Pairs(
        pairs.scale,
        tuple(pairs.lr[i] for i in indices),
        tuple(pairs.hr[i] for i in indices),
        tuple(pairs.names[i] for i in indices),
    )


def _centres(pairs: Pairs, side: int) -> Pairs:
    """The central crop of each pair, aligned to the LR grid."""
    small = max(1, side // pairs.scale)
    lr: list[np.ndarray] = []
    hr: list[np.ndarray] = []
    for low, high in zip(pairs.lr, pairs.hr, strict=True):
        top, left = (max(0, (length - small) // 2) for length in low.shape[:2])
        lr.append(low[top : top + small, left : left + small])
        area = slice(top * pairs.scale, (top + small) * pairs.scale)
        across = slice(left * pairs.scale, (left + small) * pairs.scale)
        hr.append(high[area, across])
    return Pairs(pairs.scale, tuple(lr), tuple(hr), pairs.names)
