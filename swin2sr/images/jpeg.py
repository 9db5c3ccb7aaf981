"""JPEG quality of a file, and advice where a model is not meant for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# What the 64 waves of a block of brightness are divided by at quality 50, row by row: ITU-T T.81
# (1992), table K.1, which libjpeg scales for the other qualities.
QUALITY_50 = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
QUALITIES = np.arange(1, 101)
_SCALES = np.where(QUALITIES < 50, 5000 // QUALITIES, 200 - 2 * QUALITIES)[:, None]
QUANTIZATION = np.clip((QUALITY_50 * _SCALES + 50) // 100, 1, 255)  # (100, 64), of every quality
# Measured with the packaged ones: repair gains up to here and costs from 60 on (Set5); below 70 a
# model for clean pictures is no better than bicubic (lesson 6).
REPAIR_LIMIT = 55
CLEAN_LIMIT = 70


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Estimate the quality that libjpeg would have to be given to divide most alike.

    Args:
        tables: of a file, by number, as Pillow's ``quantization``; 0 is that of brightness.
    Returns:
        1..100, exact for files of libjpeg and Pillow, near for others; None without a table.
    """
    table = np.asarray(tables.get(0, ()))
    if table.shape != QUALITY_50.shape:
        return None
    return int(QUALITIES[np.abs(QUANTIZATION - table).sum(axis=1).argmin()])


def advice(task: str | None, quality: int | None) -> str | None:
    """Advice where a model and the compression of a picture do not go together.

    Args:
        task: of the model, as in the registry; None when it is not known.
        quality: of the picture's file, or None.
    """
    if quality is None:
        return None
    saved = f"The file was saved at a JPEG quality of about {quality}."
    if task in ("jpeg", "compressed") and quality > REPAIR_LIMIT:
        return (
            f"{saved} This model is for qualities of about 10 to 40; in better files it may "
            "take fine detail for damage."
        )
    if task in ("classical", "lightweight") and quality < CLEAN_LIMIT:
        return f"{saved} This model is for clean pictures: it sharpens blocks and ringing, too."
    return None
