"""Configuration files of a model: in a folder, in the cache, or on the Hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swin2sr.checkpoints.cache import Downloader
from swin2sr.checkpoints.load import is_hub_id, read_json
from swin2sr.errors import KindError, WeightsError

PROCESSOR = "preprocessor_config.json"
MODEL = "config.json"


@dataclass(frozen=True)
class ModelFiles:
    """Folder or Hub repository with a model's files.

    Args:
        name: folder, or Hub id ("user/repository").
        revision: commit, branch or tag on the Hub.
        cache_dir: instead of the Hub's cache.
        local_files_only: never use the network.
    """

    name: str
    revision: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False

    @classmethod
    def of(cls, name: Any, **remote: Any) -> ModelFiles:
        """Find by name or path.

        Raises:
            KindError: neither.
        """
        if not isinstance(name, str | os.PathLike):
            kind = type(name).__name__
            raise KindError(f"A model is found by name or path, not by {kind}.")
        return cls(os.fsdecode(name), **remote)

    def read(self, filename: str) -> dict[str, Any] | None:
        """Read the JSON object in a file: of the folder, of the cache, or fetched from the Hub.

        Returns:
            None where the folder or the repository has no such file.
        Raises:
            WeightsError: offline or download; not_found, when there is no such folder and the
                name is no Hub id; not_weights, a file that is too large or none.
            ConfigError: a file that holds no JSON object.
        """
        if os.path.isdir(self.name):
            path = Path(self.name, filename)
            return read_json(path) if path.is_file() else None
        if not is_hub_id(self.name):
            raise WeightsError(
                f"{self.name[:200]!r} is neither a folder nor a Hub id.",
                code="not_found",
                remedy="Give a folder with config.json, or user/repository.",
            )
        downloader = Downloader(self.revision, self.cache_dir, self.local_files_only)
        try:
            path = downloader.path(downloader.hub_file(self.name, filename))
        except WeightsError as error:
            if error.code == "not_found":
                return None
            raise
        return read_json(path)
