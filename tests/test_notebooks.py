"""The lessons: run in full and in order, clean, alike in form; and the tools that keep them so."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from notebooks import execute, publish

LESSONS = (
    "01_upscale_a_photo",
    "02_windows_shifts_and_attention",
    "03_from_swin_to_swinv2",
    "04_hidden_states",
    "05_measuring_quality",
    "06_compressed_images",
    "07_attribution",
    "08_train_your_own",
)
MOST_BYTES = 1_200_000
MACHINE_PATH = re.compile(r"""(?:^|[\s"'(=])(?:~|/[\w.-]+|[A-Za-z]:)[/\\][\w.-]+""", re.MULTILINE)
NOISE = re.compile(r"\r|\d+%\||[Ww]arn(?:ing|ed)\b|Traceback|\x1b\[")
QUESTION = re.compile(
    r"^\*\*Question\.\*\*.+?<details><summary>Answer</summary>\n\n.+?\n\n</details>",
    flags=re.MULTILINE | re.DOTALL,
)
EXERCISE = re.compile(
    r"^## Exercise\n.+?<details><summary>A solution</summary>\n\n.+?\n\n</details>",
    flags=re.MULTILINE | re.DOTALL,
)
BADGE = "[![Open in Colab]"

lesson = pytest.mark.parametrize("name", LESSONS)


def path_of(root: Path, name: str) -> Path:
    return root / "notebooks" / f"{name}.ipynb"


def read(root: Path, name: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path_of(root, name).read_text(encoding="utf-8"))
    return notebook


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook: dict[str, Any]) -> str:
    cells = notebook["cells"]
    return "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")


