"""From a name or a path to weights: what is found where, and what every fault ends in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from swin2sr.checkpoints import Checkpoint, download, load, package, registry, to_hub, to_original
from swin2sr.checkpoints.registry import Entry
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError, KindError, WeightsError

State = dict[str, Tensor]
REPO = "someone/tiny"
PROMPT = 5.0  # seconds: far from the Hub library's 23 and 120, close enough on a busy machine


def _refused(name: Any, **kwargs: Any) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load(name, **kwargs)
    return caught.value


def _same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _row(config: Swin2SRConfig, **changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "name": "tiny-x2",
        "title": "Tiny",
        "task": "lightweight",
        "config": config,
        "repo": REPO,
        "filename": "model.safetensors",
        "trained_on": "noise",
    }
    return Entry(**(facts | changes))


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Entry], Entry]:
    """Make a row the whole registry."""

    def do(entry: Entry) -> Entry:
        monkeypatch.setattr(registry, "REGISTRY", (entry,))
        return entry

    return do


@pytest.fixture
def published(hub: Any, small: Swin2SRConfig, stored: Callable[..., bytes]) -> bytes:
    """A repository on the fake Hub: its configuration and weights, which are returned."""
    data = stored(small)
    hub.files[REPO, "config.json"] = small.to_json_string().encode()
    hub.files[REPO, "model.safetensors"] = data
    return data


@pytest.fixture
def pinned(
    published: bytes, small: Swin2SRConfig, enter: Callable[[Entry], Entry], hub: Any
) -> Entry:
    """The same repository as a row of the registry that knows commit and hash."""
    digest = hashlib.sha256(published).hexdigest()
    return enter(_row(small, sha256=digest, revision=hub.commit))


def _blobs(cache_dir: Path) -> list[Path]:
    folder = cache_dir / f"models--{REPO.replace('/', '--')}" / "blobs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


# ------------------------------------------------------------------------------------ local files


@pytest.fixture
def folder(tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]) -> Path:
    """A folder as ``save_pretrained`` writes it."""
    path = tmp_path / "my model"
    path.mkdir()
    small.to_json_file(path / "config.json")
    save_file(to_hub(random_state(small)), path / "model.safetensors")
    return path


def test_a_folder_is_loaded(
    folder: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    found = load(folder)
    assert found.config == small
    assert _same(found.state, random_state(small))
    assert (found.name, found.origin, found.entry) == ("my model", "file", None)
    assert found.path == folder / "model.safetensors"
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert found.notes == ()
    assert found.has_head


def test_a_folder_with_a_pickle_is_loaded(folder: Path, small: Swin2SRConfig) -> None:
    expected = load(folder).state
    torch.save(to_hub(expected), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert _same(load(str(folder)).state, expected)


def test_safetensors_go_before_a_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert load(folder).path.name == "model.safetensors"


def test_a_file_in_a_folder_uses_the_configuration_beside_it(folder: Path) -> None:
    found = load(folder / "model.safetensors")
    assert found.notes == ()


def test_an_original_file_needs_no_configuration(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    path = tmp_path / "net_g.pth"
    torch.save({"params": to_original(random_state(small), small)}, path)
    found = load(path)
    assert found.config == small
    assert _same(found.state, random_state(small))
    assert found.name == "net_g"
    assert found.notes == (
        "The weights were taken from 'params'.",
        "Read off the weights: Swin2SR x2 (lightweight, colour, 2 groups, 12 features).",
    )


def test_a_hub_file_alone_is_loaded_with_a_note_on_the_window(
    tmp_path: Path, small: Swin2SRConfig, stored: Callable[..., bytes]
) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(stored(small))
    assert any("window" in note for note in load(path).notes)


def test_a_description_with_the_files_own_name_is_used(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    path = package(random_state(small), small, "net", tmp_path)
    assert load(path).config == small
    assert load(path).notes == ()


def test_other_json_with_the_files_name_is_ignored(
    tmp_path: Path, small: Swin2SRConfig, stored: Callable[..., bytes]
) -> None:
    (tmp_path / "net.safetensors").write_bytes(stored(small))
    (tmp_path / "net.json").write_text('{"loss": 0.01}')
    assert load(tmp_path / "net.safetensors").config.embed_dim == small.embed_dim


def test_ckp_12_weights_against_the_folders_configuration_are_refused(
    folder: Path, small: Swin2SRConfig
) -> None:
    small.replace(upscale=4).to_json_file(folder / "config.json")
    error = _refused(folder)
    assert error.code == "wrong_model"
    assert "upscale is 2 in the weights, 4 in the configuration" in error.message


def test_ckp_11_another_networks_folder_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "vit"}')
    error = _refused(folder)
    assert error.code == "wrong_model"
    assert "'vit'" in error.message


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "3", '{"depths": null}', '{"depths": 7}', "[" * 100_000, '{"upscale": "x"}'],
)
def test_broken_configurations_are_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        load(folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    error = _refused(tmp_path)
    assert error.code == "not_found"
    assert "holds none of model.safetensors, pytorch_model.bin" in error.message


def test_a_checkpoint_in_parts_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert "in parts" in _refused(tmp_path).message


def test_ckp_17_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").symlink_to("b.pth")
    (tmp_path / "b.pth").symlink_to("a.pth")
    assert _refused(tmp_path / "a.pth").code == "not_found"


def test_a_bare_trunk_is_loaded_only_where_it_is_wanted(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    trunk = random_state(small, bare=True)
    small.to_json_file(tmp_path / "config.json")
    save_file(to_hub(trunk), tmp_path / "model.safetensors")
    error = _refused(tmp_path)
    assert error.code == "wrong_model"
    assert "Swin2SRModel" in error.remedy
    found = load(tmp_path, need_head=False)
    assert not found.has_head
    assert _same(found.state, trunk)


def test_a_local_copy_of_published_weights_is_recognised(
    folder: Path, small: Swin2SRConfig, enter: Callable[[Entry], Entry]
) -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    row = enter(_row(small, sha256=digest))
    found = load(folder)
    assert (found.entry, found.name, found.origin) == (row, "tiny-x2", "file")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("swin2sr-giant-x16", "There is no model"),
        ("", "There is no model"),
        ("missing.pth", "There is no file or folder"),
        ("./missing", "There is no file or folder"),
        ("/missing/model", "There is no file or folder"),
        ("https://example.org/a.pth", "not loaded from addresses"),
        ("file:///etc/passwd", "not loaded from addresses"),
        ("a\0b", "There is no model"),
        ("x" * 5000, "There is no model"),
        ("../../etc", "There is no file or folder"),
    ],
)
def test_unknown_names_are_refused_without_a_look_at_the_network(
    name: str, told: str, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = _refused(name)
    assert error.code == "not_found"
    assert told in error.message
    assert hub.log == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("swin2sr-clasical-x2", "Did you mean swin2sr-classical-x2 or "),
        ("SwinIR-lightweight", "swinir-lightweight-x"),
        ("qqq", "Did you mean swin2sr-small-x2? 'swin2sr models' lists all"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(name: str, near: str) -> None:
    assert near in _refused(name).remedy


def test_what_is_neither_name_nor_path_is_refused() -> None:
    with pytest.raises(KindError):
        load(3)  # type: ignore[arg-type]


def test_a_local_folder_goes_before_the_network_but_an_unrelated_one_does_not(
    folder: Path,
    pinned: Entry,
    hub: Any,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny-x2").mkdir()
    assert load("tiny-x2", cache_dir=cache_dir).origin == "hub"
    hub.log.clear()
    shutil.copytree(folder, tmp_path / REPO)
    assert load(REPO, cache_dir=cache_dir).origin == "file"
    assert hub.log == []


@pytest.mark.benchmark
def test_official_lightweight_weights_are_loaded_and_recognised(shared_data: Path) -> None:
    folder = shared_data / "weights" / "swin2SR-lightweight-x2-64"
    if not folder.is_dir():
        pytest.skip("no official weights")
    found = load(folder)
    assert found.name == "swin2sr-lightweight-x2"
    assert found.origin == "file"
    assert sum(tensor.numel() for tensor in found.state.values()) == 1_005_348
    assert found.notes == ()


# ------------------------------------------------------------------------------------ packaged


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to open a connection or look up a name fails the test."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a socket was opened")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def packaged(
    tmp_path: Path,
    small: Swin2SRConfig,
    random_state: Callable[..., State],
    enter: Callable[[Entry], Entry],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Weights written by ``package`` and entered in the registry."""
    path = package(random_state(small), small, "tiny-x2", tmp_path, trained_on="noise")
    monkeypatch.setattr(registry, "WEIGHTS_FOLDER", tmp_path)
    row = {"name": "tiny-x2", "title": "Tiny", "task": "lightweight", "trained_on": "?"}
    entry = registry.packaged_entry(row, tmp_path)
    assert entry is not None
    enter(entry)
    return path


