"""Checks of single values of a configuration; each raises ``ConfigError`` naming the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swin2sr.errors import ConfigError


def whole(value: Any, name: str) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number, got {value!r}.")
    return value


def number(value: Any, name: str) -> float:
    """A number, as float (transformers refuses 2 where it means 2.0)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number, got {value!r}.")
    return float(value)


def pair(name: str, value: Sequence[Any]) -> tuple[int, int]:
    """Two whole numbers."""
    if len(value) != 2:
        raise ConfigError(f"{name} must be a number or a (height, width) pair, got {value!r}.")
    return whole(value[0], name), whole(value[1], name)


def single(name: str, value: Any) -> Any:
    """One value, also where a pair of equal ones is given."""
    if isinstance(value, list | tuple):
        height, width = pair(name, value)
        if height != width:
            raise ConfigError(f"{name} must be square, got {value!r}.")
        return height
    return value


def choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """One of some words."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
