"""The published lightweight weights reproduce the numbers measured with transformers."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.run.session import enlarger, evaluate, mean
from eval.sets.datasets import find

PSNR = {
    "baby": 38.956,
    "bird": 43.323,
    "butterfly": 35.762,
    "head": 36.093,
    "woman": 36.698,
}


@pytest.mark.benchmark
@pytest.mark.timeout(900)  # five whole pictures
def test_lightweight_x2_on_set5(shared_data: Path) -> None:
    weights = shared_data / "weights" / "swin2SR-lightweight-x2-64"
    if not weights.is_dir() or not (shared_data / "benchmarks" / "Set5").is_dir():
        pytest.skip("no lightweight weights or no Set5")
    benchmark = find(shared_data / "benchmarks", "Set5", 2)
    scores = list(evaluate(enlarger(str(weights), 2, "official"), benchmark))
    assert len(scores) == len(PSNR)
    for score in scores:
        name = next(known for known in PSNR if known in score.name)
        assert score.psnr == pytest.approx(PSNR[name], abs=0.005), name
    assert mean(scores).ssim == pytest.approx(0.9613, abs=1e-4)
