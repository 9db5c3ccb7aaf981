"""Reading of weights from a file that may be anything: judged by content, measured, then loaded.

A file is read once; what is hashed is what is loaded. A safetensors header is checked before the
library sees it. PyTorch files are loaded with ``weights_only=True`` and never in another way;
their zip directory is checked first, the sizes of the tensors after.

Source: the format of safetensors (github.com/huggingface/safetensors, section "Format");
``torch.save``'s two formats (PyTorch notes, "Serialization semantics").
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import pickle
import pickletools
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from swin2sr.errors import WeightsError

MEGABYTE = 1_000_000
MAX_BYTES = 1000 * MEGABYTE  # the largest published network of this family has 0.1 GB
MAX_PICKLE = 1 * MEGABYTE  # structure of the largest published file: 0.1 MB
MAX_HEADER = 4 * MEGABYTE  # of safetensors; the largest published network has 0.1 MB
MAX_KEYS = 100_000

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
OTHERS = (torch.int64, torch.int32, torch.uint8, torch.bool)
# The same in safetensors' names: bytes each.
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}

# Where a training script may have put the parameters; the first that is there is taken. The
# average over training restores better than the last step ("average" is swin2sr.training's own).
WRAPPERS = ("params_ema", "average", "params", "state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")  # from DataParallel and torch.compile

MAGIC = 0x1950A86A20F9469CFC6C  # the first number in a file of torch.save before PyTorch 1.6

UNSAFE_REMEDY = "Where you trust it, load it in its own program and save model.state_dict()."

FileFormat = Literal["safetensors", "zip", "pickle"]

# A suffix never decides how bytes are read, but what it promises must be kept: who is given a
# .safetensors may rely on there being no pickle in it.
SUFFIXES: dict[str, tuple[FileFormat, ...]] = {
    ".safetensors": ("safetensors",),
    **dict.fromkeys((".pth", ".pt", ".bin", ".ckpt"), ("zip", "pickle")),
}


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of one file: float32 tensors on the CPU by name (whole numbers keep their type)."""

    state: dict[str, Tensor]
    sha256: str  # of the bytes they were loaded from, hexadecimal
    notes: tuple[str, ...]  # what was done to them


def read_state_dict(
    path: str | os.PathLike[str], *, sha256: str | None = None
) -> dict[str, Tensor]:
    """Read the parameters in a .safetensors, .pth or .bin file; its suffix does not matter.

    Args:
        path: a file; nothing else (no folder, no pipe).
        sha256: if given, the hexadecimal hash the file must have.
    Returns:
        name -> tensor, float32 on the CPU, as named in the file (wrappers and ``module.`` removed).
    Raises:
        WeightsError: not_found, not_weights, unsafe, bad_values or hash_mismatch.
    """
    return read_weights(path, sha256=sha256).state


def read_weights(path: str | os.PathLike[str], *, sha256: str | None = None) -> Weights:
    """Read as ``read_state_dict`` does, with the hash of what was read and notes."""
    source = repr(os.fspath(path))
    data = read_bytes(path)
    if sha256 is not None:  # first of all: whatever else is wrong with another file does not matter
        _require_hash(data, sha256, source)
    kind = file_format(data, source)
    _check_suffix(path, kind, source)
    if kind == "pickle" and not _is_torch_pickle(data):
        raise WeightsError(
            f"{source} is a plain Python pickle, not a file of torch.save, and was not loaded.",
            code="unsafe",
            remedy=UNSAFE_REMEDY,
        )
    label, structure_fault = _STRUCTURE[kind]
    if fault := structure_fault(data):
        raise WeightsError(f"{source} is not a sound {label} file: {fault}.")
    notes: list[str] = []
    if kind == "safetensors":
        state = _from_safetensors(data, source)
    else:
        state, notes = _unwrapped(_unpickled(data, source), source)
        _check_sizes(state, len(data), source)
    state, more = to_float32(state, source)
    digest = sha256 or hashlib.sha256(data).hexdigest()
    return Weights(state, digest.lower(), tuple(notes + more))


