"""What is offered, and the words for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swin2sr.checkpoints import list_models
from swin2sr.errors import ConfigError
from swin2sr.serving.service import plain
from swin2sr.serving.tasks import INCLUDED, QUALITIES, TASKS, describe, model_for

markdown_it = pytest.importorskip("markdown_it")


def test_every_task_has_a_model_that_is_published() -> None:
    offered = {model for task in TASKS.values() for model in task.models.values()}
    assert offered <= {INCLUDED, *(entry.name for entry in list_models())}
    assert {quality for task in TASKS.values() for quality in task.models} <= QUALITIES.keys()


def test_quality_chooses_where_there_is_a_choice() -> None:
    assert model_for("sharpen-x2", "fast") == INCLUDED
    assert model_for("sharpen-x2", "best") == "swin2sr-classical-x2"
    assert {model_for("jpeg", quality) for quality in QUALITIES} == {"swin2sr-jpeg"}


@pytest.mark.parametrize("wrong", ["sharpen-x3", "", None, 2, ["fast"], {"a": 1}, float("nan")])
def test_sec_13_what_is_not_offered_is_refused_with_the_choices(wrong: object) -> None:
    with pytest.raises(ConfigError, match="sharpen-x2, sharpen-x4"):
        model_for(wrong, "fast")
    with pytest.raises(ConfigError, match="fast, balanced, best"):
        model_for("sharpen-x2", wrong)


def test_a_model_says_what_its_first_use_needs() -> None:
    assert "downloads about 49 MB" in describe("swin2sr-classical-x4")
    assert "not part of this installation" in describe("swin2sr-none")


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" ")))
def test_plain_text_stays_what_it_is_as_markdown(text: str) -> None:
    sentence = f"a {text} b"
    inline = markdown_it.MarkdownIt().parseInline(sentence_as_markdown := plain(sentence))[0]
    shown = "".join(token.content for token in inline.children or [])
    assert {token.type for token in inline.children or []} <= {"text", "text_special"}
    assert shown.split() == sentence.split(), sentence_as_markdown
