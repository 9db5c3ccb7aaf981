"""The public classes: losses, masks, outputs, training, any size, strips, caches, variants."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ShapeError
from swin2sr.images.resize import imresize_tensor
from swin2sr.models import (
    FeatureOutput,
    ImageSuperResolutionOutput,
    Swin2SRForImageSuperResolution,
    Swin2SRModel,
)

HEADS = (
    ("pixelshuffle", 2),
    ("pixelshuffle", 3),
    ("pixelshuffle_aux", 2),
    ("pixelshuffledirect", 2),
    ("nearest+conv", 2),
    ("nearest+conv", 4),
    ("", 1),
)
SIZES = ((1, 1), (3, 3), (5, 5), (1, 9), (7, 9), (64, 72), (65, 64))


def make(seed: int = 0, **settings: Any) -> Swin2SRForImageSuperResolution:
    """A small network in float64, every parameter random, in evaluation mode."""
    torch.manual_seed(seed)
    values: dict[str, Any] = {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2), **settings}
    values.setdefault("drop_path_rate", 0.0)
    model = Swin2SRForImageSuperResolution(Swin2SRConfig(**values)).double().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


def picture(height: int, width: int, batch: int = 1) -> Tensor:
    """Random pixels in 0..1."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.rand(batch, 3, height, width, dtype=torch.float64, generator=generator)


def fresh(model: nn.Module, pixels: Tensor) -> Tensor:
    """The image with gradients recorded: nothing kept, no strips."""
    return model(pixels).reconstruction.detach()


def test_loss_is_the_mean_absolute_difference() -> None:
    model, labels = make(), picture(10, 14)
    output = model(picture(5, 7), labels=labels)
    assert output.loss.ndim == 0
    torch.testing.assert_close(output.loss, (output.reconstruction - labels).abs().mean())
    with pytest.raises(ShapeError, match="labels"):
        model(picture(5, 7), labels=picture(5, 7))


def test_auxiliary_loss_is_added_with_its_weight() -> None:
    model, labels = make(upsampler="pixelshuffle_aux"), picture(10, 14)
    output = model(picture(5, 7), labels=labels)
    main = F.l1_loss(output.reconstruction, labels)
    side = F.l1_loss(output.aux, imresize_tensor(labels, size=(5, 7)))
    torch.testing.assert_close(output.loss, main + side)
    torch.testing.assert_close(model(picture(5, 7), labels=labels, aux_weight=0.0).loss, main)
    half = model(picture(5, 7), labels=labels, aux_weight=0.5).loss
    torch.testing.assert_close(half, main + 0.5 * side)


def test_head_mask_shapes_mean_the_same() -> None:
    model = make(depths=(2, 3))
    per_head = torch.tensor([0.0, 1.0])
    masks = (per_head, per_head.expand(2, 2), per_head.expand(5, 2))
    with torch.no_grad():
        images = [model(picture(8, 16), head_mask=mask).reconstruction for mask in masks]
        plain = model(picture(8, 16)).reconstruction
    for image in images[1:]:
        torch.testing.assert_close(image, images[0], rtol=0, atol=0)
    assert (images[0] - plain).abs().max() > 1e-8
    for mask in (torch.ones(3), torch.ones(4, 2), torch.ones(5, 1)):
        with pytest.raises(ShapeError, match="head_mask"):
            model(picture(8, 8), head_mask=mask)


def test_head_mask_per_group_and_per_layer_reach_their_layers() -> None:
    model = make(depths=(2, 3))
    per_group = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    per_layer = torch.ones(5, 2)
    per_layer[3, 1] = 0.0
    with torch.no_grad():
        by_group = model(picture(8, 8), head_mask=per_group, output_attentions=True).attentions
        by_layer = model(picture(8, 8), head_mask=per_layer, output_attentions=True).attentions
    silent = [[not bool(a[:, h].any()) for h in range(2)] for a in by_group]
    assert silent == [[False, False]] * 2 + [[True, False]] * 3
    silent = [[not bool(a[:, h].any()) for h in range(2)] for a in by_layer]
    assert silent == [[False, False]] * 3 + [[False, True], [False, False]]


