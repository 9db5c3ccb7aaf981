"""The backbones by themselves: a naive witness, masks, losses, training, configurations."""

from __future__ import annotations

import copy
import json
import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

import swin2sr
from swin2sr.backbones.config import BackboneConfig, SwinConfig, Swinv2Config
from swin2sr.backbones.encoder import Stage, head_masks
from swin2sr.backbones.outputs import BackboneModelOutput
from swin2sr.backbones.patches import PatchEmbedding, PatchMerging
from swin2sr.errors import ConfigError, ShapeError
from swin2sr.nn.attention import CosineWindowAttention, DotProductWindowAttention
from swin2sr.nn.blocks import Block

NETWORKS = ("Swin", "Swinv2")
SMALL: dict[str, Any] = {
    "image_size": 16,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (2, 4),
    "window_size": 4,
    "encoder_stride": 4,
    "drop_path_rate": 0.0,
}


def configure(network: str, **settings: Any) -> BackboneConfig:
    """A small configuration."""
    return getattr(swin2sr, f"{network}Config")(**{**SMALL, **settings})


def make(name: str, seed: int = 0, arguments: dict[str, Any] | None = None, **settings: Any) -> Any:
    """A small network in float64, every parameter random, in evaluation mode."""
    torch.manual_seed(seed)
    network = next(n for n in ("Swinv2", "Swin") if name.startswith(n))
    model = getattr(swin2sr, name)(configure(network, **settings), **(arguments or {}))
    model = model.double().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


