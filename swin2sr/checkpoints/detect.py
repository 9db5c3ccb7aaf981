"""Detection of the network that weights belong to, read off their names and shapes.

Small rules, each answering one question (depths, scale, upsampler, ...). What they find is then
held against the list of every parameter such a network has, name by name and shape by shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from swin2sr.checkpoints.entry import describe
from swin2sr.checkpoints.expected_shapes import (
    FEATURES,
    NativeWeights,
    Shapes,
    expected_shapes,
    first_three,
)
from swin2sr.checkpoints.key_mapping import KeyFormat, RestorationWeights, native_weights
from swin2sr.config import GENERATIONS, RestorationConfig, Swin2SRConfig
from swin2sr.errors import ConfigError, WeightsError

# Other networks that people have lying around, by a name only they use; the first match counts.
OTHER_ARCHITECTURES: tuple[tuple[str, str], ...] = (
    ("HAT", r"layers\.\d+\.residual_group\.(overlap_attn|blocks\.\d+\.conv_block)\..*"),
    ("DAT", r"layers\.\d+\.blocks\.\d+\.attn\.attns\..*"),
    ("ESRGAN", r"(model\.1\.sub\.0\.RDB1|RRDB_trunk\.0\.RDB1|body\.0\.rdb1)\.conv1\..*"),
    ("RCAN", r"body\.0\.body\.0\.body\.0\.weight"),
    ("EDSR", r"body\.0\.body\.0\.weight"),
    ("Restormer", r"encoder_level1\.0\..*"),
    ("SCUNet", r"m_body\.0\..*"),
    ("Swin Transformer V2", r"(swinv2\..*|layers\.\d+\.blocks\.\d+\.attn\.logit_scale)"),
    (
        "Swin Transformer",
        r"(swin\..*|layers\.\d+\.blocks\.\d+\.attn\.relative_position_bias_table)",
    ),
    ("Real-ESRGAN (compact)", r"body\.\d+\.weight"),
)
_SWINIR_SUPERSET = "HAT"  # a SwinIR and more: its head is named as SwinIR's, its scale can be read
# In the original's code there is one more head; a file with it cannot come from a release.
UNRELEASED_HEAD = re.compile(r"(?:head\.)?(?:conv_first_hf|layers_hf|groups_hf)\..*")

# What weights say about a configuration; the window only where the original's buffers are there.
_VISIBLE = (
    *("embed_dim", "depths", "num_heads", "num_channels", "num_channels_out", "mlp_ratio"),
    *("qkv_bias", "use_absolute_embeddings", "resi_connection", "upsampler", "upscale"),
)
_OF_THE_HEAD = ("num_channels_out", "upsampler", "upscale")

# What reading settings off shapes may end in when the weights are not quite such a network's.
UNREADABLE = (ConfigError, KeyError, IndexError, ValueError, ArithmeticError)


def detect(state: Mapping[str, Tensor]) -> tuple[RestorationConfig, tuple[str, ...]]:
    """Detect the configuration of the network that ``state`` belongs to.

    Args:
        state: parameters in any layout, of a whole network or a bare trunk; only names and shapes
            are looked at.
    Returns:
        The configuration, and a note for everything that had to be assumed.
    Raises:
        WeightsError: "wrong_model", saying what the weights are instead where that is known.
    """
    weights = recognise(state)
    try:
        config, notes = _read_off(weights)
    except UNREADABLE as error:
        usual = GENERATIONS[weights.kind.generation]()
        fault = weights.mismatch_text(expected_shapes(usual, bare=weights.kind.bare))
        raise unknown_variant("The file", weights, f"against classical x2: {fault}") from error
    if not weights.fits(config):
        raise mismatch_error(weights, config, "what was read off it")
    return config, (f"Read off the weights: {describe(config)}.", *notes)


def recognise(state: Mapping[str, Tensor]) -> RestorationWeights:
    """Translate weights of a restoration network to native names.

    Raises:
        WeightsError: "wrong_model" for other weights, saying whose they are where that is known.
    """
    if any(map(UNRELEASED_HEAD.fullmatch, state)):
        raise WeightsError(
            "These weights have the head 'pixelshuffle_hf', which is not built here: no weights "
            "with it were ever released.",
            code="wrong_model",
        )
    label = _other_architecture(state)
    weights = native_weights(state)
    if weights is None or label == _SWINIR_SUPERSET:
        raise WeightsError(_other_network_text(label, state), code="wrong_model")
    return weights


def mismatch_error(
    weights: RestorationWeights, config: RestorationConfig, source: str
) -> WeightsError:
    """Error for weights that do not fit: settings they speak for, names and shapes that differ."""
    fault = weights.mismatch_text(expected_shapes(config, bare=weights.kind.bare))
    faults = [*_contradictions(weights, config), *filter(None, [fault])]
    return WeightsError(
        f"The configuration does not fit {source}: {'; '.join(faults)}.", code="wrong_model"
    )


def unknown_variant(source: str, weights: NativeWeights, reason: object) -> WeightsError:
    """Error for weights whose settings cannot be read off, of a network that is known otherwise."""
    return WeightsError(
        f"{source} holds a variant of {weights.network} that this package "
        f"does not know ({reason}).",
        code="wrong_model",
    )


# ------------------------------------------------------------------------------------------- rules


def _read_off(weights: RestorationWeights) -> tuple[RestorationConfig, tuple[str, ...]]:
    """Apply the rules; any of ``UNREADABLE`` when they do not work out."""
    notes: list[str] = []
    shapes, kind = _trunk(weights), weights.kind
    depths, heads = layers_and_heads(shapes, "groups", kind.generation)
    width, colours = shapes["conv_first.weight"][:2]
    window = weights.window or window_of_table(shapes.get(f"groups.{BLOCK_0}.position.table")) or 8
    if weights.window is None and kind.generation == 2:
        notes.append("The window size is not in the weights: 8 is assumed.")
    if window == 7:
        notes.append("A window of 7 is taken to mean pixel values of 0..255 inside (img_range).")
    upsampler, scale, colours_out = kind.head, 2, colours
    if upsampler is None:
        notes.append("These weights have no reconstruction head.")
        upsampler = "pixelshuffle"
    else:
        scale, colours_out = _scale(weights, colours)
    config = GENERATIONS[kind.generation](
        image_size=_image_size(weights, window, depths),
        num_channels=colours,
        num_channels_out=colours_out,
        embed_dim=width,
        depths=depths,
        num_heads=heads,
        window_size=window,
        mlp_ratio=mlp_ratio(shapes["groups.0.blocks.0.mlp.fc1.weight"][0], width),
        qkv_bias=has_qkv_bias(shapes, "groups"),
        use_absolute_embeddings="absolute_position" in shapes,
        upscale=scale,
        img_range=255.0 if window == 7 else 1.0,
        resi_connection="3conv" if "conv_after_body.0.weight" in shapes else "1conv",
        upsampler=upsampler,
    )
    return config, tuple(notes)


def _trunk(weights: RestorationWeights) -> Shapes:
    """Shapes of a trunk's parameters, without the prefix they have beside a head."""
    shapes = weights.shapes
    return {name.removeprefix("trunk."): shape for name, shape in shapes.items()}


