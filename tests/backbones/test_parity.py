"""The same weights give transformers' numbers, for both generations and every head."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

import swin2sr
from swin2sr.backbones.key_mapping import native_weights
from swin2sr.backbones.pretrained import PretrainedBackbone

NETWORKS = ("Swin", "Swinv2")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}  # of the largest value, where above 1
SIZES = ((32, 32), (36, 52), (41, 35), (32, 30))
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no qkv bias": {"qkv_bias": False},
    "three stages": {"depths": [2, 1, 2], "num_heads": [2, 3, 4]},
    "wide window": {"window_size": 7},
    "oblong patches, grey": {"patch_size": [2, 4], "num_channels": 1},
    "tanh": {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-3, "mlp_ratio": 2.5},
}


def make_pair(name: str, **settings: Any) -> tuple[Any, Any]:
    """Our network and transformers', float64, with the same random weights.

    Transformers' attention is PyTorch's fused one, whose softmax keeps the precision, where it has
    it.
    """
    torch.manual_seed(0)
    network = next(n for n in ("Swinv2", "Swin") if name.startswith(n))
    values = {
        "image_size": 32,
        "patch_size": 2,
        "embed_dim": 12,
        "depths": [2, 2],
        "num_heads": [2, 3],
        "window_size": 4,
        "encoder_stride": 4,
        "drop_path_rate": 0.0,
        **settings,
    }
    config = getattr(transformers, f"{network}Config")(**values)
    theirs = getattr(transformers, name)(config).eval().double()
    for parameter in theirs.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    ours = getattr(swin2sr, name)(getattr(swin2sr, f"{network}Config").from_dict(values))
    ours.double().eval().load_state_dict(own_names(ours, dict(theirs.state_dict())))
    return ours, theirs


def own_names(ours: PretrainedBackbone, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Transformers' tensors by the names in our network."""
    return {ours._own_name(name): tensor for name, tensor in native_weights(theirs).state.items()}


def picture(
    size: tuple[int, int], channels: int = 3, dtype: torch.dtype = torch.float64, batch: int = 2
) -> Tensor:
    """Random pixels."""
    generator = torch.Generator().manual_seed(size[0] * 100 + size[1])
    return torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64).to(dtype)


