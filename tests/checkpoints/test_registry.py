"""The table of published checkpoints says what is known, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swin2sr.checkpoints import find, list_models, package, registry
from swin2sr.checkpoints.parameters import count_parameters
from swin2sr.checkpoints.registry import DEFAULT, PUBLISHED, Entry, packaged_entry
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError

NAMES = [entry.name for entry in PUBLISHED]


def test_published_models_are_the_released_six() -> None:
    assert NAMES == [
        "swin2sr-classical-x2",
        "swin2sr-classical-x4",
        "swin2sr-compressed-x4",
        "swin2sr-lightweight-x2",
        "swin2sr-realworld-x4",
        "swin2sr-jpeg",
    ]


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_parameters_are_those_of_the_configuration(entry: Entry) -> None:
    assert count_parameters(entry.config) == entry.parameters


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_rows_are_consistent(entry: Entry) -> None:
    assert entry.scale == entry.config.upscale
    assert entry.task in registry.TASKS
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision)
    assert (entry.repo is not None) == (entry.source == "hub")
    assert (entry.url is not None) == (entry.source == "release")
    assert entry.title
    assert entry.trained_on
    assert entry.licence == "Apache-2.0"


def test_no_two_models_share_a_name() -> None:
    names = [n.casefold() for e in list_models() for n in (e.name, *e.aliases, e.repo) if n]
    assert len(names) == len(set(names))


def test_pickles_from_the_hub_are_pinned_by_hash_or_commit() -> None:
    pickles = [e for e in list_models() if e.source == "hub" and e.filename.endswith(".bin")]
    assert all(entry.sha256 or entry.revision for entry in pickles)


@pytest.mark.parametrize(
    "name",
    [
        "swin2sr-lightweight-x2",
        "SWIN2SR-Lightweight-X2",
        "caidas/swin2SR-lightweight-x2-64",
        "Swin2SR_Lightweight_X2_64",
    ],
)
def test_a_model_is_found_by_name_alias_and_repository(name: str) -> None:
    entry = find(name)
    assert entry is not None
    assert entry.name == "swin2sr-lightweight-x2"


def test_unknown_names_are_not_guessed() -> None:
    assert find("swin2sr") is None
    assert find("") is None


def test_default_is_packaged_and_pinned() -> None:
    entry = find(DEFAULT)
    assert entry is not None
    assert list_models()[0] is entry
    assert entry.source == "packaged"
    assert entry.sha256 is not None


def test_packaged_row_is_read_from_the_file_beside_the_weights(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., Any]
) -> None:
    path = package(random_state(small), small, "some-x2", tmp_path, trained_on="noise")
    row = {"name": "some-x2", "title": "Some", "task": "lightweight", "trained_on": "?"}
    entry = packaged_entry(row, tmp_path)
    assert entry is not None
    assert replace(entry.config, extra={}) == small
    assert entry.config.extra == {}
    assert entry.size_bytes == path.stat().st_size
    assert (entry.title, entry.trained_on, entry.scale) == ("Some", "noise", 2)
    assert entry.parameters == count_parameters(small)


def test_packaged_row_without_files_is_left_out(tmp_path: Path) -> None:
    assert packaged_entry({"name": "absent"}, tmp_path) is None


def test_packaged_row_with_a_broken_description_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "some.safetensors").write_bytes(b"")
    (tmp_path / "some.json").write_text("{")
    with pytest.raises(ConfigError):
        packaged_entry({"name": "some"}, tmp_path)


def test_packaged_description_is_a_transformers_configuration(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., Any]
) -> None:
    from transformers import Swin2SRConfig as Theirs

    path = package(random_state(small), small, "some-x2", tmp_path)
    theirs = Theirs.from_dict(json.loads(path.with_suffix(".json").read_text()))
    assert tuple(theirs.depths) == small.depths
    assert theirs.upsampler == small.upsampler
