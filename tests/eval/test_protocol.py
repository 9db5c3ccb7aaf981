"""The protocol: what a model gets, what its output is compared with, and the line that says so."""

from __future__ import annotations

import numpy as np
import pytest

from eval.run.protocol import Protocol, headline, lr_source
from eval.sets.datasets import Pair
from eval.sets.degradations import REALWORLD, Degradation, usual
from swin2sr import metrics
from swin2sr.errors import ConfigError, ShapeError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.resize import imresize
from tests.eval.conftest import smooth

BICUBIC = Degradation.parse("bicubic")
JPEG = Degradation.parse("jpeg10")


@pytest.mark.parametrize(
    "name",
    [
        *("bicubic", "jpeg10", "jpeg100", "bicubic+jpeg40", "jpeg10@444", "bicubic+jpeg7@422"),
        *REALWORLD,
    ],
)
def test_a_degradation_is_read_back_from_its_name(name: str) -> None:
    assert Degradation.parse(name).name == name


@pytest.mark.parametrize("name", ["", "blur", "bicubic+", "jpeg", "bicubicjpeg10", "jpeg10@411"])
def test_other_degradations_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Degradation.parse(name)


def test_the_encoders_default_is_not_named() -> None:
    assert Degradation.parse("jpeg10@420").name == "jpeg10"


def test_a_quality_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 100"):
        Degradation.parse("jpeg101")


def test_papers_shrink_to_enlarge_and_compress_to_restore() -> None:
    assert [d.name for d in usual(4)] == ["bicubic"]
    assert [d.name for d in usual(1)] == ["jpeg10", "jpeg20", "jpeg30", "jpeg40"]
    assert BICUBIC.suits(2)
    assert not BICUBIC.suits(1)
    assert not JPEG.suits(2)


def test_inputs_are_bicubic_then_jpeg_of_the_cropped_original() -> None:
    hr = smooth(0)[:47, :53]
    pair = Pair(hr, None, "made")
    lr, cropped = Protocol().images(pair, 2, Degradation.parse("bicubic+jpeg30"))
    assert np.array_equal(cropped, hr[:46, :52])
    assert np.array_equal(lr, Jpeg(30)(imresize(hr[:46, :52], 0.5)))


def test_real_world_inputs_depend_on_the_original_alone() -> None:
    hr = smooth(0)[:47, :53]
    errors = []
    for name in REALWORLD:
        degradation = Degradation.parse(name)
        assert degradation.suits(4)
        assert not degradation.suits(1)
        lr, cropped = Protocol().images(Pair(hr, hr[:11, :13], "mirror"), 4, degradation)
        again, _ = Protocol().images(Pair(hr[:44, :52].copy(), None, "made"), 4, degradation)
        assert np.array_equal(lr, again)
        assert np.array_equal(cropped, hr[:44, :52])
        errors.append(np.abs(lr.astype(float) - imresize(cropped, 0.25)).mean())
        assert lr.shape == (11, 13, 3)
    assert errors[0] < errors[-1]
    other, _ = Protocol().images(Pair(hr[::-1], None, "made"), 4, degradation)
    assert not np.array_equal(other[::-1], lr)


def test_small_images_from_files_are_taken_as_they_are() -> None:
    small = smooth(1, 24, 28)
    lr, _ = Protocol().images(Pair(smooth(0), small, "other"), 2, BICUBIC)
    assert np.array_equal(lr, small)


def test_grey_is_rgb_when_enlarged_and_raw_when_restored() -> None:
    grey = smooth(0)[..., 0]
    lr, hr = Protocol().images(Pair(grey, None, "made"), 2, BICUBIC)
    assert lr.shape == (24, 28, 3)
    assert np.array_equal(hr, np.stack([grey] * 3, axis=2))
    lr, hr = Protocol().images(Pair(grey, None, "none"), 1, JPEG)
    assert np.array_equal(lr, Jpeg(10)(grey))
    assert np.array_equal(hr, grey)


def test_raw_grey_scores_less_than_its_luma_by_the_studio_range() -> None:
    grey = smooth(0)[..., 0]
    scores = []
    for how in ("raw", "rgb"):
        lr, hr = Protocol(grey=how).images(Pair(grey, None, "made"), 2, BICUBIC)
        scores.append(Protocol(grey=how).score(imresize(lr, 2), hr, 2).psnr)
    assert scores[1] - scores[0] == pytest.approx(20 * np.log10(255 / 219), abs=1e-9)


def test_luma_reduces_colour_to_the_rounded_y_of_matlab() -> None:
    hr = smooth(0)
    lr, reference = Protocol(luma=True).images(Pair(hr, None, "none"), 1, JPEG)
    assert np.array_equal(reference, np.round(metrics.luma(hr)))
    assert np.array_equal(lr, Jpeg(10)(reference))


def test_scores_are_the_metrics_with_the_tasks_border() -> None:
    hr, sr = smooth(0), smooth(1)
    scores = Protocol().score(sr, hr, 3)
    assert scores.psnr == metrics.psnr(sr, hr, border=3)
    assert scores.ssim == metrics.ssim(sr, hr, border=3)
    assert scores.psnr_rgb == metrics.psnr(sr, hr, border=3, channel="rgb")
    assert scores.ssim_rgb == metrics.ssim(sr, hr, border=3, channel="rgb")
    assert scores.psnr_b is None
    restored = Protocol().score(sr, hr, 1)
    assert restored.psnr == metrics.psnr(sr, hr)
    assert restored.psnr_b == metrics.psnr_b(sr, hr)
    assert restored.psnr_b_y == metrics.psnr_b(sr, hr, channel="y")


def test_io_13_sizes_that_differ_are_an_error() -> None:
    with pytest.raises(ShapeError, match="output"):
        Protocol().score(smooth(0)[:40], smooth(0), 2)
    with pytest.raises(ShapeError, match="output"):
        Protocol().score(smooth(0)[..., 0], smooth(0), 2)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match="auto, rgb, raw"):
        Protocol(grey="yes")
    with pytest.raises(ConfigError, match="not as RGB"):
        Protocol(grey="rgb", luma=True)


def test_the_signature_says_what_was_compared() -> None:
    line = Protocol().signature(2, "official", "matlab")
    assert line == "Y:bt601|crop:2|pad:official|lr:matlab|uint8|grey:rgb"
    line = Protocol(luma=True).signature(1, "none", "none")
    assert line == "Y:bt601|crop:0|pad:none|lr:none|uint8|grey:raw|luma"


def test_papers_print_y_for_enlarging_and_rgb_for_jpeg() -> None:
    assert headline(2, "bicubic") == ("psnr", "ssim")
    assert headline(4, "bicubic+jpeg10") == ("psnr_rgb", "ssim_rgb")
    assert headline(1, "jpeg10") == ("psnr_rgb", "ssim_rgb")


@pytest.mark.parametrize(
    ("origins", "word"),
    [
        ({"mirror"}, "matlab"),
        ({"mirror", "edge"}, "matlab"),
        ({"mirror", "other"}, "files"),
        ({"made"}, "imresize"),
        ({"none"}, "none"),
    ],
)
def test_one_word_says_where_small_images_come_from(origins: set[str], word: str) -> None:
    assert lr_source(origins) == word


def test_colour_sampling_is_passed_on() -> None:
    hr = smooth(2)
    lr, _ = Protocol().images(Pair(hr, None, "none"), 1, Degradation.parse("jpeg40@444"))
    assert np.array_equal(lr, Jpeg(40, "4:4:4")(hr))
    assert not np.array_equal(lr, Jpeg(40)(hr))
