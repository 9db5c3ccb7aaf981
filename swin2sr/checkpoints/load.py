"""From a name or a path to checked weights: packaged, local, cached, or fetched, in this order.

Weights are never guessed: a hash that is known is checked on the bytes that are loaded, names and
shapes are held against the configuration, and everything that had to be assumed is a note.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from swin2sr.checkpoints import cache, key_mapping, registry
from swin2sr.checkpoints.cache import HubFile, ReleaseFile
from swin2sr.checkpoints.detect import check, detect
from swin2sr.checkpoints.download import DEADLINE
from swin2sr.checkpoints.entry import Entry
from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.checkpoints.read_weights import Weights, read_bytes, read_weights
from swin2sr.config import RESTORATION, RestorationConfig, restoration_config
from swin2sr.errors import ConfigError, KindError, WeightsError
from swin2sr.filesystem import write_bytes

Origin = Literal["packaged", "file", "cache", "hub"]

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")  # in a folder, the first that is there
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
MAX_CONFIG = 1_000_000  # bytes
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights that were found, checked and translated.

    Args:
        config: the network they are for.
        state: parameters by native name, float32 on the CPU.
        name: registry name, Hub id, or the name of the folder or file.
        origin: "packaged", "file", "cache" or "hub" (fetched just now, from the Hub or a release).
        path: the file that was read.
        sha256: of its bytes, hexadecimal.
        entry: the registry's row, if the weights are a published checkpoint.
        notes: what was assumed, cast or could not be checked; for people.
    """

    config: RestorationConfig
    state: Mapping[str, Tensor]
    name: str
    origin: Origin
    path: Path
    sha256: str
    entry: Entry | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_head(self) -> bool:
        """Whether there is a reconstruction head; without, it is a trunk (``Swin2SRModel``)."""
        return not key_mapping.is_bare(self.state, "native")


@dataclass(frozen=True)
class _Found:
    """Where weights lie and what is known about them before they are read."""

    name: str
    config: RestorationConfig | None = None
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
    if not isinstance(name_or_path, str | os.PathLike):
        raise KindError(f"Weights are given by name or path, not as {type(name_or_path).__name__}.")
    name = os.fsdecode(name_or_path)
    entry = registry.find(name) if isinstance(name_or_path, str) else None
    remote = Remote(revision, cache_dir, local_files_only, deadline)
    if entry is not None and entry.source == "packaged":
        checkpoint = _packaged(entry)
    elif os.path.lexists(name) and (entry is None or _holds_weights(Path(name))):
        checkpoint = _local(Path(name))
    elif entry is not None:
        checkpoint = remote.published(entry)
    elif HUB_ID.fullmatch(name) and not name.lower().endswith(SUFFIXES):
        checkpoint = remote.any_repository(name)
    else:
        raise _unknown(name)
    if revision is not None and checkpoint.origin in ("packaged", "file"):
        note = f"The revision {revision!r} was ignored: only repositories of the Hub have one."
        checkpoint = replace(checkpoint, notes=(*checkpoint.notes, note))
    if need_head and not checkpoint.has_head:
        raise WeightsError(
            f"{checkpoint.name!r} is a trunk without reconstruction head: it makes features, "
            "no pictures.",
            code="wrong_model",
            remedy=f"Load it as {checkpoint.config.network}Model.",
        )
    return checkpoint


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


def _checked(found: _Found, weights: Weights, origin: Origin, path: Path) -> Checkpoint:
    """Hold what was read against its configuration and translate it."""
    config, notes = found.config, found.notes + weights.notes
    if config is None:
        config, assumed = detect(weights.state)
        notes += assumed
    else:
        check(weights.state, config, source=repr(found.name))
    entry = found.entry or registry.find_by_hash(weights.sha256)
    return Checkpoint(
        config=config,
        state=key_mapping.to_native(weights.state),
        name=entry.name if entry else found.name,
        origin=origin,
        path=path,
        sha256=weights.sha256,
        entry=entry,
        notes=notes,
    )


