"""Detection of the backbone that weights belong to, read off their names and shapes.

Source: parameters and buffers of microsoft/Swin-Transformer ``SwinTransformer`` and
``SwinTransformerV2``.
"""

from __future__ import annotations

import math
from typing import Any

from swin2sr.backbones.config import BackboneConfig, SwinConfig, Swinv2Config
from swin2sr.backbones.expected_shapes import head_shapes, trunk_shapes
from swin2sr.backbones.key_mapping import BackboneWeights
from swin2sr.checkpoints.detect import (
    BLOCK_0,
    UNREADABLE,
    has_qkv_bias,
    layers_and_heads,
    mlp_ratio,
    unknown_variant,
    window_of_table,
)
from swin2sr.errors import WeightsError

ASSUMED = {1: (7, 224), 2: (8, 256)}  # window and image size of the smallest published networks


def detect(weights: BackboneWeights, source: str) -> tuple[BackboneConfig, tuple[str, ...]]:
    """Detect the configuration of the network that weights belong to; also give a note for
    everything that had to be assumed.

    Raises:
        WeightsError: "wrong_model", when nothing that can be built is like them.
    """
    try:
        config, notes = _read_off(weights)
    except UNREADABLE as error:
        raise unknown_variant(source, weights, error) from error
    heads = ", ".join(map(str, config.depths))
    note = f"Read off the weights: {config.network} of {heads} layers, width {config.embed_dim}."
    return config, (note, *notes)


def check(weights: BackboneWeights, config: BackboneConfig, source: str) -> None:
    """Hold weights against ``config``: every name and every shape but the classifier's.

    Raises:
        WeightsError: "wrong_model"; counts what is missing, not expected and of another shape, and
            names the first three of each.
    """
    weights.require_network(config, source)
    found = weights.shapes
    heads = {name: shape for name, shape in head_shapes(config).items() if name in found}
    # A classifier for another number of classes is the class's affair, not the file's.
    heads |= {name: shape for name, shape in found.items() if name.startswith("classifier.")}
    fault = weights.mismatch_text(trunk_shapes(config) | heads)
    if fault:
        raise WeightsError(f"The configuration does not fit {source}: {fault}.", code="wrong_model")


# ------------------------------------------------------------------------------------------- rules


def _read_off(weights: BackboneWeights) -> tuple[BackboneConfig, tuple[str, ...]]:
    """Apply the rules; any of ``UNREADABLE`` when they do not work out."""
    shapes, generation = weights.shapes, weights.generation
    notes: list[str] = []
    depths, heads = layers_and_heads(shapes, "stages", generation)
    width, channels, *patch = shapes["embed.proj.weight"]
    table = shapes.get(f"stages.{BLOCK_0}.position.table")
    window = window_of_table(table) or _stage_window(weights, 0)
    if window is None:
        window = ASSUMED[generation][0]
        notes.append(f"The window size is not in the weights: {window} is assumed.")
    size = _image_size(weights, len(depths), patch)
    if size is None:
        size = ASSUMED[generation][1]
        if "embed.position" in shapes:
            size = math.isqrt(shapes["embed.position"][1]) * patch[0]
        elif generation == 2:
            notes.append(f"The image size is not in the weights: {size} is assumed.")
    reduction = patch[0] << (len(depths) - 1)
    if "decoder.weight" in shapes:
        reduction = math.isqrt(shapes["decoder.weight"][0] // channels)
    settings: dict[str, Any] = {
        "image_size": size,
        "patch_size": patch[0] if patch[0] == patch[1] else tuple(patch),
        "num_channels": channels,
        "embed_dim": width,
        "depths": depths,
        "num_heads": heads,
        "window_size": window,
        "mlp_ratio": mlp_ratio(shapes["stages.0.blocks.0.mlp.fc1.weight"][0], width),
        "qkv_bias": has_qkv_bias(shapes, "stages"),
        "use_absolute_embeddings": "embed.position" in shapes,
        "encoder_stride": reduction,
    }
    if "classifier.weight" in shapes:
        settings["num_labels"] = shapes["classifier.weight"][0]
    if generation == 1:
        return SwinConfig.from_dict(settings), tuple(notes)
    settings["pretrained_window_sizes"] = _pretrained_windows(weights, len(depths))
    return Swinv2Config.from_dict(settings), tuple(notes)


def _stage_window(weights: BackboneWeights, stage: int) -> int | None:
    """Side of a stage's window, from the original's buffers."""
    index = weights.buffers.get(f"layers.{stage}.blocks.0.attn.relative_position_index")
    return None if index is None or index.ndim != 2 else math.isqrt(index.shape[0])


def _image_size(weights: BackboneWeights, stages: int, patch: list[int]) -> int | None:
    """Side of the training images, from the number of windows in a stage's mask or a shrunk one."""
    whole = _stage_window(weights, 0)
    for stage in range(stages):
        mask = weights.buffers.get(f"layers.{stage}.blocks.1.attn_mask")
        if mask is not None and mask.ndim == 3:
            side = math.isqrt(mask.shape[0]) * math.isqrt(mask.shape[1])
            return side * patch[0] << stage
        window = _stage_window(weights, stage)
        if whole is not None and window is not None and window < whole:
            return window * patch[0] << stage
    return None


def _pretrained_windows(weights: BackboneWeights, stages: int) -> list[int]:
    """Windows that each stage's coordinates were scaled by: 0 where it is the window itself."""
    sizes = []
    for stage in range(stages):
        table = weights.buffers.get(f"layers.{stage}.blocks.0.attn.relative_coords_table")
        window, size = _stage_window(weights, stage), 0
        if table is not None and window is not None and window > 1 and table.numel():
            farthest = 2.0 ** (3.0 * float(table.max())) - 1.0  # 8 times its share of the window
            trained = round((window - 1) * 8.0 / farthest) + 1 if farthest > 0 else window
            size = 0 if trained == window else trained
        sizes.append(size)
    return sizes
