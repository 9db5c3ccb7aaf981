"""Cache of downloaded files: the Hub's, and one of our own for release pages.

Files of the Hub lie where its library and transformers keep them, so that what one has fetched all
of them have. The library answers the questions (what is cached, at which commit, how large); the
bytes are moved by ``download``, and enter the cache only with the right hash.

Source: huggingface_hub's guide "Understand caching".
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from swin2sr.checkpoints.download import (
    DEADLINE,
    OFFLINE_REMEDY,
    Transfer,
    Watchdog,
    partials,
    remove_stale_partials,
    require_room,
    retry,
    watched,
)
from swin2sr.checkpoints.entry import Entry, Origin
from swin2sr.checkpoints.read_weights import Weights, read_weights
from swin2sr.errors import WeightsError

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """File of a Hub repository, at a commit or the head of a branch (None: "main")."""

    repo: str
    filename: str
    revision: str | None
    cache: Path

    def __str__(self) -> str:
        return f"{self.repo!r} ({self.filename})"

    @property
    def folder(self) -> Path:
        """Folder of this repository in the cache."""
        return self.cache / f"models--{self.repo.replace('/', '--')}"

    def cached(self) -> Path | None:
        """Path of the file if it is in the cache; asks nobody."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(
            self.repo, self.filename, cache_dir=self.cache, revision=self.revision
        )
        return Path(found) if isinstance(found, str) else None

    def fetch(self, watch: Watchdog, sha256: str | None) -> Path:
        """Download into the cache; see ``Downloader.fetch``."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        url = hf_hub_url(self.repo, self.filename, revision=self.revision, endpoint=endpoint)
        facts = retry(
            lambda: get_hf_file_metadata(url, timeout=watch.timeout, endpoint=endpoint), watch
        )
        watch.progress()
        if not (facts.commit_hash and facts.etag):
            raise WeightsError(
                f"The server that was asked for {self} does not answer as the Hub does.",
                code="download",
                remedy="Check HF_ENDPOINT and the proxy.",
            )
        require_room(facts.size, self.cache, self)
        blob = self.folder / "blobs" / _plain(facts.etag)
        pointer = self.folder / "snapshots" / _plain(facts.commit_hash) / self.filename
        blob.parent.mkdir(parents=True, exist_ok=True)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(blob, watch):
            remove_stale_partials(blob.parent)
            if not blob.is_file():
                at_hub = urlsplit(facts.location).netloc == urlsplit(url).netloc
                own_word = facts.etag if SHA256.fullmatch(facts.etag) else None
                Transfer(
                    url=facts.location,
                    target=blob,
                    wanted=self,
                    watch=watch,
                    size=facts.size,
                    sha256=sha256 or own_word,
                    headers=build_hf_headers() if at_hub else {},
                ).run()
            _point(pointer, blob)
        if self.revision != facts.commit_hash:
            reference = self.folder / "refs" / (self.revision or "main")
            reference.parent.mkdir(parents=True, exist_ok=True)
            reference.write_text(facts.commit_hash, encoding="utf-8")
        return pointer

    @contextmanager
    def _locked(self, blob: Path, watch: Watchdog) -> Iterator[None]:
        """Lock of the Hub's library on a blob; waits while another process is moving it."""
        from filelock import Timeout
        from huggingface_hub.utils import WeakFileLock

        path = self.cache / ".locks" / self.folder.name / f"{blob.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = -1
        with ExitStack() as stack:
            while True:
                with suppress(Timeout):
                    stack.enter_context(WeakFileLock(path, timeout=0.2))
                    break
                watch.waiting_for = "another process that fetches it"
                here = sum(partial.stat().st_size for partial in partials(blob.parent))
                if here != seen:
                    watch.progress()
                    seen = here
                watch.pause(0.0)
            yield


