"""Configuration of networks: ``config.json`` in and out, Swin2SR and SwinIR, validators of values.

Source: fields, names and defaults of ``Swin2SRConfig`` in transformers 4.37 to 5.23; the meaning
of each in mv-lab/swin2sr ``models/network_swin2sr.py`` and JingyunLiang/SwinIR
``models/network_swinir.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from swin2sr.errors import ConfigError
from swin2sr.filesystem import write_bytes

UPSAMPLERS = ("pixelshuffle", "pixelshuffle_aux", "pixelshuffledirect", "nearest+conv", "")
RESIDUAL_CONNECTIONS = ("1conv", "3conv")
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "mish", "selu")
_RATES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate")
_COUNTS = ("num_channels", "num_channels_out", "embed_dim", "window_size", "upscale")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Frozen dataclass that is read from and written to a ``config.json``.

    Args:
        extra: keys of a ``config.json`` that are not ours; kept and written back.
    """

    network: ClassVar[str]  # its name, for people
    model_type: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]]  # other names of fields, in files
    derived: ClassVar[tuple[str, ...]]  # keys that follow from the fields

    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the keys of a ``config.json``; unknown ones are kept in ``extra``.

        Raises:
            ConfigError: another ``model_type``, or a value that cannot be used.
        """
        kind = values.get("model_type", cls.model_type)
        if kind != cls.model_type:
            raise ConfigError(f"This configuration is for '{kind}', not '{cls.model_type}'.")
        known = {f.name for f in fields(cls)} - {"extra"}
        given: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in values.items():
            name = cls.aliases.get(key, key)
            if name in known:
                given[name] = value
            elif key not in cls.derived:
                extra[key] = value
        return cls(**given, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``config.json``, ``extra`` included, lists instead of tuples."""
        values: dict[str, Any] = dict(self.extra)
        for f in fields(self):
            if f.name != "extra":
                value = getattr(self, f.name)
                values[f.name] = list(value) if isinstance(value, tuple) else value
        values["model_type"] = self.model_type
        return values

    @classmethod
    def from_json_file(cls, path: str | Path) -> Self:
        """Read a ``config.json``.

        Raises:
            ConfigError: the file is missing, is not JSON, or describes another model.
        """
        return cls.from_dict(read_json_object(path))

    def to_json_string(self) -> str:
        """Text of ``config.json``, keys sorted."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, path: str | Path) -> None:
        """Write ``config.json`` to ``path``, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_bytes(path, self.to_json_string().encode())


