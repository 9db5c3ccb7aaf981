"""JPEG quality: read off a file's tables, told where a model is not meant for it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from swin2sr import Upscaler, images
from swin2sr.images.degradations import Jpeg
from swin2sr.images.jpeg import advice, jpeg_quality
from swin2sr.images.samples import sample_picture


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(24, 16, 3), (24, 16)])
def test_the_quality_that_a_file_was_saved_with_is_found(shape: tuple[int, ...]) -> None:
    picture = noise(*shape)
    # Above 92 or so, and at the other end, several qualities divide alike.
    found = {q: images.decode(Jpeg(q).encode(picture)).jpeg_quality for q in range(5, 93)}
    assert found == {q: q for q in range(5, 93)}
    for q in (1, 3, 95, 99, 100):
        nearest = images.decode(Jpeg(q).encode(picture)).jpeg_quality
        assert nearest is not None
        assert abs(nearest - q) <= 2


def test_other_encoders_are_placed_between() -> None:
    """Tables of no libjpeg quality: a flat one divides everything alike."""
    file = io.BytesIO()
    flat = [[8] * 64, [8] * 64]
    Image.fromarray(noise(16, 16, 3)).save(file, "JPEG", qtables=flat)
    quality = images.decode(file.getvalue()).jpeg_quality
    assert quality is not None
    assert 80 <= quality <= 95


def test_other_sources_have_none() -> None:
    file = io.BytesIO()
    Image.fromarray(noise(9, 9, 3)).save(file, "PNG")
    assert images.decode(file.getvalue()).jpeg_quality is None
    assert images.decode(noise(9, 9, 3)).jpeg_quality is None
    assert jpeg_quality({}) is None
    assert jpeg_quality({0: [1, 2, 3]}) is None


@pytest.mark.parametrize(
    ("task", "quality", "words"),
    [
        ("jpeg", 92, "may take fine detail for damage"),
        ("compressed", 75, "for qualities of about 10 to 40"),
        ("lightweight", 30, "sharpens blocks"),
        ("classical", 10, "quality of about 10"),
        ("jpeg", 55, None),
        ("jpeg", 56, "quality of about 56"),
        ("classical", 69, "for clean pictures"),
        ("classical", 70, None),
        ("jpeg", 40, None),
        ("lightweight", 75, None),
        ("realworld", 20, None),
        (None, 20, None),
        ("jpeg", None, None),
    ],
)
def test_advice_is_for_what_does_not_go_together(
    task: str | None, quality: int | None, words: str | None
) -> None:
    said = advice(task, quality)
    assert (said is None) == (words is None)
    if words is not None:
        assert said is not None
        assert words in said
        assert said.endswith(".")


def test_the_report_says_it_and_the_result_is_no_jpeg_any_more() -> None:
    pixels = (sample_picture(32, 3)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    upscaler = Upscaler.from_pretrained("swin2sr-small-x2", precision="float32", device="cpu")
    for quality, said in ((15, True), (90, False)):
        *_, last = upscaler.stream(Jpeg(quality).encode(pixels))
        assert last.report is not None
        assert last.picture is not None
        assert any("sharpens blocks" in note for note in last.report.notes) == said
        assert last.picture.jpeg_quality is None
