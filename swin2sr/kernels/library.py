"""Compiled library: loaded once, and its functions called with tensors.

The functions hold no lock of Python's while they compute. Every tensor is float32, on the CPU and
contiguous.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from swin2sr.kernels import build
from swin2sr.kernels.build import KernelError

ARRAYS = (
    *("qkv", "qkv_bias", "temperature", "position", "proj", "proj_bias"),
    *("norm1", "norm1_bias", "norm2", "norm2_bias"),
    *("fc1", "fc1_bias", "fc2", "fc2_bias"),
)  # of a block, in the order of ``BlockArrays``
# As in ``source/kernels.cpp``. The words about memory are those of PyTorch's own allocator.
STATUS = (
    "",
    "these kernels have no products in bfloat16",
    "can't allocate memory",
    "no thread can be started",
)


class Shape(ctypes.Structure):
    """``BlockShape`` of ``source/shape.h``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("batch", "height", "width", "channels", "heads")),
        *((name, ctypes.c_int32) for name in ("hidden", "window", "shift", "cosine")),
        *((name, ctypes.c_float) for name in ("eps", "scale")),
    ]


class Arrays(ctypes.Structure):
    """``BlockArrays`` of ``source/shape.h``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ARRAYS]


@dataclass(frozen=True)
class Library:
    """Loaded library.

    Attributes:
        instructions: name of the instruction set it is compiled for.
        has_bfloat16: it can multiply in bfloat16.
        code: the loaded file.
    """

    instructions: str
    has_bfloat16: bool
    code: ctypes.CDLL

    def __reduce__(self) -> tuple[Any, ...]:
        return load, ()  # a copy, and what another process unpickles, is the library loaded there


def load() -> Library:
    """Load the kernels of this machine, compiled at the first call.

    Raises:
        KernelError: there are none; the message says why.
    """
    build.check_switch()
    return _load()


@cache
def _load() -> Library:
    instructions = build.best_instruction_set(build.processor_flags())
    path = build.library(instructions)
    try:
        code = ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelError(f"the compiled library cannot be loaded ({error})") from error
    shape, arrays = ctypes.POINTER(Shape), ctypes.POINTER(Arrays)
    tensor, number = ctypes.c_void_p, ctypes.c_int
    code.swin_block_forward.argtypes = [shape, arrays, tensor, tensor, number, number]
    code.swin_block_backward.argtypes = [
        *(shape, arrays, tensor, tensor, tensor, arrays),
        *(number, number),
    ]
    return Library(instructions.name, bool(code.swin_has_bfloat16()), code)


def block_arrays(tensors: Mapping[str, Tensor | None]) -> Arrays:
    """Return addresses of tensors by their names in ``ARRAYS``; None where there is no array."""
    return Arrays(**{name: _address(tensors[name]) for name in ARRAYS})


def block_forward(
    library: Library, shape: Shape, parameters: Arrays, x: Tensor, bfloat16: bool
) -> Tensor:
    """Run a block on a map (B, H, W, C); see ``swin_block_forward``.

    Raises:
        RuntimeError: no memory or no thread.
    """
    result = torch.empty_like(x)
    status = library.code.swin_block_forward(
        shape, parameters, _address(x), _address(result), bfloat16, torch.get_num_threads()
    )
    _check(status)
    return result


def block_backward(
    library: Library,
    shape: Shape,
    parameters: Arrays,
    x: Tensor,
    gradient: Tensor,
    gradients: Arrays,
    bfloat16: bool,
) -> Tensor:
    """Return the gradient of ``x`` and write those of the parameters; see ``swin_block_backward``.

    Raises:
        RuntimeError: no memory or no thread.
    """
    result = torch.empty_like(x)
    status = library.code.swin_block_backward(
        shape,
        parameters,
        _address(x),
        _address(gradient),
        _address(result),
        gradients,
        bfloat16,
        torch.get_num_threads(),
    )
    _check(status)
    return result


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"Kernels: {STATUS[status]}.")


def _address(tensor: Tensor | None) -> int | None:
    if tensor is None:
        return None
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise TypeError("Kernels take contiguous float32 tensors on the CPU.")
    return tensor.data_ptr()
