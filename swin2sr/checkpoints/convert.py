"""Three dialects for one network's parameters, and the way from each to each.

``native`` are the names of our own modules, ``original`` those of mv-lab/swin2sr's ``.pth`` files,
``hub`` those that transformers writes. Every parameter is one row of a table, its name in the three
dialects side by side; translating is looking up a row. Two things are not renames: transformers
keeps query, key and value apart, and the original stores buffers that follow from the
configuration (dropped on the way in, computed again on the way out).

Source: parameter names of mv-lab/swin2sr ``models/network_swin2sr.py`` and of transformers'
``Swin2SRForImageSuperResolution``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError, WeightsError

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
    (".attention.logit_scale", ".attn.logit_scale", ".attention.self.logit_scale"),
    (".attention.q_bias", ".attn.q_bias", ".attention.self.query.bias"),
    (".attention.v_bias", ".attn.v_bias", ".attention.self.value.bias"),
    (".attention.qkv.weight", ".attn.qkv.weight", ".attention.self.{part}.weight"),
    (".attention.proj.*", ".attn.proj.*", ".attention.output.dense.*"),
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
    (".norm1.*", ".norm1.*", ".layernorm_before.*"),
    (".norm2.*", ".norm2.*", ".layernorm_after.*"),
    (".mlp.fc1.*", ".mlp.fc1.*", ".intermediate.dense.*"),
    (".mlp.fc2.*", ".mlp.fc2.*", ".output.dense.*"),
)


def _joined(prefixes: Row, rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with each dialect's own prefix."""
    native, original, hub = prefixes
    return tuple((native + row[0], original + row[1], hub + row[2]) for row in rows)


def _groups(prefixes: Row) -> tuple[Row, ...]:
    """Rows of a list of residual groups that lies at ``prefixes``."""
    return _joined(prefixes, GROUP + _joined(BLOCK_PREFIXES, BLOCK))


TRUNK = BODY + _groups(("groups", "layers", "encoder.stages"))

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
# transformers has no such head and no weights were released: the hub names are ours, in its manner.
_HF: tuple[Row, ...] = (
    ("conv_first_hf.*", "conv_first_hf.0.*", "upsample.conv_first_hf.*"),
    ("conv_after_body_hf.*", "conv_after_body_hf.*", "upsample.conv_after_body_hf.*"),
    ("conv_before_hf.*", "conv_before_upsample_hf.0.*", "upsample.conv_before_upsample_hf.*"),
    ("conv_last_hf.*", "conv_last_hf.*", "upsample.final_convolution_hf.*"),
    *_groups(("groups_hf", "layers_hf", "upsample.stages_hf")),
    *(
        (f"upsample_hf.{2 * n}.*", f"upsample_hf.{2 * n}.*", f"upsample.upsample_hf.{2 * n}.*")
        for n in range(5)
    ),
)
_NEAREST: tuple[Row, ...] = tuple(
    (f"{name}.*", f"{name}.*", f"upsample.{name}.*") for name in ("conv_up1", "conv_up2", "conv_hr")
)

# Rows of each reconstruction head, most telling first: the first name of a head that occurs in a
# file decides. Native names lie below "head.".
HEADS: dict[str, tuple[Row, ...]] = {
    "pixelshuffle_aux": _AUX + _BEFORE + _STEPS + _LAST,
    "nearest+conv": _NEAREST[::-1] + _BEFORE + _LAST,
    "pixelshuffle_hf": _HF + _BEFORE + _STEPS + _LAST,
    "pixelshuffle": _BEFORE + _STEPS + _LAST,
    "pixelshuffledirect": (("upsample.0.*", "upsample.0.*", "upsample.conv.*"),),
    "": (("conv_last.*", "conv_last.*", "final_convolution.*"),),
}

_FIRST = dict(zip(LAYOUTS, (name.replace("*", "weight") for name in BODY[0]), strict=True))

