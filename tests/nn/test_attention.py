"""One layer against a naive witness: loops over windows, explicit softmax, whole-image mask."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr.config import Swin2SRConfig
from swin2sr.nn.blocks import PostNormBlock, build_block, run_block
from swin2sr.nn.position import relative_coordinates, relative_index

WINDOW, DIM, HEADS = 4, 12, 3


def witness(block: PostNormBlock, tokens: Tensor, shift: int) -> Tensor:
    """The layer on one (H, W, C) map, straight from the papers."""
    layer, (height, width, _) = block.attention, tokens.shape

    def bias(row: int, column: int) -> Tensor:
        point = []
        for offset in (row, column):
            scaled = 8 * offset / (WINDOW - 1)
            point.append(math.copysign(math.log2(abs(scaled) + 1) / 3, scaled))
        hidden = torch.relu(layer.position.fc1(torch.tensor(point, dtype=tokens.dtype)))
        return 16 * torch.sigmoid(layer.position.fc2(hidden))

    def area(at: int, length: int) -> int:
        return (at >= length - WINDOW) + (at >= length - shift) if shift else 0

    table = {(r, c): bias(r, c) for r in range(-3, 4) for c in range(-3, 4)}
    rolled = torch.roll(tokens, (-shift, -shift), (0, 1))
    mixed = torch.zeros_like(rolled)
    temperature = layer.logit_scale.clamp(max=math.log(100)).exp().flatten()
    for top in range(0, height, WINDOW):
        for left in range(0, width, WINDOW):
            places = [(top + r, left + c) for r in range(WINDOW) for c in range(WINDOW)]
            x = torch.stack([rolled[place] for place in places])
            query, key, value = (x @ layer.qkv.weight.T).chunk(3, dim=-1)
            query, value = query + layer.q_bias, value + layer.v_bias
            added = torch.zeros(HEADS, len(places), len(places), dtype=x.dtype)
            for i, (r, c) in enumerate(places):
                for j, (s, d) in enumerate(places):
                    added[:, i, j] = table[r - s, c - d]
                    if (area(r, height), area(c, width)) != (area(s, height), area(d, width)):
                        added[:, i, j] -= 100
            heads = []
            for head, (q, k, v) in enumerate(
                zip(*(part.chunk(HEADS, dim=-1) for part in (query, key, value)), strict=True)
            ):
                cosine = (q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).T
                logits = cosine * temperature[head] + added[head]
                weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
                heads.append(weights @ v)
            out = layer.proj(torch.cat(heads, dim=-1))
            for place, row in zip(places, out, strict=True):
                mixed[place] = row
    x = rolled + block.norm1(mixed)
    x = x + block.norm2(block.mlp.fc2(F.gelu(block.mlp.fc1(x))))
    return torch.roll(x, (shift, shift), (0, 1))


@pytest.mark.parametrize("size", [(4, 4), (4, 12), (12, 8)])
@pytest.mark.parametrize("shift", [0, 2])
def test_layer_equals_the_witness(shift: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    config = Swin2SRConfig(embed_dim=DIM, depths=(1,), num_heads=(HEADS,), window_size=WINDOW)
    block = build_block(config, HEADS, shift, 0.0).double().eval()
    for parameter in block.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    block.attention.logit_scale.data[0] = 6.0  # beyond the limit
    tokens = torch.randn(2, *size, DIM, dtype=torch.float64)
    with torch.no_grad():
        wanted = torch.stack([witness(block, one, shift) for one in tokens])
        strips, _ = run_block(block, tokens.clone(), None, False)
        matrices, weights = run_block(block, tokens.clone(), None, True)
    whole, _ = run_block(block, tokens, None, False)
    for got in (strips, matrices, whole):
        # The coordinates are held in float32, as upstream's are.
        torch.testing.assert_close(got, wanted, rtol=0, atol=2e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_relative_tables() -> None:
    coordinates, index = relative_coordinates(4), relative_index(4)
    assert coordinates.shape == (49, 2)
    assert coordinates[0].tolist() == pytest.approx([-math.log2(9) / 3] * 2)
    assert coordinates[24].tolist() == [0.0, 0.0]
    assert index[0, 15] == 0
    assert index[15, 0] == 48
    assert index.diagonal().tolist() == [24] * 16