def words(output: dict[str, Any]) -> str:
    """Text of an output."""
    texts = [output.get("text", "")]
    texts += [value for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join("".join(text) for text in texts)


def test_lessons_are_numbered_from_one(root: Path) -> None:
    assert sorted(path.stem for path in (root / "notebooks").glob("*.ipynb")) == list(LESSONS)
    assert [int(name[:2]) for name in LESSONS] == list(range(1, 9))


@lesson
def test_every_cell_was_run_once_in_order(root: Path, name: str) -> None:
    cells = code_cells(read(root, name))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@lesson
def test_outputs_come_from_a_full_run(root: Path, name: str) -> None:
    first = code_cells(read(root, name))[0]
    assert re.fullmatch(
        r"swin2sr \S+, torch \S+, full run\n", "".join(map(words, first["outputs"]))
    )


@lesson
def test_outputs_hold_no_error_path_or_noise(root: Path, name: str) -> None:
    for cell in code_cells(read(root, name)):
        for output in cell["outputs"]:
            assert output["output_type"] in ("stream", "display_data", "execute_result"), cell["id"]
            assert output.get("name", "stdout") == "stdout", cell["id"]
            assert not MACHINE_PATH.search(words(output)), cell["id"]
            assert not NOISE.search(words(output)), cell["id"]


@lesson
def test_nothing_but_the_lesson_is_kept(root: Path, name: str) -> None:
    notebook = read(root, name)
    assert notebook["metadata"].keys() == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"] == execute.KERNELSPEC
    language = notebook["metadata"]["language_info"]
    assert language.keys() == {"name", "version"}
    assert re.fullmatch(r"3\.\d+", language["version"])
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ids == [f"c{number:02d}" for number in range(1, len(ids) + 1)]
    assert [cell["id"] for cell in notebook["cells"] if cell["metadata"]] == []
    kinds = {
        kind
        for cell in code_cells(notebook)
        for output in cell["outputs"]
        for kind in output.get("data", {})
    }
    assert kinds <= {"text/plain", "text/markdown", "image/png"}
    nbformat.validate(nbformat.from_dict(notebook))


@lesson
def test_a_lesson_is_small_and_has_pictures(root: Path, name: str) -> None:
    pictures = [
        output
        for cell in code_cells(read(root, name))
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 3
    assert path_of(root, name).stat().st_size <= MOST_BYTES


@lesson
def test_the_first_cell_is_the_same_everywhere(root: Path, name: str) -> None:
    assert source(code_cells(read(root, name))[0]) == source(code_cells(read(root, LESSONS[0]))[0])
    assert read(root, name)["cells"][1]["cell_type"] == "code"


def test_the_first_cell_imports_swin2sr_before_torch(root: Path) -> None:
    """libgomp reads how threads wait at barriers once, when torch is imported."""
    code = source(code_cells(read(root, LESSONS[0]))[0]).replace("%matplotlib inline\n", "")
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)]
    names = [alias.name for node in imports for alias in node.names]
    assert names.index("swin2sr") < names.index("torch")
    waiting = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in waiting}
    wrapped = (
        "import builtins, os\n"
        "usual = builtins.__import__\n"
        "def checked(name, *rest):\n"
        "    if name == 'torch':\n"
        "        assert os.environ['GOMP_SPINCOUNT'] == '1000'\n"
        "    return usual(name, *rest)\n"
        "builtins.__import__ = checked\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", wrapped + code],
        cwd=root / "notebooks",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def run_first_cell(root: Path, address: str) -> None:
    """Run the first cell, published under an address, in the folder one is in."""
    code = source(code_cells(read(root, LESSONS[0]))[0]).replace("%matplotlib inline\n", "")
    exec(compile(publish.ADDRESS.sub(f'REPOSITORY = "{address}"', code), "cell", "exec"), {})


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A folder on a machine without the package; what is run there is only written down."""
    ran: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAST", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append([*map(str, command)]))
    return ran


def test_the_first_cell_finds_the_clone_it_lies_in(
    root: Path, bare: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "notebooks")
    run_first_cell(root, "https://github.com/someone/swin")
    assert sys.path[0] == str(root)
    assert bare == []


def test_the_first_cell_says_what_to_do_where_nothing_is(root: Path, bare: list[list[str]]) -> None:
    with pytest.raises(ImportError, match="inside a clone"):
        run_first_cell(root, "")
    assert bare == []


def test_the_first_cell_fetches_the_repository_where_it_is_known(
    root: Path, bare: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_first_cell(root, "https://github.com/someone/swin")
    clone, install = bare
    assert clone[:2] == ["git", "clone"]
    assert clone[-2:] == ["https://github.com/someone/swin", "swin2sr-lessons"]
    assert install[1:4] == ["-m", "pip", "install"]
    assert install[-1] == "./swin2sr-lessons[notebooks]"
    assert sys.path[0] == str(tmp_path / "swin2sr-lessons")
    assert capsys.readouterr().out.endswith("full run\n")


@lesson
def test_badges_and_address_come_together(root: Path, name: str) -> None:
    notebook = read(root, name)
    (address,) = publish.ADDRESS.findall(source(notebook["cells"][1]))
    title = source(notebook["cells"][0])
    if address == 'REPOSITORY = ""':
        assert BADGE not in title
    else:
        repository = publish.GITHUB.fullmatch(address.split('"')[1])
        assert repository
        assert f"/{repository[1]}/blob/" in title
        assert f"/notebooks/{name}.ipynb" in title


@lesson
def test_lessons_have_goals_questions_and_an_exercise(root: Path, name: str) -> None:
    text = prose(read(root, name))
    number = int(name[:2])
    assert text.startswith(f"# {number}. ")
    assert re.findall(r"^## (Goals|Exercise|Next)$", text, flags=re.MULTILINE) == [
        "Goals",
        "Exercise",
        "Next",
    ]
    assert re.search(r"^## Goals\n\n(- .+\n(  .+\n)*){3,}", text, flags=re.MULTILINE)
    questions = text.count("**Question.**")
    assert questions >= 3
    assert len(QUESTION.findall(text)) == questions
    assert len(EXERCISE.findall(text)) == 1
    assert text.count("<details>") == text.count("</details>") == questions + 1


@lesson
def test_links_lead_to_lessons(root: Path, name: str) -> None:
    linked = re.findall(r"\[[^\]]+\]\((\d\d_\w+)\.ipynb\)", prose(read(root, name)))
    following = LESSONS[LESSONS.index(name) + 1 :][:1] or LESSONS[:1]
    assert linked[-1:] == list(following)
    assert set(linked) <= set(LESSONS)


@lesson
def test_solutions_are_python_and_import_what_exists(root: Path, name: str) -> None:
    solution = EXERCISE.findall(prose(read(root, name)))[0]
    blocks = re.findall(r"```python\n(.+?)```", solution, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                assert [one.name for one in node.names if not hasattr(module, one.name)] == []


@lesson
def test_figures_come_from_plots(root: Path, name: str) -> None:
    code = "\n".join(source(cell) for cell in code_cells(read(root, name)))
    assert "plots." in code
    assert not re.search(r"(import|from) matplotlib", code)
    assert not MACHINE_PATH.search(code)


def test_the_readme_lists_the_lessons(root: Path) -> None:
    text = (root / "notebooks" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| \[([^\]]+)\]\((\w+)\.ipynb\) \|", text, flags=re.MULTILINE)
    assert [(int(number), name) for number, _, name in rows] == list(enumerate(LESSONS, 1))
    for number, title, name in rows:
        assert prose(read(root, name)).startswith(f"# {number}. {title}\n")


@pytest.mark.parametrize("text", ["in /home/me/x.py", '"/opt/data"', "C:\\data", "~/pictures"])
def test_paths_of_a_machine_are_recognised(text: str) -> None:
    assert MACHINE_PATH.search(text)
    assert not MACHINE_PATH.search("PSNR / SSIM, 1/64, 3 / 4, content/position, dB/pixel (a/b)")


def written(folder: Path, *cells: str) -> Path:
    path = folder / "01_lesson.ipynb"
    notebook = new_notebook(cells=[new_code_cell(text) for text in cells])
    nbformat.write(notebook, path)
    return path


def test_execute_runs_in_full_and_drops_what_is_no_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAST", "1")
    widget = "from ipywidgets import interact\ninteract(lambda x: print('moved'), x=3)"
    path = written(tmp_path, "import os\nos.environ.get('FAST')", widget, "print('here')")
    assert execute.main([str(path)]) == 0
    notebook = json.loads(path.read_text(encoding="utf-8"))
    full, dropped, here = notebook["cells"]
    assert [cell["execution_count"] for cell in notebook["cells"]] == [1, 2, 3]
    assert [full["outputs"], dropped["outputs"]] == [[], []]
    assert "".join(here["outputs"][0]["text"]) == "here\n"
    assert [cell["id"] for cell in notebook["cells"]] == ["c01", "c02", "c03"]
    assert [cell["metadata"] for cell in notebook["cells"]] == [{}, {}, {}]
    assert notebook["metadata"].keys() == {"kernelspec", "language_info"}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_lesson_that_fails_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "1 / 0")
    before = path.read_bytes()
    assert execute.main([str(path), str(tmp_path / "none.ipynb")]) == 1
    assert path.read_bytes() == before
    said = capsys.readouterr().err
    assert "01_lesson.ipynb failed" in said
    assert "ZeroDivisionError" in said
    assert "none.ipynb: No such file" in said


@pytest.fixture
def unpublished(tmp_path: Path) -> Path:
    """A folder with one lesson that knows no address."""
    cells = [
        new_markdown_cell("# 1. Title\n\nWhy.", id="c01"),
        new_code_cell('REPOSITORY = ""\nprint(1)', id="c02"),
    ]
    path = tmp_path / "01_lesson.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_publish_writes_badges_and_address_and_takes_them_away(unpublished: Path) -> None:
    before = unpublished.read_bytes()
    folder = ["--folder", str(unpublished.parent)]
    assert publish.main(["https://github.com/someone/swin", *folder]) == 0
    title, first = json.loads(unpublished.read_text(encoding="utf-8"))["cells"]
    heading, line, rest = source(title).split("\n\n")
    assert (heading, rest) == ("# 1. Title", "Why.")
    place = "someone/swin/blob/main/notebooks/01_lesson.ipynb"
    assert f"(https://colab.research.google.com/github/{place})" in line
    assert f"(https://kaggle.com/kernels/welcome?src=https://github.com/{place})" in line
    assert source(first) == 'REPOSITORY = "https://github.com/someone/swin"\nprint(1)'
    nbformat.validate(nbformat.read(unpublished, as_version=4))
    published = unpublished.read_bytes()
    publish.main(["https://github.com/someone/swin.git", *folder])
    assert unpublished.read_bytes() == published
    publish.main(["https://github.com/other/name", *folder, "--branch", "next"])
    other = unpublished.read_text(encoding="utf-8")
    assert "someone" not in other
    assert "other/name/blob/next" in other
    publish.main(["", *folder])
    assert unpublished.read_bytes() == before


@pytest.mark.parametrize("address", ["github.com/a/b", "https://github.com/a", "https://x.org/a/b"])
def test_publish_refuses_what_is_no_repository(unpublished: Path, address: str) -> None:
    before = unpublished.read_bytes()
    with pytest.raises(SystemExit):
        publish.main([address, "--folder", str(unpublished.parent)])
    assert unpublished.read_bytes() == before


def test_publish_refuses_a_notebook_that_is_no_lesson(tmp_path: Path) -> None:
    path = written(tmp_path, "print(1)", "print(2)")
    with pytest.raises(ValueError, match="is not a lesson"):
        publish.publish(path, "a/b", "main")