# Names that only a file in this dialect has, all of them; with or without a head around the trunk.
LANDMARKS: tuple[tuple[Layout, tuple[str, ...]], ...] = (
    ("native", ("trunk.conv_first.weight", "trunk.groups.0.blocks.0.attention.logit_scale")),
    ("native", ("conv_first.weight", "groups.0.blocks.0.attention.logit_scale")),
    ("hub", ("swin2sr.first_convolution.weight",)),
    ("hub", ("first_convolution.weight", "embeddings.patch_embeddings.projection.weight")),
    ("original", ("conv_first.weight", "layers.0.residual_group.blocks.0.attn.logit_scale")),
)
WHOLE: Row = ("trunk.", "", "swin2sr.")  # before the trunk's names in a network with a head

BUFFER = re.compile(
    r"(?:.*\.)?attn(?:\.relative_coords_table|\.relative_position_index|_mask)"
    r"|.*\.attention\.self\.(?:relative_coords_table|relative_position_index)"
    r"|(?:trunk\.|swin2sr\.)?mean"
)
MASKED = -100.0


def layout_of(names: Iterable[str]) -> Layout | None:
    """The dialect that parameter names are in; None when they are not a Swin2SR's."""
    present = set(names)
    for layout, landmarks in LANDMARKS:
        if present.issuperset(landmarks):
            return layout
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
    """What decides the names of a network: its head, a x3 step in it, no head at all."""

    head: str | None
    thrice: bool
    bare: bool


def kind_of(state: Mapping[str, Tensor], layout: Layout) -> Kind:
    """Which rows of the tables apply to ``state``."""
    head = head_of(state, layout)
    stepwise = head is not None and _STEPS[0] in HEADS[head]
    return Kind(head, stepwise and _steps_by_three(state, layout), is_bare(state, layout))


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
    layout = _layout(state)
    renamed, unknown = translate(state, layout, "native")
    if unknown:
        raise WeightsError(
            f"{len(unknown)} of {len(state)} names are not Swin2SR's: {first_three(unknown)}.",
            code="wrong_model",
        )
    return renamed


def to_hub(state: Mapping[str, Tensor]) -> State:
    """Translate to the names that transformers reads; from any dialect, bit for bit.

    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
    """
    return translate(to_native(state), "native", "hub")[0]


def to_original(state: Mapping[str, Tensor], config: Swin2SRConfig) -> State:
    """Translate to the names of mv-lab/swin2sr, its buffers included, so that it loads strictly.

    Args:
        state: parameters in any of the three dialects.
        config: the network's configuration; the buffers follow from it.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no Swin2SR.
        ConfigError: ``image_size`` is not a multiple of the window; the original cannot be built.
    """
    original = translate(to_native(state), "native", "original")[0]
    return original | buffers(original, config)


def translate(
    state: Mapping[str, Tensor], source: Layout, target: Layout
) -> tuple[State, list[str]]:
    """Rename ``state``; also return the names that no row knows (buffers are dropped silently).

    A query, key or value without companions of its shape is left out: what is then missing shows
    when the result is compared with what a network has.
    """
    rules = _rules(kind_of(state, source), source, target)
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
    for name, pieces in split.items():
        alike = len({piece.shape for piece in pieces.values()}) == 1
        if len(pieces) == len(PARTS) and alike and pieces[PARTS[0]].ndim:
            renamed[name] = torch.cat([pieces[part] for part in PARTS])
    return renamed, unknown


def name_in(layout: Layout, native: str, kind: Kind) -> str:
    """What one native parameter is called in another dialect (for messages)."""
    found = _look_up(native, _rules(kind, "native", layout))
    return found[0].format(part=PARTS[0], **found[1]) if found else native