# -------------------------------------------------------------------------------- on this machine


def _packaged(entry: Entry) -> Checkpoint:
    path = registry.WEIGHTS_FOLDER / entry.filename
    weights = read_weights(path, sha256=entry.sha256)
    found = _Found(entry.name, entry.config, entry, unpinned(entry.sha256))
    return _checked(found, weights, "packaged", path)


def _holds_weights(path: Path) -> bool:
    return not path.is_dir() or any(os.path.lexists(path / name) for name in WEIGHT_NAMES)


def _local(path: Path) -> Checkpoint:
    """A folder as ``save_pretrained`` writes it, or a file; a configuration beside it is used."""
    if path.is_dir():
        folder, file = path, next((path / n for n in WEIGHT_NAMES if (path / n).exists()), None)
        if file is None:
            parts = " It holds a checkpoint in parts." if list(path.glob("*.index.json")) else ""
            raise WeightsError(
                f"The folder {str(path)!r} holds neither {' nor '.join(WEIGHT_NAMES)}.{parts}",
                code="not_found",
            )
        name = path.resolve().name
    else:
        folder, file, name = path.parent, path, path.stem
    weights = read_weights(file)
    if file.name in WEIGHT_NAMES:
        beside = folder / "config.json"
        config = _read_config(beside, name) if beside.is_file() else None
    else:
        config = _description(file.with_suffix(".json"))
    return _checked(_Found(name, config), weights, "file", file)


def _description(path: Path) -> RestorationConfig | None:
    """The configuration in a file named as the weights, if that is what the file is."""
    if not path.is_file():
        return None
    try:
        described = read_json(path).get("model_type") in RESTORATION
    except (ConfigError, WeightsError):
        return None
    return _read_config(path, path.stem) if described else None


def read_json(path: Path) -> dict[str, Any]:
    """The values of a ``config.json`` that may be anything.

    Raises:
        ConfigError: not a JSON object.
        WeightsError: not a file, or one that is too large.
    """
    try:
        values = json.loads(read_bytes(path, MAX_CONFIG))
    except RecursionError as error:
        raise ConfigError(f"The configuration {str(path)!r} is nested too deeply.") from error
    except ValueError as error:
        if isinstance(error, WeightsError):
            raise
        raise ConfigError(f"The configuration {str(path)!r} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {str(path)!r} is not a JSON object.")
    return values


def _read_config(path: Path, name: str) -> RestorationConfig:
    """A ``config.json``, or the description of packaged weights, whatever its size and content."""
    values = read_json(path)
    kind = str(values.get("model_type", "swin2sr"))
    if kind not in RESTORATION:
        raise WeightsError(
            f"{name!r} is a {kind[:80]!r} network, not a Swin2SR or SwinIR.",
            code="wrong_model",
        )
    values.pop("checkpoint", None)
    try:
        return restoration_config(values)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"The configuration {str(path)!r} cannot be used: {error}.") from error


def unpinned(sha256: str | None) -> tuple[str, ...]:
    """The note for a published file whose bytes cannot be told from others."""
    return () if sha256 else ("The weights are not pinned: no sha256 is published for this file.",)


# ---------------------------------------------------------------------------------- on the network


