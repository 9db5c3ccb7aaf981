"""ONNX file of a restoration network: written, loaded again and compared before it is kept."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swin2sr import checkpoints
from swin2sr.errors import ConfigError, OutputError
from swin2sr.export.graph import GraphNetwork
from swin2sr.filesystem import write_bytes
from swin2sr.models import RestorationModel, from_checkpoint

OPSET = 17  # the oldest with layer norm, so that old runtimes read the file
SIZES = ((1, 1), (7, 19), (24, 33), (65, 16), (50, 47))  # height, width; none of them traced
TRACED_SIZE = (24, 40)
TOLERANCE = 1e-4  # largest difference, of values in 0..1
INPUT, OUTPUT = "pixel_values", "reconstruction"
EXTRA = "Install the extra: pip install 'swin2sr[export]'."


def export_onnx(name: str | Path, path: Path) -> dict[str, str]:
    """Export a network to an ONNX file for pictures of any height and width.

    The file takes ``pixel_values`` (B, C, H, W), float32 in 0..1, any H, W >= 1, pads them to whole
    windows by reflection, and gives ``reconstruction`` (B, C, H * scale, W * scale), not clamped.
    Before it is kept it runs in ONNX Runtime at five other sizes than the traced one.

    Args:
        name: registry name, Hub id, folder or file of the weights.
        path: of the file, which is written whole or not at all; one that is there is replaced.
    Returns:
        The metadata in the file: "model", "network", "scale", "window", "channels", "padding",
        "licence", "weights_sha256", "max_difference".
    Raises:
        ConfigError: ``onnx`` or ``onnxruntime`` is not installed, or the network cannot be
            exported, or its file differs by more than ``TOLERANCE``.
        WeightsError: weights that cannot be had. OutputError: the file cannot be written.
    """
    onnx, runtime = _packages()
    found = checkpoints.load(name)
    model = from_checkpoint(found)
    config = model.config
    data = _traced(model)
    difference = _largest_difference(runtime, data, model, found.name)
    metadata = {
        "model": found.name,
        "network": config.network,
        "scale": str(config.upscale),
        "window": str(config.window_size),
        "channels": str(config.num_channels),
        "padding": "reflection to whole windows, inside the graph",
        "licence": found.entry.licence if found.entry else "unknown",
        "weights_sha256": found.sha256 or "unknown",
        "max_difference": f"{difference:.1e}",
    }
    proto = onnx.load_from_string(data)
    onnx.helper.set_model_props(proto, metadata)
    proto.producer_name = "swin2sr"
    onnx.checker.check_model(proto)
    try:
        write_bytes(path, proto.SerializeToString())
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"Cannot write {str(path)!r}: {error.strerror or error}.") from error
    return metadata


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"Exporting to ONNX needs the package {error.name!r}.", remedy=EXTRA
        ) from error
    return onnx, onnxruntime


def _traced(model: RestorationModel) -> bytes:
    """Trace a network; the bytes of its ONNX file."""
    example = torch.zeros(1, model.config.num_channels, *TRACED_SIZE)
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, on every size that it records rightly
        torch.onnx.export(
            GraphNetwork(model).eval(),
            (example,),
            file,  # type: ignore[arg-type]  # a file object is taken, too
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={
                INPUT: {0: "batch", 2: "height", 3: "width"},
                OUTPUT: {0: "batch", 2: "large_height", 3: "large_width"},
            },
            opset_version=OPSET,
            # The exporter of torch.export fixes the sizes of the example: right for one size only.
            dynamo=False,
        )
    return file.getvalue()


def _largest_difference(
    runtime: Any,
    data: bytes,
    model: RestorationModel,
    name: str,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> float:
    """Largest difference between ONNX Runtime and PyTorch on noise of several sizes.

    Raises:
        ConfigError: ONNX Runtime refuses the file, or the difference is above ``TOLERANCE``.
    """
    try:
        session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(
            f"ONNX Runtime cannot load the export of {name!r}: {str(error)[:200]}",
            remedy="Nothing was written. Try another version of onnxruntime.",
        ) from error
    worst = 0.0
    for index, size in enumerate(sizes):
        generator = torch.Generator().manual_seed(index)
        shape = (1 + index % 2, model.config.num_channels, *size)
        pixels = torch.rand(shape, generator=generator)
        with torch.inference_mode():
            expected = model(pixels).reconstruction.numpy()
        (given,) = session.run([OUTPUT], {INPUT: pixels.numpy()})
        if given.shape != expected.shape or not np.isfinite(given).all():
            worst = float("inf")
        else:
            worst = max(worst, float(np.abs(given - expected).max()))
        if worst > TOLERANCE:
            raise ConfigError(
                f"The export of {name!r} differs from the network by {worst:.2g} at "
                f"{size[1]}x{size[0]} pixels; at most {TOLERANCE:g} is accepted.",
                remedy="Nothing was written. Please report the model and the versions of torch and "
                "onnxruntime.",
            )
    return worst
