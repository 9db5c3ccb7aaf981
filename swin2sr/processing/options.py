"""Checks of single options of a processor; each raises ``ConfigError`` naming the option."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from swin2sr.errors import ConfigError


def flag(name: str, value: Any) -> bool:
    """True or False, nothing that only looks like it."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {value!r}.")
    return value


def number(name: str, value: Any) -> float:
    """A finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -math.inf < value < math.inf:
        raise ConfigError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def positive(name: str, value: Any) -> float:
    """A number above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a number above 0, got {value!r}.")
    return float(value)


def whole(name: str, value: Any) -> int:
    """A whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} must be a whole number from 1 up, got {value!r}.")
    return value


def choice(name: str, value: Any, choices: Sequence[str | None]) -> Any:
    """One of some words."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value
