"""Loading and saving: what every public model class shares with Hugging Face's."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from swin2sr import checkpoints
from swin2sr.config import RestorationConfig
from swin2sr.errors import OutputError, WeightsError
from swin2sr.filesystem import write_bytes


class Saved(nn.Module):
    """What every public class has: it is written as transformers reads it, counted and placed."""

    config: Any  # a Config, in each class its own

    @abstractmethod
    def hub_state(self) -> dict[str, Tensor]:
        """The parameters, by the names that transformers reads; SwinIR's, which it does not have,
        by those of the original, which other programs read."""

    @abstractmethod
    def trunk_module(self) -> Any:
        """The part whose groups or stages can be computed again in the backward pass."""

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
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{str(folder)!r} cannot be made: {error.strerror}.") from error
        write_bytes(Path(folder) / "model.safetensors", data)
        config.to_json_file(Path(folder) / "config.json")

    def gradient_checkpointing_enable(self) -> None:
        """In training, compute each group or stage again in the backward pass, keeping nothing."""
        self.trunk_module().gradient_checkpointing = True

    def gradient_checkpointing_disable(self) -> None:
        """Keep all activations again."""
        self.trunk_module().gradient_checkpointing = False

    def num_parameters(self, only_trainable: bool = False) -> int:
        """How many numbers the network has learned."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' precision, in which the network computes."""
        return next(self.parameters()).dtype


class Pretrained(Saved):
    """A restoration network with weights that can be found by name, loaded strictly and saved."""

    config: RestorationConfig
    config_class: ClassVar[type[RestorationConfig]]
    has_head: ClassVar[bool]

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Load published or own weights, in evaluation mode.

        Args:
            name: registry name, Hub id, folder, ``.safetensors`` or ``.pth``.
            revision: commit, branch or tag on the Hub.
            cache_dir: instead of the Hub's cache.
            local_files_only: never use the network.
            dtype: convert the weights, e.g. ``torch.bfloat16``; float32 by default.
        Raises:
            WeightsError: not found, unsafe, damaged, or for another network.
        """
        found = checkpoints.load(
            name,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            need_head=cls.has_head,
        )
        return cls.from_checkpoint(found, dtype=dtype)

    @classmethod
    def from_checkpoint(
        cls, found: checkpoints.Checkpoint, *, dtype: torch.dtype | None = None
    ) -> Self:
        """The model for weights that ``swin2sr.checkpoints.load`` found, in evaluation mode.

        Raises:
            WeightsError: wrong_model, when the weights are another network's, or a head is needed
                and they are a bare trunk.
        """
        wanted = cls.config_class
        if not isinstance(found.config, wanted):
            raise WeightsError(
                f"{found.name!r} is {checkpoints.describe(found.config)}, not {wanted.network}.",
                code="wrong_model",
                remedy=f"Load it as {found.config.network}, or with Upscaler, which takes both.",
            )
        if cls.has_head and not found.has_head:
            raise WeightsError(
                f"{found.name!r} is a trunk without reconstruction head.",
                code="wrong_model",
                remedy=f"Load it as {wanted.network}Model.",
            )
        model = cls(found.config)
        model.load_state_dict(model.own_names(dict(found.state)))
        return model.to(dtype=dtype).eval()

    @classmethod
    def own_names(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The part of native weights this class has, under its own names."""
        if cls.has_head:
            return state
        parts = {key.removeprefix("trunk."): value for key, value in state.items()}
        return {key: value for key, value in parts.items() if not key.startswith("head.")}

    def hub_state(self) -> dict[str, Tensor]:
        """See ``Saved``."""
        return checkpoints.to_hub(self.state_dict())

    def trunk_module(self) -> Any:
        """See ``Saved``."""
        return self.trunk if self.has_head else self
