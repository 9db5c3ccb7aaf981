"""Models of a run: networks by name or path, and baselines to hold them against.

A model is found before the run (weights' hash, scale, size), and opened when its turn comes, so
that thirty of them need the memory of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from swin2sr import checkpoints
from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.console import printable
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.images.resize import BASELINES, INPUT, enlarge
from swin2sr.inference.upscaler import Upscaler

PRECISIONS = ("float32", "bfloat16", "float16", "float64")

Enlarge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Settings:
    """Settings of networks; baselines know none of it.

    Args:
        padding: "official" (as the papers' scripts) or "minimal".
        precision: one of ``PRECISIONS``.
        tile: as ``Upscaler.stream``; None runs each image whole.
        self_ensemble: average over the 8 flips and turns.
        device: as ``Upscaler``.
    """

    padding: str = "official"
    precision: str = "float32"
    tile: int | str | None = None
    self_ensemble: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Model:
    """Model that was found, before it is opened.

    Args:
        label: what tables call it.
        spec: what it is loaded by.
        scale: what it enlarges by; None for a baseline, which enlarges by any.
        sha256: of its file of weights; None for a baseline.
        facts: further plain values for the manifest: name, network, parameters, task, notes.
    """

    label: str
    spec: str
    scale: int | None
    sha256: str | None
    facts: dict[str, Any]

    @property
    def is_baseline(self) -> bool:
        """Tell a baseline, which has learned nothing, from a network."""
        return self.sha256 is None

    def suits(self, scale: int) -> bool:
        """Tell whether it does a task of this scale."""
        if not self.is_baseline:
            return scale == self.scale
        return (scale == 1) == (self.spec == INPUT)


def find_model(given: str) -> Model:
    """Find a model.

    Args:
        given: a baseline, or what ``Upscaler.from_pretrained`` takes; "label=..." names it.
    Raises:
        WeightsError, ConfigError: weights that cannot be found or used.
    """
    label, _, spec = given.rpartition("=")
    if os.path.lexists(given):  # a file whose name has that sign
        label, spec = "", given
    if spec in BASELINES:
        return Model(printable(label or spec), spec, None, None, {"name": spec})
    found = checkpoints.load(spec)
    facts = {
        "name": found.name,
        "network": found.config.network,
        "task": found.entry.task if found.entry else None,
        "parameters": count_parameters(found.config),
        "channels": found.config.num_channels,
        "notes": list(found.notes),
    }
    scale = int(found.config.upscale)
    return Model(printable(label or found.name), spec, scale, found.sha256, facts)


def open_model(model: Model, scale: int, settings: Settings) -> tuple[Enlarge, dict[str, Any]]:
    """Open a model: load its weights, ready to use.

    Args:
        model: from ``find_model``. scale: of the task. settings: for networks.
    Returns:
        ``enlarge``: (h, w, 3) or (h, w) uint8 -> the same kind, sides times ``scale``; and what
        became of the settings: "device", "precision", "notes".
    Raises:
        ConfigError: a scale that is not the model's, or settings outside what is offered here.
        WeightsError: weights that cannot be used, or that changed since they were found.
    """
    if not model.suits(scale):
        raise ConfigError(f"{model.label!r} does not enlarge by {scale}.")
    if model.is_baseline:
        return partial(enlarge, model.spec, scale=scale), {
            "device": "cpu",
            "precision": None,
            "notes": [],
        }
    upscaler = Upscaler.from_pretrained(
        model.spec, scale=scale, precision=settings.precision, device=settings.device
    )
    if upscaler.sha256 != model.sha256:
        raise WeightsError(
            f"The weights of {model.label!r} changed while they were evaluated.",
            code="hash_mismatch",
            remedy="Run it again in a new folder.",
        )
    if upscaler.precision != settings.precision:
        raise ConfigError(
            f"{model.label!r} does not run in {settings.precision} here.",
            remedy=" ".join(upscaler.notes) or "Use --precision float32.",
        )
    made = {"device": str(upscaler.device), "precision": upscaler.precision}
    return _network(upscaler, settings), {**made, "notes": list(upscaler.notes)}


def enlarger(spec: str, scale: int, padding: str) -> Enlarge:
    """Make a function that enlarges an image: a baseline, or a network in float32, untiled.

    Args:
        spec: as ``find_model``. scale: what it must enlarge by. padding: "minimal" or "official".
    Raises:
        As ``find_model`` and ``open_model``.
    """
    return open_model(find_model(spec), scale, Settings(padding=padding))[0]


def _network(upscaler: Upscaler, settings: Settings) -> Enlarge:
    def enlarge(image: np.ndarray) -> np.ndarray:
        pixels = upscaler.picture(
            image,
            tile=settings.tile,
            padding=settings.padding,
            self_ensemble=settings.self_ensemble,
        ).pixels
        levels = np.clip(np.round(pixels * 255), 0, 255).astype(np.uint8)
        return levels[..., 0] if image.ndim == 2 else levels

    return enlarge
