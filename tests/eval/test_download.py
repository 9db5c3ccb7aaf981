"""Sets from the Hub, against a server on this machine: fetched once, checked, whole or absent."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.cli import main
from eval.sets import download
from eval.sets.datasets import find, load
from swin2sr.errors import ConfigError, Swin2SRError
from swin2sr.images.resize import imresize
from tests.eval.conftest import smooth
from tests.fake_hub import FakeHub

REPO = "datasets/eugenesiow/Set5"
NAMES = ("baby", "bird", "butterfly", "head", "woman")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def archive(folder: str, files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def server(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A Hub with small pictures as Set5, and no hash known beforehand."""
    originals = {f"{name}.png": smooth(i) for i, name in enumerate(NAMES)}
    hub.files[REPO, "data/Set5_HR.tar.gz"] = archive(
        "Set5_HR", {name: png(pixels) for name, pixels in originals.items()}
    )
    hub.files[REPO, "data/Set5_LR_x2.tar.gz"] = archive(
        "Set5_LR_x2", {name: png(imresize(pixels, 0.5)) for name, pixels in originals.items()}
    )
    monkeypatch.setitem(download.OFFERS, "Set5", replace(download.OFFERS["Set5"], sha256={}))
    return hub


def test_a_set_is_fetched_once_and_found(server: FakeHub, tmp_path: Path) -> None:
    assert download.cached("Set5", 2, tmp_path) is None
    folder = download.fetch("set5", 2, cache_dir=tmp_path)
    assert download.cached("Set5", 2, tmp_path) == folder
    benchmark = find(folder, "Set5", 2)
    assert tuple(item.name for item in benchmark.items) == NAMES
    assert load(benchmark.items[0], 2).lr_origin == "mirror"
    asked = len(server.log)
    assert download.fetch("Set5", 2, cache_dir=tmp_path) == folder
    assert len(server.log) == asked
    assert all(download.OFFERS["Set5"].revision in path for _, path, _ in server.log)


def test_restoration_needs_the_originals_only(server: FakeHub, tmp_path: Path) -> None:
    download.fetch("Set5", 1, cache_dir=tmp_path)
    assert server.count("GET", "LR_x2.tar.gz") == 0
    assert download.cached("Set5", 1, tmp_path) is not None
    assert download.cached("Set5", 2, tmp_path) is None


def test_hub_02_wrong_bytes_are_refused(server: FakeHub, tmp_path: Path) -> None:
    key = (REPO, "data/Set5_HR.tar.gz")
    server.sent[key] = bytes(len(server.files[key]))
    with pytest.raises(Swin2SRError) as raised:
        download.fetch("Set5", 1, cache_dir=tmp_path)
    assert raised.value.code == "hash_mismatch"
    assert download.cached("Set5", 1, tmp_path) is None


def test_a_known_hash_outweighs_the_servers_word(
    server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = replace(download.OFFERS["Set5"], sha256={"HR": "0" * 64})
    monkeypatch.setitem(download.OFFERS, "Set5", pinned)
    with pytest.raises(Swin2SRError, match="expected 000000000000"):
        download.fetch("Set5", 1, cache_dir=tmp_path)


def test_hub_03_a_cut_connection_is_taken_up_again(server: FakeHub, tmp_path: Path) -> None:
    server.cuts = 2
    assert find(download.fetch("Set5", 1, cache_dir=tmp_path), "Set5", 1).complete


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "cannot be unpacked"),
        (archive("Set5_HR", {"baby.png": png(smooth(0))}), "1 images instead of 5"),
        (archive("Set5_HR", {f"{name}.png": b"x" for name in NAMES}), "Cannot read"),
        (archive("..", {"baby.png": png(smooth(0))}), "cannot be unpacked"),
    ],
)
def test_what_is_not_the_set_is_refused_and_leaves_nothing(
    server: FakeHub, tmp_path: Path, content: bytes, words: str
) -> None:
    server.files[REPO, "data/Set5_HR.tar.gz"] = content
    with pytest.raises(Swin2SRError, match=words) as raised:
        download.fetch("Set5", 1, cache_dir=tmp_path / "cache")
    assert raised.value.code == "corrupt"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_archive_that_unpacks_to_too_much_is_refused(
    server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(Swin2SRError, match="unpacks to more"):
        download.fetch("Set5", 1, cache_dir=tmp_path)


def test_hub_05_a_set_that_is_gone_is_named(server: FakeHub, tmp_path: Path) -> None:
    del server.files[REPO, "data/Set5_HR.tar.gz"]
    with pytest.raises(Swin2SRError) as raised:
        download.fetch("Set5", 1, cache_dir=tmp_path)
    assert raised.value.code == "not_found"
    assert "--data" in str(raised.value)


def test_hub_07_a_silent_server_is_given_up(server: FakeHub, tmp_path: Path) -> None:
    server.hangs = True
    with pytest.raises(Swin2SRError) as raised:
        download.fetch("Set5", 1, cache_dir=tmp_path, deadline=0.3)
    assert raised.value.code == "download"


def test_hub_11_offline_says_what_to_do(
    server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = download.fetch("Set5", 2, cache_dir=tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(server.log)
    assert download.fetch("Set5", 2, cache_dir=tmp_path) == folder
    with pytest.raises(Swin2SRError, match="packaged set 'Sample'") as raised:
        download.fetch("Set5", 3, cache_dir=tmp_path)
    assert raised.value.code == "offline"
    assert len(server.log) == asked


@pytest.mark.parametrize("name", ["Manga109", "LIVE1", "DIV2K", "mine"])
def test_sets_without_such_terms_are_not_offered(name: str) -> None:
    assert not download.is_offered(name)
    with pytest.raises(ConfigError, match="Offered: Set5"):
        download.fetch(name, 2)


def test_offers_are_pinned_to_a_commit_and_state_their_terms() -> None:
    assert set(download.OFFERS) == {"Set5", "Set14", "BSD100", "Urban100"}
    for offer in download.OFFERS.values():
        assert len(offer.revision) == 40
        assert offer.terms
        assert all(len(digest) == 64 for digest in offer.sha256.values())


def test_a_run_fetches_only_when_told_to(
    server: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["run", "--model", "bicubic", "--set", "Set5", "--scale", "2", "--threads", "1"]
    assert main(words) == 2
    assert "--fetch" in capsys.readouterr().err
    assert server.log == []
    assert main([*words, "--fetch"]) == 0
    assert "| Set5 | x2 bicubic | baby |" in capsys.readouterr().out
    asked = len(server.log)
    assert main(words) == 0  # now it is in the cache
    assert len(server.log) == asked


def test_the_command_fetches_and_prints_the_folder(
    server: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["fetch", "--set", "Set5", "--scale", "2"]) == 0
    folder = capsys.readouterr().out.strip()
    assert main(["sets", "--data", folder]) == 0
    assert capsys.readouterr().out == "Set5\n"
