"""Configuration: defaults, JSON, unknown keys, what transformers reads, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from transformers import Swin2SRConfig as TheirConfig

from swin2sr.config import (
    Swin2SRConfig,
    choice,
    flag,
    number,
    pair,
    positive,
    whole,
    whole_numbers,
)
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
        {"patch_size": [2, 2]},
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
        {"mlp_ratio": float("inf")},
        {"depths": 6},
        {"depths": (6, 0, 6, 6, 6, 6)},
        {"image_size": (64, 64, 64)},
        {"image_size": 5},
        {"model_type": "swinir"},
    ],
    ids=str,
)
def test_refusals(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Swin2SRConfig.from_dict(settings)


@pytest.mark.parametrize(
    ("validator", "value", "said"),
    [
        (flag, 1, "steps must be True or False, got 1."),
        (whole, 2.0, "steps must be a whole number, got 2.0."),
        (partial(whole, least=1), 0, "steps must be a whole number from 1 up, got 0."),
        (number, float("nan"), "steps must be a finite number, got nan."),
        (positive, 0, "steps must be a number above 0, got 0."),
        (pair, (1, 2, 3), "steps must be a number or a (height, width) pair, got (1, 2, 3)."),
        (whole_numbers, 6, "steps must be a list of whole numbers, got 6."),
        (partial(choice, choices=("a", "b")), "c", "steps must be one of 'a', 'b', got 'c'."),
    ],
    ids=["flag", "whole", "least", "number", "positive", "pair", "whole numbers", "choice"],
)
def test_validators_take_name_and_value(
    validator: Callable[[str, Any], Any], value: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        validator("steps", value)
    assert str(caught.value) == said


def test_a_square_pair_of_one_is_a_patch_of_one_pixel() -> None:
    assert Swin2SRConfig.from_dict({"patch_size": [1, 1]}).patch_size == 1


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


def test_a_file_nested_too_deeply_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a":' + "[" * 100_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        Swin2SRConfig.from_json_file(tmp_path / "config.json")
