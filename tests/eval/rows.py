"""Rows of results, as runs would write them."""

from __future__ import annotations

from eval.run.protocol import Scores
from eval.run.rows import Row, TableCell

SETS = {"Set5 x2": {"images": 2}, "Set14 x2": {"images": 2}, "LIVE1 x1": {"images": 1}}


def row(model: str, name: str, image: str, psnr: float, ssim: float = 0.9) -> Row:
    cell = TableCell(model, name, 2, "bicubic")
    return Row(cell, image, "mirror", 8, 8, Scores(psnr, ssim, psnr - 2, ssim), 1.0, None)


def restored(model: str, psnr: float, psnr_b: float) -> Row:
    cell = TableCell(model, "LIVE1", 1, "jpeg10")
    scores = Scores(psnr + 2, 0.9, psnr, 0.8, psnr_b, psnr_b)
    return Row(cell, "a", "none", 8, 8, scores, 1.0, None)
