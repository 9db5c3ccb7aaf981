"""The same weights give transformers' numbers wherever transformers is sound, and the original's
where it is not (the auxiliary and the restoration head)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Swin2SRConfig as TheirConfig
from transformers import Swin2SRForImageSuperResolution as Theirs
from transformers import Swin2SRModel as TheirTrunk

from swin2sr.checkpoints import to_native
from swin2sr.config import Swin2SRConfig
from swin2sr.models import Swin2SRForImageSuperResolution, Swin2SRModel

SOUND = (
    ("pixelshuffle", 2),
    ("pixelshuffle", 3),
    ("pixelshuffle", 4),
    ("pixelshuffledirect", 2),
    ("nearest+conv", 4),
)
SIZES = ((8, 8), (16, 24), (8, 40))
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make_pair(
    seed: int = 0, spread: float = 0.02, **settings: Any
) -> tuple[Swin2SRForImageSuperResolution, Theirs]:
    """Our network and transformers', float64, with the same random weights."""
    torch.manual_seed(seed)
    values: dict[str, Any] = {"embed_dim": 12, "depths": [2, 3], "num_heads": [2, 3], **settings}
    theirs = Theirs(TheirConfig(**values)).eval().double()
    for parameter in theirs.parameters():
        parameter.data.add_(spread * torch.randn_like(parameter))
    ours = Swin2SRForImageSuperResolution(Swin2SRConfig.from_dict(values)).eval().double()
    ours.load_state_dict(to_native(dict(theirs.state_dict())))
    return ours, theirs


def largest(a: Tensor, b: Tensor) -> float:
    """The largest difference, after the shapes."""
    assert a.shape == b.shape
    return float((a.double() - b.double()).abs().max())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("upsampler", "upscale"), SOUND)
def test_images_are_equal(upsampler: str, upscale: int, dtype: torch.dtype) -> None:
    ours, theirs = make_pair(upsampler=upsampler, upscale=upscale)
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    for height, width in SIZES:
        pixels = torch.rand(2, 3, height, width, dtype=dtype)
        with torch.no_grad():
            image, wanted = ours(pixels).reconstruction, theirs(pixels).reconstruction
        assert image.dtype == dtype
        assert image.shape == (2, 3, height * upscale, width * upscale)
        assert largest(image, wanted) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("window", [7, 8])
def test_hidden_states_and_attentions_are_equal(window: int, dtype: torch.dtype) -> None:
    depths = [2, 3, 1]
    ours, theirs = make_pair(window_size=window, depths=depths, num_heads=[2, 3, 2])
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    pixels = torch.rand(2, 3, 2 * window, 3 * window, dtype=dtype)
    with torch.no_grad():
        got = ours(pixels, output_hidden_states=True, output_attentions=True)
        wanted = theirs(pixels, output_hidden_states=True, output_attentions=True)
    assert len(got.hidden_states) == len(wanted.hidden_states) == len(depths) + 1
    for mine, other in zip(got.hidden_states, wanted.hidden_states, strict=True):
        assert largest(mine, other) <= TOLERANCE[dtype]
    assert len(got.attentions) == sum(depths)
    last = [sum(depths[: i + 1]) - 1 for i in range(len(depths))]
    for layer, other in zip(last, wanted.attentions, strict=True):
        assert largest(got.attentions[layer], other) <= TOLERANCE[dtype]


def test_trunk_alone_is_equal() -> None:
    ours, theirs = make_pair()
    trunk = Swin2SRModel(ours.config).eval().double()
    trunk.load_state_dict(ours.trunk.state_dict())
    pixels = torch.rand(1, 3, 16, 8, dtype=torch.float64)
    with torch.no_grad():
        got = trunk(pixels).last_hidden_state
        assert largest(got, theirs.swin2sr(pixels).last_hidden_state) <= 1e-10


