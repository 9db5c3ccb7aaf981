"""Three dialects for one network's parameters, and the way from each to each.

``native`` are the names of our own modules, ``original`` those of the authors' ``.pth`` files
(mv-lab/swin2sr, JingyunLiang/SwinIR), ``hub`` those that transformers writes. Every parameter is
one row of a table, its name in the three dialects side by side; translating is looking up a row.
Two things are not renames: transformers keeps query, key and value apart, and the originals store
buffers that follow from the configuration (dropped on the way in, computed again on the way out).
transformers has no SwinIR: its hub names are the original's, which other programs read.

Source: parameter names of mv-lab/swin2sr ``models/network_swin2sr.py``, JingyunLiang/SwinIR
``models/network_swinir.py`` and transformers' ``Swin2SRForImageSuperResolution``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from swin2sr.config import GENERATIONS, RestorationConfig
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.nn.position import relative_coordinates, relative_index
from swin2sr.nn.windows import shift_masks

Layout = Literal["native", "original", "hub"]
State = dict[str, Tensor]
Row = tuple[str, str, str]  # one name in the dialects of LAYOUTS, in their order

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
COSINE: tuple[Row, ...] = (  # attention of the second generation
    (".attention.logit_scale", ".attn.logit_scale", ".attention.self.logit_scale"),
    (".attention.q_bias", ".attn.q_bias", ".attention.self.query.bias"),
    (".attention.v_bias", ".attn.v_bias", ".attention.self.value.bias"),
    (".attention.qkv.weight", ".attn.qkv.weight", ".attention.self.{part}.weight"),
    (
        ".attention.position.fc1.*",
        ".attn.cpb_mlp.0.*",
        ".attention.self.continuous_position_bias_mlp.0.*",
    ),
    (
        ".attention.position.fc2.weight",
        ".attn.cpb_mlp.2.weight",
        ".attention.self.continuous_position_bias_mlp.2.weight",
    ),
)
TABLE: tuple[Row, ...] = (  # attention of the first
    (".attention.qkv.*", ".attn.qkv.*", ".attention.self.{part}.*"),
    (
        ".attention.position.table",
        ".attn.relative_position_bias_table",
        ".attention.self.relative_position_bias_table",
    ),
)
ATTENTION = {1: TABLE, 2: COSINE}


def joined(prefixes: Row, rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with each dialect's own prefix."""
    native, original, hub = prefixes
    return tuple((native + row[0], original + row[1], hub + row[2]) for row in rows)


def _groups(prefixes: Row, attention: tuple[Row, ...]) -> tuple[Row, ...]:
    """Rows of a list of residual groups that lies at ``prefixes``."""
    return joined(prefixes, GROUP + joined(BLOCK_PREFIXES, BLOCK + attention))


# By generation; a first one has no projections, and those rows find nothing there.
TRUNKS = {
    generation: BODY + _groups(("groups", "layers", "encoder.stages"), attention)
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
class Dialect:
    """In whose names some weights are written, and of which generation their network is."""

    layout: Layout
    generation: int


# Names that only a file in this dialect has, all of them; with or without a head around the trunk.
_GROUP_0 = "groups.0.blocks.0.attention"
_LAYER_0 = "layers.0.residual_group.blocks.0.attn"
LANDMARKS: tuple[tuple[Dialect, tuple[str, ...]], ...] = (
    (Dialect("native", 2), ("trunk.conv_first.weight", f"trunk.{_GROUP_0}.logit_scale")),
    (Dialect("native", 2), ("conv_first.weight", f"{_GROUP_0}.logit_scale")),
    (Dialect("native", 1), ("trunk.conv_first.weight", f"trunk.{_GROUP_0}.position.table")),
    (Dialect("native", 1), ("conv_first.weight", f"{_GROUP_0}.position.table")),
    (Dialect("hub", 2), ("swin2sr.first_convolution.weight",)),
    (
        Dialect("hub", 2),
        ("first_convolution.weight", "embeddings.patch_embeddings.projection.weight"),
    ),
    (Dialect("original", 2), ("conv_first.weight", f"{_LAYER_0}.logit_scale")),
    (Dialect("original", 1), ("conv_first.weight", f"{_LAYER_0}.relative_position_bias_table")),
)
WHOLE: Row = ("trunk.", "", "swin2sr.")  # before the trunk's names in a network with a head

BUFFER = re.compile(
    r"(?:.*\.)?attn(?:\.relative_coords_table|\.relative_position_index|_mask)"
    r"|.*\.attention\.self\.(?:relative_coords_table|relative_position_index)"
    r"|(?:trunk\.|swin2sr\.)?mean"
)


def dialect_of(names: Iterable[str]) -> Dialect | None:
    """The dialect that parameter names are in; None when they are no restoration network's."""
    present = set(names)
    for dialect, landmarks in LANDMARKS:
        if present.issuperset(landmarks):
            return dialect
    return None


def head_of(state: Mapping[str, Tensor], layout: Layout) -> str | None:
    """The upsampler whose parameters are in ``state``; None when there are none (a bare trunk)."""
    column = LAYOUTS.index(layout)
    prefix = "head." if layout == "native" else ""
    for upsampler, rows in HEADS.items():
        if f"{prefix}{rows[0][column].replace('*', 'weight')}" in state:
            return upsampler
    return None


@dataclass(frozen=True)
class Kind:
    """What decides the names of a network: generation, head, a x3 step in it, no head at all."""

    generation: int
    head: str | None
    thrice: bool
    bare: bool


def kind_of(state: Mapping[str, Tensor], dialect: Dialect) -> Kind:
    """Which rows of the tables apply to ``state``."""
    layout = dialect.layout
    head = head_of(state, layout)
    thrice = head is not None and _STEPS[0] in HEADS[head] and _steps_by_three(state, layout)
    return Kind(dialect.generation, head, thrice, is_bare(state, layout))


def is_bare(state: Mapping[str, Tensor], layout: Layout) -> bool:
    """Whether ``state`` is a trunk alone (``Swin2SRModel``), by the names of the trunk."""
    prefix = WHOLE[LAYOUTS.index(layout)]
    return f"{prefix}{_FIRST[layout]}" not in state if prefix else head_of(state, layout) is None


def to_native(state: Mapping[str, Tensor]) -> State:
    """Translate to the names of our own modules; the values stay bit for bit.

    Args:
        state: parameters in any of the three dialects, of a whole network or of a bare trunk
            (``Swin2SRModel``, whose names carry no ``trunk.``). Buffers are dropped.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
    """
    dialect = _dialect(state)
    renamed, unknown = translate(state, dialect, "native")
    if unknown:
        network = GENERATIONS[dialect.generation].network
        raise WeightsError(
            f"{len(unknown)} of {len(state)} names are not {network}'s: {first_three(unknown)}.",
            code="wrong_model",
        )
    return renamed


def to_hub(state: Mapping[str, Tensor]) -> State:
    """Translate to the names that transformers reads; from any dialect, bit for bit.

    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
    """
    native = to_native(state)
    return translate(native, _dialect(native), "hub")[0]


def to_original(state: Mapping[str, Tensor], config: RestorationConfig) -> State:
    """Translate to the names of the original, its buffers included, so that it loads strictly.

    Args:
        state: parameters in any of the three dialects.
        config: the network's configuration; the buffers follow from it.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
        ConfigError: ``image_size`` is not a multiple of the window; the original cannot be built.
    """
    native = to_native(state)
    original = translate(native, _dialect(native), "original")[0]
    return original | buffers(original, config)


def translate(
    state: Mapping[str, Tensor], source: Dialect, target: Layout
) -> tuple[State, list[str]]:
    """Rename ``state``; also return the names that no row knows. See ``rename``."""
    return rename(state, _rules(kind_of(state, source), source.layout, target))


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule]) -> tuple[State, list[str]]:
    """Rename by ``rules``; also return the names that none knows (buffers are dropped silently).

    A query, key or value without companions of its shape is left out: what is then missing shows
    when the result is compared with what a network has.
    """
    renamed: State = {}
    split: dict[str, State] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        found = look_up(name, rules)
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
    for name, pieces in split.items():
        alike = len({piece.shape for piece in pieces.values()}) == 1
        if len(pieces) == len(PARTS) and alike and pieces[PARTS[0]].ndim:
            renamed[name] = torch.cat([pieces[part] for part in PARTS])
    return renamed, unknown


