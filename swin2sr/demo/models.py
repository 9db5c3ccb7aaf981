"""Model catalogue of the page, what the tabs offer of it, and the cache of loaded models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass

from swin2sr import checkpoints
from swin2sr.checkpoints.registry import DEFAULT
from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Bicubic, Chain, Degradation, Jpeg
from swin2sr.images.resize import BASELINES, BICUBIC, INPUT, LANCZOS
from swin2sr.inference.upscaler import Upscaler

DEFAULT_MODEL = DEFAULT  # works at once and offline
BASELINE_LABELS = {
    BICUBIC: "Bicubic (no network)",
    LANCZOS: "Lanczos (no network)",
    INPUT: "Input as it is",
}
OFFLINE = "Included with this page: works at once, and offline."
QUALITIES = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}


@dataclass(frozen=True)
class CatalogueRow:
    """Model of the page and the tasks it serves.

    Args:
        name: in the registry; a model that this installation does not know is left out.
        compare_task: key of ``COMPARE_TASKS``.
        task: key of ``TASKS``; "" for a model that is only compared with.
        quality: key of ``QUALITIES``, with a task.
    """

    name: str
    compare_task: str
    task: str = ""
    quality: str = ""


# In the order in which Compare runs them, and in which a task offers them.
CATALOGUE = (
    CatalogueRow("swin2sr-small-x2", "x2", "sharpen-x2", "fast"),
    CatalogueRow("swinir-small-x2", "x2"),
    CatalogueRow("swin2sr-lightweight-x2", "x2", "sharpen-x2", "balanced"),
    CatalogueRow("swinir-lightweight-x2", "x2"),
    CatalogueRow("swin2sr-classical-x2", "x2", "sharpen-x2", "best"),
    CatalogueRow("swinir-classical-x2", "x2"),
    CatalogueRow("swin2sr-small-x4", "x4", "sharpen-x4", "fast"),
    CatalogueRow("swinir-lightweight-x4", "x4"),
    CatalogueRow("swin2sr-classical-x4", "x4", "sharpen-x4", "best"),
    CatalogueRow("swinir-classical-x4", "x4"),
    CatalogueRow("swin2sr-small-compressed-x4", "compressed-x4", "compressed-x4", "fast"),
    CatalogueRow("swin2sr-compressed-x4", "compressed-x4", "compressed-x4", "best"),
    CatalogueRow("swin2sr-realworld-x4", "compressed-x4", "photo-x4", "best"),
    CatalogueRow("swinir-realworld-x4-psnr", "compressed-x4"),
    CatalogueRow("swin2sr-small-jpeg", "jpeg", "jpeg", "fast"),
    CatalogueRow("swin2sr-jpeg", "jpeg", "jpeg", "best"),
    CatalogueRow("swinir-jpeg-colour-10", "jpeg"),
    CatalogueRow("swinir-jpeg-colour-40", "jpeg"),
)


@dataclass(frozen=True)
class Task:
    """Task of the tabs Restore and Batch.

    Args:
        label: what it is called.
        models: registry names by quality, a key of ``QUALITIES``.
    """

    label: str
    models: dict[str, str]


@dataclass(frozen=True)
class CompareTask:
    """Task of the tab Compare.

    Args:
        label: what it is called.
        scale: of the models.
        models: registry names, in the order in which they run.
        jpeg: whether a test also compresses.
    """

    label: str
    scale: int
    models: tuple[str, ...]
    jpeg: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Baselines and models of the task, in the order in which they run."""
        return ((INPUT,) if self.scale == 1 else (BICUBIC, LANCZOS)) + self.models

    @property
    def included(self) -> list[str]:
        """Baselines and packaged models: what is always here."""
        return [name for name in self.names if name in BASELINES or is_packaged(name)]

    def degradation(self, quality: int) -> Degradation:
        """Return what makes a test picture.

        Args:
            quality: of JPEG, where that takes part.
        """
        if not self.jpeg:
            return Bicubic(self.scale)
        return Chain((Bicubic(self.scale), Jpeg(quality))) if self.scale > 1 else Jpeg(quality)


def task_models(task: str) -> dict[str, str]:
    """Registry names of a task's models by quality."""
    rows = [row for row in CATALOGUE if row.task == task and checkpoints.find(row.name)]
    return {row.quality: row.name for row in rows}


def compare_models(task: str) -> tuple[str, ...]:
    """Registry names of the models that a task of Compare has."""
    rows = [row for row in CATALOGUE if row.compare_task == task and checkpoints.find(row.name)]
    return tuple(row.name for row in rows)


