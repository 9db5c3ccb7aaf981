"""Image processor of Swin and Swin V2: size, centre, values.

``ViTImageProcessor`` is the class that the checkpoints of both name in their files; sizes are
changed by Pillow, as transformers does where torchvision is not installed.

Source: ``ViTImageProcessorPil`` and ``image_transforms`` of transformers 5.23; the
``preprocessor_config.json`` of microsoft/swin-tiny-patch4-window7-224 and
microsoft/swinv2-tiny-patch4-window8-256.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

from swin2sr.config import flag, number, positive, whole
from swin2sr.errors import ConfigError, ImageError, ShapeError, WeightsError
from swin2sr.processing.base import BatchFeature, ImageProcessor
from swin2sr.processing.config_files import MODEL, PROCESSOR, ModelFiles
from swin2sr.processing.planes import FIRST, read_planes

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Size = int | Sequence[int] | Mapping[str, int]
Values = float | Sequence[float]


class ViTImageProcessor(ImageProcessor):
    """Image processor: network input of one size, the centre cut out, values shifted and scaled.

    The defaults are those of transformers; the files of Swin and Swin V2 name ``IMAGENET_MEAN``,
    ``IMAGENET_STD`` and bicubic interpolation.

    Args:
        do_resize: bring pictures to ``size``.
        size: pixels. {"height", "width"}, a (height, width) or one number for a square: exactly
            this, whatever the sides' ratio; {"shortest_edge"}: the shorter side, the ratio stays.
        resample: filter of the resizing, one of ``PIL.Image.Resampling`` (0 to 5).
        do_center_crop: cut ``crop_size`` out of the middle; what is smaller gets a border of 0.
        crop_size: pixels, {"height", "width"}, (height, width) or one number.
        do_rescale: multiply the values by ``rescale_factor``.
        rescale_factor: above 0; 1/255 brings 0..255 to 0..1.
        do_normalize: subtract ``image_mean``, then divide by ``image_std``.
        image_mean, image_std: a number for each channel or one for all; ``image_std`` above 0.
        do_convert_rgb: make three channels of every picture, transparency before white; else
            grey ones keep one.
    Raises:
        ConfigError: a value outside these.
    """

    names: ClassVar[tuple[str, ...]] = (
        "ViTImageProcessor",
        "ViTImageProcessorFast",
        "ViTImageProcessorPil",
        "ViTFeatureExtractor",
    )
    options: ClassVar[tuple[str, ...]] = (
        *("do_resize", "size", "resample", "do_center_crop", "crop_size"),
        *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std"),
        "do_convert_rgb",
    )

    def __init__(
        self,
        *,
        do_resize: bool = True,
        size: Size = 224,
        resample: int = Image.Resampling.BILINEAR,
        do_center_crop: bool = False,
        crop_size: Size | None = None,
        do_rescale: bool = True,
        rescale_factor: float = 1 / 255,
        do_normalize: bool = True,
        image_mean: Values = 0.5,
        image_std: Values = 0.5,
        do_convert_rgb: bool = True,
    ) -> None:
        self.do_resize = flag("do_resize", do_resize)
        self.size = _size("size", size, ({"height", "width"}, {"shortest_edge"}))
        self.resample = _filter(resample)
        self.do_center_crop = flag("do_center_crop", do_center_crop)
        if self.do_center_crop and crop_size is None:
            raise ConfigError("do_center_crop needs a crop_size.", remedy="Give it in pixels.")
        self.crop_size = (
            None if crop_size is None else _size("crop_size", crop_size, ({"height", "width"},))
        )
        self.do_rescale = flag("do_rescale", do_rescale)
        self.rescale_factor = positive("rescale_factor", rescale_factor)
        self.do_normalize = flag("do_normalize", do_normalize)
        self.image_mean = [number("image_mean", value) for value in _each(image_mean)]
        self.image_std = [positive("image_std", value) for value in _each(image_std)]
        self.do_convert_rgb = flag("do_convert_rgb", do_convert_rgb)

    def preprocess(
        self,
        images: Any,
        *,
        do_resize: bool | None = None,
        size: Size | None = None,
        resample: int | None = None,
        do_center_crop: bool | None = None,
        crop_size: Size | None = None,
        do_rescale: bool | None = None,
        rescale_factor: float | None = None,
        do_normalize: bool | None = None,
        image_mean: Values | None = None,
        image_std: Values | None = None,
        do_convert_rgb: bool | None = None,
        return_tensors: str | None = None,
        data_format: str | None = FIRST,
        input_data_format: str | None = None,
    ) -> BatchFeature:
        """Network input for one picture or several; calling the processor does the same.

        Kinds, modes and layouts are those of ``Swin2SRImageProcessor.preprocess``, except that
        transparency is laid before white. Whole numbers in 0..255 are resized with 8 bits, as
        Pillow resizes pictures, all others in floating point.

        Args:
            images: PIL picture, array or tensor; a list of these; or a batch with four axes.
            return_tensors: None for a list of arrays, "np" or "pt" for one batch.
            data_format: "channels_first" (also for None) or "channels_last", of the result.
            input_data_format: "channels_first", "channels_last" or "none" (no channel axis), of
                arrays and tensors; pictures of PIL and (H, W) need none.
            others: instead of the processor's own.
        Returns:
            ``pixel_values``: (C, H', W') float32 arrays, or (B, C, H', W') on the CPU.
        Raises:
            ShapeError: a layout that must be given, sizes that make no batch, or channels that
                are not those of ``image_mean`` and ``image_std``, or no colours.
            ImageError, KindError, ConfigError: as ``Swin2SRImageProcessor.preprocess``.
        """
        given = {name: value for name, value in locals().items() if name in self.options}
        return self._process(images, given, return_tensors, data_format, input_data_format)

    __call__ = preprocess

    def _prepare(self, image: Any, layout: str | None) -> tuple[np.ndarray, bool]:
        if self.do_convert_rgb and isinstance(image, Image.Image):
            image = _before_white(image)
        planes, is_float = read_planes(image, layout)
        is_unit = is_float and 0 < planes.max() <= 1
        white = 1.0 if is_unit else 255.0
        if self.do_convert_rgb:
            planes = _three(planes, white)
        if self.do_resize:
            height, width = self._target(*planes.shape[1:])
            planes = _resize(planes, height, width, self.resample, white)
        if self.do_center_crop and self.crop_size is not None:
            planes = _center(planes, self.crop_size["height"], self.crop_size["width"])
        if self.do_rescale:
            planes = planes * self.rescale_factor  # in double precision, as transformers does
        made = planes.astype(np.float32, order="C")
        if self.do_normalize:
            made -= _column("image_mean", self.image_mean, len(made))
            made /= _column("image_std", self.image_std, len(made))
        return made, self.do_rescale and is_unit

    def _target(self, height: int, width: int) -> tuple[int, int]:
        """Sides to resize (height, width) to."""
        if "height" in self.size:
            return self.size["height"], self.size["width"]
        short = self.size["shortest_edge"]
        long = int(short * max(height, width) / min(height, width))
        return (long, short) if height > width else (short, long)

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

        Args:
            name: folder or Hub id with ``preprocessor_config.json``; where there is only
                ``config.json``, the size is the network's, and mean, deviation and filter are
                those that Swin and Swin V2 were trained with.
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
        Raises:
            WeightsError: not_found, offline or download.
            ConfigError: a file that cannot be read or used.
        """
        files = ModelFiles.of(
            name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        if (values := files.read(PROCESSOR)) is not None:
            return cls.from_dict(values)
        if (values := files.read(MODEL)) is not None:
            return cls.for_network(values)
        raise WeightsError(
            f"{files.name!r} holds neither {PROCESSOR} nor {MODEL}.",
            code="not_found",
            remedy="Make one: ViTImageProcessor(size=..., image_mean=..., image_std=...).",
        )

    @classmethod
    def for_network(cls, values: Mapping[str, Any]) -> Self:
        """Build the processor that a network of Swin or Swin V2 was trained with.

        Args:
            values: of its ``config.json``; only "image_size" counts (224 where it is missing).
        Raises:
            ConfigError: a size that is none.
        """
        return cls(
            size=values.get("image_size", 224),
            resample=Image.Resampling.BICUBIC,
            image_mean=IMAGENET_MEAN,
            image_std=IMAGENET_STD,
        )


ViTImageProcessorFast = ViTImageProcessor


def _size(name: str, value: Any, kinds: tuple[set[str], ...]) -> dict[str, int]:
    """Size in pixels by the names of its sides."""
    if isinstance(value, int):
        value = (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, Mapping) or set(value) not in kinds:
        offered = " or ".join(f"{{{', '.join(map(repr, sorted(kind)))}}}" for kind in kinds)
        raise ConfigError(f"{name} is a number, a (height, width) or {offered}, got {value!r}.")
    return {side: whole(f"{name}[{side!r}]", pixels, least=1) for side, pixels in value.items()}


def _filter(value: Any) -> int:
    filters = {int(kind): kind.name for kind in Image.Resampling}
    if isinstance(value, bool) or not isinstance(value, int) or value not in filters:
        offered = ", ".join(f"{number} ({name.lower()})" for number, name in filters.items())
        raise ConfigError(f"resample must be one of {offered}, got {value!r}.")
    return int(value)


def _each(value: Any) -> list[Any]:
    """Numbers of a list, or one for each of three channels."""
    return list(value) if isinstance(value, list | tuple) and value else [value] * 3


def _column(name: str, values: list[float], channels: int) -> np.ndarray:
    """(C, 1, 1), to be used on (C, H, W)."""
    if len(values) != channels:
        # One number for all is kept as three; a network of one channel may mean the same.
        if len(set(values)) > 1:
            text = f"{name} has {len(values)} numbers, the picture {channels} channels."
            raise ShapeError(text, remedy="Give one number for each channel.")
        values = values[:1] * channels
    return np.array(values, dtype=np.float32)[:, None, None]


def _before_white(image: Image.Image) -> Image.Image:
    """Picture without transparency: white is behind it."""
    has_alpha = {"A", "a"} & {*image.getbands()} or "transparency" in image.info
    if not has_alpha or image.mode.startswith(("I", "F")):
        return image
    try:
        veiled = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    except (OSError, ValueError) as error:
        raise ImageError(f"PIL cannot decode the picture: {error}.", code="corrupt") from error
    background = Image.new("RGBA", veiled.size, (255, 255, 255, 255))
    return Image.alpha_composite(background, veiled).convert("RGB")


def _three(planes: np.ndarray, white: float) -> np.ndarray:
    """(3, H, W) of grey, of colours, or of colours with opacity."""
    if len(planes) == 1:
        return planes.repeat(3, axis=0)
    if len(planes) == 4:
        opacity = planes[3] / white
        mixed = opacity * planes[:3] + (1 - opacity) * white
        return mixed if white == 1 else np.rint(mixed)
    if len(planes) != 3:
        text = f"Colours have 1, 3 or 4 channels, this picture has {len(planes)}."
        raise ShapeError(text, remedy="Give colours, or do_convert_rgb=False.")
    return planes


def _resize(planes: np.ndarray, height: int, width: int, resample: int, white: float) -> np.ndarray:
    """(C, height, width) float64 of (C, H, W)."""
    low, high = min(0.0, planes.min()), max(white, planes.max())
    is_bytes = white == 255 and low == 0 and high == 255 and not (planes % 1).any()
    pictures = (
        Image.fromarray(plane.astype(np.uint8 if is_bytes else np.float32)) for plane in planes
    )
    resized = [np.asarray(one.resize((width, height), resample)) for one in pictures]
    return np.clip(np.stack(resized).astype(np.float64), low, high)


def _center(planes: np.ndarray, height: int, width: int) -> np.ndarray:
    """(C, height, width) of the middle; where the picture is smaller, 0 around it."""
    made = np.zeros((len(planes), height, width), planes.dtype)
    source: list[slice] = []
    target: list[slice] = []
    for have, want in zip(planes.shape[1:], (height, width), strict=True):
        start = (have - want) // 2  # below 0 where the picture is smaller
        source.append(slice(max(start, 0), max(start, 0) + min(have, want)))
        target.append(slice(max(-start, 0), max(-start, 0) + min(have, want)))
    made[:, target[0], target[1]] = planes[:, source[0], source[1]]
    return made