def picture(height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random pixels."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.randn(batch, channels, height, width, dtype=torch.float64, generator=generator)


# ------------------------------------------------------------------------------- a naive witness


def distances(layer: nn.Module, reach: int, pretrained: int) -> dict[tuple[int, int], Tensor]:
    """The bias of each head for every distance (rows, columns) below ``reach``, from the papers."""
    found = {}
    for rows in range(1 - reach, reach):
        for columns in range(1 - reach, reach):
            if isinstance(layer, DotProductWindowAttention):
                side = layer.window
                place = (rows + side - 1) * (2 * side - 1) + columns + side - 1
                found[rows, columns] = layer.position.table[place]
                continue
            point = []
            for offset in (rows, columns):
                scaled = 8 * offset / ((pretrained or layer.window) - 1)
                point.append(math.copysign(math.log2(abs(scaled) + 1) / 3, scaled))
            hidden = torch.relu(layer.position.fc1(torch.tensor(point).double()))
            found[rows, columns] = 16 * torch.sigmoid(layer.position.fc2(hidden))
    return found


def mixed(layer: Any, tokens: Tensor, window: int, shift: int, pretrained: int) -> Tensor:
    """Attention over one (H, W, C) map, window by window, pair by pair."""
    height, width, dim = tokens.shape
    tall, wide = -(-height // window) * window, -(-width // window) * window
    whole = torch.zeros(tall, wide, dim, dtype=tokens.dtype)
    whole[:height, :width] = tokens
    whole = torch.roll(whole, (-shift, -shift), (0, 1))
    bias, heads = distances(layer, window, pretrained), layer.heads

    def area(at: int, length: int) -> int:
        return (at >= length - window) + (at >= length - shift) if shift else 0

    out = torch.zeros_like(whole)
    for top in range(0, tall, window):
        for left in range(0, wide, window):
            places = [(top + r, left + c) for r in range(window) for c in range(window)]
            x = torch.stack([whole[place] for place in places])
            query, key, value = (x @ layer.qkv.weight.T).chunk(3, dim=-1)
            if isinstance(layer, DotProductWindowAttention):
                parts = layer.qkv.bias.chunk(3)
                query, key, value = query + parts[0], key + parts[1], value + parts[2]
            else:
                query, value = query + layer.q_bias, value + layer.v_bias
            results = []
            for head in range(heads):
                part = slice(head * dim // heads, (head + 1) * dim // heads)
                q, k, v = query[:, part], key[:, part], value[:, part]
                if isinstance(layer, DotProductWindowAttention):
                    logits = q @ k.T / math.sqrt(dim / heads)
                else:
                    # padding has keys of length 0
                    norms = q.norm(dim=1)[:, None] * k.norm(dim=1).clamp_min(1e-12)
                    logits = q @ k.T / norms * min(layer.logit_scale[head].exp().item(), 100.0)
                for i, (r, c) in enumerate(places):
                    for j, (s, d) in enumerate(places):
                        logits[i, j] += bias[r - s, c - d][head]
                        if (area(r, tall), area(c, wide)) != (area(s, tall), area(d, wide)):
                            logits[i, j] -= 100
                results.append(torch.softmax(logits, dim=1) @ v)
            for place, row in zip(places, layer.proj(torch.cat(results, 1)), strict=True):
                out[place] = row
    return torch.roll(out, (shift, shift), (0, 1))[:height, :width]


def witness(model: Any, pixels: Tensor) -> Tensor:
    """The last features (tokens, C) of one image (C, H, W), straight from the papers' formulas."""
    config = model.config
    first, patch = config.generation == 1, config.patch_size
    _, height, width = pixels.shape
    rows, columns = -(-height // patch), -(-width // patch)
    covered = torch.zeros(3, rows * patch, columns * patch, dtype=pixels.dtype)
    covered[:, :height, :width] = pixels
    kernel = model.embed.proj.weight.flatten(1)
    x = torch.stack(
        [
            torch.stack(
                [
                    kernel @ covered[:, r : r + patch, c : c + patch].flatten()
                    for c in range(0, columns * patch, patch)
                ]
            )
            for r in range(0, rows * patch, patch)
        ]
    )
    x = model.embed.norm(x + model.embed.proj.bias)
    for number, stage in enumerate(model.stages):
        for depth, block in enumerate(stage.blocks):
            window, shift = config.window_size, config.window_size // 2 * (depth % 2)
            # Swin looks at the map it has, SwinV2 at the one it was built for.
            side = min(x.shape[:2]) if first else (config.image_size // patch) >> number
            if side <= window:
                window, shift = side, 0
            pretrained = 0 if first else config.pretrained_window_sizes[number]
            if first:
                x = x + mixed(block.attention, block.norm1(x), window, shift, pretrained)
                x = x + block.mlp.fc2(F.gelu(block.mlp.fc1(block.norm2(x))))
            else:
                x = x + block.norm1(mixed(block.attention, x, window, shift, pretrained))
                x = x + block.norm2(block.mlp.fc2(F.gelu(block.mlp.fc1(x))))
        if stage.downsample is not None:
            padded = F.pad(x, (0, 0, 0, x.shape[1] % 2, 0, x.shape[0] % 2))
            corners = [padded[r::2, c::2] for r, c in ((0, 0), (1, 0), (0, 1), (1, 1))]
            merge = stage.downsample
            x = torch.cat(corners, dim=-1)
            x = merge.reduction(merge.norm(x)) if first else merge.norm(merge.reduction(x))
    return model.norm(x).flatten(0, 1)


@pytest.mark.parametrize("size", [(16, 16), (13, 18)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_network_equals_the_witness(network: str, size: tuple[int, int]) -> None:
    settings = {"pretrained_window_sizes": (3, 0)} if network == "Swinv2" else {}
    model = make(f"{network}Model", **settings)
    pixels = picture(*size)
    with torch.no_grad():
        got, wanted = model(pixels).last_hidden_state[0], witness(model, pixels[0])
    # SwinV2's coordinates are held in float32, as upstream's are.
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10 if network == "Swin" else 1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (12, 6), (6, 20)], ids=str)
def test_swin_attends_within_maps_smaller_than_the_window(size: tuple[int, int]) -> None:
    """Where transformers fails: windows of the shorter side, biases by distance."""
    model = make("SwinModel", window_size=7)
    pixels = picture(*size)
    with torch.no_grad():
        output = model(pixels, output_attentions=True)
        wanted = witness(model, pixels[0])
    torch.testing.assert_close(output.last_hidden_state[0], wanted, rtol=0, atol=1e-10)
    side = min(-(-size[0] // 2), -(-size[1] // 2))
    assert output.attentions[0].shape[-1] == min(side, 7) ** 2


# ------------------------------------------------------------------------------- sizes and strips


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (16, 16), (33, 18), (40, 64)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_strips_equal_the_whole_map_and_singles_a_batch(
    network: str, size: tuple[int, int]
) -> None:
    model, pixels = make(f"{network}Model"), picture(*size, batch=2)
    whole = model(pixels, output_hidden_states=True)
    with torch.no_grad():
        strips = model(pixels, output_hidden_states=True)
        alone = model(pixels[1:])
    torch.testing.assert_close(strips.hidden_states, whole.hidden_states, rtol=0, atol=1e-12)
    torch.testing.assert_close(strips.pooler_output, whole.pooler_output, rtol=0, atol=1e-12)
    torch.testing.assert_close(alone[0], whole[0][1:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_output_shapes(network: str) -> None:
    model = make(f"{network}Model", depths=(1, 2, 1), num_heads=(1, 2, 2))
    with torch.no_grad():
        output = model(picture(19, 26, 2), output_hidden_states=True, output_attentions=True)
    assert isinstance(output, BackboneModelOutput)
    maps = [(8, 10, 13), (16, 5, 7), (32, 3, 4), (32, 3, 4)]
    shapes = [tuple(state.shape) for state in output.reshaped_hidden_states]
    assert shapes == [(2, *one) for one in maps]
    assert [tuple(s.shape) for s in output.hidden_states] == [(2, r * c, w) for w, r, c in maps]
    for state, shaped in zip(output.hidden_states, output.reshaped_hidden_states, strict=True):
        torch.testing.assert_close(shaped.flatten(2).transpose(1, 2), state, rtol=0, atol=0)
    assert output.pooler_output.shape == (2, 32)
    torch.testing.assert_close(output.last_hidden_state, model.norm(output.hidden_states[-1]))
    windows = {"Swin": [(12, 16), (4, 16), (4, 16), (2, 9)], "Swinv2": [(12, 16)]}[network]
    found = [(len(a) // 2, a.shape[-1]) for a in output.attentions]
    assert found[: len(windows)] == windows
    assert [a.shape[1] for a in output.attentions] == [1, 2, 2, 2]


@pytest.mark.parametrize("network", NETWORKS)
def test_return_dict_false_and_the_configurations_wishes(network: str) -> None:
    model = make(f"{network}ForImageClassification")
    with torch.no_grad():
        assert model(picture(8, 8)).keys() == ["logits"]
        (logits,) = model(picture(8, 8), return_dict=False)
        both = model(picture(8, 8), labels=torch.tensor([1]), return_dict=False)
        model.config = model.backbone.config = model.config.replace(
            return_dict=False, output_hidden_states=True, output_attentions=True
        )
        asked = model(picture(8, 8))
        told = model(picture(8, 8), output_hidden_states=False, output_attentions=False)
    assert torch.equal(both[1], logits)
    assert both[0].ndim == 0
    assert [type(part) for part in asked] == [Tensor, tuple, tuple, tuple]
    assert len(told) == 1


def test_pooling_is_the_mean_of_the_tokens_and_optional() -> None:
    pooled = make("SwinModel")
    bare = make("SwinModel", arguments={"add_pooling_layer": False})
    with torch.no_grad():
        one, other = pooled(picture(16, 12)), bare(picture(16, 12))
    torch.testing.assert_close(one.pooler_output, one.last_hidden_state.mean(1))
    assert other.pooler_output is None
    assert torch.equal(one.last_hidden_state, other.last_hidden_state)


@pytest.mark.parametrize(
    "shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8), (3,)], ids=str
)
@pytest.mark.parametrize("head", ["Model", "ForImageClassification", "ForMaskedImageModeling"])
def test_other_shapes_are_refused(head: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="pixel_values"):
        make(f"Swin{head}")(torch.zeros(shape, dtype=torch.float64))


def test_positions_of_another_grid_are_refused_unless_interpolated() -> None:
    model = make("Swinv2Model", use_absolute_embeddings=True)
    with torch.no_grad():
        model(picture(16, 16))
        with pytest.raises(ShapeError, match="interpolate_pos_encoding=True"):
            model(picture(16, 20))
        model(picture(15, 21), interpolate_pos_encoding=True)
    oblong = PatchEmbedding(3, 8, (2, 2), (4, 6), False, 0.0)
    torch.nn.init.normal_(oblong.position)
    table = oblong.position.view(1, 4, 6, 8)
    with torch.no_grad():
        flat = oblong(torch.zeros(1, 3, 8, 12)) - oblong(torch.zeros(1, 3, 8, 12))[:, :1, :1]
    torch.testing.assert_close(flat, (table - table[:, :1, :1]).detach())


def test_merging_keeps_every_token_in_its_place() -> None:
    merge = PatchMerging(2, norm_first=False).double()
    tokens = torch.arange(2 * 3 * 5 * 2, dtype=torch.float64).view(2, 3, 5, 2)
    with torch.no_grad():
        merge.reduction.weight.copy_(torch.eye(8, dtype=torch.float64)[:4])
        merge.norm = nn.Identity()
        left = merge(tokens)
        merge.reduction.weight.copy_(torch.eye(8, dtype=torch.float64)[4:])
        right = merge(tokens)
    assert left.shape == (2, 2, 3, 4)
    padded = F.pad(tokens, (0, 0, 0, 1, 0, 1))
    assert torch.equal(left[..., :2], padded[:, 0::2, 0::2])
    assert torch.equal(left[..., 2:], padded[:, 1::2, 0::2])
    assert torch.equal(right[..., :2], padded[:, 0::2, 1::2])
    assert torch.equal(right[..., 2:], padded[:, 1::2, 1::2])


# -------------------------------------------------------------------------------------- head masks


@pytest.mark.parametrize("network", NETWORKS)
def test_head_masks_are_factors_on_the_attention(network: str) -> None:
    model, pixels = make(f"{network}Model", num_heads=(2, 2)), picture(16, 20)
    mask = torch.tensor([1.0, 0.0]).double()
    with torch.no_grad():
        plain = model(pixels, output_attentions=True)
        ones = model(pixels, head_mask=torch.ones(2).double())
        got = model(pixels, head_mask=mask, output_attentions=True)
        same = [
            model(pixels, head_mask=other).last_hidden_state
            for other in (mask.expand(2, 2), mask.expand(4, 2), [mask] * 2, [mask] * 4, (mask,) * 4)
        ]
        first = model(pixels, head_mask=[mask, None, None, None], output_attentions=True)
    torch.testing.assert_close(plain.last_hidden_state, ones.last_hidden_state, rtol=0, atol=1e-12)
    assert all(bool((a[:, 1] == 0).all()) for a in got.attentions)
    assert torch.equal(got.attentions[0][:, 0], plain.attentions[0][:, 0])
    for other in same:
        torch.testing.assert_close(got.last_hidden_state, other, rtol=0, atol=1e-12)
    assert not torch.allclose(plain.last_hidden_state, got.last_hidden_state)
    assert [bool((a[:, 1] == 0).all()) for a in first.attentions] == [True, False, False, False]


def test_head_masks_of_stages_with_other_numbers_of_heads() -> None:
    model, pixels = make("SwinForImageClassification"), picture(16, 16)
    masks = [torch.tensor([0.5, 1.0]), None]
    with torch.no_grad():
        halved = model(pixels, head_mask=masks).logits
        for block in model.backbone.stages[0].blocks:
            block.attention.proj.weight[:, :4] *= 0.5
        torch.testing.assert_close(model(pixels).logits, halved, rtol=0, atol=1e-12)
    for wrong in (torch.ones(2), torch.ones(3, 2), [torch.ones(2)] * 4, [torch.ones(4)] * 2, []):
        with pytest.raises(ShapeError, match="head_mask"):
            head_masks(model.config, wrong)


# ------------------------------------------------------------------------------------------ losses


def test_labels_that_do_not_fit_are_refused() -> None:
    model, pixels = make("SwinForImageClassification", num_labels=3), picture(8, 8, 2)
    for labels in (torch.tensor([0]), torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 3, 1)):
        with pytest.raises(ShapeError, match="labels"):
            model(pixels, labels=labels)
    for labels in (torch.tensor([0, 3]), torch.tensor([-1, 0])):
        with pytest.raises(ConfigError, match="between 0 and 2"):
            model(pixels, labels=labels)
    with pytest.raises(ConfigError, match="num_labels=0"):
        make("SwinForImageClassification", num_labels=0)(pixels, labels=torch.tensor([0, 0]))
    number = make("SwinForImageClassification", num_labels=1)
    torch.testing.assert_close(
        number(pixels, labels=torch.tensor([1.0, 2.0])).loss,
        number(pixels, labels=torch.tensor([[1.0], [2.0]])).loss,
    )


@pytest.mark.parametrize("size", [(16, 16), (16, 24), (13, 22), (5, 3)], ids=str)
@pytest.mark.parametrize("patch", [2, (4, 4)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_pictures_of_any_shape_are_completed(network: str, patch: Any, size: Any) -> None:
    stride = 4 if patch == 2 else 8
    model = make(f"{network}ForMaskedImageModeling", patch_size=patch, encoder_stride=stride)
    pixels, side = picture(*size, batch=2), stride // 2
    rows, columns = -(-size[0] // side), -(-size[1] // side)
    masked = torch.rand(2, rows * columns) < 0.5
    masked[0, 0] = True
    with torch.no_grad():
        output = model(pixels, bool_masked_pos=masked)
        features = model.backbone(pixels, bool_masked_pos=masked).last_hidden_state
    assert output.reconstruction.shape == pixels.shape
    total = count = 0.0
    wide = -(-columns // 2)
    weight, bias = model.decoder.weight.flatten(1), model.decoder.bias
    for b in range(2):
        for r in range(size[0]):
            for c in range(size[1]):
                values = weight @ features[b, r // stride * wide + c // stride] + bias
                inside = r % stride * stride + c % stride
                wanted = torch.stack([values[k * stride**2 + inside] for k in range(3)])
                torch.testing.assert_close(output.reconstruction[b, :, r, c], wanted)
                if masked[b, r // side * columns + c // side]:
                    total += float((pixels[b, :, r, c] - wanted).detach().abs().sum())
                    count += 1
    assert float(output.loss) == pytest.approx(total / (count + 1e-5) / 3, rel=1e-9)


def test_masks_that_do_not_fit_are_refused() -> None:
    model = make("SwinForMaskedImageModeling")
    for shape in ((1, 63), (2, 64), (1, 8, 8), (64,)):
        with pytest.raises(ShapeError, match=r"bool_masked_pos must have shape \(1, 64\)"):
            model(picture(16, 16), bool_masked_pos=torch.zeros(shape).bool())
    with pytest.raises(ConfigError, match="use_mask_token=True"):
        make("SwinModel")(picture(16, 16), bool_masked_pos=torch.zeros(1, 64).bool())
    other = make("SwinForMaskedImageModeling", encoder_stride=8)
    with pytest.raises(ConfigError, match="encoder_stride=4"):
        other(picture(16, 16), bool_masked_pos=torch.zeros(1, 64).bool())
    with torch.no_grad():
        assert other(picture(16, 16)).reconstruction.shape == (1, 3, 32, 32)


# ---------------------------------------------------------------------------------------- training


def _first_loss(name: str) -> Callable[[Any, Tensor], Tensor]:
    if name.endswith("Classification"):
        return lambda model, pixels: model(pixels, labels=torch.tensor([0, 1])).loss
    masked = torch.arange(64).expand(2, -1) % 3 == 0
    return lambda model, pixels: model(pixels, bool_masked_pos=masked).loss


@pytest.mark.parametrize("head", ["ForImageClassification", "ForMaskedImageModeling"])
@pytest.mark.parametrize("network", NETWORKS)
def test_loss_falls_and_checkpointing_gives_equal_gradients(network: str, head: str) -> None:
    model, loss = make(network + head, drop_path_rate=0.0).train(), _first_loss(head)
    pixels = picture(16, 16, 2)
    loss(model, pixels).backward()
    plain = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    calls: list[int] = []
    for stage in model.backbone.stages:
        stage.register_forward_pre_hook(lambda *_: calls.append(1))
    loss(model, pixels).backward()
    assert len(calls) == 2 * len(model.backbone.stages)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name], rtol=0, atol=1e-12)
    model.gradient_checkpointing_disable()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = float(loss(model, pixels).detach())
    for _ in range(15):
        optimizer.zero_grad()
        loss(model, pixels).backward()
        optimizer.step()
    assert float(loss(model, pixels).detach()) < 0.7 * before


def test_dropouts_act_in_training_alone_and_rates_are_linear() -> None:
    model = make("Swinv2Model", depths=(2, 3), drop_path_rate=0.4)
    rates = [
        block.drop_path.rate
        for stage in model.stages
        for block in stage.blocks
        if isinstance(stage, Stage) and isinstance(block, Block)
    ]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    for name in ("drop_path_rate", "hidden_dropout_prob", "attention_probs_dropout_prob"):
        model = make("SwinModel", **{name: 0.5})
        with torch.no_grad():
            calm = model(picture(16, 16))[0]
            assert torch.equal(calm, model(picture(16, 16))[0])
            assert not torch.equal(calm, model.train()(picture(16, 16))[0])


def test_a_dropped_path_drops_a_whole_sample() -> None:
    model = make("SwinModel", depths=(1,), num_heads=(2,), drop_path_rate=0.0).train()
    block = model.stages[0].blocks[0]
    block.drop_path.rate = 0.5
    with torch.no_grad():
        tokens = model.embed(picture(16, 16, 64))
        left, _ = model.stages[0](tokens, [None], False)
    unchanged = (left == tokens).flatten(1).all(1)
    assert 4 <= int(unchanged.sum()) <= 32  # about a quarter: both branches dropped


# ------------------------------------------------------------------------------- copies, precision


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("network", NETWORKS)
def test_copies_compute_the_same(network: str, copier: Callable[[Any], Any]) -> None:
    model = make(f"{network}ForImageClassification")
    with torch.no_grad():
        wanted = model(picture(16, 16)).logits
        assert torch.equal(copier(model)(picture(16, 16)).logits, wanted)


@pytest.mark.parametrize("network", NETWORKS)
def test_half_precision_stays_near(network: str) -> None:
    model = make(f"{network}Model").float()
    with torch.no_grad():
        wanted = model(picture(21, 34)).last_hidden_state
        low = model.bfloat16()(picture(21, 34)).last_hidden_state
    assert wanted.dtype == torch.float32
    assert low.dtype == torch.bfloat16
    assert float((low.float() - wanted).square().mean().sqrt() / wanted.std()) < 0.1


@pytest.mark.parametrize("network", NETWORKS)
def test_facts_about_a_model(network: str) -> None:
    model = make(f"{network}ForImageClassification")
    assert model.dtype == torch.float64
    assert model.device.type == "cpu"
    assert model.num_parameters() == sum(p.numel() for p in model.parameters())
    model.classifier.requires_grad_(False)
    assert model.num_parameters() - model.num_parameters(only_trainable=True) == 2 * 16 + 2
    assert getattr(model, network.lower()) is model.backbone


# --------------------------------------------------------------------------------- configurations


@pytest.mark.parametrize("network", NETWORKS)
def test_defaults_are_transformers(network: str) -> None:
    ours, theirs = (
        getattr(swin2sr, f"{network}Config")(),
        getattr(transformers, f"{network}Config")(),
    )
    for name, value in theirs.to_dict().items():
        if name in ours.to_dict() or hasattr(ours, name):
            mine = getattr(ours, name)
            assert (list(mine) if isinstance(mine, tuple) else mine) == (
                list(value) if isinstance(value, tuple) else value
            ), name
    known = set(theirs.to_dict()) - {"transformers_version", "architectures", "dtype"}
    known -= {"chunk_size_feed_forward", "is_encoder_decoder", "_name_or_path"}
    assert {name for name in known if not hasattr(ours, name)} == set()
    assert ours.num_labels == theirs.num_labels == 2
    assert ours.num_attention_heads == tuple(theirs.num_attention_heads)
    assert ours.num_hidden_layers == theirs.num_hidden_layers == 4


FILES: dict[str, dict[str, Any]] = {
    "plain": {},
    "named": {
        "id2label": {0: "cat", 1: "dog", 2: "emu"},
        "label2id": {"cat": 0, "dog": 1, "emu": 2},
    },
    "counted": {"num_labels": 7, "problem_type": "multi_label_classification"},
    "no classes": {"num_labels": 0},
    "stages": {"depths": [1, 2], "num_heads": [2, 2], "out_features": ["stem", "stage2"]},
    "wishes": {"output_hidden_states": True, "image_size": [32, 64], "patch_size": [4, 4]},
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("network", NETWORKS)
def test_files_go_to_transformers_and_back(network: str, case: str, tmp_path: Path) -> None:
    kind, their_kind = (
        getattr(swin2sr, f"{network}Config"),
        getattr(transformers, f"{network}Config"),
    )
    theirs = their_kind(**FILES[case])
    theirs.save_pretrained(tmp_path)
    ours = kind.from_json_file(tmp_path / "config.json")
    assert ours.num_labels == theirs.num_labels
    assert ours.id2label == theirs.id2label
    assert ours.label2id == theirs.label2id
    assert list(ours.out_features) == theirs.out_features
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert json.loads(ours.to_json_string()) == stored
    ours.to_json_file(tmp_path / "config.json")
    again = their_kind.from_pretrained(tmp_path)
    assert again.to_dict() | {"_name_or_path": ""} == theirs.to_dict() | {"_name_or_path": ""}
    assert kind.from_dict(ours.to_dict()) == ours
    assert hash(ours) == hash(kind.from_dict(ours.to_dict()))


def test_replacing_derives_what_follows() -> None:
    config = SwinConfig(id2label={0: "a", 1: "b", 2: "c"}, extra={"path_norm": True})
    assert config.label2id == {"a": 0, "b": 1, "c": 2}
    assert config.replace(image_size=384) == SwinConfig(
        image_size=384, id2label={0: "a", 1: "b", 2: "c"}, extra={"path_norm": True}
    )
    more = config.replace(num_labels=5)
    assert more.id2label == {i: f"LABEL_{i}" for i in range(5)}
    assert more.extra == {"path_norm": True}
    assert config.replace(id2label={0: "x"}).label2id == {"x": 0}
    assert config.replace(out_indices=(1, -1)).out_features == ("stage1", "stage4")
    assert config.replace(depths=(1, 1), num_heads=(1, 1)).out_features == ("stage2",)
    assert Swinv2Config(depths=(1, 1), num_heads=(3, 6)).pretrained_window_sizes == (0, 0)


def test_the_built_window_follows_the_training_image() -> None:
    config = Swinv2Config(image_size=256, window_size=16)
    assert [config.stage_window(i) for i in range(4)] == [(16, 8), (16, 8), (16, 0), (8, 0)]
    shapes = [
        (stage.blocks[1].attention.window, stage.blocks[1].attention.shift)
        for stage in make("Swinv2Model", image_size=16).stages
    ]
    assert shapes == [(4, 2), (4, 0)]
    built = make("Swinv2Model", pretrained_window_sizes=(3, 0)).stages[0].blocks[0].attention
    assert isinstance(built, CosineWindowAttention)
    assert float(built.position.coordinates.max()) == pytest.approx(math.log2(8 * 3 / 2 + 1) / 3)
    assert [SwinConfig().stage_window(i) for i in range(4)] == [(7, 3)] * 4


REFUSED: tuple[dict[str, Any], ...] = (
    {"embed_dim": 95},
    {"embed_dim": 0},
    {"embed_dim": 9.5},
    {"depths": 4},
    {"depths": (2, 2)},
    {"depths": (), "num_heads": ()},
    {"depths": (1,) * 40, "num_heads": (1,) * 40},
    {"depths": (0, 2, 6, 2)},
    {"num_heads": (3, 6, 12, 25)},
    {"num_heads": "3, 6"},
    {"window_size": 0},
    {"window_size": (7, 7)},
    {"image_size": 3},
    {"image_size": (224, 224, 3)},
    {"patch_size": 0},
    {"mlp_ratio": 0},
    {"mlp_ratio": float("nan")},
    {"drop_path_rate": 1.0},
    {"hidden_dropout_prob": -0.1},
    {"layer_norm_eps": "1e-5"},
    {"hidden_act": "swiglu"},
    {"qkv_bias": 1},
    {"num_labels": -1},
    {"num_labels": 10**12},
    {"num_labels": 3, "id2label": {0: "a"}},
    {"id2label": ["a", "b"]},
    {"id2label": {"zero": "a"}},
    {"label2id": {"a": None}},
    {"problem_type": "ranking"},
    {"problem_type": "single_label_classification", "num_labels": 1},
    {"out_features": ("stage9",)},
    {"out_features": ("stage2", "stage1")},
    {"out_indices": (7,)},
    {"out_features": ("stage1",), "out_indices": (2,)},
    {"encoder_stride": 0},
)


@pytest.mark.parametrize("settings", REFUSED, ids=lambda s: " ".join(s))
def test_refusals(settings: dict[str, Any]) -> None:
    for kind in (SwinConfig, Swinv2Config):
        with pytest.raises(ConfigError):
            kind.from_dict(settings)


def test_refusals_of_swinv2() -> None:
    for sizes in ((1, 2), (0, 0, 0, -1), (0.5,) * 4):
        with pytest.raises(ConfigError, match="pretrained_window_sizes"):
            Swinv2Config(pretrained_window_sizes=sizes)
    with pytest.raises(ConfigError, match="last of 4 stages"):
        Swinv2Config(image_size=16)
    with pytest.raises(ConfigError, match="'swin'"):
        Swinv2Config.from_dict(SwinConfig().to_dict())


def test_names_are_at_the_front_door() -> None:
    names = [n + e for n in NETWORKS for e in ("Model", "ForImageClassification", "Config")]
    names += [f"{n}ForMaskedImageModeling" for n in NETWORKS]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(hasattr(swin2sr, name) and name in swin2sr.__all__ for name in names)