@dataclass(frozen=True)
class RestorationConfig(Config):
    """Configuration of a restoration network; the defaults are Swin2SR's classical x2.

    Args:
        image_size: side of the training patches in pixels, int or (height, width). It does not
            limit the input; layers shrink their window to it (and stop shifting) when it is not
            larger than ``window_size``, and it sizes the absolute position table.
        patch_size: only 1 exists in practice; anything else is refused.
        num_channels: colours in, 1 or 3 (any positive number is accepted).
        num_channels_out: colours out; None means ``num_channels``.
        embed_dim: width of the token features.
        depths: layers in each residual group.
        num_heads: attention heads in each residual group; each divides ``embed_dim``.
        window_size: side of the attention window in tokens.
        mlp_ratio: hidden width of the MLP over ``embed_dim``.
        qkv_bias: learn a bias for query and value, in SwinIR for the key too.
        hidden_dropout_prob, attention_probs_dropout_prob: dropout in training.
        drop_path_rate: stochastic depth of the last layer; rises linearly from 0 at the first.
        hidden_act: activation of the MLP.
        use_absolute_embeddings: add a learned position table of ``image_size`` tokens.
        initializer_range: standard deviation of the truncated normal initial weights.
        layer_norm_eps: epsilon of the layers' norms.
        upscale: factor between input and output sides.
        img_range: the network sees ``(pixel - mean) * img_range``.
        resi_connection: "1conv" or "3conv" at the end of groups and trunk.
        upsampler: reconstruction head, one of ``UPSAMPLERS``; None means "".
        extra: keys of a ``config.json`` that are not ours; kept and written back.

    Raises:
        ConfigError: a value outside what the network can be built from; names the choices.
    """

    generation: ClassVar[int]  # of Swin: 1 dot products and pre-norm, 2 cosines and post-norm
    aliases: ClassVar[Mapping[str, str]] = {
        "hidden_size": "embed_dim",
        "num_attention_heads": "num_heads",
    }
    derived: ClassVar[tuple[str, ...]] = ("model_type", "num_layers", "num_hidden_layers")

    image_size: int | tuple[int, int] = 64
    patch_size: int = 1
    num_channels: int = 3
    num_channels_out: int = 0  # None or 0: as num_channels
    embed_dim: int = 180
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    num_heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    window_size: int = 8
    mlp_ratio: float = 2.0
    qkv_bias: bool = True
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    drop_path_rate: float = 0.1
    hidden_act: str = "gelu"
    use_absolute_embeddings: bool = False
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    upscale: int = 2
    img_range: float = 1.0
    resi_connection: str = "1conv"
    upsampler: str = "pixelshuffle"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        if isinstance(self.image_size, list | tuple):
            set_field(self, "image_size", pair("image_size", self.image_size))
        patch: Any = self.patch_size
        if isinstance(patch, list | tuple) and pair("patch_size", patch) == (1, 1):
            patch = 1
        set_field(self, "patch_size", whole("patch_size", patch))
        if not self.num_channels_out:
            set_field(self, "num_channels_out", self.num_channels)
        set_field(self, "upsampler", self.upsampler or "")
        set_field(self, "img_range", positive("img_range", self.img_range))
        set_field(self, "extra", dict(self.extra))
        normalise_layers(self, part="group")
        self._check()

    def _check(self) -> None:
        for name in _COUNTS:
            whole(name, getattr(self, name), least=1)
        if self.patch_size != 1:
            raise ConfigError(
                f"patch_size must be 1, got {self.patch_size}: every token is one pixel."
            )
        if any(self.embed_dim % heads for heads in self.num_heads):
            raise ConfigError(
                f"embed_dim {self.embed_dim} is not a multiple of every num_heads {self.num_heads}."
            )
        if self.upsampler == "pixelshuffle_hf":
            raise ConfigError(
                "The head 'pixelshuffle_hf' is not built: no weights with it were ever released."
            )
        choice("upsampler", self.upsampler, UPSAMPLERS)
        choice("resi_connection", self.resi_connection, RESIDUAL_CONNECTIONS)
        positive("mlp_ratio", self.mlp_ratio)
        self._check_scale()
        if self.window_size % self.layer_window:
            raise ConfigError(
                f"image_size {self.image_size} shrinks the window of {self.window_size} to "
                f"{self.layer_window}, which does not divide it. Use a larger image_size."
            )

    def _check_scale(self) -> None:
        scale, head = self.upscale, self.upsampler
        power_of_two = scale & (scale - 1) == 0
        if head in ("pixelshuffle", "pixelshuffle_aux"):
            if scale != 3 and not (power_of_two and scale > 1):
                raise ConfigError(f"{head} scales by 3 or a power of two, got {scale}.")
        elif head == "nearest+conv":
            if scale not in (2, 4):
                raise ConfigError(f"nearest+conv scales by 2 or 4, got {scale}.")
        elif head == "" and (scale != 1 or self.num_channels != self.num_channels_out):
            raise ConfigError(
                "The restoration head (upsampler '') adds to its input: upscale must be 1 and "
                f"num_channels_out equal num_channels, got x{scale} and "
                f"{self.num_channels} -> {self.num_channels_out}."
            )

    @property
    def layer_window(self) -> int:
        """Side of the window the layers really use (smaller only for tiny ``image_size``)."""
        return min(self.window_size, *self.grid_size)

    @property
    def layer_shift(self) -> int:
        """Cyclic shift of the odd layers; 0 when ``image_size`` is not larger than the window."""
        return 0 if min(self.grid_size) <= self.window_size else self.window_size // 2

    @property
    def grid_size(self) -> tuple[int, int]:
        """(height, width) of the training patch in tokens."""
        size = self.image_size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def num_layers(self) -> int:
        """Number of residual groups (Hugging Face's meaning of the word)."""
        return len(self.depths)

    num_hidden_layers = num_layers

    @property
    def hidden_size(self) -> int:
        """Hugging Face's alias of ``embed_dim``."""
        return self.embed_dim

    @property
    def num_attention_heads(self) -> tuple[int, ...]:
        """Hugging Face's alias of ``num_heads``."""
        return self.num_heads

    @property
    def projects_tokens(self) -> bool:
        """True where a 1x1 projection stands in the embedding and before each group's shortcut."""
        return self.generation == 2

    def replace(self, **changes: Any) -> Self:
        """Copy with some fields changed (``num_channels_out`` follows ``num_channels``)."""
        if "num_channels" in changes and "num_channels_out" not in changes:
            changes["num_channels_out"] = 0
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """As ``Config.to_dict``, with ``num_layers``, which transformers writes too."""
        return super().to_dict() | {"num_layers": self.num_layers}


