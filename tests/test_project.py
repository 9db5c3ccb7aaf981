"""Rules of the project: requirements, README, continuous integration, layers, sizes, words."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

RUN = "pip install -c constraints.txt -r requirements.txt && python app.py"
TEST = 'pip install -c constraints.txt -e ".[dev]" && pytest -q'
MEGABYTE = 1_000_000

# DEP-01 of docs/reliability.md; gradio is held at what everything was measured with.
FLOORS = {
    "torch": "2.10",
    "gradio": "6.31",
    "pillow": "12.3",
    "safetensors": "0.4",
    "python-multipart": "0.0.22",
    "starlette": "1.0.1",
    "pillow-heif": "1.3.0",
}
OPTIONAL = {"pillow-heif"}

# From the ground up: a module imports from its own room and from those before it.
LAYERS = (
    "errors",
    "filesystem",
    "console",
    "metrics",
    "config",
    "images",
    "nn",
    "kernels",
    "checkpoints",
    "models",
    "processing",
    "inference",
    "export",
    "inspect",
    "plots",
    "backbones",
    "auto",
    "training",
    "cli",
    "demo",
)
NEVER_INSIDE = {"app", "eval", "gradio", "tests", "torchvision", "transformers"}
# Openings that hide what a docstring is about; a few remain where the clause is the thing.
INDIRECT = {"What", "Where", "How", "Whether", "Which", "When", "Who", "Why"}
MOST_INDIRECT = 0.005
# The field's words, with the files a search for each may find first.
FOUND_FIRST = {
    "cache": {"checkpoints/cache.py"},
    "rate limit": {"demo/middleware.py"},
    "deadline": {"checkpoints/download.py", "demo/queue.py", "demo/service.py"},
    "middleware": {"demo/middleware.py"},
    "request": {"demo/middleware.py", "demo/jobs/compare_request.py"},
    "hook": {"inspect/hooks.py"},
    "ablation": {"inspect/ablation.py"},
    "retry": {"checkpoints/download.py"},
    "MACs": {"inference/estimate.py"},
    "EMA": {"training/state.py"},
    "crop": {"demo/jobs/crop.py"},
    "lock": {"filesystem.py"},
    "progress": {"checkpoints/download.py", "demo/queue.py", "inference/engine.py"},
}
LIGHT = ("gradio", "matplotlib", "huggingface_hub", "skimage", "scipy", "transformers")


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _by_name(lines: list[str]) -> dict[str, Requirement]:
    return {_normal(r.name): r for r in map(Requirement, lines)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _constraints(root: Path) -> dict[str, str]:
    pins = (line.partition("==") for line in _lines(root / "constraints.txt"))
    return {_normal(name): pin for name, _, pin in pins}


def _readme(root: Path) -> tuple[dict[str, Any], str]:
    _, front, body = (root / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def _examples(root: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", _readme(root)[1], flags=re.DOTALL)


def test_space_installs_what_package_and_demo_ask_for(root: Path) -> None:
    project = _project(root)
    asked = project["dependencies"] + project["optional-dependencies"]["demo"]
    in_space = _by_name(_lines(root / "requirements.txt"))
    assert {n: str(r.specifier) for n, r in in_space.items()} == {
        n: str(r.specifier) for n, r in _by_name(asked).items()
    }


def test_space_does_not_pin_torch_or_need_the_checkout(root: Path) -> None:
    lines = _lines(root / "requirements.txt")
    assert not [line for line in lines if line.startswith(("-", ".")) or "==" in line]


def test_constraints_are_plain_public_versions(root: Path) -> None:
    pattern = re.compile(r"[A-Za-z0-9][\w.-]*==[0-9][0-9a-z.]*")
    assert [line for line in _lines(root / "constraints.txt") if not pattern.fullmatch(line)] == []


def test_constraints_satisfy_every_range(root: Path) -> None:
    project = _project(root)
    extras = project["optional-dependencies"].values()
    asked = project["dependencies"] + [line for extra in extras for line in extra]
    pins = _constraints(root)
    for name, requirement in _by_name(asked).items():
        if name != "swin2sr":
            assert requirement.specifier.contains(pins[name]), requirement


@pytest.mark.parametrize("name", FLOORS)
def test_installed_versions_are_above_the_security_floors(name: str) -> None:
    try:
        installed = Version(version(name))
    except PackageNotFoundError:
        assert name in OPTIONAL, f"{name} is missing"
    else:
        assert installed >= Version(FLOORS[name])


@pytest.mark.parametrize("name", sorted(FLOORS.keys() - OPTIONAL))
def test_declared_ranges_start_above_the_security_floors(root: Path, name: str) -> None:
    specifier = _by_name(_lines(root / "requirements.txt"))[name].specifier
    lowest = [Version(s.version) for s in specifier if s.operator == ">="]
    assert lowest >= [Version(FLOORS[name])]


def test_version_is_the_packages_own(root: Path) -> None:
    import swin2sr

    assert _project(root)["version"] == swin2sr.__version__


def test_front_matter_is_what_spaces_accept(root: Path) -> None:
    front, _ = _readme(root)
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert front["sdk"] == "gradio"
    assert front["title"]
    assert len(front["emoji"]) == 1
    assert front["colorFrom"] in colours
    assert front["colorTo"] in colours
    assert front["license"] == "apache-2.0"
    assert len(front["short_description"]) <= 60
    assert (root / front["app_file"]).is_file()
    known = {
        *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version"),
        *("app_file", "short_description", "license", "startup_duration_timeout", "models"),
        *("tags", "preload_from_hub", "datasets", "pinned", "thumbnail", "header", "fullWidth"),
    }
    assert front.keys() <= known


def test_front_matter_names_versions_that_fit(root: Path) -> None:
    front, _ = _readme(root)
    gradio = _by_name(_lines(root / "requirements.txt"))["gradio"]
    assert gradio.specifier.contains(front["sdk_version"])
    assert front["sdk_version"] == _constraints(root)["gradio"]
    assert front["python_version"] == "3.12"  # ZeroGPU has 3.10 and 3.12; numpy needs 3.11
    python = Requirement(f"python{_project(root)['requires-python']}").specifier
    assert python.contains(front["python_version"])


def test_front_matter_and_tables_name_the_registrys_models(root: Path) -> None:
    from swin2sr import list_models

    front, body = _readme(root)
    body += (root / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| (\d) \| (.+) \|$", body, flags=re.MULTILINE)
    models = list_models()
    mine = [(e.name, e.scale) for e in models if e.config.network == "Swin2SR"]
    assert [(n, int(scale)) for n, scale, _ in rows] == mine
    families = re.findall(r"^\| `(swinir-[^`]+)` \| ([^|]+) \| [^|]+ \|$", body, flags=re.MULTILINE)
    named = {
        name.replace("*", ending)
        for name, endings in families
        for ending in re.findall(r"[\w-]+", endings)
    }
    assert named == {e.name for e in models if e.config.network == "SwinIR"}
    assert front["models"] == sorted(set(re.findall(r"caidas/[\w-]+", body)), key=str.lower)


def test_readme_gives_the_two_commands(root: Path) -> None:
    lines = _readme(root)[1].splitlines()
    assert lines.count(RUN) == 1
    assert lines.count(TEST) == 1


def test_ci_runs_the_command_that_the_readme_gives(root: Path) -> None:
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    (extraction,) = re.findall(r"^test_command=\$\((.+)\)$", script, flags=re.MULTILINE)
    found = subprocess.run(["bash", "-c", extraction], cwd=root, capture_output=True, text=True)
    assert found.stdout == TEST + "\n"
    assert 'bash -euo pipefail -c "$test_command"' in script
    assert (root / ".ci" / "run").stat().st_mode & 0o100


def test_readme_examples_use_names_that_exist(root: Path) -> None:
    examples = _examples(root)
    imports = [
        (node.module, alias.name)
        for example in examples
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swin2sr")
        for alias in node.names
    ]
    assert len(examples) >= 2
    assert [(m, name) for m, name in imports if not hasattr(import_module(m), name)] == []


def test_readme_command_lines_are_accepted(root: Path) -> None:
    from swin2sr.cli.main import _parser

    body = _readme(root)[1]
    lines = re.findall(r"^swin2sr (.+)$", body, flags=re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        _parser().parse_args(line.split())


def _modules(root: Path) -> list[Path]:
    return sorted((root / "swin2sr").rglob("*.py"))


def _dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of every import, also those inside functions, made absolute."""
    package = _dotted(path, root).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name


