"""Image processor of restoration networks: values, axes, padding, cropping.

``Swin2SRImageProcessor`` takes every argument of the class of that name in transformers and honours
each of them in ``__init__``, in ``preprocessor_config.json`` and in the call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from swin2sr import checkpoints
from swin2sr.config import choice, flag, positive, restoration_config, whole
from swin2sr.errors import ConfigError, JobError, KindError, ShapeError, WeightsError
from swin2sr.nn.windows import pad_to_windows
from swin2sr.processing.base import BatchFeature, ImageProcessor
from swin2sr.processing.config_files import MODEL, PROCESSOR, ModelFiles
from swin2sr.processing.planes import FIRST, read_planes, to_picture, to_pixels

PADDINGS = ("minimal", "official")


class Swin2SRImageProcessor(ImageProcessor):
    """Image processor: network input of pictures, and pictures of network output.

    Args:
        name: a model, whose window is then the divisor unless one is given; as ``from_pretrained``.
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
        WeightsError: not_found, no such model.
    """

    names: ClassVar[tuple[str, ...]] = (
        "Swin2SRImageProcessor",
        "Swin2SRImageProcessorFast",
        "Swin2SRImageProcessorPil",
    )
    options: ClassVar[tuple[str, ...]] = (
        *("do_rescale", "rescale_factor", "do_pad", "size_divisor", "padding"),
    )

    def __init__(
        self,
        name: str | os.PathLike[str] | None = None,
        /,
        *,
        do_rescale: bool = True,
        rescale_factor: float = 1 / 255,
        do_pad: bool = True,
        size_divisor: int | None = None,
        pad_size: int | None = None,
        padding: str = "minimal",
    ) -> None:
        self.do_rescale = flag("do_rescale", do_rescale)
        self.rescale_factor = positive("rescale_factor", rescale_factor)
        self.do_pad = flag("do_pad", do_pad)
        divisor = _divisor(size_divisor, pad_size)
        if divisor is None and name is not None:
            divisor = type(self).from_pretrained(name).size_divisor
        self.size_divisor: int = divisor or 8
        self.padding = choice("padding", padding, PADDINGS)

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
        """Make network input of one picture or several; calling the processor does the same.

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
        return self._process(images, given, return_tensors, data_format, input_data_format)

    __call__ = preprocess

    def _prepare(self, image: Any, layout: str | None) -> tuple[np.ndarray, bool]:
        planes, is_float = read_planes(image, layout)
        is_dark = self.do_rescale and is_float and 0 < planes.max() <= 1
        if self.do_rescale:
            planes *= self.rescale_factor  # in double precision, as transformers does
        made = torch.from_numpy(planes.astype(np.float32, order="C"))[None]
        return (self._pad(made) if self.do_pad else made)[0].numpy(), is_dark

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
        """Make pictures of a network's output: padding cut off, values clipped to 0..1.

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
        choice("output_type", output_type, ("pil", "np", "pt"))
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
        factor = self._scale(batch, wanted) if scale is None else whole("scale", scale, least=1)
        results = []
        for image, (height, width) in zip(batch.split(1), wanted, strict=True):
            inner = image[:, :, : height * factor, : width * factor]
            if inner.shape[2:] != (height * factor, width * factor):
                sides = tuple(image.shape[2:])
                raise ShapeError(f"An output of {sides} has no {height}x{width} pixels x{factor}.")
            results.append(inner[0].clamp(0, 1) if output_type == "pt" else to_pixels(inner))
        return [to_picture(pixels) for pixels in results] if output_type == "pil" else results

    def _scale(self, batch: Tensor, sizes: list[tuple[int, int]]) -> int:
        """Scale between the padded inputs and the output, which must be one and whole."""
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

    def to_dict(self) -> dict[str, Any]:
        """As ``ImageProcessor.to_dict``, with the older name of the divisor."""
        return {**super().to_dict(), "pad_size": self.size_divisor}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """As ``ImageProcessor.from_dict``; either name of the divisor is read."""
        divisor = _divisor(values.get("size_divisor"), values.get("pad_size"))
        return super().from_dict({**values, "size_divisor": divisor})

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Load the processor that belongs to a model.

        The files published with models hold the defaults, and so a divisor of 8 even for a window
        of 7; for published models the window is the registry's instead, and nothing is downloaded.

        Args:
            name: a published model's name, alias or Hub id; or else a folder or Hub id with
                ``preprocessor_config.json``, or with a model's ``config.json`` alone.
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
        Raises:
            WeightsError: not_found, no such folder or model; offline or download.
            ConfigError: a file that cannot be read or used.
        """
        files = ModelFiles.of(
            name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        entry = checkpoints.find(name) if isinstance(name, str) else None
        # In the order weights are looked for: what is packaged, the folder, what is published.
        if entry is None or (entry.source != "packaged" and Path(name).is_dir()):
            if (values := files.read(PROCESSOR)) is not None:
                return cls.from_dict(values)
            if (values := files.read(MODEL)) is not None:
                return cls(size_divisor=restoration_config(values).window_size)
        if entry is None:
            raise WeightsError(
                f"{files.name!r} holds neither {PROCESSOR} nor {MODEL}.",
                code="not_found",
                remedy="Make one: Swin2SRImageProcessor(size_divisor=model.config.window_size).",
            )
        return cls(size_divisor=entry.config.window_size)


Swin2SRImageProcessorFast = Swin2SRImageProcessor
Swin2SRImageProcessorPil = Swin2SRImageProcessor


def _divisor(size_divisor: Any, pad_size: Any) -> int | None:
    """Value that the two names give together; None when neither does."""
    given = {"size_divisor": size_divisor, "pad_size": pad_size}
    found = {whole(name, value, least=1) for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise ConfigError(f"size_divisor and pad_size are one number, got {given}.")
    return found.pop() if found else None
