"""Plan of a run: a list of images to measure, models x sets x scales x degradations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from eval.run import manifest, models
from eval.run.models import Model, Settings
from eval.run.protocol import Protocol
from eval.run.rows import TableCell
from eval.sets import datasets, download
from eval.sets.datasets import SAMPLE, Benchmark, Item
from eval.sets.degradations import Degradation, usual
from swin2sr.errors import ConfigError
from swin2sr.images.resize import INPUT
from swin2sr.inference.hardware import pick_device

BASELINE_SCALES = (2, 3, 4)  # where no network says which


@dataclass(frozen=True)
class Request:
    """Request for a run.

    Args:
        models: as ``models.find_model``.
        sets: names; () takes what is usual of what ``data`` holds.
        scales, degradations: () takes the models' own and what is usual for them.
        data: folder of sets. fetch: whether sets may be downloaded.
        protocol, settings: how to score and run. threads: of each process.
        out: folder of the results; None keeps nothing. save_images: also keep outputs there.
    """

    models: tuple[str, ...]
    sets: tuple[str, ...] = ()
    scales: tuple[int, ...] = ()
    degradations: tuple[str, ...] = ()
    data: Path | None = None
    fetch: bool = False
    protocol: Protocol = field(default_factory=Protocol)
    settings: Settings = field(default_factory=Settings)
    threads: int = 1
    out: Path | None = None
    save_images: bool = False


@dataclass(frozen=True)
class Task:
    """Task of a run: one image to measure."""

    cell: TableCell
    item: Item


@dataclass(frozen=True)
class Plan:
    """Plan of a run before it runs.

    Args:
        models: by label, in the order asked for. benchmarks: by name and scale.
        tasks: in order of work, a model's together. notes: what was left out and why.
    """

    models: dict[str, Model]
    benchmarks: dict[tuple[str, int], Benchmark]
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def make_plan(request: Request) -> Plan:
    """Find models and sets, and combine what fits.

    Raises:
        ConfigError: nothing fits, or two models of one label. As ``models.find_model``,
        ``datasets.find`` and ``download.fetch``.
    """
    found: dict[str, Model] = {}
    for spec in request.models:
        model = models.find_model(spec)
        if model.label in found:
            raise ConfigError(
                f"Two models are called {model.label!r}.",
                remedy="Name one of them: --model other=...",
            )
        found[model.label] = model
    named = [Degradation.parse(name) for name in request.degradations]
    notes: list[str] = []
    benchmarks: dict[tuple[str, int], Benchmark] = {}
    tasks: list[Task] = []
    learned = sorted({model.scale for model in found.values() if model.scale is not None})
    for model in found.values():
        for scale in _scales(model, request.scales, learned, notes):
            chosen = [d for d in named if d.suits(scale)] if named else list(usual(scale))
            if not chosen:
                notes.append(f"{model.label} x{scale}: no degradation that was named suits it.")
            for name in _sets(request, scale) if chosen else ():
                key = (datasets.canonical(name)[0], scale)
                if key not in benchmarks:
                    benchmarks[key] = _benchmark(request, name, scale)
                for degradation in chosen:
                    tasks += _tasks(model, benchmarks[key], degradation)
    if not tasks:
        raise ConfigError("There is nothing to measure.", remedy=" ".join(dict.fromkeys(notes)))
    abouts = [text for b in benchmarks.values() for text in (b.remark, _about(b)) if text]
    unique = dict.fromkeys(notes + abouts)
    return Plan(found, benchmarks, tuple(tasks), tuple(unique))


def identity(plan: Plan, request: Request) -> dict[str, Any]:
    """Identity of a plan: all that its results depend on, as ``manifest.merged`` compares it."""
    device = pick_device(request.settings.device)
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    settings = asdict(request.protocol) | asdict(request.settings) | {"device": kind}
    sets = {}
    for benchmark in plan.benchmarks.values():
        sets[set_key(benchmark.name, benchmark.scale)] = {
            "images": len(benchmark.items),
            "expected": benchmark.expected,
            "sha256": benchmark.digest(),
        }
    return {
        "format": manifest.FORMAT,
        "settings": settings | {"threads": request.threads},
        "versions": manifest.versions(),
        "models": {m.label: {"sha256": m.sha256, **m.facts} for m in plan.models.values()},
        "sets": sets,
    }


def set_key(name: str, scale: int) -> str:
    """Key of a set at a scale in a manifest."""
    return f"{name} x{scale}"


def _scales(
    model: Model, asked: Sequence[int], learned: Sequence[int], notes: list[str]
) -> Iterator[int]:
    if not model.is_baseline:
        if not asked or model.scale in asked:
            yield model.scale or 1
        else:
            notes.append(f"{model.label} is left out: it enlarges by {model.scale}.")
        return
    usual_ones = (1,) if model.spec == INPUT else BASELINE_SCALES
    own = [scale for scale in asked or learned or usual_ones if model.suits(scale)]
    if not own:
        task = "is the input of restoration" if model.spec == INPUT else "only enlarges"
        notes.append(f"{model.label} is left out: it {task}.")
    yield from own


def _sets(request: Request, scale: int) -> Sequence[str]:
    if request.sets:
        return request.sets
    if request.data is None:
        return [SAMPLE]
    here = datasets.available(request.data)
    usual_ones = [name for name in here if datasets.is_usual(name, scale)]
    if not usual_ones:
        raise ConfigError(
            f"There is no set for x{scale} in {str(request.data)!r}.",
            remedy=f"Name one with --set; found there: {', '.join(here) or 'none'}.",
        )
    return usual_ones


def _benchmark(request: Request, name: str, scale: int) -> Benchmark:
    """Find a set in the user's folder, else from the cache, else fetched where that is allowed."""
    try:
        return datasets.find(request.data, name, scale)
    except ConfigError as error:
        if not download.is_offered(name):
            raise
        folder = download.cached(name, scale)
        if folder is None and request.fetch:
            folder = download.fetch(name, scale)
        if folder is None:
            remedy = f"{error.remedy} Or add --fetch to download it once ({download.terms(name)})."
            raise ConfigError(error.message, remedy=remedy) from error
        return datasets.find(folder, name, scale)


def _tasks(model: Model, benchmark: Benchmark, degradation: Degradation) -> list[Task]:
    cell = TableCell(model.label, benchmark.name, benchmark.scale, degradation.name)
    return [Task(cell, item) for item in benchmark.items]


def _about(benchmark: Benchmark) -> str:
    """Remark that a set needs beside every number."""
    if benchmark.name == SAMPLE:
        return (
            f"{SAMPLE} is not a standard set: photographs from scikit-image, for trying things out."
        )
    if not benchmark.complete:
        return (
            f"{benchmark.name} has {benchmark.expected} images, {len(benchmark.items)} are here: "
            "its means are not those of papers."
        )
    return ""