@pytest.mark.parametrize(("upsampler", "upscale"), SOUND)
def test_gradients_of_all_parameters_are_equal(upsampler: str, upscale: int) -> None:
    ours, theirs = make_pair(upsampler=upsampler, upscale=upscale)
    pixels = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    target = torch.rand(2, 3, 16 * upscale, 24 * upscale, dtype=torch.float64)
    (ours(pixels).reconstruction - target).square().sum().backward()
    (theirs(pixels).reconstruction - target).square().sum().backward()
    wanted = to_native({name: p.grad for name, p in theirs.named_parameters()})
    got = {name: p.grad for name, p in ours.named_parameters()}
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(got[name], gradient, rtol=1e-8, atol=1e-9, msg=name)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 12_091_571),
        ({"upscale": 4}, 12_239_283),
        ({"upscale": 4, "upsampler": "pixelshuffle_aux", "image_size": 48}, 12_244_598),
        (
            {
                "embed_dim": 60,
                "depths": [6] * 4,
                "num_heads": [6] * 4,
                "upsampler": "pixelshuffledirect",
            },
            1_005_348,
        ),
        ({"upscale": 4, "upsampler": "nearest+conv"}, 12_054_643),
        (
            {
                "num_channels": 1,
                "upscale": 1,
                "upsampler": "",
                "window_size": 7,
                "image_size": 126,
                "img_range": 255.0,
            },
            11_836_765,
        ),
    ],
    ids=["classical x2", "classical x4", "compressed", "lightweight", "realworld", "jpeg"],
)
def test_parameter_counts_are_the_published_ones(settings: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        model = Swin2SRForImageSuperResolution(Swin2SRConfig.from_dict(settings))
    assert model.num_parameters() == count


@pytest.mark.parametrize(("upsampler", "upscale"), SOUND)
def test_what_we_save_loads_in_transformers(upsampler: str, upscale: int, tmp_path: Path) -> None:
    ours, _ = make_pair(upsampler=upsampler, upscale=upscale)
    ours = ours.float()
    ours.save_pretrained(tmp_path)
    theirs, report = Theirs.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
    assert not report["mismatched_keys"]
    pixels = torch.rand(1, 3, 16, 8)
    with torch.no_grad():
        got, wanted = ours(pixels).reconstruction, theirs.eval()(pixels).reconstruction
    assert largest(got, wanted) <= 1e-5


@pytest.mark.parametrize(("upsampler", "upscale"), SOUND)
def test_what_transformers_saves_loads_here(upsampler: str, upscale: int, tmp_path: Path) -> None:
    _, theirs = make_pair(upsampler=upsampler, upscale=upscale)
    theirs = theirs.float()
    theirs.save_pretrained(tmp_path)
    ours = Swin2SRForImageSuperResolution.from_pretrained(tmp_path)
    assert not ours.training
    pixels = torch.rand(1, 3, 16, 8)
    with torch.no_grad():
        got, wanted = ours(pixels).reconstruction, theirs(pixels).reconstruction
    assert largest(got, wanted) <= 1e-5


def test_a_saved_trunk_loads_in_transformers(tmp_path: Path) -> None:
    ours, _ = make_pair()
    trunk = Swin2SRModel(ours.config).eval()
    trunk.save_pretrained(tmp_path)
    theirs = TheirTrunk.from_pretrained(tmp_path).eval()
    pixels = torch.rand(1, 3, 8, 16)
    with torch.no_grad():
        got, wanted = trunk(pixels).last_hidden_state, theirs(pixels).last_hidden_state
    assert largest(got, wanted) <= 1e-5


@pytest.mark.parametrize("window", [7, 8])
@pytest.mark.parametrize("img_range", [1.0, 255.0])
def test_auxiliary_head_is_the_originals(img_range: float, window: int) -> None:
    ours, theirs = make_pair(
        upsampler="pixelshuffle_aux", upscale=4, img_range=img_range, window_size=window
    )
    pixels = torch.rand(2, 3, 2 * window, window, dtype=torch.float64)
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).double().view(1, 3, 1, 1)
    head = theirs.upsample
    with torch.no_grad():
        normal = (pixels - mean) * img_range
        bicubic = F.interpolate(normal, scale_factor=4, mode="bicubic", align_corners=False)
        features = theirs.swin2sr(pixels).last_hidden_state
        aux = head.conv_aux(F.leaky_relu(head.conv_before_upsample(features), 0.01))
        image = head.upsample(F.leaky_relu(head.conv_after_aux[0](aux), 0.01))
        image = head.final_convolution(image + head.conv_bicubic(bicubic))
        got = ours(pixels)
        upstream = theirs(pixels).reconstruction
    assert largest(got.reconstruction, image / img_range + mean) <= 1e-10
    assert largest(got.aux, aux / img_range + mean) <= 1e-10
    assert largest(upstream, got.reconstruction) > 1e-4  # H1


@pytest.mark.parametrize("window", [7, 8])
@pytest.mark.parametrize("img_range", [1.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_restoration_head_is_the_originals(channels: int, img_range: float, window: int) -> None:
    ours, theirs = make_pair(
        upsampler="", upscale=1, num_channels=channels, img_range=img_range, window_size=window
    )
    pixels = torch.rand(2, channels, window, 3 * window, dtype=torch.float64)
    mean = torch.tensor([0.4488, 0.4371, 0.4040] if channels == 3 else [0.0]).double()
    mean = mean.view(1, -1, 1, 1)
    with torch.no_grad():
        features = theirs.swin2sr(pixels).last_hidden_state
        image = (pixels - mean) * img_range + theirs.final_convolution(features)
        got = ours(pixels).reconstruction
        upstream = theirs(pixels).reconstruction
    assert largest(got, image / img_range + mean) <= 1e-10
    if channels == 3 or img_range != 1.0:  # without mean and range upstream's slip has no effect
        assert largest(upstream, got) > 1e-2  # H2
    else:
        assert largest(upstream, got) <= 1e-10
