"""Recipes: everything that decides a training run but the images and the machine."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig, choice
from swin2sr.errors import ConfigError

PRECISIONS = ("float32", "bfloat16")
DEGRADATIONS = ("bicubic", "bicubic+jpeg", "jpeg", "realworld")
LOSSES = ("l1", "charbonnier")
OPTIMIZERS = ("adamw", "adam", "muon")
DECAYS = ("cosine", "multistep")
JPEG_BLOCK = 8  # side in pixels
FINETUNE = "finetune"  # the recipe whose network is given with it


@dataclass(frozen=True)
class Recipe:
    """Recipe to train one network; two runs of it on one machine give the same weights.

    Args:
        name: what it is called on the command line, and the name of the weights.
        config: the network.
        steps: updates; the learning rate has run its course after the last.
        about: one line for people.
        patch: side of the LR patches in pixels; for JPEG a multiple of 8. batch: patches a step,
            over all processes.
        degradation: how LR is made of HR: "bicubic", "bicubic+jpeg" (shrunk, then compressed),
            "jpeg" (compressed; for networks of scale 1) or "realworld" (blurred, shrunk, noisy and
            compressed at random: see ``images.realworld``).
        quality: lowest and highest JPEG quality, every whole number between equally likely.
        recolour: share of the patches whose channels are each stretched to a range drawn anew, so
            that colours which photographs lack, such as those of drawings, are not strange.
        flat: share of the patches that become one colour, of any kind, so that such areas stay even
            up to the border of the picture.
        loss: "l1" or "charbonnier" between output and HR.
        aux_weight: of the L1 loss between the small image that a ``pixelshuffle_aux`` head
            predicts and HR shrunk by bicubic; other heads have none.
        hf_weight: of the L1 loss between the high frequencies of output and HR.
        lr: peak learning rate. warmup: steps of its linear rise.
        decay: after it, "cosine" (half a wave to zero) or "multistep" (times ``gamma`` from each
            of ``milestones`` on).
        optimizer: "adamw", "adam", or "muon" (of matrices; AdamW of the rest); betas of Adam;
            weight_decay.
        teacher: name, Hub id, folder or file of a network of the same scale whose output on the
            training images is a second target (distillation); "" for none.
        distill: weight of that target, from 0 to 1; the real pixels have the rest.
        clip: largest norm of the gradient; longer ones are shortened to it.
        ema: decay of the exponential moving average of the weights per step, the weights that are
            exported; it starts shorter and grows: see ``ema_decay``.
        precision: "float32", or "bfloat16" for autocast of matrix products and convolutions.
        compiled: train through ``torch.compile``: fewer passes over memory, about 1.4 times as fast
            on two cores, a minute or two to start, and a C++ compiler is needed.
        kernels: on a CPU, train window blocks through ``swin2sr.kernels``, with products in
            ``precision`` and the rest in float32: about three times as fast as ``compiled``, which
            then has no effect. PyTorch computes the blocks where there is no C++ compiler, or where
            a network drops paths or features.
        channels_last: keep the kernels of convolutions as the tokens lie in memory.
        checkpointing: compute each group again in the backward pass instead of keeping it: less
            memory, about a third more time.
        seed: of the first weights, of the patches and of what drops out.
        init: weights to begin with, a registry name or a path; parameters of the same name and
            shape are taken over, the others begin as without it.
        held_out: images set aside for validation, at most a quarter of them.
        log_every, validate_every, save_every: steps between log rows, validations, checkpoints.
    Raises:
        ConfigError: values that cannot be used, or do not go together.
    """

    name: str
    config: RestorationConfig
    steps: int
    about: str = ""
    patch: int = 48
    batch: int = 8
    degradation: str = "bicubic"
    quality: tuple[int, int] = (10, 40)
    recolour: float = 0.0
    flat: float = 0.0
    loss: str = "l1"
    aux_weight: float = 1.0
    hf_weight: float = 0.0
    lr: float = 5e-4
    warmup: int = 500
    decay: str = "cosine"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.5
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    teacher: str = ""
    distill: float = 0.5
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "float32"
    compiled: bool = False
    kernels: bool = True
    channels_last: bool = False
    checkpointing: bool = False
    seed: int = 0
    init: str = ""
    held_out: int = 8
    log_every: int = 100
    validate_every: int = 2000
    save_every: int = 2000

    def __post_init__(self) -> None:
        counts = (self.steps, self.patch, self.batch)
        intervals = (self.log_every, self.validate_every, self.save_every)
        if min(*counts, *intervals) < 1 or min(self.warmup, self.held_out, self.seed) < 0:
            raise ConfigError(f"The counts of recipe {self.name!r} must be positive.")
        for field, choices in _CHOICES.items():
            choice(field, getattr(self, field), choices)
        if not (self.lr > 0 and self.clip > 0 and 0 <= self.ema < 1):
            raise ConfigError("lr and clip must be positive, ema within [0, 1).")
        for field in ("recolour", "flat", "distill"):
            if not 0 <= getattr(self, field) <= 1:
                raise ConfigError(f"{field} is a share, from 0 to 1, not {getattr(self, field)}.")
        if min(self.aux_weight, self.hf_weight, self.weight_decay) < 0 or self.gamma <= 0:
            raise ConfigError("Weights of losses and of decay are not negative, gamma is positive.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas are two numbers within [0, 1), not {self.betas}.")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"milestones must rise, not {self.milestones}.")
        self._check_data()

    def _check_data(self) -> None:
        config = self.config
        if (config.upscale == 1) != (self.degradation == "jpeg"):
            right = "jpeg" if config.upscale == 1 else "bicubic, bicubic+jpeg or realworld"
            raise ConfigError(
                f"A network of scale {config.upscale} is trained with degradation {right}, "
                f"not {self.degradation!r}."
            )
        if config.num_channels != config.num_channels_out or config.num_channels not in (1, 3):
            raise ConfigError(
                "Networks are trained on grey or colour images, from 1 channel to 1 or from 3 to "
                f"3, not from {config.num_channels} to {config.num_channels_out}."
            )
        if self.jpeg is None:
            return
        if len(self.quality) != 2 or not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise ConfigError(f"quality is a lowest and a highest of 1 to 100, not {self.quality}.")
        if self.patch % JPEG_BLOCK:
            raise ConfigError(
                f"Patches with JPEG have a side that is a multiple of {JPEG_BLOCK}, not "
                f"{self.patch}."
            )

    @property
    def jpeg(self) -> tuple[int, int] | None:
        """Lowest and highest JPEG quality; None when nothing is compressed."""
        return self.quality if "jpeg" in self.degradation else None

    def learning_rate(self, step: int) -> float:
        """LR schedule: learning rate of update ``step`` (0-based), warm-up and decay."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.decay == "multistep":
            return self.lr * self.gamma ** sum(step >= at for at in self.milestones)
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def ema_decay(self, step: int) -> float:
        """Decay of the EMA at update ``step`` (0-based): the smaller of ``ema`` and (1 + step) /
        (10 + step), so that the first weights are soon forgotten."""
        return min(self.ema, (1 + step) / (10 + step))

    def to_dict(self) -> dict[str, Any]:
        """Plain values of the recipe, as a checkpoint keeps them."""
        values = {**asdict(self), "config": self.config.to_dict()}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def summary(self) -> str:
        """Summary of the recipe in one line."""
        config = self.config
        parts = [
            f"{config.network} x{config.upscale}",
            f"{config.embed_dim} channels, groups of {'+'.join(map(str, config.depths))} layers",
            f"{self.steps} steps of {self.batch} patches of {self.patch}x{self.patch}",
            self.degradation
            + ("" if self.jpeg is None else " of quality {}-{}".format(*self.jpeg)),
            f"{self.optimizer} at {self.lr:g}, {self.decay}",
            self.precision + ", compiled" * self.compiled,
        ]
        if self.init:
            parts.append(f"begins with {self.init}")
        if self.teacher:
            parts.append(f"{self.distill:.0%} learnt from {self.teacher}")
        return "; ".join(parts)


