"""ONNX files: right at sizes that were not traced, checked before they are kept, or refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swin2sr import checkpoints
from swin2sr.config import RestorationConfig
from swin2sr.errors import ConfigError, OutputError
from swin2sr.export import export_onnx, onnx_file
from swin2sr.models import RestorationModel, from_checkpoint
from tests.export.test_graph import NETWORKS, random_network

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def saved(config: RestorationConfig, folder: Path) -> Path:
    """A file of random weights."""
    return checkpoints.package(random_network(config).state_dict(), config, "random", folder)


def compare(path: Path, model: RestorationModel, sizes: list[tuple[int, int]]) -> float:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in sizes:
        pixels = torch.rand(1, model.config.num_channels, *size)
        with torch.inference_mode():
            expected = model(pixels).reconstruction.numpy()
        (given,) = session.run(None, {"pixel_values": pixels.numpy()})
        assert given.shape == expected.shape
        worst = max(worst, float(np.abs(given - expected).max()))
    return worst


@pytest.mark.parametrize("name", NETWORKS)
def test_one_file_is_right_at_any_size(name: str, tmp_path: Path) -> None:
    weights = saved(NETWORKS[name], tmp_path)
    metadata = export_onnx(weights, tmp_path / "network.onnx")
    model = from_checkpoint(checkpoints.load(weights))
    sizes = [(2, 5), (40, 24), (17, 90), (64, 64)]
    assert compare(tmp_path / "network.onnx", model, sizes) < 1e-4
    assert float(metadata["max_difference"]) < 1e-4


def test_packaged_networks_say_what_they_are(tmp_path: Path) -> None:
    name = "swin2sr-small-x2"
    metadata = export_onnx(name, tmp_path / "small.onnx")
    proto = onnx.load(tmp_path / "small.onnx")
    kept = {entry.key: entry.value for entry in proto.metadata_props}
    assert kept == metadata
    assert kept["scale"] == "2"
    assert kept["window"] == "8"
    assert kept["licence"] == "Apache-2.0"
    assert kept["weights_sha256"] == checkpoints.load(name).sha256
    dims = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 3, "height", "width"]


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = saved(NETWORKS["direct"], tmp_path)
    wrong = random_network(NETWORKS["direct"])
    wrong.trunk.conv_first.weight.data.mul_(1.01)
    traced = onnx_file._traced(wrong)
    monkeypatch.setattr(onnx_file, "_traced", lambda model: traced)
    old = tmp_path / "network.onnx"
    old.write_bytes(b"old")
    with pytest.raises(ConfigError, match="differs from the network by"):
        export_onnx(weights, old)
    assert old.read_bytes() == b"old"


def test_a_file_that_the_runtime_refuses_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = saved(NETWORKS["direct"], tmp_path)
    monkeypatch.setattr(onnx_file, "_traced", lambda model: b"no graph")
    with pytest.raises(ConfigError, match="cannot load the export"):
        export_onnx(weights, tmp_path / "network.onnx")
    assert not (tmp_path / "network.onnx").exists()


def test_without_the_packages_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules: Any = sys.modules
    monkeypatch.setitem(modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="onnxruntime") as caught:
        export_onnx("swin2sr-small-x2", tmp_path / "network.onnx")
    assert "swin2sr[export]" in str(caught.value.remedy)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        export_onnx("swin2sr-small-x2", tmp_path / "nowhere" / "network.onnx")
