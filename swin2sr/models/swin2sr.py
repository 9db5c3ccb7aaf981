"""The public restoration classes: Swin2SR with Hugging Face's names and semantics, and SwinIR."""

from __future__ import annotations

from typing import ClassVar

from swin2sr import checkpoints
from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig
from swin2sr.models.pretrained import Pretrained
from swin2sr.models.restoration import RestorationNetwork, Trunk


class Swin2SRModel(Trunk, Pretrained):
    """Swin2SR without its head: image to features. See ``Trunk.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = Swin2SRConfig
    has_head: ClassVar[bool] = False


class Swin2SRForImageSuperResolution(RestorationNetwork, Pretrained):
    """Swin2SR: image to image. See ``RestorationNetwork.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = Swin2SRConfig
    has_head: ClassVar[bool] = True

    @property
    def swin2sr(self) -> Trunk:
        """The network without its head (Hugging Face's name for ``trunk``)."""
        return self.trunk


class SwinIRModel(Trunk, Pretrained):
    """SwinIR without its head: image to features. See ``Trunk.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = SwinIRConfig
    has_head: ClassVar[bool] = False


class SwinIRForImageRestoration(RestorationNetwork, Pretrained):
    """SwinIR: image to image. See ``RestorationNetwork.forward``."""

    config_class: ClassVar[type[RestorationConfig]] = SwinIRConfig
    has_head: ClassVar[bool] = True


RestorationModel = Swin2SRForImageSuperResolution | SwinIRForImageRestoration

_WHOLE: dict[str, type[RestorationModel]] = {
    Swin2SRConfig.model_type: Swin2SRForImageSuperResolution,
    SwinIRConfig.model_type: SwinIRForImageRestoration,
}


def restoration_model(config: RestorationConfig) -> RestorationModel:
    """A network with head, its weights random, of the class that belongs to ``config``."""
    return _WHOLE[config.model_type](config)


def from_checkpoint(found: checkpoints.Checkpoint) -> RestorationModel:
    """A network with the weights that ``swin2sr.checkpoints.load`` found, in evaluation mode.

    Raises:
        WeightsError: wrong_model, when they are a trunk without head.
    """
    return _WHOLE[found.config.model_type].from_checkpoint(found)