def _room(module: str, name: str) -> str:
    """The room an import leads to: ``from swin2sr import images`` leads to images."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else name


def test_modules_import_only_downward(root: Path) -> None:
    wrong = []
    for path in _modules(root):
        own = _dotted(path, root).split(".")
        if len(own) == 1 or own[1] == "__main__":  # the front doors open every room
            continue
        for module, name in _imports(path, root):
            if module.split(".")[0] == "swin2sr":
                room = _room(module, name)
                if room == "__version__":
                    continue
                if LAYERS.index(room) > LAYERS.index(own[1]):
                    wrong.append(f"{'.'.join(own)} imports {room}")
    assert wrong == []


def test_package_needs_no_outside_rooms(root: Path) -> None:
    wrong = [
        f"{_dotted(path, root)} imports {module}"
        for path in _modules(root)
        for module, _ in _imports(path, root)
        if module.split(".")[0]
        in NEVER_INSIDE - ({"gradio"} if path.parent.name == "ui" else set())
    ]
    assert wrong == []


def test_matplotlib_is_for_plots_alone(root: Path) -> None:
    users = {
        _dotted(path, root)
        for path in _modules(root)
        for module, _ in _imports(path, root)
        if module.split(".")[0] == "matplotlib"
    }
    assert {name for name in users if not name.startswith("swin2sr.plots.")} == set()


@pytest.mark.parametrize("module", ["swin2sr", "swin2sr.cli.main"])
def test_import_stays_light(root: Path, module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert sorted(set(LIGHT) & set(found.stdout.split())) == []


def test_no_module_outgrows_its_room(root: Path) -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines())
        for path in [*_modules(root), *root.glob("app.py")]
    }
    assert {name: lines for name, lines in lengths.items() if lines > 450} == {}


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """(name, docstring) of a module, its classes and functions; "" where there is none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield path.stem, ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def test_docstrings_open_with_what_they_are_about(root: Path) -> None:
    files = [*_modules(root), *(root / "eval").rglob("*.py"), root / "app.py"]
    documented = [
        f"{path.relative_to(root)}, {name}: {docstring.splitlines()[0]}"
        for path in files
        for name, docstring in _docstrings(path)
        if docstring and not re.match(r"_(?!_)", name)
    ]
    indirect = [line for line in documented if line.split(": ", 1)[1].split()[0] in INDIRECT]
    assert len(indirect) <= MOST_INDIRECT * len(documented), "\n".join(indirect)


