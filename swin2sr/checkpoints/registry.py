"""Registry of published checkpoints, and the search in it by name and by hash.

Entries of packaged weights are completed from the ``.json`` beside the weights (written by
``package``), which holds their configuration and their sha256; one whose files are not there is
left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from swin2sr.checkpoints.entry import Entry
from swin2sr.checkpoints.published import PUBLISHED
from swin2sr.config import read_json_object, restoration_config

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
DEFAULT = "swin2sr-small-x2"  # what works at once, without the network

PACKAGED: tuple[dict[str, Any], ...] = tuple(
    {"name": name, "task": task, "title": title, "trained_on": "see its model card"}
    for name, task, title in (
        (DEFAULT, "lightweight", "Pictures, twice the size, small network"),
        ("swin2sr-small-x4", "lightweight", "Pictures, four times the size, small network"),
        (
            "swin2sr-small-compressed-x4",
            "compressed",
            "Small JPEG pictures, four times the size, small network",
        ),
        ("swin2sr-small-jpeg", "jpeg", "JPEG pictures in colour, same size, small network"),
        ("swinir-small-x2", "lightweight", "Pictures, twice the size, small SwinIR"),
    )
)


def packaged_entry(facts: dict[str, Any], folder: Path = WEIGHTS_FOLDER) -> Entry | None:
    """Complete a packaged entry from ``<name>.json`` in ``folder``; None when it is not there.

    The file is a ``config.json`` with one more key, "checkpoint": an object with "sha256" and any
    of "title", "task", "trained_on", "licence", which replace those of the row.

    Raises:
        ConfigError: the file is there and does not describe a network.
    """
    described = folder / f"{facts['name']}.json"
    weights = folder / f"{facts['name']}.safetensors"
    if not (described.is_file() and weights.is_file()):
        return None
    config = restoration_config(read_json_object(described))
    extra = dict(config.extra)
    known = extra.pop("checkpoint", {})
    return Entry(
        **(facts | {k: known[k] for k in ("title", "task", "trained_on", "licence") if k in known}),
        config=replace(config, extra=extra),
        filename=weights.name,
        sha256=known.get("sha256"),
        size_bytes=weights.stat().st_size,
    )


REGISTRY: tuple[Entry, ...] = (
    *(entry for facts in PACKAGED if (entry := packaged_entry(facts)) is not None),
    *PUBLISHED,
)


def list_models() -> tuple[Entry, ...]:
    """List every published checkpoint, packaged ones first."""
    return REGISTRY


def find(name: str) -> Entry | None:
    """Find an entry by its name, an alias or its Hub repository, in any letter case."""
    wanted = name.strip().casefold()
    for entry in REGISTRY:
        if wanted in (n.casefold() for n in (entry.name, *entry.aliases, entry.repo or entry.name)):
            return entry
    return None


def find_by_hash(sha256: str) -> Entry | None:
    """Find the entry whose weights are in the file with this sha256."""
    return next((e for e in REGISTRY if sha256 == e.sha256 or sha256 in e.twins), None)
