"""What network some weights belong to, read off their names and shapes.

Small rules, each answering one question (depths, scale, upsampler, ...). What they find is then
held against the list of every parameter such a network has, name by name and shape by shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from swin2sr.checkpoints import key_mapping
from swin2sr.checkpoints.describe import describe
from swin2sr.checkpoints.expected_shapes import FEATURES, Shapes, expected_shapes
from swin2sr.checkpoints.key_mapping import Dialect, Kind
from swin2sr.config import GENERATIONS, RestorationConfig, Swin2SRConfig
from swin2sr.errors import ConfigError, WeightsError

# Other networks that people have lying around, by a name only they use; the first match counts.
STRANGERS: tuple[tuple[str, str], ...] = (
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
# In the original's code there is one more head; a file with it cannot come from a release.
UNRELEASED_HEAD = re.compile(r"(?:head\.)?(?:conv_first_hf|layers_hf|groups_hf)\..*")
_NEXT_OF_KIN = "HAT"  # a SwinIR and more: its head is named as SwinIR's, so its scale can be read


# What weights say about a configuration; the window only where the original's buffers are there.
_VISIBLE = (
    *("embed_dim", "depths", "num_heads", "num_channels", "num_channels_out", "mlp_ratio"),
    *("qkv_bias", "use_absolute_embeddings", "resi_connection", "upsampler", "upscale"),
)
_OF_THE_HEAD = ("num_channels_out", "upsampler", "upscale")


def detect(state: Mapping[str, Tensor]) -> tuple[RestorationConfig, tuple[str, ...]]:
    """The configuration of the network that ``state`` belongs to.

    Args:
        state: parameters in any dialect, of a whole network or a bare trunk; only names and shapes
            are looked at.
    Returns:
        The configuration, and a note for everything that had to be assumed.
    Raises:
        WeightsError: "wrong_model", saying what the weights are instead where that is known.
    """
    view = _view(state)
    try:
        config, notes = _read_off(view)
    except _UNREADABLE as error:
        generation = GENERATIONS[view.dialect.generation]
        raise WeightsError(
            f"These weights are a variant of {generation.network} that this package does not know; "
            f"against classical x2: {_told(view, generation())}.",
            code="wrong_model",
        ) from error
    check(state, config)
    return config, (f"Read off the weights: {describe(config)}.", *notes)


def check(
    state: Mapping[str, Tensor], config: RestorationConfig, *, source: str = "these weights"
) -> None:
    """Hold ``state`` against ``config``: every name and every shape.

    Args:
        state: parameters in any dialect, of a whole network or a bare trunk.
        config: what they should fit.
        source: what to call the weights in the message.
    Raises:
        WeightsError: "wrong_model"; the message says which settings the weights themselves speak
            for, counts what is missing, not expected and of another shape, and names the first
            three of each.
    """
    view = _view(state)
    if view.dialect.generation != config.generation:
        raise WeightsError(
            f"The configuration is for {config.network}; {source} are "
            f"{GENERATIONS[view.dialect.generation].network} weights.",
            code="wrong_model",
        )
    if sum(config.depths) > len(state):  # never enumerate what a hostile configuration asks for
        raise WeightsError(
            f"The configuration asks for {sum(config.depths)} layers; {source} hold only "
            f"{len(state)} tensors.",
            code="wrong_model",
        )
    told = _told(view, config)
    if told or view.window not in (None, config.layer_window):
        raise WeightsError(
            f"The configuration does not fit {source}: "
            f"{'; '.join([*_contradictions(view, config), *([told] if told else [])])}.",
            code="wrong_model",
        )


# What reading settings off shapes may end in when the weights are not quite a Swin2SR's.
_UNREADABLE = (ConfigError, KeyError, IndexError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class _View:
    """Names and shapes of some weights, native names as in ``expected_shapes``."""

    dialect: Dialect
    kind: Kind
    shapes: Shapes
    unknown: tuple[str, ...]  # names that no table knows
    window: int | None  # from the original's buffers
    windows: int | None  # how many the original's mask has

    def trunk(self, name: str) -> tuple[int, ...]:
        """Shape of one parameter of the trunk."""
        return self.shapes[name if self.kind.bare else f"trunk.{name}"]

    def has(self, name: str) -> bool:
        """Whether the trunk has a parameter."""
        return (name if self.kind.bare else f"trunk.{name}") in self.shapes


def _view(state: Mapping[str, Tensor]) -> _View:
    dialect = key_mapping.dialect_of(state)
    if any(map(UNRELEASED_HEAD.fullmatch, state)):
        raise WeightsError(
            "These weights have the head 'pixelshuffle_hf', which is not built here: no weights "
            "with it were ever released.",
            code="wrong_model",
        )
    label = _stranger(state)
    if dialect is None or label == _NEXT_OF_KIN:
        raise WeightsError(_introduce(label, state), code="wrong_model")
    return _look(state, dialect)


def _look(state: Mapping[str, Tensor], dialect: Dialect) -> _View:
    renamed, unknown = key_mapping.translate(state, dialect, "native")
    window = windows = None
    for name, tensor in state.items():
        if name.endswith("relative_position_index") and tensor.ndim == 2:
            window = math.isqrt(tensor.shape[0])
        elif name.endswith("attn_mask") and tensor.ndim == 3:
            windows = tensor.shape[0]
    return _View(
        dialect=dialect,
        kind=key_mapping.kind_of(state, dialect),
        shapes={name: tuple(tensor.shape) for name, tensor in renamed.items()},
        unknown=tuple(unknown),
        window=window,
        windows=windows,
    )


def _read_off(view: _View) -> tuple[RestorationConfig, tuple[str, ...]]:
    """Apply the rules; any of ``_UNREADABLE`` when they do not work out."""
    notes: list[str] = []
    depths, heads = _depths(view)
    width, colours = view.trunk("conv_first.weight")[:2]
    generation = view.dialect.generation
    window = view.window or _window_of_table(view) or 8
    if view.window is None and generation == 2:
        notes.append("The window size is not in the weights: 8 is assumed.")
    if window == 7:
        notes.append("A window of 7 is taken to mean pixel values of 0..255 inside (img_range).")
    upsampler = view.kind.head
    if upsampler is None:
        notes.append("These weights have no reconstruction head.")
        upsampler, scale, colours_out = "pixelshuffle", 2, colours
    else:
        scale, colours_out = _scale(view, colours)
    config = GENERATIONS[generation](
        image_size=_image_size(view, window, depths),
        num_channels=colours,
        num_channels_out=colours_out,
        embed_dim=width,
        depths=depths,
        num_heads=heads,
        window_size=window,
        mlp_ratio=_ratio(view.trunk("groups.0.blocks.0.mlp.fc1.weight")[0], width),
        qkv_bias=view.has("groups.0.blocks.0.attention.q_bias")
        or view.has("groups.0.blocks.0.attention.qkv.bias"),
        use_absolute_embeddings=view.has("absolute_position"),
        upscale=scale,
        img_range=255.0 if window == 7 else 1.0,
        resi_connection="3conv" if view.has("conv_after_body.0.weight") else "1conv",
        upsampler=upsampler,
    )
    return config, tuple(notes)


def _window_of_table(view: _View) -> int | None:
    """Side of the window for which SwinIR's table of biases, (2 * window - 1)^2 long, is made."""
    name = "groups.0.blocks.0.attention.position.table"
    return (math.isqrt(view.trunk(name)[0]) + 1) // 2 if view.has(name) else None


