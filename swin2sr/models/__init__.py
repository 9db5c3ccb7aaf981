"""The networks."""

from swin2sr.models.backbone import (
    SwinForImageClassification,
    SwinForMaskedImageModeling,
    SwinModel,
    Swinv2ForImageClassification,
    Swinv2ForMaskedImageModeling,
    Swinv2Model,
)
from swin2sr.models.backbone_outputs import (
    BackboneModelOutput,
    ImageClassifierOutput,
    MaskedImageModelingOutput,
)
from swin2sr.models.outputs import FeatureOutput, ImageSuperResolutionOutput
from swin2sr.models.swin2sr import (
    RestorationModel,
    Swin2SRForImageSuperResolution,
    Swin2SRModel,
    SwinIRForImageRestoration,
    SwinIRModel,
    from_checkpoint,
    restoration_model,
)

__all__ = [
    "BackboneModelOutput",
    "FeatureOutput",
    "ImageClassifierOutput",
    "ImageSuperResolutionOutput",
    "MaskedImageModelingOutput",
    "RestorationModel",
    "Swin2SRForImageSuperResolution",
    "Swin2SRModel",
    "SwinForImageClassification",
    "SwinForMaskedImageModeling",
    "SwinIRForImageRestoration",
    "SwinIRModel",
    "SwinModel",
    "Swinv2ForImageClassification",
    "Swinv2ForMaskedImageModeling",
    "Swinv2Model",
    "from_checkpoint",
    "restoration_model",
]
