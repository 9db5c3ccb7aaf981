"""The names of a backbone's parameters: ours, Microsoft's and transformers', side by side.

The table and its use are those of ``checkpoints.convert``, whose rows for a block serve here too.
Canonical native names are those of the bare backbone; its heads lie beside it.

Source: parameter names of microsoft/Swin-Transformer, microsoft/SimMIM and transformers'
``SwinForImageClassification`` and ``SwinForMaskedImageModeling``, in files and, since 5.0, in
memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from swin2sr.checkpoints.key_mapping import (
    ATTENTION,
    BLOCK,
    LAYOUTS,
    PARTS,
    Layout,
    Row,
    Rule,
    State,
    first_three,
    joined,
    look_up,
    rename,
    rules_between,
)
from swin2sr.errors import WeightsError

# In a row {i} is a stage and {j} a block; the columns are native, Microsoft's and the Hub's.
TRUNK: tuple[Row, ...] = (
    ("embed.proj.*", "patch_embed.proj.*", "embeddings.patch_embeddings.projection.*"),
    ("embed.norm.*", "patch_embed.norm.*", "embeddings.norm.*"),
    ("embed.position", "absolute_pos_embed", "embeddings.position_embeddings"),
    ("embed.mask_token", "mask_token", "embeddings.mask_token"),
    ("norm.*", "norm.*", "layernorm.*"),
    *(
        (f"stages.{name}", f"layers.{name}", f"encoder.layers.{name}")
        for name in ("{i}.downsample.norm.*", "{i}.downsample.reduction.weight")
    ),
)
BLOCKS: Row = ("stages.{i}.blocks.{j}", "layers.{i}.blocks.{j}", "encoder.layers.{i}.blocks.{j}")
HEADS: tuple[Row, ...] = (
    ("classifier.*", "head.*", "classifier.*"),
    ("decoder.*", "decoder.0.*", "decoder.0.*"),
)
# What transformers 5 calls parts of a Swin block while it is in memory; its files keep the names.
IN_MEMORY: tuple[tuple[str, str], ...] = (
    (".attention.q_proj.", ".attention.self.query."),
    (".attention.k_proj.", ".attention.self.key."),
    (".attention.v_proj.", ".attention.self.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".attention.relative_position_bias.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)
PREFIXES: dict[Layout, tuple[str, ...]] = {  # before the trunk's names where a head is beside it
    "native": ("", "backbone."),
    "original": ("", "encoder."),
    "hub": ("", "swin.", "swinv2."),
}
# A name of the first block that tells layout and generation, without prefix.
_FIRST: Row = (
    "stages.0.blocks.0.attention",
    "layers.0.blocks.0.attn",
    "encoder.layers.0.blocks.0.attention.self",
)
LANDMARKS: dict[int, Row] = {
    1: (
        f"{_FIRST[0]}.position.table",
        f"{_FIRST[1]}.relative_position_bias_table",
        f"{_FIRST[2]}.relative_position_bias_table",
    ),
    2: (f"{_FIRST[0]}.logit_scale", f"{_FIRST[1]}.logit_scale", f"{_FIRST[2]}.logit_scale"),
}


@dataclass(frozen=True)
class Dialect:
    """In whose names a backbone's weights are, of which generation, and what is put before them."""

    layout: Layout
    generation: int
    prefix: str


def dialect_of(names: Iterable[str]) -> Dialect | None:
    """The dialect that parameter names are in; None when they are no backbone's."""
    present = set(names)
    for generation, row in LANDMARKS.items():
        for layout, landmark in zip(LAYOUTS, row, strict=True):
            for prefix in PREFIXES[layout]:
                if prefix + landmark in present:
                    return Dialect(layout, generation, prefix)
    return None


def as_in_files(state: Mapping[str, Tensor]) -> State:
    """``state`` with the names that transformers uses in memory replaced by those of its files."""
    if not any(IN_MEMORY[0][0] in name for name in state):
        return dict(state)
    renamed: State = {}
    for name, tensor in state.items():
        for memory, file in IN_MEMORY:
            name = name.replace(memory, file)
        renamed[name] = tensor
    return renamed


def translate(
    state: Mapping[str, Tensor], source: Dialect, layout: Layout, prefix: str
) -> tuple[State, list[str]]:
    """Rename ``state``; also return the names that no row knows (buffers are dropped silently)."""
    return rename(state, _rules(source, Dialect(layout, source.generation, prefix)))


def to_native(state: Mapping[str, Tensor]) -> State:
    """Translate to canonical native names, from any layout; the values stay bit for bit.

    Raises:
        WeightsError: "wrong_model" when a name belongs to no backbone.
    """
    state = as_in_files(state)
    renamed, unknown = translate(state, _dialect(state), "native", "")
    if unknown:
        raise WeightsError(
            f"{len(unknown)} of {len(state)} names are no backbone's: {first_three(unknown)}.",
            code="wrong_model",
        )
    return renamed


def to_hub(state: Mapping[str, Tensor], *, prefix: str) -> State:
    """Translate to the names of transformers' files, from any layout, bit for bit.

    Args:
        state: parameters of a backbone, with or without head.
        prefix: before the backbone's names: "swin." or "swinv2." beside a head, "" for
            ``SwinModel`` and ``Swinv2Model``.
    Raises:
        WeightsError: "wrong_model" when a name belongs to no backbone.
    """
    native = to_native(state)
    return translate(native, _dialect(native), "hub", prefix)[0]


def name_in(dialect: Dialect, native: str) -> str:
    """What one native parameter is called in another dialect (for messages)."""
    found = look_up(native, _rules(Dialect("native", dialect.generation, ""), dialect))
    return found[0].format(part=PARTS[0], **found[1]) if found else native


def _dialect(state: Mapping[str, Tensor]) -> Dialect:
    dialect = dialect_of(state)
    if dialect is None:
        raise WeightsError(
            f"These {len(state)} tensors are no Swin or SwinV2 backbone (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
        )
    return dialect


@lru_cache(maxsize=64)
def _rules(source: Dialect, target: Dialect) -> tuple[Rule, ...]:
    return rules_between(zip(_names(source), _names(target), strict=True))


def _names(dialect: Dialect) -> list[str]:
    """The column of one dialect."""
    column = LAYOUTS.index(dialect.layout)
    trunk = TRUNK + joined(BLOCKS, BLOCK + ATTENTION[dialect.generation])
    return [dialect.prefix + row[column] for row in trunk] + [row[column] for row in HEADS]
