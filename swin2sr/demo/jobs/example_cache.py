"""Cache of the examples' results: computed for who asks first, there for all others."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from swin2sr.demo.queue import Update

REMARK = "Kept from the first time that somebody asked for this example."


@dataclass(frozen=True)
class CacheKey:
    """Key of a cached result; equal requests have equal results.

    Args:
        sha256: of the picture's file. name: of the file, which the result's is made of.
        model: name in the registry.
        keep_metadata: whether the camera's data stay.
    """

    sha256: str
    name: str
    model: str
    keep_metadata: bool


class ExampleCache:
    """Cache of results, in a folder that goes with the process: new weights begin with nothing.

    Args:
        pictures: paths of the pictures to keep results of. All others are never kept, nor are
            these by another name: a result is named after its picture.
    """

    def __init__(self, pictures: Iterable[str] = ()) -> None:
        paths = [Path(path) for path in pictures]
        self._sizes = {path.stat().st_size for path in paths}
        self._known = {(_sha256(path), path.name) for path in paths}
        self._folder = tempfile.TemporaryDirectory(prefix="swin2sr_examples_")
        self._updates: dict[CacheKey, Update] = {}
        self._lock = threading.Lock()

    def key(self, path: str | None, model: str, keep_metadata: bool) -> CacheKey | None:
        """Key of a request; None for a picture whose results are not kept."""
        if path is None:
            return None
        try:
            file = Path(path)
            if file.stat().st_size not in self._sizes:
                return None
            digest = _sha256(file)
        except OSError:  # it has just been deleted, which is for the job to tell
            return None
        known = (digest, file.name) in self._known
        return CacheKey(digest, file.name, model, keep_metadata) if known else None

    def get(self, key: CacheKey | None) -> Update | None:
        """Return the last update of the job that made it, with files that stay; None for a miss."""
        update = self._updates.get(key) if key else None
        if update is None:
            return None
        files = (update.result.before, update.result.after)
        return update if all(Path(file).is_file() for file in files) else None

    def put(self, key: CacheKey, update: Update) -> None:
        """Keep copies of a result, where there is room for them.

        Args:
            key: what it was made for.
            update: the last of its job; its result is ``restore.RestoreResult``.
        """
        result = update.result
        with self._lock, suppress(OSError):
            if self.get(key) is not None:
                return
            folder = tempfile.mkdtemp(dir=self._folder.name)
            copies = [shutil.copy(file, folder) for file in (result.before, result.after)]
            copied = replace(result, before=copies[0], after=copies[1])
            text = f"{update.text}\n\n{REMARK}"
            self._updates[key] = replace(update, text=text, result=copied)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
