"""Reading of HDF5 files in which transformers' TensorFlow models were saved.

Such a file lists its layers in an attribute, each layer its weights; a weight's name is its path in
the model. Matrices are stored the other way round than PyTorch's, kernels of convolutions with the
channels last. Reading needs ``h5py``.

The file is held against its own size before anything is taken from it: no weight may lie in another
file, be put together from others, be compressed, or claim more bytes than there are.

Source: Keras' HDF5 layout of weights (``save_weights``); the rules by which transformers 4 turned
names of TensorFlow models into PyTorch's.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from swin2sr.checkpoints.read_weights import MAX_KEYS, Weights, read_bytes, to_float32
from swin2sr.errors import WeightsError

TENSORFLOW_NAME = "tf_model.h5"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}  # the rest keep their names
AXES = {2: (1, 0), 4: (3, 2, 0, 1)}  # of a kernel, by their number, in PyTorch's order


def read_tensorflow(path: str | os.PathLike[str]) -> Weights:
    """Read the parameters in a ``tf_model.h5``, which transformers' TensorFlow classes (up to 4.57)
    saved, under the names that transformers gives them in PyTorch.

    Raises:
        WeightsError: not_found, not_weights, unsafe or bad_values; or "not_weights" with a remedy
            when ``h5py`` is not installed.
    """
    source = repr(os.fspath(path))
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"{source} is a file of TensorFlow weights, which needs h5py to be read.",
            remedy="Run: pip install h5py",
        ) from error
    data = read_bytes(path)
    if not data.startswith(SIGNATURE):
        raise WeightsError(f"{source} is no HDF5 file, which TensorFlow weights are.")
    state: dict[str, Tensor] = {}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for name, dataset in _listed(file, len(data), source):
                renamed, array = pytorch_name(name), torch.from_numpy(dataset[()])
                if renamed in state:
                    raise WeightsError(f"{source} holds {renamed!r} twice.")
                if name.endswith("/kernel:0") and array.ndim in AXES:
                    array = array.permute(AXES[array.ndim])
                state[renamed] = array.contiguous()
    except WeightsError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(
            f"{source} is not a sound file of TensorFlow weights: {reason}."
        ) from error
    if not state:
        raise WeightsError(f"{source} lists no weights.")
    state, notes = to_float32(state, source)
    notes = ["The weights were converted from TensorFlow.", *notes]
    return Weights(state, hashlib.sha256(data).hexdigest(), tuple(notes))


def pytorch_name(name: str) -> str:
    """Hub's name of a TensorFlow weight: without the model's own name, which stands first.

    >>> pytorch_name("tf_swin_model/swin/layernorm/gamma:0")
    'swin.layernorm.weight'
    """
    parts = name.removesuffix(":0").split("/")
    parts = [part for part in (parts[1:] if len(parts) > 1 else parts) if part]
    return ".".join([*parts[:-1], LEAVES.get(parts[-1], parts[-1])])


def _listed(file: Any, size: int, source: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, dataset) of every weight that the file lists, none larger than the file."""
    import h5py

    total = count = 0
    for layer in _names(file, "layer_names"):
        group = _own(file, layer, h5py.Group, source)
        for name in _names(group, "weight_names"):
            dataset = _own(group, name, h5py.Dataset, source)
            count += 1
            total += dataset.nbytes
            plain = not (dataset.is_virtual or dataset.external or dataset.compression)
            if not plain or dataset.chunks is not None or total > size or count > MAX_KEYS:
                raise WeightsError(
                    f"{source} stores {name!r} in a way that no weights here are stored, or claims "
                    "more than it has.",
                    code="unsafe",
                )
            yield name, dataset


def _names(group: Any, attribute: str) -> list[str]:
    """Read names from an attribute; a long list is spread over several with numbers."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
    found = [name for part in parts for name in part]
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in found]


def _own(group: Any, name: str, kind: type, source: str) -> Any:
    """Open a member of a group, nowhere on the way to it a link that leads elsewhere."""
    import h5py

    found = group
    for part in filter(None, name.split("/")):
        if not isinstance(found, h5py.Group) or part in (".", "..") or part not in found:
            raise WeightsError(f"{source} lists {name!r}, which is not there.")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise WeightsError(
                f"{source} has a link at {name!r} that leads elsewhere.", code="unsafe"
            )
        found = found[part]
    if not isinstance(found, kind):
        raise WeightsError(f"{source} holds something else than weights at {name!r}.")
    return found
