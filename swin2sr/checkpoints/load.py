"""Loading of weights by name or path: packaged, local, cached, or fetched, in this order.

Weights are never guessed: a hash that is known is checked on the bytes that are loaded, names and
shapes are held against the configuration, and everything that had to be assumed is a note.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor

from swin2sr.checkpoints import key_mapping, registry
from swin2sr.checkpoints.cache import Downloader, ReleaseFile, release_cache
from swin2sr.checkpoints.detect import detect, mismatch_error, recognise
from swin2sr.checkpoints.download import DEADLINE
from swin2sr.checkpoints.entry import TASKS, Entry, Origin, describe, task_of
from swin2sr.checkpoints.key_mapping import RestorationWeights
from swin2sr.checkpoints.read_weights import Weights, read_bytes, read_weights
from swin2sr.config import (
    RESTORATION,
    Config,
    RestorationConfig,
    Swin2SRConfig,
    parse_json_object,
)
from swin2sr.errors import ConfigError, KindError, WeightsError

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")  # in a folder, the first that is there
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".h5")
MAX_CONFIG = 1_000_000  # bytes
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """Weights that were found, checked and translated, of a network of either family.

    Args:
        config: the network they are for.
        state: parameters by native name, float32 on the CPU.
        name: registry name, Hub id, or the name of the folder or file.
        origin: "packaged", "file", "cache" or "hub" (fetched just now, from the Hub or a release).
        path: the file that was read.
        sha256: of its bytes, hexadecimal.
        notes: what was assumed, cast or could not be checked; for people.
    """

    config: Any
    state: Mapping[str, Tensor]
    name: str
    origin: Origin
    path: Path
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint(LoadedWeights):
    """Weights of a restoration network; see ``LoadedWeights``.

    Args:
        entry: the registry's row, if the weights are a published checkpoint.
    """

    config: RestorationConfig
    entry: Entry | None = None

    @property
    def has_head(self) -> bool:
        """Tell a whole network from a trunk (``Swin2SRModel``), which has no head."""
        return not key_mapping.is_bare(self.state, "native")

    def check_fits(
        self, *, scale: int | None = None, task: str | None = None, channels: int | None = None
    ) -> None:
        """Refuse a network that is not what was asked for.

        Args:
            scale: factor between input and output sides wanted, None for any.
            task: one of ``TASKS`` wanted, None for any.
            channels: colours wanted, 1 or 3, None for any.
        Raises:
            ConfigError: another scale, task or number of channels; says what the network is.
        """
        if (scale, task, channels) == (None, None, None):
            return
        if task is not None and task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}.")
        config = self.config
        pairs = (
            ("scale", scale, config.upscale),
            ("task", task, self.entry.task if self.entry else task_of(config)),
            ("channels", channels, config.num_channels),
        )
        wrong = [f"{what} {wanted!r}" for what, wanted, has in pairs if wanted not in (None, has)]
        if wrong:
            raise ConfigError(
                f"{self.name!r} is {describe(config)}, which does not fit the "
                f"{' and '.join(wrong)} asked for.",
                remedy="Choose another model ('swin2sr models' lists them), or ask for what it is.",
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundWeights:
    """Weights as they were read, and what is known about them before they are checked."""

    name: str
    weights: Weights
    origin: Origin
    path: Path
    config: Any = None
    entry: Entry | None = None
    notes: tuple[str, ...] = ()


def load(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    deadline: float = DEADLINE,
    need_head: bool = True,
) -> Checkpoint:
    """Find weights and read them.

    Args:
        name_or_path: a registry name or alias; a file (.safetensors, .pth, .bin); a folder with
            ``config.json`` and weights; or a Hub id ("user/repository"). Tried in this order:
            packaged weights, what lies at the path, the caches, the network.
        revision: commit, branch or tag on the Hub, instead of the registry's.
        cache_dir: instead of the Hub's cache.
        local_files_only: never use the network.
        deadline: seconds without progress after which a download is given up.
        need_head: refuse a bare trunk (``Swin2SRModel``).
    Raises:
        WeightsError: not_found, offline, download, hash_mismatch, not_weights, unsafe, wrong_model
            or bad_values.
        ConfigError: a ``config.json`` that describes no restoration network.
    """
    name = require_name(name_or_path)
    entry = registry.find(name) if isinstance(name_or_path, str) else None
    downloader = Downloader(revision, cache_dir, local_files_only, deadline)
    if entry is not None and entry.repo is entry.url is None:
        found = _packaged(entry)
    elif os.path.lexists(name) and (entry is None or _holds_weights(Path(name))):
        found = local_weights(Path(name), WEIGHT_NAMES, RESTORATION, Swin2SRConfig.model_type)
    elif entry is not None:
        found = _published(entry, downloader)
    elif is_hub_id(name):
        found = repository_weights(name, downloader, RESTORATION, Swin2SRConfig.model_type)
    else:
        raise _unknown(name)
    if revision is not None and found.origin in ("packaged", "file"):
        note = f"The revision {revision!r} was ignored: only repositories of the Hub have one."
        found = replace(found, notes=(note, *found.notes))
    checkpoint = _checked(found)
    if need_head and not checkpoint.has_head:
        raise WeightsError(
            f"{checkpoint.name!r} is a trunk without reconstruction head: it makes features, "
            "no pictures.",
            code="wrong_model",
            remedy=f"Load it as {checkpoint.config.network}Model.",
        )
    return checkpoint


def require_name(name_or_path: Any) -> str:
    """Name or path as text.

    Raises:
        KindError: neither.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise KindError(f"Weights are given by name or path, not as {type(name_or_path).__name__}.")
    return os.fsdecode(name_or_path)


