"""Route of a name to a network: how many files of the package it enters."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import swin2sr
from swin2sr import Swin2SRForImageSuperResolution, Upscaler
from swin2sr.checkpoints import registry
from swin2sr.config import Swin2SRConfig

PACKAGE = Path(swin2sr.__file__).parent
NETWORK = "models/restoration.py"  # where the network is built and the route ends
LIMIT = 9


def route(name: Any, **options: Any) -> list[str]:
    """Files entered, in order, from the call with a name to the first line of the network.

    A file is entered when one of its functions runs, in whatever thread. ``config.py`` is not
    counted: its dataclass is what travels on the route.
    """
    entered: dict[str, None] = {}

    def note(frame: Any, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        inside = event == "call" and frame.f_code.co_name != "<module>"
        if inside and NETWORK not in entered and path.is_relative_to(PACKAGE):
            entered[path.relative_to(PACKAGE).as_posix()] = None

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        Upscaler.from_pretrained(name, device="cpu", **options)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [file for file in entered if file not in (NETWORK, "config.py")]


@pytest.fixture
def folder(tmp_path: Path, small: Swin2SRConfig) -> Path:
    """A folder as ``save_pretrained`` writes it."""
    Swin2SRForImageSuperResolution(small).save_pretrained(tmp_path / "folder")
    return tmp_path / "folder"


@pytest.mark.parametrize("kind", ["packaged", "folder", "file", "hub", "cache", "published"])
def test_a_name_enters_few_files_on_its_way_to_a_network(
    kind: str,
    folder: Path,
    hub: Any,
    cache_dir: Path,
    small: Swin2SRConfig,
    stored: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Upscaler.from_pretrained("swin2sr-small-x2", device="cpu")  # imports are no part of the route
    hub.files["someone/tiny", "config.json"] = small.to_json_string().encode()
    hub.files["someone/tiny", "model.safetensors"] = stored(small)
    name: Any = {"packaged": "swin2sr-small-x2", "folder": folder}.get(kind, "someone/tiny")
    if kind == "file":
        (folder / "config.json").rename(folder / "elsewhere.json")
        name = (folder / "model.safetensors").rename(folder / "alone.safetensors")
    if kind == "published":
        row = registry.find("swin2sr-lightweight-x2")
        assert row is not None
        facts: dict[str, Any] = {"repo": name, "filename": "model.safetensors", "sha256": None}
        monkeypatch.setattr(registry, "REGISTRY", (replace(row, config=small, **facts),))
        name = row.name
    if kind == "cache":
        Upscaler.from_pretrained(name, device="cpu", cache_dir=cache_dir)
    files = route(name, cache_dir=cache_dir)
    print(f"{kind}: {len(files)} files: {' -> '.join(files)}")
    assert files[0] == "inference/upscaler.py"
    assert files[-1] == "models/swin2sr.py"
    assert len(files) <= LIMIT
