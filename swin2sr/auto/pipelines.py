"""Pipelines: a picture to a result in one call."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from swin2sr import images
from swin2sr.auto.devices import device_of, dtype_of
from swin2sr.auto.networks import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForImageToImage,
)
from swin2sr.config import choice, whole
from swin2sr.errors import ConfigError, JobError
from swin2sr.inference import hardware
from swin2sr.inference.upscaler import Options, Upscaler

TASKS = ("image-to-image", "image-classification")
FUNCTIONS = ("softmax", "sigmoid", "none")


class ImageToImagePipeline:
    """Image-to-image pipeline.

    Args:
        upscaler: what does the work.
        padding: "minimal" or "official", where a call does not say.
    """

    task: ClassVar[str] = "image-to-image"

    def __init__(self, upscaler: Upscaler, padding: str = "minimal") -> None:
        self.upscaler = upscaler
        self.padding = padding

    @property
    def model(self) -> nn.Module:
        """Network that runs."""
        return self.upscaler.model

    @property
    def device(self) -> torch.device:
        """Device that it runs on."""
        return self.upscaler.device

    def __call__(self, images: Any, **options: Unpack[Options]) -> Any:
        """Restore a picture, or each of several.

        Args:
            images: anything ``Upscaler`` takes, or a list of such.
            options: as ``Upscaler.stream``.
        Returns:
            A PIL image, its sides exactly the input's times the scale; for a list a list.
        Raises:
            As ``Upscaler.stream``.
        """
        options.setdefault("padding", self.padding)
        return self.upscaler(images, **options)


class ImageClassificationPipeline:
    """Image classification pipeline.

    Args:
        model: a network of ``AutoModelForImageClassification``; it is moved to the device and put
            into evaluation mode.
        image_processor: makes its input; called with a PIL image and ``return_tensors="pt"``.
        device: see ``hardware.pick_device``.
    """

    task: ClassVar[str] = "image-classification"

    def __init__(
        self, model: nn.Module, image_processor: Any, device: str | torch.device = "auto"
    ) -> None:
        self.device = hardware.pick_device(device)
        self.model: Any = model.to(self.device).eval()
        self.image_processor = image_processor

    def __call__(
        self, inputs: Any, *, top_k: int | None = 5, function_to_apply: str | None = None
    ) -> Any:
        """Name what a picture shows, or each of several.

        Args:
            inputs: path, bytes, open file, PIL image, array or tensor (see ``images.decode``); or
                a list of such.
            top_k: how many names at most; None for all.
            function_to_apply: makes scores of the network's numbers: "softmax", "sigmoid" or
                "none". None (or "default") goes by the network: "none" for regression, "sigmoid"
                for a single label or several at once, else "softmax".
        Returns:
            A list of {"label", "score"}, best first; for a list of pictures a list of such lists.
        Raises:
            ImageError, KindError, ShapeError: a picture that cannot be used.
            ConfigError: an option outside what is offered.
            JobError: bad_values, the network gave NaN or infinity.
        """
        if top_k is not None:
            whole("top_k", top_k, least=1)
        choice("function_to_apply", function_to_apply, (None, "default", *FUNCTIONS))
        if function_to_apply in (None, "default"):
            function_to_apply = self._function()
        if not isinstance(inputs, list | tuple):
            return self._classify(inputs, function_to_apply)[:top_k]
        return [self._classify(one, function_to_apply)[:top_k] for one in inputs]

    def _function(self) -> str:
        config = self.model.config
        if config.problem_type == "regression":
            return "none"
        several = config.problem_type == "multi_label_classification"
        return "sigmoid" if several or config.num_labels == 1 else "softmax"

    def _classify(self, image: Any, function: str | None) -> list[dict[str, Any]]:
        picture = images.to_pil(images.decode(image))
        pixels = self.image_processor(picture, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            logits = self.model(pixels.to(self.device, self.model.dtype)).logits[0].float().cpu()
        if not logits.isfinite().all():
            raise JobError(
                "The network gave numbers that are not finite.",
                code="bad_values",
                remedy="Use dtype=torch.float32.",
            )
        if function != "none":
            logits = logits.softmax(0) if function == "softmax" else logits.sigmoid()
        scores, places = logits.sort(descending=True, stable=True)
        names = self.model.config.id2label
        found = zip(places.tolist(), scores.tolist(), strict=True)
        return [{"label": names[place], "score": score} for place, score in found]


def pipeline(
    task: str,
    model: str | os.PathLike[str] | nn.Module,
    *,
    image_processor: Any = None,
    device: int | str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    torch_dtype: str | torch.dtype | None = None,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Any:
    """Build a pipeline, everything from a picture to a result behind one call.

    Args:
        task: "image-to-image" or "image-classification".
        model: a name, folder or Hub id (image-to-image: also a file of weights); or a network.
        image_processor: a processor, or whose to load; by default the model's. A classifier given
            as a network needs one. Of image-to-image only its ``padding`` counts: range, channels
            and windows are settled by ``Upscaler``.
        device: the number of an accelerator (the CPU where there is none, and for -1), or a
            device; None takes the best there is.
        dtype: what to compute in. Image-to-image: None and "auto" leave it to ``Upscaler``.
            Classification: float32 for None, what ``config.json`` names for "auto".
        torch_dtype: older name of ``dtype``.
        revision, cache_dir, local_files_only: as ``checkpoints.load``.
    Returns:
        ``ImageToImagePipeline`` or ``ImageClassificationPipeline``.
    Raises:
        ConfigError: an unknown task, device or format; or a missing processor.
        WeightsError: as ``checkpoints.load``; wrong_model for a network of another task.
    """
    choice("task", task, TASKS)
    place, wanted = device_of(device), dtype_of(dtype, torch_dtype)
    remote: dict[str, Any] = {
        "revision": revision,
        "cache_dir": cache_dir,
        "local_files_only": local_files_only,
    }
    if isinstance(image_processor, str | os.PathLike):
        image_processor = AutoImageProcessor.from_pretrained(image_processor, **remote)
    if task == ImageToImagePipeline.task:
        precision = str(wanted or "auto").removeprefix("torch.")
        if isinstance(model, nn.Module):
            AutoModelForImageToImage.require(model)
            upscaler = Upscaler(model, device=place, precision=precision)
        else:
            name = os.fsdecode(model)
            upscaler = Upscaler.from_pretrained(name, device=place, precision=precision, **remote)
        return ImageToImagePipeline(upscaler, getattr(image_processor, "padding", "minimal"))
    if isinstance(model, nn.Module):
        AutoModelForImageClassification.require(model)
        network = model.to(dtype=wanted) if isinstance(wanted, torch.dtype) else model
    else:
        network = AutoModelForImageClassification.from_pretrained(model, dtype=wanted, **remote)
        image_processor = image_processor or AutoImageProcessor.from_pretrained(model, **remote)
    if image_processor is None:
        raise ConfigError(
            "A network alone does not say how its input is made.",
            remedy="Give image_processor, too: AutoImageProcessor.from_pretrained(...).",
        )
    return ImageClassificationPipeline(network, image_processor, place)
