"""Manifest of a run: complete, comparable, never mixed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from eval.run import manifest
from swin2sr.errors import ConfigError, OutputError


def values(**changes: Any) -> dict[str, Any]:
    base = {
        "format": manifest.FORMAT,
        "settings": {"padding": "official", "threads": 1},
        "versions": {"torch": "2"},
        "models": {"a": {"sha256": "1"}},
        "sets": {"Set5 x2": {"images": 5}},
    }
    return base | changes


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    assert manifest.read(tmp_path) is None
    kept = manifest.merged(None, values())
    manifest.write(tmp_path, kept)
    assert manifest.read(tmp_path) == kept


def test_models_and_sets_are_added_in_order() -> None:
    first = manifest.merged(None, values())
    second = values(models={"b": {"sha256": "2"}}, sets={"Set14 x2": {"images": 14}})
    both = manifest.merged(first, second)
    assert list(both["models"]) == ["a", "b"]
    assert list(both["sets"]) == ["Set5 x2", "Set14 x2"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"padding": "minimal", "threads": 1}}, "settings padding was official"),
        ({"versions": {"torch": "3"}}, "versions torch was 2, is 3"),
        ({"models": {"a": {"sha256": "2"}}}, "models a sha256 was 1, is 2"),
        ({"sets": {"Set5 x2": {"images": 4}}}, "sets Set5 x2 images was 5, is 4"),
    ],
)
def test_io_07_what_differs_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        manifest.merged(manifest.merged(None, values()), values(**changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff\xfe"])
def test_another_file_in_its_place_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / manifest.NAME).write_bytes(content)
    with pytest.raises(OutputError):
        manifest.read(tmp_path)


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    manifest.write(tmp_path, manifest.merged(None, values(format=99)))
    with pytest.raises(OutputError, match="another version"):
        manifest.read(tmp_path)


def test_the_machine_is_described_not_named() -> None:
    found = manifest.machine()
    assert found["cores"] >= 1
    assert set(found) == {"system", "architecture", "processor", "cores", "gpus"}


def test_the_commit_is_this_checkouts(root: Path) -> None:
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True)
    found = manifest.commit()
    if head.returncode or not (root / ".git").exists():
        assert found is None
    else:
        assert found is not None
        assert found.rstrip("+") == head.stdout.strip()
