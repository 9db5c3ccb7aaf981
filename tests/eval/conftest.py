"""What tests of the evaluation suite share: a small set, a tiny network, threads put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution
from swin2sr.images.resize import imresize

TINY = Swin2SRConfig(
    embed_dim=12, depths=(2,), num_heads=(2,), upsampler="pixelshuffledirect", drop_path_rate=0.0
)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run sets torch's threads for its process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def smooth(seed: int, height: int = 48, width: int = 56) -> np.ndarray:
    """A picture with soft structure: (height, width, 3) uint8."""
    grain = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3))
    return imresize(grain.astype(np.uint8), size=(height, width))


def write(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels as an image, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def trio(tmp_path: Path) -> Path:
    """A folder with one set, "Trio", of three originals."""
    for seed, name in enumerate(("a", "b", "c")):
        write(tmp_path / "sets" / "Trio" / "HR" / f"{name}.png", smooth(seed))
    return tmp_path / "sets"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny network that enlarges by 2, with random weights."""
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(1)
    Swin2SRForImageSuperResolution(TINY).save_pretrained(folder)
    return folder
