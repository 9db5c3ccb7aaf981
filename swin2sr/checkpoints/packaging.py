"""Packaging of weights: a safetensors file, and beside it what the registry reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from swin2sr.checkpoints import key_mapping, registry
from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.checkpoints.load import check
from swin2sr.config import RestorationConfig
from swin2sr.filesystem import write_bytes


def package(
    state: Mapping[str, Tensor],
    config: RestorationConfig,
    name: str,
    folder: str | os.PathLike[str] = registry.WEIGHTS_FOLDER,
    *,
    title: str | None = None,
    task: str | None = None,
    trained_on: str | None = None,
    licence: str | None = None,
) -> Path:
    """Write weights the way they are packaged: ``<name>.safetensors`` and ``<name>.json``.

    The weights get the names that transformers reads. The JSON is its ``config.json`` with one
    more key, "checkpoint": sha256, size, number of parameters, and what else is given here.

    Args:
        state: parameters in any dialect.
        config: their network.
        name: the registry's name for them.
        folder: where to.
        title, task, trained_on, licence: replace what the registry's row says.
    Returns:
        The path of the weights.
    Raises:
        WeightsError: the weights do not fit ``config``.
    """
    from safetensors.torch import save

    check(state, config)
    stored = {key: tensor.contiguous() for key, tensor in key_mapping.to_hub(state).items()}
    data = save(stored, metadata={"format": "pt"})
    values: dict[str, Any] = config.to_dict()
    facts = {"title": title, "task": task, "trained_on": trained_on, "licence": licence}
    values["checkpoint"] = {
        **{key: fact for key, fact in facts.items() if fact is not None},
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "parameters": count_parameters(config),
    }
    path = Path(folder) / f"{name}.safetensors"
    write_bytes(path, data)
    text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    write_bytes(path.with_suffix(".json"), text.encode())
    return path
