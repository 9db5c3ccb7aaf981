"""Hooks on the blocks of a network, and the probe that runs it over a picture to see inside.

A probing run is an ordinary one without gradients; hooks are shown the map of tokens before or
after each block, and nothing outlives the run but what they copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from swin2sr import images
from swin2sr.config import RestorationConfig
from swin2sr.errors import ConfigError, KindError
from swin2sr.images.colour import full_range_luma
from swin2sr.inference.engine import evaluating
from swin2sr.inference.upscaler import Upscaler
from swin2sr.models.restoration import RestorationNetwork, Trunk
from swin2sr.nn.blocks import Block, BlockHook

_BARE_NETWORKS = threading.RLock()  # one probing run at a time, where no Upscaler brings its lock


class _EndOfRunError(Exception):
    """All that was wanted has been shown: the run need not go on."""


@dataclass(frozen=True)
class PreHook:
    """Hook that is shown what goes into a block: the (B, H, W, dim) map, overwritten later."""

    call: Callable[[Block, Tensor], None]

    def before(self, block: Block, tokens: Tensor) -> None:
        """Call with what goes in."""
        self.call(block, tokens)

    def after(self, block: Block, tokens: Tensor) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class PostHook:
    """Hook that is shown what comes out of a block, as ``PreHook`` what goes in."""

    call: Callable[[Block, Tensor], None]

    def before(self, block: Block, tokens: Tensor) -> None:
        """Do nothing."""

    def after(self, block: Block, tokens: Tensor) -> None:
        """Call with what comes out."""
        self.call(block, tokens)


def _end_run(block: Block, tokens: Tensor) -> None:
    raise _EndOfRunError


@dataclass(frozen=True)
class Probe:
    """Network and picture ready for probing runs."""

    trunk: Trunk  # the network without its head
    pixels: Tensor  # (1, C, H, W) float32 in 0..1, on the network's device
    blocks: tuple[Block, ...]  # its layers in order
    labels: tuple[str, ...]  # of each, such as "group 2, layer 3"
    lock: AbstractContextManager[Any]  # held while it runs: hooks see nobody else's pictures

    @classmethod
    def of(cls, model: Any, image: Any) -> Self:
        """Make the probe of a model and a picture.

        Args:
            model: an ``Upscaler``, a restoration network (Swin2SR or SwinIR), or its trunk.
            image: anything ``Upscaler`` takes; a network of one channel sees its brightness.
        Raises:
            KindError: a model of another kind. ImageError: a picture that cannot be used.
        """
        trunk = _trunk_of(model)
        pixels = images.decode(image).pixels
        if trunk.config.num_channels == 1:
            pixels = full_range_luma(pixels)[..., None]
        planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        parameter = next(trunk.parameters())
        lock = model.lock if isinstance(model, Upscaler) else _BARE_NETWORKS
        blocks, labels = layers_of(trunk), layer_labels(trunk.config)
        return cls(trunk, planes.to(parameter.device), blocks, labels, lock)

    @property
    def size(self) -> tuple[int, int]:
        """Size of the picture, (height, width)."""
        return self.pixels.shape[2], self.pixels.shape[3]

    @property
    def padded(self) -> tuple[int, int]:
        """Size of the maps of tokens, (height, width), whole windows."""
        window = self.trunk.config.window_size
        height, width = (-(-side // window) * window for side in self.size)
        return height, width

    def layer_indices(self, layers: Sequence[int] | int | None) -> list[int]:
        """Check indices of layers, counted over all groups; see ``checked_indices``."""
        return checked_indices("layer", layers, len(self.blocks))

    def head_count(self, layers: Sequence[int]) -> int:
        """Number of heads of some layers, given by their indices.

        Raises:
            ConfigError: the layers have different numbers of heads.
        """
        counts = {self.blocks[index].attention.heads for index in layers}
        if len(counts) > 1:
            raise ConfigError(
                f"The layers chosen have different numbers of heads ({sorted(counts)}).",
                remedy="Choose layers of one group.",
            )
        return counts.pop()

    def run(self, hooks: Mapping[Block, Sequence[BlockHook]], last: Block | None = None) -> None:
        """Run the trunk over the picture, without gradients, to its end or that of ``last``."""
        everywhere = {block: [*several] for block, several in hooks.items()}
        if last is not None:
            everywhere.setdefault(last, []).append(PostHook(_end_run))
        with self.lock, torch.inference_mode(), evaluating(self.trunk), attached(everywhere):
            try:
                self.trunk.features(self.trunk.prepare(self.pixels))
            except _EndOfRunError:
                return

    def collect(self, layers: Sequence[int], measure: Callable[[Block, Tensor], Any]) -> list[Any]:
        """Run to the last of some layers and return what ``measure`` makes of each one's input.

        Args:
            layers: their indices, in the order of the answers; one may be asked for twice.
            measure: given a block and the (1, H', W', dim) map that goes into it; called once a
                block. It copies what it returns: the map is overwritten later.
        """
        blocks = [self.blocks[index] for index in sorted(set(layers))]
        found: dict[Block, Any] = {}

        def store(block: Block, tokens: Tensor) -> None:
            found[block] = measure(block, tokens)

        self.run({block: [PreHook(store)] for block in blocks}, last=blocks[-1])
        return [found[self.blocks[index]] for index in layers]


def layer_labels(config: RestorationConfig) -> tuple[str, ...]:
    """Labels of the layers, in order: "group 1, layer 1" and so on."""
    return tuple(
        f"group {group + 1}, layer {layer + 1}"
        for group, depth in enumerate(config.depths)
        for layer in range(depth)
    )


def layers_of(model: Any) -> tuple[Block, ...]:
    """Layers of the network inside ``model`` in order, over all groups.

    Raises:
        KindError: a model of another kind.
    """
    return tuple(part for part in _trunk_of(model).groups.modules() if isinstance(part, Block))


def _trunk_of(model: Any) -> Trunk:
    inner = model.model if isinstance(model, Upscaler) else model
    return inner if isinstance(inner, Trunk) else network_of(model, "layers to inspect").trunk


def network_of(model: Any, lacking: str) -> RestorationNetwork:
    """Return the network, with its head, inside an ``Upscaler`` or given as it is.

    Args:
        model: what was given.
        lacking: what a model of another kind does not have, for the message: "groups to ablate".
    Raises:
        KindError: a model of another kind.
    """
    inner = model.model if isinstance(model, Upscaler) else model
    if isinstance(inner, RestorationNetwork):
        return inner
    raise KindError(
        f"{type(inner).__name__} has no {lacking}.",
        remedy="Give an Upscaler, or a Swin2SR or SwinIR network with its head.",
    )


def checked_indices(what: str, asked: Sequence[int] | int | None, count: int) -> list[int]:
    """Check indices below ``count``; None means all, a negative one counts from the end.

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
def attached(hooks: Mapping[Block, Sequence[BlockHook]]) -> Iterator[None]:
    """Attach hooks to blocks while the context lasts."""
    for block, several in hooks.items():
        block.hooks.extend(several)
    try:
        yield
    finally:
        for block, several in hooks.items():
            for hook in several:
                block.hooks.remove(hook)


@contextmanager
def removing(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    """Remove hooks of torch modules when the context ends."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
