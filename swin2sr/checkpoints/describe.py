"""What a network is, in words, and whether it is what somebody asked for."""

from __future__ import annotations

from swin2sr.checkpoints.entry import TASKS
from swin2sr.config import RestorationConfig
from swin2sr.errors import ConfigError

_TASK_OF_HEAD = {
    "pixelshuffle": "classical",
    "pixelshuffledirect": "lightweight",
    "pixelshuffle_aux": "compressed",
    "nearest+conv": "realworld",
}
_COLOURS = {1: "grey", 3: "colour"}


def task_of(config: RestorationConfig) -> str:
    """What the papers trained a network of this shape for, one of ``TASKS``."""
    same_size = "jpeg" if config.window_size == 7 else "denoise"
    return _TASK_OF_HEAD.get(config.upsampler, same_size)


def describe(config: RestorationConfig) -> str:
    """In a few words: "SwinIR x4 (classical, colour, 6 groups, 180 features)"."""
    colour = _COLOURS.get(config.num_channels, f"{config.num_channels} channels")
    return (
        f"{config.network} x{config.upscale} ({task_of(config)}, {colour}, {len(config.depths)} "
        f"groups, {config.embed_dim} features)"
    )


def require(
    name: str,
    config: RestorationConfig,
    known_task: str | None,
    *,
    scale: int | None = None,
    task: str | None = None,
    channels: int | None = None,
) -> None:
    """Refuse a network that is not what was asked for.

    Args:
        name: what the weights are called.
        config: their network.
        known_task: what the registry says they are for, if it knows them.
        scale: factor between input and output sides wanted, None for any.
        task: one of ``TASKS`` wanted, None for any.
        channels: colours wanted, 1 or 3, None for any.
    Raises:
        ConfigError: another scale, task or number of channels; says what the network is.
    """
    if task is not None and task not in TASKS:
        raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}.")
    found = known_task or task_of(config)
    pairs = (
        ("scale", scale, config.upscale),
        ("task", task, found),
        ("channels", channels, config.num_channels),
    )
    wrong = [f"{what} {wanted!r}" for what, wanted, has in pairs if wanted not in (None, has)]
    if wrong:
        raise ConfigError(
            f"{name!r} is {describe(config)}, which does not fit the {' and '.join(wrong)} asked "
            "for.",
            remedy="Choose another model ('swin2sr models' lists them), or ask for what it is.",
        )