def largest(a: Tensor | tuple[Tensor, ...], b: Tensor | tuple[Tensor, ...]) -> float:
    """The largest difference, as a share of the largest value where that is above 1."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        assert a.shape == b.shape
        return float((a.double() - b.double()).abs().max() / b.abs().max().clamp_min(1.0))
    return max(largest(x, y) for x, y in zip(a, b, strict=True))


def compare(ours: Any, theirs: Any, pixels: Tensor, tolerance: float, **arguments: Any) -> None:
    """Every field of the outputs; transformers' network starts afresh (it remembers sizes)."""
    with torch.no_grad():
        got = ours(pixels, output_hidden_states=True, **arguments)
        wanted = copy.deepcopy(theirs)(pixels, output_hidden_states=True, **arguments)
    assert list(got.keys()) == list(wanted.keys())
    for field, value in wanted.items():
        # transformers counts masked pixels in float32 whatever the weights
        allowed = (
            max(tolerance, 1e-7)
            if field == "loss" and "bool_masked_pos" in arguments
            else tolerance
        )
        assert largest(got[field], value) <= allowed, field
    with torch.enable_grad():  # no strips
        again = ours(pixels, **arguments)
    assert largest(again[0].detach(), got[0]) <= tolerance


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_features_are_equal(network: str, variant: str, dtype: torch.dtype) -> None:
    ours, theirs = make_pair(f"{network}Model", **VARIANTS[variant])
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    for size in SIZES[:2] if variant != "plain" else SIZES:
        if (network, variant) == ("Swin", "wide window"):
            size = (2 * size[0], 2 * size[1])  # transformers' cannot see maps below its window
        compare(ours, theirs, picture(size, ours.config.num_channels, dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", [[3, 0], [6, 5], [0, 0, 12, 12]], ids=str)
def test_windows_other_than_in_training_are_equal(sizes: list[int], dtype: torch.dtype) -> None:
    ours, theirs = make_pair("Swinv2Model", pretrained_window_sizes=sizes)
    plain, _ = make_pair("Swinv2Model")
    ours, theirs, plain = ours.to(dtype), theirs.to(dtype), plain.to(dtype)
    pixels = picture((32, 40), dtype=dtype)
    compare(ours, theirs, pixels, TOLERANCE[dtype])
    changed = any(sizes[:2])
    with torch.no_grad():
        assert (largest(plain(pixels)[0], ours(pixels)[0]) > 1e-3) == changed


@pytest.mark.parametrize("size", [(8, 8), (16, 8), (9, 5), (3, 7), (2, 2), (1, 1)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_small_images_are_equal(network: str, size: tuple[int, int]) -> None:
    """Maps not larger than the window, as far down as transformers goes."""
    ours, theirs = make_pair(f"{network}Model")
    if network == "Swin" and min(size) < 16:  # a second map below the window
        with pytest.raises(RuntimeError), torch.no_grad():
            theirs(picture(size))
        assert ours(picture(size)).last_hidden_state.isfinite().all()
    else:
        compare(ours, theirs, picture(size), 1e-10)


@pytest.mark.parametrize("size", [(16, 16), (16, 40), (18, 17)], ids=str)
def test_maps_as_large_as_the_window_are_not_shifted(size: tuple[int, int]) -> None:
    ours, theirs = make_pair("SwinModel", depths=[2], num_heads=[2], window_size=8)
    compare(ours, theirs, picture(size), 1e-10)


@pytest.mark.parametrize("image_size", [[32, 8], [8, 32], [24, 40]], ids=str)
def test_oblong_training_images_are_equal(image_size: list[int]) -> None:
    ours, theirs = make_pair("Swinv2Model", image_size=image_size)
    for size in ((32, 32), (24, 40)):
        compare(ours, theirs, picture(size), 1e-10)


@pytest.mark.parametrize("network", NETWORKS)
def test_attentions_are_transformers_and_every_other_layers(network: str) -> None:
    depths = [2, 3]
    ours, theirs = make_pair(f"{network}Model", depths=depths)
    theirs.set_attn_implementation("eager")
    for size in SIZES:
        with torch.no_grad():
            got = ours(picture(size), output_attentions=True).attentions
            wanted = copy.deepcopy(theirs)(picture(size), output_attentions=True).attentions
        assert len(got) == sum(depths)
        assert len(wanted) == len(depths)
        # transformers' explicit softmax of Swin is in float32 whatever the weights
        assert largest((got[1], got[4]), wanted) <= 1e-6
        assert all(largest(a.sum(-1), torch.ones_like(a[..., 0])) <= 1e-10 for a in got)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_logits_are_equal(network: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    ours, theirs = make_pair(f"{network}ForImageClassification", num_labels=5)
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    labels = torch.tensor([4, 0])
    compare(ours, theirs, picture(size, dtype=dtype), TOLERANCE[dtype], labels=labels)


def test_without_classes_the_features_are_given_out_as_in_transformers() -> None:
    ours, theirs = make_pair("SwinForImageClassification", num_labels=0)
    compare(ours, theirs, picture((32, 32)), 1e-10)


LOSSES: dict[str, tuple[int, str | None, Tensor]] = {
    "one of five": (5, None, torch.tensor([1, 3])),
    "one of five, int32": (5, "single_label_classification", torch.tensor([1, 3])),
    "ignored": (5, None, torch.tensor([1, -100])),
    "several of five": (5, None, torch.tensor([[1.0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]).double()),
    "a number": (1, None, torch.tensor([0.3, -0.7]).double()),
    "five numbers": (5, "regression", torch.linspace(-1, 1, 10).reshape(2, 5).double()),
}


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("network", NETWORKS)
def test_classification_losses_are_equal(network: str, case: str) -> None:
    count, problem, labels = LOSSES[case]
    ours, theirs = make_pair(
        f"{network}ForImageClassification", num_labels=count, problem_type=problem
    )
    mine = labels.int() if "int32" in case else labels  # which torch's own loss refuses
    with torch.no_grad():
        got = ours(picture((32, 32)), labels=mine)
        wanted = theirs(picture((32, 32)), labels=labels)
    assert wanted.loss.ndim == 0
    assert largest(got.loss, wanted.loss) <= 1e-10
    assert largest(got.logits, wanted.logits) <= 1e-10
    with torch.no_grad():
        assert got.to_tuple()[0] is got.loss
        assert len(ours(picture((32, 32)), labels=mine, return_dict=False)) == 2


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_masked_image_modelling_is_equal(network: str, dtype: torch.dtype) -> None:
    ours, theirs = make_pair(f"{network}ForMaskedImageModeling")
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    pixels = picture((32, 32), dtype=dtype)
    compare(ours, theirs, pixels, TOLERANCE[dtype])
    masked = torch.rand(2, 256) < 0.6
    compare(ours, theirs, pixels, TOLERANCE[dtype], bool_masked_pos=masked)
    with torch.no_grad():
        got, hidden = ours(pixels, masked), masked.view(2, 1, 16, 16)
    hidden = hidden.repeat_interleave(2, 2).repeat_interleave(2, 3).to(dtype)
    error = ((got.reconstruction - pixels).abs() * hidden).sum() / (hidden.sum() + 1e-5) / 3
    assert largest(got.loss, error) <= TOLERANCE[dtype]
    compare(ours, theirs, pixels, TOLERANCE[dtype], bool_masked_pos=torch.zeros(2, 256).bool())


@pytest.mark.parametrize("network", NETWORKS)
def test_masked_patches_of_the_bare_network_are_equal(network: str) -> None:
    torch.manual_seed(0)
    ours, theirs = make_pair(f"{network}ForMaskedImageModeling")
    with torch.no_grad():
        masked = torch.rand(2, 20 * 14) < 0.5
        got = ours.backbone(picture((40, 28)), bool_masked_pos=masked).last_hidden_state
        trunk = getattr(theirs, theirs.base_model_prefix)
        wanted = trunk(picture((40, 28)), bool_masked_pos=masked).last_hidden_state
        assert largest(got, wanted) <= 1e-10
        assert largest(got, ours.backbone(picture((40, 28))).last_hidden_state) > 1e-3


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_absolute_positions_are_equal(dtype: torch.dtype) -> None:
    """Of Swin alone: transformers' SwinV2 has a row too many and cannot run with them."""
    ours, theirs = make_pair("SwinModel", use_absolute_embeddings=True)
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    assert ours.embed.position.abs().max() > 0.05
    compare(ours, theirs, picture((32, 32), dtype=dtype), TOLERANCE[dtype])
    for size in ((32, 32), (48, 36), (24, 64), (64, 16)):  # the last has as many patches
        compare(
            ours,
            theirs,
            picture(size, dtype=dtype),
            TOLERANCE[dtype],
            interpolate_pos_encoding=True,
        )


@pytest.mark.parametrize("network", NETWORKS)
def test_interpolation_without_a_table_changes_nothing(network: str) -> None:
    ours, theirs = make_pair(f"{network}ForImageClassification")
    compare(ours, theirs, picture((36, 28)), 1e-10, interpolate_pos_encoding=True)


def test_transformers_swinv2_cannot_run_with_absolute_positions_and_ours_can() -> None:
    _, theirs = make_pair("Swinv2Model")
    config = copy.deepcopy(theirs.config)
    config.use_absolute_embeddings = True
    with pytest.raises(RuntimeError, match="must match"), torch.no_grad():
        transformers.Swinv2Model(config)(picture((32, 32), dtype=torch.float32))
    ours = swin2sr.Swinv2Model(swin2sr.Swinv2Config.from_dict(config.to_dict())).eval()
    with torch.no_grad():
        assert ours(picture((32, 32), dtype=torch.float32)).pooler_output.isfinite().all()


@pytest.mark.parametrize("head", ["ForImageClassification", "ForMaskedImageModeling"])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_of_all_parameters_are_equal(network: str, head: str) -> None:
    settings = {} if network == "Swinv2" else {"use_absolute_embeddings": True}
    ours, theirs = make_pair(network + head, **settings)
    target: dict[str, Tensor] = {"labels": torch.tensor([1, 0])}
    if head == "ForMaskedImageModeling":
        target = {"bool_masked_pos": torch.rand(2, 256) < 0.5}
    for model in (ours, theirs):
        model.train()
        model(picture((32, 32)), **target).loss.backward()
    wanted = own_names(ours, {name: p.grad for name, p in theirs.named_parameters()})
    got = {name: p.grad for name, p in ours.named_parameters()}
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(got[name], gradient, rtol=1e-7, atol=1e-12, msg=name)


def test_a_small_image_does_not_change_later_ones_as_in_transformers() -> None:
    ours, theirs = make_pair("SwinModel")
    large, small = picture((32, 32)), picture((16, 16))  # small: the second map is the window
    with torch.no_grad():
        before, wanted = ours(large)[0], theirs(large)[0]
        ours(small), theirs(small)
        assert largest(ours(large)[0], before) == 0.0
        assert largest(before, wanted) <= 1e-10
        assert largest(theirs(large)[0], wanted) > 1e-3


@pytest.mark.parametrize("network", NETWORKS)
def test_published_networks_have_transformers_parameters(network: str) -> None:
    with torch.device("meta"):
        ours = getattr(swin2sr, f"{network}ForImageClassification")(
            getattr(swin2sr, f"{network}Config")(num_labels=1000)
        )
        theirs = getattr(transformers, f"{network}ForImageClassification")(
            getattr(transformers, f"{network}Config")(num_labels=1000)
        )
    assert ours.num_parameters() == theirs.num_parameters()
    assert network == "Swinv2" or ours.num_parameters() == 28_288_354  # printed by Microsoft
