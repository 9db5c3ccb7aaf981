"""Key mapping: a backbone's parameter names in our layout, Microsoft's and transformers'.

The tables' form and their use are those of ``checkpoints.key_mapping``, whose rows for a block
serve here too. Canonical native names are those of the bare backbone; its heads lie beside it.

Source: parameter names of microsoft/Swin-Transformer, microsoft/SimMIM and transformers'
``SwinForImageClassification`` and ``SwinForMaskedImageModeling``, in files and, since 5.0, in
memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from torch import Tensor

from swin2sr.backbones.config import BACKBONES
from swin2sr.checkpoints import key_mapping
from swin2sr.checkpoints.expected_shapes import NativeWeights, State, first_three
from swin2sr.checkpoints.key_mapping import (
    ATTENTION,
    BLOCK,
    LAYOUTS,
    KeyFormat,
    Layout,
    Row,
    Rule,
    key_in,
    rename,
    rules_between,
    with_prefix,
)
from swin2sr.errors import WeightsError

GENERATIONS = {kind.generation: kind for kind in BACKBONES.values()}

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
PREFIXES: dict[Layout, tuple[str, ...]] = {  # of the backbone's names where a head is beside it
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
_TABLE = "relative_position_bias_table"
FORMAT_KEYS: dict[int, Row] = {
    1: (f"{_FIRST[0]}.position.table", f"{_FIRST[1]}.{_TABLE}", f"{_FIRST[2]}.{_TABLE}"),
    2: (f"{_FIRST[0]}.logit_scale", f"{_FIRST[1]}.logit_scale", f"{_FIRST[2]}.logit_scale"),
}
_BUFFERS_AT = ".attention.self.", ".attn."  # in transformers' names, in Microsoft's


@dataclass(frozen=True)
class BackboneKeyFormat(KeyFormat):
    """Key format of a backbone's names, with the prefix that they carry."""

    prefix: str


@dataclass(frozen=True, eq=False, kw_only=True)
class BackboneWeights(NativeWeights):
    """Weights of a backbone under canonical native names; buffers by Microsoft's names."""

    generation: int


def key_format(names: Iterable[str]) -> BackboneKeyFormat | None:
    """Key format of parameter names; None when they are no backbone's."""
    present = set(names)
    for generation, row in FORMAT_KEYS.items():
        for layout, key in zip(LAYOUTS, row, strict=True):
            for prefix in PREFIXES[layout]:
                if prefix + key in present:
                    return BackboneKeyFormat(layout, generation, prefix)
    return None


def native_weights(state: Mapping[str, Tensor], source: str = "the file") -> BackboneWeights:
    """Translate from any layout to canonical native names, keeping apart what has none.

    Raises:
        WeightsError: "wrong_model" when they are none's, saying what they are where that is known.
    """
    state = _as_in_files(state)
    found = key_format(state)
    if found is None:
        other = key_mapping.key_format(state)
        what = "Swin2SR or SwinIR weights" if other else "not weights of a Swin or SwinV2 backbone"
        raise WeightsError(
            f"{source} holds {len(state)} tensors that are {what} (first: "
            f"{first_three(list(state))}).",
            code="wrong_model",
            remedy="Load them with Upscaler." if other else "",
        )
    native = BackboneKeyFormat("native", found.generation, "")
    renamed, unknown = rename(state, _rules(found, native))
    buffers = {
        name.removeprefix(found.prefix).removeprefix("encoder.").replace(*_BUFFERS_AT): tensor
        for name, tensor in state.items()
        if key_mapping.BUFFER.fullmatch(name)
    }
    return BackboneWeights(
        network=GENERATIONS[found.generation].network,
        state=renamed,
        unknown=tuple(unknown),
        buffers=buffers,
        file_key=partial(key_in, _rules(native, found)),
        generation=found.generation,
    )


def _as_in_files(state: Mapping[str, Tensor]) -> State:
    """Replace the names that transformers uses in memory by those of its files."""
    if not any(IN_MEMORY[0][0] in name for name in state):
        return dict(state)
    renamed: State = {}
    for name, tensor in state.items():
        for memory, file in IN_MEMORY:
            name = name.replace(memory, file)
        renamed[name] = tensor
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
    weights = native_weights(state)
    weights.require_known()
    native = BackboneKeyFormat("native", weights.generation, "")
    hub = BackboneKeyFormat("hub", weights.generation, prefix)
    return rename(weights.state, _rules(native, hub))[0]


@lru_cache(maxsize=64)
def _rules(source: BackboneKeyFormat, target: BackboneKeyFormat) -> tuple[Rule, ...]:
    """Rename rules from one key format to another."""
    return rules_between(zip(_names(source), _names(target), strict=True))


def _names(found: BackboneKeyFormat) -> list[str]:
    """Column of one key format in the tables."""
    column = LAYOUTS.index(found.layout)
    trunk = TRUNK + with_prefix(BLOCKS, BLOCK + ATTENTION[found.generation])
    return [found.prefix + row[column] for row in trunk] + [row[column] for row in HEADS]
