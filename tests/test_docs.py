"""Documentation: links, files, names, ids, commands and the picture of the architecture."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import swin2sr

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "docs" / "draw_architecture.py"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
TOP = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
LINKED = [*TOP, *PAGES, "notebooks/README.md", "eval/results/README.md"]
RELIABILITY, DIFFERENCES = "docs/reliability.md", "docs/differences.md"
# Documents that nobody can read here: their facts stand in docs/.
ELSEWHERE = re.compile(
    r"\b((RELIABILITY|MODELS|SPACE|EVALUATION|PAGE|LESSONS|STYLE|ARCHITECTURE)\.md\b"
    r"|(RELIABILITY|MODELS), (section \d|\d\.\d)|MODELS of\b)"
)

page = pytest.mark.parametrize("name", [*PAGES, "CONTRIBUTING.md"])


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@cache
def tracked() -> frozenset[str]:
    """Files of the repository and their folders, as git has or would have them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = listing.stdout.split("\0")
    if listing.returncode:  # unpacked without git
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
    files = [Path(name) for name in names if name and (ROOT / name).is_file()]
    folders = {parent for file in files for parent in file.parents}
    return frozenset(path.as_posix() for path in {*files, *folders})


# ------------------------------------------------------------------------------------- links


def anchors(name: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text_of(name)), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_to_files_and_headings(name: str) -> None:
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(text_of(name))):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent.joinpath(path).resolve() if path else ROOT / name
        place = target.relative_to(ROOT).as_posix()
        if place not in tracked() or (anchor and anchor not in anchors(place)):
            wrong.append(link)
    assert wrong == []


def named_files(name: str) -> Iterator[str]:
    """Paths in backticks that begin in the repository, and files of its top."""
    for span in re.findall(r"`([^`\n]+)`", without_blocks(text_of(name))):
        first, slash, _ = span.partition("/")
        inside = slash and first in tracked() and re.fullmatch(r"[\w./-]+", span)
        if inside or re.fullmatch(r"[\w-]+\.(py|md|toml|cff)", span):
            yield span


@page
def test_files_that_are_named_exist(name: str) -> None:
    assert [one for one in named_files(name) if one.rstrip("/") not in tracked()] == []


# ------------------------------------------------------------------------------------- names


def resolve(dotted: str) -> Any:
    """The module, class or function of a dotted name."""
    parts = dotted.split(".")
    found: Any = import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        try:
            found = getattr(found, part)
        except AttributeError:
            found = import_module(".".join(parts[:number]))
    return found


@pytest.mark.parametrize("name", [*PAGES, "README.md", "CONTRIBUTING.md"])
def test_dotted_names_can_be_imported(name: str) -> None:
    found = re.findall(r"(?<![\w/.-])(?:swin2sr|eval)(?:\.\w+)+", text_of(name))
    for dotted in sorted(set(found)):
        resolve(dotted)


@pytest.mark.parametrize("name", PAGES)
def test_examples_import_what_exists(name: str) -> None:
    for block in blocks(text_of(name), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swin2sr"):
                module = import_module(str(node.module))
                assert [one.name for one in node.names if not hasattr(module, one.name)] == []


@pytest.mark.parametrize("name", [*PAGES, *TOP])
def test_commands_are_accepted(name: str) -> None:
    from eval.cli import _parser as eval_parser
    from swin2sr.cli.main import _parser

    for block in blocks(text_of(name), "bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["swin2sr"]:
                _parser().parse_args(words[1:])
            elif words[:3] == ["python", "-m", "eval"]:
                eval_parser().parse_args(words[3:])


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), flags=re.MULTILINE))
    named = {one for page in [*PAGES, *TOP] for one in re.findall(r"`make (\w+)", text_of(page))}
    assert named
    assert named <= targets


# --------------------------------------------------------------------------------------- ids


def sources() -> dict[str, str]:
    """Python files of the repository but this one, by name."""
    names = (one for one in tracked() if one.endswith(".py") and one != "tests/test_docs.py")
    return {name: text_of(name) for name in sorted(names)}


def rows(name: str) -> dict[str, str]:
    """Rows of a page's tables that begin with an id, and none twice."""
    found = re.findall(r"^\| ([A-Z]+-?\d+)\*? \|(.*)$", text_of(name), flags=re.MULTILINE)
    assert len(found) == len(dict(found)), name
    return dict(found)


def cited(text: str, prefixes: set[str]) -> set[str]:
    """Ids in a text, as they stand or in names of tests (``test_img_13_to_15_...``)."""
    found = set(re.findall(rf"\b(?:{'|'.join(prefixes)})-\d\d\b", text))
    for name in re.findall(r"def (test_\w+)", text):
        words = name.split("_")
        for at, word in enumerate(words):
            if word.upper() in prefixes:
                numbers = []
                for following in words[at + 1 :]:
                    if not re.fullmatch(r"\d\d|to", following):
                        break
                    numbers.append(following)
                if numbers[1:2] == ["to"]:
                    numbers = [f"{n:02}" for n in range(int(numbers[0]), int(numbers[2]) + 1)]
                found |= {f"{word.upper()}-{number}" for number in numbers}
    return found


def test_ids_that_are_cited_have_a_row_in_reliability() -> None:
    known = rows(RELIABILITY)
    prefixes = {one.split("-")[0] for one in known}
    unknown = {
        (name, one)
        for name, text in sources().items()
        for one in cited(text, prefixes)
        if one not in known
    }
    assert unknown == set()


