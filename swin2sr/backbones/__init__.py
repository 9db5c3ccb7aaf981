"""Public backbones: Swin and SwinV2 with Hugging Face's names and semantics.

Where transformers gives a result ours is the same, with three differences that add: ``attentions``
holds every layer's matrices (transformers': the last of each stage), ``head_mask`` works, and
pictures of any shape can be completed. Two runs of one model do not depend on each other:
transformers' Swin keeps a window that it shrank for a small image.
"""

from __future__ import annotations

from typing import Any, ClassVar

from swin2sr.backbones.config import BackboneConfig, SwinConfig, Swinv2Config
from swin2sr.backbones.encoder import Backbone
from swin2sr.backbones.heads import ImageClassifier, MaskedImageModel
from swin2sr.backbones.pretrained import PretrainedBackbone

__all__ = [
    "SwinForImageClassification",
    "SwinForMaskedImageModeling",
    "SwinModel",
    "Swinv2ForImageClassification",
    "Swinv2ForMaskedImageModeling",
    "Swinv2Model",
]


class _Swin(PretrainedBackbone):
    """Configuration class of Swin, and Hugging Face's name for ``backbone``."""

    config_class: ClassVar[type[BackboneConfig]] = SwinConfig

    @property
    def swin(self) -> Any:
        """Network without its head; only beside a head."""
        return self.backbone


class _Swinv2(PretrainedBackbone):
    """Configuration class of SwinV2, and Hugging Face's name for ``backbone``."""

    config_class: ClassVar[type[BackboneConfig]] = Swinv2Config

    @property
    def swinv2(self) -> Any:
        """Network without its head; only beside a head."""
        return self.backbone


class SwinModel(Backbone, _Swin):
    """Swin: image to features. See ``Backbone``."""


class SwinForImageClassification(ImageClassifier, _Swin):
    """Swin: image to class. See ``ImageClassifier``."""


class SwinForMaskedImageModeling(MaskedImageModel, _Swin):
    """Swin: image with hidden patches to image. See ``MaskedImageModel``."""


class Swinv2Model(Backbone, _Swinv2):
    """SwinV2: image to features. See ``Backbone``."""


class Swinv2ForImageClassification(ImageClassifier, _Swinv2):
    """SwinV2: image to class. See ``ImageClassifier``."""


class Swinv2ForMaskedImageModeling(MaskedImageModel, _Swinv2):
    """SwinV2: image with hidden patches to image. See ``MaskedImageModel``."""
