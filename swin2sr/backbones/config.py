"""Configuration of the hierarchical backbones, Swin and SwinV2, and of their heads.

Source: fields, names and defaults of ``SwinConfig`` and ``Swinv2Config`` in transformers 4.35 to
5.23; the meaning of each in microsoft/Swin-Transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from swin2sr.config import Config, choice, flag, normalise_layers, pair, whole, whole_numbers
from swin2sr.errors import ConfigError

MAX_STAGES = 16  # the width doubles with each: what a file asks for is bounded before it is built
MAX_LABELS = 100_000
PROBLEMS = ("regression", "single_label_classification", "multi_label_classification")


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(Config):
    """Configuration: every choice that shapes a backbone and its heads.

    Args:
        image_size: side of the training images in pixels, int or (height, width). It does not limit
            the input. It sizes the absolute position table; in SwinV2 it also decides in which
            stages the window shrinks and the shift is dropped (by the height, as transformers).
        patch_size: side of a patch in pixels, int or (height, width).
        num_channels: colours in.
        embed_dim: width of the tokens in the first stage; doubled at each following one.
        depths: layers in each stage.
        num_heads: attention heads in each stage; each divides its stage's width.
        window_size: side of the attention window in tokens.
        mlp_ratio: hidden width of the MLP over the stage's width.
        qkv_bias: learn a bias for query, key and value (SwinV2: never for the key).
        hidden_dropout_prob, attention_probs_dropout_prob: dropout in training.
        drop_path_rate: stochastic depth of the last layer; rises linearly from 0 at the first.
        hidden_act: activation of the MLP.
        use_absolute_embeddings: add a learned position table.
        initializer_range: standard deviation of the truncated normal initial weights.
        layer_norm_eps: epsilon of the layers' norms and the last one.
        encoder_stride: factor by which the decoder of masked image modelling enlarges.
        out_features, out_indices: stages that ``AutoBackbone`` of transformers gives out, by name
            or number; one follows from the other, by default the last. Only kept here.
        output_hidden_states, output_attentions, return_dict: what ``forward`` does when not told.
        id2label: name of each class; None names ``num_labels`` of them LABEL_0, LABEL_1, ...
        label2id: its inverse; None derives it.
        num_labels: how many classes; None means as many as ``id2label`` has, or 2.
        problem_type: one of ``PROBLEMS``, or None to tell it from the labels.
        extra: keys of a ``config.json`` that are not ours; kept and written back.

    Raises:
        ConfigError: a value outside what the network can be built from.
    """

    generation: ClassVar[int]  # of Swin: 1 dot products and pre-norm, 2 cosines and post-norm
    aliases: ClassVar[Mapping[str, str]] = {"num_attention_heads": "num_heads"}
    derived: ClassVar[tuple[str, ...]] = (
        *("model_type", "num_layers", "num_hidden_layers", "hidden_size", "stage_names"),
    )

    image_size: int | tuple[int, int] = 224
    patch_size: int | tuple[int, int] = 4
    num_channels: int = 3
    embed_dim: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (3, 6, 12, 24)
    window_size: int = 7
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    drop_path_rate: float = 0.1
    hidden_act: str = "gelu"
    use_absolute_embeddings: bool = False
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    encoder_stride: int = 32
    out_features: tuple[str, ...] | None = None
    out_indices: tuple[int, ...] | None = None
    output_hidden_states: bool = False
    output_attentions: bool = False
    return_dict: bool = True
    id2label: Mapping[int, str] | None = field(default=None, hash=False)
    label2id: Mapping[str, int] | None = field(default=None, hash=False)
    num_labels: int | None = None
    problem_type: str | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        for name in ("image_size", "patch_size"):
            value = getattr(self, name)
            sides = pair(name, value) if isinstance(value, list | tuple) else whole(name, value)
            set_field(self, name, sides)
        normalise_layers(self, part="stage")
        for name in _FLAGS:
            flag(name, getattr(self, name))
        self._check()
        self._complete_labels()
        features, indices = _aligned(self.stage_names, self.out_features, self.out_indices)
        set_field(self, "out_features", features)
        set_field(self, "out_indices", indices)
        set_field(self, "extra", dict(self.extra))

    def _check(self) -> None:
        for name in ("num_channels", "embed_dim", "window_size", "encoder_stride"):
            whole(name, getattr(self, name), least=1)
        if len(self.depths) > MAX_STAGES:
            raise ConfigError(f"depths has {len(self.depths)} stages; the limit is {MAX_STAGES}.")
        for width, heads in zip(self.widths, self.num_heads, strict=True):
            if width % heads:
                raise ConfigError(
                    f"A stage of width {width} does not divide into {heads} heads: embed_dim is "
                    f"{self.embed_dim}, num_heads {self.num_heads}."
                )
        if min(self.patch_sides) < 1 or min(self.grid_size) < 1:
            raise ConfigError(
                f"An image_size of {self.image_size} has no patch of patch_size {self.patch_size}."
            )
        if int(self.mlp_ratio * self.embed_dim) < 1:
            raise ConfigError(f"mlp_ratio {self.mlp_ratio} leaves the MLP without hidden features.")

    def _complete_labels(self) -> None:
        names, count = self.id2label, self.num_labels
        if names is None:
            count = 2 if count is None else whole("num_labels", count)
            names = {i: f"LABEL_{i}" for i in range(min(count, MAX_LABELS + 1))}
        elif not isinstance(names, Mapping):
            raise ConfigError(f"id2label must map numbers to names, got {names!r}.")
        try:  # JSON has only strings as keys
            names = {int(key): str(name) for key, name in names.items()}
            inverse = {name: key for key, name in names.items()}
            if self.label2id is not None:
                inverse = {str(name): int(key) for name, key in self.label2id.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"id2label and label2id must number the classes: {error}.") from error
        if len(names) > MAX_LABELS:
            raise ConfigError(f"There are more than {MAX_LABELS} classes, which is the limit.")
        if count is not None and (count < 0 or count != len(names)):
            raise ConfigError(f"num_labels is {count}, but id2label names {len(names)} classes.")
        if self.problem_type is not None:
            choice("problem_type", self.problem_type, PROBLEMS)
            if self.problem_type == PROBLEMS[1] and len(names) == 1:
                raise ConfigError(
                    "single_label_classification needs at least 2 classes.",
                    remedy="Use num_labels=2, or problem_type='regression' for one number.",
                )
        object.__setattr__(self, "id2label", names)
        object.__setattr__(self, "label2id", inverse)
        object.__setattr__(self, "num_labels", len(names))

    @property
    def classes(self) -> int:
        """Number of classes that the classifier scores; 0 for no classifier."""
        assert self.num_labels is not None
        return self.num_labels

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of the tokens in each stage."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.depths)))

    @property
    def hidden_size(self) -> int:
        """Width of the tokens in the last stage."""
        return self.widths[-1]

    @property
    def num_layers(self) -> int:
        """Number of stages (Hugging Face's meaning of the word)."""
        return len(self.depths)

    num_hidden_layers = num_layers

    @property
    def num_attention_heads(self) -> tuple[int, ...]:
        """Hugging Face's alias of ``num_heads``."""
        return self.num_heads

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of the embedding ("stem") and the stages ("stage1", ...) in transformers."""
        return ("stem", *(f"stage{i + 1}" for i in range(len(self.depths))))

    @property
    def patch_sides(self) -> tuple[int, int]:
        """(height, width) of a patch in pixels."""
        size = self.patch_size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def grid_size(self) -> tuple[int, int]:
        """(height, width) of the training image in patches."""
        size = self.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        return height // self.patch_sides[0], width // self.patch_sides[1]

    def stage_window(self, stage: int) -> tuple[int, int]:
        """Window of a stage and shift of its odd layers, as they are built."""
        return self.window_size, self.window_size // 2

    def replace(self, **changes: Any) -> Self:
        """Copy with some fields changed; what follows from them is derived anew."""
        if {"id2label", "num_labels"} & changes.keys():
            changes = {"id2label": None, "label2id": None, "num_labels": None} | changes
        for name, other in (("out_features", "out_indices"), ("out_indices", "out_features")):
            if name in changes:
                changes.setdefault(other, None)
        if "depths" in changes:
            changes = {"out_features": None, "out_indices": None} | changes
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``config.json``: what transformers writes, and leaves out, too."""
        values = super().to_dict()
        labels = values.pop("num_labels")
        if labels == 2 and values["id2label"] == {0: "LABEL_0", 1: "LABEL_1"}:
            del values["id2label"], values["label2id"]
        for name, usual in _SILENT.items():
            if values[name] == usual:
                del values[name]
        values["hidden_size"], values["num_layers"] = self.hidden_size, self.num_layers
        values["stage_names"] = list(self.stage_names)
        return values


@dataclass(frozen=True, kw_only=True)
class SwinConfig(BackboneConfig):
    """Swin Transformer (arXiv 2103.14030). See ``BackboneConfig``."""

    network: ClassVar[str] = "Swin"
    model_type: ClassVar[str] = "swin"
    generation: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class Swinv2Config(BackboneConfig):
    """Swin Transformer V2 (arXiv 2111.09883). See ``BackboneConfig``.

    Args:
        pretrained_window_sizes: window that each stage's position bias was trained with, 0 where it
            is the window itself; empty for zeros.
    """

    network: ClassVar[str] = "Swinv2"
    model_type: ClassVar[str] = "swinv2"
    generation: ClassVar[int] = 2

    pretrained_window_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        name = "pretrained_window_sizes"
        sizes = whole_numbers(name, self.pretrained_window_sizes or (0,) * len(self.depths))
        if len(sizes) < len(self.depths) or min(sizes) < 0:
            raise ConfigError(f"{name} must have a number from 0 up for each stage, got {sizes}.")
        object.__setattr__(self, name, sizes)
        if self.grid_size[0] >> (len(self.depths) - 1) < 1:
            raise ConfigError(
                f"An image_size of {self.image_size} leaves nothing for the last of "
                f"{len(self.depths)} stages.",
                remedy="Use a larger image_size or fewer stages.",
            )

    def stage_window(self, stage: int) -> tuple[int, int]:
        """Window of a stage and shift of its odd layers: shrunk to the training image's map."""
        height = self.grid_size[0] >> stage
        if height <= self.window_size:
            return height, 0
        return self.window_size, self.window_size // 2


BACKBONES: dict[str, type[BackboneConfig]] = {
    kind.model_type: kind for kind in (SwinConfig, Swinv2Config)
}


def _aligned(
    names: tuple[str, ...], features: Any, indices: Any
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """``out_features`` and ``out_indices``, each from the other where only one is given."""
    if features is None and indices is None:
        indices = (len(names) - 1,)
    if features is not None:
        if not isinstance(features, list | tuple) or not set(features) <= set(names):
            raise ConfigError(f"out_features must be of {', '.join(names)}, got {features!r}.")
        if indices is None:
            indices = tuple(names.index(name) for name in features)
    chosen = whole_numbers("out_indices", indices)
    if any(not -len(names) <= index < len(names) for index in chosen):
        raise ConfigError(f"out_indices must number the {len(names)} of {', '.join(names)}.")
    places = [index % len(names) for index in chosen]
    if places != sorted(set(places)):
        raise ConfigError(f"out_indices must rise and hold each stage once, got {list(chosen)}.")
    found = tuple(names[index] for index in places)
    if features is not None and tuple(features) != found:
        raise ConfigError(f"out_features {features!r} and out_indices {list(chosen)} disagree.")
    return found, chosen


_FLAGS = (
    *("qkv_bias", "use_absolute_embeddings"),
    *("output_hidden_states", "output_attentions", "return_dict"),
)
_SILENT = {  # not written while they are as usual
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "problem_type": None,
}
