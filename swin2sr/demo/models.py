"""What the page offers, in plain words, and which models do it."""

from __future__ import annotations

from dataclasses import dataclass

from swin2sr import checkpoints
from swin2sr.checkpoints.registry import DEFAULT as INCLUDED  # works at once and offline
from swin2sr.errors import ConfigError

OFFLINE = "Included with this page: works at once, and offline."


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


def offered(label: str, **models: str) -> Task:
    """A task with those of its models that this installation knows; small ones may be missing."""
    known = {quality: name for quality, name in models.items() if checkpoints.find(name)}
    return Task(label, known)


TASKS = {
    "sharpen-x2": offered(
        "Sharpen x2", fast=INCLUDED, balanced="swin2sr-lightweight-x2", best="swin2sr-classical-x2"
    ),
    "sharpen-x4": offered("Sharpen x4", fast="swin2sr-small-x4", best="swin2sr-classical-x4"),
    "compressed-x4": offered(
        "Compressed and small x4", fast="swin2sr-small-compressed-x4", best="swin2sr-compressed-x4"
    ),
    "photo-x4": offered("Real-world photo x4", best="swin2sr-realworld-x4"),
    "jpeg": offered("Repair a JPEG", fast="swin2sr-small-jpeg", best="swin2sr-jpeg"),
}


def model_for(task: object, quality: object) -> str:
    """The model for a task and a quality; where a task lacks the quality, its first.

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


def included() -> list[str]:
    """Names of the models of all tasks that come with the package."""
    names = [name for task in TASKS.values() for name in task.models.values()]
    return [name for name in names if _source(name) == "packaged"]


def included_for(name: str) -> str | None:
    """The label of a task that can be done by an included model: that of the named one, if any."""
    others = [task for task in TASKS.values() if name not in task.models.values()]
    own = [task for task in TASKS.values() if task not in others]
    for task in (*own, *others):
        if any(_source(one) == "packaged" for one in task.models.values()):
            return task.label
    return None


def describe(name: str) -> str:
    """What a model is and where it comes from, as Markdown."""
    entry = checkpoints.find(name)
    if entry is None:
        return f"**{name}** is not part of this installation."
    facts = f"**{name}**, {entry.parameters / 1e6:.1f} million parameters."
    if entry.source == "packaged":
        return f"{facts} {OFFLINE}"
    facts += " Published by the authors of Swin2SR."
    if checkpoints.is_here(entry):
        return f"{facts} Downloaded already: works offline."
    size = (entry.size_bytes or 4 * entry.parameters) / 1e6
    return (
        f"{facts} Its first use downloads about {size:.0f} MB and needs the internet; after that "
        "it works offline too."
    )


def _source(name: str) -> str:
    entry = checkpoints.find(name)
    return entry.source if entry else ""
