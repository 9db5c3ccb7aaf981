"""Compilation of ``source/`` on the machine that runs it, and the folder of compiled libraries.

A library's file name holds the hash of everything that decides its bytes (source, compiler, flags,
instruction set) and the hash of those bytes: another source is another file, nothing is ever out of
date, and a damaged file is not loaded.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SWITCH = "SWIN2SR_KERNELS"  # "0" turns the kernels off
FOLDER = "SWIN2SR_KERNELS_CACHE"  # folder of compiled libraries, instead of the default
SOURCE = Path(__file__).parent / "source"
MAIN = "kernels.cpp"
# Never -ffast-math: it would let the compiler assume that there are no NaNs to be seen.
FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread"),
    *("-fno-math-errno", "-fno-trapping-math", "-w"),
)
MOST_SECONDS = 300  # that a compiler may take; it takes about five


class KernelError(Exception):
    """The kernels cannot be used here; the message says why. PyTorch computes the same."""


@dataclass(frozen=True)
class InstructionSet:
    """Instruction set to compile for.

    Attributes:
        name: for people and for file names.
        needs: flags of a processor that has it, as in ``/proc/cpuinfo``.
        flags: of the compiler.
    """

    name: str
    needs: frozenset[str]
    flags: tuple[str, ...]


_AVX2 = ("avx2", "fma")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512vl", "avx512dq")
_AMX = (*_AVX512, "avx512_bf16", "amx_tile", "amx_bf16")
_SPELLING = {"avx512_bf16": "avx512bf16", "amx_tile": "amx-tile", "amx_bf16": "amx-bf16"}

# The best first; the last runs on every processor that the compiler knows.
INSTRUCTION_SETS = tuple(
    InstructionSet(name, frozenset(needs), tuple(f"-m{_SPELLING.get(n, n)}" for n in needs))
    for name, needs in (("amx", _AMX), ("avx512", _AVX512), ("avx2", _AVX2), ("plain", ()))
)


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the processor's flags in Linux's words; nothing where Linux does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    words = (line.partition(":")[2].split() for line in lines if line.startswith("flags"))
    return frozenset(next(words, []))


def best_instruction_set(flags: frozenset[str]) -> InstructionSet:
    """Return the first of ``INSTRUCTION_SETS`` that a processor with these flags has."""
    return next(one for one in INSTRUCTION_SETS if one.needs <= flags)


def check_switch() -> None:
    """Check that the environment and the system allow kernels.

    Raises:
        KernelError: they do not.
    """
    if os.environ.get(SWITCH, "1") == "0":
        raise KernelError(f"{SWITCH}=0")
    if sys.platform == "win32":
        raise KernelError("they are not made for Windows")


def find_compiler() -> list[str]:
    """Find the command of a C++ compiler: ``CXX``, or the first of the usual names.

    Raises:
        KernelError: there is none.
    """
    named = shlex.split(os.environ.get("CXX", ""))
    for command in [named] if named else [["g++"], ["clang++"], ["c++"]]:
        if shutil.which(command[0]):
            return command
    raise KernelError("there is no C++ compiler")


def library(instructions: InstructionSet) -> Path:
    """Find the compiled library for an instruction set; compile it where there is none yet.

    Raises:
        KernelError: there is no compiler, it fails, or there is nowhere to write.
    """
    command = [*find_compiler(), *FLAGS, *instructions.flags]
    prefix = f"kernels-{instructions.name}-{_source_hash(command)}-"
    for folder in _folders():
        if found := _find(folder, prefix):
            return found
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _compile(command, folder, prefix)
        except OSError:  # read-only or full
            continue
    raise KernelError("there is no folder to keep a compiled library in")


def _source_hash(command: list[str]) -> str:
    """Hash everything that decides what the compiler makes."""
    try:
        version = subprocess.run(
            [command[0], "--version"], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelError(f"the C++ compiler does not start ({error})") from error
    whole = hashlib.sha256(repr((version, command, platform.machine())).encode())
    for path in sorted(SOURCE.iterdir()):
        whole.update(repr((path.name, path.read_bytes())).encode())
    return whole.hexdigest()[:16]


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _find(folder: Path, prefix: str) -> Path | None:
    """Find a library whose bytes are those it was written with."""
    with suppress(OSError):
        if _belongs_to_us(folder):
            for path in sorted(folder.glob(f"{prefix}*.so")):
                if path.name == f"{prefix}{_content_hash(path)}.so":
                    return path
    return None


def _folders() -> Iterator[Path]:
    """Folders where libraries may lie, the best first."""
    if named := os.environ.get(FOLDER):
        yield Path(named)
        return
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):  # no home
        yield Path(home).expanduser() / "swin2sr" / "kernels"
    yield Path(tempfile.gettempdir()) / f"swin2sr-kernels-{os.getuid()}"


def _belongs_to_us(folder: Path) -> bool:
    """Return whether nobody else can write there: everybody can make a temporary folder."""
    status = folder.stat(follow_symlinks=False)
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & 0o022


def _compile(command: list[str], folder: Path, prefix: str) -> Path:
    """Compile under another name first: nobody ever sees half of a library."""
    if not _belongs_to_us(folder):
        raise PermissionError(folder)
    handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=".tmp")
    os.close(handle)
    unfinished = Path(name)
    try:
        done = subprocess.run(
            [*command, str(SOURCE / MAIN), "-o", name],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise KernelError(f"the C++ compiler fails: {lines[0]}")
        target = folder / f"{prefix}{_content_hash(unfinished)}.so"
        unfinished.replace(target)
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"the C++ compiler took more than {MOST_SECONDS} s") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target
