"""What backbone some weights belong to, read off their names and shapes, and whether they fit.

Source: parameters and buffers of microsoft/Swin-Transformer ``SwinTransformer`` and
``SwinTransformerV2``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from swin2sr.backbones.config import BACKBONES, BackboneConfig, SwinConfig, Swinv2Config
from swin2sr.backbones.expected_shapes import head_shapes, trunk_shapes
from swin2sr.backbones.key_mapping import Dialect, as_in_files, dialect_of, name_in, translate
from swin2sr.checkpoints import key_mapping
from swin2sr.checkpoints.expected_shapes import Shapes
from swin2sr.checkpoints.key_mapping import State, first_three
from swin2sr.errors import ConfigError, WeightsError

_BUFFERS_AT = ".attention.self.", ".attn."  # in transformers' names, in Microsoft's
ASSUMED = {1: (7, 224), 2: (8, 256)}  # window and image size of the smallest published networks
KINDS: dict[int, type[BackboneConfig]] = {kind.generation: kind for kind in BACKBONES.values()}


@dataclass(frozen=True, eq=False)
class View:
    """Some weights as a backbone's.

    ``state`` is by canonical native name, ``unknown`` are names that no table knows, ``buffers``
    what the original keeps besides, by its name.
    """

    dialect: Dialect
    state: State
    unknown: tuple[str, ...]
    buffers: State

    @property
    def shapes(self) -> Shapes:
        """Shape of each parameter."""
        return {name: tuple(tensor.shape) for name, tensor in self.state.items()}


def view(state: Mapping[str, Tensor], source: str) -> View:
    """See some weights as a backbone's.

    Args:
        state: parameters in any layout.
        source: what to call them in the message.
    Raises:
        WeightsError: "wrong_model" when they are none's, saying what they are where that is known.
    """
    state = as_in_files(state)
    dialect = dialect_of(state)
    if dialect is None:
        other = key_mapping.dialect_of(state)
        what = "Swin2SR or SwinIR weights" if other else "not weights of a Swin or SwinV2 backbone"
        raise WeightsError(
            f"{source} holds {len(state)} tensors that are {what} (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
            remedy="Load them with Upscaler." if other else "",
        )
    native, unknown = translate(state, dialect, "native", "")
    buffers = {
        name.removeprefix(dialect.prefix).removeprefix("encoder.").replace(*_BUFFERS_AT): tensor
        for name, tensor in state.items()
        if key_mapping.BUFFER.fullmatch(name)
    }
    return View(dialect, native, tuple(unknown), buffers)


def detect(seen: View, source: str) -> tuple[BackboneConfig, tuple[str, ...]]:
    """The configuration of the network that weights belong to.

    Returns:
        The configuration, and a note for everything that had to be assumed.
    Raises:
        WeightsError: "wrong_model", when nothing that can be built is like them.
    """
    try:
        config, notes = _read_off(seen)
    except (ConfigError, KeyError, IndexError, ValueError, ArithmeticError) as error:
        raise WeightsError(
            f"{source} holds a variant of {KINDS[seen.dialect.generation].network} that this "
            f"package does not know ({error}).",
            code="wrong_model",
        ) from error
    heads = ", ".join(map(str, config.depths))
    note = f"Read off the weights: {config.network} of {heads} layers, width {config.embed_dim}."
    return config, (note, *notes)


def check(seen: View, config: BackboneConfig, source: str) -> None:
    """Hold weights against ``config``: every name and every shape but the classifier's.

    Raises:
        WeightsError: "wrong_model"; counts what is missing, not expected and of another shape, and
            names the first three of each.
    """
    if seen.dialect.generation != config.generation:
        raise WeightsError(
            f"The configuration is for {config.network}; {source} holds weights of "
            f"{KINDS[seen.dialect.generation].network}.",
            code="wrong_model",
        )
    if sum(config.depths) > len(seen.state):  # never list what a hostile configuration asks for
        raise WeightsError(
            f"The configuration asks for {sum(config.depths)} layers; {source} holds only "
            f"{len(seen.state)} parameters.",
            code="wrong_model",
        )
    needed, allowed, shapes = trunk_shapes(config), head_shapes(config), seen.shapes

    def named(names: Iterable[str]) -> list[str]:
        return [name_in(seen.dialect, name) for name in names]

    missing = named(name for name in needed if name not in shapes)
    heads = ("embed.mask_token", "classifier.", "decoder.")
    extra = named(n for n in shapes if n not in needed and not n.startswith(heads))
    wanted = needed | {n: shape for n, shape in allowed.items() if not n.startswith("classifier.")}
    other = [
        f"{name_in(seen.dialect, name)} is {shape} and should be {wanted[name]}"
        for name, shape in shapes.items()
        if wanted.get(name, shape) != shape
    ]
    told = [
        f"{len(names)} {fault} ({first_three(names)})"
        for names, fault in (
            (missing, "missing"),
            ([*seen.unknown, *extra], "not expected"),
            (other, "of another shape"),
        )
        if names
    ]
    if told:
        raise WeightsError(
            f"{source} does not fit its configuration: {', '.join(told)}.", code="wrong_model"
        )


# ------------------------------------------------------------------------------------------- rules


def _read_off(seen: View) -> tuple[BackboneConfig, tuple[str, ...]]:
    shapes, generation = seen.shapes, seen.dialect.generation
    notes: list[str] = []
    depths = _depths(shapes)
    width, channels, *patch = shapes["embed.proj.weight"]
    ending, axis = {1: ("position.table", 1), 2: ("logit_scale", 0)}[generation]
    heads = tuple(
        shapes[f"stages.{i}.blocks.0.attention.{ending}"][axis] for i in range(len(depths))
    )
    window = _window(seen)
    if window is None:
        window = ASSUMED[generation][0]
        notes.append(f"The window size is not in the weights: {window} is assumed.")
    size = _image_size(seen, len(depths), patch)
    if size is None:
        size = ASSUMED[generation][1]
        if "embed.position" in shapes:
            size = math.isqrt(shapes["embed.position"][1]) * patch[0]
        elif generation == 2:
            notes.append(f"The image size is not in the weights: {size} is assumed.")
    reduction = patch[0] << (len(depths) - 1)
    if "decoder.weight" in shapes:
        reduction = math.isqrt(shapes["decoder.weight"][0] // channels)
    first = "stages.0.blocks.0"
    settings: dict[str, Any] = {
        "image_size": size,
        "patch_size": patch[0] if patch[0] == patch[1] else tuple(patch),
        "num_channels": channels,
        "embed_dim": width,
        "depths": depths,
        "num_heads": heads,
        "window_size": window,
        "mlp_ratio": _ratio(shapes[f"{first}.mlp.fc1.weight"][0], width),
        "qkv_bias": any(f"{first}.attention.{n}" in shapes for n in ("qkv.bias", "q_bias")),
        "use_absolute_embeddings": "embed.position" in shapes,
        "encoder_stride": reduction,
    }
    if "classifier.weight" in shapes:
        settings["num_labels"] = shapes["classifier.weight"][0]
    if generation == 1:
        return SwinConfig.from_dict(settings), tuple(notes)
    settings["pretrained_window_sizes"] = _pretrained_windows(seen, len(depths))
    return Swinv2Config.from_dict(settings), tuple(notes)


def _ratio(hidden: int, width: int) -> float:
    """The smallest ``mlp_ratio`` that gives ``hidden`` when multiplied and cut off."""
    ratio = hidden / width
    return ratio if int(ratio * width) == hidden else math.nextafter(ratio, math.inf)


def _depths(shapes: Shapes) -> tuple[int, ...]:
    pattern = re.compile(r"stages\.(\d+)\.blocks\.\d+\.norm1\.weight")
    found = [int(match[1]) for match in map(pattern.fullmatch, shapes) if match]
    if set(found) != set(range(max(found) + 1)):
        raise ValueError("a stage is missing")
    return tuple(found.count(stage) for stage in range(max(found) + 1))


def _window(seen: View) -> int | None:
    """Side of the first stage's window: of its table of biases (Swin) or its buffers (SwinV2)."""
    table = seen.shapes.get("stages.0.blocks.0.attention.position.table")
    if table is not None:
        return (math.isqrt(table[0]) + 1) // 2
    return _stage_window(seen, 0)