@pytest.mark.usefixtures("no_sockets")
def test_hub_18_packaged_weights_open_no_socket(
    packaged: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    found = load("tiny-x2")
    assert (found.origin, found.path, found.notes) == ("packaged", packaged, ())
    assert found.config == small
    assert _same(found.state, random_state(small))


@pytest.mark.usefixtures("no_sockets")
@pytest.mark.parametrize(
    "name", [entry.name for entry in registry.REGISTRY if entry.source == "packaged"]
)
def test_hub_18_every_packaged_model_loads_whole_without_a_socket(name: str) -> None:
    found = load(name)
    assert found.origin == "packaged"
    assert found.entry is not None
    assert found.entry.sha256 == found.sha256
    assert found.notes == ()


def test_damaged_packaged_weights_are_refused(packaged: Path) -> None:
    data = bytearray(packaged.read_bytes())
    data[-1] ^= 1
    packaged.write_bytes(data)
    assert _refused("tiny-x2").code == "hash_mismatch"


def test_ckp_15_a_second_save_is_byte_equal(packaged: Path, tmp_path: Path) -> None:
    found = load("tiny-x2")
    again = tmp_path / "again"
    again.mkdir()
    package(found.state, found.config, "tiny-x2", again, trained_on="noise")
    for name in ("tiny-x2.safetensors", "tiny-x2.json"):
        assert (again / name).read_bytes() == (packaged.parent / name).read_bytes()


def test_weights_that_do_not_fit_are_not_packaged(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    with pytest.raises(WeightsError, match="upscale"):
        package(random_state(small), small.replace(upscale=4), "bad", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_revision_of_packaged_weights_is_noted(packaged: Path) -> None:
    assert "was ignored" in load("tiny-x2", revision="v2").notes[0]


# ------------------------------------------------------------------------------------- the Hub


def test_hub_01_a_published_model_is_fetched_once(
    pinned: Entry,
    hub: Any,
    cache_dir: Path,
    small: Swin2SRConfig,
    random_state: Callable[..., State],
) -> None:
    first = load("tiny-x2", cache_dir=cache_dir)
    assert _same(first.state, random_state(small))
    assert (first.origin, first.sha256, first.entry) == ("hub", pinned.sha256, pinned)
    assert first.notes == ()
    requests = len(hub.log)
    second = load("tiny-x2", cache_dir=cache_dir)
    assert second.origin == "cache"
    assert second.sha256 == first.sha256
    assert len(hub.log) == requests


@pytest.mark.parametrize("revision", ["main", "the commit"])
def test_hub_01_the_hubs_library_finds_what_was_fetched(
    revision: str, published: bytes, hub: Any, cache_dir: Path
) -> None:
    from huggingface_hub import hf_hub_download

    asked = hub.commit if revision == "the commit" else revision
    path = load(REPO, revision=asked, cache_dir=cache_dir).path
    found = hf_hub_download(
        REPO, "model.safetensors", revision=asked, cache_dir=cache_dir, local_files_only=True
    )
    assert Path(found) == path


def test_hub_01_what_the_hubs_library_fetched_is_found(
    pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(
        REPO, "model.safetensors", revision=hub.commit, cache_dir=cache_dir, endpoint=hub.url
    )
    assert load("tiny-x2", cache_dir=cache_dir).origin == "cache"


def test_hub_01_an_unknown_repository_is_loaded_and_noted(
    published: bytes, hub: Any, cache_dir: Path, small: Swin2SRConfig
) -> None:
    found = load(REPO, cache_dir=cache_dir)
    assert (found.config, found.name, found.entry) == (small, REPO, None)
    assert found.notes == ("The weights are not pinned: no sha256 is published for this file.",)


def test_a_pickle_of_an_unknown_repository_is_not_taken(
    published: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.files[REPO, "pytorch_model.bin"] = hub.files.pop((REPO, "model.safetensors"))
    error = _refused(REPO, cache_dir=cache_dir)
    assert error.code == "not_found"
    assert "safetensors" in error.remedy
    assert hub.count("GET", "bin") == 0


def test_a_pickle_named_safetensors_is_not_taken(
    published: bytes, hub: Any, cache_dir: Path, tmp_path: Path
) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "w")
    hub.files[REPO, "model.safetensors"] = (tmp_path / "w").read_bytes()
    assert "is a PyTorch file" in _refused(REPO, cache_dir=cache_dir).message


def test_the_fallback_is_taken_where_the_pinned_file_is_not(
    published: bytes,
    small: Swin2SRConfig,
    enter: Callable[[Entry], Entry],
    hub: Any,
    cache_dir: Path,
) -> None:
    enter(_row(small, filename="pytorch_model.bin", fallback="model.safetensors", sha256="0" * 64))
    found = load("tiny-x2", cache_dir=cache_dir)
    assert found.path.name == "model.safetensors"
    assert "not pinned" in found.notes[0]
    hub.hangs = True
    assert load("tiny-x2", cache_dir=cache_dir, local_files_only=True).origin == "cache"
    error = _refused("tiny-x2", cache_dir=cache_dir / "other", local_files_only=True)
    assert "pytorch_model.bin" in error.message  # what is wanted, not what would do instead


def test_hub_02_wrong_bytes_of_the_right_size_are_refused_and_not_kept(
    pinned: Entry, published: bytes, hub: Any, cache_dir: Path
) -> None:
    wrong = bytes([*published[:-1], published[-1] ^ 1])
    hub.files[REPO, "model.safetensors"] = wrong  # even the Hub's own checksum agrees
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "hash_mismatch"
    assert hub.count("GET") == 2
    assert _blobs(cache_dir) == []
    hub.files[REPO, "model.safetensors"] = published
    assert load("tiny-x2", cache_dir=cache_dir).sha256 == pinned.sha256


def test_hub_02_wrong_bytes_are_noticed_by_the_hubs_own_checksum(
    published: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.sent[REPO, "model.safetensors"] = bytes([*published[:-1], published[-1] ^ 1])
    assert _refused(REPO, cache_dir=cache_dir).code == "hash_mismatch"
    assert hub.count("GET", "safetensors") == 2  # at once, and not when it is read
    assert not list(cache_dir.rglob("*.safetensors"))


def test_hub_02_what_another_program_cached_is_held_against_the_registrys_hash(
    pinned: Entry, published: bytes, hub: Any, cache_dir: Path
) -> None:
    from huggingface_hub import hf_hub_download

    name = "model.safetensors"
    hub.files[REPO, name] = bytes([*published[:-1], published[-1] ^ 1])
    hf_hub_download(REPO, name, revision=hub.commit, cache_dir=cache_dir, endpoint=hub.url)
    hub.files[REPO, name] = published
    found = load("tiny-x2", cache_dir=cache_dir)
    assert (found.origin, found.sha256) == ("hub", pinned.sha256)


@pytest.mark.parametrize("redirected", [False, True])
def test_a_token_is_for_the_hub_alone(
    redirected: bool,
    pinned: Entry,
    hub: Any,
    storage: Any,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    # The app, which other tests import, tells the library to send no token unasked.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    storage.files = hub.files
    hub.elsewhere = storage.url if redirected else ""
    assert load("tiny-x2", cache_dir=cache_dir).sha256 == pinned.sha256
    assert set(hub.tokens) == {"Bearer secret"}
    assert set(storage.tokens) == ({""} if redirected else set())


def test_hub_03_a_connection_cut_twice_goes_on_where_it_ended(
    pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    hub.cuts = 2
    assert load("tiny-x2", cache_dir=cache_dir).sha256 == pinned.sha256
    starts = [asked for method, _, asked in hub.log if method == "GET"]
    assert len(starts) == 3
    assert starts[0] == ""
    assert starts[1].startswith("bytes=")


@pytest.mark.parametrize("lacking", ["ranges", "lengths"])
def test_hub_03_a_cut_connection_to_a_simple_server_is_made_good(
    lacking: str, pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    setattr(hub, lacking, False)
    hub.cuts = 2
    assert load("tiny-x2", cache_dir=cache_dir).sha256 == pinned.sha256
    assert hub.count("GET") == 3


def test_hub_04_a_connection_always_cut_is_given_up_and_the_old_cache_stays(
    published: bytes,
    small: Swin2SRConfig,
    stored: Callable[..., bytes],
    hub: Any,
    cache_dir: Path,
    took: Callable[[], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(REPO, cache_dir=cache_dir)
    before = _blobs(cache_dir)
    hub.commit = "f" * 40
    hub.files[REPO, "model.safetensors"] = stored(small, seed=1)
    hub.cuts = 10**6
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    error = _refused(REPO, revision="f" * 40, cache_dir=cache_dir, deadline=10)
    assert error.code == "download"
    assert took() < 30
    assert [p for p in _blobs(cache_dir) if p not in before and p.suffix == ".incomplete"] == []
    hub.cuts = 0
    assert load(REPO, cache_dir=cache_dir).origin == "cache"


class _Refusal(NamedTuple):
    status: int
    header: str
    code: str
    told: str


@pytest.mark.parametrize(
    "refusal",
    [
        _Refusal(404, "EntryNotFound", "not_found", "the repository exists, the file does not"),
        _Refusal(404, "RepoNotFound", "not_found", "does not exist on the Hub, or is private"),
        _Refusal(401, "RepoNotFound", "not_found", "does not exist on the Hub, or is private"),
        _Refusal(404, "RevisionNotFound", "not_found", "has no such revision"),
        _Refusal(404, "", "not_found", "does not exist"),
        _Refusal(403, "GatedRepo", "download", "is not open to you"),
        _Refusal(403, "", "download", "is not open to you"),
    ],
    ids=str,
)
def test_hub_05_refusals_have_sentences_of_their_own(
    refusal: _Refusal, pinned: Entry, hub: Any, cache_dir: Path, took: Callable[[], float]
) -> None:
    hub.status["HEAD"] = refusal.status, refusal.header
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == refusal.code
    assert refusal.told in error.message
    assert REPO in error.message
    assert took() < PROMPT


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize(
    ("status", "told"), [(429, "too many requests"), (503, "overloaded"), (500, "answered 500")]
)
def test_hub_06_a_busy_server_is_reported_at_once(
    status: int,
    told: str,
    method: str,
    pinned: Entry,
    hub: Any,
    cache_dir: Path,
    took: Callable[[], float],
) -> None:
    hub.status[method] = status, ""
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "download"
    assert told in error.message
    assert "again" in error.remedy
    assert took() < PROMPT
    assert hub.count(method) == 1


def test_hub_07_a_hanging_server_is_given_up(
    pinned: Entry, hub: Any, cache_dir: Path, took: Callable[[], float]
) -> None:
    hub.hangs = True
    before = took()
    error = _refused("tiny-x2", cache_dir=cache_dir, deadline=1.0)
    assert error.code == "download"
    assert took() - before < PROMPT
    assert _blobs(cache_dir) == []


def test_hub_08_a_stall_in_the_middle_is_given_up(
    pinned: Entry, hub: Any, cache_dir: Path, took: Callable[[], float]
) -> None:
    hub.stalls = "safetensors"
    before = took()
    error = _refused("tiny-x2", cache_dir=cache_dir, deadline=1.0)
    assert error.code == "download"
    assert "next bytes" in error.message or "does not answer" in error.message
    assert took() - before < PROMPT


def _join_workers() -> None:
    workers = [t for t in threading.enumerate() if t.name == "swin2sr-download"]
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_hub_08_a_server_that_drips_is_given_up(
    small: Swin2SRConfig, enter: Callable[[Entry], Entry], cache_dir: Path
) -> None:
    """A byte now and then is no progress: without that rule this would take a day."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
            while not over.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/tiny.pth"
    enter(_row(small, repo=None, url=url, filename="tiny.pth"))
    error = _refused("tiny-x2", cache_dir=cache_dir, deadline=1.0)
    _join_workers()  # and nobody goes on receiving
    over.set()
    thread.join(10)
    listener.close()
    assert "waited 1 s for the next bytes" in error.message


def test_an_interruption_ends_the_download_and_clears_up(
    pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    first = threading.Event()

    def interrupt(_: object) -> None:
        if not first.is_set():  # a second one would hit whatever the main thread does by then
            first.set()
            signal.raise_signal(signal.SIGINT)

    hub.before_get = interrupt
    hub.cuts = 10**6
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            load("tiny-x2", cache_dir=cache_dir)
    finally:
        signal.signal(signal.SIGINT, before)
    _join_workers()
    assert _blobs(cache_dir) == []


def _closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("network", ["nothing listens", "no such name"])
def test_hub_09_a_cached_model_needs_no_network(
    network: str, pinned: Entry, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    load("tiny-x2", cache_dir=cache_dir)
    away = _closed_port() if network == "nothing listens" else "http://hub.invalid"
    monkeypatch.setenv("HF_ENDPOINT", away)
    caplog.clear()
    assert load("tiny-x2", cache_dir=cache_dir).origin == "cache"
    assert caplog.records == []


@pytest.mark.parametrize("network", ["nothing listens", "no such name"])
def test_hub_10_offline_and_not_cached_says_what_to_do(
    network: str,
    pinned: Entry,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    took: Callable[[], float],
) -> None:
    away = _closed_port() if network == "nothing listens" else "http://hub.invalid"
    monkeypatch.setenv("HF_ENDPOINT", away)
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "offline"
    assert error.message == f"Offline, and '{REPO}' (model.safetensors) is not in the cache."
    assert "swin2sr-small-x2" in error.remedy
    assert took() < PROMPT


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "local_files_only"])
def test_hub_11_with_the_network_switched_off_a_hit_works_and_a_miss_says_so(
    switch: str, pinned: Entry, hub: Any, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = switch == "local_files_only"
    load("tiny-x2", cache_dir=cache_dir)
    hub.log.clear()
    if not only:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load("tiny-x2", cache_dir=cache_dir, local_files_only=only).origin == "cache"
    error = _refused("tiny-x2", cache_dir=cache_dir / "other", local_files_only=only)
    assert error.code == "offline"
    assert switch in error.message
    assert hub.log == []


SCRIPT = """
import sys
from swin2sr.checkpoints import load
found = load("someone/tiny", cache_dir=sys.argv[1], deadline=60)
print(found.sha256, found.origin)
"""


def _start(cache_dir: Path, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache_dir)], cwd=root, stdout=subprocess.PIPE, text=True
    )


def test_hub_12_two_processes_make_one_download(
    published: bytes, hub: Any, cache_dir: Path, root: Path
) -> None:
    def hold_back(path: str) -> None:
        """Until the other process wants the weights too."""
        until = time.monotonic() + 30
        while path.endswith("safetensors") and hub.count("HEAD", "safetensors") < 2:
            if time.monotonic() > until or hub.closing.wait(0.01):
                return

    hub.before_get = hold_back
    processes = [_start(cache_dir, root) for _ in range(2)]
    answers = [process.communicate(timeout=90)[0].split() for process in processes]
    assert [sha for sha, _ in answers] == [hashlib.sha256(published).hexdigest()] * 2
    assert hub.count("GET", "model.safetensors") == 1


def test_hub_13_after_a_kill_the_next_download_is_right_and_clears_up(
    published: bytes, hub: Any, cache_dir: Path, root: Path
) -> None:
    hub.stalls = "safetensors"
    process = _start(cache_dir, root)
    until = time.monotonic() + 60
    while not list(cache_dir.rglob("*.incomplete")) and time.monotonic() < until:
        hub.closing.wait(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (stray,) = cache_dir.rglob("*.incomplete")
    hub.stalls = ""
    os.utime(stray, (0, 0))  # killed long ago
    assert load(REPO, cache_dir=cache_dir).sha256 == hashlib.sha256(published).hexdigest()
    assert list(cache_dir.rglob("*.incomplete")) == []


def test_hub_13_partial_files_that_are_in_use_are_left_alone(
    pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    blobs = cache_dir / "models--someone--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "other.incomplete").write_bytes(b"in use")
    load("tiny-x2", cache_dir=cache_dir)
    assert (blobs / "other.incomplete").exists()


def test_hub_14_a_full_disk_is_told_with_the_size_before_the_first_byte(
    pinned: Entry, published: bytes, hub: Any, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=20_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "download"
    assert f"{len(published) / 1e6:.1f} MB needed" in error.message
    assert "0.0 MB free" in error.message
    assert hub.count("GET") == 0
    assert _blobs(cache_dir) == []


def test_hub_14_a_disk_that_fills_up_leaves_no_partial_file(
    pinned: Entry, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "download"
    assert "filled up" in error.message
    assert _blobs(cache_dir) == []


def test_hub_15_a_cache_that_cannot_be_written_still_gives_what_is_in_it(
    pinned: Entry, hub: Any, cache_dir: Path
) -> None:
    load("tiny-x2", cache_dir=cache_dir)
    folders = [cache_dir, *(path for path in cache_dir.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        hub.hangs = True
        assert load("tiny-x2", cache_dir=cache_dir, deadline=1).origin == "cache"
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_hub_15_a_cache_that_cannot_be_written_is_told_with_its_path(
    pinned: Entry, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    error = _refused("tiny-x2", cache_dir=tmp_path / "file" / "cache")
    assert error.code == "download"
    assert str(tmp_path / "file") in error.message
    assert "cache_dir" in error.remedy


@pytest.mark.parametrize("name", ["tiny-x2", "someone/else"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_hub_16_a_damaged_cached_file_is_fetched_again_once(
    name: str, damage: str, pinned: Entry, published: bytes, hub: Any, cache_dir: Path
) -> None:
    for file in ("config.json", "model.safetensors"):
        hub.files["someone/else", file] = hub.files[REPO, file]
    path = load(name, cache_dir=cache_dir).path
    data = path.read_bytes()
    path.resolve().write_bytes(
        {"flipped": bytes([*data[:-1], data[-1] ^ 1]), "cut": data[:-9], "empty": b""}[damage]
    )
    hub.log.clear()
    found = load(name, cache_dir=cache_dir)
    assert found.sha256 == hashlib.sha256(published).hexdigest()
    assert found.origin == "hub"
    assert "The cached file was damaged; it was fetched again." in found.notes
    assert hub.count("GET") == 1
    assert load(name, cache_dir=cache_dir).origin == "cache"


def test_hub_16_a_damaged_cached_file_without_network_is_told(
    pinned: Entry, cache_dir: Path
) -> None:
    path = load("tiny-x2", cache_dir=cache_dir).path
    path.resolve().write_bytes(b"")
    error = _refused("tiny-x2", cache_dir=cache_dir, local_files_only=True)
    assert error.code == "offline"
    assert "was damaged and removed" in error.message


def test_hub_17_a_moved_branch_changes_nothing(
    pinned: Entry,
    hub: Any,
    cache_dir: Path,
    small: Swin2SRConfig,
    stored: Callable[..., bytes],
) -> None:
    load("tiny-x2", cache_dir=cache_dir)
    asked = {path for _, path, _ in hub.log}
    assert asked == {f"/{REPO}/resolve/{hub.commit}/model.safetensors"}
    hub.commit = "e" * 40
    hub.files[REPO, "model.safetensors"] = stored(small, seed=1)
    hub.log.clear()
    assert load("tiny-x2", cache_dir=cache_dir).sha256 == pinned.sha256
    assert hub.log == []


def test_another_revision_is_not_held_against_the_registrys_hash(
    pinned: Entry,
    hub: Any,
    cache_dir: Path,
    small: Swin2SRConfig,
    stored: Callable[..., bytes],
) -> None:
    hub.commit = "e" * 40
    hub.files[REPO, "model.safetensors"] = stored(small, seed=1)
    found = load("tiny-x2", revision="e" * 40, cache_dir=cache_dir)
    assert found.sha256 != pinned.sha256
    assert "not pinned" in found.notes[0]


def test_a_file_larger_than_any_network_is_not_fetched(
    pinned: Entry, hub: Any, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    assert "is larger than the 0.0 MB" in _refused("tiny-x2", cache_dir=cache_dir).message
    assert _blobs(cache_dir) == []


def test_more_bytes_than_announced_are_not_taken(
    pinned: Entry, published: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.sent[REPO, "model.safetensors"] = published + bytes(10_000)
    hub.lengths = False
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "download"
    assert "is larger than" in error.message
    assert _blobs(cache_dir) == []


def test_a_redirection_to_a_place_without_encryption_is_refused(
    small: Swin2SRConfig,
    enter: Callable[[Entry], Entry],
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    class Session:
        """Answers as after a redirection from https to http."""

        @contextmanager
        def stream(self, *_: Any, **__: Any) -> Iterator[Any]:
            yield SimpleNamespace(status_code=200, url=SimpleNamespace(scheme="http"))

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    url = "https://example.org/v1/tiny.pth"
    enter(_row(small, repo=None, url=url, filename="tiny.pth"))
    assert "without encryption" in _refused("tiny-x2", cache_dir=cache_dir).message


def test_a_server_that_is_no_hub_is_recognised(
    pinned: Entry, hub: Any, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.commit = ""
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert "does not answer as the Hub does" in error.message


# ---------------------------------------------------------------------------------- release pages


@pytest.fixture
def release(
    hub: Any,
    small: Swin2SRConfig,
    random_state: Callable[..., State],
    enter: Callable[[Entry], Entry],
    tmp_path: Path,
) -> bytes:
    """A pickle on a release page, entered without a hash."""
    torch.save(to_original(random_state(small), small), tmp_path / "tiny.pth")
    data = (tmp_path / "tiny.pth").read_bytes()
    hub.releases["/v1/tiny.pth"] = data
    enter(_row(small, repo=None, url=f"{hub.url}/v1/tiny.pth", filename="tiny.pth"))
    return data


def test_a_released_file_is_fetched_once_and_noted(
    release: bytes, hub: Any, cache_dir: Path
) -> None:
    first: Checkpoint = load("tiny-x2", cache_dir=cache_dir)
    assert first.origin == "hub"
    assert first.path == cache_dir / "releases" / "v1" / "tiny.pth"
    assert first.sha256 == hashlib.sha256(release).hexdigest()
    assert "not pinned" in first.notes[0]
    assert load("tiny-x2", cache_dir=cache_dir).origin == "cache"
    assert hub.count("GET") == 1


def test_released_files_lie_in_the_users_cache_by_default(
    release: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    expected = tmp_path / "caches" / "swin2sr" / "releases" / "v1" / "tiny.pth"
    assert load("tiny-x2").path == expected


def test_a_page_instead_of_the_file_is_refused_and_not_kept(
    release: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.releases["/v1/tiny.pth"] = b"<!DOCTYPE html><html>sign in</html>"
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == "not_weights"
    assert "HTML page" in error.message
    assert [path for path in cache_dir.rglob("*") if path.is_file()] == []


def test_a_damaged_released_file_is_fetched_again(
    release: bytes, hub: Any, cache_dir: Path
) -> None:
    path = load("tiny-x2", cache_dir=cache_dir).path
    path.write_bytes(release[:1000])
    found = load("tiny-x2", cache_dir=cache_dir)
    assert found.sha256 == hashlib.sha256(release).hexdigest()
    assert hub.count("GET") == 2


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(404, "not_found", "does not exist"), (503, "download", "overloaded")],
)
def test_a_release_page_that_refuses_is_reported(
    status: int, code: str, told: str, release: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.status["GET"] = status, ""
    error = _refused("tiny-x2", cache_dir=cache_dir)
    assert error.code == code
    assert told in error.message


def test_a_released_file_cut_twice_is_fetched_whole(
    release: bytes, hub: Any, cache_dir: Path
) -> None:
    hub.cuts = 2
    found = load("tiny-x2", cache_dir=cache_dir)
    assert found.sha256 == hashlib.sha256(release).hexdigest()


def test_a_released_file_of_known_hash_is_checked(
    release: bytes, hub: Any, cache_dir: Path, small: Swin2SRConfig, enter: Callable[[Entry], Entry]
) -> None:
    enter(
        _row(
            small,
            repo=None,
            url=f"{hub.url}/v1/tiny.pth",
            filename="tiny.pth",
            sha256="0" * 64,
        )
    )
    assert _refused("tiny-x2", cache_dir=cache_dir).code == "hash_mismatch"
    assert [path for path in cache_dir.rglob("*") if path.is_file()] == []


# ------------------------------------------------------------------------------------ lightness


def test_import_opens_neither_the_hubs_library_nor_a_socket(root: Path) -> None:
    code = "import sys, swin2sr.checkpoints; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert {"huggingface_hub", "httpx", "httpx2"} & set(found.stdout.split()) == set()


def test_written_json_is_plain(
    tmp_path: Path, small: Swin2SRConfig, random_state: Callable[..., State]
) -> None:
    path = package(random_state(small), small, "net", tmp_path, title="Net")
    values = json.loads(path.with_suffix(".json").read_text())
    assert values["checkpoint"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert values["checkpoint"]["title"] == "Net"
    assert values["model_type"] == "swin2sr"
