"""Publish the lessons of a repository: badges on top, an address to install from.

    python notebooks/publish.py https://github.com/OWNER/NAME

Puts the Colab and Kaggle badges under the title of each lesson, and the address into its first
cell, which fetches the repository from there on a machine without it. Outputs stay as they are. A
second time, with the same or another address, it replaces what it wrote; with "" it takes it away.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
ADDRESS = re.compile(r'^REPOSITORY = ".*"$', flags=re.MULTILINE)
BADGES = re.compile(r"\n\n\[!\[Open in Colab\].*")


def badges(repository: str, branch: str, lesson: str) -> str:
    """Badges of a lesson, one line of Markdown.

    Args:
        repository: "OWNER/NAME".
        branch: that holds the lessons.
        lesson: file name.
    """
    place = f"github.com/{repository}/blob/{branch}/notebooks/{lesson}"
    colab = "https://colab.research.google.com"
    kaggle = "https://kaggle.com"
    return (
        f"[![Open in Colab]({colab}/assets/colab-badge.svg)]"
        f"({colab}/{place.replace('github.com', 'github', 1)}) "
        f"[![Open in Kaggle]({kaggle}/static/images/open-in-kaggle.svg)]"
        f"({kaggle}/kernels/welcome?src=https://{place})"
    )


def publish(path: Path, repository: str, branch: str) -> None:
    """Write badges and address into a lesson.

    Args:
        path: of the notebook: a Markdown cell that starts with its title, then the first cell.
        repository: "OWNER/NAME"; "" removes both.
        branch: that holds the lessons.
    Raises:
        ValueError: a notebook without a title or without a place for the address.
    """
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    title, first = notebook["cells"][:2]
    text, code = "".join(title["source"]), "".join(first["source"])
    if not text.startswith("# ") or len(ADDRESS.findall(code)) != 1:
        raise ValueError(f"{path.name} is not a lesson: no title, or no REPOSITORY in its code.")
    heading, _, rest = BADGES.sub("", text, count=1).partition("\n")
    line = f"\n\n{badges(repository, branch, path.name)}" if repository else ""
    address = f"https://github.com/{repository}" if repository else ""
    title["source"] = f"{heading}{line}\n{rest}".splitlines(keepends=True)
    first["source"] = ADDRESS.sub(f'REPOSITORY = "{address}"', code).splitlines(keepends=True)
    written = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(written, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python notebooks/publish.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("address", help='https://github.com/OWNER/NAME, or ""')
    parser.add_argument("--branch", default="main", help="that holds the lessons [%(default)s]")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the lessons [this one]")
    options = parser.parse_args(arguments)
    found = GITHUB.fullmatch(options.address)
    if options.address and not found:
        parser.error(f"{options.address!r} is not of the form https://github.com/OWNER/NAME")
    for path in sorted(options.folder.glob("[0-9][0-9]_*.ipynb")):
        publish(path, found[1] if found else "", options.branch)
        print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
