"""Tiny networks, tiny recipes and a few small pictures to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swin2sr.config import Swin2SRConfig
from swin2sr.training import Recipe, log


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take longer than the tiny runs; who tests them gives ``find_spec`` back."""
    monkeypatch.setattr(log, "find_spec", lambda name: None)


@pytest.fixture
def recipe() -> Recipe:
    """Of everything a little, what drops out included."""
    config = Swin2SRConfig(
        image_size=16,
        embed_dim=8,
        depths=(2,),
        num_heads=(2,),
        drop_path_rate=0.2,
        hidden_dropout_prob=0.1,
        upscale=2,
        upsampler="pixelshuffledirect",
    )
    return Recipe(
        name="tiny",
        config=config,
        steps=6,
        patch=8,
        batch=2,
        lr=2e-3,
        warmup=2,
        held_out=1,
        log_every=2,
        validate_every=3,
        save_every=2,
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four smooth pictures in a folder and a sub-folder; one is grey, one has an odd side."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.webp", "more/c.png", "more/d.png")):
        rows, columns = np.mgrid[:40, : 44 + index % 2]
        waves = [np.sin((rows * (1 + index) + columns * c) / 9) for c in (1, 2, 3)]
        pixels = (np.stack(waves, axis=2) * 100 + 128).astype(np.uint8)
        image = Image.fromarray(pixels[..., 0] if index == 3 else pixels)
        image.save(folder / name, lossless=True)
    return folder


@pytest.fixture
def compressed_recipe(recipe: Recipe) -> Recipe:
    """Small JPEG pictures, four times the size, with every loss there is."""
    config = recipe.config.replace(
        upscale=4, upsampler="pixelshuffle_aux", drop_path_rate=0.0, hidden_dropout_prob=0.0
    )
    return replace(recipe, config=config, degradation="bicubic+jpeg", hf_weight=0.1)


@pytest.fixture
def jpeg_recipe(recipe: Recipe) -> Recipe:
    """JPEG pictures, same size."""
    config = recipe.config.replace(upscale=1, upsampler="")
    return replace(recipe, config=config, degradation="jpeg")
