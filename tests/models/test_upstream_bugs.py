"""Upstream's faults and what ours does instead, by the ids of docs/differences.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Swin2SRConfig as TheirConfig
from transformers import Swin2SRForImageSuperResolution as Theirs

from swin2sr.checkpoints import to_hub, to_native, to_original
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError
from swin2sr.models import Swin2SRForImageSuperResolution

MEAN = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).view(1, 3, 1, 1)


def make(seed: int = 0, **settings: Any) -> Swin2SRForImageSuperResolution:
    """A small network in float64, every parameter random, in evaluation mode."""
    torch.manual_seed(seed)
    values: dict[str, Any] = {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2), **settings}
    model = Swin2SRForImageSuperResolution(Swin2SRConfig(**values)).double().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


def picture(height: int, width: int, channels: int = 3) -> Tensor:
    """Random pixels in 0..1."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.rand(1, channels, height, width, dtype=torch.float64, generator=generator)


def padded(pixels: Tensor, window: int) -> Tensor:
    """NumPy's reflection to whole windows."""
    height, width = (-side % window for side in pixels.shape[2:])
    return torch.from_numpy(
        np.pad(pixels.numpy(), ((0, 0), (0, 0), (0, height), (0, width)), mode="reflect")
    )


def test_h01_auxiliary_bicubic_sees_normalised_pixels() -> None:
    model = make(upsampler="pixelshuffle_aux", upscale=2)
    seen: list[Tensor] = []
    model.head.conv_bicubic.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = picture(8, 16)
    with torch.no_grad():
        model(pixels)
    wanted = F.interpolate(pixels - MEAN, scale_factor=2, mode="bicubic", align_corners=False)
    torch.testing.assert_close(seen[0], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("img_range", [1.0, 255.0])
def test_h02_restoration_without_correction_is_the_input(img_range: float) -> None:
    model = make(upsampler="", upscale=1, img_range=img_range)
    nn.init.zeros_(model.head.conv_last.weight)
    nn.init.zeros_(model.head.conv_last.bias)
    pixels = picture(9, 5)
    with torch.no_grad():
        image = model(pixels).reconstruction
    torch.testing.assert_close(image, pixels, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(5, 5), (13, 9)])
def test_h03_unaligned_input_is_padded_inside_and_cropped(size: tuple[int, int]) -> None:
    model = make()
    theirs = Theirs(TheirConfig(embed_dim=12, depths=[2, 2], num_heads=[2, 2])).double().eval()
    theirs.load_state_dict(to_hub(model.state_dict()))
    pixels = picture(*size)
    with torch.no_grad():
        with pytest.raises(RuntimeError):
            theirs(pixels)
        wanted = theirs(padded(pixels, 8)).reconstruction[:, :, : 2 * size[0], : 2 * size[1]]
        torch.testing.assert_close(model(pixels).reconstruction, wanted, rtol=0, atol=1e-10)


def test_h05_window_of_seven_takes_multiples_of_eight() -> None:
    model = make(window_size=7, upsampler="", upscale=1, num_channels=1, image_size=126)
    pixels = picture(16, 8, channels=1)
    with torch.no_grad():
        image = model(pixels).reconstruction
        wanted = model(padded(pixels, 7)).reconstruction[:, :, :16, :8]
    torch.testing.assert_close(image, wanted, rtol=0, atol=1e-12)


def test_h06_labels_give_a_loss_with_gradients() -> None:
    model = make()
    pixels, labels = picture(8, 8), picture(16, 16)
    output = model(pixels, labels=labels)
    assert output.loss.item() == pytest.approx(
        (output.reconstruction - labels).abs().mean().item(), rel=1e-12
    )
    output.loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_h07_head_mask_works_and_unknown_arguments_are_refused() -> None:
    model = make()
    pixels = picture(8, 8)
    with torch.no_grad():
        plain = model(pixels).reconstruction
        ones = model(pixels, head_mask=torch.ones(2, 2)).reconstruction
        cut = model(pixels, head_mask=torch.tensor([0.0, 1.0])).reconstruction
    torch.testing.assert_close(ones, plain, rtol=0, atol=1e-12)
    assert (cut - plain).abs().max() > 1e-8
    with pytest.raises(TypeError):
        model(pixels, interpolate_pos_encoding=True)