def _depths(view: _View) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Layers and heads of each group: count, and the shapes of the temperatures or the biases."""
    ending, axis = {1: ("position.table", 1), 2: ("logit_scale", 0)}[view.dialect.generation]
    pattern = re.compile(rf"(?:trunk\.)?groups\.(\d+)\.blocks\.(\d+)\.attention\.{ending}")
    layers: dict[int, int] = {}
    for match in filter(None, map(pattern.fullmatch, view.shapes)):
        layers[int(match[1])] = layers.get(int(match[1]), 0) + 1
    order = sorted(layers)
    heads = (view.trunk(f"groups.{i}.blocks.0.attention.{ending}")[axis] for i in order)
    return tuple(layers[i] for i in order), tuple(heads)


def _ratio(hidden: int, width: int) -> float:
    """The ``mlp_ratio`` that gives exactly ``hidden`` when multiplied and cut off."""
    ratio = hidden / width
    return ratio if int(ratio * width) == hidden else (hidden + 0.5) / width


def _image_size(view: _View, window: int, depths: tuple[int, ...]) -> int:
    if view.windows and math.isqrt(view.windows) ** 2 == view.windows:
        return math.isqrt(view.windows) * window
    if view.has("absolute_position"):
        return math.isqrt(view.trunk("absolute_position")[1])
    # Where buffers were kept but no mask is among them, no layer is shifted: one window is all.
    return window if view.window and not view.windows and max(depths) > 1 else 64


def _scale(view: _View, colours: int) -> tuple[int, int]:
    """(factor, colours out) of the head."""
    shapes, upsampler = view.shapes, view.kind.head
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


def _told(view: _View, config: RestorationConfig) -> str:
    """How names and shapes differ from what ``config`` asks for; "" when they do not."""
    expected = expected_shapes(config, bare=view.kind.bare)

    def named(names: Iterable[str]) -> list[str]:
        return [key_mapping.name_in(view.dialect.layout, name, view.kind) for name in names]

    missing = named(name for name in expected if name not in view.shapes)
    extra = [*view.unknown, *named(name for name in view.shapes if name not in expected)]
    other = [name for name, shape in view.shapes.items() if expected.get(name, shape) != shape]
    told = [
        f"{len(names)} {fault} ({key_mapping.first_three(names)})"
        for names, fault in ((missing, "missing"), (extra, "not expected"))
        if names
    ]
    if other:
        shapes = [
            f"{label} is {view.shapes[name]} and should be {expected[name]}"
            for label, name in zip(named(other[:3]), other[:3], strict=True)
        ]
        more = ", ..." if len(other) > 3 else ""
        told.append(f"{len(other)} of another shape ({', '.join(shapes)}{more})")
    return ", ".join(told)


def _contradictions(view: _View, config: RestorationConfig) -> list[str]:
    """Settings that the weights speak for and the configuration against."""
    try:
        seen, _ = _read_off(view)
    except _UNREADABLE:
        return []
    names = [name for name in _VISIBLE if not (view.kind.bare and name in _OF_THE_HEAD)]
    if view.window is not None and view.window != config.layer_window:
        names.append("window_size")
    return [
        f"{name} is {getattr(seen, name)!r} in the weights, {getattr(config, name)!r} in the "
        "configuration"
        for name in names
        if getattr(seen, name) != getattr(config, name)
    ]


def _stranger(state: Mapping[str, Tensor]) -> str | None:
    """The other network that ``state`` is known to be, if it is one."""
    for label, pattern in STRANGERS:
        known = re.compile(pattern)
        if any(map(known.fullmatch, state)):
            return label
    return None


def _introduce(label: str | None, state: Mapping[str, Tensor]) -> str:
    """What weights that are no restoration network of ours are, and how far from Swin2SR."""
    if label is None:
        return (
            f"These {len(state)} tensors are not Swin2SR or SwinIR weights, nor another network "
            f"that this package knows by name (first: {key_mapping.first_three(list(state))})."
        )
    view = _look(state, Dialect("original", 2))
    config, scale = Swin2SRConfig(), ""
    if label == _NEXT_OF_KIN and view.kind.head is not None:
        try:
            factor, _ = _scale(view, 3)
            config = config.replace(upsampler=view.kind.head, upscale=factor)
            scale = f" x{factor}"
        except _UNREADABLE:
            pass
    return f"This is {label}{scale}, not Swin2SR or SwinIR: {_told(view, config)}."