def test_return_dict_false_gives_the_tuple() -> None:
    model, pixels = make(), picture(8, 8)
    with torch.no_grad():
        output = model(pixels, labels=picture(16, 16), output_hidden_states=True)
        values = model(pixels, labels=picture(16, 16), output_hidden_states=True, return_dict=False)
    assert type(values) is tuple
    assert len(values) == 3
    assert values[0] == output.loss
    assert torch.equal(values[1], output.reconstruction)
    assert len(values[2]) == 3
    trunk = model.swin2sr(pixels, return_dict=False)
    assert type(trunk) is tuple
    assert trunk[0].shape == (1, 12, 8, 8)


def test_output_reads_as_dataclass_mapping_and_tuple() -> None:
    with torch.no_grad():
        output = make()(picture(8, 8))
    assert isinstance(output, ImageSuperResolutionOutput)
    assert output.loss is None
    assert output.aux is None
    assert output["reconstruction"] is output.reconstruction is output[0]
    assert list(output) == list(output.keys()) == ["reconstruction"]
    assert len(output) == 1
    with pytest.raises(KeyError):
        output["loss"]


def test_trunk_output_shapes() -> None:
    model = make()
    trunk = Swin2SRModel(model.config).double().eval()
    trunk.load_state_dict(model.trunk.state_dict())
    with torch.no_grad():
        output = trunk(picture(9, 5, 2), output_hidden_states=True)
    assert isinstance(output, FeatureOutput)
    assert output.last_hidden_state.shape == (2, 12, 16, 8)
    assert [tuple(h.shape) for h in output.hidden_states] == [(2, 128, 12)] * 3


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        make()(torch.zeros(shape, dtype=torch.float64))


def test_gradient_checkpointing_gives_equal_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = make().train()
        runs: list[int] = []
        model.trunk.groups[0].register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        if checkpointing:
            model.gradient_checkpointing_enable()
        model(picture(9, 8), labels=picture(18, 16)).loss.backward()
        assert len(runs) == (2 if checkpointing else 1)
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-12, atol=1e-14)


def test_drop_path_rates_are_linear() -> None:
    model = make(drop_path_rate=0.4, depths=(2, 3))
    rates = [block.drop_path.rate for group in model.trunk.groups for block in group.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=1e-7)


