"""Export by the command line: a checked file, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swin2sr.cli.main import main


def test_export_writes_a_checked_file_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    words = ["export", "swin2sr-small-x2", "-o", str(tmp_path / "small.onnx")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'small.onnx'}\n"
    assert "largest difference to PyTorch" in err
    first = (tmp_path / "small.onnx").read_bytes()
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scale"] == "2"
    assert (tmp_path / "small.onnx").read_bytes() == first
