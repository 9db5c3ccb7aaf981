"""Outputs of the models: dataclasses that also read as tuples and mappings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor


@dataclass
class ModelOutput:
    """Output read by field (``out.loss``), by name (``out["loss"]``) or by place (``out[0]``).

    Places, names and iteration skip the fields that are None.
    """

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the fields that are not None, in order."""
        return tuple(self.values())

    def items(self) -> list[tuple[str, Any]]:
        """Return (name, value) of the fields that are not None, in order."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        return [(name, value) for name, value in pairs if value is not None]

    def keys(self) -> list[str]:
        """Return the names of the fields that are not None."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Any]:
        """Return the values of the fields that are not None."""
        return [value for _, value in self.items()]

    def __getitem__(self, key: str | int | slice) -> Any:
        return dict(self.items())[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.items())


@dataclass
class FeatureOutput(ModelOutput):
    """Features of a network without its head.

    Attributes:
        last_hidden_state: (B, embed_dim, H', W') features, H' and W' the padded input's sides.
        hidden_states: on request, per group and once before them: (B, H'*W', embed_dim).
        attentions: on request, one per layer: (B * windows, heads, N, N), rows sum to 1, windows
            image-major, then row, then column, in the frame rolled by the layer's shift.
    """

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class ImageSuperResolutionOutput(ModelOutput):
    """Restored image and, on request, loss, hidden states, attention and auxiliary image.

    Attributes:
        loss: scalar, when labels were given.
        reconstruction: (B, num_channels_out, H*upscale, W*upscale), about 0..1, not clamped.
        hidden_states, attentions: as ``FeatureOutput``.
        aux: the clean small image (B, C, H, W), 0..1, of ``pixelshuffle_aux``, else None.
    """

    loss: Tensor | None = None
    reconstruction: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    aux: Tensor | None = None
