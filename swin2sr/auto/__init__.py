"""Auto classes and pipelines: a checkpoint's ``config.json`` says which class it belongs to.

The names, arguments and results are those of transformers.
"""

from swin2sr.auto.devices import infer_device
from swin2sr.auto.networks import (
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForImageToImage,
    AutoModelForMaskedImageModeling,
)
from swin2sr.auto.pipelines import (
    ImageClassificationPipeline,
    ImageToImagePipeline,
    pipeline,
)

__all__ = [
    "AutoImageProcessor",
    "AutoModel",
    "AutoModelForImageClassification",
    "AutoModelForImageToImage",
    "AutoModelForMaskedImageModeling",
    "ImageClassificationPipeline",
    "ImageToImagePipeline",
    "infer_device",
    "pipeline",
]
