"""How OpenMP threads wait: decided before torch is imported, whichever entry point is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Prints the setting at the moment when torch is looked for.
WATCH = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("at torch:", os.environ.get("GOMP_SPINCOUNT"))
            sys.meta_path.remove(self)
sys.meta_path.insert(0, Finder())
"""
ENTRIES = {
    "package": "import swin2sr",
    "command line": "import swin2sr.__main__",
    "training": "import swin2sr.training.__main__",
    "evaluation": "import eval.__main__",
    "page": "import app",
    "tests": "import tests.conftest",
}


def _setting(root: Path, entry: str, **values: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"} | values
    done = subprocess.run(
        [sys.executable, "-c", f"{WATCH}\n{ENTRIES[entry]}\nimport torch"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("at torch:")]
    return line.removeprefix("at torch: ")


@pytest.mark.parametrize("entry", ENTRIES)
def test_threads_do_not_spin(root: Path, entry: str) -> None:
    assert _setting(root, entry) == "1000"


def test_a_users_own_value_stays(root: Path) -> None:
    assert _setting(root, "page", GOMP_SPINCOUNT="5") == "5"
    assert _setting(root, "package", OMP_WAIT_POLICY="active") == "None"
