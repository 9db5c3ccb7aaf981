"""Real data: the rows of docs/quality.md and of print, which pin the whole protocol."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from eval.report.published import find as in_print
from eval.run.models import Enlarge, enlarger
from eval.run.protocol import Protocol
from eval.sets.datasets import find, load
from eval.sets.degradations import Degradation
from swin2sr.metrics import psnr, ssim

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

# PSNR and SSIM on Y, small images made by today's bicubic, grey images as RGB.
MEASURED = {
    ("Set5", 2): (33.673, 0.9303),
    ("Set5", 3): (30.403, 0.8689),
    ("Set5", 4): (28.429, 0.8111),
    ("Set14", 2): (30.325, 0.8699),
    ("Set14", 3): (27.631, 0.7759),
    ("Set14", 4): (26.088, 0.7048),
    ("BSD100", 2): (29.560, 0.8434),
    ("BSD100", 3): (27.209, 0.7391),
    ("BSD100", 4): (25.961, 0.6681),
}
GREY_JPEG = {
    "Classic5": {
        10: (27.82, 0.7595),
        20: (30.12, 0.8344),
        30: (31.48, 0.8666),
        40: (32.43, 0.8849),
    },
    "LIVE1": {10: (27.77, None), 20: (30.07, None), 30: (31.41, None), 40: (32.35, None)},
}
COLOUR_JPEG = {
    "jpeg10": 25.69,
    "jpeg20": 28.06,
    "jpeg30": 29.37,
    "jpeg40": 30.28,
    "jpeg10@444": 25.97,
    "jpeg20@444": 28.45,
    "jpeg30@444": 29.83,
    "jpeg40@444": 30.82,
}


@cache
def bicubic(folder: Path, name: str, scale: int, grey: str) -> tuple[float, float]:
    """Mean PSNR and SSIM of bicubic on small images made by bicubic."""
    protocol = Protocol(grey=grey, make_lr=True)
    return means(folder, name, scale, protocol, "bicubic", "y", enlarger("bicubic", scale, ""))


def means(
    folder: Path,
    name: str,
    scale: int,
    protocol: Protocol,
    degradation: str,
    channel: str,
    enlarge: Enlarge = lambda image: image,
) -> tuple[float, float]:
    """Mean PSNR and SSIM on one channel; of images of one channel, on their values."""
    if not (folder / "benchmarks" / name).is_dir():
        pytest.skip(f"no {name}")
    benchmark = find(folder / "benchmarks", name, scale)
    assert benchmark.complete
    scores = []
    for item in benchmark.items:
        pair = load(item, scale, make_lr=protocol.make_lr)
        lr, hr = protocol.images(pair, scale, Degradation.parse(degradation))
        sr, on = enlarge(lr), "rgb" if hr.ndim == 2 else channel
        border = scale if scale > 1 else 0
        scores.append([f(sr, hr, border=border, channel=on) for f in (psnr, ssim)])
    count = len(scores)
    return sum(p for p, _ in scores) / count, sum(s for _, s in scores) / count


@pytest.mark.parametrize(("name", "scale"), MEASURED)
def test_bicubic_is_what_was_measured(shared_data: Path, name: str, scale: int) -> None:
    found = bicubic(shared_data, name, scale, "rgb")
    assert found[0] == pytest.approx(MEASURED[name, scale][0], abs=0.001)
    assert found[1] == pytest.approx(MEASURED[name, scale][1], abs=0.0001)


@pytest.mark.parametrize(("name", "scale"), MEASURED)
def test_bicubic_is_what_papers_print(shared_data: Path, name: str, scale: int) -> None:
    # Only Set14 has a grey image, which print scores on the grey value.
    found = bicubic(shared_data, name, scale, "raw" if name == "Set14" else "rgb")
    printed = in_print("bicubic", name, scale, "bicubic", "y")
    assert printed is not None
    assert found[0] == pytest.approx(printed.figures["psnr"], abs=0.02)
    assert found[1] == pytest.approx(printed.figures["ssim"], abs=0.001)


def test_small_images_of_files_score_as_those_made_here(shared_data: Path) -> None:
    cubic = enlarger("bicubic", 4, "")
    found = means(shared_data, "Set14", 4, Protocol(), "bicubic", "y", cubic)
    # Set14's were made by a MATLAB that repeats edge pixels; that is worth 0.003 dB.
    assert found[0] - MEASURED["Set14", 4][0] == pytest.approx(0.003, abs=0.001)


@pytest.mark.parametrize(
    ("name", "quality"), [(name, q) for name, rows in GREY_JPEG.items() for q in rows]
)
def test_grey_jpeg_is_what_was_measured(shared_data: Path, name: str, quality: int) -> None:
    found = means(shared_data, name, 1, Protocol(luma=True), f"jpeg{quality}", "y")
    expected = GREY_JPEG[name][quality]
    assert found[0] == pytest.approx(expected[0], abs=0.005)
    if expected[1] is not None:
        assert found[1] == pytest.approx(expected[1], abs=0.0001)


@pytest.mark.parametrize("degradation", COLOUR_JPEG)
def test_colour_jpeg_is_what_was_measured(shared_data: Path, degradation: str) -> None:
    if not (shared_data / "benchmarks" / "LIVE1").is_dir():
        pytest.skip("no LIVE1")
    scores = []
    for item in find(shared_data / "benchmarks", "LIVE1", 1).items:
        damaged, hr = Protocol().images(load(item, 1), 1, Degradation.parse(degradation))
        scores.append(psnr(damaged, hr, channel="rgb"))
    assert sum(scores) / len(scores) == pytest.approx(COLOUR_JPEG[degradation], abs=0.005)
