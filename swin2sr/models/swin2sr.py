"""The public Swin2SR classes, with Hugging Face's names and semantics."""

from __future__ import annotations

from typing import ClassVar

from swin2sr.models.pretrained import Pretrained
from swin2sr.models.restoration import RestorationNetwork, Trunk


class Swin2SRModel(Trunk, Pretrained):
    """The network without its head: image to features. See ``Trunk.forward``."""

    has_head: ClassVar[bool] = False


class Swin2SRForImageSuperResolution(RestorationNetwork, Pretrained):
    """The whole network: image to image. See ``RestorationNetwork.forward``."""

    has_head: ClassVar[bool] = True

    @property
    def swin2sr(self) -> Trunk:
        """The network without its head (Hugging Face's name for ``trunk``)."""
        return self.trunk
