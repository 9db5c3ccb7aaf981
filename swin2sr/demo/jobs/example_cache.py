"""Results of the pictures that everybody may try: made for who asks first, there for all others."""

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
class Asked:
    """What was asked for; equal ones have equal results.

    Args:
        picture: sha256 of the file. name: of the file, which the result's is made of.
        model: name in the registry.
        keep_metadata: whether the camera's data stay.
    """

    picture: str
    name: str
    model: str
    keep_metadata: bool


class Kept:
    """The results, in a folder that goes with the process: new weights begin with nothing.

    Args:
        pictures: paths of the pictures to keep results of. All others are never kept, nor are
            these by another name: a result is named after its picture.
    """

    def __init__(self, pictures: Iterable[str] = ()) -> None:
        paths = [Path(path) for path in pictures]
        self._sizes = {path.stat().st_size for path in paths}
        self._known = {(_digest(path), path.name) for path in paths}
        self._folder = tempfile.TemporaryDirectory(prefix="swin2sr_kept_")
        self._updates: dict[Asked, Update] = {}
        self._lock = threading.Lock()

    def asked(self, path: str | None, model: str, keep_metadata: bool) -> Asked | None:
        """What to ask ``find`` for; None for a picture whose results are not kept."""
        if path is None:
            return None
        try:
            file = Path(path)
            if file.stat().st_size not in self._sizes:
                return None
            digest = _digest(file)
        except OSError:  # it has just been deleted, which is for the job to tell
            return None
        asked = Asked(digest, file.name, model, keep_metadata)
        return asked if (digest, file.name) in self._known else None

    def find(self, asked: Asked | None) -> Update | None:
        """The last update of the job that made it, with files that stay; None if there is none."""
        update = self._updates.get(asked) if asked else None
        if update is None:
            return None
        files = (update.result.before, update.result.after)
        return update if all(Path(file).is_file() for file in files) else None

    def keep(self, asked: Asked, update: Update) -> None:
        """Keep copies of a result, where there is room for them.

        Args:
            asked: what it was made for.
            update: the last of its job; its result is ``restoring.Restored``.
        """
        result = update.result
        with self._lock, suppress(OSError):
            if self.find(asked) is not None:
                return
            folder = tempfile.mkdtemp(dir=self._folder.name)
            copies = [shutil.copy(file, folder) for file in (result.before, result.after)]
            kept = replace(result, before=copies[0], after=copies[1])
            text = f"{update.text}\n\n{REMARK}"
            self._updates[asked] = replace(update, text=text, result=kept)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