@dataclass(frozen=True)
class Swin2SRConfig(RestorationConfig):
    """Configuration of a Swin2SR network (arXiv 2209.11345). See ``RestorationConfig``."""

    network: ClassVar[str] = "Swin2SR"
    model_type: ClassVar[str] = "swin2sr"
    generation: ClassVar[int] = 2


@dataclass(frozen=True)
class SwinIRConfig(RestorationConfig):
    """Configuration of a SwinIR network (arXiv 2108.10257). See ``RestorationConfig``.

    transformers has no SwinIR; the names of the fields and of the file's keys are Swin2SR's.
    """

    network: ClassVar[str] = "SwinIR"
    model_type: ClassVar[str] = "swinir"
    generation: ClassVar[int] = 1


GENERATIONS: dict[int, type[RestorationConfig]] = {1: SwinIRConfig, 2: Swin2SRConfig}
RESTORATION = {kind.model_type: kind for kind in GENERATIONS.values()}  # by "model_type"


def restoration_config(values: Mapping[str, Any]) -> RestorationConfig:
    """Configuration of the restoration network that a ``config.json`` names.

    Raises:
        ConfigError: another ``model_type``, or a value that cannot be used.
    """
    kind = values.get("model_type", Swin2SRConfig.model_type)
    if not isinstance(kind, str) or kind not in RESTORATION:
        raise ConfigError(
            f"This configuration is for {str(kind)[:80]!r}, not for {' or '.join(RESTORATION)}."
        )
    return RESTORATION[kind].from_dict(values)


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read the values of a ``config.json``.

    Raises:
        ConfigError: the file is missing or is not a JSON object.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read the configuration {str(path)!r}: {error}.") from error
    return parse_json_object(data, path)


def parse_json_object(data: bytes, path: str | Path) -> dict[str, Any]:
    """Parse the bytes of a ``config.json``; ``path`` is for messages.

    Raises:
        ConfigError: not a JSON object.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"The configuration {str(path)!r} is not JSON: {reason}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {str(path)!r} is not a JSON object.")
    return values


# Validators: each takes (name, value), gives the value back and raises ConfigError with the name.


def flag(name: str, value: Any) -> bool:
    """Validator of True or False, nothing that only looks like it."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {value!r}.")
    return value


def whole(name: str, value: Any, *, least: int | None = None) -> int:
    """Validator of a whole number, from ``least`` up where that is given."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or (least is not None and value < least):
        limit = "" if least is None else f" from {least} up"
        raise ConfigError(f"{name} must be a whole number{limit}, got {value!r}.")
    return int(value)


def number(name: str, value: Any) -> float:
    """Validator of a finite number; float, since transformers refuses 2 where it means 2.0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -math.inf < value < math.inf:
        raise ConfigError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def positive(name: str, value: Any) -> float:
    """Validator of a finite number above 0."""
    if number(name, value) <= 0:
        raise ConfigError(f"{name} must be a number above 0, got {value!r}.")
    return float(value)


def pair(name: str, value: Sequence[Any]) -> tuple[int, int]:
    """Validator of two whole numbers."""
    if len(value) != 2:
        raise ConfigError(f"{name} must be a number or a (height, width) pair, got {value!r}.")
    return whole(name, value[0]), whole(name, value[1])


def whole_numbers(name: str, values: Any, *, least: int | None = None) -> tuple[int, ...]:
    """Validator of a list of whole numbers."""
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{name} must be a list of whole numbers, got {values!r}.")
    return tuple(whole(name, value, least=least) for value in values)


def choice(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """Validator of one of some words."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value


def normalise_layers(config: Any, *, part: str) -> None:
    """Check, and bring to their types, the fields that all Swin networks share.

    Args:
        config: of a frozen dataclass; its lists become tuples, its numbers floats.
        part: what ``depths`` has an entry for, "group" or "stage".
    Raises:
        ConfigError: a value outside what layers can be built from.
    """
    set_field = object.__setattr__
    for name in ("depths", "num_heads"):
        set_field(config, name, whole_numbers(name, getattr(config, name), least=1))
    depths, heads = len(config.depths), len(config.num_heads)
    if depths == 0 or depths != heads:
        raise ConfigError(
            f"depths and num_heads must have the same length (one entry a {part}), "
            f"got {depths} and {heads}."
        )
    for name in (*_RATES, "mlp_ratio", "initializer_range", "layer_norm_eps"):
        set_field(config, name, number(name, getattr(config, name)))
    for name in _RATES:
        if not 0.0 <= getattr(config, name) < 1.0:
            raise ConfigError(f"{name} must be in [0, 1), got {getattr(config, name)}.")
    choice("hidden_act", config.hidden_act, ACTIVATIONS)
