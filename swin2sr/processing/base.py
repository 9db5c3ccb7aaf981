"""Base of image processors: options as a file, the call, and the batch that it returns."""

from __future__ import annotations

import json
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from swin2sr.config import choice
from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.filesystem import make_folder, write_bytes
from swin2sr.processing.config_files import PROCESSOR
from swin2sr.processing.planes import FIRST, LAST, flatten_images


class BatchFeature(dict[str, Any]):
    """Output of a processor: a dict whose entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Self:
        """Move every tensor, in place; ``dtype`` (also taken first) changes floating-point ones.

        Returns:
            Itself.
        Raises:
            KindError: an entry is no tensor.
        """
        if isinstance(device, torch.dtype):
            device, dtype = None, device
        for key, value in self.items():
            if not isinstance(value, Tensor):
                raise KindError(f"{key!r} is no tensor.", remedy='Ask for return_tensors="pt".')
            self[key] = value.to(device, dtype if value.is_floating_point() else None)
        return self


class ImageProcessor(ABC):
    """Processor whose options are its attributes; subclasses say what is done with a picture."""

    names: ClassVar[tuple[str, ...]]  # its own in transformers and in files, the present one first
    options: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _prepare(self, image: Any, layout: str | None) -> tuple[np.ndarray, bool]:
        """(C, H', W') float32 of one picture; whether it was of 0..1 and is rescaled."""

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.options}

    def _process(
        self,
        images: Any,
        given: Mapping[str, Any],
        return_tensors: str | None,
        data_format: str | None,
        input_data_format: str | None,
    ) -> BatchFeature:
        """The work of ``preprocess``, which its caller's caller called."""
        wanted = {name: value for name, value in given.items() if value is not None}
        used = type(self).from_dict(self._options() | wanted)
        # Formats are refused before any picture is touched.
        choice("return_tensors", return_tensors, (None, "np", "pt"))
        choice("input_data_format", input_data_format, (None, FIRST, LAST, "none"))
        choice("data_format", data_format, (None, FIRST, LAST))
        made = []
        for image in flatten_images(images):
            planes, is_dark = used._prepare(image, input_data_format)
            if is_dark:
                text = "A picture of 0..1 is rescaled, as if of 0..255; use do_rescale=False."
                warnings.warn(text, stacklevel=3)
            if data_format == LAST:
                planes = np.ascontiguousarray(planes.transpose(1, 2, 0))
            made.append(planes)
        if return_tensors is None:
            return BatchFeature(pixel_values=made)
        batch = _stack(made)
        return BatchFeature(
            pixel_values=torch.from_numpy(batch) if return_tensors == "pt" else batch
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the values of ``preprocessor_config.json``, by the names transformers reads."""
        return {**self._options(), "image_processor_type": self.names[0]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the values of ``preprocessor_config.json``; unknown keys and nulls are left out.

        Raises:
            ConfigError: the settings of another processor, or a value that cannot be used.
        """
        kind = values.get("image_processor_type") or values.get("feature_extractor_type")
        if kind is not None and kind not in cls.names:
            raise ConfigError(f"These are settings of {str(kind)[:80]!r}, not of {cls.names[0]}.")
        return cls(**{name: values[name] for name in cls.options if values.get(name) is not None})

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``preprocessor_config.json``, as transformers reads it.

        Raises:
            OutputError: the folder cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        make_folder(folder)
        write_bytes(Path(folder) / PROCESSOR, text.encode())


def _stack(made: list[np.ndarray]) -> np.ndarray:
    shapes = sorted({planes.shape for planes in made})
    if len(shapes) != 1:
        text = f"One batch needs pictures of one shape, got {shapes or 'no pictures'}."
        raise ShapeError(text, remedy="Process them one by one, or without return_tensors.")
    return np.stack(made)
