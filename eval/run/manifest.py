"""Manifest of a run, ``run.json``: all that is needed to repeat it, and to mix it with no other.

Settings, versions, weights and images must be those of the folder's earlier runs; models and sets
may be added. Machines, times and notes are kept beside them and compare to nothing. No path and no
name of a machine or person is written.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import swin2sr
from swin2sr.errors import ConfigError, OutputError
from swin2sr.filesystem import write_bytes
from swin2sr.inference.hardware import available_cores

NAME = "run.json"
FORMAT = 1
PACKAGES = ("torch", "numpy", "pillow", "scikit-image", "scipy")
SAME = ("format", "settings", "versions")  # what all runs of a folder have in common
GROWING = ("models", "sets")  # what may be added to, but not changed


def versions() -> dict[str, str]:
    """Versions of Python, this package, and what computes for it."""
    found = {"python": platform.python_version(), "swin2sr": swin2sr.__version__}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def machine() -> dict[str, Any]:
    """Kind of this machine, nothing that tells which one."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": available_cores(),
        "gpus": gpus,
    }


def commit() -> str | None:
    """Commit of the checkout, with "+" when files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return None if head is None else head + ("+" if changed else "")


def read(out: Path) -> dict[str, Any] | None:
    """Read the manifest in a run's folder; None where there is none.

    Raises:
        OutputError: it cannot be read, or is no such manifest.
    """
    path = out / NAME
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(f"{str(path)!r} cannot be read: {error}.") from error
    if not isinstance(values, dict) or not {*SAME, *GROWING, "sessions"} <= values.keys():
        raise OutputError(f"{str(path)!r} is no manifest of a run.", remedy="Use another folder.")
    if values["format"] != FORMAT:
        raise OutputError(
            f"{str(path)!r} was written by another version of this suite.",
            remedy="Use another folder.",
        )
    return values


def write(out: Path, values: Mapping[str, Any]) -> None:
    """Write a manifest, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_bytes(out / NAME, text.encode("utf-8"))


def merged(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the manifest of the runs before with that of this one.

    Args:
        old: of the folder, if it has one. new: "format", "settings", "versions", "models", "sets".
    Returns:
        ``new`` with what ``old`` has besides, the old first.
    Raises:
        ConfigError: they cannot be of one folder; the message names what differs.
    """
    if old is None:
        return {**new, "sessions": []}
    found = list(differences({k: old[k] for k in SAME}, {k: new[k] for k in SAME}))
    for group in GROWING:
        for name in old[group].keys() & new[group].keys():
            found += differences(old[group][name], new[group][name], f"{group} {name} ")
    if found:
        raise ConfigError(
            f"This folder holds results of another run: {'; '.join(sorted(found))}.",
            remedy="Use another --out, or the settings of then.",
        )
    both = {group: {**old[group], **new[group]} for group in GROWING}
    return {**new, **both, "sessions": list(old["sessions"])}


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Differences between two nested objects of plain values, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from differences(old.get(name), new.get(name), f"{place}{name} ")
    elif old != new:
        yield f"{place}was {_short(old)}, is {_short(new)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(folder: Path, *words: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
