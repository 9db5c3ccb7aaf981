"""Images of a run, saved on request: inputs, originals and outputs side by side.

For example ``images/Set5_x2_bicubic/baby/`` with ``original.png``, ``input.png`` and one file a
model, ``model_bicubic.png``.
"""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from eval.run.rows import TableCell
from swin2sr.filesystem import make_folder, write_file

FOLDER = "images"
ORIGINAL, INPUT = "original", "input"
_LONGEST = 80  # characters of a file's stem


def save(out: Path, cell: TableCell, name: str, pictures: dict[str, np.ndarray]) -> None:
    """Write PNG files, each whole or not at all.

    Args:
        out: the run's folder. cell, name: which image.
        pictures: (H, W, 3) or (H, W) uint8 by what they are: ``ORIGINAL``, ``INPUT`` or "output".
    Raises:
        OutputError: they cannot be written.
    """
    folder = place(out, cell, name)
    make_folder(folder)
    for kind, pixels in pictures.items():
        stem = kind if kind in (ORIGINAL, INPUT) else output(cell.model)
        image = Image.fromarray(pixels)
        write_file(folder / f"{stem}.png", partial(image.save, format="PNG"))


def place(out: Path, cell: TableCell, name: str) -> Path:
    """Folder of an image of a cell; the same for every model."""
    task = f"{cell.set}_x{cell.scale}_{cell.degradation}"
    return out / FOLDER / safe(task) / safe(name)


def output(model: str) -> str:
    """Stem of a model's output."""
    return safe(f"model_{model}")


def safe(name: str) -> str:
    """Make a name that every file system takes; different names stay different."""
    plain = re.sub(r"[^\w.+@-]", "_", name, flags=re.ASCII).strip(".")[:_LONGEST]
    if plain == name:
        return name
    return f"{plain}-{sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"