TASKS = {
    "sharpen-x2": Task("Sharpen x2", task_models("sharpen-x2")),
    "sharpen-x4": Task("Sharpen x4", task_models("sharpen-x4")),
    "compressed-x4": Task("Compressed and small x4", task_models("compressed-x4")),
    "photo-x4": Task("Real-world photo x4", task_models("photo-x4")),
    "jpeg": Task("Repair a JPEG", task_models("jpeg")),
}
COMPARE_TASKS = {
    "x2": CompareTask("Twice the size", 2, compare_models("x2")),
    "x4": CompareTask("Four times the size", 4, compare_models("x4")),
    "compressed-x4": CompareTask(
        "Small JPEG, four times the size", 4, compare_models("compressed-x4"), jpeg=True
    ),
    "jpeg": CompareTask("Repair a JPEG", 1, compare_models("jpeg"), jpeg=True),
}


def task_model(task: object, quality: object) -> str:
    """Return the model for a task and a quality; where a task lacks the quality, its first.

    Args:
        task, quality: keys of ``TASKS`` and ``QUALITIES``; checked, as anybody can send them.
    Raises:
        ConfigError: other values.
    """
    check_offered(task, TASKS)
    check_offered(quality, QUALITIES)
    models = TASKS[str(task)].models
    return models.get(str(quality)) or next(iter(models.values()))


def check_offered(value: object, choices: Collection[str]) -> None:
    """Refuse a value, which anybody can send, that is not among the choices.

    Raises:
        ConfigError: it is not; names the choices.
    """
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{str(value)[:40]!r} is not offered; choose {', '.join(choices)}.")


def packaged_models() -> list[str]:
    """Names of the models of all tasks that come with the package."""
    names = [name for task in TASKS.values() for name in task.models.values()]
    return [name for name in names if is_packaged(name)]


def packaged_task_label(name: str) -> str | None:
    """Label of a task that a packaged model does: a task of the named model's, if there is one."""
    others = [task for task in TASKS.values() if name not in task.models.values()]
    own = [task for task in TASKS.values() if task not in others]
    for task in (*own, *others):
        if any(is_packaged(one) for one in task.models.values()):
            return task.label
    return None


def describe_model(name: str) -> str:
    """Size and origin of a model, and what its first use needs, as Markdown."""
    entry = checkpoints.find(name)
    if entry is None:
        return f"**{name}** is not part of this installation."
    facts = f"**{name}**, {entry.parameters / 1e6:.1f} million parameters."
    if entry.source == "packaged":
        return f"{facts} {OFFLINE}"
    facts += " Published by the authors of Swin2SR."
    if checkpoints.is_here(entry):
        return f"{facts} Downloaded already: works offline."
    return (
        f"{facts} Its first use downloads about {megabytes(entry):.0f} MB and needs the internet; "
        "after that it works offline too."
    )


def model_label(name: str) -> str:
    """Label of a name of ``CompareTask.names``, with what it costs to have."""
    entry = missing_entry(name)
    if entry is not None:
        return f"{name}, downloads {megabytes(entry):.0f} MB"
    if name in BASELINES:
        return BASELINE_LABELS[name]
    return f"{name}, {'included' if is_packaged(name) else 'downloaded'}"


def megabytes(entry: checkpoints.Entry) -> float:
    """Download size of an entry's weights; from their number where the size is not known."""
    return (entry.size_bytes or 4 * entry.parameters) / 1e6


def missing_entry(name: str) -> checkpoints.Entry | None:
    """Registry entry of what must be downloaded before a name can run; None for nothing."""
    entry = checkpoints.find(name)
    return None if entry is None or checkpoints.is_here(entry) else entry


def is_packaged(name: str) -> bool:
    """True for a model that comes with the package."""
    entry = checkpoints.find(name)
    return entry is not None and entry.source == "packaged"


class ModelCache:
    """LRU cache of loaded models: pinned ones stay, and of the others the last one asked for.

    Args:
        load: makes an upscaler of a name; may take long and fail.
        pinned: names of the models that are never evicted once they are loaded.
    """

    def __init__(self, load: Callable[[str], Upscaler], pinned: Collection[str]) -> None:
        self._load = load
        self._pinned = frozenset(pinned)
        self._models: dict[str, Upscaler] = {}
        self._lock = threading.Lock()

    def peek(self, name: str) -> Upscaler | None:
        """Return a model if it is loaded; never waits."""
        return self._models.get(name)

    def get(self, name: str) -> Upscaler:
        """Return a model, loaded if need be, one at a time.

        Raises:
            WeightsError: it cannot be found or used.
        """
        known = self._models.get(name)  # before the lock: a slow download holds that
        if known is not None:
            return known
        with self._lock:
            if name not in self._models:
                if name not in self._pinned:
                    for other in self._models.keys() - self._pinned:
                        del self._models[other]
                self._models[name] = self._load(name)
            return self._models[name]

    def load_in_thread(self, name: str) -> Future[Upscaler]:
        """Run ``get`` in a thread of its own, so that whoever waits can stop waiting."""
        future: Future[Upscaler] = Future()

        def load() -> None:
            try:
                future.set_result(self.get(name))
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

        threading.Thread(target=load, name="weights", daemon=True).start()
        return future
