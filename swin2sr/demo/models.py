"""What the page offers, in plain words, and which models do it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass

from swin2sr import checkpoints
from swin2sr.checkpoints.registry import DEFAULT as INCLUDED  # works at once and offline
from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Bicubic, Chain, Degradation, Jpeg
from swin2sr.images.resize import BASELINES, BICUBIC, INPUT, LANCZOS
from swin2sr.inference.upscaler import Upscaler

BASELINE_LABELS = {
    BICUBIC: "Bicubic (no network)",
    LANCZOS: "Lanczos (no network)",
    INPUT: "Input as it is",
}
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


@dataclass(frozen=True)
class Kind:
    """What a comparison is about.

    Args:
        label: what it is called.
        scale: of the models.
        models: registry names, in the order in which they run; those that are not there are left
            out.
        jpeg: whether a test also compresses.
    """

    label: str
    scale: int
    models: tuple[str, ...]
    jpeg: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is offered, in the order in which it runs."""
        there = [name for name in self.models if checkpoints.find(name)]
        return ((INPUT,) if self.scale == 1 else (BICUBIC, LANCZOS)) + tuple(there)

    @property
    def included(self) -> list[str]:
        """What is always here."""
        return [name for name in self.names if name in BASELINES or is_packaged(name)]

    def degradation(self, quality: int) -> Degradation:
        """How a test picture is made.

        Args:
            quality: of JPEG, where that takes part.
        """
        if not self.jpeg:
            return Bicubic(self.scale)
        return Chain((Bicubic(self.scale), Jpeg(quality))) if self.scale > 1 else Jpeg(quality)


KINDS = {
    "x2": Kind(
        "Twice the size",
        2,
        (
            *("swin2sr-small-x2", "swinir-small-x2"),
            *("swin2sr-lightweight-x2", "swinir-lightweight-x2"),
            *("swin2sr-classical-x2", "swinir-classical-x2"),
        ),
    ),
    "x4": Kind(
        "Four times the size",
        4,
        (
            *("swin2sr-small-x4", "swinir-lightweight-x4"),
            *("swin2sr-classical-x4", "swinir-classical-x4"),
        ),
    ),
    "compressed-x4": Kind(
        "Small JPEG, four times the size",
        4,
        (
            *("swin2sr-small-compressed-x4", "swin2sr-compressed-x4"),
            *("swin2sr-realworld-x4", "swinir-realworld-x4-psnr"),
        ),
        jpeg=True,
    ),
    "jpeg": Kind(
        "Repair a JPEG",
        1,
        (
            *("swin2sr-small-jpeg", "swin2sr-jpeg"),
            *("swinir-jpeg-colour-10", "swinir-jpeg-colour-40"),
        ),
        jpeg=True,
    ),
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


def megabytes(entry: checkpoints.Entry) -> float:
    """What getting an entry's weights downloads; from their number where the size is not known."""
    return (entry.size_bytes or 4 * entry.parameters) / 1e6


def label(name: str) -> str:
    """A name of ``Kind.names`` with what it costs to have."""
    entry = download(name)
    if entry is not None:
        return f"{name}, downloads {megabytes(entry):.0f} MB"
    if name in BASELINES:
        return BASELINE_LABELS[name]
    return f"{name}, {'included' if is_packaged(name) else 'downloaded'}"


def download(name: str) -> checkpoints.Entry | None:
    """What has to be fetched before a name of ``Kind.names`` can run; None for nothing."""
    entry = checkpoints.find(name)
    return None if entry is None or checkpoints.is_here(entry) else entry


def is_packaged(name: str) -> bool:
    """Whether a model comes with the package."""
    entry = checkpoints.find(name)
    return entry is not None and entry.source == "packaged"


class Shelf:
    """The models at hand: some always, and of the others the last that was asked for.

    Args:
        load: makes an upscaler of a name; may take long and fail.
        always: names of the models that are never put away once they are loaded.
    """

    def __init__(self, load: Callable[[str], Upscaler], always: Collection[str]) -> None:
        self._load = load
        self._always = frozenset(always)
        self._models: dict[str, Upscaler] = {}
        self._lock = threading.Lock()

    def look(self, name: str) -> Upscaler | None:
        """A model if it is at hand; never waits."""
        return self._models.get(name)

    def get(self, name: str) -> Upscaler:
        """A model, loaded if need be, one at a time.

        Raises:
            WeightsError: it cannot be found or used.
        """
        known = self._models.get(name)  # before the lock: a slow download holds that
        if known is not None:
            return known
        with self._lock:
            if name not in self._models:
                if name not in self._always:
                    for other in self._models.keys() - self._always:
                        del self._models[other]
                self._models[name] = self._load(name)
            return self._models[name]

    def fetch(self, name: str) -> Future[Upscaler]:
        """As ``get``, in a thread of its own, so that whoever waits can stop waiting."""
        future: Future[Upscaler] = Future()

        def load() -> None:
            try:
                future.set_result(self.get(name))
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

        threading.Thread(target=load, name="weights", daemon=True).start()
        return future
