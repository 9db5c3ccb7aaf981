"""Real-world degradation: blur, resizing, noise and JPEG in an order drawn at random.

Photographs from phones and the web are not clean pictures made small: lens and motion blur them,
people shrink them by odd factors, sensors add noise, and they are compressed more than once.

Source: BSRGAN (Zhang et al., arXiv 2103.14006), section 3: two blurs, two resizings, noise and JPEG
in shuffled order and a JPEG at the end; ranges are those of its scale 4. Left out: its processed
camera noise (an inverse pipeline with measured colour matrices, of which Poisson noise is the
part that depends on brightness) and resizing without interpolation, which moves the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from swin2sr.errors import ConfigError, ShapeError
from swin2sr.images.degradations import Jpeg, check_image

MOST_BLUR = 0.7  # standard deviation of a Gaussian over the scale, in large pixels
MOST_SHRINKING = 2.0  # of the first resizing, over the scale
MOST_NOISE = 25 / 255  # standard deviation of Gaussian noise
FEWEST_PHOTONS = 100.0  # of Poisson noise at white; at most a hundred times as many
QUALITIES = (30, 95)  # of JPEG
RESAMPLING = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX)
_Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RealWorld:
    """Real-world degradation of one picture: the same seed damages it in the same way.

    Args:
        scale: factor of the reduction, at least 1. Rows and columns beyond a multiple of it are
            cropped first, from the bottom and right.
        strength: how far the ranges reach, from 0 (hardly any damage) to 1 (BSRGAN's).
        seed: of everything that chance decides.
    Raises:
        ConfigError: values outside these.
    """

    scale: int
    strength: float
    seed: int

    def __post_init__(self) -> None:
        if self.scale < 1 or self.seed < 0 or not 0 <= self.strength <= 1:
            raise ConfigError(
                "A real-world degradation has a scale of at least 1, a strength from 0 to 1 and a "
                f"seed that is not negative, not {self.scale}, {self.strength} and {self.seed}."
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8 -> (H // scale, W // scale, ...) uint8.

        Raises:
            ShapeError: an image smaller than the scale.
        """
        check_image(image)
        height, width = (side // self.scale for side in image.shape[:2])
        if min(height, width) < 1:
            raise ShapeError(f"{image.shape[:2]} pixels cannot be shrunk by {self.scale}.")
        random = np.random.default_rng(self.seed)
        values = image[: height * self.scale, : width * self.scale].astype(np.float32) / 255
        values = values[:, :, None] if image.ndim == 2 else values
        for change in self._changes(random, (height, width)):
            values = np.clip(change(values), 0, 1)
        return _compressed(values, self._quality(random)).reshape(height, width, *image.shape[2:])

    def _changes(self, random: np.random.Generator, size: tuple[int, int]) -> list[_Change]:
        """Draw what happens before the last compression, in its order."""
        strength = self.strength

        def blur(values: np.ndarray) -> np.ndarray:
            widest = max(0.1, MOST_BLUR * self.scale * strength)
            sigmas = random.uniform(0.1, widest, 2)
            if random.random() < 0.5:
                sigmas[1] = sigmas[0]  # the same in all directions
            return blurred(values, sigmas, random.uniform(0, np.pi))

        def resize(values: np.ndarray) -> np.ndarray:
            most = max(1.0, MOST_SHRINKING * self.scale * strength)
            factor = random.uniform(1, most)
            sides = [max(1, round(side / factor)) for side in values.shape[:2]]
            return _resized(values, (sides[0], sides[1]), random)

        def reduce(values: np.ndarray) -> np.ndarray:
            return _resized(values, size, random)

        def gaussian(values: np.ndarray) -> np.ndarray:
            return values + _gaussian_noise(values.shape, MOST_NOISE * strength, random)

        def poisson(values: np.ndarray) -> np.ndarray:
            photons = FEWEST_PHOTONS * 100 ** random.uniform(1 - strength, 1)
            return random.poisson(values * photons).astype(np.float32) / np.float32(photons)

        def jpeg(values: np.ndarray) -> np.ndarray:
            pixels = _compressed(values, self._quality(random))
            return pixels.reshape(values.shape).astype(np.float32) / 255

        some = [change for change in (resize, poisson, jpeg) if random.random() < 0.5]
        changes = [blur, blur, reduce, gaussian, *some]
        order = [changes[i] for i in random.permutation(len(changes))]
        if resize in order and order.index(resize) > order.index(reduce):
            first, second = order.index(reduce), order.index(resize)
            order[first], order[second] = resize, reduce
        return order

    def _quality(self, random: np.random.Generator) -> int:
        low, high = QUALITIES
        return int(random.integers(round(high - (high - low) * self.strength), high, endpoint=True))


def blurred(values: np.ndarray, sigmas: np.ndarray, angle: float) -> np.ndarray:
    """Blur an image with a Gaussian, which may be longer in one direction.

    The Fourier transform of a Gaussian is one, so there is no kernel that must be cut off.

    Args:
        values: (H, W, C) float32; mirrored at the border.
        sigmas: standard deviations along and across ``angle``, in pixels.
        angle: in radians.
    Returns:
        (H, W, C) float32.
    """
    reach = [min(side - 1, int(np.ceil(4 * max(sigmas)))) for side in values.shape[:2]]
    planes = np.ascontiguousarray(np.moveaxis(values, 2, 0))
    padded = np.pad(planes, ((0, 0), (reach[0],) * 2, (reach[1],) * 2), mode="reflect")
    height, width = padded.shape[1:]
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    along = across * np.cos(angle) + down * np.sin(angle)
    aside = down * np.cos(angle) - across * np.sin(angle)
    response = np.exp(-2 * np.pi**2 * ((sigmas[0] * along) ** 2 + (sigmas[1] * aside) ** 2))
    spectrum = np.fft.rfft2(padded) * response.astype(np.float32)
    whole = np.fft.irfft2(spectrum, s=(height, width))
    return np.moveaxis(whole[:, reach[0] : height - reach[0], reach[1] : width - reach[1]], 0, 2)


def _resized(values: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Resize (H, W, C) float32 with a kernel drawn at random; size is (height, width)."""
    kernel = RESAMPLING[random.integers(len(RESAMPLING))]
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], kernel))
        for plane in np.moveaxis(values, 2, 0)
    ]
    return np.stack(planes, axis=2)


def _gaussian_noise(shape: tuple[int, ...], most: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise, float32: of each channel alone, of all alike, or of mixed colours."""
    sigma = random.uniform(0, most)
    kind = random.random()
    channels = shape[2]
    if kind < 0.4:
        return (sigma * random.standard_normal(shape)).astype(np.float32)
    if kind < 0.8:
        return (sigma * random.standard_normal((*shape[:2], 1))).astype(np.float32)
    mixing = random.uniform(-1, 1, (channels, channels))
    mixing /= np.linalg.norm(mixing, axis=0).max()  # no channel is louder than sigma
    return (sigma * random.standard_normal(shape) @ mixing).astype(np.float32)


def _compressed(values: np.ndarray, quality: int) -> np.ndarray:
    """Compress (H, W, C) float32 in 0..1 as JPEG; (H, W, 3) or (H, W) uint8."""
    pixels = np.rint(values * 255).astype(np.uint8)
    return Jpeg(quality)(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
