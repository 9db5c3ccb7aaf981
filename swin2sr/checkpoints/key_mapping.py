"""Key mapping: the parameter names of a restoration network in three layouts, from each to each.

``native`` are the names of our own modules, ``original`` those of the authors' ``.pth`` files
(mv-lab/swin2sr, JingyunLiang/SwinIR), ``hub`` those that transformers writes. Every parameter is
one row of a table, its name in the three layouts side by side; translating is looking up a row.
Two things are not renames: transformers keeps query, key and value apart, and the originals store
buffers that follow from the configuration (dropped on the way in, computed again on the way out).
transformers has no SwinIR: its hub names are the original's, which other programs read.

Source: parameter names of mv-lab/swin2sr ``models/network_swin2sr.py``, JingyunLiang/SwinIR
``models/network_swinir.py`` and transformers' ``Swin2SRForImageSuperResolution``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import torch
from torch import Tensor

from swin2sr.checkpoints.expected_shapes import (
    NativeWeights,
    State,
    expected_shapes,
    first_three,
)
from swin2sr.config import GENERATIONS, RestorationConfig
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.nn.position import relative_coordinates, relative_index
from swin2sr.nn.windows import shift_masks, window_kinds

Layout = Literal["native", "original", "hub"]
Row = tuple[str, str, str]  # one name in each of LAYOUTS, in their order

LAYOUTS: tuple[Layout, ...] = ("native", "original", "hub")
PARTS = ("query", "key", "value")  # the order of the rows in one qkv matrix

# In a row {i} is a group, {j} a block, {part} one of PARTS, and a final * is "weight" or "bias",
# in a "3conv" with the number of the convolution before it.
BODY: tuple[Row, ...] = (
    ("conv_first.*", "conv_first.*", "first_convolution.*"),
    ("embed.proj.*", "patch_embed.proj.*", "embeddings.patch_embeddings.projection.*"),
    ("embed.norm.*", "patch_embed.norm.*", "embeddings.patch_embeddings.layernorm.*"),
    ("absolute_position", "absolute_pos_embed", "embeddings.position_embeddings"),
    ("norm.*", "norm.*", "layernorm.*"),
    ("conv_after_body.*", "conv_after_body.*", "conv_after_body.*"),
)
GROUP: tuple[Row, ...] = (
    (".{i}.conv.*", ".{i}.conv.*", ".{i}.conv.*"),
    (".{i}.proj.*", ".{i}.patch_embed.proj.*", ".{i}.patch_embed.projection.*"),
)
BLOCK_PREFIXES: Row = (".{i}.blocks.{j}", ".{i}.residual_group.blocks.{j}", ".{i}.layers.{j}")
BLOCK: tuple[Row, ...] = (
    (".attention.proj.*", ".attn.proj.*", ".attention.output.dense.*"),
    (".norm1.*", ".norm1.*", ".layernorm_before.*"),
    (".norm2.*", ".norm2.*", ".layernorm_after.*"),
    (".mlp.fc1.*", ".mlp.fc1.*", ".intermediate.dense.*"),
    (".mlp.fc2.*", ".mlp.fc2.*", ".output.dense.*"),
)
ATTENTION_PREFIXES: Row = (".attention", ".attn", ".attention.self")
COSINE: tuple[Row, ...] = (  # attention of the second generation
    (".logit_scale", ".logit_scale", ".logit_scale"),
    (".q_bias", ".q_bias", ".query.bias"),
    (".v_bias", ".v_bias", ".value.bias"),
    (".qkv.weight", ".qkv.weight", ".{part}.weight"),
    (".position.fc1.*", ".cpb_mlp.0.*", ".continuous_position_bias_mlp.0.*"),
    (".position.fc2.weight", ".cpb_mlp.2.weight", ".continuous_position_bias_mlp.2.weight"),
)
TABLE: tuple[Row, ...] = (  # attention of the first
    (".qkv.*", ".qkv.*", ".{part}.*"),
    (".position.table", ".relative_position_bias_table", ".relative_position_bias_table"),
)


def with_prefix(prefixes: Row, rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows with each layout's own prefix."""
    native, original, hub = prefixes
    return tuple((native + row[0], original + row[1], hub + row[2]) for row in rows)


ATTENTION = {
    generation: with_prefix(ATTENTION_PREFIXES, rows)
    for generation, rows in ((1, TABLE), (2, COSINE))
}

# By generation; a first one has no projections, and those rows find nothing there.
TRUNKS = {
    generation: BODY
    + with_prefix(
        ("groups", "layers", "encoder.stages"),
        GROUP + with_prefix(BLOCK_PREFIXES, BLOCK + attention),
    )
    for generation, attention in ATTENTION.items()
}