BLOCK_0 = "0.blocks.0.attention"  # of the first group or stage


def layers_and_heads(
    shapes: Shapes, groups: str, generation: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count the layers of each group or stage, and read its heads off temperatures or biases.

    Raises:
        KeyError: a group is missing.
    """
    ending, axis = {1: ("position.table", 1), 2: ("logit_scale", 0)}[generation]
    pattern = re.compile(rf"{groups}\.(\d+)\.blocks\.\d+\.attention\.{re.escape(ending)}")
    heads: dict[int, list[int]] = {}
    for name, shape in shapes.items():
        if match := pattern.fullmatch(name):
            heads.setdefault(int(match[1]), []).append(shape[axis])
    found = [heads[group] for group in range(len(heads))]
    return tuple(map(len, found)), tuple(group[0] for group in found)


def window_of_table(table: tuple[int, ...] | None) -> int | None:
    """Side of the window that a table of (2 * window - 1)^2 biases is made for."""
    return (math.isqrt(table[0]) + 1) // 2 if table else None


def has_qkv_bias(shapes: Shapes, groups: str) -> bool:
    """Tell whether the first layer's queries have a bias, in either generation."""
    return any(f"{groups}.{BLOCK_0}.{name}" in shapes for name in ("q_bias", "qkv.bias"))


def mlp_ratio(hidden: int, width: int) -> float:
    """Smallest ``mlp_ratio`` that gives ``hidden`` when multiplied and cut off."""
    ratio = hidden / width
    return ratio if int(ratio * width) == hidden else math.nextafter(ratio, math.inf)


def _image_size(weights: RestorationWeights, window: int, depths: tuple[int, ...]) -> int:
    masks = [b for n, b in weights.buffers.items() if n.endswith("attn_mask") and b.ndim == 3]
    windows = len(masks[-1]) if masks else 0
    if windows and math.isqrt(windows) ** 2 == windows:
        return math.isqrt(windows) * window
    shapes = _trunk(weights)
    if "absolute_position" in shapes:
        return math.isqrt(shapes["absolute_position"][1])
    # Where buffers were kept but no mask is among them, no layer is shifted: one window is all.
    return window if weights.window and not windows and max(depths) > 1 else 64


def _scale(weights: RestorationWeights, colours: int) -> tuple[int, int]:
    """Read (factor, colours out) off the head."""
    shapes, upsampler = weights.shapes, weights.kind.head
    if upsampler == "pixelshuffledirect":
        channels = shapes["head.upsample.0.weight"][0]
        for colours_out in (colours, 3, 1):
            factor = math.isqrt(channels // colours_out)
            if factor * factor * colours_out == channels:
                return factor, colours_out
        raise ValueError(f"{channels} channels are no whole factor")
    colours_out = shapes["head.conv_last.weight"][0]
    if upsampler == "":
        return 1, colours_out
    if upsampler == "nearest+conv":
        return (4 if "head.conv_up2.weight" in shapes else 2), colours_out
    steps = re.compile(r"head\.upsample\.\d+\.weight")
    factors = [
        math.isqrt(shape[0] // FEATURES) for name, shape in shapes.items() if steps.fullmatch(name)
    ]
    return math.prod(factors), colours_out


# ----------------------------------------------------------------------------------- what to report


def _contradictions(weights: RestorationWeights, config: RestorationConfig) -> list[str]:
    """Settings that the weights speak for and the configuration against."""
    try:
        detected, _ = _read_off(weights)
    except UNREADABLE:
        return []
    names = [name for name in _VISIBLE if not (weights.kind.bare and name in _OF_THE_HEAD)]
    if weights.window is not None and weights.window != config.layer_window:
        names.append("window_size")
    return [
        f"{name} is {getattr(detected, name)!r} in the weights, {getattr(config, name)!r} in the "
        "configuration"
        for name in names
        if getattr(detected, name) != getattr(config, name)
    ]


def _other_architecture(state: Mapping[str, Tensor]) -> str | None:
    """Name of the other network that ``state`` is known to be, if it is one."""
    for label, pattern in OTHER_ARCHITECTURES:
        known = re.compile(pattern)
        if any(map(known.fullmatch, state)):
            return label
    return None


def _other_network_text(label: str | None, state: Mapping[str, Tensor]) -> str:
    """Sentence on weights that are no restoration network of ours, and what they lack."""
    if label is None:
        return (
            f"These {len(state)} tensors are not Swin2SR or SwinIR weights, nor another network "
            f"that this package knows by name (first: {first_three(list(state))})."
        )
    weights = native_weights(state, KeyFormat("original", 2))
    assert weights is not None
    config, scale = Swin2SRConfig(), ""
    if label == _SWINIR_SUPERSET and weights.kind.head is not None:
        try:
            factor, _ = _scale(weights, 3)
            config = config.replace(upsampler=weights.kind.head, upscale=factor)
            scale = f" x{factor}"
        except UNREADABLE:
            pass
    fault = weights.mismatch_text(expected_shapes(config, bare=weights.kind.bare))
    return f"This is {label}{scale}, not Swin2SR or SwinIR: {fault}."
