"""The command ``python app.py``, and what a Space lends it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
import pytest

import app
from swin2sr.errors import JobError

if TYPE_CHECKING:
    from tests.app.conftest import Site


def test_tools_for_language_models_are_offered_only_when_asked_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[bool] = []
    monkeypatch.setattr(app.page, "serve", served.append)
    monkeypatch.setattr(app, "find_spec", lambda name: object())
    app.main([])
    app.main(["--mcp"])
    assert served == [False, True]
    assert not site.page.demo.mcp_server
    assert site.visit().http.get("/gradio_api/mcp/").status_code == 404


def test_the_tools_are_the_actions_that_a_tool_can_take_the_arguments_of() -> None:
    """Where the package is there, which nothing else needs: pip install 'gradio[mcp]'."""
    pytest.importorskip("mcp")
    page = app.Page()
    page.launch(mcp=True, prevent_thread_lock=True, quiet=True)
    try:
        schema = httpx.get(f"{page.demo.local_url}gradio_api/mcp/schema", timeout=30).json()
    finally:
        page.demo.close(verbose=False)
    tools = {tool["name"]: tool["inputSchema"]["required"] for tool in schema}
    tools.pop("upload_file_to_gradio", None)  # Gradio's own
    assert set(tools) == {"restore", "compare", "attention", "hidden_states", "attribution"}
    assert {name: needed for name, needed in tools.items() if needed != ["image"]} == {}


def test_a_tool_that_could_only_fail_is_left_out() -> None:
    tools = SimpleNamespace(tool_to_endpoint={"restore": "/restore", "batch": "/batch"})
    app.hide_mcp_tool(tools, "/batch")
    assert tools.tool_to_endpoint == {"restore": "/restore"}


def test_without_the_package_for_it_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        app.main(["--mcp"])
    assert ended.value.code == 2
    assert "pip install 'gradio[mcp]'" in capsys.readouterr().err


def test_a_job_is_a_line_of_json_where_the_process_complains(
    site: Site, photo: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("swin2sr.demo")
    before = (list(log.handlers), log.level, log.propagate)
    app.configure_logging()
    try:
        visitor = site.visit()
        visitor.outcome(visitor.upload(photo(), "anna.png"), "sharpen-x2", "fast")
        visitor.outcome(visitor.upload(b"no", "anna.png"), "sharpen-x2", "fast")
        assert site.idle()
    finally:
        log.handlers[:], log.level, log.propagate = before
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "{" in line]
    assert [line["outcome"] for line in lines] == ["done", "not_an_image"]
    assert lines[0]["input_size"] == [40, 30]
    assert "anna" not in json.dumps(lines)
    assert "127.0.0.1" not in json.dumps(lines)


def gpu(*, duration: Callable[..., int]) -> Callable[[Any], Any]:
    """Stands for ``spaces.GPU``: asks how long, and refuses whoever wants more than a minute."""

    def lend(network: Any) -> Any:
        def run(*args: Any) -> Iterator[Any]:
            if duration(*args) > 60:
                raise gr.Error("You have used up your share of GPU time.")
            yield from network(*args)

        return run

    return lend


def test_a_gpu_is_lent_for_as_long_as_a_job_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "spaces", SimpleNamespace(GPU=gpu))
    lent = app.lend_gpu(lambda seconds: iter(["one", "two"]), lambda seconds: seconds)
    assert list(lent(30)) == ["one", "two"]
    with pytest.raises(JobError, match="your share of GPU time") as caught:
        list(lent(90))
    assert caught.value.code == "gpu"
