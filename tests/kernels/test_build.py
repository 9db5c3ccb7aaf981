"""Compilation of the kernels: once, whole or not at all, and never in the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from swin2sr.kernels import build, library
from swin2sr.kernels.build import INSTRUCTION_SETS, KernelError
from swin2sr.kernels.verify import verify

PLAIN = INSTRUCTION_SETS[-1]


def why_not() -> str:
    """Why there are no kernels here; "" when there are."""
    try:
        library.load()
    except KernelError as error:
        return str(error)
    return ""


needs_kernels = pytest.mark.skipif(bool(why_not()), reason=f"no kernels: {why_not()}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(build.FOLDER, str(tmp_path / "kernels"))
    return tmp_path / "kernels"


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes "done", and a line into a file for every call."""
    script = tmp_path / "compiler"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo one; exit; fi\n'
        f"echo call >> {tmp_path}/calls\n"
        'for word; do test "$before" = -o && echo done > "$word"; before=$word; done\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(script))
    return tmp_path / "calls"


def test_a_library_is_compiled_once(folder: Path, compiler: Path) -> None:
    first = build.library(PLAIN)
    assert first == build.library(PLAIN)
    assert first.parent == folder
    assert compiler.read_text().count("call") == 1
    assert [path.name for path in folder.iterdir()] == [first.name]  # nothing unfinished is left


def test_another_instruction_set_or_source_is_another_library(
    folder: Path, compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {build.library(one).name for one in INSTRUCTION_SETS}
    source = tmp_path / "source"
    source.mkdir()
    (source / build.MAIN).write_text("int changed;")
    monkeypatch.setattr(build, "SOURCE", source)
    names.add(build.library(PLAIN).name)
    assert len(names) == len(INSTRUCTION_SETS) + 1


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_library_is_compiled_again(folder: Path, compiler: Path, damage: str) -> None:
    path = build.library(PLAIN)
    whole = path.read_bytes()
    path.write_bytes(whole[:2] if damage == "truncated" else b"D" + whole[1:])
    assert build.library(PLAIN) == path
    assert path.read_bytes() == whole
    assert compiler.read_text().count("call") == 2


def test_without_a_compiler_it_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KernelError, match="no C\\+\\+ compiler"):
        build.library(PLAIN)


@pytest.mark.parametrize("command", ["false", "false --and more"])
def test_a_compiler_that_fails_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("CXX", command)
    with pytest.raises(KernelError, match="fails: exit code 1"):
        build.library(PLAIN)
    assert list(folder.iterdir()) == []


def test_a_home_that_cannot_be_written_is_passed_over(
    compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("")  # root may write into a read-only folder, not into a file
    (tmp_path / "temporary").mkdir()
    monkeypatch.delenv(build.FOLDER, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert (tmp_path / "temporary") in build.library(PLAIN).parents


@pytest.mark.parametrize("trick", ["link", "open"])
def test_a_temporary_folder_of_somebody_else_is_not_trusted(
    compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    (tmp_path / "home").write_text("")
    theirs = tmp_path / f"swin2sr-kernels-{os.getuid()}"
    if trick == "link":
        theirs.symlink_to(tmp_path)
    else:
        theirs.mkdir()
        theirs.chmod(0o777)
    monkeypatch.delenv(build.FOLDER, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KernelError, match="no folder"):
        build.library(PLAIN)
    assert not compiler.exists()


def test_the_best_instruction_set_of_the_processor_is_taken(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: a\nflags\t\t: sse2 avx2 fma avx512f\n")
    assert build.best_instruction_set(build.processor_flags(cpuinfo)).name == "avx2"
    assert build.best_instruction_set(build.processor_flags(tmp_path / "none")) is PLAIN
    assert build.best_instruction_set(INSTRUCTION_SETS[0].needs) is INSTRUCTION_SETS[0]


def test_the_environment_turns_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.SWITCH, "0")
    with pytest.raises(KernelError, match="SWIN2SR_KERNELS=0"):
        library.load()


def test_a_file_that_is_no_library_is_refused(
    folder: Path, compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library._load.cache_clear()
    with pytest.raises(KernelError, match="cannot be loaded"):
        library.load()
    library._load.cache_clear()


def test_processes_that_compile_at_once_do_not_disturb_each_other(
    folder: Path, compiler: Path
) -> None:
    code = (
        "from swin2sr.kernels import build; path = build.library(build.INSTRUCTION_SETS[-1]);"
        "assert path.read_text() == 'done\\n', path"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [path.suffix for path in folder.iterdir()] == [".so"]


@needs_kernels
def test_every_instruction_set_of_this_processor_computes_the_block(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "FLAGS", [f.replace("-O3", "-O1") for f in build.FLAGS])
    flags = build.processor_flags()
    for instructions in INSTRUCTION_SETS[1:]:  # the first is what all other tests use
        if instructions.needs <= flags:
            monkeypatch.setattr(build, "best_instruction_set", lambda _, one=instructions: one)
            library._load.cache_clear()
            kernels = library.load()
            assert kernels.instructions == instructions.name
            verify(kernels, bfloat16=False)
    library._load.cache_clear()
