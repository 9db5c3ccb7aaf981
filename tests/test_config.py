"""Swin2SRConfig: defaults, JSON, unknown keys, what transformers reads, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import Swin2SRConfig as TheirConfig

from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError


def test_defaults_are_transformers() -> None:
    ours, theirs = Swin2SRConfig().to_dict(), TheirConfig().to_dict()
    for name, value in ours.items():
        assert theirs[name] == value or list(theirs[name]) == value, name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"image_size": (48, 64), "depths": (2, 3), "num_heads": (2, 3), "embed_dim": 12},
        {"upsampler": None, "upscale": 1, "num_channels": 1, "img_range": 255, "window_size": 7},
        {"extra": {"path_norm": True, "transformers_version": "4.26.0.dev0"}},
    ],
)
def test_json_round_trip(settings: dict[str, Any], tmp_path: Path) -> None:
    config = Swin2SRConfig(**settings)
    config.to_json_file(tmp_path / "config.json")
    assert Swin2SRConfig.from_json_file(tmp_path / "config.json") == config


def test_transformers_reads_our_file(tmp_path: Path) -> None:
    config = Swin2SRConfig(depths=(2, 3), num_heads=(2, 3), embed_dim=12, upscale=4)
    config.to_json_file(tmp_path / "config.json")
    theirs = TheirConfig.from_pretrained(tmp_path)
    assert (list(theirs.depths), theirs.embed_dim, theirs.upscale) == ([2, 3], 12, 4)
    assert Swin2SRConfig.from_dict(theirs.to_dict()).replace(extra={}) == config


def test_unknown_keys_are_kept_and_written_back() -> None:
    config = Swin2SRConfig.from_dict({"path_norm": True, "num_layers": 9, "hidden_size": 60})
    assert dict(config.extra) == {"path_norm": True}
    assert config.embed_dim == config.hidden_size == 60
    values = json.loads(config.to_json_string())
    assert values["path_norm"] is True
    assert values["num_layers"] == config.num_layers == config.num_hidden_layers == 6
    assert values["model_type"] == "swin2sr"


def test_output_channels_follow_input_channels() -> None:
    config = Swin2SRConfig(num_channels=1)
    assert config.num_channels_out == 1
    assert config.replace(num_channels=3).num_channels_out == 3


@pytest.mark.parametrize(("size", "window", "shift"), [(64, 8, 4), (8, 8, 0), (4, 4, 0)])
def test_window_and_shift_shrink_with_the_training_patch(
    size: int, window: int, shift: int
) -> None:
    config = Swin2SRConfig(image_size=size)
    assert (config.layer_window, config.layer_shift) == (window, shift)


@pytest.mark.parametrize(
    "settings",
    [
        {"patch_size": 2},
        {"depths": (6, 6)},
        {"depths": (), "num_heads": ()},
        {"embed_dim": 181},
        {"embed_dim": 12.0},
        {"window_size": 0},
        {"upscale": 5},
        {"upscale": 3, "upsampler": "nearest+conv"},
        {"upscale": 2, "upsampler": ""},
        {"upscale": 1, "upsampler": "", "num_channels_out": 1},
        {"upsampler": "bilinear"},
        {"resi_connection": "2conv"},
        {"hidden_act": "tanh"},
        {"drop_path_rate": 1.0},
        {"img_range": 0},
        {"mlp_ratio": "2"},
        {"image_size": (64, 64, 64)},
        {"image_size": 5},
        {"model_type": "swinir"},
    ],
    ids=str,
)
def test_refusals(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Swin2SRConfig.from_dict(settings)


def test_the_head_without_released_weights_is_refused_as_such() -> None:
    with pytest.raises(ConfigError, match="no weights with it were ever released"):
        Swin2SRConfig(upsampler="pixelshuffle_hf")


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_unreadable_files(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json"):
        Swin2SRConfig.from_json_file(path)
