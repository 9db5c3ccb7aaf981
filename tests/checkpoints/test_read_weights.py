"""Files of weights that may be anything: read whole and sound, or refused by what they are."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from swin2sr.checkpoints import read_state_dict
from swin2sr.checkpoints import read_weights as read
from swin2sr.checkpoints.read_weights import read_weights
from swin2sr.errors import WeightsError

REFUSAL = 0.5  # seconds


def _saved(value: Any, *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def _tensors() -> dict[str, Tensor]:
    return {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(3)}


def _refused(path: Path, **kwargs: Any) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path, **kwargs)
    return caught.value


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _safetensors(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _entry(shape: Any, start: Any, stop: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


# ------------------------------------------------------------------------------------ sound files


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.safetensors", save(_tensors())),
        ("a.pth", _saved(_tensors())),
        ("a.bin", _saved(OrderedDict(_tensors()))),
        ("old.pth", _saved(_tensors(), old=True)),
        ("no_suffix", save(_tensors())),
        ("no_suffix", _saved(_tensors())),
    ],
)
def test_sound_files_are_read_exactly(tmp_path: Path, name: str, data: bytes) -> None:
    found = read_weights(_write(tmp_path / name, data))
    assert found.state.keys() == _tensors().keys()
    assert all(torch.equal(found.state[k], v) for k, v in _tensors().items())
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.notes == ()


def test_what_is_read_can_be_written_to(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pth", _saved({"w": nn.Parameter(torch.ones(2, 2).t())}))
    state = read_state_dict(path)
    assert not state["w"].requires_grad
    state["w"].mul_(2)


def test_a_header_as_long_as_a_pickles_first_bytes_is_no_pickle(tmp_path: Path) -> None:
    """A length of 0x280 bytes begins with 80 02, as a pickle does."""
    text = json.dumps({"w": _entry([1], 0, 4)}).encode().ljust(0x280)
    data = _safetensors(text, np.float32(1).tobytes())
    assert data.startswith(b"\x80\x02")
    assert read_state_dict(_write(tmp_path / "w", data))["w"].item() == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_ckp_13_other_precisions_become_float32_with_a_note(
    tmp_path: Path, dtype: torch.dtype, suffix: str
) -> None:
    state = {name: tensor.to(dtype) for name, tensor in _tensors().items()}
    data = save(state) if suffix == ".safetensors" else _saved(state)
    found = read_weights(_write(tmp_path / f"a{suffix}", data))
    assert all(tensor.dtype == torch.float32 for tensor in found.state.values())
    assert torch.equal(found.state["a.weight"], _tensors()["a.weight"])
    (note,) = found.notes
    assert str(dtype).removeprefix("torch.") in note


# --------------------------------------------------------------------------------------- wrappers


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", "model", "average"])
def test_ckp_14_wrapped_weights_are_taken_out(tmp_path: Path, wrapper: str) -> None:
    path = _write(tmp_path / "a.pth", _saved({wrapper: _tensors(), "epoch": 3, "name": "x"}))
    found = read_weights(path)
    assert found.state.keys() == _tensors().keys()
    assert repr(wrapper) in found.notes[0]


def test_ckp_14_the_average_goes_before_the_last_step(tmp_path: Path) -> None:
    last = {name: tensor + 1 for name, tensor in _tensors().items()}
    path = _write(tmp_path / "a.pth", _saved({"params": last, "params_ema": _tensors()}))
    found = read_weights(path)
    assert torch.equal(found.state["a.bias"], torch.ones(3))
    assert found.notes == ("The weights were taken from 'params_ema' (also there: params).",)


def test_ckp_14_wrappers_in_wrappers_and_prefixes(tmp_path: Path) -> None:
    inner = {f"module.{name}": tensor for name, tensor in _tensors().items()}
    path = _write(tmp_path / "a.pth", _saved({"state_dict": {"params": inner}}))
    assert read_state_dict(path).keys() == _tensors().keys()


def test_ckp_14_a_prefix_on_some_names_only_stays(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pth", _saved({"module.a": torch.ones(1), "b": torch.ones(1)}))
    assert read_state_dict(path).keys() == {"module.a", "b"}


@pytest.mark.parametrize("value", [[1, 2], {}, {"a": 3}, {1: torch.ones(1)}, torch.ones(3)])
def test_other_structures_are_refused(tmp_path: Path, value: Any) -> None:
    error = _refused(_write(tmp_path / "a.pth", _saved(value)))
    assert error.code == "not_weights"
    assert "dictionary of tensors" in error.message


# ---------------------------------------------------------------------------------------- payloads


class _Payload:
    """Runs a command when it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("form", ["zip", "old", "raw", "raw protocol 0"])
