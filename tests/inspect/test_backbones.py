"""Attention of the backbones: the network's own matrices, put where their pixels are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from swin2sr import (
    SwinConfig,
    SwinForImageClassification,
    SwinModel,
    Swinv2Config,
    Swinv2Model,
)
from swin2sr.errors import ConfigError, KindError, ShapeError
from swin2sr.inspect import backbone_attention_to
from tests.inspect.networks import make

SETTINGS: dict[str, Any] = {
    "embed_dim": 12,
    "depths": (2, 2),
    "num_heads": (2, 3),
    "window_size": 4,
    "patch_size": 2,
    "image_size": 32,
}
NETWORKS = {"swin": (SwinConfig, SwinModel), "swinv2": (Swinv2Config, Swinv2Model)}


def backbone(network: str, **settings: Any) -> Any:
    """A small backbone whose random weights attend sharply."""
    torch.manual_seed(0)
    config, kind = NETWORKS[network]
    model = kind(config(**(SETTINGS | settings))).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return model


def image(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.randn(1, 3, height, width, generator=generator)


def witness(
    matrices: Tensor, size: tuple[int, int], side: int, shift: int, pixel: tuple[int, int]
) -> Tensor:
    """(heads, H, W) by a loop over windows, queries and keys; side is of a token in pixels."""
    height, width = (-(-length // side) for length in size)
    rows, columns = (-(-length // 4) * 4 for length in (height, width))
    found = torch.zeros(matrices.shape[1], height * side, width * side)
    for number, window in enumerate(matrices):
        i, j = divmod(number, columns // 4)
        places = [
            ((i * 4 + r + shift) % rows, (j * 4 + c + shift) % columns)
            for r in range(4)
            for c in range(4)
        ]
        for query, place in enumerate(places):
            if place != (pixel[1] // side, pixel[0] // side):
                continue
            for key, (r, c) in enumerate(places):
                if r < height and c < width:
                    inside_r = min(side, size[0] - r * side)
                    inside_c = min(side, size[1] - c * side)
                    area = (
                        slice(r * side, r * side + inside_r),
                        slice(c * side, c * side + inside_c),
                    )
                    found[:, area[0], area[1]] += window[:, query, key, None, None] / (
                        inside_r * inside_c
                    )
    return found[:, : size[0], : size[1]]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(32, 32), (32, 48), (35, 41)])
@pytest.mark.parametrize("pixel", [(0, 0), (30, 17)])
def test_maps_are_the_networks_own_matrices_put_in_place(
    network: str, size: tuple[int, int], pixel: tuple[int, int]
) -> None:
    model, pixels = backbone(network), image(*size)
    maps = backbone_attention_to(model, pixels, pixel)
    with torch.no_grad():
        matrices = model(pixels, output_attentions=True).attentions
    assert [tuple(one.shape) for one in maps] == [(2, *size)] * 2 + [(3, *size)] * 2
    for layer, (found, own) in enumerate(zip(maps, matrices, strict=True)):
        shift = 2 if layer % 2 else 0
        wanted = witness(own, size, 2 << (layer // 2), shift, pixel)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
        if size[0] % 32 == 0 and size[1] % 16 == 0:
            torch.testing.assert_close(found.sum((1, 2)), torch.ones(len(found)))


def test_a_head_on_it_and_chosen_layers_change_nothing() -> None:
    torch.manual_seed(0)
    model = SwinForImageClassification(SwinConfig(**SETTINGS)).train()
    whole = backbone_attention_to(model, image(32, 32), (5, 5))
    some = backbone_attention_to(model.backbone, image(32, 32), (5, 5), layers=[-1, 1])
    torch.testing.assert_close(some[0], whole[3])
    torch.testing.assert_close(some[1], whole[1])
    assert model.training
    assert not any(block.watchers for stage in model.backbone.stages for block in stage.blocks)


def test_wrong_questions_are_refused() -> None:
    model = backbone("swin")
    with pytest.raises(KindError, match="attention_to"):
        backbone_attention_to(make(), image(8, 8), (0, 0))
    with pytest.raises(ShapeError, match="one image"):
        backbone_attention_to(model, image(8, 8).expand(2, -1, -1, -1), (0, 0))
    with pytest.raises(ConfigError, match="pixel"):
        backbone_attention_to(model, image(8, 8), (8, 0))
    with pytest.raises(ConfigError, match="layer"):
        backbone_attention_to(model, image(32, 32), (0, 0), layers=4)
