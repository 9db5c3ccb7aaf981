"""Pictures to network input and back: values, axes, padding, cropping.

``Swin2SRImageProcessor`` takes every argument of the class of that name in transformers and honours
each of them in ``__init__``, in ``preprocessor_config.json`` and in the call.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swin2sr import checkpoints
from swin2sr.atomic import write_bytes
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import (
    ConfigError,
    ImageError,
    JobError,
    KindError,
    OutputError,
    ShapeError,
    WeightsError,
)
from swin2sr.nn.windows import pad_to_windows

CONFIG_NAME = "preprocessor_config.json"
_SETTINGS = ("do_rescale", "rescale_factor", "do_pad", "size_divisor", "padding")
PADDINGS = ("minimal", "official")
FIRST, LAST = "channels_first", "channels_last"
_CHANNELS = (1, 3)  # what an array without a given layout is taken to have


def to_tensor(pixels: np.ndarray) -> Tensor:
    """A copy of (H, W, C) floating-point pixels in 0..1 as a (1, C, H, W) float32 batch.

    Raises:
        ShapeError: not three axes.
        KindError: whole numbers, whose range would be another.
    """
    if pixels.ndim != 3:
        raise ShapeError(f"Expected (height, width, channels) pixels, got {pixels.shape}.")
    if pixels.dtype.kind != "f":
        raise KindError(f"Expected floating-point pixels in 0..1, got {pixels.dtype}.")
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), dtype=np.float32, order="C"))[None]


def to_pixels(image: Tensor) -> np.ndarray:
    """A (1, C, H, W) batch as (H, W, C) float32 pixels, clipped to 0..1 (NaN stays NaN).

    Raises:
        ShapeError: not four axes, or more than one picture.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise ShapeError(f"Expected (1, channels, height, width), got {tuple(image.shape)}.")
    planes = image.detach()[0].float().clamp(0, 1).cpu()
    return planes.permute(1, 2, 0).contiguous().numpy()


class BatchFeature(dict[str, Any]):
    """What the processor returns: a dict whose entries are attributes too."""

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


