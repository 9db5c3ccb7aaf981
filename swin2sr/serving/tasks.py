"""What the page offers, in plain words, and which models do it."""

from __future__ import annotations

from dataclasses import dataclass

from swin2sr import checkpoints
from swin2sr.errors import ConfigError

INCLUDED = "swin2sr-small-x2"  # comes with the package: works at once and offline


@dataclass(frozen=True)
class Task:
    """Something to do with a picture.

    Args:
        label: what it is called.
        models: registry names by quality, a key of ``QUALITIES``.
    """

    label: str
    models: dict[str, str]


QUALITIES = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}
TASKS = {
    "sharpen-x2": Task(
        "Sharpen x2",
        {"fast": INCLUDED, "balanced": "swin2sr-lightweight-x2", "best": "swin2sr-classical-x2"},
    ),
    "sharpen-x4": Task("Sharpen x4", {"best": "swin2sr-classical-x4"}),
    "compressed-x4": Task("Compressed and small x4", {"best": "swin2sr-compressed-x4"}),
    "photo-x4": Task("Real-world photo x4", {"best": "swin2sr-realworld-x4"}),
    "jpeg": Task("Repair a JPEG", {"best": "swin2sr-jpeg"}),
}


def model_for(task: object, quality: object) -> str:
    """The model for a task and a quality; a task that has only one model has it for all.

    Args:
        task, quality: keys of ``TASKS`` and ``QUALITIES``; checked, as anybody can send them.
    Raises:
        ConfigError: other values.
    """
    for value, choices in ((task, TASKS), (quality, QUALITIES)):
        if not isinstance(value, str) or value not in choices:
            raise ConfigError(f"{str(value)[:40]!r} is not offered; choose {', '.join(choices)}.")
    models = TASKS[str(task)].models
    return models.get(str(quality)) or next(iter(models.values()))


def describe(name: str) -> str:
    """What a model is and where it comes from, as Markdown."""
    entry = checkpoints.find(name)
    if entry is None:
        return f"**{name}** is not part of this installation."
    facts = f"**{name}**, {entry.parameters / 1e6:.1f} million parameters."
    if entry.source == "packaged":
        return f"{facts} Included with this page: works at once, and offline."
    size = (entry.size_bytes or 4 * entry.parameters) / 1e6
    return (
        f"{facts} Published by the authors of Swin2SR. Its first use downloads about {size:.0f} MB "
        "and needs the internet; after that it works offline too."
    )