def _stage_window(seen: View, stage: int) -> int | None:
    index = seen.buffers.get(f"layers.{stage}.blocks.0.attn.relative_position_index")
    return None if index is None or index.ndim != 2 else math.isqrt(index.shape[0])


def _image_size(seen: View, stages: int, patch: list[int]) -> int | None:
    """Side of the training images: from how many windows a stage's mask has, or a shrunk window."""
    whole = _stage_window(seen, 0)
    for stage in range(stages):
        mask = seen.buffers.get(f"layers.{stage}.blocks.1.attn_mask")
        if mask is not None and mask.ndim == 3:
            side = math.isqrt(mask.shape[0]) * math.isqrt(mask.shape[1])
            return side * patch[0] << stage
        window = _stage_window(seen, stage)
        if whole is not None and window is not None and window < whole:
            return window * patch[0] << stage
    return None


def _pretrained_windows(seen: View, stages: int) -> list[int]:
    """What each stage's coordinates were scaled by: 0 where it is the window itself."""
    sizes = []
    for stage in range(stages):
        table = seen.buffers.get(f"layers.{stage}.blocks.0.attn.relative_coords_table")
        window, size = _stage_window(seen, stage), 0
        if table is not None and window is not None and window > 1 and table.numel():
            farthest = 2.0 ** (3.0 * float(table.max())) - 1.0  # 8 times its share of the window
            trained = round((window - 1) * 8.0 / farthest) + 1 if farthest > 0 else window
            size = 0 if trained == window else trained
        sizes.append(size)
    return sizes
