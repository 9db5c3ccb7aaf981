"""Run lessons from top to bottom and write them back with their outputs, clean.

    python notebooks/execute.py notebooks/03_*.ipynb

A lesson that fails is left as it was. What would differ between two runs for no reason is dropped:
times, kernel details, outputs of cells with widgets (the static figure before each stays); cells
are called c01, c02 and so on. Needs ``pip install -e ".[notebooks]"``. The run is a full one,
whatever ``FAST`` says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 900  # for one cell: full runs take minutes in all
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def clean(notebook: NotebookNode) -> None:
    """Drop what says nothing about the lesson, in place."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    language = {"name": "python", "version": version}
    notebook.metadata = NotebookNode(kernelspec=KERNELSPEC, language_info=language)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"c{number:02d}"
        cell.metadata = NotebookNode()
        outputs = cell.get("outputs", [])
        if any(WIDGET in output.get("data", {}) for output in outputs):
            cell.outputs = []


def execute(path: Path) -> None:
    """Run a lesson in its folder and write it back.

    Args:
        path: of the notebook.
    Raises:
        CellExecutionError, CellTimeoutError, DeadKernelError: a cell failed, took longer than
            ``SECONDS``, or took the kernel with it; the file is as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    variables = {name: value for name, value in os.environ.items() if name != "FAST"}
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name=KERNELSPEC["name"],
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.widget_registry = {}  # see conftest.py
    client.execute(env=variables)
    clean(notebook)
    beside = path.with_suffix(".part")
    nbformat.write(notebook, beside)
    beside.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 when all lessons ran, else 1."""
    parser = argparse.ArgumentParser(
        prog="python notebooks/execute.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("lessons", nargs="+", type=Path, metavar="LESSON", help="an .ipynb file")
    failed = 0
    for path in parser.parse_args(arguments).lessons:
        start = time.monotonic()
        try:
            execute(path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failed += 1
            print(f"{path.name} failed and was left as it was.\n{error}", file=sys.stderr)
        except OSError as error:
            failed += 1
            print(f"{path.name}: {error.strerror}.", file=sys.stderr)
        else:
            size = path.stat().st_size / 1e3
            print(f"{path.name}: {time.monotonic() - start:.0f} s, {size:.0f} kB", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