def test_ckp_01_payloads_are_refused_and_do_not_run(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "marker"
    value = {"params": _tensors(), "payload": _Payload(marker)}
    data = {
        "zip": lambda: _saved(value),
        "old": lambda: _saved(value, old=True),
        "raw": lambda: pickle.dumps(value),
        "raw protocol 0": lambda: pickle.dumps(value, protocol=0),
    }[form]()
    error = _refused(_write(tmp_path / "a.pth", data))
    assert error.code == ("not_weights" if form == "raw protocol 0" else "unsafe")
    assert "weights_only" not in str(error)
    assert not marker.exists()
    pickle.loads(pickle.dumps(_Payload(marker)))
    assert marker.exists()  # the payload itself works


@pytest.mark.parametrize("old", [False, True])
def test_ckp_02_a_whole_module_is_refused_with_advice(tmp_path: Path, old: bool) -> None:
    error = _refused(_write(tmp_path / "a.pth", _saved(nn.Linear(2, 2), old=old)))
    assert error.code == "unsafe"
    assert "torch.nn.modules.linear.Linear" in error.message
    assert "model.state_dict()" in error.remedy


def test_ckp_02_numpy_scalars_inside_are_refused_with_advice(tmp_path: Path) -> None:
    value = {"params": _tensors(), "best": np.float64(31.4)}
    error = _refused(_write(tmp_path / "a.pth", _saved(value)))
    assert error.code == "unsafe"
    assert "model.state_dict()" in error.remedy


# ------------------------------------------------------------------------------------- safetensors

GOOD = _entry([2], 0, 8)
BODY = np.ones(2, np.float32).tobytes()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"\x10" + bytes(7), "holds no weights"),
        ((1 << 63).to_bytes(8, "little") + b"{", "holds no weights"),
        ((200_000_000).to_bytes(8, "little") + b"{}", "the limit is 4000000"),
        ((4_000_001).to_bytes(8, "little") + b"{" + bytes(4_000_001), "the limit is 4000000"),
        (_safetensors({"w": GOOD}, BODY)[:-1], "its tensors take 8 bytes, the file has 7"),
        (_safetensors({"w": GOOD}, BODY)[:20], "its header claims"),
        (_safetensors({"w": GOOD}, BODY + b"x"), "its tensors take 8 bytes, the file has 9"),
        (_safetensors({"w": GOOD, "v": _entry([1], 4, 8)}, BODY), "overlaps"),
        (_safetensors({"w": _entry([2], 8, 16)}, bytes(8) + BODY), "leaves a gap"),
        (_safetensors({"w": _entry([3], 0, 8)}, BODY), "its bytes do not fit"),
        (_safetensors({"w": _entry([2**40, 2**40], 0, 8)}, BODY), "its bytes do not fit"),
        (_safetensors({"w": _entry([2**62, 4], 0, 8)}, BODY), "no proper shape"),
        (_safetensors({"w": _entry([-2], 0, 8)}, BODY), "no proper shape"),
        (_safetensors({"w": _entry([2.0], 0, 8)}, BODY), "no proper shape"),
        (_safetensors({"w": _entry([True, 2], 0, 8)}, BODY), "no proper shape"),
        (_safetensors({"w": _entry([1] * 9 + [2], 0, 8)}, BODY), "no proper shape"),
        (_safetensors({"w": _entry([2], 8, 0)}, BODY), "its bytes do not fit"),
        (_safetensors({"w": GOOD | {"data_offsets": [0, 8, 9]}}, BODY), "its bytes do not fit"),
        (_safetensors({"w": GOOD | {"data_offsets": [0]}}, BODY), "its bytes do not fit"),
        (_safetensors({"w": _entry([2], 0, 8, "F31")}, BODY), "has the type 'F31'"),
        (_safetensors({"w": _entry([8], 0, 8, "F8_E4M3")}, BODY), "has the type 'F8_E4M3'"),
        (_safetensors({"w": _entry([2], 0, 8, ["F32"])}, BODY), "has the type"),
        (_safetensors({"w": {"dtype": "F32"}}, BODY), "is not described"),
        (_safetensors({"w": 3}, BODY), "is not described"),
        (_safetensors({}), "holds no tensors"),
        (_safetensors({"__metadata__": {"a": "b"}}), "holds no tensors"),
        (_safetensors(b"{not json}"), "not JSON"),
        (_safetensors(b'{"w": ' + b"[" * 100_000), "not JSON"),
        (_safetensors(b'{"w": ' + b"1" * 10_000 + b"}"), "not JSON"),
        (_safetensors(b'{"\xff": 1}'), "not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_ckp_03_malformed_safetensors_are_refused(
    tmp_path: Path, data: bytes, told: str, took: Callable[[], float]
) -> None:
    error = _refused(_write(tmp_path / "w.safetensors", data))
    assert error.code == "not_weights"
    assert told in error.message
    assert took() < REFUSAL


