"""Devices and dtypes in all the ways that transformers takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from swin2sr.errors import ConfigError, KindError
from swin2sr.inference import hardware
from swin2sr.inference.engine import DTYPES


def infer_device() -> str:
    """Kind of the best device here: "cuda", "mps" or "cpu"."""
    return hardware.pick_device("auto").type


def device_of(value: Any) -> torch.device:
    """Device by number, name or map.

    Args:
        value: None or "auto" for the best; the number of an accelerator (the CPU where there is
            none; below 0 is the CPU); a name or a torch.device; or {"": any of these}.
    Raises:
        ConfigError: a device that is not here, or a map of several parts.
        KindError: something else.
    """
    if isinstance(value, Mapping):
        if list(value) != [""]:
            raise ConfigError(
                f"A network is not spread over several devices: {dict(value)!r}.",
                remedy='Use device_map="auto" or one device.',
            )
        value = value[""]
    if isinstance(value, int) and not isinstance(value, bool):
        kind = "cpu" if value < 0 else infer_device()
        value = f"cuda:{value}" if kind == "cuda" else kind
    if value is not None and not isinstance(value, str | torch.device):
        raise KindError(f"A device is a number, a name or a torch.device, not {value!r}.")
    return hardware.pick_device("auto" if value is None else value)


def dtype_of(dtype: Any, torch_dtype: Any = None) -> torch.dtype | str | None:
    """Dtype by either name of the argument.

    Args:
        dtype: a torch.dtype, its name, "auto" or None.
        torch_dtype: the same, under the older name.
    Returns:
        One of ``DTYPES``, "auto" or None.
    Raises:
        ConfigError: another format, or two different ones.
    """
    found = {_dtype(value) for value in (dtype, torch_dtype) if value is not None}
    if len(found) > 1:
        raise ConfigError(f"dtype and torch_dtype are one format, got {dtype} and {torch_dtype}.")
    return found.pop() if found else None


def _dtype(value: Any) -> torch.dtype | str:
    name = str(value).removeprefix("torch.")
    if name != "auto" and name not in DTYPES:
        raise ConfigError(f"dtype must be one of auto, {', '.join(DTYPES)}, got {value!r}.")
    return DTYPES.get(name, name)
