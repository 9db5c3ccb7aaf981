"""The header of a safetensors file, held against the file before the library sees either.

Source: the format of safetensors (github.com/huggingface/safetensors, section "Format").
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_HEADER = 4_000_000  # bytes; the largest published network has 0.1 MB
MAX_KEYS = 100_000

# safetensors' names of types: bytes each, for what weights and their buffers are stored in
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}


def check_header(data: bytes) -> str | None:
    """What is wrong with a safetensors header; None when it describes ``data`` exactly.

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
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r} occurs twice")
    return found


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