_CHOICES = {
    "precision": PRECISIONS,
    "degradation": DEGRADATIONS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "decay": DECAYS,
}

# ------------------------------------------------------------------------------------- the family

_SMALL: dict[str, Any] = {
    "embed_dim": 64,
    "depths": (2,) * 4,
    "num_heads": (4,) * 4,
    "drop_path_rate": 0.0,
}
_TINY: dict[str, Any] = {
    "embed_dim": 24,
    "depths": (2,) * 2,
    "num_heads": (3,) * 2,
    "drop_path_rate": 0.0,
    "upscale": 2,
    "upsampler": "pixelshuffledirect",
}


def _small(name: str, config: RestorationConfig, about: str, **changes: Any) -> Recipe:
    """Recipe of the family: everything is shared but what a member says."""
    shared: dict[str, Any] = {
        "steps": 14000,
        "patch": 32,
        "batch": 8,
        "lr": 8e-4,
        "warmup": 300,
        "precision": "bfloat16",
        "compiled": True,
        "validate_every": 1000,
        "save_every": 500,
    }
    return Recipe(name=name, config=config, about=about, **shared | changes)


def _tiny(name: str, config: RestorationConfig, about: str) -> Recipe:
    return Recipe(
        name=name,
        config=config,
        about=about,
        steps=300,
        patch=24,
        batch=4,
        lr=2e-3,
        warmup=20,
        ema=0.99,
        log_every=10,
        validate_every=50,
        save_every=100,
    )