def test_h08_attentions_one_per_layer() -> None:
    model = make(depths=(2, 3), num_heads=(2, 3))
    with torch.no_grad():
        attentions = model(picture(16, 24), output_attentions=True).attentions
    assert [tuple(a.shape) for a in attentions] == [(6, 2, 64, 64)] * 2 + [(6, 3, 64, 64)] * 3
    for weights in attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_h09_absolute_embeddings_have_one_row_per_token() -> None:
    model = make(use_absolute_embeddings=True, image_size=16)
    assert model.trunk.absolute_position.shape == (1, 16 * 16, 12)
    with torch.no_grad():
        assert model(picture(16, 16)).reconstruction.shape == (1, 3, 32, 32)


def test_h09_other_patch_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="patch_size"):
        Swin2SRConfig(patch_size=2)


def test_h09_grey_auxiliary_head() -> None:
    model = make(num_channels=1, upsampler="pixelshuffle_aux")
    with torch.no_grad():
        output = model(picture(8, 8, channels=1))
    assert output.reconstruction.shape == (1, 1, 16, 16)
    assert output.aux.shape == (1, 1, 8, 8)


def test_h09_three_convolutions_in_both_places() -> None:
    model = make(resi_connection="3conv")
    for place in (model.trunk.groups[0].conv, model.trunk.conv_after_body):
        sizes = [(c.out_channels, c.kernel_size[0]) for c in place if isinstance(c, nn.Conv2d)]
        assert sizes == [(3, 3), (3, 1), (12, 3)]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"upscale": 3}, {"upsample.upsample.convolution.weight"}),
        ({"upscale": 8}, {f"upsample.upsample.convolution_{n}.weight" for n in range(3)}),
        ({"resi_connection": "3conv"}, {"swin2sr.encoder.stages.0.conv.2.weight"}),
        ({"upscale": 1, "upsampler": ""}, {"final_convolution.weight"}),
    ],
    ids=["x3", "x8", "3conv", "restoration"],
)
def test_h10_every_head_converts_both_ways(settings: dict[str, Any], names: set[str]) -> None:
    model = make(**settings)
    state = model.state_dict()
    hub = to_hub(state)
    assert names <= hub.keys()
    for back in (to_native(hub), to_native(to_original(state, model.config))):
        assert back.keys() == state.keys()
        assert all(torch.equal(back[name], state[name]) for name in state)
    theirs = Theirs(
        TheirConfig(**{"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], **settings})
    )
    if settings != {"resi_connection": "3conv"}:  # transformers has no slot for it in the trunk
        assert hub.keys() == theirs.state_dict().keys()


def test_h11_whole_numbers_and_none_are_accepted() -> None:
    config = Swin2SRConfig.from_dict(
        {"upsampler": None, "upscale": 1, "img_range": 255, "mlp_ratio": 2}
    )
    assert (config.upsampler, config.img_range, config.mlp_ratio) == ("", 255.0, 2.0)
    assert isinstance(config.img_range, float)


def test_h12_drop_path_rises_linearly_and_acts_in_training_only() -> None:
    model = make(drop_path_rate=0.3, depths=(3, 2))
    rates = [block.drop_path.rate for group in model.trunk.groups for block in group.blocks]
    assert rates == pytest.approx([0.0, 0.075, 0.15, 0.225, 0.3], abs=1e-7)
    pixels = picture(8, 8).expand(16, -1, -1, -1)
    with torch.no_grad():
        evaluated, trained = model(pixels).reconstruction, model.train()(pixels).reconstruction
    torch.testing.assert_close(evaluated, evaluated[:1].expand_as(evaluated), rtol=0, atol=1e-12)
    assert (trained - evaluated).abs().amax(dim=(1, 2, 3)).max() > 1e-8


def test_h13_mask_is_added_once() -> None:
    attention = make().trunk.groups[0].blocks[1].attention
    bias = attention.constants().bias
    added = (bias - bias[:1]).round(decimals=6)
    assert set(added.unique().tolist()) == {0.0, -100.0}
    assert not added[0].any()


def test_h19_bias_is_computed_once_a_pass_and_masks_do_not_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swin2sr.nn.blocks.STRIP_WINDOWS", 1)
    model = make()
    calls: list[int] = []
    for module in model.modules():
        if type(module).__name__ == "ContinuousBias":
            module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(picture(8, 8))
        assert len(calls) == 4
        model(picture(40, 24))  # in many strips
    assert len(calls) == 8
    assert {
        tuple(b.masks.shape) for g in model.trunk.groups for b in (a.attention for a in g.blocks)
    } == {(1, 64, 64), (4, 64, 64)}


def test_h20_nearest_convolution_by_two() -> None:
    with pytest.raises(ValueError, match="4"):
        Theirs(TheirConfig(upsampler="nearest+conv", upscale=2, depths=[1], num_heads=[6]))
    model = make(upsampler="nearest+conv", upscale=2)
    assert not any("conv_up2" in name for name in model.state_dict())
    with torch.no_grad():
        assert model(picture(5, 9)).reconstruction.shape == (1, 3, 10, 18)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_m02_half_precision_at_other_sizes_than_the_training_patch(dtype: torch.dtype) -> None:
    model = make(image_size=16)
    pixels = picture(24, 17)
    with torch.no_grad():
        wanted = model(pixels).reconstruction
        image = model.to(dtype)(pixels.to(dtype)).reconstruction
    assert image.dtype == dtype
    assert (image.double() - wanted).abs().max() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4)])