def is_hub_id(name: str) -> bool:
    """Tell "user/repository" from the path of a file."""
    return HUB_ID.fullmatch(name) is not None and not name.lower().endswith(SUFFIXES)


def _unknown(name: str) -> WeightsError:
    if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        return WeightsError(
            f"Weights are not loaded from addresses ({name[:80]!r}).",
            code="not_found",
            remedy="Download the file and give its path.",
        )
    if name.lower().endswith(SUFFIXES) or os.path.isabs(name) or name.startswith((".", "~")):
        return WeightsError(f"There is no file or folder {name!r}.", code="not_found")
    names = [entry.name for entry in registry.list_models()]
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5) or [registry.DEFAULT]
    return WeightsError(
        f"There is no model {name[:200]!r}.",
        code="not_found",
        remedy=f"Did you mean {' or '.join(near)}? 'swin2sr models' lists all; or give a file, a "
        "folder, or a Hub id (user/repository).",
    )


def check(
    state: Mapping[str, Tensor], config: RestorationConfig, *, source: str = "the file"
) -> RestorationWeights:
    """Hold ``state`` against ``config``: every name and every shape.

    Args:
        state: parameters in any layout, of a whole network or a bare trunk.
        config: what they should fit.
        source: what to call the weights in the message.
    Returns:
        The weights under native names.
    Raises:
        WeightsError: "wrong_model"; the message says which settings the weights themselves speak
            for, counts what is missing, not expected and of another shape, and names the first
            three of each.
    """
    weights = key_mapping.native_weights(state)
    if weights is None or weights.unknown:
        weights = recognise(state)
    weights.require_network(config, source)
    if not weights.fits(config):
        raise mismatch_error(weights, config, source)
    return weights


def _checked(found: FoundWeights) -> Checkpoint:
    """Hold what was read against its configuration, or else the one read off it."""
    state, config, notes = found.weights.state, found.config, found.notes + found.weights.notes
    if config is None:
        config, assumed = detect(state)
        notes += assumed
    native = check(state, config, source=repr(found.name)).state
    entry = found.entry or registry.find_by_hash(found.weights.sha256)
    return Checkpoint(
        config=config,
        state=native,
        name=entry.name if entry else found.name,
        origin=found.origin,
        path=found.path,
        sha256=found.weights.sha256,
        entry=entry,
        notes=notes,
    )


# -------------------------------------------------------------------------------- on this machine


def _packaged(entry: Entry) -> FoundWeights:
    path = registry.WEIGHTS_FOLDER / entry.filename
    weights = read_weights(path, sha256=entry.sha256)
    return _of_entry(entry, entry.sha256, weights, "packaged", path)


def _of_entry(
    entry: Entry, sha256: str | None, weights: Weights, origin: Origin, path: Path
) -> FoundWeights:
    return FoundWeights(
        name=entry.name,
        weights=weights,
        origin=origin,
        path=path,
        config=entry.config,
        entry=entry,
        notes=() if sha256 else NOT_PINNED,
    )


# The note for a published file whose bytes cannot be told from others.
NOT_PINNED = ("The weights are not pinned: no sha256 is published for this file.",)


def _holds_weights(path: Path) -> bool:
    return not path.is_dir() or any(os.path.lexists(path / name) for name in WEIGHT_NAMES)


