"""Significance of the difference between two models: paired tests on per-image values.

Source: Wilcoxon, "Individual comparisons by ranking methods" (1945), and Efron's bootstrap
(percentile interval of the mean), both as SciPy has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swin2sr.errors import ShapeError

RESAMPLES = 9999
CONFIDENCE = 0.95
LEAST = 6  # images: with fewer, no outcome of the two-sided test can fall below 0.05


@dataclass(frozen=True)
class Comparison:
    """Comparison of one model with another on the same images.

    Args:
        n: images. wins, losses: how many the first is better and worse on.
        difference: mean of the per-image differences, first minus second.
        low, high: 95 % interval of that mean over sets of such images.
        p: of the two-sided Wilcoxon signed-rank test; 1 when no image differs.
    """

    n: int
    wins: int
    losses: int
    difference: float
    low: float
    high: float
    p: float


def compare(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Comparison:
    """Compare two models by their values on the same images.

    Args:
        first, second: a finite value per image, in the same order.
        seed: of the bootstrap; equal seeds give equal intervals.
    Raises:
        ShapeError: no images, or not as many on both sides.
    """
    if len(first) != len(second) or not len(first):
        raise ShapeError(f"A comparison is of the same images: {len(first)} and {len(second)}.")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    low, high = _interval(differences, seed)
    return Comparison(
        n=len(differences),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=_wilcoxon(differences),
    )


def _interval(differences: np.ndarray, seed: int) -> tuple[float, float]:
    if np.ptp(differences) == 0:  # nothing to resample
        return float(differences[0]), float(differences[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _wilcoxon(differences: np.ndarray) -> float:
    if not differences.any():
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)
