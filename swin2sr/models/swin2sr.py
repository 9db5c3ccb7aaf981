"""Public restoration models: Swin2SR with Hugging Face's names and semantics, and SwinIR."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from swin2sr import checkpoints
from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig
from swin2sr.errors import WeightsError
from swin2sr.models.pretrained import PretrainedModel
from swin2sr.models.restoration import RestorationNetwork, Trunk


class PretrainedRestoration(PretrainedModel):
    """Restoration network with weights that are found by name, loaded strictly and saved."""

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
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
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
        """Build the model for weights that ``swin2sr.checkpoints.load`` found, in evaluation mode.

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
        """Select the part of native weights this class has, under its own names."""
        if cls.has_head:
            return state
        parts = {key.removeprefix("trunk."): value for key, value in state.items()}
        return {key: value for key, value in parts.items() if not key.startswith("head.")}

    def hub_state(self) -> dict[str, Tensor]:
        """See ``PretrainedModel``."""
        return checkpoints.to_hub(self.state_dict())

    def trunk_module(self) -> Any:
        """See ``PretrainedModel``."""
        return self.trunk if self.has_head else self


class Swin2SRModel(Trunk, PretrainedRestoration):
    """Swin2SR without its head: image to features. See ``Trunk.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = Swin2SRConfig
    has_head: ClassVar[bool] = False


class Swin2SRForImageSuperResolution(RestorationNetwork, PretrainedRestoration):
    """Swin2SR: image to image. See ``RestorationNetwork.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = Swin2SRConfig
    has_head: ClassVar[bool] = True

    @property
    def swin2sr(self) -> Trunk:
        """Network without its head (Hugging Face's name for ``trunk``)."""
        return self.trunk


class SwinIRModel(Trunk, PretrainedRestoration):
    """SwinIR without its head: image to features. See ``Trunk.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = SwinIRConfig
    has_head: ClassVar[bool] = False


class SwinIRForImageRestoration(RestorationNetwork, PretrainedRestoration):
    """SwinIR: image to image. See ``RestorationNetwork.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = SwinIRConfig
    has_head: ClassVar[bool] = True


RestorationModel = Swin2SRForImageSuperResolution | SwinIRForImageRestoration

_WHOLE: dict[str, type[RestorationModel]] = {
    Swin2SRConfig.model_type: Swin2SRForImageSuperResolution,
    SwinIRConfig.model_type: SwinIRForImageRestoration,
}


def restoration_model(config: RestorationConfig) -> RestorationModel:
    """Build a network with head and random weights, of the class that belongs to ``config``."""
    return _WHOLE[config.model_type](config)


def from_checkpoint(found: checkpoints.Checkpoint) -> RestorationModel:
    """Build the network for weights that ``swin2sr.checkpoints.load`` found, in evaluation mode.

    Raises:
        WeightsError: wrong_model, when they are a trunk without head.
    """
    return _WHOLE[found.config.model_type].from_checkpoint(found)
