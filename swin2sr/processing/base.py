"""What every processor of pictures shares: its settings as a file, and the call."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from swin2sr.errors import ConfigError
from swin2sr.processing import config_files
from swin2sr.processing.batches import BatchFeature, check_formats, pack
from swin2sr.processing.planes import flat


class ImageProcessor(ABC):
    """A processor whose options are its attributes; subclasses say what is done with a picture."""

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
        check_formats(return_tensors, data_format, input_data_format)
        made = []
        for image in flat(images):
            planes, is_dark = used._prepare(image, input_data_format)
            if is_dark:
                text = "A picture of 0..1 is rescaled, as if of 0..255; use do_rescale=False."
                warnings.warn(text, stacklevel=3)
            made.append(planes)
        return pack(made, return_tensors, data_format)

    def to_dict(self) -> dict[str, Any]:
        """What ``preprocessor_config.json`` holds, under the names transformers reads."""
        return {**self._options(), "image_processor_type": self.names[0]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``preprocessor_config.json`` holds; unknown keys and nulls are left out.

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
        config_files.save(self.to_dict(), folder)
