"""Where fetched files are kept, and how they get there: the Hub's cache and one for release pages.

Files of the Hub lie where its library and transformers keep them, so that what one has fetched all
of them have. The library answers the questions (what is cached, at which commit, how large); the
bytes are moved by ``transfer``, and enter the cache only with the right hash.

Source: huggingface_hub's guide "Understand caching".
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from swin2sr.checkpoints.download import (
    DEADLINE,
    OFFLINE_REMEDY,
    Transfer,
    Watch,
    partials,
    persist,
    require_room,
    sweep,
    watched,
)
from swin2sr.checkpoints.entry import Entry
from swin2sr.errors import WeightsError

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """One file of a Hub repository, at a commit or the head of a branch (None: "main")."""

    repo: str
    filename: str
    revision: str | None
    cache: Path

    def __str__(self) -> str:
        return f"{self.repo!r} ({self.filename})"

    @property
    def folder(self) -> Path:
        """Where the cache keeps this repository."""
        return self.cache / f"models--{self.repo.replace('/', '--')}"

    def cached(self) -> Path | None:
        """The file, if it is in the cache; asks nobody."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(
            self.repo, self.filename, cache_dir=self.cache, revision=self.revision
        )
        return Path(found) if isinstance(found, str) else None

    def fetch(self, *, sha256: str | None = None, deadline: float = DEADLINE) -> Path:
        """Download into the cache.

        Args:
            sha256: what the file must have; None takes the Hub's own word where it gives one.
            deadline: seconds without progress after which to give up.
        Raises:
            WeightsError: offline, not_found, download or hash_mismatch.
        """
        return watched(lambda watch: self._fetch(sha256, watch), self, deadline)

    def _fetch(self, sha256: str | None, watch: Watch) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        url = hf_hub_url(self.repo, self.filename, revision=self.revision, endpoint=endpoint)
        facts = persist(
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
            sweep(blob.parent)
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
    def _locked(self, blob: Path, watch: Watch) -> Iterator[None]:
        """The Hub library's own lock on a blob; waits while another process is moving it."""
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
    """One file behind a fixed address, kept in a folder of our own."""

    url: str
    cache: Path

    def __str__(self) -> str:
        return f"{self.url!r}"

    @property
    def path(self) -> Path:
        """Where the file is kept: by release and name."""
        return self.cache.joinpath(*self.url.split("/")[-2:])

    def cached(self) -> Path | None:
        """The file, if it is in the cache."""
        return self.path if self.path.is_file() else None

    def fetch(self, *, sha256: str | None = None, deadline: float = DEADLINE) -> Path:
        """Download into the cache; as ``HubFile.fetch``."""
        return watched(lambda watch: self._fetch(sha256, watch), self, deadline)

    def _fetch(self, sha256: str | None, watch: Watch) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        sweep(self.path.parent)
        Transfer(self.url, self.path, wanted=self, watch=watch, sha256=sha256).run()
        return self.path


def hub_cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    """The folder of the Hub's cache: as given, or where its library keeps it."""
    if cache_dir is not None:
        return _expanded(cache_dir)
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def release_cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    """The folder of files from release pages: as given, or in the user's cache folder."""
    if cache_dir is not None:
        return _expanded(cache_dir) / "releases"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(base) / "swin2sr" / "releases"


def _expanded(folder: str | os.PathLike[str]) -> Path:
    """With ``~`` resolved; unlike ``Path.expanduser`` without an error where there is no home."""
    return Path(os.path.expanduser(folder))


def refuse_offline(wanted: object, *, local_files_only: bool) -> None:
    """Raise the error of a file that is not cached when the network must not be used.

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
    """The sha256 that the Hub gave for a cached file: its blob is named by it."""
    with suppress(OSError):
        name = cached.readlink().name
        if SHA256.fullmatch(name):
            return name
    return None


def forget(cached: Path) -> None:
    """Take a damaged file out of the cache, link and content; what cannot be removed stays."""
    with suppress(OSError):
        (cached.parent / cached.readlink()).unlink(missing_ok=True)
    with suppress(OSError):
        cached.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """A server's word as a file name: nothing that leads elsewhere."""
    return re.sub(r"[^\w-]", "_", name)[:128]


def _point(pointer: Path, blob: Path) -> None:
    """Show ``blob`` under the file's own name: a relative link, a copy where links are not had."""
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
    """Whether a published checkpoint can be loaded without the network; asks nobody."""
    if entry.url is not None:
        return ReleaseFile(entry.url, release_cache(None)).cached() is not None
    if entry.repo is None:
        return True
    names = filter(None, (entry.filename, entry.fallback))
    places = (HubFile(entry.repo, name, entry.revision, hub_cache(None)) for name in names)
    return any(place.cached() is not None for place in places)
