"""Loading of a backbone's weights by name or path: local, cached, or fetched.

There is no registry of these: a folder, a file or a Hub repository is named. The rules of
``checkpoints.load`` hold: nothing unsafe is read, nothing is guessed without a note.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from swin2sr.backbones.config import BACKBONES, BackboneConfig
from swin2sr.backbones.detect import check, detect
from swin2sr.backbones.key_mapping import native_weights
from swin2sr.backbones.tensorflow_weights import TENSORFLOW_NAME, read_tensorflow
from swin2sr.checkpoints.cache import Downloader
from swin2sr.checkpoints.download import DEADLINE
from swin2sr.checkpoints.load import (
    WEIGHT_NAMES,
    LoadedWeights,
    is_hub_id,
    local_weights,
    repository_weights,
    require_name,
)
from swin2sr.checkpoints.read_weights import Weights, read_weights
from swin2sr.errors import WeightsError


@dataclass(frozen=True, eq=False)
class BackboneCheckpoint(LoadedWeights):
    """Weights of a backbone; see ``LoadedWeights``.

    In ``state`` the backbone's are all there and fit ``config``; of ``embed.mask_token``,
    ``classifier`` and ``decoder`` there is what the file has.
    """

    config: BackboneConfig


def load_backbone(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    deadline: float = DEADLINE,
) -> BackboneCheckpoint:
    """Find weights of a Swin or SwinV2 and read them.

    Args:
        name_or_path: a folder with ``config.json`` and ``model.safetensors``,
            ``pytorch_model.bin`` or ``tf_model.h5``; a file of weights (transformers' or
            Microsoft's names), its configuration beside it or else read off the weights; or a Hub
            id ("user/repository"), of which only safetensors are taken.
        revision, cache_dir, local_files_only, deadline: as ``checkpoints.load``.
    Raises:
        WeightsError: not_found, offline, download, hash_mismatch, not_weights, unsafe, wrong_model
            or bad_values.
        ConfigError: a ``config.json`` that describes no backbone that can be built.
    """
    name = require_name(name_or_path)
    if os.path.lexists(name):
        names = (*WEIGHT_NAMES, TENSORFLOW_NAME)
        found = local_weights(Path(name), names, BACKBONES, read=_read)
    elif is_hub_id(name):
        downloader = Downloader(revision, cache_dir, local_files_only, deadline)
        found = repository_weights(name, downloader, BACKBONES)
    else:
        raise WeightsError(
            f"There is no file or folder {name[:200]!r}.",
            code="not_found",
            remedy="Give a file, a folder, or a Hub id (user/repository).",
        )
    source, notes = repr(found.name), found.notes + found.weights.notes
    weights, config = native_weights(found.weights.state, source), found.config
    if config is None:
        config, assumed = detect(weights, source)
        notes += assumed
    check(weights, config, source)
    return BackboneCheckpoint(
        config, weights.state, found.name, found.origin, found.path, found.weights.sha256, notes
    )


def _read(path: Path) -> Weights:
    return read_tensorflow(path) if path.suffix.lower() == ".h5" else read_weights(path)
