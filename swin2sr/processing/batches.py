"""What processors return, and how single pictures become one."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from swin2sr.config import choice
from swin2sr.errors import KindError, ShapeError
from swin2sr.processing.planes import FIRST, LAST


class BatchFeature(dict[str, Any]):
    """What a processor returns: a dict whose entries are attributes too."""

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


def check_formats(return_tensors: Any, data_format: Any, input_data_format: Any) -> None:
    """Refuse formats before any picture is touched.

    Raises:
        ConfigError: an option outside what is offered.
    """
    choice("return_tensors", return_tensors, (None, "np", "pt"))
    choice("input_data_format", input_data_format, (None, FIRST, LAST, "none"))
    choice("data_format", data_format, (None, FIRST, LAST))


def pack(made: list[np.ndarray], return_tensors: str | None, data_format: str | None) -> Any:
    """Processed pictures as they were asked for.

    Args:
        made: (C, H, W) float32 arrays.
        return_tensors: None for a list of arrays, "np" or "pt" for one batch.
        data_format: "channels_first" (also for None) or "channels_last".
    Raises:
        ShapeError: sizes that make no batch.
    """
    if data_format == LAST:
        made = [np.ascontiguousarray(planes.transpose(1, 2, 0)) for planes in made]
    if return_tensors is None:
        return BatchFeature(pixel_values=made)
    batch = _stack(made)
    return BatchFeature(pixel_values=torch.from_numpy(batch) if return_tensors == "pt" else batch)


def _stack(made: list[np.ndarray]) -> np.ndarray:
    shapes = sorted({planes.shape for planes in made})
    if len(shapes) != 1:
        text = f"One batch needs pictures of one shape, got {shapes or 'no pictures'}."
        raise ShapeError(text, remedy="Process them one by one, or without return_tensors.")
    return np.stack(made)
