"""Auto classes: network and processor by the ``model_type`` of a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from swin2sr import checkpoints
from swin2sr.auto.devices import device_of, dtype_of
from swin2sr.backbones import (
    SwinForImageClassification,
    SwinForMaskedImageModeling,
    SwinModel,
    Swinv2ForImageClassification,
    Swinv2ForMaskedImageModeling,
    Swinv2Model,
)
from swin2sr.backbones.config import BACKBONES
from swin2sr.backbones.image_processor import ViTImageProcessor
from swin2sr.config import restoration_config
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.models import (
    Swin2SRForImageSuperResolution,
    Swin2SRModel,
    SwinIRForImageRestoration,
    SwinIRModel,
)
from swin2sr.processing import Swin2SRImageProcessor
from swin2sr.processing.config_files import MODEL, PROCESSOR, ModelFiles

_PROCESSORS = (Swin2SRImageProcessor, ViTImageProcessor)


class _AutoModel:
    """Auto class: chooses among ``networks`` by "model_type"."""

    networks: ClassVar[Mapping[str, Any]]

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        device_map: Any = None,
        **options: Any,
    ) -> Any:
        """Load a checkpoint as the class it belongs to, in evaluation mode.

        Args:
            name: a name of ``list_models()``, a folder with ``config.json``, or a Hub id.
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
            dtype: of the weights, as torch.float16 or "float16"; "auto" is what ``config.json``
                names; float32 by default.
            torch_dtype: older name of ``dtype``.
            device_map: where to: "auto", a device, or {"": device}; the CPU by default.
            options: further arguments of ``from_pretrained`` of the class, as ``num_labels``.
        Raises:
            WeightsError: wrong_model, a network that this class does not offer; else as
                ``checkpoints.load``.
            ConfigError: a ``config.json`` that cannot be used, an unknown format or device.
        """
        wanted = dtype_of(dtype, torch_dtype)
        device = torch.device("cpu") if device_map is None else device_of(device_map)
        remote: dict[str, Any] = {
            "revision": revision,
            "cache_dir": cache_dir,
            "local_files_only": local_files_only,
        }
        entry = _published(name)
        kind = entry.config.model_type if entry else _described(ModelFiles.of(name, **remote))[0]
        if kind not in cls.networks:
            raise WeightsError(
                f"{os.fsdecode(name)!r} is a {kind!r} network; {cls.__name__} offers "
                f"{', '.join(cls.networks)}.",
                code="wrong_model",
            )
        model = cls.networks[kind].from_pretrained(name, **remote, **options)
        if wanted == "auto":
            named = model.config.extra
            wanted = dtype_of(named.get("dtype"), named.get("torch_dtype"))
        return model.to(device, wanted) if isinstance(wanted, torch.dtype) else model.to(device)

    @classmethod
    def require(cls, model: nn.Module) -> None:
        """Refuse a network of another kind.

        Raises:
            WeightsError: wrong_model.
        """
        if not isinstance(model, tuple(cls.networks.values())):
            offered = ", ".join(network.__name__ for network in cls.networks.values())
            raise WeightsError(
                f"A {type(model).__name__} is not for this task; {offered} are.", code="wrong_model"
            )


class AutoModel(_AutoModel):
    """Auto class of networks without head: pictures to features."""

    networks: ClassVar[Mapping[str, Any]] = {
        "swin2sr": Swin2SRModel,
        "swinir": SwinIRModel,
        "swin": SwinModel,
        "swinv2": Swinv2Model,
    }


class AutoModelForImageToImage(_AutoModel):
    """Auto class of restoration networks: pictures to pictures."""

    networks: ClassVar[Mapping[str, Any]] = {
        "swin2sr": Swin2SRForImageSuperResolution,
        "swinir": SwinIRForImageRestoration,
    }


class AutoModelForImageClassification(_AutoModel):
    """Auto class of image classifiers."""

    networks: ClassVar[Mapping[str, Any]] = {
        "swin": SwinForImageClassification,
        "swinv2": Swinv2ForImageClassification,
    }


class AutoModelForMaskedImageModeling(_AutoModel):
    """Auto class of networks that complete masked pictures."""

    networks: ClassVar[Mapping[str, Any]] = {
        "swin": SwinForMaskedImageModeling,
        "swinv2": Swinv2ForMaskedImageModeling,
    }


class AutoImageProcessor:
    """Auto class of the processors that make a network's input."""

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        use_fast: bool | None = None,
    ) -> Swin2SRImageProcessor | ViTImageProcessor:
        """Load the processor that a checkpoint names, or else the one of its network.

        Args:
            name, revision, cache_dir, local_files_only: as ``AutoModel.from_pretrained``.
            use_fast: makes no difference: there is one implementation of each.
        Raises:
            WeightsError: not_found, offline or download.
            ConfigError: another processor or network than these, or a file that cannot be used.
        """
        if _published(name):
            return Swin2SRImageProcessor.from_pretrained(name)
        files = ModelFiles.of(
            name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        values = files.read(PROCESSOR) or {}
        if kind := values.get("image_processor_type") or values.get("feature_extractor_type"):
            for processor in _PROCESSORS:
                if kind in processor.names:
                    return processor.from_dict(values)
            offered = ", ".join(processor.names[0] for processor in _PROCESSORS)
            raise ConfigError(f"{files.name!r} needs a {str(kind)[:80]!r}; there are {offered}.")
        kind, network = _described(files)
        if kind in BACKBONES:
            made = ViTImageProcessor.for_network(network)
            return ViTImageProcessor.from_dict(values) if values else made
        window = restoration_config(network).window_size
        return Swin2SRImageProcessor.from_dict(values or {"size_divisor": window})


def _published(name: Any) -> checkpoints.Entry | None:
    """Registry entry where, as for weights, no folder of that name comes first."""
    entry = checkpoints.find(name) if isinstance(name, str) else None
    if entry is not None and entry.source != "packaged" and os.path.isfile(f"{name}/{MODEL}"):
        return None
    return entry


def _described(files: ModelFiles) -> tuple[str, dict[str, Any]]:
    """Read the "model_type" and all values of ``config.json``.

    Raises:
        WeightsError: there is none.
        ConfigError: it names no type.
    """
    values = files.read(MODEL)
    if values is None:
        raise WeightsError(f"{files.name!r} has no {MODEL}.", code="not_found")
    kind = values.get("model_type")
    if not isinstance(kind, str):
        raise ConfigError(f"The {MODEL} of {files.name!r} does not name its model_type.")
    return kind[:80], values
