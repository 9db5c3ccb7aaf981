"""Teacher of distillation: a larger network's output on the training images, made once and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from swin2sr.errors import ConfigError
from swin2sr.inference.estimate import duration
from swin2sr.inference.upscaler import Upscaler
from swin2sr.training.data import Pairs, cache_key, cached, on_plane

SECONDS_BETWEEN_LINES = 10


def teach(
    pairs: Pairs,
    name: str,
    device: torch.device,
    cache: Path,
    say: Callable[[str], None],
) -> Pairs:
    """Add a teacher's output to pairs of images, from the cache or into it.

    Source: Hinton et al., arXiv 1503.02531, for the idea of a network's answers as targets.

    Args:
        pairs: training images.
        name: of the teacher: a registry name, Hub id, folder or file.
        device: to run it on.
        cache: folder of what was made before, by the same weights from the same images.
        say: receives a line now and then; this can take long.
    Returns:
        The pairs with ``taught``.
    Raises:
        ConfigError: a teacher of another scale or number of channels.
        WeightsError: it cannot be had. OutputError: the cache cannot be written.
    """
    teacher = Upscaler.from_pretrained(name, device=device, precision="float32")
    channels = pairs.hr[0].shape[2]
    if (teacher.scale, teacher.config.num_channels) != (pairs.scale, channels):
        raise ConfigError(
            f"The teacher {teacher.name!r} is of scale {teacher.scale} and "
            f"{teacher.config.num_channels} channels, the network of {pairs.scale} and {channels}.",
            remedy="Name a teacher of the same kind, or none.",
        )
    maker = f"taught by {teacher.sha256 or name}".encode()
    taught: list[np.ndarray] = []
    start = said = time.monotonic()
    for low, high in zip(pairs.lr, pairs.hr, strict=True):
        path = cache / f"{cache_key(low, maker + repr(low.shape).encode())}.taught"
        taught.append(cached(path, high.shape, partial(_output, teacher, low)))
        now = time.monotonic()
        if now - said > SECONDS_BETWEEN_LINES:
            said = now
            left = duration((now - start) / len(taught) * (len(pairs) - len(taught)))
            say(f"teacher: {len(taught)} of {len(pairs)} images, {left} left")
    say(f"teacher: {teacher.name!r} on {len(pairs)} images")
    return replace(pairs, taught=tuple(taught))


def _output(teacher: Upscaler, image: np.ndarray) -> np.ndarray:
    """Run the teacher on (h, w, C) uint8; (h * scale, w * scale, C) uint8."""
    return on_plane(lambda plane: np.array(teacher(Image.fromarray(plane))), image)
