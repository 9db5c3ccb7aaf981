"""Cores, memory, device and bfloat16: what a container allows counts, not what the host has."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch

from swin2sr.errors import ConfigError
from swin2sr.inference import hardware

GIB = 1024**3


def machine(root: Path, **files: str) -> Path:
    """A false root directory holding these files; ``__`` in a name stands for ``/``."""
    meminfo = f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {8 * GIB // 1024} kB\n"
    contents = {"proc/meminfo": meminfo}
    contents |= {name.replace("__", "/"): text for name, text in files.items()}
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def test_cores_are_those_of_the_affinity_mask(tmp_path: Path, many_cores: None) -> None:
    assert hardware.available_cores(machine(tmp_path)) == 8


@pytest.mark.parametrize(("quota", "cores"), [("250000 100000", 2), ("50000 100000", 1)])
def test_cores_are_limited_by_the_containers_quota(
    tmp_path: Path, many_cores: None, quota: str, cores: int
) -> None:
    root = machine(tmp_path, proc__self__cgroup="0::/\n", **{"sys__fs__cgroup__cpu.max": quota})
    assert hardware.available_cores(root) == cores


def test_cores_without_quota_are_not_limited(tmp_path: Path, many_cores: None) -> None:
    files = {"sys__fs__cgroup__cpu.max": "max 100000"}
    assert hardware.available_cores(machine(tmp_path, proc__self__cgroup="0::/\n", **files)) == 8


def test_cores_respect_the_quota_of_a_parent_group(tmp_path: Path, many_cores: None) -> None:
    files = {
        "sys__fs__cgroup__pod__cpu.max": "300000 100000",
        "sys__fs__cgroup__pod__box__cpu.max": "max 100000",
    }
    root = machine(tmp_path, proc__self__cgroup="0::/pod/box\n", **files)
    assert hardware.available_cores(root) == 3


def test_cores_respect_the_first_cgroup_hierarchy(tmp_path: Path, many_cores: None) -> None:
    files = {
        "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "400000",
        "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000",
    }
    root = machine(tmp_path, proc__self__cgroup="4:memory:/\n1:cpu,cpuacct:/absent\n", **files)
    assert hardware.available_cores(root) == 4


def test_a_process_computes_on_every_core_it_may_use() -> None:
    before = torch.get_num_threads()
    try:
        assert hardware.prepare_process() == torch.get_num_threads() == hardware.available_cores()
        assert hardware.prepare_process(most=1) == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_memory_is_what_the_system_calls_available(tmp_path: Path) -> None:
    assert hardware.available_memory(root=machine(tmp_path)) == 8 * GIB


def test_memory_is_limited_by_the_container_whose_page_cache_counts_as_free(
    tmp_path: Path,
) -> None:
    files = {
        "sys__fs__cgroup__memory.max": str(4 * GIB),
        "sys__fs__cgroup__memory.current": str(3 * GIB),
        "sys__fs__cgroup__memory.stat": f"anon {2 * GIB}\ninactive_file {GIB // 2}\n",
    }
    root = machine(tmp_path, proc__self__cgroup="0::/\n", **files)
    assert hardware.available_memory(root=root) == GIB + GIB // 2


def test_memory_is_limited_by_the_first_cgroup_hierarchy(tmp_path: Path) -> None:
    files = {
        "sys__fs__cgroup__memory__memory.limit_in_bytes": str(2 * GIB),
        "sys__fs__cgroup__memory__memory.usage_in_bytes": str(GIB),
    }
    root = machine(tmp_path, proc__self__cgroup="4:memory:/\n", **files)
    assert hardware.available_memory(root=root) == GIB


def test_memory_of_an_unlimited_container_is_the_systems(tmp_path: Path) -> None:
    files = {
        "sys__fs__cgroup__memory.max": "max",
        "sys__fs__cgroup__memory.current": str(GIB),
    }
    root = machine(tmp_path, proc__self__cgroup="0::/\n", **files)
    assert hardware.available_memory(root=root) == 8 * GIB


def test_memory_respects_ulimit_v(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (3 * GIB, 3 * GIB))
    pages = GIB // os.sysconf("SC_PAGE_SIZE")
    root = machine(tmp_path, proc__self__statm=f"{pages} 1 1 1 0 1 0\n")
    assert hardware.available_memory(root=root) == 2 * GIB


def test_memory_is_positive_where_proc_is_missing(tmp_path: Path) -> None:
    assert hardware.available_memory(root=tmp_path) > 0


def test_memory_of_this_machine_is_plausible() -> None:
    assert 0 < hardware.available_memory() < 2**60


def test_device_auto_is_the_cpu_where_there_is_nothing_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert hardware.pick_device("auto") == torch.device("cpu")


def test_device_auto_prefers_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert hardware.pick_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("wish", ["tpu", "cuda:x", "meta", ""])
def test_device_unknown_names_the_choices(wish: str) -> None:
    with pytest.raises(ConfigError, match="auto, cpu, cuda, mps"):
        hardware.pick_device(wish)


def test_device_that_is_absent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert hardware.pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ConfigError, match="not available"):
        hardware.pick_device("cuda:1")


def without_torchs_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("fpu avx512_bf16 avx512f", True), ("fpu amx_bf16", True), ("fpu avx2 avx512f", False)],
)
def test_bfloat16_is_read_off_the_processors_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, fast: bool
) -> None:
    without_torchs_answer(monkeypatch)
    root = machine(tmp_path, proc__cpuinfo=f"processor : 0\nflags\t\t: {flags}\n")
    assert hardware.has_fast_bfloat16("cpu", root) is fast


def test_bfloat16_is_not_fast_where_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_torchs_answer(monkeypatch)
    assert hardware.has_fast_bfloat16("cpu", tmp_path) is False
    assert hardware.has_fast_bfloat16("mps", tmp_path) is False