def _words(text: str) -> str:
    """Words in lower case without a plural s, those of CamelCase and snake_case apart."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-rt-z])", " ", text)
    return " ".join(word.rstrip("s") for word in re.findall(r"[a-z0-9]+", apart.lower()))


@pytest.fixture(scope="module")
def descriptions(root: Path) -> dict[str, str]:
    """Names, first docstring lines and module docstring of every module, as words."""
    found = {}
    for path in _modules(root):
        (stem, text), *rest = _docstrings(path)
        parts = [stem, text, *(part for name, doc in rest for part in (name, doc.split("\n")[0]))]
        found[path.relative_to(root / "swin2sr").as_posix()] = " | ".join(map(_words, parts))
    return found


@pytest.mark.parametrize("word", FOUND_FIRST)
def test_the_fields_word_finds_the_right_file_first(
    word: str, descriptions: dict[str, str]
) -> None:
    pattern = re.compile(rf"\b{_words(word)}\b")
    hits = {name: len(pattern.findall(text)) for name, text in descriptions.items()}
    assert max(hits, key=lambda name: hits[name]) in FOUND_FIRST[word], hits


def test_tests_reach_no_other_machine() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("192.0.2.1", 80), timeout=5)  # an address kept for examples
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.invalid", 443)


def test_no_kept_file_is_large(root: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [root / name for name in listing.stdout.split("\0") if name]
    sizes = {str(p): p.stat().st_size for p in paths if p.is_file()}
    assert {name: size for name, size in sizes.items() if size > 5 * MEGABYTE} == {}