def test_m07_inputs_smaller_than_half_a_window(size: tuple[int, int]) -> None:
    model = make()
    pixels = picture(*size)
    with torch.no_grad():
        image = model(pixels).reconstruction
        wanted = model(padded(pixels, 8)).reconstruction[:, :, : 2 * size[0], : 2 * size[1]]
    torch.testing.assert_close(image, wanted, rtol=0, atol=1e-12)


def test_m08_auxiliary_bicubic_of_the_padded_picture_is_not_squeezed() -> None:
    model = make(upsampler="pixelshuffle_aux")
    seen: list[Tensor] = []
    model.head.conv_bicubic.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = picture(11, 13)
    with torch.no_grad():
        output = model(pixels)
    whole = padded(pixels, 8) - MEAN
    wanted = F.interpolate(whole, scale_factor=2, mode="bicubic", align_corners=False)
    squeezed = F.interpolate(whole, size=(22, 26), mode="bicubic", align_corners=False)
    torch.testing.assert_close(seen[0], wanted, rtol=0, atol=1e-6)
    assert (squeezed - wanted[:, :, :22, :26]).abs().max() > 0.05
    assert output.reconstruction.shape == (1, 3, 22, 26)
    assert output.aux.shape == pixels.shape


def test_m09_mean_is_a_buffer_that_is_not_saved_and_never_changed() -> None:
    model = make().float()
    buffers = dict(model.named_buffers())
    assert buffers["trunk.mean"].flatten().tolist() == pytest.approx([0.4488, 0.4371, 0.4040])
    assert "trunk.mean" not in model.state_dict()
    before = model.trunk.mean
    with torch.no_grad():
        model(picture(8, 8))  # float64 pixels
    assert model.trunk.mean is before
    assert before.dtype == torch.float32
    assert model.to("meta").trunk.mean.is_meta
    assert math.isclose(float(before[0, 0]), 0.4488, rel_tol=1e-6)
