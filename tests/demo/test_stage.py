"""A Space gets the files it needs, and works with those alone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from swin2sr.checkpoints import list_models
from swin2sr.demo.models import TASKS
from swin2sr.demo.stage import main, space_files, stage
from swin2sr.errors import OutputError


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "staged"
    total = stage(folder)
    assert total == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return folder


def test_what_is_staged_is_the_app_its_package_and_its_weights(root: Path, staged: Path) -> None:
    names = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    for name in (
        "app.py",
        "README.md",
        "requirements.txt",
        "LICENSE",
        "swin2sr/demo/ui/restore.py",
    ):
        assert (staged / name).read_bytes() == (root / name).read_bytes()
    for entry in list_models():
        if entry.source == "packaged":
            assert f"swin2sr/weights/{entry.name}.safetensors" in names
            assert f"swin2sr/weights/{entry.name}.json" in names
    tops = {name.split("/")[0] for name in names}
    assert tops <= {
        "app.py",
        "README.md",
        "LICENSE",
        "NOTICE",
        "requirements.txt",
        "swin2sr",
        "eval",
    }
    assert not [name for name in names if name.endswith((".pyc", ".csv")) and "eval" not in name]
    assert not [name for name in names if "/training/" in name]


def test_the_staged_app_answers_ready_with_its_own_files_only(staged: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "",
    }
    environment.pop("PYTHONPATH", None)
    # Without the site's .pth files an installed checkout cannot stand in for what is missing.
    code = (
        "import sys, runpy; sys.path[:] = [p for p in sys.path if 'swin2sr' not in p]; "
        "sys.meta_path = [f for f in sys.meta_path if '__editable__' not in getattr(f, "
        "'__module__', type(f).__module__)]; sys.path.insert(0, '.'); "
        "import swin2sr; print('package', swin2sr.__file__, flush=True); "
        "sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=staged,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if str(port) in line:
                break
        assert f"package {staged}" in lines[0], "".join(lines)
        answer = httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False)
        while answer.json() != {"ready": True}:
            assert process.poll() is None
            answer = httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False)
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
    finally:
        process.kill()
        process.communicate()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is not empty"):
        stage(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_a_checkout_the_command_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutputError, match="in a checkout"):
        list(space_files(tmp_path))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("", encoding="utf-8")
    assert main([str(tmp_path / "full")]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_the_command_says_how_much_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "new")]) == 0
    said = re.fullmatch(r"(\d+) files, (\d+\.\d) MB in .+\n", capsys.readouterr().out)
    assert said
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert int(said[1]) == len(files)
    assert float(said[2]) == pytest.approx(sum(p.stat().st_size for p in files) / 1e6, abs=0.06)


def test_a_space_fetches_the_published_weights_of_the_page_at_pinned_commits(root: Path) -> None:
    front = yaml.safe_load((root / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    offered = {name for task in TASKS.values() for name in task.models.values()}
    pinned = [
        f"{one.repo} {one.filename} {one.revision}"
        for one in list_models()
        if one.source == "hub" and one.name in offered and one.revision
    ]
    assert front["preload_from_hub"] == pinned
