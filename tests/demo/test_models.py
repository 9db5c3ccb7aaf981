"""One catalogue of models for all tabs, and the cache of those that are loaded."""

from __future__ import annotations

import threading

import pytest

from swin2sr import checkpoints
from swin2sr.checkpoints import list_models
from swin2sr.demo.models import (
    CATALOGUE,
    COMPARE_TASKS,
    DEFAULT_MODEL,
    QUALITIES,
    TASKS,
    ModelCache,
    compare_models,
    describe_model,
    packaged_models,
    task_model,
    task_models,
)
from swin2sr.errors import ConfigError, WeightsError


def test_every_task_has_a_model_that_is_published() -> None:
    offered = {model for task in TASKS.values() for model in task.models.values()}
    assert offered <= {DEFAULT_MODEL, *(entry.name for entry in list_models())}
    assert {quality for task in TASKS.values() for quality in task.models} <= QUALITIES.keys()


def test_quality_chooses_where_there_is_a_choice() -> None:
    assert task_model("sharpen-x2", "fast") == DEFAULT_MODEL
    assert task_model("sharpen-x2", "best") == "swin2sr-classical-x2"
    assert {task_model("photo-x4", quality) for quality in QUALITIES} == {"swin2sr-realworld-x4"}


@pytest.mark.parametrize("wrong", ["sharpen-x3", "", None, 2, ["fast"], {"a": 1}, float("nan")])
def test_sec_13_what_is_not_offered_is_refused_with_the_choices(wrong: object) -> None:
    with pytest.raises(ConfigError, match="sharpen-x2, sharpen-x4"):
        task_model(wrong, "fast")
    with pytest.raises(ConfigError, match="fast, balanced, best"):
        task_model("sharpen-x2", wrong)


def test_a_model_says_what_its_first_use_needs() -> None:
    assert "downloads about 49 MB" in describe_model("swin2sr-classical-x4")
    assert "not part of this installation" in describe_model("swin2sr-none")


def test_a_small_model_is_the_fast_choice_once_its_files_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"swin2sr-classical-x4": object()}
    monkeypatch.setattr(checkpoints, "find", known.get)
    assert task_models("sharpen-x4") == {"best": "swin2sr-classical-x4"}
    assert compare_models("x4") == ("swin2sr-classical-x4",)
    known["swin2sr-small-x4"] = object()
    assert task_models("sharpen-x4") == {
        "fast": "swin2sr-small-x4",
        "best": "swin2sr-classical-x4",
    }
    assert compare_models("x4") == ("swin2sr-small-x4", "swin2sr-classical-x4")


def test_one_catalogue_says_which_model_serves_which_task() -> None:
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)
    assert {row.task for row in CATALOGUE} == {"", *TASKS}
    assert {row.compare_task for row in CATALOGUE} == COMPARE_TASKS.keys()
    assert {row.quality for row in CATALOGUE if row.task} == QUALITIES.keys()
    assert not [row for row in CATALOGUE if checkpoints.find(row.name) is None]


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
    assert (small in packaged_models()) == here


def test_a_model_that_was_downloaded_works_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "is_here", lambda entry: True)
    assert describe_model("swin2sr-classical-x4").endswith("Downloaded already: works offline.")


def test_the_cache_keeps_pinned_models_and_the_last_other() -> None:
    loaded = []

    def load(name: str) -> object:
        loaded.append(name)
        return object()

    cache = ModelCache(load, pinned=["small"])  # type: ignore[arg-type]
    for name in ("small", "large", "large", "small", "other", "large", "small"):
        assert cache.get(name) is cache.peek(name)
    assert loaded == ["small", "large", "other", "large"]
    assert cache.peek("other") is None


def test_a_loaded_model_does_not_wait_for_one_that_is_being_loaded() -> None:
    arrived = threading.Event()

    def load(name: str) -> object:
        if name == "large":
            assert arrived.wait(10)
        return object()

    cache = ModelCache(load, pinned=["small"])  # type: ignore[arg-type]
    cache.get("small")
    promise = cache.load_in_thread("large")
    assert cache.get("small") is cache.load_in_thread("small").result(10)
    assert not promise.done()
    arrived.set()
    assert promise.result(10) is cache.peek("large")


def test_a_failed_load_raises_where_its_result_is_asked_for_and_can_be_repeated() -> None:
    failures = [WeightsError("no network", code="offline")]

    def load(name: str) -> object:
        if failures:
            raise failures.pop()
        return object()

    cache = ModelCache(load, pinned=["small"])  # type: ignore[arg-type]
    with pytest.raises(WeightsError):
        cache.load_in_thread("large").result(10)
    assert cache.load_in_thread("large").result(10) is not None
