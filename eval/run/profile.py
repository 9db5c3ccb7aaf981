"""Profile of one piece of work: seconds and peak memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

Result = TypeVar("Result")
_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Cost of some work: seconds and memory.

    Args:
        seconds: wall clock.
        peak_bytes: by how much the process's resident set (on CUDA: the allocated memory) rose
            above where it was before; None where the system does not tell.
    """

    seconds: float
    peak_bytes: int | None


def measure_cost(
    work: Callable[[], Result], device: str | torch.device = "cpu"
) -> tuple[Result, Cost]:
    """Do some work and measure its cost.

    Args:
        work: called once. device: where it computes; CUDA is waited for.
    Returns:
        What ``work`` returned, and its cost. Memory that an earlier call left to this process, and
        that it only takes up again, does not count on a CPU: measure in a fresh process for that.
    """
    if torch.device(device).type == "cuda":
        return _measure_on_cuda(work, device)
    before = _start_watching()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    peak = _resident("VmHWM")
    rise = None if before is None or peak is None else max(0, peak - before)
    return result, Cost(seconds, rise)


def _measure_on_cuda(work: Callable[[], Result], device: str | torch.device) -> tuple[Result, Cost]:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    start = time.perf_counter()
    result = work()
    torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    return result, Cost(seconds, torch.cuda.max_memory_allocated(device) - before)


def _start_watching() -> int | None:
    """Set the kernel's high-water mark to what is in use now; None where there is none."""
    try:
        _RESET.write_text("5")
    except OSError:
        return None
    return _resident("VmRSS")


def _resident(key: str) -> int | None:
    """Size in ``/proc/self/status`` in bytes (the file says kB and means KiB)."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")]
    return sizes[0] if sizes else None
