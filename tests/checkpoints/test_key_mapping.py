"""Key mapping between three layouts: nothing lost, nothing changed, other networks recognised."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from swin2sr.checkpoints import check, detect, key_mapping, to_hub, to_native, to_original
from swin2sr.checkpoints.expected_shapes import expected_shapes
from swin2sr.config import Swin2SRConfig, SwinIRConfig
from swin2sr.errors import ConfigError, WeightsError

State = dict[str, Tensor]

BASE: dict[str, Any] = {
    "image_size": 16,
    "embed_dim": 12,
    "depths": (2, 3),
    "num_heads": (2, 3),
    "window_size": 8,
}
HEADS: dict[str, dict[str, Any]] = {
    "pixelshuffle x2": {"upsampler": "pixelshuffle", "upscale": 2},
    "pixelshuffle x3": {"upsampler": "pixelshuffle", "upscale": 3},
    "pixelshuffle x4": {"upsampler": "pixelshuffle", "upscale": 4},
    "pixelshuffle x8": {"upsampler": "pixelshuffle", "upscale": 8},
    "direct x2": {"upsampler": "pixelshuffledirect", "upscale": 2},
    "direct x3": {"upsampler": "pixelshuffledirect", "upscale": 3},
    "nearest x4": {"upsampler": "nearest+conv", "upscale": 4},
    "aux x4": {"upsampler": "pixelshuffle_aux", "upscale": 4},
    "aux x3": {"upsampler": "pixelshuffle_aux", "upscale": 3},
    "none": {"upsampler": "", "upscale": 1},
    "none grey": {"upsampler": "", "upscale": 1, "num_channels": 1, "qkv_bias": False},
}
# What transformers cannot build.
OURS: dict[str, dict[str, Any]] = {
    "nearest x2": {"upsampler": "nearest+conv", "upscale": 2},
    "3conv x4": {"upsampler": "nearest+conv", "upscale": 4, "resi_connection": "3conv"},
    "position": {"upsampler": "pixelshuffle", "upscale": 2, "use_absolute_embeddings": True},
}

# Names in the original's files besides the trunk's.
ORIGINAL_HEADS = {
    "pixelshuffle x3": {"conv_before_upsample.0", "upsample.0", "conv_last"},
    "pixelshuffle x8": {
        *("conv_before_upsample.0", "upsample.0", "upsample.2", "upsample.4", "conv_last"),
    },
    "direct x2": {"upsample.0"},
    "nearest x4": {"conv_before_upsample.0", "conv_up1", "conv_up2", "conv_hr", "conv_last"},
    "aux x4": {
        *("conv_bicubic", "conv_before_upsample.0", "conv_aux", "conv_after_aux.0"),
        *("upsample.0", "upsample.2", "conv_last"),
    },
    "none": {"conv_last"},
}
ORIGINAL_BLOCK = {
    *("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
    *("attn.logit_scale", "attn.q_bias", "attn.v_bias", "attn.qkv.weight"),
    *("attn.proj.weight", "attn.proj.bias"),
    *("attn.cpb_mlp.0.weight", "attn.cpb_mlp.0.bias", "attn.cpb_mlp.2.weight"),
    *("attn.relative_coords_table", "attn.relative_position_index"),
    *("mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias"),
}


def _config(name: str) -> Swin2SRConfig:
    return Swin2SRConfig(**(BASE | (HEADS | OURS)[name]))


def _same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _theirs(config: Swin2SRConfig) -> Any:
    from transformers import Swin2SRConfig as Theirs
    from transformers import Swin2SRForImageSuperResolution

    values = config.to_dict()
    torch.manual_seed(0)
    network = Swin2SRForImageSuperResolution(Theirs.from_dict(values)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


# ------------------------------------------------------------------------------- against witnesses


@pytest.mark.parametrize("name", HEADS)
def test_names_and_shapes_are_those_of_transformers(name: str) -> None:
    config = _config(name)
    theirs = _theirs(config).state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in to_native(theirs).items()}
    assert shapes == expected_shapes(config)


@pytest.mark.parametrize("name", HEADS)
def test_ckp_15_from_transformers_through_all_layouts_and_back(name: str) -> None:
    network = _theirs(_config(name))
    theirs = network.state_dict()
    native = to_native(theirs)
    original = to_original(native, _config(name))
    assert _same(to_native(original), native)
    assert _same(to_hub(original), theirs)
    network.load_state_dict(to_hub(native), strict=True)


@pytest.mark.parametrize("name", ["direct x2", "none grey"])
def test_the_trunk_of_transformers_alone_is_translated(name: str) -> None:
    theirs = _theirs(_config(name)).swin2sr.state_dict()
    native = to_native(theirs)
    shapes = {key: tuple(tensor.shape) for key, tensor in native.items()}
    assert shapes == expected_shapes(_config(name), bare=True)
    assert _same(to_hub(to_original(native, _config(name))), theirs)


def test_buffers_are_those_of_transformers() -> None:
    config = _config("direct x2")
    network = _theirs(config)
    original = to_original(network.state_dict(), config)
    layers = network.swin2sr.encoder.stages[1].layers
    for j, layer in enumerate(layers):
        prefix = f"layers.1.residual_group.blocks.{j}"
        attention = layer.attention.self
        table = original[f"{prefix}.attn.relative_coords_table"]
        index = original[f"{prefix}.attn.relative_position_index"]
        assert torch.equal(table, attention.relative_coords_table)
        assert torch.equal(index, attention.relative_position_index)
        mask = layer.get_attn_mask(16, 16, dtype=torch.float32)
        assert (f"{prefix}.attn_mask" in original) == (mask is not None) == (j % 2 == 1)
        if mask is not None:
            assert torch.equal(original[f"{prefix}.attn_mask"], mask)


@pytest.mark.parametrize("name", [*HEADS, *OURS])
def test_native_names_are_those_of_our_network(name: str) -> None:
    from swin2sr import Swin2SRForImageSuperResolution

    config = _config(name)
    ours = Swin2SRForImageSuperResolution(config).state_dict()
    assert {key: tuple(value.shape) for key, value in ours.items()} == expected_shapes(config)


def test_native_names_are_those_of_our_trunk() -> None:
    from swin2sr import Swin2SRModel

    config = _config("position")
    ours = Swin2SRModel(config).state_dict()
    shapes = {key: tuple(value.shape) for key, value in ours.items()}
    assert shapes == expected_shapes(config, bare=True)


# --------------------------------------------------------------------------------- the original's


@pytest.mark.parametrize("name", ORIGINAL_HEADS)
def test_original_heads_are_named_as_in_the_released_files(
    name: str, random_state: Callable[..., State]
) -> None:
    original = to_original(random_state(_config(name)), _config(name))
    trunk = ("conv_first", "patch_embed.", "layers.", "norm", "conv_after_body")
    head = {key.rpartition(".")[0] for key in original if not key.startswith(trunk)}
    assert head == ORIGINAL_HEADS[name]


def test_original_blocks_are_named_as_in_the_released_files(
    random_state: Callable[..., State],
) -> None:
    config = _config("direct x2")
    original = to_original(random_state(config), config)
    for i, depth in enumerate(config.depths):
        for j in range(depth):
            prefix = f"layers.{i}.residual_group.blocks.{j}."
            found = {key.removeprefix(prefix) for key in original if key.startswith(prefix)}
            assert found == ORIGINAL_BLOCK | ({"attn_mask"} if j % 2 else set())


def test_original_classical_x2_has_742_names_and_hub_724(
    random_state: Callable[..., State],
) -> None:
    state = random_state(Swin2SRConfig())
    assert len(to_original(state, Swin2SRConfig())) == 742
    assert len(to_hub(state)) == 724


@pytest.mark.parametrize("name", [*HEADS, *OURS])
def test_ckp_15_round_trips_are_bit_equal(name: str, random_state: Callable[..., State]) -> None:
    config = _config(name)
    native = random_state(config)
    original = to_original(native, config)
    assert _same(to_native(to_hub(original)), native)
    assert _same(to_original(to_native(to_hub(original)), config), original)
    assert _same(to_native(native), native)


@pytest.mark.parametrize("name", ["direct x2", "3conv x4", "position"])
def test_a_bare_trunk_survives_the_round_trip(
    name: str, random_state: Callable[..., State]
) -> None:
    config = _config(name)
    native = random_state(config, bare=True)
    assert _same(to_native(to_hub(to_original(native, config))), native)


@pytest.mark.parametrize("layout", ["hub", "original"])
def test_written_tensors_share_no_memory(layout: str, random_state: Callable[..., State]) -> None:
    """safetensors refuses to write tensors that do."""
    config = _config("direct x2")
    native = random_state(config)
    written = to_hub(native) if layout == "hub" else to_original(native, config)
    places = {tensor.untyped_storage().data_ptr() for tensor in written.values()}
    assert len(places) == len(written)


def test_mask_forbids_exactly_the_pairs_that_the_shift_brought_together() -> None:
    """A law: tokens may see each other when they were neighbours before the cyclic shift."""
    window, shift, height, width = 4, 2, 8, 12
    mask = key_mapping.window_masks((height, width), window, shift)
    down = (torch.arange(height) + shift) % height  # where each place came from
    right = (torch.arange(width) + shift) % width

    for n, (row, column) in enumerate(itertools.product(range(2), range(3))):
        rows = down[row * window : (row + 1) * window].repeat_interleave(window)
        columns = right[column * window : (column + 1) * window].repeat(window)
        near = (rows[:, None] - rows).abs() < window
        near &= (columns[:, None] - columns).abs() < window
        assert torch.equal(mask[n] == 0, near)
    assert len(mask) == 6
    assert set(mask.unique().tolist()) == {-100.0, 0.0}


def test_tiny_image_size_has_a_smaller_window_and_no_mask(
    random_state: Callable[..., State],
) -> None:
    config = Swin2SRConfig(**(BASE | {"image_size": 4, "upsampler": "pixelshuffledirect"}))
    original = to_original(random_state(config), config)
    index = original["layers.0.residual_group.blocks.1.attn.relative_position_index"]
    assert index.shape == (16, 16)
    assert not [name for name in original if name.endswith("attn_mask")]


def test_original_needs_whole_windows(random_state: Callable[..., State]) -> None:
    config = Swin2SRConfig(**(BASE | {"image_size": 20, "upsampler": "pixelshuffledirect"}))
    with pytest.raises(ConfigError, match="multiple of the window 8"):
        to_original(random_state(config), config)


# ---------------------------------------------------------------------------------------- buffers


@pytest.mark.parametrize("ending", ["attn_mask", "relative_position_index", "coords_table"])
def test_ckp_16_missing_buffers_do_not_matter(
    ending: str, random_state: Callable[..., State]
) -> None:
    config = _config("direct x2")
    native = random_state(config)
    original = to_original(native, config)
    stripped = {name: value for name, value in original.items() if not name.endswith(ending)}
    assert len(stripped) < len(original)
    check(stripped, config)
    assert _same(to_native(stripped), native)


def test_ckp_16_extra_buffers_do_not_matter(random_state: Callable[..., State]) -> None:
    config = _config("direct x2")
    hub = to_hub(random_state(config))
    prefix = "swin2sr.encoder.stages.0.layers.1.attention.self"
    extra = {
        f"{prefix}.relative_coords_table": torch.zeros(1, 15, 15, 2),
        f"{prefix}.relative_position_index": torch.zeros(64, 64, dtype=torch.int64),
        "swin2sr.mean": torch.zeros(1, 3, 1, 1),
    }
    check(hub | extra, config)
    assert _same(to_native(hub | extra), to_native(hub))


def test_ckp_16_nothing_else_may_be_extra(random_state: Callable[..., State]) -> None:
    config = _config("direct x2")
    state = random_state(config) | {"trunk.gate.weight": torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"1 not expected \(trunk.gate.weight\)"):
        check(state, config)
    with pytest.raises(WeightsError, match=r"trunk.gate.weight"):
        to_native(state)


# -------------------------------------------------------------------------------------- detection


@pytest.mark.parametrize("layout", ["original", "hub", "native"])
@pytest.mark.parametrize("name", [*HEADS, *OURS])
def test_configuration_is_read_off_the_weights(
    name: str, layout: str, random_state: Callable[..., State]
) -> None:
    config = _config(name)
    native = random_state(config)
    state = {"original": to_original(native, config), "hub": to_hub(native), "native": native}
    found, notes = detect(state[layout])
    if layout != "original" and not config.use_absolute_embeddings:
        found = found.replace(image_size=config.image_size)  # only in the original's masks
    assert found == config
    assert any("window" in note for note in notes) == (layout != "original")


def test_released_jpeg_network_is_detected_with_its_range(
    random_state: Callable[..., State],
) -> None:
    config = Swin2SRConfig(
        num_channels=1,
        upscale=1,
        image_size=126,
        window_size=7,
        img_range=255.0,
        upsampler="",
        depths=(2,),
        num_heads=(6,),
    )
    found, notes = detect(to_original(random_state(config), config))
    assert found == config
    assert notes[0].startswith("Read off the weights: Swin2SR x1 (jpeg, grey")
    assert [note for note in notes if "0..255" in note] == list(notes[1:])


@pytest.mark.parametrize("ratio", [1.0, 1.7, 2.66, 4.0])
def test_any_mlp_ratio_is_recovered(ratio: float, random_state: Callable[..., State]) -> None:
    config = Swin2SRConfig(**(BASE | {"mlp_ratio": ratio, "upsampler": "pixelshuffledirect"}))
    found, _ = detect(random_state(config))
    assert int(found.mlp_ratio * 12) == int(ratio * 12)


def test_a_bare_trunk_is_noted(random_state: Callable[..., State]) -> None:
    _, notes = detect(random_state(_config("direct x2"), bare=True))
    assert any("no reconstruction head" in note for note in notes)


# ------------------------------------------------------------------------------------ wrong models


def test_ckp_11_half_a_swinir_is_named_with_what_it_lacks(
    random_state: Callable[..., State],
) -> None:
    config = SwinIRConfig(**{**BASE, "depths": (2,), "num_heads": (2,), "upscale": 4})
    state = to_original(random_state(config), config)
    del state["conv_first.bias"], state["norm.weight"]
    state["layers.0.residual_group.blocks.0.attn.gate"] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        detect(state)
    assert caught.value.code == "wrong_model"
    assert "The configuration does not fit" in caught.value.message
    assert "2 missing (conv_first.bias, norm.weight), 1 not expected" in caught.value.message


def test_a_configuration_of_the_other_network_is_refused(
    random_state: Callable[..., State],
) -> None:
    swinir, swin2sr = (kind(**BASE) for kind in (SwinIRConfig, Swin2SRConfig))
    with pytest.raises(WeightsError, match="is for Swin2SR; the file holds weights of SwinIR"):
        check(random_state(swinir), swin2sr)
    with pytest.raises(WeightsError, match=r"is for SwinIR; x\.pth holds weights of Swin2SR"):
        check(random_state(swin2sr), swinir, source="x.pth")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("HAT", "layers.0.residual_group.overlap_attn.relative_position_bias_table"),
        ("HAT", "layers.0.residual_group.blocks.0.conv_block.cab.0.weight"),
        ("ESRGAN", "model.1.sub.0.RDB1.conv1.0.weight"),
        ("ESRGAN", "body.0.rdb1.conv1.weight"),
        ("ESRGAN", "RRDB_trunk.0.RDB1.conv1.weight"),
        ("EDSR", "body.0.body.0.weight"),
        ("Restormer", "encoder_level1.0.norm1.body.weight"),
        ("Swin Transformer V2", "swinv2.embeddings.norm.weight"),
        ("Swin Transformer", "swin.embeddings.norm.weight"),
    ],
)
def test_ckp_11_other_networks_are_named(label: str, name: str) -> None:
    with pytest.raises(WeightsError, match=f"^This is {label}, not Swin2SR or SwinIR: .* missing"):
        detect({name: torch.zeros(4, 4), "conv_first.weight": torch.zeros(4, 3, 3, 3)})


@pytest.mark.parametrize("name", ["conv_first_hf.0.weight", "layers_hf.0.conv.bias"])
def test_ckp_11_the_head_without_released_weights_is_refused(
    name: str, random_state: Callable[..., State]
) -> None:
    config = _config("pixelshuffle x2")
    state = to_original(random_state(config), config) | {name: torch.zeros(3)}
    with pytest.raises(WeightsError, match="no weights with it were ever released") as caught:
        detect(state)
    assert caught.value.code == "wrong_model"


def test_ckp_11_unknown_networks_are_not_named() -> None:
    with pytest.raises(WeightsError, match=r"nor another network .* \(first: fc.weight\)"):
        detect({"fc.weight": torch.zeros(2, 2)})


def test_ckp_11_a_variant_of_swin2sr_is_refused(random_state: Callable[..., State]) -> None:
    state = random_state(_config("direct x2"))
    del state["trunk.norm.bias"]
    state["trunk.groups.0.blocks.0.attention.gate"] = torch.zeros(3)
    with pytest.raises(WeightsError, match=r"1 missing \(trunk.norm.bias\), 1 not expected"):
        detect(state)


def test_ckp_11_what_cannot_be_read_off_is_refused(random_state: Callable[..., State]) -> None:
    state = to_hub(random_state(_config("direct x2")))
    state["upsample.conv.weight"] = torch.zeros(7, 12, 3, 3)
    with pytest.raises(WeightsError, match="variant of Swin2SR") as caught:
        detect(state)
    assert caught.value.code == "wrong_model"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"upscale": 4}, "upscale is 2 in the weights, 4 in the configuration"),
        ({"depths": (2, 2)}, r"depths is \(2, 3\) in the weights, \(2, 2\)"),
        ({"num_heads": (3, 3)}, r"num_heads is \(2, 3\) in the weights"),
        ({"upsampler": "nearest+conv"}, "upsampler is 'pixelshuffledirect' in the weights"),
        ({"window_size": 4}, "window_size is 8 in the weights, 4 in the configuration"),
        ({"num_channels": 1}, "num_channels is 3 in the weights, 1"),
        ({"mlp_ratio": 4.0}, "mlp_ratio is 2.0 in the weights, 4.0"),
        ({"qkv_bias": False}, "qkv_bias is True in the weights"),
        ({"resi_connection": "3conv"}, "resi_connection is '1conv' in the weights"),
    ],
)
def test_ckp_12_contradictions_are_named(
    asked: dict[str, Any], told: str, random_state: Callable[..., State]
) -> None:
    config = _config("direct x2")
    original = to_original(random_state(config), config)
    with pytest.raises(WeightsError, match=told) as caught:
        check(original, config.replace(**asked))
    assert caught.value.code == "wrong_model"


def test_ckp_12_missing_names_are_told_in_the_files_own_layout(
    random_state: Callable[..., State],
) -> None:
    config = _config("pixelshuffle x2")
    hub = to_hub(random_state(config))
    name = "swin2sr.encoder.stages.0.layers.0.attention.self.query.weight"
    del hub[name]
    with pytest.raises(WeightsError, match=rf"1 missing \({name}\)"):
        check(hub, config)


def test_ckp_12_wrong_shapes_are_told(random_state: Callable[..., State]) -> None:
    config = _config("pixelshuffle x2")
    state = random_state(config) | {"trunk.norm.weight": torch.ones(13)}
    with pytest.raises(WeightsError, match=r"trunk.norm.weight is \(13,\) and should be \(12,\)"):
        check(state, config)


def test_a_hostile_configuration_is_not_enumerated(random_state: Callable[..., State]) -> None:
    config = _config("direct x2")
    hostile = config.replace(depths=(10**12, 1))
    with pytest.raises(WeightsError, match="asks for 1000000000001 layers"):
        check(random_state(config), hostile)


def test_query_key_and_value_of_different_shapes_are_refused(
    random_state: Callable[..., State],
) -> None:
    config = _config("direct x2")
    hub = to_hub(random_state(config))
    hub["swin2sr.encoder.stages.0.layers.0.attention.self.key.weight"] = torch.zeros(5, 7)
    with pytest.raises(WeightsError, match="1 missing"):
        check(hub, config)
