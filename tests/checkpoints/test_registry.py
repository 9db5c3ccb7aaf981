"""The table of published checkpoints says what is known, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swin2sr.checkpoints import find, list_models, package
from swin2sr.checkpoints.entry import TASKS, Entry
from swin2sr.checkpoints.published import PUBLISHED
from swin2sr.checkpoints.registry import DEFAULT, find_by_hash, packaged_entry
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError

NAMES = [entry.name for entry in PUBLISHED]


def test_published_models_are_the_released_ones() -> None:
    assert NAMES[:6] == [
        "swin2sr-classical-x2",
        "swin2sr-classical-x4",
        "swin2sr-compressed-x4",
        "swin2sr-lightweight-x2",
        "swin2sr-realworld-x4",
        "swin2sr-jpeg",
    ]
    files = sorted(entry.filename.removesuffix(".pth") for entry in PUBLISHED[6:])
    assert files == sorted(
        [f"001_classicalSR_DIV2K_s48w8_SwinIR-M_x{s}" for s in (2, 3, 4, 8)]
        + [f"001_classicalSR_DF2K_s64w8_SwinIR-M_x{s}" for s in (2, 3, 4, 8)]
        + [f"002_lightweightSR_DIV2K_s64w8_SwinIR-S_x{s}" for s in (2, 3, 4)]
        + [
            f"003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x{s}_{k}"
            for s in (2, 4)
            for k in ("GAN", "PSNR")
        ]
        + [f"003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_{k}" for k in ("GAN", "PSNR")]
        + [f"004_grayDN_DFWB_s128w8_SwinIR-M_noise{n}" for n in (15, 25, 50)]
        + [f"005_colorDN_DFWB_s128w8_SwinIR-M_noise{n}" for n in (15, 25, 50)]
        + [f"006_CAR_DFWB_s126w7_SwinIR-M_jpeg{q}" for q in (10, 20, 30, 40)]
        + [f"006_colorCAR_DFWB_s126w7_SwinIR-M_jpeg{q}" for q in (10, 20, 30, 40)]
    )


def test_the_released_swinir_are_those_of_its_paper() -> None:
    """Counts of built networks."""
    parameters = {e.filename: e.parameters for e in PUBLISHED}
    for start, count in (
        ("001_classicalSR_DF2K_s64w8_SwinIR-M_x2", 11_752_487),
        ("001_classicalSR_DIV2K_s48w8_SwinIR-M_x3", 11_937_127),
        ("001_classicalSR_DF2K_s64w8_SwinIR-M_x4", 11_900_199),
        ("001_classicalSR_DIV2K_s48w8_SwinIR-M_x8", 12_047_911),
        ("002_lightweightSR_DIV2K_s64w8_SwinIR-S_x2", 910_152),
        ("003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x4_GAN", 11_715_559),
        ("003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x2_PSNR", 11_678_631),
        ("003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN", 28_013_059),
        ("004_grayDN_DFWB_s128w8_SwinIR-M_noise25", 11_497_681),
        ("005_colorDN_DFWB_s128w8_SwinIR-M_noise25", 11_504_163),
        ("006_CAR_DFWB_s126w7_SwinIR-M_jpeg40", 11_485_585),
    ):
        assert parameters[f"{start}.pth"] == count


def test_the_released_swin2sr_have_the_parameters_of_their_files() -> None:
    counts = {
        "swin2sr-classical-x2": 12_091_571,
        "swin2sr-classical-x4": 12_239_283,
        "swin2sr-compressed-x4": 12_244_598,
        "swin2sr-lightweight-x2": 1_005_348,
        "swin2sr-realworld-x4": 12_054_643,
        "swin2sr-jpeg": 11_836_765,
    }
    assert {e.name: e.parameters for e in PUBLISHED[:6]} == counts


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_rows_are_consistent(entry: Entry) -> None:
    assert entry.task in TASKS
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision)
    assert entry.repo is None or entry.url is None
    assert entry.title
    assert entry.trained_on
    assert entry.licence == "Apache-2.0"


def test_no_two_models_share_a_name() -> None:
    names = [n.casefold() for e in list_models() for n in (e.name, *e.aliases, e.repo) if n]
    assert len(names) == len(set(names))


def test_pickles_from_the_hub_are_pinned_by_hash_or_commit() -> None:
    pickles = [e for e in list_models() if e.source == "hub" and e.filename.endswith(".bin")]
    assert all(entry.sha256 or entry.revision for entry in pickles)


@pytest.mark.parametrize(
    "name",
    [
        "swin2sr-lightweight-x2",
        "SWIN2SR-Lightweight-X2",
        "caidas/swin2SR-lightweight-x2-64",
        "Swin2SR_Lightweight_X2_64",
    ],
)
def test_a_model_is_found_by_name_alias_and_repository(name: str) -> None:
    entry = find(name)
    assert entry is not None
    assert entry.name == "swin2sr-lightweight-x2"


def test_unknown_names_are_not_guessed() -> None:
    assert find("swin2sr") is None
    assert find("") is None


def test_default_is_packaged_and_pinned() -> None:
    entry = find(DEFAULT)
    assert entry is not None
    assert list_models()[0] is entry
    assert entry.source == "packaged"
    assert entry.sha256 is not None


def test_packaged_row_is_read_from_the_file_beside_the_weights(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., Any]
) -> None:
    path = package(random_state(small), small, "some-x2", tmp_path, trained_on="noise")
    row = {"name": "some-x2", "title": "Some", "task": "lightweight", "trained_on": "?"}
    entry = packaged_entry(row, tmp_path)
    assert entry is not None
    assert replace(entry.config, extra={}) == small
    assert entry.config.extra == {}
    assert entry.size_bytes == path.stat().st_size
    assert (entry.title, entry.trained_on, entry.scale) == ("Some", "noise", 2)
    assert entry.parameters == sum(v.numel() for v in random_state(small).values())


def test_packaged_row_without_files_is_left_out(tmp_path: Path) -> None:
    assert packaged_entry({"name": "absent"}, tmp_path) is None


def test_packaged_row_with_a_broken_description_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "some.safetensors").write_bytes(b"")
    (tmp_path / "some.json").write_text("{")
    with pytest.raises(ConfigError):
        packaged_entry({"name": "some"}, tmp_path)


def test_packaged_description_is_a_transformers_configuration(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., Any]
) -> None:
    from transformers import Swin2SRConfig as Theirs

    path = package(random_state(small), small, "some-x2", tmp_path)
    theirs = Theirs.from_dict(json.loads(path.with_suffix(".json").read_text()))
    assert tuple(theirs.depths) == small.depths
    assert theirs.upsampler == small.upsampler


def test_weights_are_recognised_by_the_hash_of_any_of_their_files() -> None:
    hashes = [h for entry in list_models() for h in (entry.sha256, *entry.twins) if h]
    assert len(hashes) == len(set(hashes))
    assert all(re.fullmatch("[0-9a-f]{64}", h) for h in hashes)
    twin = "04834dbf863f00168ece32f9fc34ad1e3ad48ff1bf8098812573ed5810b59fa0"
    for sha256 in (twin, "a515955815ab6dba3a9331d8c75db13a5166a5ffbcebf1a95ab676a5656ac4fb"):
        entry = find_by_hash(sha256)
        assert entry is not None
        assert entry.name == "swin2sr-classical-x2"
    assert find_by_hash("0" * 64) is None