class Swin2SRImageProcessor:
    """Makes network input of pictures, and pictures of network output.

    Args:
        do_rescale: multiply the values by ``rescale_factor``.
        rescale_factor: above 0; 1/255 brings 0..255 to 0..1.
        do_pad: fill up to whole windows on the right and at the bottom.
        size_divisor: side of a window in pixels, at least 1 (8 unless given); the window of the
            model, ``config.window_size``, is the right one.
        pad_size: older name of ``size_divisor``.
        padding: "minimal" reflects up to the next multiple (nothing when aligned); "official"
            mirrors to (side // size_divisor + 1) * size_divisor, as transformers does.
    Raises:
        ConfigError: a value outside these.
    """

    def __init__(
        self,
        *,
        do_rescale: bool = True,
        rescale_factor: float = 1 / 255,
        do_pad: bool = True,
        size_divisor: int | None = None,
        pad_size: int | None = None,
        padding: str = "minimal",
    ) -> None:
        for name, flag in (("do_rescale", do_rescale), ("do_pad", do_pad)):
            if not isinstance(flag, bool):
                raise ConfigError(f"{name} must be True or False, got {flag!r}.")
        is_number = isinstance(rescale_factor, int | float) and not isinstance(rescale_factor, bool)
        if not is_number or not 0 < rescale_factor < math.inf:
            raise ConfigError(f"rescale_factor must be a number above 0, got {rescale_factor!r}.")
        self.do_rescale = do_rescale
        self.rescale_factor = float(rescale_factor)
        self.do_pad = do_pad
        self.size_divisor = _divisor(size_divisor, pad_size) or 8
        self.padding = _choice("padding", padding, PADDINGS)

    @property
    def pad_size(self) -> int:
        """Older name of ``size_divisor``."""
        return self.size_divisor

    @pad_size.setter
    def pad_size(self, value: int) -> None:
        self.size_divisor = value

    def preprocess(
        self,
        images: Any,
        *,
        do_rescale: bool | None = None,
        rescale_factor: float | None = None,
        do_pad: bool | None = None,
        size_divisor: int | None = None,
        pad_size: int | None = None,
        padding: str | None = None,
        return_tensors: str | None = None,
        data_format: str | None = FIRST,
        input_data_format: str | None = None,
    ) -> BatchFeature:
        """Network input for one picture or several; calling the processor does the same.

        A PIL picture of mode L gives one channel, 16-bit grey one channel in 0..255 with
        fractions, RGB three; I and F, whose white is unknown, are refused; every other mode is
        converted to RGB. Transparency is dropped: what shows is the colour stored beneath it. A
        camera's note on orientation is not applied.
        Arrays and tensors are taken as they are, 0..255, except 16-bit unsigned ones, which are
        brought to 0..255. (H, W) is one channel. Without ``input_data_format``, uint8 arrays
        (H, W, 3) have their channels last, tensors have them first, and other arrays where the
        only axis of 1 or 3 is.

        Args:
            images: PIL picture, array or tensor; a list of these; or a batch with four axes.
            do_rescale, rescale_factor, do_pad, size_divisor, pad_size, padding: instead of the
                processor's own.
            return_tensors: None for a list of arrays, "np" or "pt" for one batch.
            data_format: "channels_first" (also for None) or "channels_last", of the result.
            input_data_format: "channels_first", "channels_last" or "none" (no channel axis), of
                arrays and tensors; pictures of PIL and (H, W) need none.
        Returns:
            ``pixel_values``: (C, H', W') float32 arrays, or (B, C, H', W') on the CPU; 0..1 when
            rescaled.
        Raises:
            ShapeError: a layout that must be given, or sizes that make no batch.
            ImageError: an empty picture, one that PIL cannot convert, or NaN or infinity in it.
            KindError: neither picture nor array, or an array of something else than numbers.
            ConfigError: an option outside those above.
        """
        given = {
            "do_rescale": do_rescale,
            "rescale_factor": rescale_factor,
            "do_pad": do_pad,
            "size_divisor": _divisor(size_divisor, pad_size),
            "padding": padding,
        }
        used = Swin2SRImageProcessor.from_dict(
            self._settings() | {key: value for key, value in given.items() if value is not None}
        )
        is_torch = _choice("return_tensors", return_tensors, (None, "np", "pt")) == "pt"
        _choice("input_data_format", input_data_format, (None, FIRST, LAST, "none"))
        is_last = _choice("data_format", data_format, (None, FIRST, LAST)) == LAST
        made = []
        for image in _flat(images):
            planes = used._prepare(image, input_data_format)
            made.append(np.ascontiguousarray(planes.transpose(1, 2, 0)) if is_last else planes)
        if return_tensors is None:
            return BatchFeature(pixel_values=made)
        batch = _stack(made)
        return BatchFeature(pixel_values=torch.from_numpy(batch) if is_torch else batch)

    __call__ = preprocess

    def _prepare(self, image: Any, layout: str | None) -> np.ndarray:
        """(C, H', W') float32 of one picture."""
        planes, is_float = _planes(image, layout)
        if self.do_rescale:
            if is_float and 0 < planes.max() <= 1:
                text = "A picture of 0..1 is rescaled, as if of 0..255; use do_rescale=False."
                warnings.warn(text, stacklevel=3)
            planes *= self.rescale_factor  # in double precision, as transformers does
        made = torch.from_numpy(planes.astype(np.float32, order="C"))[None]
        return (self._pad(made) if self.do_pad else made)[0].numpy()

    def _pad(self, image: Tensor) -> Tensor:
        return pad_to_windows(image, self.size_divisor, official=self.padding == "official")

    def post_process(
        self,
        outputs: Any,
        sizes: Sequence[tuple[int, int]],
        *,
        scale: int | None = None,
        output_type: str = "pil",
    ) -> list[Any]:
        """Pictures of a network's output: padding cut off, values clipped to 0..1.

        Args:
            outputs: what the model returned, or its ``reconstruction`` (B, C, H'*s, W'*s).
            sizes: (height, width) of every picture before ``preprocess``.
            scale: factor s between input and output. None works it out from this processor's own
                padding: give it where the call of ``preprocess`` padded otherwise.
            output_type: "pil" (8 bit, RGB or L), "np" ((H*s, W*s, C) float32) or "pt"
                ((C, H*s, W*s) float32, on the output's device).
        Raises:
            ShapeError: output and sizes that do not fit, or channels that PIL has no mode for.
            KindError: no tensor and nothing with one in ``reconstruction``.
            ConfigError: an option outside those above.
            JobError: bad_values, the network gave NaN or infinity.
        """
        _choice("output_type", output_type, ("pil", "np", "pt"))
        batch = getattr(outputs, "reconstruction", outputs)
        if not isinstance(batch, Tensor):
            raise KindError(f"Expected a model's output or a tensor, got {type(outputs).__name__}.")
        wanted = [(int(height), int(width)) for height, width in sizes]
        if batch.ndim != 4 or len(batch) != len(wanted) or min(map(min, wanted), default=1) < 1:
            text = (
                "Expected (batch, channels, height, width) and a (height, width) for each picture"
            )
            raise ShapeError(f"{text}, got {tuple(batch.shape)} and {wanted}.")
        batch = batch.detach().float()
        if not batch.isfinite().all():
            raise JobError("The network gave numbers that are not finite.", code="bad_values")
        factor = self._scale(batch, wanted) if scale is None else _whole("scale", scale)
        results = []
        for image, (height, width) in zip(batch.split(1), wanted, strict=True):
            inner = image[:, :, : height * factor, : width * factor]
            if inner.shape[2:] != (height * factor, width * factor):
                sides = tuple(image.shape[2:])
                raise ShapeError(f"An output of {sides} has no {height}x{width} pixels x{factor}.")
            results.append(inner[0].clamp(0, 1) if output_type == "pt" else to_pixels(inner))
        return [_to_pil(pixels) for pixels in results] if output_type == "pil" else results

    def _scale(self, batch: Tensor, sizes: list[tuple[int, int]]) -> int:
        """The one factor between the padded inputs and the output."""
        factors = set()
        for size in sizes:
            empty = torch.empty((1, 1, *size), device="meta")  # a shape without memory
            padded = self._pad(empty) if self.do_pad else empty
            factors |= {divmod(batch.shape[axis], padded.shape[axis]) for axis in (2, 3)}
        factor, rest = min(factors, default=(1, 0))
        if len(factors) > 1 or rest or not factor:
            text = f"An output of {tuple(batch.shape[2:])} is no multiple of {sizes}, padded."
            raise ShapeError(text, remedy="Give the model's scale, and sizes as (height, width).")
        return factor

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SETTINGS}

    def to_dict(self) -> dict[str, Any]:
        """What ``preprocessor_config.json`` holds, under the names transformers reads."""
        kind = {"image_processor_type": "Swin2SRImageProcessor", "pad_size": self.size_divisor}
        return {**self._settings(), **kind}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``preprocessor_config.json`` holds; unknown keys and nulls are left out."""
        names = (*_SETTINGS, "pad_size")
        return cls(**{name: values[name] for name in names if values.get(name) is not None})

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str]) -> Self:
        """The processor that belongs to a model; nothing is downloaded.

        The files published with models hold the defaults, and so a divisor of 8 even for a window
        of 7; for published models the window is the registry's instead.

        Args:
            name: folder with ``preprocessor_config.json``, or else a model's ``config.json``; or
                a published model's name, alias or Hub id.
        Raises:
            WeightsError: not_found, no such folder or model.
            ConfigError: a file that cannot be read or used.
        """
        if not isinstance(name, str | os.PathLike):
            raise KindError(f"A processor is found by name or path, not {type(name).__name__}.")
        entry = checkpoints.find(name) if isinstance(name, str) else None
        if entry is None or entry.source != "packaged":  # as weights are looked for
            folder = Path(name)
            if (folder / CONFIG_NAME).is_file():
                return cls.from_dict(_read(folder / CONFIG_NAME))
            if (folder / "config.json").is_file():
                config = Swin2SRConfig.from_json_file(folder / "config.json")
                return cls(size_divisor=config.window_size)
        if entry is None:
            text = f"{str(name)!r} is neither a folder with {CONFIG_NAME} nor a published model."
            remedy = "Make one: Swin2SRImageProcessor(size_divisor=model.config.window_size)."
            raise WeightsError(text, code="not_found", remedy=remedy)
        return cls(size_divisor=entry.config.window_size)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``preprocessor_config.json``, as transformers reads it.

        Raises:
            OutputError: the folder cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{str(folder)!r} cannot be made: {error.strerror}.") from error
        write_bytes(Path(folder) / CONFIG_NAME, text.encode())


Swin2SRImageProcessorFast = Swin2SRImageProcessor
Swin2SRImageProcessorPil = Swin2SRImageProcessor


def _flat(images: Any) -> list[Any]:
    """Single pictures, from one, from lists of them and from batches."""
    if isinstance(images, list | tuple):
        return [image for item in images for image in _flat(item)]
    if isinstance(images, np.ndarray | Tensor) and images.ndim == 4:
        return list(images)
    return [images]


def _planes(image: Any, layout: str | None) -> tuple[np.ndarray, bool]:
    """(C, H, W) float64 values of one picture, and whether they were floating point."""
    is_tensor = isinstance(image, Tensor)
    if isinstance(image, Image.Image):
        values, layout = _from_pil(image), LAST
    elif isinstance(image, Tensor):
        values = (image.float() if image.dtype == torch.bfloat16 else image).detach().cpu().numpy()
    elif isinstance(image, np.ndarray):
        values = image
    else:
        kind = type(image).__name__
        raise KindError(f"A picture is an image of PIL, an array or a tensor, not {kind}.")
    dtype, shape = values.dtype, values.shape
    if dtype.kind not in "uif":
        raise KindError(f"Pixels are whole or floating-point numbers, not {dtype}.")
    if len(shape) == 2:
        values, layout = values[None], FIRST
    elif len(shape) != 3 or layout == "none":
        raise ShapeError(f"A picture has (height, width) and perhaps channels, got {shape}.")
    if 0 in shape:
        raise ImageError(f"The picture is empty: its shape is {shape}.", code="empty")
    if (layout or _layout(shape, is_tensor, dtype == np.uint8)) == LAST:
        values = values.transpose(2, 0, 1)
    planes = np.array(values, dtype=np.float64)
    if not np.isfinite(planes).all():
        raise ImageError("The picture holds NaN or infinity.", code="nan")
    if dtype.kind == "u" and dtype.itemsize == 2:
        planes /= 257  # 65535 becomes 255
    return planes, dtype.kind == "f"


def _from_pil(image: Image.Image) -> np.ndarray:
    """(H, W) of grey pictures, (H, W, 3) of all others; 0..255 (16-bit grey: 0..65535)."""
    if image.mode in ("I", "F"):
        text = f"Mode {image.mode} does not say which value is white."
        raise ImageError(text, code="range", remedy="Give an array of values in 0..255.")
    try:
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode not in ("L", "RGB") and not image.mode.startswith("I;16"):
            image = image.convert("RGB")
        return np.asarray(image)
    except (OSError, ValueError) as error:
        raise ImageError(f"PIL cannot decode the picture: {error}.", code="corrupt") from error


def _layout(shape: tuple[int, ...], is_tensor: bool, is_bytes: bool) -> str:
    """Where the channels of a picture with three axes are."""
    first, last = shape[0] in _CHANNELS, shape[-1] in _CHANNELS
    is_first = first and (is_tensor or not last)
    is_last = last and not is_tensor and (not first or (is_bytes and shape[-1] == 3))
    if not (is_first or is_last):
        text = f"It is not clear where the 1 or 3 channels of {shape} are."
        raise ShapeError(text, remedy=f'Give input_data_format "{FIRST}" or "{LAST}".')
    return LAST if is_last else FIRST


def _stack(made: list[np.ndarray]) -> np.ndarray:
    shapes = sorted({planes.shape for planes in made})
    if len(shapes) != 1:
        text = f"One batch needs pictures of one shape, got {shapes or 'no pictures'}."
        raise ShapeError(text, remedy="Process them one by one, or without return_tensors.")
    return np.stack(made)


def _to_pil(pixels: np.ndarray) -> Image.Image:
    channels = pixels.shape[2]
    if channels not in _CHANNELS:
        raise ShapeError(f"PIL has no mode for {channels} channels.", remedy='Ask for "np".')
    levels = np.rint(pixels * 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if channels == 1 else levels)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"Cannot read the configuration {str(path)!r}: {error}.") from error


def _divisor(size_divisor: Any, pad_size: Any) -> int | None:
    """The one value that two names give; None when neither does."""
    given = {"size_divisor": size_divisor, "pad_size": pad_size}
    found = {_whole(name, value) for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise ConfigError(f"size_divisor and pad_size are one number, got {given}.")
    return found.pop() if found else None


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} must be a whole number from 1 up, got {value!r}.")
    return value


def _choice(name: str, value: Any, choices: tuple[str | None, ...]) -> Any:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value
