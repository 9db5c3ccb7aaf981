"""Picture of the architecture, drawn from the imports: rooms of the package, layer upon layer.

    python docs/draw_architecture.py

writes ``docs/images/architecture.png``. An arrow leads from a room to a room that it imports;
arrows that others imply are left out. A room stands one layer above the highest that it imports.
``tests/test_docs.py`` holds the committed picture against the imports as they are.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
COLUMN, GAP = 2.7, 0.14  # inches from one column to the next; least free space between two rows
LANE, TRACK, PORT = 0.12, 0.08, 0.2  # inches between parallel lines, and between two at a box
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


@dataclass
class Route:
    """Line from a box to one below: down, along a track, down a lane, along a track, down.

    Args:
        start, end: x of the line where it leaves and where it reaches a box, in inches.
        high, low: rows of the two boxes.
        lane: x of the vertical line between, where it passes rows.
        above, below: tracks in the gap under the high row and in that over the low row.
    """

    start: float
    end: float
    high: int
    low: int
    lane: float | None = None
    above: int = 0
    below: int = 0


def routes(edges: Graph, levels: list[list[str]]) -> list[Route]:
    """Lines of all arrows: along tracks between rows and lanes between columns, behind no box."""
    place = {name: (at, row) for row, names in enumerate(levels) for at, name in enumerate(names)}
    ports: Counter[tuple[str, str, int]] = Counter()

    def port(name: str, edge: str, other: str) -> float:
        """The next free x at a box's edge, on the side of the other box; straight lines have 0.

        At the top it lies half a step beside that at the bottom, so that lines of two boxes above
        each other do not meet.
        """
        (column, row), (far, far_row) = place[name], place[other]
        side = (far > column) - (far < column)
        if side == 0 and abs(far_row - row) > 1:
            side = 1 if column else -1  # around the boxes between
        ports[name, edge, side] += 1
        steps = ports[name, edge, side] + (0.5 if edge == "top" else 0)
        return column * COLUMN + side * PORT * steps

    found = []
    for name, belows in edges.items():
        for below in belows:
            (column, high), (far, low) = place[name], place[below]
            start, end = port(name, "bottom", below), port(below, "top", name)
            line = Route(start, end, high, low)
            if high - low > 1:
                right = far < column or (far == column and far > 0)
                line.lane = (far + (0.5 if right else -0.5)) * COLUMN
            found.append(line)
    _spread(found)
    return found


def _spread(lines: list[Route]) -> None:
    """Give lines that share a gutter or a gap lanes and tracks of their own."""
    lanes: dict[float, list[list[tuple[float, float]]]] = {}
    for line in sorted(lines, key=lambda one: (one.high - one.low, one.high, one.start)):
        if line.lane is not None:
            number = _free(lanes.setdefault(line.lane, []), line.low, line.high)
            line.lane += LANE * ((number + 1) // 2) * (-1) ** number
    tracks: dict[int, list[list[tuple[float, float]]]] = {}
    for line in sorted(lines, key=lambda one: (one.high, one.start)):
        turn = line.end if line.lane is None else line.lane
        if line.start != turn:
            line.above = _free(tracks.setdefault(line.high, []), line.start, turn)
        if line.lane is not None:
            line.below = _free(tracks.setdefault(line.low + 1, []), line.lane, line.end)


def _free(busy: list[list[tuple[float, float]]], one: float, other: float) -> int:
    """The first of several parallel lines that is free between two places, taken from now on."""
    low, high = min(one, other) - 0.05, max(one, other) + 0.05
    number = 0
    while number < len(busy) and any(low <= end and start <= high for start, end in busy[number]):
        number += 1
    if number == len(busy):
        busy.append([])
    busy[number].append((low, high))
    return number


def draw(edges: Graph) -> Figure:
    """The figure: boxes in layers, arrows downward."""
    levels = layers(edges)
    lines = routes(edges, levels)
    most: Counter[int] = Counter()  # tracks in the gap under each row
    for line in lines:
        most[line.high] = max(most[line.high], line.above + 1)
        most[line.low + 1] = max(most[line.low + 1], line.below + 1)
    bottoms = [0.0]  # of each row's boxes
    for row in range(1, len(levels)):
        bottoms.append(bottoms[-1] + HEIGHT + GAP + TRACK * most[row])
    width = (max(map(len, levels)) - 1) * COLUMN + WIDTH + 1.0
    height = bottoms[-1] + HEIGHT + 0.4
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-WIDTH / 2 - 0.5, width - WIDTH / 2 - 0.5)
    axes.set_ylim(-0.2, height - 0.2)
    axes.set_axis_off()
    for line in lines:
        first, last = bottoms[line.high], bottoms[line.low] + HEIGHT
        turn = line.end if line.lane is None else line.lane
        high = first - 0.06 - TRACK * line.above
        low = high if line.lane is None else bottoms[line.low + 1] - 0.06 - TRACK * line.below
        path = [(line.start, first), (line.start, high), (turn, high), (turn, low)]
        path += [(line.end, low), (line.end, last)]
        axes.plot(*zip(*path, strict=True), color=LINE, linewidth=1, solid_joinstyle="round")
        head = FancyArrowPatch(
            path[-2], path[-1], arrowstyle="-|>", mutation_scale=9, color=LINE, shrinkA=0, shrinkB=0
        )
        axes.add_patch(head)
    for row, names in enumerate(levels):
        for column, name in enumerate(names):
            _box(axes, name, column * COLUMN, bottoms[row])
    return figure


def _box(axes: Any, name: str, x: float, bottom: float) -> None:
    """A room: dashed when it stands outside the package."""
    outside = name in OUTSIDE
    box = FancyBboxPatch(
        (x - WIDTH / 2, bottom),
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
    middle = bottom + HEIGHT / 2
    axes.text(x, middle, name, ha="center", va="center_baseline", color=INK, size=11, zorder=4)


def save(path: Path = PICTURE) -> None:
    """Draw the architecture as it is now, with its graph inside the file."""
    edges = graph()
    metadata: dict[str, Any] = {DATA: json.dumps(edges), "Software": None}
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(edges).savefig(path, format="png", dpi=144, metadata=metadata)


if __name__ == "__main__":
    save()