# A chain of convolutions with a shuffle after each; transformers gives a single x3 step no number.
_STEPS: tuple[Row, ...] = tuple(
    (f"upsample.{2 * n}.*", f"upsample.{2 * n}.*", f"upsample.upsample.convolution_{n}.*")
    for n in range(5)
)
_ONE_STEP: tuple[Row, ...] = (("upsample.0.*", "upsample.0.*", "upsample.upsample.convolution.*"),)
_BEFORE: tuple[Row, ...] = (
    ("conv_before.*", "conv_before_upsample.0.*", "upsample.conv_before_upsample.*"),
)
_LAST: tuple[Row, ...] = (("conv_last.*", "conv_last.*", "upsample.final_convolution.*"),)
_AUX: tuple[Row, ...] = (
    ("conv_bicubic.*", "conv_bicubic.*", "upsample.conv_bicubic.*"),
    ("conv_aux.*", "conv_aux.*", "upsample.conv_aux.*"),
    ("conv_after_aux.*", "conv_after_aux.0.*", "upsample.conv_after_aux.0.*"),
)
_NEAREST: tuple[Row, ...] = tuple(
    (f"{name}.*", f"{name}.*", f"upsample.{name}.*") for name in ("conv_up1", "conv_up2", "conv_hr")
)

# Rows of each reconstruction head, most telling first: the first name of a head that occurs in a
# file decides. Native names lie below "head.".
HEADS: dict[str, tuple[Row, ...]] = {
    "pixelshuffle_aux": _AUX + _BEFORE + _STEPS + _LAST,
    "nearest+conv": _NEAREST[::-1] + _BEFORE + _LAST,
    "pixelshuffle": _BEFORE + _STEPS + _LAST,
    "pixelshuffledirect": (("upsample.0.*", "upsample.0.*", "upsample.conv.*"),),
    "": (("conv_last.*", "conv_last.*", "final_convolution.*"),),
}

_FIRST = dict(zip(LAYOUTS, (name.replace("*", "weight") for name in BODY[0]), strict=True))


@dataclass(frozen=True)
class KeyFormat:
    """Layout of parameter names, and the generation of the network they belong to."""

    layout: Layout
    generation: int


# Keys that only a file in this format has, all of them; with or without a head around the trunk.
_GROUP_0 = "groups.0.blocks.0.attention"
_LAYER_0 = "layers.0.residual_group.blocks.0.attn"
FORMAT_KEYS: tuple[tuple[KeyFormat, tuple[str, ...]], ...] = (
    (KeyFormat("native", 2), ("trunk.conv_first.weight", f"trunk.{_GROUP_0}.logit_scale")),
    (KeyFormat("native", 2), ("conv_first.weight", f"{_GROUP_0}.logit_scale")),
    (KeyFormat("native", 1), ("trunk.conv_first.weight", f"trunk.{_GROUP_0}.position.table")),
    (KeyFormat("native", 1), ("conv_first.weight", f"{_GROUP_0}.position.table")),
    (KeyFormat("hub", 2), ("swin2sr.first_convolution.weight",)),
    (
        KeyFormat("hub", 2),
        ("first_convolution.weight", "embeddings.patch_embeddings.projection.weight"),
    ),
    (KeyFormat("original", 2), ("conv_first.weight", f"{_LAYER_0}.logit_scale")),
    (KeyFormat("original", 1), ("conv_first.weight", f"{_LAYER_0}.relative_position_bias_table")),
)
TRUNK_PREFIXES: Row = ("trunk.", "", "swin2sr.")  # of the trunk's names beside a head

BUFFER = re.compile(
    r"(?:.*\.)?attn(?:\.relative_coords_table|\.relative_position_index|_mask)"
    r"|.*\.attention\.self\.(?:relative_coords_table|relative_position_index)"
    r"|(?:trunk\.|swin2sr\.)?mean"
)


@dataclass(frozen=True)
class NetworkKind:
    """Network kind: what decides which rows of the tables its names come from."""

    generation: int  # of Swin
    head: str | None  # upsampler; None without a head
    has_x3_step: bool  # the head enlarges by 3 in one convolution
    bare: bool  # a trunk alone (Swin2SRModel), whose names carry no prefix


