"""What is looked at: the network inside whatever was given, and the picture as it sees it.

A run made to look inside is an ordinary one without gradients; watchers are shown the map of tokens
before and after each block, and nothing is kept but what they take.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swin2sr import images
from swin2sr.config import RestorationConfig
from swin2sr.errors import ConfigError, KindError
from swin2sr.images.colour import brightness
from swin2sr.inference.upscaler import Upscaler
from swin2sr.models.restoration import RestorationNetwork, Trunk
from swin2sr.nn.blocks import Block, Watcher

_ONE_AT_A_TIME = threading.RLock()  # for networks that nobody else knows to be in use


class _EnoughError(Exception):
    """The run need not go on: all that was wanted has been seen."""


@dataclass(frozen=True)
class Subject:
    """A network and a picture in its form.

    Attributes:
        trunk: the network without its head.
        network: the network with its head, None for a bare trunk.
        pixels: (1, C, H, W) float32 in 0..1, on the network's device.
        lock: held while the network runs, so that watchers see nobody else's pictures.
        blocks: its layers in order; a label such as "group 2, layer 3" for each in ``labels``.
    """

    trunk: Trunk
    network: RestorationNetwork | None
    pixels: Tensor
    blocks: tuple[Block, ...]
    labels: tuple[str, ...]
    lock: AbstractContextManager[Any]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return self.pixels.shape[2], self.pixels.shape[3]

    @property
    def padded(self) -> tuple[int, int]:
        """(height, width) of the maps of tokens, whole windows."""
        window = self.trunk.config.window_size
        height, width = (-(-side // window) * window for side in self.size)
        return height, width


def subject(model: Any, image: Any) -> Subject:
    """The network inside ``model`` and ``image`` as it sees it.

    Args:
        model: an ``Upscaler``, a restoration network (Swin2SR or SwinIR), or its trunk.
        image: anything ``Upscaler`` takes; a network of one channel sees its brightness.
    Raises:
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    trunk, network = _parts(model)
    pixels = images.decode(image).pixels
    if trunk.config.num_channels == 1:
        pixels = brightness(pixels)[..., None]
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    parameter = next(trunk.parameters())
    lock = model.lock if isinstance(model, Upscaler) else _ONE_AT_A_TIME
    layers, labels = layers_of(trunk), layer_labels(trunk.config)
    return Subject(trunk, network, planes.to(parameter.device), layers, labels, lock)


def layer_labels(config: RestorationConfig) -> tuple[str, ...]:
    """What the layers are called, in order: "group 1, layer 1" and so on."""
    return tuple(
        f"group {group + 1}, layer {layer + 1}"
        for group, depth in enumerate(config.depths)
        for layer in range(depth)
    )


def layers_of(model: Any) -> tuple[Block, ...]:
    """The layers of the network inside ``model`` in order, over all groups.

    Raises:
        KindError: a model of another kind.
    """
    trunk, _ = _parts(model)
    return tuple(part for part in trunk.groups.modules() if isinstance(part, Block))


def _parts(model: Any) -> tuple[Trunk, RestorationNetwork | None]:
    """The network without and with its head."""
    inner = model.model if isinstance(model, Upscaler) else model
    if isinstance(inner, RestorationNetwork):
        return inner.trunk, inner
    if isinstance(inner, Trunk):
        return inner, None
    raise KindError(
        f"{type(inner).__name__} cannot be looked into.",
        remedy="Give an Upscaler, or a Swin2SR or SwinIR network.",
    )


def chosen_layers(subject: Subject, layers: Sequence[int] | int | None) -> list[int]:
    """Checked indices of layers, counted over all groups; None means all, negative from the end.

    Raises:
        ConfigError: a layer that the network does not have.
    """
    return checked_choice("layer", layers, len(subject.blocks))


def checked_choice(what: str, asked: Sequence[int] | int | None, count: int) -> list[int]:
    """Indices below ``count``; None means all, a negative one counts from the end.

    Raises:
        ConfigError: an index out of range, or none at all.
    """
    if asked is None:
        return list(range(count))
    wanted = [asked] if isinstance(asked, int) else list(asked)
    for index in wanted:
        if isinstance(index, bool) or not isinstance(index, int) or not -count <= index < count:
            raise ConfigError(f"There is no {what} {index!r}; {what}s are 0 to {count - 1}.")
    if not wanted:
        raise ConfigError(f"At least one {what} must be chosen.")
    return [index % count for index in wanted]


@contextmanager
def watching(watchers: Mapping[Block, Sequence[Watcher]]) -> Iterator[None]:
    """Show each block's maps to its watchers while the context lasts."""
    for block, several in watchers.items():
        block.watchers.extend(several)
    try:
        yield
    finally:
        for block, several in watchers.items():
            for watcher in several:
                block.watchers.remove(watcher)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode while the context lasts, every part's own mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def run(
    subject: Subject, watchers: Mapping[Block, Sequence[Watcher]], last: Block | None = None
) -> None:
    """Run the trunk over the picture, without gradients.

    Args:
        subject: what to run.
        watchers: who is shown the maps of which block.
        last: the block after which the run ends; None runs to the end.
    """
    everyone = {block: [*several] for block, several in watchers.items()}
    if last is not None:
        everyone.setdefault(last, []).append(_Stop())
    with subject.lock, torch.inference_mode(), evaluating(subject.trunk), watching(everyone):
        try:
            subject.trunk.features(subject.trunk.prepare(subject.pixels))
        except _EnoughError:
            return


class _Stop:
    """Ends a run after a block."""

    def before(self, block: Block, tokens: Tensor) -> None:
        """Nothing to do."""

    def after(self, block: Block, tokens: Tensor) -> None:
        """Enough."""
        raise _EnoughError


@dataclass(frozen=True)
class Before:
    """A watcher of what goes into a block."""

    look: Callable[[Block, Tensor], None]

    def before(self, block: Block, tokens: Tensor) -> None:
        """Look."""
        self.look(block, tokens)

    def after(self, block: Block, tokens: Tensor) -> None:
        """Nothing to see."""


@dataclass(frozen=True)
class After:
    """A watcher of what comes out of a block."""

    look: Callable[[Block, Tensor], None]

    def before(self, block: Block, tokens: Tensor) -> None:
        """Nothing to see."""

    def after(self, block: Block, tokens: Tensor) -> None:
        """Look."""
        self.look(block, tokens)
