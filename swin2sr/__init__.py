"""Swin2SR: image super-resolution and restoration with SwinV2 transformers, exact and looked into.

Names load when first used, so that ``import swin2sr`` stays light.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# OpenMP threads wait asleep instead of spinning at every barrier: as fast on a quiet machine, and
# 2 to 11 times as fast where another process uses a core, since spinning threads block each other.
# libgomp reads this once, when torch is imported, so every entry point imports swin2sr first. It
# would overrule a user's own OMP_WAIT_POLICY.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from swin2sr.auto import AutoImageProcessor as AutoImageProcessor
    from swin2sr.auto import AutoModel as AutoModel
    from swin2sr.auto import AutoModelForImageClassification as AutoModelForImageClassification
    from swin2sr.auto import AutoModelForImageToImage as AutoModelForImageToImage
    from swin2sr.auto import (
        AutoModelForMaskedImageModeling as AutoModelForMaskedImageModeling,
    )
    from swin2sr.auto import infer_device as infer_device
    from swin2sr.auto import pipeline as pipeline
    from swin2sr.backbones import SwinForImageClassification as SwinForImageClassification
    from swin2sr.backbones import SwinForMaskedImageModeling as SwinForMaskedImageModeling
    from swin2sr.backbones import SwinModel as SwinModel
    from swin2sr.backbones import Swinv2ForImageClassification as Swinv2ForImageClassification
    from swin2sr.backbones import Swinv2ForMaskedImageModeling as Swinv2ForMaskedImageModeling
    from swin2sr.backbones import Swinv2Model as Swinv2Model
    from swin2sr.backbones.config import SwinConfig as SwinConfig
    from swin2sr.backbones.config import Swinv2Config as Swinv2Config
    from swin2sr.backbones.image_processor import ViTImageProcessor as ViTImageProcessor
    from swin2sr.backbones.image_processor import ViTImageProcessorFast as ViTImageProcessorFast
    from swin2sr.checkpoints import list_models as list_models
    from swin2sr.config import Swin2SRConfig as Swin2SRConfig
    from swin2sr.config import SwinIRConfig as SwinIRConfig
    from swin2sr.errors import Swin2SRError as Swin2SRError
    from swin2sr.inference.upscaler import Upscaler as Upscaler
    from swin2sr.models import Swin2SRForImageSuperResolution as Swin2SRForImageSuperResolution
    from swin2sr.models import Swin2SRModel as Swin2SRModel
    from swin2sr.models import SwinIRForImageRestoration as SwinIRForImageRestoration
    from swin2sr.models import SwinIRModel as SwinIRModel
    from swin2sr.processing import Swin2SRImageProcessor as Swin2SRImageProcessor
    from swin2sr.processing import Swin2SRImageProcessorFast as Swin2SRImageProcessorFast

__version__ = "0.1.0"

_MODULES = {
    name: module
    for module, names in {
        "swin2sr.auto": (
            "AutoImageProcessor AutoModel AutoModelForImageClassification "
            "AutoModelForImageToImage AutoModelForMaskedImageModeling infer_device pipeline"
        ),
        "swin2sr.backbones": (
            "SwinForImageClassification SwinForMaskedImageModeling SwinModel "
            "Swinv2ForImageClassification Swinv2ForMaskedImageModeling Swinv2Model"
        ),
        "swin2sr.backbones.config": "SwinConfig Swinv2Config",
        "swin2sr.backbones.image_processor": "ViTImageProcessor ViTImageProcessorFast",
        "swin2sr.checkpoints": "list_models",
        "swin2sr.config": "Swin2SRConfig SwinIRConfig",
        "swin2sr.errors": "Swin2SRError",
        "swin2sr.inference.upscaler": "Upscaler",
        "swin2sr.models": (
            "Swin2SRForImageSuperResolution Swin2SRModel SwinIRForImageRestoration SwinIRModel"
        ),
        "swin2sr.processing": "Swin2SRImageProcessor Swin2SRImageProcessorFast",
    }.items()
    for name in names.split()
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'swin2sr' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
