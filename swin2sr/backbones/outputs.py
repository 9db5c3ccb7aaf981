"""Outputs of the backbones: dataclasses that also read as tuples and mappings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from swin2sr.models.outputs import ModelOutput


@dataclass
class BackboneModelOutput(ModelOutput):
    """Features of an image.

    Attributes:
        last_hidden_state: (B, tokens, hidden_size), normalised output of the last stage.
        pooler_output: (B, hidden_size), its mean over the tokens; None without pooling layer.
        hidden_states: on request, the embedded patches and each stage's output, patch merging
            included: (B, tokens, width), before the last norm.
        attentions: on request, one per layer (transformers: only the last of each stage):
            (B * windows, heads, N, N), rows sum to 1, windows image-major, then row, then column,
            in the frame rolled by the layer's shift.
        reshaped_hidden_states: ``hidden_states`` as maps (B, width, rows, columns).
    """

    last_hidden_state: Tensor
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    reshaped_hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class ImageClassifierOutput(ModelOutput):
    """Scores of an image's classes.

    Attributes:
        loss: scalar, when labels were given.
        logits: (B, num_labels), before softmax or sigmoid; for regression the numbers themselves.
        hidden_states, attentions, reshaped_hidden_states: as ``BackboneModelOutput``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    reshaped_hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class MaskedImageModelingOutput(ModelOutput):
    """Image completed where it was masked.

    Attributes:
        loss: scalar, when a mask was given.
        reconstruction: (B, num_channels, H, W).
        hidden_states, attentions, reshaped_hidden_states: as ``BackboneModelOutput``.
    """

    loss: Tensor | None = None
    reconstruction: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    reshaped_hidden_states: tuple[Tensor, ...] | None = None
