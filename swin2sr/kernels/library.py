"""Compiled library: loaded once, and its functions called with tensors.

The functions hold no lock of Python's while they compute. Every tensor is float32, on the CPU and
contiguous.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from swin2sr.kernels import build
from swin2sr.kernels.build import KernelError

ARRAYS = (
    *("qkv", "qkv_bias", "q_bias", "v_bias", "logit_scale", "position", "proj", "proj_bias"),
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


class PositionShape(ctypes.Structure):
    """``PositionShape`` of ``source/position.h``."""

    _fields_ = [(name, ctypes.c_int32) for name in ("offsets", "hidden", "heads")]


class PositionArrays(ctypes.Structure):
    """``PositionArrays`` of ``source/position.h``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("fc1", "fc1_bias", "fc2")]


class ConvolutionShape(ctypes.Structure):
    """``ConvolutionShape`` of ``source/convolution.h``."""

    _fields_ = [
        (name, ctypes.c_int32) for name in ("batch", "height", "width", "inputs", "outputs")
    ]


class ConvolutionArrays(ctypes.Structure):
    """``ConvolutionArrays`` of ``source/convolution.h``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("weight", "bias")]


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
    position_shape, position = ctypes.POINTER(PositionShape), ctypes.POINTER(PositionArrays)
    code.swin_position_forward.argtypes = [position_shape, position, tensor, tensor]
    code.swin_position_backward.argtypes = [
        *(position_shape, position, tensor, tensor, tensor, position),
    ]
    layer, weights = ctypes.POINTER(ConvolutionShape), ctypes.POINTER(ConvolutionArrays)
    code.swin_convolution_forward.argtypes = [layer, weights, tensor, tensor, tensor, number]
    code.swin_convolution_backward.argtypes = [
        *(layer, weights, tensor, tensor, tensor, weights, number),
    ]
    return Library(instructions.name, bool(code.swin_has_bfloat16()), code)


def block_arrays(tensors: Sequence[Tensor | None]) -> Arrays:
    """Return addresses of tensors in the order of ``ARRAYS``; None where there is no array."""
    return Arrays(*map(_address, tensors))


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


def position_forward(library: Library, coordinates: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Return the bias (heads, offsets) of SwinV2's offsets; see ``swin_position_forward``.

    Args:
        coordinates: (offsets, 2). parameters: in the order of ``PositionArrays``.
    Raises:
        RuntimeError: no memory.
    """
    shape = _position_shape(coordinates, parameters)
    result = coordinates.new_empty(shape.heads, shape.offsets)
    arrays = PositionArrays(*map(_address, parameters))
    _check(
        library.code.swin_position_forward(shape, arrays, _address(coordinates), _address(result))
    )
    return result


def position_backward(
    library: Library,
    coordinates: Tensor,
    parameters: Sequence[Tensor],
    result: Tensor,
    gradient: Tensor,
) -> list[Tensor]:
    """Return the gradients of the parameters; see ``swin_position_backward``.

    Raises:
        RuntimeError: no memory.
    """
    gradients = [torch.empty_like(p) for p in parameters]
    status = library.code.swin_position_backward(
        _position_shape(coordinates, parameters),
        PositionArrays(*map(_address, parameters)),
        *map(_address, (coordinates, result, gradient)),
        PositionArrays(*map(_address, gradients)),
    )
    _check(status)
    return gradients


def convolution_forward(
    library: Library, x: Tensor, weight: Tensor, bias: Tensor, added: Tensor
) -> Tensor:
    """Return a 3x3 convolution of a map, plus another map; see ``swin_convolution_forward``.

    Args:
        x: (B, H, W, in). weight: (out, in, 3, 3). bias: (out,). added: (B, H, W, out).
    Raises:
        RuntimeError: no memory or no thread.
    """
    result = torch.empty_like(added)
    status = library.code.swin_convolution_forward(
        ConvolutionShape(*x.shape, len(weight)),
        ConvolutionArrays(_address(weight), _address(bias)),
        *map(_address, (x, added, result)),
        torch.get_num_threads(),
    )
    _check(status)
    return result


def convolution_backward(
    library: Library, x: Tensor, weight: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return gradients of map, weight and bias; see ``swin_convolution_backward``.

    Raises:
        RuntimeError: no memory or no thread.
    """
    gradients = torch.empty_like(x), torch.empty_like(weight), weight.new_empty(len(weight))
    x_gradient, *parameters = map(_address, gradients)
    status = library.code.swin_convolution_backward(
        ConvolutionShape(*x.shape, len(weight)),
        ConvolutionArrays(_address(weight)),
        *(_address(x), _address(gradient), x_gradient),
        ConvolutionArrays(*parameters),
        torch.get_num_threads(),
    )
    _check(status)
    return gradients


def _position_shape(coordinates: Tensor, parameters: Sequence[Tensor]) -> PositionShape:
    heads, hidden = parameters[2].shape
    return PositionShape(len(coordinates), hidden, heads)


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"Kernels: {STATUS[status]}.")


def _address(tensor: Tensor | None) -> int | None:
    if tensor is None:
        return None
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise TypeError("Kernels take contiguous float32 tensors on the CPU.")
    return tensor.data_ptr()