def _require_hash(data: bytes, sha256: str, source: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256.lower():
        raise WeightsError(
            f"{source} is not the published file: its sha256 is {digest[:12]}..., expected "
            f"{sha256[:12].lower()}....",
            code="hash_mismatch",
            remedy="It is damaged or was changed; fetch it again.",
        )


def read_bytes(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """Read the whole of a regular file, once.

    Raises:
        WeightsError: not_found; not_weights when it is a folder, a pipe, too large or changing.
    """
    source = repr(os.fspath(path))
    try:
        # A pipe without a writer would block an ordinary open for ever.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if missing else getattr(error, "strerror", None) or error
        raise WeightsError(f"Cannot read {source}: {reason}.", code="not_found") from error
    try:
        before = os.fstat(handle)
        _require_file(before, limit, source)
        with open(handle, "rb", closefd=False) as file:
            data = file.read(before.st_size + 1)
        after = os.fstat(handle)
    except OSError as error:
        raise WeightsError(f"Cannot read {source}: {error.strerror}.") from error
    finally:
        os.close(handle)
    if len(data) != before.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise WeightsError(f"{source} changed while it was read.", remedy="Try again.")
    return data


def _require_file(facts: os.stat_result, limit: int, source: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        what = "a folder" if stat.S_ISDIR(facts.st_mode) else "not a regular file"
        raise WeightsError(f"{source} is {what}, not a file of weights.")
    if facts.st_size > limit:
        size, most = facts.st_size / MEGABYTE, limit / MEGABYTE
        raise WeightsError(f"{source} has {size:.0f} MB; the limit is {most:.0f} MB.")


def file_format(data: bytes, source: str) -> FileFormat:
    """Format that ``data`` is in, by content.

    Raises:
        WeightsError: "not_weights", saying what it is instead where that can be told.
    """
    if not data:
        raise WeightsError(f"{source} is empty (0 bytes).", remedy="Fetch it again.")
    # A header's length as 8 bytes, then JSON: looked at first, since a length of 640 bytes begins
    # like a pickle. Neither a pickle nor a zip can have a brace there after five zero bytes.
    if data[8:9] == b"{" and data[5:8] == b"\0\0\0":
        return "safetensors"
    if data.startswith(b"PK\x03\x04"):
        return "zip"
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    start = data[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")):
        what, remedy = "an HTML page: the download failed", "Fetch the file itself."
    elif start.startswith(b"version https://git-lfs"):
        what, remedy = "a Git LFS pointer, not the file itself", "Run 'git lfs pull'."
    elif start.startswith((b"{", b"[")):
        what, remedy = "JSON text", ""
    elif start.startswith(b"gguf"):
        what, remedy = "a GGUF file", ""
    elif start.startswith(b"\x1f\x8b"):
        what, remedy = "a gzip archive", "Unpack it first."
    else:
        what, remedy = "neither a safetensors nor a PyTorch file, or its beginning is damaged", ""
    raise WeightsError(f"{source} holds no weights: it is {what}.", remedy=remedy)


def _check_suffix(path: str | os.PathLike[str], kind: FileFormat, source: str) -> None:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if kind not in SUFFIXES.get(suffix, (kind,)):
        plain = kind == "safetensors"
        what = "a safetensors file" if plain else "a PyTorch file (a pickle)"
        remedy = f"Rename it to {'.safetensors' if plain else '.pth'}."
        raise WeightsError(f"{source} is {what}, not what its suffix says.", remedy=remedy)


# ---------------------------------------------------------------------------------- safetensors


def _from_safetensors(data: bytes, source: str) -> dict[str, Tensor]:
    import safetensors
    from safetensors.torch import load

    try:
        return load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(f"{source} is not a sound safetensors file: {error}.") from error


def check_header(data: bytes) -> str | None:
    """Name the fault of a safetensors header; None when it describes ``data`` exactly.

    The types are known, no name comes twice, every shape has the bytes it claims, and the tensors
    fill the rest of the file without gap or overlap.
    """
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        return f"its header claims {length} bytes, the limit is {MAX_HEADER}"
    if 8 + length > len(data):
        return f"its header claims {length} bytes, the file has {len(data)}"
    text = data[8 : 8 + length]
    if text.count(b'"dtype"') > MAX_KEYS:
        return f"it lists more than {MAX_KEYS} tensors"
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        return f"its header is not JSON ({error})"
    header.pop("__metadata__", None)
    if not header:
        return "it holds no tensors"
    spans = []
    for name, entry in header.items():
        fault = _entry_fault(entry)
        if fault:
            return f"{name!r} {fault}"
        spans.append((*entry["data_offsets"], name))
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            return f"{name!r} leaves a gap or overlaps another tensor"
        end = stop
    if end != len(data) - 8 - length:
        return f"its tensors take {end} bytes, the file has {len(data) - 8 - length} for them"
    return None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"{Counter(names).most_common(1)[0][0]!r} occurs twice")
    return dict(pairs)


def _entry_fault(entry: Any) -> str | None:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return "is not described by dtype, shape and data_offsets"
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in ITEM_BYTES:
        return f"has the type {kind!r}, which no weights here use"
    if not _whole_numbers(shape) or len(shape) > 8 or not _whole_numbers(offsets):
        return "has no proper shape and offsets"
    if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * ITEM_BYTES[kind]:
        return f"claims the shape {shape}, which its bytes do not fit"
    return None


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**48 for v in values)


# -------------------------------------------------------------------------------------- PyTorch


# Ends that loading a damaged file was seen to come to.
_UNSOUND = (
    *(RuntimeError, EOFError, ValueError, KeyError, TypeError),
    *(AttributeError, IndexError, AssertionError, OverflowError, MemoryError),
)


def _unpickled(data: bytes, source: str) -> Any:
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text recommends to load without the check; it is not passed on
        found = re.search(r"(?:GLOBAL|global|class)\s+`?([\w.]+)`?", str(error))
        name = f" ({found[1]})" if found else ""
        raise WeightsError(
            f"{source} holds Python objects{name} besides tensors and was not loaded.",
            code="unsafe",
            remedy=UNSAFE_REMEDY,
        ) from error
    except _UNSOUND as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(f"{source} is not a sound PyTorch file: {reason}.") from error


def _zip_fault(data: bytes) -> str | None:
    """Fault in the directory of a zip from ``torch.save``, before it is unpacked; None if sound."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        return f"its archive is cut off or damaged ({error})"
    if len(members) > MAX_KEYS:
        return f"it has {len(members)} parts, the limit is {MAX_KEYS}"
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        return "it is compressed, which torch.save never does"
    if sum(member.file_size for member in members) > len(data):
        return "its parts claim more bytes than the file has"
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        return "it has two parts of one name"
    structures = [m for m in members if m.filename.rpartition("/")[2] == "data.pkl"]
    if any(member.filename.endswith("/constants.pkl") for member in members):
        return "it is a TorchScript program, not weights"
    if len(structures) != 1:
        return "it has no data.pkl, so torch.save did not write it"
    if structures[0].file_size > MAX_PICKLE:
        return f"its structure has {structures[0].file_size} bytes, the limit is {MAX_PICKLE}"
    return None


def _is_torch_pickle(data: bytes) -> bool:
    """Tell a file of ``torch.save`` before PyTorch 1.6, which begins with its magic number."""
    try:
        opcodes = pickletools.genops(data[:64])
        return any(argument == MAGIC for _, argument, _ in opcodes)
    except (ValueError, pickle.UnpicklingError):
        return False


def _pickle_fault(data: bytes) -> str | None:
    """Walk the pickles of a file from before PyTorch 1.6 without running them; name a fault."""
    file = io.BytesIO(data)
    try:
        for _ in range(5):  # magic number, protocol, system, structure, keys of the storages
            for _, _, position in pickletools.genops(file):
                if position is not None and position > MAX_PICKLE:
                    return f"its structure is longer than the limit of {MAX_PICKLE} bytes"
    except (ValueError, pickle.UnpicklingError) as error:
        return f"its structure is cut off or damaged ({str(error)[:100]})"
    return None


# Checks before a file is loaded, and what to call it.
_STRUCTURE: dict[FileFormat, tuple[str, Callable[[bytes], str | None]]] = {
    "safetensors": ("safetensors", check_header),
    "zip": ("PyTorch", _zip_fault),
    "pickle": ("PyTorch", _pickle_fault),
}


def _unwrapped(found: Any, source: str) -> tuple[dict[str, Tensor], list[str]]:
    """Parameters inside what a training script saved, and notes."""
    notes: list[str] = []
    for _ in range(3):
        if not isinstance(found, Mapping):
            raise WeightsError(
                f"{source} holds a {type(found).__name__}, not a dictionary of tensors."
            )
        wrappers = [name for name in WRAPPERS if isinstance(found.get(name), Mapping)]
        if not wrappers:
            break
        others = f" (also there: {', '.join(wrappers[1:])})" if wrappers[1:] else ""
        notes.append(f"The weights were taken from {wrappers[0]!r}{others}.")
        found = found[wrappers[0]]
    strange = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if strange or not found or not all(isinstance(name, str) for name in found):
        what = f"{type(found[strange[0]]).__name__} at {strange[0]!r}" if strange else "nothing"
        raise WeightsError(f"{source} is no dictionary of tensors: it holds {what}.")
    if len(found) > MAX_KEYS:
        raise WeightsError(f"{source} lists {len(found)} tensors; the limit is {MAX_KEYS}.")
    state: dict[str, Tensor] = dict(found)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state, notes


def _check_sizes(state: Mapping[str, Tensor], size: int, source: str) -> None:
    """Refuse tensors that claim more numbers than the file has bytes for (strides of zero)."""
    total = 0
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise WeightsError(f"{source} holds {name!r} in a form that no weights here use.")
        claimed = tensor.numel() * tensor.element_size()
        total += claimed
        if claimed > tensor.untyped_storage().nbytes() or total > size:
            raise WeightsError(
                f"{source} claims {claimed} bytes for {name!r} (shape {tuple(tensor.shape)}), "
                f"which it does not have.",
                code="unsafe",
            )


# --------------------------------------------------------------------------------------- values


def to_float32(state: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], list[str]]:
    """Copy tensors as float32, checked for values that no trained network has; also give notes."""
    copies: dict[str, Tensor] = {}
    casts: set[str] = set()
    for name, tensor in state.items():
        if tensor.dtype not in FLOATS + OTHERS:
            raise WeightsError(
                f"{source} holds {name!r} as {str(tensor.dtype).removeprefix('torch.')}, "
                "which no weights here use."
            )
        if tensor.dtype in OTHERS:
            copies[name] = tensor.detach().clone()
            continue
        if tensor.dtype != torch.float32:
            casts.add(str(tensor.dtype).removeprefix("torch."))
        values = tensor.detach().to(torch.float32, copy=True).contiguous()
        fault = _value_fault(name, values)
        if fault:
            raise WeightsError(
                f"{source} holds unusable weights: {name!r} {fault}.",
                code="bad_values",
                remedy="Training went wrong, or the file is damaged.",
            )
        copies[name] = values
    if casts:
        return copies, [f"The weights are stored as {', '.join(sorted(casts))}; read as float32."]
    return copies, []


def _value_fault(name: str, values: Tensor) -> str | None:
    if not values.numel():
        return "is empty"
    if not bool(torch.isfinite(values).all()):
        kind = "NaN" if bool(torch.isnan(values).any()) else "infinite"
        return f"has {kind} values"
    # A bias may well be zero; a matrix or a kernel that is was never trained or was wiped.
    if name.endswith("weight") and values.ndim > 1 and not bool(values.any()):
        return "is all zero"
    return None
