"""Staging of a Space: the files that it needs, and no others, copied into a folder.

python -m swin2sr.demo.stage FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from swin2sr.checkpoints import list_models
from swin2sr.checkpoints.registry import WEIGHTS_FOLDER
from swin2sr.console import Console
from swin2sr.demo.scores import MEANS, RESULTS_FOLDER
from swin2sr.errors import OutputError

PACKAGE = WEIGHTS_FOLDER.parent
ROOT = PACKAGE.parent
FILES = ("app.py", "README.md", "LICENSE", "NOTICE", "requirements.txt")
# Parts of the package that the page does not enter; of the weights' folder some files are added.
LEFT_OUT = ("kernels", "training", "weights", "cli", "console.py", "__main__.py", "demo/stage.py")
WEIGHTS_SUFFIXES = (".safetensors", ".json", ".md")


def space_files(root: Path = ROOT) -> Iterator[Path]:
    """Paths below ``root`` of the files that a Space needs.

    Args:
        root: of the repository.
    Raises:
        OutputError: ``root`` is none: the package is installed without its app.
    """
    for name in FILES:
        if not (root / name).is_file():
            raise OutputError(
                f"There is no {name} beside the package.",
                remedy="Run this in a checkout of the repository.",
            )
        yield Path(name)
    package = root / PACKAGE.name
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        left_out = inside.parts[0] in LEFT_OUT or inside.as_posix() in LEFT_OUT
        if not left_out and (path.suffix == ".py" or path.name == "py.typed"):
            yield path.relative_to(root)
    for entry in list_models():
        if entry.source == "packaged":
            for suffix in WEIGHTS_SUFFIXES:
                path = package / WEIGHTS_FOLDER.name / f"{entry.name}{suffix}"
                if path.is_file():
                    yield path.relative_to(root)
    for path in sorted((root / RESULTS_FOLDER.relative_to(ROOT)).rglob(MEANS)):
        yield path.relative_to(root)


def stage(folder: Path, root: Path = ROOT) -> int:
    """Copy the files that a Space needs into a new or empty folder.

    Args:
        folder: where to. root: of the repository.
    Returns:
        Bytes in total.
    Raises:
        OutputError: the folder holds something, or cannot be written.
    """
    total = 0
    try:
        if folder.exists() and any(folder.iterdir()):
            raise OutputError(f"{str(folder)!r} is not empty.", remedy="Name a new folder.")
        for name in space_files(root):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target)
            total += target.stat().st_size
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
    return total


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m swin2sr.demo.stage", description="Copy the files that a Space needs."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new or empty")
    folder = parser.parse_args(arguments).folder
    console = Console()
    try:
        total = stage(folder)
    except OutputError as error:
        console.tell(str(error))
        return error.exit_code
    count = sum(path.is_file() for path in folder.rglob("*"))
    console.say(f"{count} files, {total / 1e6:.1f} MB in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