def test_ckp_04_a_million_entries_are_refused(tmp_path: Path, took: Callable[[], float]) -> None:
    entry = b',"%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = b"{" + (entry % 0)[1:] + (entry % 1) * 1_000_000 + b"}"
    path = _write(tmp_path / "w.safetensors", _safetensors(text))
    before = took()
    assert "the limit is 4000000" in _refused(path).message
    assert took() - before < REFUSAL


def test_ckp_04_too_many_keys_are_refused_without_reading_them() -> None:
    text = b'{"w":{"dtype"' + b',"dtype"' * 100_001 + b"}}"
    assert read.check_header(_safetensors(text)) == "it lists more than 100000 tensors"


def test_ckp_05_duplicate_keys_are_refused(tmp_path: Path) -> None:
    entry = json.dumps(GOOD).encode()
    data = _safetensors(b'{"w":' + entry + b',"w":' + entry + b"}", BODY)
    assert "'w' occurs twice" in _refused(_write(tmp_path / "w.safetensors", data)).message


def test_ckp_05_duplicates_inside_an_entry_are_refused(tmp_path: Path) -> None:
    text = b'{"w":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}'
    error = _refused(_write(tmp_path / "w.safetensors", _safetensors(text, BODY)))
    assert "'shape' occurs twice" in error.message