@dataclass(frozen=True)
class Remote:
    """How the caller wants files of the Hub and of release pages to be had; see ``load``."""

    revision: str | None
    cache_dir: str | os.PathLike[str] | None
    local_files_only: bool
    deadline: float

    def published(self, entry: Entry) -> Checkpoint:
        """The file of a registry row."""
        if entry.source == "release":
            assert entry.url is not None
            release = ReleaseFile(entry.url, cache.release_cache(self.cache_dir))
            found = _Found(entry.name, entry.config, entry, unpinned(entry.sha256))
            return _checked(found, *self.obtain(release, entry.sha256))
        assert entry.repo is not None
        # The hash belongs to the registry's revision; who asks for another gets what is there.
        pinned = entry.sha256 if self.revision in (None, entry.revision) else None
        revision = self.revision or entry.revision
        file = HubFile(entry.repo, entry.filename, revision, cache.hub_cache(self.cache_dir))
        found = _Found(entry.name, entry.config, entry, unpinned(pinned))
        try:
            return _checked(found, *self.obtain(file, pinned))
        except WeightsError as error:
            if entry.fallback is None or error.code not in ("not_found", "offline"):
                raise
            other = replace(file, filename=entry.fallback)
            if error.code == "offline" and other.cached() is None:
                raise
            found = replace(found, notes=unpinned(None))
            return _checked(found, *self.obtain(other, None))

    def any_repository(self, repo: str) -> Checkpoint:
        """The weights of a repository that is in no row: safetensors only, never a pickle."""
        config = _read_config(self.described(repo), repo)
        found = _Found(repo, config, None, unpinned(None))
        return _checked(found, *self.safetensors(repo))

    def described(self, repo: str) -> Path:
        """The ``config.json`` of a repository."""
        file = HubFile(repo, "config.json", self.revision, cache.hub_cache(self.cache_dir))
        return file.cached() or self._fetch(file, None)

    def safetensors(self, repo: str) -> tuple[Weights, Origin, Path]:
        """What ``model.safetensors`` of a repository holds."""
        folder = cache.hub_cache(self.cache_dir)
        try:
            return self.obtain(HubFile(repo, "model.safetensors", self.revision, folder), None)
        except WeightsError as error:
            if error.code != "not_found":
                raise
            raise WeightsError(
                f"{error.message} Other formats are not taken from unknown repositories.",
                code="not_found",
                remedy="Convert it to safetensors, or download it and give its path.",
            ) from error

    def obtain(
        self, file: HubFile | ReleaseFile, sha256: str | None
    ) -> tuple[Weights, Origin, Path]:
        """Read the cached file, or a fresh one; a damaged one is removed and fetched once more."""
        path = file.cached()
        damaged: WeightsError | None = None
        if path is not None:
            try:
                return self._open(file, path, sha256), "cache", path
            except WeightsError as error:
                if not _is_damaged(file, error):
                    raise
                cache.forget(path)
                damaged = error
        try:
            path = self._fetch(file, sha256)
        except WeightsError as error:
            if damaged is None:
                raise
            raise WeightsError(
                f"The cached copy of {file} was damaged and removed. {error.message}",
                code=error.code,
                remedy=error.remedy,
            ) from damaged
        try:
            weights = self._open(file, path, sha256)
        except WeightsError as error:
            if _is_damaged(file, error):
                cache.forget(path)
            raise
        if damaged is not None:
            note = "The cached file was damaged; it was fetched again."
            weights = replace(weights, notes=(note, *weights.notes))
        return weights, "hub", path

    def _fetch(self, file: HubFile | ReleaseFile, sha256: str | None) -> Path:
        cache.refuse_offline(file, local_files_only=self.local_files_only)
        return file.fetch(sha256=sha256, deadline=self.deadline)

    def _open(self, file: HubFile | ReleaseFile, path: Path, sha256: str | None) -> Weights:
        """Read a file of a cache, held against the registry's hash or else the Hub's own word."""
        promised = cache.promised_hash(path) if isinstance(file, HubFile) else None
        return read_weights(path, sha256=sha256 or promised)


def _is_damaged(file: HubFile | ReleaseFile, error: WeightsError) -> bool:
    """Whether a cached file is at fault, not what is published.

    In the folder of release pages, which is ours alone and knows no hashes, also what no longer
    is a file of weights.
    """
    return error.code == "hash_mismatch" or (
        error.code == "not_weights" and isinstance(file, ReleaseFile)
    )


# ---------------------------------------------------------------------------------------- packaging


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
