"""What is offered, and the words for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swin2sr import checkpoints
from swin2sr.checkpoints import list_models
from swin2sr.demo.messages import plain
from swin2sr.demo.models import INCLUDED, QUALITIES, TASKS, describe, included, model_for, offered
from swin2sr.errors import ConfigError

markdown_it = pytest.importorskip("markdown_it")


def test_every_task_has_a_model_that_is_published() -> None:
    offered = {model for task in TASKS.values() for model in task.models.values()}
    assert offered <= {INCLUDED, *(entry.name for entry in list_models())}
    assert {quality for task in TASKS.values() for quality in task.models} <= QUALITIES.keys()


def test_quality_chooses_where_there_is_a_choice() -> None:
    assert model_for("sharpen-x2", "fast") == INCLUDED
    assert model_for("sharpen-x2", "best") == "swin2sr-classical-x2"
    assert {model_for("photo-x4", quality) for quality in QUALITIES} == {"swin2sr-realworld-x4"}


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


def test_a_small_model_is_the_fast_choice_once_its_files_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"swin2sr-classical-x4": object()}
    monkeypatch.setattr(checkpoints, "find", known.get)
    wanted = {"fast": "swin2sr-small-x4", "best": "swin2sr-classical-x4"}
    assert offered("Sharpen x4", **wanted).models == {"best": "swin2sr-classical-x4"}
    known["swin2sr-small-x4"] = object()
    assert offered("Sharpen x4", **wanted).models == wanted


@pytest.mark.parametrize(
    ("task", "small"),
    [
        ("sharpen-x2", "swin2sr-small-x2"),
        ("sharpen-x4", "swin2sr-small-x4"),
        ("compressed-x4", "swin2sr-small-compressed-x4"),
        ("jpeg", "swin2sr-small-jpeg"),
    ],
)
def test_every_packaged_model_of_a_task_is_its_fast_one(task: str, small: str) -> None:
    here = checkpoints.find(small) is not None
    assert (TASKS[task].models.get("fast") == small) == here
    assert (small in included()) == here


def test_a_model_that_was_downloaded_works_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "is_here", lambda entry: True)
    assert describe("swin2sr-classical-x4").endswith("Downloaded already: works offline.")
