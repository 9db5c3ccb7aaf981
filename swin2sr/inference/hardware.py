"""Hardware of this machine: cores, memory, devices, bfloat16; containers' limits are respected.

Source: Linux ``proc(5)`` and ``cgroups(7)`` (both hierarchies); sizes are bytes throughout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from swin2sr.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")
_ROOT = Path("/")
_LARGE_BLOCK = 31 * 1024**2  # glibc's limit grows up to 32 MiB
_KILOBYTE = 1024  # /proc/meminfo says kB and means KiB


def available_cores(root: Path = _ROOT) -> int:
    """CPU cores that this process may really use: the smaller of the scheduler's affinity mask and
    the container's CPU quota, at least 1. ``proc`` and ``sys`` are looked for below ``root``."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    quotas = [quota for folder in _cgroups("cpu", root) if (quota := _cpu_quota(folder))]
    return max(1, int(min([cores, *quotas])))


def prepare_process(most: int | None = None) -> int:
    """Let torch compute on every core this process may use, and keep memory between its steps.

    Both hold for the whole process, so programs call this (the app, the command line, the
    benchmarks), not the library.

    Args:
        most: cores at most, where somebody else says how many are this process's.
    """
    cores = min(available_cores(), most or sys.maxsize)
    torch.set_num_threads(cores)
    # glibc gives freed memory back to the system above a limit that follows the largest block
    # freed so far, and the system clears every page of it again at the next step of the network.
    # One large block, never touched, raises the limit (mallopt(3), M_MMAP_THRESHOLD).
    torch.empty(_LARGE_BLOCK, dtype=torch.uint8)
    return cores


def available_memory(device: str | torch.device = "cpu", root: Path = _ROOT) -> int:
    """Memory that can still be allocated before the system refuses or kills, in bytes.

    Args:
        device: memory of which device; for "cpu" (and "mps", which shares it) the smallest of
            what the system reports as available, the container's limit and ``ulimit -v``.
        root: where ``proc`` and ``sys`` are mounted.
    """
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    bounds = [_system_memory(root)]
    bounds += [left for folder in _cgroups("memory", root) if (left := _cgroup_memory(folder))]
    bounds += _address_space(root)
    return max(0, min(bounds))


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Pick the device to compute on.

    Args:
        device: "auto" takes CUDA, then MPS, then the CPU; otherwise a device that must exist,
            as "cpu", "cuda", "cuda:1" or "mps".
    Raises:
        ConfigError: an unknown device, or one this machine or this build of torch lacks.
    """
    offered = {"cpu": 1, "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    offered["mps"] = int(torch.backends.mps.is_available())
    if device == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if offered[kind]))
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in offered:
        raise ConfigError(f"Unknown device {device!r}; choose one of {', '.join(DEVICES)}.")
    if (chosen.index or 0) >= offered[chosen.type]:
        present = [kind for kind, count in offered.items() if count]
        raise ConfigError(
            f"The device {str(chosen)!r} is not available here.",
            remedy=f"This machine offers: auto, {', '.join(present)}.",
        )
    return chosen


def has_fast_bfloat16(device: str | torch.device, root: Path = _ROOT) -> bool:
    """Return whether the device multiplies bfloat16 in hardware, so that it can pay; on a CPU this
    asks for AMX or AVX512-BF16 (or Arm's BF16)."""
    device = torch.device(device)
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        supported = getattr(torch.cpu, name, None)
        if supported is not None and supported():
            return True
    try:  # for builds of torch that cannot tell
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = set(text.replace(":", " ").split())
    return bool(flags & {"amx_bf16", "avx512_bf16", "bf16"})


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Control groups of this process for a controller: folders, leaf first, both hierarchies.

    A container often mounts only its own group at the top, hence the walk up to the mount point.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = mounts
        elif controller in controllers.split(","):
            mount = mounts / controller
        else:
            continue
        group = mount / path.lstrip("/")
        while True:
            if group.is_dir():
                yield group
            if group == mount or mount not in group.parents:
                break
            group = group.parent


def _number(file: Path) -> int | None:
    """Read the whole number of a control file; None when absent, unreadable or "max"."""
    try:
        return int(file.read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _cpu_quota(folder: Path) -> float | None:
    try:
        quota, period = map(int, (folder / "cpu.max").read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        quota = _number(folder / "cpu.cfs_quota_us") or 0
        period = _number(folder / "cpu.cfs_period_us") or 0
    return quota / period if quota > 0 and period > 0 else None


def _cgroup_memory(folder: Path) -> int | None:
    """Memory left in one group: limit less use; cache that the kernel would give back is free."""
    for limit_name, used_name, cache_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        if limit is None or used is None:
            continue
        try:
            stat = (folder / "memory.stat").read_text(encoding="utf-8").split()
            cache = int(stat[stat.index(cache_name) + 1])
        except (OSError, ValueError, IndexError):
            cache = 0
        return max(1, limit - used + cache)
    return None


def _system_memory(root: Path) -> int:
    try:
        words = (root / "proc/meminfo").read_text(encoding="utf-8").split()
        return int(words[words.index("MemAvailable:") + 1]) * _KILOBYTE
    except (OSError, ValueError, IndexError):
        # No such file (macOS, Windows): half of what is installed is a cautious guess.
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (AttributeError, OSError, ValueError):
            return 2 * 1024**3


def _address_space(root: Path) -> list[int]:
    """Address space that ``ulimit -v`` leaves, as a list of none or one."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return []
        pages = int((root / "proc/self/statm").read_text(encoding="utf-8").split()[0])
        return [max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))]
    except (ImportError, OSError, ValueError):
        return []