def test_rows_of_reliability_name_tests_that_cite_them() -> None:
    known, texts = rows(RELIABILITY), sources()
    prefixes = {one.split("-")[0] for one in known}
    tests = {name: text for name, text in texts.items() if name.startswith("tests/")}
    citing = {name: cited(text, prefixes) for name, text in tests.items()}
    wrong = []
    for one, row in known.items():
        by = set(re.findall(r"`(tests/[\w/]+\.py)`", row))
        if any(one in found for found in citing.values()):
            wrong += [(one, name) for name in by if one not in citing.get(name, ())]
            wrong += [(one, "no test")] * (not by)
    assert wrong == []


def test_upstream_faults_that_are_cited_have_a_row_in_differences() -> None:
    known = set(rows(DIFFERENCES))
    unknown = set()
    for name, text in sources().items():
        found = {f"{a.upper()}{int(b)}" for a, b in re.findall(r"def test_([hms])(\d\d)_", text)}
        if name.startswith("tests/"):
            found |= set(re.findall(r"\bH\d{1,2}\b", text))
        unknown |= {(name, one) for one in found - known}
    assert unknown == set()


def test_no_file_cites_a_document_that_is_not_here() -> None:
    texts = sources() | {n: text_of(n) for n in tracked() if n.endswith((".md", ".toml"))}
    for name in (one for one in tracked() if one.endswith(".ipynb")):
        cells = json.loads(text_of(name))["cells"]
        texts[name] = "\n".join("".join(cell["source"]) for cell in cells)
    found = {(name, one[0]) for name, text in texts.items() for one in ELSEWHERE.finditer(text)}
    assert found == set()


# ------------------------------------------------------------------------------ architecture


def listed_rooms() -> dict[str, str]:
    """Rooms of the tables in docs/architecture.md, and the files that each is said to have."""
    lines = re.findall(r"^\| `([\w/.]+)` \| [^|]+ \|(.*)\|$", text_of("docs/architecture.md"), re.M)
    return {room: files.strip() for room, files in lines}


def modules(folder: str) -> set[str]:
    """Names of a folder's modules, without those that Python gives a name."""
    return {path.stem for path in (ROOT / folder).glob("*.py") if not path.stem.startswith("__")}


def test_the_tree_lists_every_room_and_its_files() -> None:
    rooms = listed_rooms()
    inside = {f"swin2sr/{one}.py" for one in modules("swin2sr")}
    for package in ("swin2sr", "eval"):
        for path in (ROOT / package).rglob("__init__.py"):
            if path.parent != ROOT / package:
                inside.add(f"{path.parent.relative_to(ROOT).as_posix()}/")
    inside |= {"swin2sr/weights/", "eval/results/"}
    assert set(rooms) == inside
    for room, files in rooms.items():
        if files:
            assert set(files.split()) == modules(room), f"docs/architecture.md, files of {room}"


@pytest.fixture
def drawing() -> Iterator[Any]:
    """The script docs/draw_architecture.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("draw_architecture", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look themselves up there
        spec.loader.exec_module(module)
        yield module


def test_the_picture_shows_the_imports_as_they_are(drawing: Any) -> None:
    with Image.open(drawing.PICTURE) as image:
        drawn = json.loads(image.text[drawing.DATA])  # type: ignore[attr-defined]
    assert drawn == drawing.graph(), "python docs/draw_architecture.py draws it anew"


def test_the_script_draws_the_picture_again(drawing: Any, tmp_path: Path) -> None:
    drawing.save(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as again, Image.open(drawing.PICTURE) as image:
        assert again.text == image.text  # type: ignore[attr-defined]
        if f"matplotlib=={version('matplotlib')}" in text_of("constraints.txt").splitlines():
            np.testing.assert_array_equal(np.asarray(again), np.asarray(image))


def test_layers_of_the_picture_lead_down(drawing: Any) -> None:
    edges = drawing.graph()
    levels = drawing.layers(edges)
    height = {name: at for at, names in enumerate(levels) for name in names}
    assert height.keys() == edges.keys()
    assert all(height[one] > height[below] for one, belows in edges.items() for below in belows)


# -------------------------------------------------------------------- files for other programs


def test_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 200


def test_citation_names_the_package_and_the_papers() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == swin2sr.__version__
    assert citation["license"] == "Apache-2.0"
    papers = {one["url"]: one for one in citation["references"]}
    assert set(papers) == {
        f"https://arxiv.org/abs/{number}"
        for number in ("2209.11345", "2108.10257", "2111.09883", "2103.14030")
    }
    for paper in papers.values():
        assert {"type", "title", "authors", "year"} <= paper.keys()
        assert all({"family-names", "given-names"} == author.keys() for author in paper["authors"])
    assert set(re.findall(r"https://arxiv\.org/abs/[\d.]+", text_of("README.md"))) == set(papers)


def test_the_workflow_runs_the_script_on_both_versions_of_python() -> None:
    workflow = yaml.safe_load(text_of(".github/workflows/ci.yml"))
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert workflow["permissions"] == {"contents": "read"}


def test_hooks_are_the_tools_of_this_environment() -> None:
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert [entry.split()[:2] for entry in entries] == [
        ["ruff", "check"],
        ["ruff", "format"],
        ["mypy", "swin2sr"],
    ]
    assert entries[-1] in text_of(".ci/run")
    assert entries[-1] in text_of("Makefile")


def test_changes_of_this_version_are_listed() -> None:
    headings = re.findall(r"^## (\S+)", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert swin2sr.__version__ in headings