@dataclass(frozen=True, eq=False, kw_only=True)
class RestorationWeights(NativeWeights):
    """Weights of a restoration network under native names."""

    kind: NetworkKind

    @property
    def window(self) -> int | None:
        """Side of the attention window, from the original's buffers; None without them."""
        indices = [b for n, b in self.buffers.items() if n.endswith("relative_position_index")]
        return next((math.isqrt(len(b)) for b in reversed(indices) if b.ndim == 2), None)

    def fits(self, config: RestorationConfig) -> bool:
        """Compare every name and every shape, and the window where it is known."""
        same = self.shapes == expected_shapes(config, bare=self.kind.bare)
        return same and not self.unknown and self.window in (None, config.layer_window)


def key_format(names: Iterable[str]) -> KeyFormat | None:
    """Key format of parameter names; None when they are no restoration network's."""
    present = set(names)
    return next((found for found, keys in FORMAT_KEYS if present.issuperset(keys)), None)


def head_of(state: Mapping[str, Tensor], layout: Layout) -> str | None:
    """Upsampler whose parameters are in ``state``; None when there are none (a bare trunk)."""
    column = LAYOUTS.index(layout)
    prefix = "head." if layout == "native" else ""
    for upsampler, rows in HEADS.items():
        if f"{prefix}{rows[0][column].replace('*', 'weight')}" in state:
            return upsampler
    return None


def is_bare(state: Mapping[str, Tensor], layout: Layout) -> bool:
    """Tell a trunk alone (``Swin2SRModel``) by its names."""
    prefix = TRUNK_PREFIXES[LAYOUTS.index(layout)]
    return f"{prefix}{_FIRST[layout]}" not in state if prefix else head_of(state, layout) is None


def native_weights(
    state: Mapping[str, Tensor], assumed: KeyFormat | None = None
) -> RestorationWeights | None:
    """Translate to native names, keeping apart what has none.

    Args:
        state: parameters in any layout, of a whole network or a bare trunk.
        assumed: key format, instead of the one that the names show.
    Returns:
        None when the names are in no known format.
    """
    found = assumed or key_format(state)
    if found is None:
        return None
    layout, head = found.layout, head_of(state, found.layout)
    has_x3_step = head is not None and _STEPS[0] in HEADS[head] and _has_x3_step(state, layout)
    kind = NetworkKind(found.generation, head, has_x3_step, is_bare(state, layout))
    renamed, unknown = rename(state, _rules(kind, layout, "native"))
    return RestorationWeights(
        network=GENERATIONS[found.generation].network,
        state=renamed,
        unknown=tuple(unknown),
        buffers={name: tensor for name, tensor in state.items() if BUFFER.fullmatch(name)},
        file_key=partial(key_in, _rules(kind, "native", layout)),
        kind=kind,
    )


def to_native(state: Mapping[str, Tensor]) -> State:
    """Translate to the names of our own modules; the values stay bit for bit.

    Args:
        state: parameters in any of the three layouts, of a whole network or of a bare trunk
            (``Swin2SRModel``, whose names carry no ``trunk.``). Buffers are dropped.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
    """
    return _known(state).state


def to_hub(state: Mapping[str, Tensor]) -> State:
    """Translate to the names that transformers reads; from any layout, bit for bit.

    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
    """
    weights = _known(state)
    return rename(weights.state, _rules(weights.kind, "native", "hub"))[0]


def to_original(state: Mapping[str, Tensor], config: RestorationConfig) -> State:
    """Translate to the names of the original, its buffers included, so that it loads strictly.

    Args:
        state: parameters in any of the three layouts.
        config: the network's configuration; the buffers follow from it.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
        ConfigError: ``image_size`` is not a multiple of the window; the original cannot be built.
    """
    weights = _known(state)
    original = rename(weights.state, _rules(weights.kind, "native", "original"))[0]
    return original | buffers(original, config)


def _known(state: Mapping[str, Tensor]) -> RestorationWeights:
    weights = native_weights(state)
    if weights is None:
        raise WeightsError(
            f"These {len(state)} tensors are no Swin2SR or SwinIR network (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
        )
    weights.require_known()
    return weights


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule]) -> tuple[State, list[str]]:
    """Rename by ``rules``; also return the names that none knows (buffers are dropped silently).

    A query, key or value without companions of its shape is left out: what is then missing shows
    when the result is compared with what a network has.
    """
    renamed: State = {}
    split: dict[str, State] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        found = _look_up(name, rules)
        if found is None:
            if not BUFFER.fullmatch(name):
                unknown.append(name)
            continue
        template, groups = found
        part = groups.pop("part", None)
        if part:
            split.setdefault(template.format(**groups), {})[part] = tensor
        elif "{part}" in template:
            for part, rows in zip(PARTS, tensor.chunk(3), strict=True):
                renamed[template.format(part=part, **groups)] = rows.clone()
        else:
            renamed[template.format(**groups)] = tensor
    for name, parts in split.items():
        same_shape = len({rows.shape for rows in parts.values()}) == 1
        if len(parts) == len(PARTS) and same_shape and parts[PARTS[0]].ndim:
            renamed[name] = torch.cat([parts[part] for part in PARTS])
    return renamed, unknown