def name_in(layout: Layout, native: str, kind: Kind) -> str:
    """What one native parameter is called in another dialect (for messages)."""
    found = look_up(native, _rules(kind, "native", layout))
    return found[0].format(part=PARTS[0], **found[1]) if found else native


def first_three(names: Sequence[str]) -> str:
    """The first three names, made safe to print."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")


Rule = tuple[re.Pattern[str], str]


def look_up(name: str, rules: Sequence[Rule]) -> tuple[str, dict[str, str]] | None:
    """The template of the first rule that fits ``name``, and what to fill it with."""
    for pattern, template in rules:
        match = pattern.fullmatch(name)
        if match:
            return template, match.groupdict()
    return None


@lru_cache(maxsize=64)
def _rules(kind: Kind, source: Layout, target: Layout) -> tuple[Rule, ...]:
    """The table of one kind of network as (pattern of the source's name, target's template)."""
    column, other = LAYOUTS.index(source), LAYOUTS.index(target)
    trunk = TRUNKS[kind.generation]
    rows = trunk if kind.bare else joined(WHOLE, trunk)
    if kind.head is not None:
        head = HEADS[kind.head]
        if kind.thrice:
            head = (*_ONE_STEP, *(row for row in head if row not in _STEPS))
        rows += joined(("head.", "", ""), head)
    if kind.generation == 1:  # transformers does not have it
        rows = tuple((native, original, original) for native, original, _ in rows)
    return rules_between((row[column], row[other]) for row in rows)


def rules_between(pairs: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Pairs of names of a table as (pattern of the one, template of the other)."""
    return tuple((_pattern(name), _template(other)) for name, other in pairs)


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


def _template(name: str) -> str:
    return name.replace("*", "{leaf}")


def _steps_by_three(state: Mapping[str, Tensor], layout: Layout) -> bool:
    """Whether there is a single x3 step, whose hub name differs from that of a x2 step."""
    if layout == "hub":
        return _ONE_STEP[0][2].replace("*", "weight") in state
    name = ("head." if layout == "native" else "") + "upsample.0.weight"
    return name in state and state[name].shape[0] == 9 * state[name].shape[1]


def _dialect(state: Mapping[str, Tensor]) -> Dialect:
    dialect = dialect_of(state)
    if dialect is None:
        raise WeightsError(
            f"These {len(state)} tensors are no Swin2SR or SwinIR network (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
        )
    return dialect


def buffers(names: Iterable[str], config: RestorationConfig) -> State:
    """The buffers that the original keeps in its files, by original name.

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
    mask = whole_mask(config.grid_size, window, shift) if shift else None
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


def whole_mask(size: tuple[int, int], window: int, shift: int) -> Tensor:
    """The masks of all windows of a shifted map of ``size``: (windows, w*w, w*w), 0 or -100."""
    last_row, last_column = (
        (torch.arange(side // window) == side // window - 1).long() for side in size
    )
    kinds = 2 * last_row[:, None] + last_column[None, :]
    return shift_masks(window, shift)[kinds.flatten()]
