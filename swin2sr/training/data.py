"""Training images in pairs of low and high resolution, whole in memory, and their cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swin2sr import images
from swin2sr.errors import ConfigError, ImageError
from swin2sr.filesystem import make_folder, write_bytes
from swin2sr.images.colour import full_range_luma
from swin2sr.images.degradations import Jpeg
from swin2sr.images.realworld import RealWorld
from swin2sr.images.resize import imresize

SUFFIXES = (".png", ".webp", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")
VALIDATION_SEED = 2209  # of the JPEG qualities that validation sees, the same for every recipe
_MAKER = b"imresize bicubic mirror 1"  # part of every key: another way of making gets other keys
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Pairs:
    """Pairs of low- and high-resolution images.

    ``lr[i]`` is (h, w, C) uint8 and ``hr[i]`` is (h * scale, w * scale, C) uint8, with C 3 or 1.
    At scale 1 they are the same. ``taught[i]`` has the shape of ``hr[i]``: what a teacher makes of
    ``lr[i]``; empty without a teacher.
    """

    scale: int
    lr: tuple[np.ndarray, ...]
    hr: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    taught: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.hr)

    def digest(self) -> str:
        """Digest (sha256) of names and contents, hexadecimal: other images have another."""
        whole = hashlib.sha256(str(self.scale).encode())
        for name, image in zip(self.names, self.hr, strict=True):
            whole.update(repr((name, image.shape)).encode())
            whole.update(np.ascontiguousarray(image).data)
        return whole.hexdigest()


def read_images(
    folder: Path,
    scale: int,
    *,
    channels: int = 3,
    cache: Path | None = None,
    paths: Sequence[Path] | None = None,
) -> Pairs:
    """Read the images below a folder and make their small versions once.

    Args:
        folder: searched with its sub-folders, in the order of the relative paths.
        scale: each image is cropped to a multiple of it from the top left, then shrunk by it with
            MATLAB's bicubic kernel; 1 leaves it as it is.
        channels: 3 for colour (grey images get three equal channels), 1 for brightness alone;
            transparency is dropped, colour profiles are followed.
        cache: folder to keep the small versions in; None keeps none.
        paths: read only these instead of all.
    Returns:
        Pairs.
    Raises:
        ConfigError: no images there. ImageError: one cannot be read, or is below 2 * scale pixels.
        OutputError: the cache cannot be written.
    """
    files = list(paths) if paths is not None else find_images(folder)
    if not files:
        raise ConfigError(f"No images in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    lr, hr, names = [], [], []
    for path in files:
        pixels = _read(path, channels)
        height, width = (side - side % scale for side in pixels.shape[:2])
        if min(height, width) < 2 * scale:
            raise ImageError(f"{path.name!r} is too small to train on.", code="range")
        large = np.ascontiguousarray(pixels[:height, :width])
        hr.append(large)
        lr.append(large if scale == 1 else downscaled(large, scale, cache))
        names.append(path.relative_to(folder).as_posix())
    return Pairs(scale, tuple(lr), tuple(hr), tuple(names))


def downscaled(image: np.ndarray, scale: int, folder: Path | None) -> np.ndarray:
    """Reduce an image with MATLAB's bicubic kernel, from the cache or into it.

    An entry of the cache is named by what it was made from (the scale and every byte of the large
    image), so that a changed image never meets an old one; it begins with the sha256 of its own
    content, so that a damaged one is noticed and made again.

    Args:
        image: (H, W, C) uint8, H and W multiples of ``scale``, which is at least 2.
        folder: of the cache, made when absent; None keeps nothing.
    Raises:
        OutputError: the cache cannot be written.
    """
    if folder is None:
        return imresize(image, 1 / scale)
    height, width, channels = image.shape
    path = folder / f"{cache_key(image, _MAKER + repr((scale, image.shape)).encode())}.lr"
    return cached(
        path, (height // scale, width // scale, channels), lambda: imresize(image, 1 / scale)
    )


def cached(path: Path, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """Read an image of ``shape``, uint8, from the cache; make and keep it where it is not there.

    Raises:
        OutputError: the cache cannot be written.
    """
    kept = _read_entry(path, shape)
    if kept is not None:
        return kept
    made = make()
    data = made.tobytes()
    make_folder(path.parent)
    write_bytes(path, hashlib.sha256(data).digest() + data)
    return made


def cache_key(image: np.ndarray, maker: bytes) -> str:
    """Cache key of what ``maker`` makes of ``image`` (H, W, C) uint8, hexadecimal."""
    what = hashlib.sha256(maker)
    what.update(np.ascontiguousarray(image).data)
    return what.hexdigest()


def _read_entry(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Entry of the cache; None when it is absent, damaged or cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST:]
    if len(content) != np.prod(shape) or hashlib.sha256(content).digest() != data[:_DIGEST]:
        return None
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def find_images(folder: Path, without: Path | None = None) -> list[Path]:
    """Find the image files below a folder, by suffix, in the order of the relative paths; hidden
    ones, and those in the folder ``without``, such as that of the run itself, are left out."""
    skipped = None if without is None else without.resolve()
    if skipped is not None and folder.resolve() not in skipped.parents:
        skipped = None
    found = (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        if skipped is None or skipped not in path.resolve().parents
    )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def split(pairs: Pairs, held_out: int, side: int = 256) -> tuple[Pairs, Pairs]:
    """Set some images aside for validation.

    Args:
        pairs: at least ``held_out + 1`` of them when ``held_out`` > 0.
        held_out: how many; those whose names have the smallest sha256, so that adding images
            changes the choice little and nobody's taste enters it.
        side: validation sees the central ``side`` x ``side`` HR pixels of each, or less.
    Returns:
        (training pairs, validation pairs).
    Raises:
        ConfigError: too few images.
    """
    if held_out < 0 or held_out >= len(pairs):
        raise ConfigError(f"Cannot hold out {held_out} of {len(pairs)} images.")
    digests = [hashlib.sha256(name.encode()).digest() for name in pairs.names]
    order = sorted(range(len(pairs)), key=lambda i: digests[i])
    chosen = set(order[:held_out])
    rest = [i for i in range(len(pairs)) if i not in chosen]
    return _take(pairs, rest), _centres(_take(pairs, sorted(chosen)), side)


def compressed(pairs: Pairs, quality: tuple[int, int]) -> Pairs:
    """Compress the LR images of pairs as JPEG, each at a quality of its own between a lowest and a
    highest; which image gets which depends on its place alone."""
    random = np.random.default_rng(VALIDATION_SEED)
    qualities = random.integers(quality[0], quality[1], size=len(pairs), endpoint=True)
    lr = [on_plane(Jpeg(int(q)), image) for q, image in zip(qualities, pairs.lr, strict=True)]
    return Pairs(pairs.scale, tuple(lr), pairs.hr, pairs.names)


def damaged(pairs: Pairs) -> Pairs:
    """Damage the HR images of pairs as the real world does, instead of only making them small.

    Args:
        pairs: images to validate on; strengths are spread evenly over them, by their place alone.
    """
    lr = [
        on_plane(RealWorld(pairs.scale, (place + 0.5) / len(pairs), VALIDATION_SEED + place), image)
        for place, image in enumerate(pairs.hr)
    ]
    return Pairs(pairs.scale, tuple(lr), pairs.hr, pairs.names)


def on_plane(change: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Apply a function of (H, W, 3) or (H, W) images to one of (H, W, 3) or (H, W, 1)."""
    image = np.ascontiguousarray(image)
    return change(image[..., 0])[..., None] if image.shape[2] == 1 else change(image)