def local_weights(
    path: Path,
    names: tuple[str, ...],
    kinds: Mapping[str, type[Config]],
    usual: str = "",
    read: Callable[[Path], Weights] = read_weights,
) -> FoundWeights:
    """Read a folder as ``save_pretrained`` writes it, or a file, with the configuration beside it.

    Args:
        path: folder or file.
        names: files of weights in a folder; the first that is there is read.
        kinds, usual: as ``read_config``. Beside a file of another name only a ``.json`` of its own
            name counts, and only where it describes one of ``kinds``.
        read: reads the file.
    Raises:
        WeightsError, ConfigError: as ``load``.
    """
    if path.is_dir():
        file = next((path / name for name in names if os.path.lexists(path / name)), None)
        if file is None:
            parts = " It holds a checkpoint in parts." if list(path.glob("*.index.json")) else ""
            raise WeightsError(
                f"The folder {str(path)!r} holds none of {', '.join(names)}.{parts}",
                code="not_found",
            )
        name = path.resolve().name
    else:
        file, name = path, path.stem
    weights, config = read(file), None
    beside = file.parent / "config.json" if file.name in names else file.with_suffix(".json")
    if beside.is_file() and (file.name in names or _describes(beside, kinds)):
        config = read_config(beside, name, kinds, usual)
    return FoundWeights(name=name, weights=weights, origin="file", path=file, config=config)


def _describes(path: Path, kinds: Mapping[str, type[Config]]) -> bool:
    """Tell a configuration from other JSON with the name of the weights."""
    try:
        return str(read_json(path).get("model_type")) in kinds
    except (ConfigError, WeightsError):
        return False


def read_json(path: Path) -> dict[str, Any]:
    """Read the values of a ``config.json`` that may be anything.

    Raises:
        ConfigError: not a JSON object.
        WeightsError: not a file, or one that is too large.
    """
    return parse_json_object(read_bytes(path, MAX_CONFIG), path)


def read_config(
    path: Path, name: str, kinds: Mapping[str, type[Config]], usual: str = ""
) -> Config:
    """Read a ``config.json``, or the description of packaged weights, whatever its content.

    Args:
        path: the file.
        name: what to call the network in messages.
        kinds: configuration classes that serve, by "model_type".
        usual: the type where the file names none.
    Raises:
        ConfigError: a configuration that cannot be used.
        WeightsError: "wrong_model", another network's.
    """
    values = read_json(path)
    kind = str(values.get("model_type", usual))
    if kind not in kinds:
        wanted = " or ".join(sorted(config.network for config in kinds.values()))
        raise WeightsError(
            f"{name!r} is a {kind[:80]!r} network, not {wanted}.", code="wrong_model"
        )
    values.pop("checkpoint", None)
    try:
        return kinds[kind].from_dict(values)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"The configuration {str(path)!r} cannot be used: {error}.") from error


# ---------------------------------------------------------------------------------- on the network


def _published(entry: Entry, downloader: Downloader) -> FoundWeights:
    """Read the file of a registry row from the Hub or a release page."""
    if entry.url is not None:
        release = ReleaseFile(entry.url, release_cache(downloader.cache_dir))
        return _of_entry(entry, entry.sha256, *downloader.read(release, entry.sha256))
    assert entry.repo is not None
    # The hash belongs to the registry's revision; who asks for another gets what is there.
    pinned = entry.sha256 if downloader.revision in (None, entry.revision) else None
    file = downloader.hub_file(entry.repo, entry.filename, entry.revision)
    try:
        return _of_entry(entry, pinned, *downloader.read(file, pinned))
    except WeightsError as error:
        if entry.fallback is None or error.code not in ("not_found", "offline"):
            raise
        other = replace(file, filename=entry.fallback)
        if error.code == "offline" and other.cached() is None:
            raise
        return _of_entry(entry, None, *downloader.read(other, None))


def repository_weights(
    repo: str, downloader: Downloader, kinds: Mapping[str, type[Config]], usual: str = ""
) -> FoundWeights:
    """Read a repository that is in no row: safetensors only, never a pickle.

    Args:
        repo: Hub id.
        kinds, usual: as ``read_config``.
    """
    described = downloader.path(downloader.hub_file(repo, "config.json"))
    config = read_config(described, repo, kinds, usual)
    try:
        weights, origin, path = downloader.read(downloader.hub_file(repo, "model.safetensors"))
    except WeightsError as error:
        if error.code != "not_found":
            raise
        raise WeightsError(
            f"{error.message} Other formats are not taken from unknown repositories.",
            code="not_found",
            remedy="Convert it to safetensors, or download it and give its path.",
        ) from error
    return FoundWeights(
        name=repo, weights=weights, origin=origin, path=path, config=config, notes=NOT_PINNED
    )
