"""What people are told about a job."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.checkpoints import find
from swin2sr.demo import models
from swin2sr.demo.messages import (
    cost_text,
    escape_markdown,
    explain_weights_error,
    progress_text,
    rough_estimate,
)
from swin2sr.demo.models import DEFAULT_MODEL, Task
from swin2sr.errors import JobError, WeightsError
from swin2sr.inference.estimate import Estimate, macs_per_pixel
from swin2sr.inference.report import Step
from swin2sr.inference.upscaler import Upscaler

TINY = Swin2SRConfig(embed_dim=12, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect")


@pytest.fixture
def upscaler() -> Upscaler:
    torch.manual_seed(0)
    model = Swin2SRForImageSuperResolution(TINY).eval()
    return Upscaler(model, device="cpu", precision="float32", name="swin2sr-classical-x2")


def estimate(seconds: float, fits: bool = True) -> Estimate:
    return Estimate(seconds, 10**9, 3, fits, f"About {seconds:.0f} s.")


def test_a_cost_within_the_time_is_said_as_it_is(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: estimate(30))
    assert cost_text(upscaler, (90, 60), 120) == "About 30 s."


def test_a_cost_beyond_the_time_names_it_the_limit_and_two_ways_out(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: estimate(480))
    with pytest.raises(JobError) as caught:
        cost_text(upscaler, (90, 60), 120)
    assert str(caught.value) == (
        "90x60 pixels would take this model about 8 min; the limit here is 2 min. "
        "Choose a faster model, or crop or shrink the picture to 45x30 pixels."
    )
    assert caught.value.code == "over_budget"


def test_a_cost_beyond_the_memory_is_refused_with_the_estimates_words(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: estimate(1, fits=False))
    with pytest.raises(JobError, match=r"^About 1 s\.$"):
        cost_text(upscaler, (90, 60), 120)


def test_a_rough_estimate_is_the_known_models_time_by_the_macs_of_both(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upscaler, "estimate", lambda self, size: estimate(0.01))
    entry = find("swin2sr-classical-x4")
    assert entry is not None
    more = macs_per_pixel(entry.config) / macs_per_pixel(TINY)
    said = re.match(
        r"About (\d+) (s|min) for 90x60 pixels", rough_estimate(entry.name, upscaler, (90, 60))
    )
    assert said
    seconds = float(said[1]) * (60 if said[2] == "min" else 1)
    assert seconds == pytest.approx(0.01 * more, rel=0.2, abs=1)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step(0, 4, 0.4, None), "Tile 1 of 4, 0 s so far."),
        (Step(2, 4, 7.6, 6.1), "Tile 3 of 4, 8 s so far, about 7 s left."),
        (Step(4, 4, 15.0, 0.0), "Tile 4 of 4, 15 s so far, about 0 s left."),
    ],
)
def test_progress_counts_from_one_and_rounds_what_is_left_up(step: Step, text: str) -> None:
    assert progress_text(step) == text


def test_who_cannot_have_a_model_is_pointed_to_the_included_one_of_the_same_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = WeightsError("No network.", code="offline")
    other = explain_weights_error("swin2sr-jpeg", error)
    assert "swin2sr-jpeg is not on this machine yet" in str(other)
    monkeypatch.setitem(
        models.TASKS, "jpeg", Task("Repair a JPEG", {"fast": DEFAULT_MODEL, "best": "swin2sr-jpeg"})
    )
    assert 'use "Repair a JPEG" with the fast model' in str(
        explain_weights_error("swin2sr-jpeg", error)
    )
    assert explain_weights_error(DEFAULT_MODEL, error) is error


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" ")))
def test_escaped_text_stays_what_it_is_as_markdown(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    sentence = f"a {text} b"
    inline = markdown_it.MarkdownIt().parseInline(
        sentence_as_markdown := escape_markdown(sentence)
    )[0]
    shown = "".join(token.content for token in inline.children or [])
    assert {token.type for token in inline.children or []} <= {"text", "text_special"}
    assert shown.split() == sentence.split(), sentence_as_markdown
