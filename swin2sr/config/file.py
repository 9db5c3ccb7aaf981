"""What every configuration shares: reading and writing Hugging Face's ``config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from swin2sr.errors import ConfigError
from swin2sr.filesystem import write_bytes


def read_object(path: str | Path) -> dict[str, Any]:
    """The values of a ``config.json``.

    Raises:
        ConfigError: the file is missing or is not a JSON object.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read the configuration {str(path)!r}: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {str(path)!r} is not a JSON object.")
    return values


@dataclass(frozen=True, kw_only=True)
class Config:
    """A frozen dataclass that is a ``config.json``.

    Args:
        extra: keys of a ``config.json`` that are not ours; kept and written back.
    """

    model_type: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]]  # other names of fields, in files
    derived: ClassVar[tuple[str, ...]]  # keys that follow from the fields

    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the keys of a ``config.json``; unknown ones are kept in ``extra``.

        Raises:
            ConfigError: another ``model_type``, or a value that cannot be used.
        """
        kind = values.get("model_type", cls.model_type)
        if kind != cls.model_type:
            raise ConfigError(f"This configuration is for '{kind}', not '{cls.model_type}'.")
        known = {f.name for f in fields(cls)} - {"extra"}
        given: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in values.items():
            name = cls.aliases.get(key, key)
            if name in known:
                given[name] = value
            elif key not in cls.derived:
                extra[key] = value
        return cls(**given, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``config.json``, ``extra`` included, lists instead of tuples."""
        values: dict[str, Any] = dict(self.extra)
        for f in fields(self):
            if f.name != "extra":
                value = getattr(self, f.name)
                values[f.name] = list(value) if isinstance(value, tuple) else value
        values["model_type"] = self.model_type
        return values

    @classmethod
    def from_json_file(cls, path: str | Path) -> Self:
        """Read a ``config.json``.

        Raises:
            ConfigError: the file is missing, is not JSON, or describes another model.
        """
        return cls.from_dict(read_object(path))

    def to_json_string(self) -> str:
        """The text of ``config.json``, keys sorted."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, path: str | Path) -> None:
        """Write ``config.json`` to ``path``, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_bytes(path, self.to_json_string().encode())