def first_three(names: Sequence[str]) -> str:
    """The first three names, made safe to print."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")


Rule = tuple[re.Pattern[str], str]


def _look_up(name: str, rules: Sequence[Rule]) -> tuple[str, dict[str, str]] | None:
    for pattern, template in rules:
        match = pattern.fullmatch(name)
        if match:
            return template, match.groupdict()
    return None


@lru_cache(maxsize=64)
def _rules(kind: Kind, source: Layout, target: Layout) -> tuple[Rule, ...]:
    """The table of one kind of network as (pattern of the source's name, target's template)."""
    column, other = LAYOUTS.index(source), LAYOUTS.index(target)
    rows = TRUNK if kind.bare else _joined(WHOLE, TRUNK)
    if kind.head is not None:
        head = HEADS[kind.head]
        if kind.thrice:
            head = (*_ONE_STEP, *(row for row in head if row not in _STEPS))
        rows += _joined(("head.", "", ""), head)
    return tuple((_pattern(row[column]), _template(row[other])) for row in rows)


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


def _layout(state: Mapping[str, Tensor]) -> Layout:
    layout = layout_of(state)
    if layout is None:
        raise WeightsError(
            f"These {len(state)} tensors are not a Swin2SR network (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
        )
    return layout


def buffers(names: Iterable[str], config: Swin2SRConfig) -> State:
    """The buffers that the original keeps in its files, by original name.

    Args:
        names: original parameter names; they say which blocks exist.
        config: gives window, shift and ``image_size``.
    Returns:
        ``relative_coords_table`` (1, 2w-1, 2w-1, 2) float32 and ``relative_position_index``
        (w*w, w*w) int64 of every block, ``attn_mask`` (windows, w*w, w*w) float32 of odd blocks.
    Raises:
        ConfigError: ``image_size`` is not a multiple of the window.
    Source: mv-lab/swin2sr ``WindowAttention.__init__`` and ``calculate_mask``.
    """
    window, shift = config.layer_window, config.layer_shift
    if any(side % window for side in config.grid_size):
        raise ConfigError(
            f"The original code needs an image_size that is a multiple of the window {window}, "
            f"got {config.image_size}."
        )
    table, index = coordinates_table(window), position_index(window)
    mask = shift_mask(config.grid_size, window, shift)
    ending = ".attn.logit_scale"
    found: State = {}
    for name in names:
        if name.endswith(ending):
            block = name.removesuffix(ending)
            found[f"{block}.attn.relative_coords_table"] = table.clone()
            found[f"{block}.attn.relative_position_index"] = index.clone()
            if shift and int(block.rpartition(".")[2]) % 2:
                found[f"{block}.attn_mask"] = mask.clone()
    return found


def coordinates_table(window: int) -> Tensor:
    """Log-spaced relative coordinates (1, 2w-1, 2w-1, 2), rows then columns; Swin V2, eq. 4."""
    steps = torch.arange(1 - window, window, dtype=torch.float32)
    table = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1).unsqueeze(0)
    if window > 1:
        table = table / (window - 1)
    table = table * 8
    return torch.sign(table) * torch.log2(table.abs() + 1.0) / 3.0  # log2(8) = 3


def position_index(window: int) -> Tensor:
    """Row of the coordinates table for every pair of tokens, (w*w, w*w) int64."""
    rows, columns = torch.arange(window * window) // window, torch.arange(window * window) % window
    down = rows[:, None] - rows[None, :] + window - 1
    right = columns[:, None] - columns[None, :] + window - 1
    return down * (2 * window - 1) + right


def shift_mask(size: tuple[int, int], window: int, shift: int) -> Tensor:
    """The mask of all windows of a shifted map of ``size``: (windows, w*w, w*w), 0 or -100."""

    def regions(length: int) -> Tensor:
        """0, 1, 2 for what the shift left in place, split off, and wrapped around."""
        places = torch.arange(length)
        return (places >= length - window).long() + (places >= length - shift).long()

    height, width = size
    labels = 3 * regions(height)[:, None] + regions(width)[None, :]
    labels = labels.view(height // window, window, width // window, window)
    labels = labels.transpose(1, 2).reshape(-1, window * window)  # (windows, w*w)
    apart = labels[:, :, None] != labels[:, None, :]
    return torch.where(apart, MASKED, 0.0)
