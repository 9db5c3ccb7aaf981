"""From a name or a path to a backbone's checked weights: local, cached, or fetched.

There is no registry of these: a folder, a file or a Hub repository is named. The rules of
``checkpoints.load`` hold: nothing unsafe is read, nothing is guessed without a note.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from swin2sr.backbones.config import BACKBONES, BackboneConfig
from swin2sr.backbones.detect import check, detect, view
from swin2sr.backbones.expected_shapes import head_shapes, trunk_shapes
from swin2sr.backbones.key_mapping import to_hub, to_native
from swin2sr.backbones.tensorflow_weights import TENSORFLOW_NAME, read_tensorflow
from swin2sr.checkpoints.download import DEADLINE
from swin2sr.checkpoints.load import HUB_ID, WEIGHT_NAMES, Origin, Remote, read_json, unpinned
from swin2sr.checkpoints.load import SUFFIXES as TORCH_SUFFIXES
from swin2sr.checkpoints.read_weights import Weights, read_weights
from swin2sr.errors import ConfigError, KindError, WeightsError

FILES = (*WEIGHT_NAMES, TENSORFLOW_NAME)  # in a folder, the first that is there
SUFFIXES = (*TORCH_SUFFIXES, ".h5")


@dataclass(frozen=True, eq=False)
class BackboneCheckpoint:
    """A backbone's weights that were found, checked and translated.

    Args:
        config: the network they are for.
        state: parameters by canonical native name, float32 on the CPU; the backbone's are all
            there and fit ``config``, of ``embed.mask_token``, ``classifier`` and ``decoder`` what
            the file has.
        name: Hub id, or the name of the folder or file.
        origin: "file", "cache" or "hub" (fetched just now).
        path: the file that was read.
        sha256: of its bytes, hexadecimal.
        notes: what was assumed, cast or could not be checked; for people.
    """

    config: BackboneConfig
    state: Mapping[str, Tensor]
    name: str
    origin: Origin
    path: Path
    sha256: str
    notes: tuple[str, ...] = ()


def load_backbone(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    deadline: float = DEADLINE,
) -> BackboneCheckpoint:
    """Find a Swin's or SwinV2's weights and read them.

    Args:
        name_or_path: a folder with ``config.json`` and ``model.safetensors``,
            ``pytorch_model.bin`` or ``tf_model.h5``; a file of weights (transformers' or
            Microsoft's names), its configuration beside it or else read off the weights; or a Hub
            id ("user/repository"), of which only safetensors are taken.
        revision: commit, branch or tag on the Hub.
        cache_dir: instead of the Hub's cache.
        local_files_only: never use the network.
        deadline: seconds without progress after which a download is given up.
    Raises:
        WeightsError: not_found, offline, download, hash_mismatch, not_weights, unsafe, wrong_model
            or bad_values.
        ConfigError: a ``config.json`` that describes no backbone that can be built.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise KindError(f"Weights are given by name or path, not as {type(name_or_path).__name__}.")
    name = os.fsdecode(name_or_path)
    if os.path.lexists(name):
        return _local(Path(name))
    if not HUB_ID.fullmatch(name) or name.lower().endswith(SUFFIXES):
        raise WeightsError(
            f"There is no file or folder {name[:200]!r}.",
            code="not_found",
            remedy="Give a file, a folder, or a Hub id (user/repository).",
        )
    remote = Remote(revision, cache_dir, local_files_only, deadline)
    config = _read_config(remote.described(name), name)
    weights, origin, path = remote.safetensors(name)
    return _checked(name, config, weights, origin, path, unpinned(None))


def _local(path: Path) -> BackboneCheckpoint:
    """A folder as ``save_pretrained`` writes it, or a file."""
    if path.is_dir():
        file = next((path / n for n in FILES if os.path.lexists(path / n)), None)
        if file is None:
            parts = " It holds a checkpoint in parts." if list(path.glob("*.index.json")) else ""
            raise WeightsError(
                f"The folder {str(path)!r} holds none of {', '.join(FILES)}.{parts}",
                code="not_found",
            )
        name = path.resolve().name
    else:
        file, name = path, path.stem
    weights = read_tensorflow(file) if file.suffix.lower() == ".h5" else read_weights(file)
    beside = file.parent / "config.json" if file.name in FILES else file.with_suffix(".json")
    config = None
    if beside.is_file() and (file.name in FILES or _describes(beside)):
        config = _read_config(beside, name)
    return _checked(name, config, weights, "file", file)


def _describes(path: Path) -> bool:
    """Whether a file named as the weights is their configuration."""
    try:
        return read_json(path).get("model_type") in BACKBONES
    except (ConfigError, WeightsError):
        return False


def _read_config(path: Path, name: str) -> BackboneConfig:
    values = read_json(path)
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in BACKBONES:
        raise WeightsError(
            f"{name!r} is a {str(kind)[:80]!r} network, not {' or '.join(BACKBONES)}.",
            code="wrong_model",
        )
    return BACKBONES[kind].from_dict(values)


def _checked(
    name: str,
    config: BackboneConfig | None,
    weights: Weights,
    origin: Origin,
    path: Path,
    notes: tuple[str, ...] = (),
) -> BackboneCheckpoint:
    """Hold what was read against its configuration."""
    seen = view(weights.state, repr(name))
    notes += weights.notes
    if config is None:
        config, assumed = detect(seen, repr(name))
        notes += assumed
    check(seen, config, repr(name))
    return BackboneCheckpoint(config, seen.state, name, origin, path, weights.sha256, notes)


__all__ = [
    "BackboneCheckpoint",
    "head_shapes",
    "load_backbone",
    "to_hub",
    "to_native",
    "trunk_shapes",
]