@pytest.mark.parametrize("upsampler", ["pixelshuffledirect", "pixelshuffle_aux"])
def test_loss_falls_when_one_batch_is_learned(upsampler: str) -> None:
    model = make(upsampler=upsampler, depths=(2,), num_heads=(2,)).float().train()
    labels = torch.rand(2, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    pixels = imresize_tensor(labels, size=(8, 8))
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss = model(pixels, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("window", [7, 8])
@pytest.mark.parametrize(("upsampler", "upscale"), HEADS)
def test_every_size_equals_the_padded_picture_cropped(
    upsampler: str, upscale: int, window: int
) -> None:
    model = make(
        upsampler=upsampler, upscale=upscale, window_size=window, depths=(2,), num_heads=(2,)
    ).float()
    for height, width in SIZES:
        pixels = picture(height, width).float()
        fill = ((0, 0), (0, 0), (0, -height % window), (0, -width % window))
        padded = torch.from_numpy(np.pad(pixels.numpy(), fill, mode="reflect"))
        with torch.no_grad():
            got, wanted = model(pixels), model(padded)
        assert got.reconstruction.shape == (1, 3, height * upscale, width * upscale)
        crop = wanted.reconstruction[:, :, : height * upscale, : width * upscale]
        torch.testing.assert_close(got.reconstruction, crop, rtol=0, atol=1e-6)
        if got.aux is not None:
            sides = got.aux.shape[2:]
            assert sides == (pixels if upsampler == "pixelshuffle_aux" else crop).shape[2:]
            crop = wanted.aux[:, :, : sides[0], : sides[1]]
            torch.testing.assert_close(got.aux, crop, rtol=0, atol=1e-6)


@pytest.mark.parametrize("strip", [1, 5, 128])
@pytest.mark.parametrize("window", [7, 8])
def test_strips_equal_the_whole_map(
    window: int, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swin2sr.nn.blocks.STRIP_WINDOWS", strip)
    model = make(window_size=window, depths=(3, 2))
    for size in ((8, 8), (33, 17), (16, 40)):
        pixels = picture(*size, batch=2)
        whole = fresh(model, pixels)
        with torch.no_grad():
            strips = model(pixels).reconstruction
            matrices = model(pixels, output_attentions=True).reconstruction
        torch.testing.assert_close(strips, whole, rtol=0, atol=1e-12)
        torch.testing.assert_close(matrices, whole, rtol=0, atol=1e-12)


def test_input_is_not_changed() -> None:
    model, pixels = make(), picture(8, 16)
    before = pixels.clone()
    with torch.no_grad():
        model(pixels)
    assert torch.equal(pixels, before)


def test_kept_bias_follows_the_parameters() -> None:
    model, pixels = make(), picture(16, 8)

    def check() -> Tensor:
        with torch.no_grad():
            kept = model(pixels).reconstruction
        torch.testing.assert_close(kept, fresh(model, pixels), rtol=0, atol=1e-12)
        return kept

    first = check()
    tables = [p for name, p in model.named_parameters() if "position" in name or "scale" in name]
    optimiser = torch.optim.SGD(tables, lr=1.0)
    for table in tables:
        table.grad = torch.full_like(table, 0.3)
    optimiser.step()
    second = check()
    assert (second - first).abs().max() > 1e-9
    model.load_state_dict(make(seed=1).state_dict())
    third = check()
    assert (third - second).abs().max() > 1e-6
    model.float()
    pixels = pixels.float()
    with torch.no_grad():
        narrow = model(pixels).reconstruction
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), third, rtol=0, atol=1e-5)


def test_kept_bias_survives_inference_mode() -> None:
    model, pixels = make(), picture(8, 8)
    with torch.inference_mode():
        first = model(pixels).reconstruction.clone()
    with torch.no_grad():
        assert torch.equal(model(pixels).reconstruction, first)
    model(pixels, labels=picture(16, 16)).loss.backward()


@pytest.mark.parametrize("size", [(9, 13), (24, 8)])
def test_bfloat16_at_other_sizes(size: tuple[int, int]) -> None:
    model, pixels = make(image_size=16), picture(*size)
    with torch.no_grad():
        wanted = model(pixels).reconstruction
        image = model.bfloat16()(pixels.bfloat16()).reconstruction
    assert image.dtype == torch.bfloat16
    assert (image.double() - wanted).abs().max() < 0.05


def test_absolute_embeddings_are_added_and_stretched() -> None:
    model = make(use_absolute_embeddings=True, image_size=(16, 24))
    table = model.trunk.absolute_position
    assert table.shape == (1, 16 * 24, 12)

    def first(size: tuple[int, int]) -> Tensor:
        with torch.no_grad():
            return model(picture(*size), output_hidden_states=True).hidden_states[0]

    sizes = ((16, 24), (24, 16))
    with_table = [first(size) for size in sizes]
    saved = table.detach().clone()
    table.data.zero_()
    without = [first(size) for size in sizes]
    torch.testing.assert_close(with_table[0] - without[0], saved, rtol=0, atol=1e-12)
    grid = saved.reshape(1, 16, 24, 12).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(24, 16), mode="bicubic", align_corners=False)
    wanted = grid.flatten(2).mT
    torch.testing.assert_close(with_table[1] - without[1], wanted, rtol=0, atol=1e-12)


def test_three_convolutions_are_a_bottleneck_with_slope_a_fifth() -> None:
    model = make(resi_connection="3conv")
    body = model.trunk.conv_after_body
    x = picture(8, 8).repeat(1, 4, 1, 1)
    y = F.leaky_relu(F.conv2d(x, body[0].weight, body[0].bias, padding=1), 0.2)
    y = F.leaky_relu(F.conv2d(y, body[2].weight, body[2].bias), 0.2)
    y = F.conv2d(y, body[4].weight, body[4].bias, padding=1)
    torch.testing.assert_close(body(x), y)
    with torch.no_grad():
        assert model(picture(5, 9)).reconstruction.shape == (1, 3, 10, 18)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same_and_are_independent(copier: Any) -> None:
    model, pixels = make(), picture(9, 8)
    with torch.no_grad():
        first = model(pixels).reconstruction
        twin = copier(model)
        assert torch.equal(twin(pixels).reconstruction, first)
        for parameter in twin.parameters():
            parameter.mul_(1.5)
        assert not torch.equal(twin(pixels).reconstruction, first)
        assert torch.equal(model(pixels).reconstruction, first)