@dataclass(frozen=True)
class ReleaseFile:
    """File behind a fixed address, kept in a folder of our own."""

    url: str
    cache: Path

    def __str__(self) -> str:
        return f"{self.url!r}"

    @property
    def path(self) -> Path:
        """Path in the cache: by release and name."""
        return self.cache.joinpath(*self.url.split("/")[-2:])

    def cached(self) -> Path | None:
        """Path of the file if it is in the cache."""
        return self.path if self.path.is_file() else None

    def fetch(self, watch: Watchdog, sha256: str | None) -> Path:
        """Download into the cache; see ``Downloader.fetch``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_partials(self.path.parent)
        Transfer(self.url, self.path, wanted=self, watch=watch, sha256=sha256).run()
        return self.path


@dataclass(frozen=True)
class Downloader:
    """Downloader of files of the Hub and of release pages, with a cache."""

    revision: str | None = None  # commit, branch or tag on the Hub
    cache_dir: str | os.PathLike[str] | None = None  # instead of the Hub's cache
    local_files_only: bool = False  # never use the network
    deadline: float = DEADLINE  # seconds without progress after which a download is given up

    def hub_file(self, repo: str, filename: str, pinned: str | None = None) -> HubFile:
        """File of a Hub repository, at the revision asked for or else the pinned one."""
        return HubFile(repo, filename, self.revision or pinned, hub_cache(self.cache_dir))

    def path(self, file: HubFile | ReleaseFile) -> Path:
        """Path of the cached file, or of a fresh one; raises as ``fetch``."""
        return file.cached() or self.fetch(file)

    def fetch(self, file: HubFile | ReleaseFile, sha256: str | None = None) -> Path:
        """Download into the cache.

        Args:
            file: which.
            sha256: what it must have; None takes the Hub's own word where it gives one.
        Raises:
            WeightsError: offline, not_found, download or hash_mismatch.
        """
        refuse_offline(file, local_files_only=self.local_files_only)
        return watched(lambda watch: file.fetch(watch, sha256), file, self.deadline)

    def read(
        self, file: HubFile | ReleaseFile, sha256: str | None = None
    ) -> tuple[Weights, Origin, Path]:
        """Read the cached file, or a fresh one; a damaged one is removed and fetched once more.

        Args:
            file, sha256: as ``fetch``.
        Raises:
            WeightsError: as ``load``.
        """
        path = file.cached()
        damaged: WeightsError | None = None
        if path is not None:
            try:
                return _open(file, path, sha256), "cache", path
            except WeightsError as error:
                if not _is_damaged(file, error):
                    raise
                damaged = error
        try:
            path = self.fetch(file, sha256)
        except WeightsError as error:
            if damaged is None:
                raise
            raise WeightsError(
                f"The cached copy of {file} was damaged and removed. {error.message}",
                code=error.code,
                remedy=error.remedy,
            ) from damaged
        weights = _open(file, path, sha256)
        if damaged is not None:
            note = "The cached file was damaged; it was fetched again."
            weights = replace(weights, notes=(note, *weights.notes))
        return weights, "hub", path


def _open(file: HubFile | ReleaseFile, path: Path, sha256: str | None) -> Weights:
    """Read a cached file, held against a hash; a damaged one is taken out of the cache."""
    promised = promised_hash(path) if isinstance(file, HubFile) else None
    try:
        return read_weights(path, sha256=sha256 or promised)
    except WeightsError as error:
        if _is_damaged(file, error):
            forget(path)
        raise


def _is_damaged(file: HubFile | ReleaseFile, error: WeightsError) -> bool:
    """Tell a damaged cached file from a fault of what is published.

    In the folder of release pages, which is ours alone and knows no hashes, also what no longer
    is a file of weights.
    """
    return error.code == "hash_mismatch" or (
        error.code == "not_weights" and isinstance(file, ReleaseFile)
    )


def hub_cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    """Folder of the Hub's cache: as given, or where its library keeps it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE if cache_dir is None else os.path.expanduser(cache_dir))


def release_cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    """Folder of files from release pages: as given, or in the user's cache folder."""
    if cache_dir is not None:
        return Path(os.path.expanduser(cache_dir), "releases")
    # Unlike Path.expanduser this is no error where there is no home.
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base, "swin2sr", "releases")


def refuse_offline(wanted: object, *, local_files_only: bool) -> None:
    """Refuse a file that is not cached when the network must not be used.

    Raises:
        WeightsError: "offline", under ``local_files_only`` or HF_HUB_OFFLINE.
    """
    from huggingface_hub import is_offline_mode

    switched_off = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "TRUE", "YES")
    if local_files_only or switched_off or is_offline_mode():
        switch = "local_files_only" if local_files_only else "HF_HUB_OFFLINE"
        raise WeightsError(
            f"{wanted} is not in the cache, and the network is switched off ({switch}).",
            code="offline",
            remedy=OFFLINE_REMEDY,
        )


def promised_hash(cached: Path) -> str | None:
    """Hash (sha256) that the Hub gave for a cached file: its blob is named by it."""
    with suppress(OSError):
        name = cached.readlink().name
        if SHA256.fullmatch(name):
            return name
    return None


def forget(cached: Path) -> None:
    """Remove a damaged file from the cache, link and content; what cannot be removed stays."""
    with suppress(OSError):
        (cached.parent / cached.readlink()).unlink(missing_ok=True)
    with suppress(OSError):
        cached.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """File name from a server's word: nothing that leads elsewhere."""
    return re.sub(r"[^\w-]", "_", name)[:128]


def _point(pointer: Path, blob: Path) -> None:
    """Link to ``blob`` under the file's own name; a copy where links are not had."""
    if pointer.exists():
        return
    pointer.unlink(missing_ok=True)  # a link to a blob that was removed
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except FileExistsError:  # another process was faster
        return
    except OSError:
        shutil.copyfile(blob, pointer)


def is_here(entry: Entry) -> bool:
    """Tell whether a published checkpoint loads without the network; asks nobody."""
    if entry.url is not None:
        return ReleaseFile(entry.url, release_cache(None)).cached() is not None
    if entry.repo is None:
        return True
    names = filter(None, (entry.filename, entry.fallback))
    places = (HubFile(entry.repo, name, entry.revision, hub_cache(None)) for name in names)
    return any(place.cached() is not None for place in places)