_X2: dict[str, Any] = _SMALL | {"upscale": 2, "upsampler": "pixelshuffledirect"}
_X4: dict[str, Any] = _SMALL | {"upscale": 4, "upsampler": "pixelshuffledirect"}

RECIPES: tuple[Recipe, ...] = (
    _small("swin2sr-small-x2", Swin2SRConfig(**_X2), "clean pictures, twice the size"),
    _small(
        "swinir-small-x2",
        SwinIRConfig(**_X2),
        "the first generation, to compare with: all else as in swin2sr-small-x2",
    ),
    _small(
        "swin2sr-small-x4",
        Swin2SRConfig(**_X4),
        "clean pictures, four times the size",
        steps=10000,
        recolour=0.1,
        init="swin2sr-small-x2",
    ),
    _small(
        "swin2sr-small-compressed-x4",
        # The paper's own head and patches for this task.
        Swin2SRConfig(**_SMALL, upscale=4, image_size=48, upsampler="pixelshuffle_aux"),
        "small JPEG pictures, four times the size",
        steps=6000,
        patch=48,
        batch=4,
        lr=4e-4,
        degradation="bicubic+jpeg",
        recolour=0.1,
        hf_weight=0.1,
        init="swin2sr-small-x4",
    ),
    _small(
        "swin2sr-small-jpeg",
        # A window of 8 holds one JPEG block (both grids begin at the corner of the picture), and
        # the shifted layers look across the blocks' borders. SwinIR's authors preferred 7 for a
        # network trained from nothing; 8 keeps the windows that the trunk of x2 was trained with.
        Swin2SRConfig(**_SMALL, upscale=1, window_size=8, upsampler=""),
        "JPEG pictures in colour, same size, without blocks",
        steps=10000,
        patch=48,
        batch=4,
        lr=4e-4,
        degradation="jpeg",
        recolour=0.1,
        init="swin2sr-small-x2",
    ),
    _small(
        "swin2sr-small-realworld-x4",
        Swin2SRConfig(**_X4),
        "photographs as they are found, blurred, noisy and compressed; four times the size",
        steps=30000,
        patch=48,
        batch=4,
        lr=6e-4,
        degradation="realworld",
        recolour=0.05,
        init="swin2sr-small-x4",
    ),
    _tiny("tiny-swin2sr-x2", Swin2SRConfig(**_TINY), "a minute on any processor, to learn from"),
    _tiny("tiny-swinir-x2", SwinIRConfig(**_TINY), "the same, of the first generation"),
)

ABOUT_FINETUNE = "goes on with the network of --from, on your own pictures"
SUMMARY_FINETUNE = "at a low rate; the network decides between bicubic, bicubic+jpeg and jpeg"


def fine_tuning(name: str, source: str, config: RestorationConfig) -> Recipe:
    """Make the recipe that goes on with trained weights, at a low rate.

    The network decides the degradation: scale 1 learns to undo JPEG, a ``pixelshuffle_aux`` head to
    enlarge small JPEG pictures, everything else to enlarge clean ones. Patches are whole windows,
    and whole JPEG blocks where there are such.

    Args:
        name: what the new weights will be called.
        source: the weights, as ``Recipe.init``.
        config: their network.
    Raises:
        ConfigError: a network that cannot be trained here.
    """
    degradation = "bicubic"
    if config.upscale == 1:
        degradation = "jpeg"
    elif config.upsampler == "pixelshuffle_aux":
        degradation = "bicubic+jpeg"
    unit = math.lcm(config.window_size, JPEG_BLOCK if "jpeg" in degradation else 1)
    return Recipe(
        name=name,
        config=config,
        about=ABOUT_FINETUNE,
        steps=2000,
        patch=unit * math.ceil(48 / unit),
        batch=4,
        degradation=degradation,
        lr=1e-4,
        warmup=50,
        init=source,
        log_every=20,
        validate_every=200,
        save_every=100,
    )


def find_recipe(name: str) -> Recipe:
    """Find the recipe of that name.

    Raises:
        ConfigError: there is none; the message lists the names.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    if name == FINETUNE:
        raise ConfigError(
            "The recipe 'finetune' goes on with trained weights.",
            remedy="Say which: --from NAME ('swin2sr models' lists them).",
        )
    names = ", ".join([*(recipe.name for recipe in RECIPES), FINETUNE])
    raise ConfigError(f"No recipe {name!r}; there is {names}.")