def key_in(rules: Sequence[Rule], native: str) -> str:
    """Name of one native parameter in another layout, for messages."""
    found = _look_up(native, rules)
    return found[0].format(part=PARTS[0], **found[1]) if found else native


Rule = tuple[re.Pattern[str], str]  # pattern of a name in one layout, template of it in another


def _look_up(name: str, rules: Sequence[Rule]) -> tuple[str, dict[str, str]] | None:
    """Find the template of the first rule that fits ``name``, and what to fill it with."""
    for pattern, template in rules:
        match = pattern.fullmatch(name)
        if match:
            return template, match.groupdict()
    return None


@lru_cache(maxsize=64)
def _rules(kind: NetworkKind, source: Layout, target: Layout) -> tuple[Rule, ...]:
    """Rename rules of one kind of network, from one layout to another."""
    column, other = LAYOUTS.index(source), LAYOUTS.index(target)
    trunk = TRUNKS[kind.generation]
    rows = trunk if kind.bare else with_prefix(TRUNK_PREFIXES, trunk)
    if kind.head is not None:
        head = HEADS[kind.head]
        if kind.has_x3_step:
            head = (*_ONE_STEP, *(row for row in head if row not in _STEPS))
        rows += with_prefix(("head.", "", ""), head)
    if kind.generation == 1:  # transformers does not have it
        rows = tuple((native, original, original) for native, original, _ in rows)
    return rules_between((row[column], row[other]) for row in rows)


def rules_between(pairs: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Rename rules from pairs of names in two layouts."""
    return tuple((_pattern(name), other.replace("*", "{leaf}")) for name, other in pairs)


def _pattern(name: str) -> re.Pattern[str]:
    text = re.escape(name)
    for mark, group in (
        (r"\{i\}", r"(?P<i>\d+)"),
        (r"\{j\}", r"(?P<j>\d+)"),
        (r"\{part\}", rf"(?P<part>{'|'.join(PARTS)})"),
        (r"\*", r"(?P<leaf>(?:[024]\.)?(?:weight|bias))"),
    ):
        text = text.replace(mark, group)
    return re.compile(text)


def _has_x3_step(state: Mapping[str, Tensor], layout: Layout) -> bool:
    """Tell a single x3 step, whose hub name differs from that of a x2 step."""
    if layout == "hub":
        return _ONE_STEP[0][2].replace("*", "weight") in state
    name = ("head." if layout == "native" else "") + "upsample.0.weight"
    return name in state and state[name].shape[0] == 9 * state[name].shape[1]


def buffers(names: Iterable[str], config: RestorationConfig) -> State:
    """Buffers that the original keeps in its files, by original name.

    Args:
        names: original parameter names; they say which blocks exist.
        config: gives window, shift and ``image_size``.
    Returns:
        ``relative_position_index`` (w*w, w*w) int64 of every block, ``attn_mask`` (windows, w*w,
        w*w) float32 of odd blocks; for Swin2SR also ``relative_coords_table`` (1, 2w-1, 2w-1, 2)
        float32 of every block.
    Raises:
        ConfigError: ``image_size`` is not a multiple of the window.
    Source: ``WindowAttention.__init__`` and ``calculate_mask`` of mv-lab/swin2sr and
    JingyunLiang/SwinIR.
    """
    window, shift = config.layer_window, config.layer_shift
    if any(side % window for side in config.grid_size):
        raise ConfigError(
            f"The original code needs an image_size that is a multiple of the window {window}, "
            f"got {config.image_size}."
        )
    side = 2 * window - 1
    table = relative_coordinates(window).view(1, side, side, 2)
    index = relative_index(window)
    mask = window_masks(config.grid_size, window, shift) if shift else None
    ending = ".attn.proj.weight"
    found: State = {}
    for name in names:
        if name.endswith(ending):
            block = name.removesuffix(ending)
            found[f"{block}.attn.relative_position_index"] = index.clone()
            if config.generation == 2:
                found[f"{block}.attn.relative_coords_table"] = table.clone()
            if mask is not None and int(block.rpartition(".")[2]) % 2:
                found[f"{block}.attn_mask"] = mask.clone()
    return found


def window_masks(size: tuple[int, int], window: int, shift: int) -> Tensor:
    """Attention masks of all windows of a shifted map: (windows, w*w, w*w), 0 or -100."""
    return shift_masks(window, shift)[window_kinds(*size, window, shift)]
