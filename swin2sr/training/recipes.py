"""Recipes: everything that decides a training run but the images and the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from swin2sr.config import RestorationConfig, Swin2SRConfig
from swin2sr.errors import ConfigError

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """One way to train one network; two runs of it on one machine give the same weights.

    Args:
        name: what it is called on the command line, and the name of the weights.
        config: the network.
        steps: updates; the learning rate reaches zero after the last.
        patch: side of the LR patches in pixels. batch: patches per step.
        lr: peak learning rate. warmup: steps of its linear rise; then half a cosine to zero.
        betas, weight_decay: of AdamW.
        clip: largest norm of the gradient; longer ones are shortened to it.
        ema: decay of the moving average of the weights per step, the weights that are exported;
            it starts shorter and grows: min(ema, (1 + step) / (10 + step)).
        precision: "float32", or "bfloat16" for autocast of matrix products and convolutions.
        compiled: train through ``torch.compile``: fewer passes over memory, about 1.4 times as fast
            on two cores, a minute or two to start, and a C++ compiler is needed.
        seed: of the first weights and of the patches.
        held_out: images set aside for validation.
        log_every, validate_every, save_every: steps between log rows, validations, checkpoints.
    """

    name: str
    config: RestorationConfig
    steps: int
    patch: int = 48
    batch: int = 8
    lr: float = 5e-4
    warmup: int = 500
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "float32"
    compiled: bool = False
    seed: int = 0
    held_out: int = 8
    log_every: int = 100
    validate_every: int = 2000
    save_every: int = 2000

    def __post_init__(self) -> None:
        intervals = (self.log_every, self.validate_every, self.save_every)
        if (
            min(self.steps, self.patch, self.batch, *intervals) < 1
            or self.warmup < 0
            or self.held_out < 0
        ):
            raise ConfigError(f"The counts of recipe {self.name!r} must be positive.")
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}."
            )
        if not (self.lr > 0 and self.clip > 0 and 0 <= self.ema < 1):
            raise ConfigError("lr and clip must be positive, ema within [0, 1).")

    def learning_rate(self, step: int) -> float:
        """The rate of update ``step`` (0-based)."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="swin2sr-small-x2",
        config=Swin2SRConfig(
            embed_dim=64,
            depths=(2, 2, 2, 2),
            num_heads=(4, 4, 4, 4),
            drop_path_rate=0.0,
            upscale=2,
            upsampler="pixelshuffledirect",
        ),
        steps=11000,
        patch=32,
        batch=8,
        lr=8e-4,
        warmup=300,
        precision="bfloat16",
        compiled=True,
        validate_every=1000,
        save_every=1000,
    ),
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: there is none; the message lists the names.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise ConfigError(f"No recipe {name!r}; there is {', '.join(r.name for r in RECIPES)}.")
