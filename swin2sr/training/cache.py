"""Small versions of training images, made once and kept on the disk.

An entry is named by what it was made from (the scale and every byte of the large image), so that a
changed image never meets an old one; it begins with the sha256 of its own content, so that a
damaged one is noticed and made again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from swin2sr.errors import OutputError
from swin2sr.filesystem import write_bytes
from swin2sr.images.resize import imresize

_MAKER = b"imresize bicubic mirror 1"  # part of every name: another way of making gets other names
_DIGEST = hashlib.sha256().digest_size


def shrunk(image: np.ndarray, scale: int, folder: Path | None) -> np.ndarray:
    """An image reduced with MATLAB's bicubic kernel, from the cache or into it.

    Args:
        image: (H, W, C) uint8, H and W multiples of ``scale``.
        scale: whole factor, at least 2.
        folder: of the cache, made when absent; None keeps nothing.
    Returns:
        (H // scale, W // scale, C) uint8.
    Raises:
        OutputError: the cache cannot be written.
    """
    if folder is None:
        return imresize(image, 1 / scale)
    height, width, channels = image.shape
    path = folder / f"{key(image, scale)}.lr"
    kept = _read(path, (height // scale, width // scale, channels))
    if kept is not None:
        return kept
    made = imresize(image, 1 / scale)
    data = made.tobytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {str(folder)!r}: {error.strerror}.") from error
    write_bytes(path, hashlib.sha256(data).digest() + data)
    return made


def key(image: np.ndarray, scale: int) -> str:
    """The name under which the small version of ``image`` (H, W, C) uint8 is kept, hexadecimal."""
    what = hashlib.sha256(_MAKER + repr((scale, image.shape)).encode())
    what.update(np.ascontiguousarray(image).data)
    return what.hexdigest()


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """What a file of the cache holds; None when it is absent, damaged or cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST:]
    if len(content) != np.prod(shape) or hashlib.sha256(content).digest() != data[:_DIGEST]:
        return None
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
