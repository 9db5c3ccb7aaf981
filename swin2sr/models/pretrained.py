"""Base class of the public models: saving, gradient checkpointing, parameters, device, dtype."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swin2sr.filesystem import make_folder, write_bytes


class PretrainedModel(nn.Module):
    """Base class of the public models, with the methods that Hugging Face's have."""

    config: Any  # a Config, in each class its own

    @abstractmethod
    def hub_state(self) -> dict[str, Tensor]:
        """State dict by the names that transformers reads; SwinIR's, which it does not have, by
        those of the original, which other programs read."""

    @abstractmethod
    def trunk_module(self) -> Any:
        """Part whose groups or stages can be computed again in the backward pass."""

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` as transformers reads them.

        Each file appears whole or not at all.

        Raises:
            OutputError: the folder cannot be written.
        """
        from safetensors.torch import save

        state = self.hub_state()
        stored = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        values: dict[str, Any] = self.config.to_dict()
        values["architectures"] = [type(self).__name__]
        config = type(self.config).from_dict(values)
        data = save(stored, metadata={"format": "pt"})
        make_folder(folder)
        write_bytes(Path(folder) / "model.safetensors", data)
        config.to_json_file(Path(folder) / "config.json")

    def gradient_checkpointing_enable(self) -> None:
        """Compute each group or stage again in the backward pass of training, keeping nothing."""
        self.trunk_module().gradient_checkpointing = True

    def gradient_checkpointing_disable(self) -> None:
        """Keep all activations again."""
        self.trunk_module().gradient_checkpointing = False

    def num_parameters(self, only_trainable: bool = False) -> int:
        """Number of parameters, or of those that are still learned."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights, in which the network computes."""
        return next(self.parameters()).dtype