# -------------------------------------------------------------------------------- the true kind


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<!DOCTYPE html><html>404</html>", "an HTML page: the download failed"),
        (b"\n  <html><body>not found", "an HTML page: the download failed"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b'{"error": "not found"}', "JSON text"),
        (b"GGUF" + bytes(20), "a GGUF file"),
        (b"\x1f\x8b" + bytes(20), "a gzip archive"),
        (bytes(100), "neither a safetensors nor a PyTorch file"),
        (b"", "empty (0 bytes)"),
    ],
)
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_ckp_06_other_files_are_named(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    error = _refused(_write(tmp_path / name, data))
    assert error.code == "not_weights"
    assert told in error.message


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.safetensors", _saved(_tensors()), "is a PyTorch file (a pickle), not"),
        ("a.safetensors", _saved(_tensors(), old=True), "is a PyTorch file (a pickle), not"),
        ("a.pth", save(_tensors()), "is a safetensors file, not"),
        ("a.bin", save(_tensors()), "is a safetensors file, not"),
    ],
)
def test_ckp_06_a_suffix_that_promises_another_kind_is_refused(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    error = _refused(_write(tmp_path / name, data))
    assert told in error.message
    assert "Rename" in error.remedy


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("old", [False, True])
def test_ckp_07_cut_files_are_refused(tmp_path: Path, part: float, old: bool) -> None:
    data = _saved({"w": torch.randn(64, 64)}, old=old)
    error = _refused(_write(tmp_path / "a.pth", data[: int(len(data) * part)]))
    assert error.code == "not_weights"


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_ckp_07_a_flipped_bit_is_caught_by_the_hash(tmp_path: Path, name: str) -> None:
    state = {"w": torch.randn(64, 64)}
    data = bytearray(save(state) if name.endswith("s") else _saved(state))
    published = hashlib.sha256(data).hexdigest()
    path = _write(tmp_path / name, bytes(data))
    assert read_state_dict(path, sha256=published.upper()).keys() == {"w"}
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    error = _refused(path, sha256=published)
    assert error.code == "hash_mismatch"
    assert published[:12] in error.message


def test_a_wrong_hash_is_noticed_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", None)
    path = _write(tmp_path / "a.pth", _saved(_tensors()))
    assert _refused(path, sha256="0" * 64).code == "hash_mismatch"


# ---------------------------------------------------------------------------------- hostile PyTorch


def _rezipped(data: bytes, change: Callable[[zipfile.ZipInfo, bytes], bytes], kind: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", kind) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member, old.read(member)))
    return buffer.getvalue()


def test_ckp_08_a_compressed_archive_is_refused_before_it_is_unpacked(
    tmp_path: Path, took: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = _rezipped(
        _saved({"w": torch.zeros(1)}),
        lambda member, old: bytes(64_000_000) if member.filename.endswith("/0") else old,
        zipfile.ZIP_DEFLATED,
    )
    assert len(bomb) < 100_000
    path = _write(tmp_path / "a.pth", bomb)
    monkeypatch.setattr(torch, "load", None)
    before = took()
    assert "compressed, which torch.save never does" in _refused(path).message
    assert took() - before < REFUSAL


def test_ckp_08_parts_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """A directory may list one stretch of bytes many times: the sum is what counts."""
    data = _saved({"w": torch.randn(1000)})
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        big = next(m for m in archive.infolist() if m.file_size == 4000)
        for n in range(5):
            copy = zipfile.ZipInfo(f"archive/data/{n + 7}")
            copy.header_offset, copy.file_size = big.header_offset, big.file_size
            copy.compress_size, copy.CRC = big.compress_size, big.CRC
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
        archive._didModify = True  # type: ignore[attr-defined]
    error = _refused(_write(tmp_path / "a.pth", buffer.getvalue()))
    assert "claim more bytes than the file has" in error.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_ckp_08_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO(_saved(_tensors()))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(archive.namelist()[0], b"other")
    error = _refused(_write(tmp_path / "a.pth", buffer.getvalue()))
    assert "two parts of one name" in error.message


def test_ckp_08_a_long_structure_is_refused(tmp_path: Path) -> None:
    data = _rezipped(
        _saved({"w": torch.zeros(1)}),
        lambda m, old: bytes(1_000_001) if m.filename.endswith("data.pkl") else old,
        zipfile.ZIP_STORED,
    )
    assert "its structure has 1000001 bytes" in _refused(_write(tmp_path / "a.pth", data)).message


def test_ckp_08_a_long_structure_of_the_old_format_is_refused(
    tmp_path: Path, took: Callable[[], float]
) -> None:
    data = _saved(["abcdefgh" * 4] * 100 + [str(n) for n in range(150_000)], old=True)
    path = _write(tmp_path / "a.pth", data)
    before = took()
    assert "its structure is longer" in _refused(path).message
    assert took() - before < 2 * REFUSAL


def test_other_archives_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    error = _refused(_write(tmp_path / "a.pth", buffer.getvalue()))
    assert "torch.save did not write it" in error.message


def test_torchscript_is_refused(tmp_path: Path) -> None:
    data = _rezipped(_saved(_tensors()), lambda _, old: old, zipfile.ZIP_STORED)
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/constants.pkl", b"\x80\x02).")
    error = _refused(_write(tmp_path / "a.pt", buffer.getvalue()))
    assert "TorchScript" in error.message


@pytest.mark.parametrize("old", [False, True])
def test_ckp_09_strides_of_zero_are_refused(
    tmp_path: Path, old: bool, took: Callable[[], float]
) -> None:
    huge = torch.ones(1).expand(2**40)
    error = _refused(_write(tmp_path / "a.pth", _saved({"w": huge}, old=old)))
    assert error.code == "unsafe"
    assert "claims 4398046511104 bytes for 'w'" in error.message
    assert took() < REFUSAL


def test_ckp_09_small_strides_of_zero_are_refused_too(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pth", _saved({"w": torch.ones(1).expand(3, 3)}))
    assert _refused(path).code == "unsafe"


def test_ckp_09_many_views_of_one_storage_are_refused(tmp_path: Path) -> None:
    storage = torch.randn(10_000)
    error = _refused(_write(tmp_path / "a.pth", _saved({f"w{n}": storage for n in range(100)})))
    assert error.code == "unsafe"


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(3).to_sparse(),
        torch.ones(2, 2, dtype=torch.complex64),
        torch.ones(2, 2, device="meta"),
    ],
    ids=["sparse", "complex", "meta"],
)
@pytest.mark.filterwarnings("ignore")
def test_other_forms_of_tensors_are_refused(tmp_path: Path, tensor: Tensor) -> None:
    error = _refused(_write(tmp_path / "a.pth", _saved({"w": tensor})))
    assert error.code in ("not_weights", "unsafe")


# ------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.tensor([[1.0, float("nan")]]), "has NaN values"),
        (torch.tensor([[1.0, float("inf")]]), "has infinite values"),
        (torch.tensor([[1e300]], dtype=torch.float64), "has infinite values"),
        (torch.zeros(2, 2), "is all zero"),
        (torch.zeros(0, 2), "is empty"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_ckp_10_unusable_values_are_refused_by_name(
    tmp_path: Path, tensor: Tensor, told: str, suffix: str
) -> None:
    state = {"body.good.weight": torch.ones(2, 2), "body.7.weight": tensor}
    data = save(state) if suffix == ".safetensors" else _saved(state)
    error = _refused(_write(tmp_path / f"a{suffix}", data))
    assert error.code == "bad_values"
    assert f"'body.7.weight' {told}" in error.message


def test_ckp_10_zero_biases_are_sound(tmp_path: Path) -> None:
    state = {"a.bias": torch.zeros(3), "norm.weight": torch.zeros(3), "q_bias": torch.zeros(3)}
    assert read_state_dict(_write(tmp_path / "a.pth", _saved(state))).keys() == state.keys()


# --------------------------------------------------------------------------------- paths and files


def test_ckp_17_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in _refused(tmp_path).message


def test_ckp_17_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert _refused(tmp_path / "absent.pth").code == "not_found"


def test_ckp_17_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").symlink_to("b.pth")
    (tmp_path / "b.pth").symlink_to("a.pth")
    assert _refused(tmp_path / "a.pth").code == "not_found"


@pytest.mark.timeout(20)
def test_ckp_17_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pth")
    assert "not a regular file" in _refused(tmp_path / "a.pth").message


def test_ckp_17_a_device_is_refused() -> None:
    assert "not a regular file" in _refused(Path("/dev/zero")).message


def test_ckp_17_an_unreadable_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "a.pth", _saved(_tensors()))
    path.chmod(0)
    if os.access(path, os.R_OK):  # an administrator reads everything: let the system say no

        def refuse(*_: Any) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in _refused(path).message


@pytest.mark.parametrize("name", ["a b.pth", "größe 图.pth", "a\nb.pth", "-rf.pth", "\udcff.pth"])
def test_ckp_17_any_name_works_and_is_printed_escaped(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name, _saved(_tensors()))
    assert read_state_dict(path).keys() == _tensors().keys()
    path.write_bytes(b"")
    message = str(_refused(path))
    assert "\n" not in message
    message.encode()


def test_ckp_17_a_null_character_is_refused() -> None:
    assert _refused(Path("a\0b.pth")).code == "not_found"


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, took: Callable[[], float]) -> None:
    path = tmp_path / "a.pth"
    with path.open("wb") as file:
        file.truncate(read.MAX_BYTES + 1)  # a hole: nothing is written
    assert "the limit is 1000 MB" in _refused(path).message
    assert took() < REFUSAL


def test_ckp_18_a_file_replaced_meanwhile_is_read_old_or_new(tmp_path: Path) -> None:
    versions = [save({"w": torch.full((50_000,), value)}) for value in (1.0, 2.0)]
    path, stop = _write(tmp_path / "w.safetensors", versions[0]), threading.Event()

    def replace() -> None:
        for n in range(100_000):
            if stop.is_set():
                return
            _write(tmp_path / "new", versions[n % 2]).replace(path)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        found = [read_weights(path) for _ in range(30)]
    finally:
        stop.set()
        thread.join()
    for weights in found:
        (value,) = weights.state["w"].unique().tolist()
        assert weights.sha256 == hashlib.sha256(versions[int(value) - 1]).hexdigest()


@pytest.mark.parametrize("change", ["longer at the same time", "later at the same size"])
def test_ckp_18_a_file_written_to_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = _write(tmp_path / "w.safetensors", save(_tensors()))
    real = os.fstat

    def write(handle: int) -> os.stat_result:
        facts = real(handle)
        if change.startswith("longer"):
            with path.open("ab") as file:
                file.write(b"more")
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        else:
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
        return facts

    monkeypatch.setattr(os, "fstat", write)
    assert "changed while it was read" in _refused(path).message
