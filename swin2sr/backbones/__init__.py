"""Public backbones: Swin and SwinV2 with Hugging Face's names and semantics.

Where transformers gives a result ours is the same, with three differences that add: ``attentions``
holds every layer's matrices (transformers': the last of each stage), ``head_mask`` works, and
pictures of any shape can be completed. Two runs of one model do not depend on each other:
transformers' Swin keeps a window that it shrank for a small image.
"""

from __future__ import annotations

from typing import ClassVar

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


class SwinModel(Backbone, PretrainedBackbone):
    """Swin: image to features. See ``Backbone``."""

    config_class: ClassVar[type[BackboneConfig]] = SwinConfig


class SwinForImageClassification(ImageClassifier, PretrainedBackbone):
    """Swin: image to class. See ``ImageClassifier``."""

    config_class: ClassVar[type[BackboneConfig]] = SwinConfig

    @property
    def swin(self) -> Backbone:
        """Network without its head (Hugging Face's name for ``backbone``)."""
        return self.backbone


class SwinForMaskedImageModeling(MaskedImageModel, PretrainedBackbone):
    """Swin: image with hidden patches to image. See ``MaskedImageModel``."""

    config_class: ClassVar[type[BackboneConfig]] = SwinConfig

    @property
    def swin(self) -> Backbone:
        """Network without its head (Hugging Face's name for ``backbone``)."""
        return self.backbone


class Swinv2Model(Backbone, PretrainedBackbone):
    """SwinV2: image to features. See ``Backbone``."""

    config_class: ClassVar[type[BackboneConfig]] = Swinv2Config


class Swinv2ForImageClassification(ImageClassifier, PretrainedBackbone):
    """SwinV2: image to class. See ``ImageClassifier``."""

    config_class: ClassVar[type[BackboneConfig]] = Swinv2Config

    @property
    def swinv2(self) -> Backbone:
        """Network without its head (Hugging Face's name for ``backbone``)."""
        return self.backbone


class Swinv2ForMaskedImageModeling(MaskedImageModel, PretrainedBackbone):
    """SwinV2: image with hidden patches to image. See ``MaskedImageModel``."""

    config_class: ClassVar[type[BackboneConfig]] = Swinv2Config

    @property
    def swinv2(self) -> Backbone:
        """Network without its head (Hugging Face's name for ``backbone``)."""
        return self.backbone
