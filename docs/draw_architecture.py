"""Picture of the architecture, drawn from the imports: rooms of the package, layer upon layer.

    python docs/draw_architecture.py

writes ``docs/images/architecture.png``. An arrow leads from a room to a room that it imports;
arrows that others imply are left out. A room stands one layer above the highest that it imports.
``tests/test_docs.py`` holds the committed picture against the imports as they are.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "swin2sr"
OUTSIDE = ("app.py", "eval")  # rooms beside the package
PICTURE = ROOT / "docs" / "images" / "architecture.png"
DATA = "Description"  # the PNG's text chunk that holds the graph

WIDTH, HEIGHT = 1.5, 0.36  # inches, of a box
ROW, COLUMN = 0.56, 2.7  # inches from one to the next
LANE, STEP = 0.14, 0.06  # inches between two lines of a gutter, and at the side of a box
INK, LINE, FILL = "#1f2937", "#6b7280", "#e0e7ff"

Graph = dict[str, list[str]]


def rooms(root: Path = ROOT) -> dict[str, list[Path]]:
    """Files of each room: folders and modules of the package, and what stands beside it."""
    found: dict[str, list[Path]] = {}
    for path in sorted((root / PACKAGE).iterdir()):
        if path.is_dir() and (path / "__init__.py").is_file():
            found[path.name] = sorted(path.rglob("*.py"))
        elif path.suffix == ".py" and not path.stem.startswith("__"):
            found[path.stem] = [path]
    for name in OUTSIDE:
        path = root / name
        found[name] = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def imported(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Dotted names that a file imports, also inside functions, made absolute."""
    package = list(path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*module, alias.name]) for alias in node.names)


def graph(root: Path = ROOT) -> Graph:
    """Rooms, and to each the rooms that it imports, without those that others imply."""
    files = rooms(root)
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, paths in files.items():
        for module in (module for path in paths for module in imported(path, root)):
            first, _, rest = module.partition(".")
            target = rest.partition(".")[0] if first == PACKAGE else first
            if target in files and target != name:
                edges[name].add(target)
    below = {name: _below(name, edges) for name in edges}
    return {
        name: sorted(one for one in edges[name] if not any(one in below[o] for o in edges[name]))
        for name in sorted(edges)
    }


def _below(name: str, edges: dict[str, set[str]]) -> set[str]:
    """Every room that a room reaches."""
    found: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += edges[one]
    return found


def layers(edges: Graph) -> list[list[str]]:
    """Rooms by layer, lowest first; in a layer first those that most others rest on."""
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = 1 + max((height(one) for one in edges[name]), default=-1)
        return heights[name]

    sets = {name: set(below) for name, below in edges.items()}
    above = {name: sum(name in _below(one, sets) for one in edges) for name in edges}
    levels: list[list[str]] = [[] for _ in range(1 + max(map(height, edges)))]
    for name in sorted(edges, key=lambda one: (-above[one], one)):
        levels[heights[name]].append(name)
    return levels


def draw(edges: Graph) -> Figure:
    """The figure: boxes in layers, arrows downward."""
    levels = layers(edges)
    place = {
        name: (column * COLUMN, row * ROW)
        for row, names in enumerate(levels)
        for column, name in enumerate(names)
    }
    columns = max(map(len, levels))
    width = (columns - 1) * COLUMN + WIDTH + 0.6
    height = (len(levels) - 1) * ROW + HEIGHT + 0.4
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-WIDTH / 2 - 0.3, width - WIDTH / 2 - 0.3)
    axes.set_ylim(-HEIGHT / 2 - 0.2, height - HEIGHT / 2 - 0.2)
    axes.set_axis_off()
    for path in _routes(edges, place):
        axes.plot(*zip(*path, strict=True), color=LINE, linewidth=1, solid_joinstyle="round")
        head = FancyArrowPatch(
            *path[-2:], arrowstyle="-|>", mutation_scale=9, color=LINE, shrinkA=0, shrinkB=0
        )
        axes.add_patch(head)
    for name, (x, y) in place.items():
        outside = name in OUTSIDE
        box = FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="white" if outside else FILL,
            edgecolor=INK,
            linestyle="--" if outside else "-",
            linewidth=1,
            zorder=3,
        )
        axes.add_patch(box)
        axes.text(x, y, name, ha="center", va="center_baseline", color=INK, size=11, zorder=4)
    return figure


def _routes(
    edges: Graph, place: dict[str, tuple[float, float]]
) -> Iterator[list[tuple[float, float]]]:
    """Lines from box to box: straight down, or through a lane of the gutter beside the boxes.

    Lines leave a box above its middle, each column at its own height, and reach one below it, so
    that none covers another.
    """
    busy: dict[float, list[list[tuple[float, float]]]] = {}  # heights in use, by gutter and lane
    leaving, reaching = ({name: count() for name in place} for _ in range(2))
    order = [(name, below) for name, belows in edges.items() for below in belows]
    order.sort(key=lambda one: (place[one[0]][1] - place[one[1]][1], one))
    for name, below in order:
        (x0, y0), (x1, y1) = place[name], place[below]
        if x0 == x1 and not any(x == x0 and y1 < y < y0 for x, y in place.values()):
            yield [(x0, y0 - HEIGHT / 2), (x1, y1 + HEIGHT / 2)]
            continue
        left, right = (-1, 1) if x0 > x1 else (1, -1) if x0 < x1 else (-1, -1)
        gutter = (min(x0, x1) + COLUMN / 2) if x0 != x1 else x0 - WIDTH / 2 - LANE
        high = y0 + STEP * (1 + next(leaving[name]) + (x0 > 0))
        low = y1 - STEP * (1 + next(reaching[below]))
        lanes = busy.setdefault(gutter, [])
        number = next(
            (
                n
                for n, used in enumerate(lanes)
                if all(top < low or high < end for end, top in used)
            ),
            len(lanes),
        )
        if number == len(lanes):
            lanes.append([])
        lanes[number].append((low, high))
        x = gutter + LANE * ((number + 1) // 2) * (-1) ** number
        yield [(x0 + left * WIDTH / 2, high), (x, high), (x, low), (x1 + right * WIDTH / 2, low)]


def save(path: Path = PICTURE) -> None:
    """Draw the architecture as it is now, with its graph inside the file."""
    edges = graph()
    metadata: dict[str, Any] = {DATA: json.dumps(edges), "Software": None}
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(edges).savefig(path, format="png", dpi=144, metadata=metadata)


if __name__ == "__main__":
    save()