def _read(path: Path, channels: int) -> np.ndarray:
    """Read an image file: (H, W, channels) uint8."""
    try:
        pixels = images.decode(path).pixels
    except ImageError as error:
        raise ImageError(
            f"Cannot train on {path.name!r}: {error.message}", code=error.code, remedy=error.remedy
        ) from error
    if channels == 1:
        pixels = full_range_luma(pixels)[..., None]
    return np.rint(pixels * 255).astype(np.uint8)


def _take(pairs: Pairs, indices: Sequence[int]) -> Pairs:
    return Pairs(
        pairs.scale,
        tuple(pairs.lr[i] for i in indices),
        tuple(pairs.hr[i] for i in indices),
        tuple(pairs.names[i] for i in indices),
    )


def _centres(pairs: Pairs, side: int) -> Pairs:
    """Central crop of each pair, aligned to the LR grid."""
    small = max(1, side // pairs.scale)

    def centre(image: np.ndarray, scale: int) -> np.ndarray:
        starts = (max(0, (length // scale - small) // 2) for length in image.shape[:2])
        rows, columns = (slice(start * scale, (start + small) * scale) for start in starts)
        return image[rows, columns]

    lr, hr = (centre(low, 1) for low in pairs.lr), (centre(high, pairs.scale) for high in pairs.hr)
    return Pairs(pairs.scale, tuple(lr), tuple(hr), pairs.names)
