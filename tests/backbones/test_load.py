"""Weights of the backbones: transformers' files, Microsoft's, TensorFlow's, and what is refused."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

import swin2sr
from swin2sr.backbones import tensorflow_weights
from swin2sr.backbones.detect import detect
from swin2sr.backbones.expected_shapes import head_shapes, trunk_shapes
from swin2sr.backbones.key_mapping import native_weights, to_hub
from swin2sr.backbones.load import load_backbone
from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError, KindError, WeightsError
from tests.fake_hub import FakeHub

NETWORKS = ("Swin", "Swinv2")
HEADS = ("Model", "ForImageClassification", "ForMaskedImageModeling")
State = dict[str, Tensor]
SMALL: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 3],
    "window_size": 4,
    "encoder_stride": 4,
    "num_labels": 5,
}
WHOLE = [(n, h) for n in NETWORKS for h in HEADS]


def theirs(network: str, head: str, seed: int = 0, **settings: Any) -> Any:
    """A random network of transformers'."""
    torch.manual_seed(seed)
    config = getattr(transformers, f"{network}Config")(**{**SMALL, **settings})
    model = getattr(transformers, network + head)(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def ours(network: str, head: str) -> Any:
    """Our class."""
    return getattr(swin2sr, network + head)


def saved(folder: Path, network: str, head: str, **settings: Any) -> Any:
    """A random network of transformers', written to ``folder``."""
    model = theirs(network, head, **settings)
    model.save_pretrained(folder)
    return model


def answer(model: Any) -> Tensor:
    """What a network says of one picture."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return model(torch.randn(1, 3, 32, 32, generator=generator))[0]


def largest(a: Tensor, b: Tensor) -> float:
    """The largest difference, after the shapes."""
    assert a.shape == b.shape
    return float((a - b).abs().max())


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A warning that no test expects is a failure."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*newly initialised.*")
        yield


# ----------------------------------------------------------------------------- transformers' files


@pytest.mark.parametrize(("network", "head"), WHOLE)
def test_what_transformers_saves_loads_here(network: str, head: str, tmp_path: Path) -> None:
    model = saved(tmp_path, network, head)
    mine = ours(network, head).from_pretrained(tmp_path)
    assert not mine.training
    assert mine.config.num_labels == 5
    assert largest(answer(mine), answer(model)) <= 1e-5
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")  # its names in memory
    (tmp_path / "model.safetensors").unlink()
    assert torch.equal(answer(ours(network, head).from_pretrained(tmp_path)), answer(mine))


@pytest.mark.parametrize(("network", "head"), WHOLE)
def test_what_we_save_loads_in_transformers(network: str, head: str, tmp_path: Path) -> None:
    mine = ours(network, head).from_pretrained(_folder(tmp_path, network, head))
    mine.save_pretrained(tmp_path / "ours")
    model, report = getattr(transformers, network + head).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert largest(answer(mine), answer(model.eval())) <= 1e-5
    again = ours(network, head).from_pretrained(tmp_path / "ours")
    again.save_pretrained(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()


def _folder(tmp_path: Path, network: str, head: str) -> Path:
    saved(tmp_path / "theirs", network, head)
    return tmp_path / "theirs"


@pytest.mark.parametrize(("network", "head"), WHOLE)
def test_round_trips_are_bit_equal(network: str, head: str, tmp_path: Path) -> None:
    file = load_file(_folder(tmp_path, network, head) / "model.safetensors")
    native = native_weights(file).state
    prefix = "" if head == "Model" else f"{network.lower()}."
    back = to_hub(native, prefix=prefix)
    assert back.keys() == file.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in file.items())
    mine = ours(network, head).from_pretrained(tmp_path / "theirs")
    again = native_weights(mine.state_dict()).state
    assert again.keys() == native.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in native.items())


@pytest.mark.parametrize("settings", [{}, {"use_absolute_embeddings": True, "qkv_bias": False}])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_lists_of_shapes_are_the_networks(network: str, settings: dict[str, Any]) -> None:
    config = getattr(swin2sr, f"{network}Config").from_dict({**SMALL, **settings})
    trunk, heads = trunk_shapes(config), head_shapes(config)
    for head, extra in zip(HEADS, ((), ("classifier",), ("decoder", "embed.mask")), strict=True):
        own = native_weights(ours(network, head)(config).state_dict()).state
        wanted = trunk | {n: s for n, s in heads.items() if extra and n.startswith(extra)}
        assert {name: tuple(tensor.shape) for name, tensor in own.items()} == wanted


# ------------------------------------------------------------------------------------------- heads


@pytest.mark.parametrize("network", NETWORKS)
def test_a_head_that_is_not_asked_for_is_left_aside(network: str, tmp_path: Path) -> None:
    model = saved(tmp_path, network, "ForImageClassification")
    trunk = ours(network, "Model").from_pretrained(tmp_path)
    assert largest(answer(trunk), answer(getattr(model, network.lower()))) <= 1e-5
    other = saved(tmp_path / "masked", network, "ForMaskedImageModeling")
    trunk = ours(network, "Model").from_pretrained(tmp_path / "masked")
    assert largest(answer(trunk), answer(getattr(other, network.lower()))) <= 1e-5
    masked = ours(network, "Model").from_pretrained(tmp_path / "masked", use_mask_token=True)
    token = getattr(other, network.lower()).embeddings.mask_token
    assert torch.equal(masked.embed.mask_token, token)
    bare = ours(network, "Model").from_pretrained(tmp_path, add_pooling_layer=False)
    assert not bare.pools


@pytest.mark.parametrize("network", NETWORKS)
def test_a_head_that_is_not_there_is_made_with_a_warning(network: str, tmp_path: Path) -> None:
    saved(tmp_path, network, "Model")
    with pytest.warns(
        UserWarning, match=r"has no classifier\.weight, classifier\.bias for"
    ) as seen:
        model = ours(network, "ForImageClassification").from_pretrained(tmp_path, num_labels=3)
    assert seen[0].filename == __file__
    assert model.classifier.weight.shape == (3, 24)
    assert float(model.classifier.weight.detach().std()) > 0.005
    trunk = ours(network, "Model").from_pretrained(tmp_path)
    assert torch.equal(answer(model.backbone), answer(trunk))
    with pytest.warns(UserWarning, match=r"mask_token, decoder\.weight, decoder\.bias for"):
        ours(network, "ForMaskedImageModeling").from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"has no embed\.mask_token for"):
        ours(network, "Model").from_pretrained(tmp_path, use_mask_token=True)


def test_another_number_of_classes_is_an_error_unless_it_is_wanted(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "ForImageClassification")
    kind = ours("Swin", "ForImageClassification")
    with pytest.raises(WeightsError, match="classifier for 5 classes, the configuration names 3"):
        kind.from_pretrained(tmp_path, num_labels=3)
    names = {0: "cat", 1: "dog", 2: "emu"}
    with pytest.warns(UserWarning, match="classifier"):
        model = kind.from_pretrained(tmp_path, id2label=names, ignore_mismatched_sizes=True)
    assert model.config.label2id == {"cat": 0, "dog": 1, "emu": 2}
    assert answer(model).shape == (1, 3)
    told = kind.from_pretrained(tmp_path, num_labels=5, problem_type="regression")
    assert told.config.problem_type == "regression"
    values = json.loads((tmp_path / "config.json").read_text())
    values["id2label"] = {"0": "one"}
    del values["label2id"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="classifier for 5 classes, the configuration names 1"):
        kind.from_pretrained(tmp_path)


def test_weights_of_the_other_network_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, "Swinv2", "ForImageClassification")
    with pytest.raises(WeightsError, match="is a Swinv2 network, not Swin") as caught:
        ours("Swin", "ForImageClassification").from_pretrained(tmp_path)
    assert caught.value.remedy == "Load it as Swinv2ForImageClassification."
    with pytest.raises(TypeError, match="use_mask_token"):
        ours("Swinv2", "ForImageClassification").from_pretrained(tmp_path, use_mask_token=True)


def test_precision_is_converted(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model").half().save_pretrained(tmp_path)
    assert ours("Swin", "Model").from_pretrained(tmp_path).dtype == torch.float32
    low = ours("Swin", "Model").from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert low.dtype == torch.bfloat16
    assert "stored as float16" in " ".join(load_backbone(tmp_path).notes)


# ------------------------------------------------------------------------------ Microsoft's layout

RENAMES = (
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"embeddings\.norm\.", "patch_embed.norm."),
    (r"embeddings\.position_embeddings", "absolute_pos_embed"),
    (r"embeddings\.mask_token", "mask_token"),
    (r"encoder\.layers\.", "layers."),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"(?<!attention\.)output\.dense", "mlp.fc2"),
    (r"attention\.self\.continuous_position_bias_mlp", "attn.cpb_mlp"),
    (r"attention\.self\.", "attn."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.", "head."),
)


def as_microsofts(file: State, prefix: str, *, trunk: str = "") -> State:
    """Transformers' file in the layout of Microsoft's, by rules of our own."""
    found: State = {}
    for name, tensor in file.items():
        part = name.removeprefix(prefix)
        for pattern, new in RENAMES:
            part = re.sub(pattern, new, part)
        bare = name.startswith(("classifier.", "decoder."))
        found[part if bare else trunk + part] = tensor
    for name in [n for n in found if n.endswith("attn.query.weight")]:
        block = name.removesuffix("query.weight")
        parts = [found.pop(f"{block}{p}.weight") for p in ("query", "key", "value")]
        found[f"{block}qkv.weight"] = torch.cat(parts)
        biases = [found.pop(f"{block}{p}.bias", None) for p in ("query", "key", "value")]
        if biases[1] is not None:
            found[f"{block}qkv.bias"] = torch.cat(biases)
        elif biases[0] is not None:
            found[f"{block}q_bias"], found[f"{block}v_bias"] = biases[0], biases[2]
    return found


def with_buffers(state: State, model: Any, *, trunk: str = "") -> State:
    """Also what Microsoft's files hold besides parameters."""
    config, side = model.config, model.config.image_size // model.config.patch_size
    second = config.model_type == "swinv2"
    for stage, depth in enumerate(config.depths):
        across = side >> stage
        window = min(across, config.window_size)
        trained = (config.pretrained_window_sizes[stage] if second else 0) or window
        count = (across // window) ** 2
        for j in range(depth):
            block = f"{trunk}layers.{stage}.blocks.{j}."
            state[f"{block}attn.relative_position_index"] = torch.zeros(window**2, window**2).long()
            if second:
                table = torch.arange(1 - window, window) / (trained - 1) * 8
                table = table.sign() * torch.log2(table.abs() + 1) / 3
                shape = (1, 2 * window - 1, 2 * window - 1, 2)
                state[f"{block}attn.relative_coords_table"] = table.view(1, -1, 1, 1).expand(shape)
            if j % 2 and across > config.window_size:
                state[f"{block}attn_mask"] = torch.zeros(count, window**2, window**2)
    return {name: tensor.clone() for name, tensor in state.items()}


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"use_absolute_embeddings": False},
    "deep, grey": {"depths": [1, 3, 2], "num_heads": [1, 2, 4], "num_channels": 1},
    "large": {"image_size": 48, "window_size": 6, "mlp_ratio": 2.6, "patch_size": 4},
    "no bias": {"qkv_bias": False},
    "odd ratio": {"embed_dim": 30, "mlp_ratio": 4.11},  # 123 / 30 * 30 is below 123
    "shrunk": {"image_size": 16, "window_size": 8, "patch_size": 2, "depths": [1, 1]},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_microsofts_files_load_and_tell_their_configuration(
    network: str, variant: str, tmp_path: Path
) -> None:
    model = saved(tmp_path, network, "ForImageClassification", **VARIANTS[variant])
    prefix = f"{network.lower()}."
    file = as_microsofts(load_file(tmp_path / "model.safetensors"), prefix)
    torch.save({"model": with_buffers(file, model)}, tmp_path / "swin.pth")
    found = load_backbone(tmp_path / "swin.pth")
    fields = ("image_size", "patch_size", "num_channels", "embed_dim", "window_size", "qkv_bias")
    for name in fields:
        assert getattr(found.config, name) == getattr(model.config, name), name
    assert found.config.depths == tuple(model.config.depths)
    assert found.config.num_heads == tuple(model.config.num_heads)
    assert found.config.num_labels == 5
    assert not any(getattr(found.config, "pretrained_window_sizes", ()))
    for width in found.config.widths:
        assert int(found.config.mlp_ratio * width) == int(model.config.mlp_ratio * width)
    assert any(note.startswith("Read off the weights") for note in found.notes)
    mine = ours(network, "ForImageClassification").from_pretrained(tmp_path / "swin.pth")
    pixels = torch.randn(1, model.config.num_channels, 48, 96)
    with torch.no_grad():
        assert largest(mine(pixels).logits, model(pixels).logits) <= 1e-5
    native = native_weights(model.state_dict()).state
    assert all(torch.equal(found.state[n], t) for n, t in native.items())


def test_microsofts_pretrained_windows_are_read_off(tmp_path: Path) -> None:
    model = saved(tmp_path, "Swinv2", "Model", pretrained_window_sizes=[3, 6])
    file = as_microsofts(load_file(tmp_path / "model.safetensors"), "swinv2.")
    torch.save({"model": with_buffers(file, model)}, tmp_path / "swin.pth")
    mine = ours("Swinv2", "Model").from_pretrained(tmp_path / "swin.pth")
    assert mine.config.pretrained_window_sizes == (3, 6)
    assert largest(answer(mine), answer(model)) <= 1e-5


def test_what_microsofts_file_does_not_tell_is_assumed_and_said(tmp_path: Path) -> None:
    settings = {"window_size": 8, "image_size": 256, "depths": [1, 1], "patch_size": 4}
    model = saved(tmp_path, "Swinv2", "Model", **settings)
    torch.save(
        as_microsofts(load_file(tmp_path / "model.safetensors"), "swinv2."), tmp_path / "s.pth"
    )
    found = load_backbone(tmp_path / "s.pth")
    assert (found.config.window_size, found.config.image_size) == (8, 256)
    assert "window size is not in the weights" in " ".join(found.notes)
    assert "image size is not in the weights" in " ".join(found.notes)
    mine = ours("Swinv2", "Model").from_pretrained(tmp_path / "s.pth")
    assert largest(answer(mine), answer(model)) <= 1e-5
    # a description beside it is believed
    config = found.config.replace(window_size=4)
    config.to_json_file(tmp_path / "s.json")
    assert load_backbone(tmp_path / "s.pth").config.window_size == 4
    (tmp_path / "s.json").write_text("[]")
    assert load_backbone(tmp_path / "s.pth").config.window_size == 8


@pytest.mark.parametrize("network", NETWORKS)
def test_microsofts_masked_pretraining_loads(network: str, tmp_path: Path) -> None:
    model = saved(tmp_path, network, "ForMaskedImageModeling", use_absolute_embeddings=False)
    file = load_file(tmp_path / "model.safetensors")
    file = as_microsofts(file, f"{network.lower()}.", trunk="encoder.")
    assert "encoder.mask_token" in file
    torch.save({"model": with_buffers(file, model, trunk="encoder.")}, tmp_path / "simmim.pth")
    mine = ours(network, "ForMaskedImageModeling").from_pretrained(tmp_path / "simmim.pth")
    assert mine.config.encoder_stride == 4
    assert largest(answer(mine), answer(model)) <= 1e-5
    trunk = ours(network, "Model").from_pretrained(tmp_path / "simmim.pth")
    assert torch.equal(answer(trunk), answer(mine.backbone))


def test_absolute_positions_of_microsofts_file(tmp_path: Path) -> None:
    model = saved(tmp_path, "Swin", "Model", use_absolute_embeddings=True)
    file = as_microsofts(load_file(tmp_path / "model.safetensors"), "swin.")
    save_file(file, tmp_path / "other.safetensors")
    mine = ours("Swin", "Model").from_pretrained(tmp_path / "other.safetensors")
    assert mine.config.image_size == 32
    assert largest(answer(mine), answer(model)) <= 1e-5


# -------------------------------------------------------------------------------------- TensorFlow


def tensorflow_name(name: str, tensor: Tensor) -> tuple[str, np.ndarray]:
    """A parameter of transformers' file as its TensorFlow class names and stores it."""
    *path, leaf = name.split(".")
    array = tensor.numpy()
    scope = "/".join(path)
    for kind in ("layers", "blocks"):
        scope = re.sub(rf"{kind}/(\d+)", rf"{kind}.\1", scope)
    if "norm" in path[-1]:
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    elif leaf == "weight":
        leaf = "kernel"
        array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    return f"tf_model_1/{scope}/{leaf}:0", array


def write_tensorflow(path: Path, file: State, *, chunks: int = 1) -> None:
    """A file laid out as Keras' ``save_weights`` does."""
    weights: dict[str, list[tuple[str, np.ndarray]]] = {}
    for name, tensor in file.items():
        weights.setdefault(name.split(".")[0], []).append(tensorflow_name(name, tensor))
        if name.endswith("relative_position_bias_table"):
            index = f"tf_model_1/{name.rpartition('.')[0].replace('.', '/')}"
            weights[name.split(".")[0]].append(
                (f"{index}/relative_position_index:0", np.zeros((16, 16), np.int32))
            )
    with h5py.File(path, "w") as target:
        target.attrs["layer_names"] = [name.encode() for name in weights]
        target.attrs["backend"], target.attrs["keras_version"] = b"tensorflow", b"2.11.0"
        for layer, entries in weights.items():
            group = target.create_group(layer)
            names = np.asarray([name.encode() for name, _ in entries])
            if chunks == 1:
                group.attrs["weight_names"] = names
            else:
                for number, part in enumerate(np.array_split(names, chunks)):
                    group.attrs[f"weight_names{number}"] = part
            for name, array in entries:
                group.create_dataset(name, data=np.ascontiguousarray(array))


def tensorflow_folder(folder: Path, head: str, *, chunks: int = 1) -> Any:
    """A folder that holds nothing but a configuration and TensorFlow weights."""
    model = saved(folder, "Swin", head)
    file = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    # TensorFlow's base class, too, has its network at "swin"
    file = {n if n.startswith(("swin.", "cl", "dec")) else f"swin.{n}": t for n, t in file.items()}
    write_tensorflow(folder / "tf_model.h5", file, chunks=chunks)
    return model


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("head", HEADS)
def test_tensorflows_weights_give_the_same_answers(head: str, chunks: int, tmp_path: Path) -> None:
    model = tensorflow_folder(tmp_path, head, chunks=chunks)
    mine = ours("Swin", head).from_pretrained(tmp_path)
    assert largest(answer(mine), answer(model)) <= 1e-5
    state = load_backbone(tmp_path).state
    native = native_weights(model.state_dict()).state
    assert all(torch.equal(state[n], t) for n, t in native.items())
    assert "converted from TensorFlow" in " ".join(load_backbone(tmp_path).notes)
    assert load_backbone(tmp_path / "tf_model.h5").sha256 == load_backbone(tmp_path).sha256


def test_without_h5py_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow_folder(tmp_path, "Model")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(WeightsError, match="pip install h5py"):
        load_backbone(tmp_path)


def test_names_of_tensorflow_weights() -> None:
    name = "tf_swin/swin/encoder/layers.0/blocks.1/attention/self/query/kernel:0"
    wanted = "swin.encoder.layers.0.blocks.1.attention.self.query.weight"
    assert tensorflow_weights.pytorch_name(name) == wanted
    assert tensorflow_weights.pytorch_name("m/swin/layernorm/beta:0") == "swin.layernorm.bias"
    assert tensorflow_weights.pytorch_name("m/decoder/0/bias:0") == "decoder.0.bias"


def _spoil_link(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _spoil_soft(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group[name] = h5py.SoftLink("/classifier")


def _spoil_compressed(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group.create_dataset(name, data=np.zeros((4000, 4000), np.float32), compression="gzip")


def _spoil_chunked(file: h5py.File, group: h5py.Group, name: str) -> None:
    values = group.pop(name)[()]
    group.create_dataset(name, data=values, chunks=(6,))


def _spoil_claim(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group.create_dataset(name, shape=(1 << 40,), dtype=np.float32)  # never written


def _spoil_external(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group.create_dataset(name, (2, 2), np.float32, external=[("/etc/passwd", 0, 16)])


def _spoil_missing(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]


def _spoil_text(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group.create_dataset(name, data=["a", "b"])


def _spoil_group(file: h5py.File, group: h5py.Group, name: str) -> None:
    del group[name]
    group.create_group(name)


def _spoil_layers(file: h5py.File, group: h5py.Group, name: str) -> None:
    file.attrs["layer_names"] = [b"../x"]


def _spoil_number(file: h5py.File, group: h5py.Group, name: str) -> None:
    group.attrs["weight_names"] = 3


def _spoil_nothing(file: h5py.File, group: h5py.Group, name: str) -> None:
    file.attrs["layer_names"] = np.asarray([], dtype="S1")


def _spoil_nan(file: h5py.File, group: h5py.Group, name: str) -> None:
    group[name][0] = np.nan


def _spoil_twice(file: h5py.File, group: h5py.Group, name: str) -> None:
    file.attrs["layer_names"] = [b"swin", b"swin"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_spoil_link, "unsafe"),
        (_spoil_soft, "unsafe"),
        (_spoil_compressed, "unsafe"),
        (_spoil_chunked, "unsafe"),
        (_spoil_claim, "unsafe"),
        (_spoil_external, "unsafe"),
        (_spoil_missing, "not_weights"),
        (_spoil_text, "not_weights"),
        (_spoil_group, "not_weights"),
        (_spoil_layers, "not_weights"),
        (_spoil_number, "not_weights"),
        (_spoil_nothing, "not_weights"),
        (_spoil_nan, "bad_values"),
        (_spoil_twice, "not_weights"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_hostile_tensorflow_files_are_refused(spoil: Any, code: str, tmp_path: Path) -> None:
    tensorflow_folder(tmp_path, "Model")
    name = "tf_model_1/swin/layernorm/gamma:0"
    with h5py.File(tmp_path / "tf_model.h5", "r+") as file:
        spoil(file, file["swin"], name)
    with pytest.raises(WeightsError) as caught:
        load_backbone(tmp_path)
    assert caught.value.code == code, str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"<html>"])
def test_files_that_are_no_hdf5_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tf_model.h5").write_bytes(content)
    with pytest.raises(WeightsError):
        load_backbone(tmp_path)


def test_cut_tensorflow_files_are_refused(tmp_path: Path) -> None:
    tensorflow_folder(tmp_path, "Model")
    data = (tmp_path / "tf_model.h5").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "tf_model.h5").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(WeightsError):
            load_backbone(tmp_path)


# ----------------------------------------------------------------------------------- what is wrong


def test_names_and_shapes_are_counted_and_the_first_three_named(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "ForImageClassification")
    file = load_file(tmp_path / "model.safetensors")
    lost = [name for name in file if name.endswith("layernorm_after.bias")]
    for name in lost:
        del file[name]
    file["swin.strange"] = torch.ones(3)
    file["swin.layernorm.weight"] = torch.ones(7)
    save_file(file, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError) as caught:
        ours("Swin", "Model").from_pretrained(tmp_path)
    text = str(caught.value)
    first = "swin.encoder.layers.0.blocks.0.layernorm_after.bias"
    assert f"4 missing ({first}, " in text
    assert text.count("layernorm_after.bias") == 3
    assert "1 not expected (swin.strange)" in text
    assert "1 of another shape (swin.layernorm.weight is (7,) and should be (24,))" in text
    assert caught.value.code == "wrong_model"


def test_a_decoder_for_another_stride_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "ForMaskedImageModeling")
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"encoder_stride": 8}))
    with pytest.raises(WeightsError, match=r"decoder\.0\.weight is \(48, 24, 1, 1\)"):
        ours("Swin", "ForMaskedImageModeling").from_pretrained(tmp_path)


def test_a_configuration_of_the_other_generation_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model")
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"model_type": "swinv2"}))
    with pytest.raises(WeightsError, match=r"configuration is for Swinv2; .* weights of Swin"):
        load_backbone(tmp_path)


def test_a_hostile_configuration_is_never_listed(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model")
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"depths": [10**9, 10**9]}))
    with pytest.raises(WeightsError, match="asks for 2000000000 layers"):
        load_backbone(tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", ConfigError),
        ("[]", ConfigError),
        ('{"model_type": "vit"}', WeightsError),
        ("{}", WeightsError),
        ('{"model_type": "swin", "depths": 3}', ConfigError),
        ('{"model_type": ["swin"]}', WeightsError),
    ],
)
def test_configurations_that_do_not_serve(text: str, error: type, tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(error):
        load_backbone(tmp_path)


def test_other_networks_are_named(tmp_path: Path, random_state: Any, small: Swin2SRConfig) -> None:
    save_file(random_state(small), tmp_path / "sr.safetensors")
    with pytest.raises(WeightsError, match="are Swin2SR or SwinIR weights") as caught:
        load_backbone(tmp_path / "sr.safetensors")
    assert caught.value.code == "wrong_model"
    save_file({"a.weight": torch.ones(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="not weights of a Swin or SwinV2 backbone"):
        load_backbone(tmp_path / "a.safetensors")
    for state in ({}, {"a": torch.ones(1)}):
        with pytest.raises(WeightsError):
            native_weights(state)


def test_weights_that_are_no_network_are_refused_without_a_traceback(tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model")
    file = load_file(tmp_path / "model.safetensors")
    (tmp_path / "config.json").unlink()
    assert load_backbone(tmp_path).config.depths == (2, 2)
    for lost in (
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layers.0.blocks.0.intermediate.dense.weight",
        "encoder.layers.0.blocks.0.layernorm_before.weight",
        "layernorm.bias",
    ):
        rest = {name: tensor for name, tensor in file.items() if name != lost}
        save_file(rest, tmp_path / "model.safetensors")
        with pytest.raises(WeightsError) as caught:
            load_backbone(tmp_path)
        assert caught.value.code == "wrong_model"
    only = {n: t for n, t in file.items() if "layers.0." not in n or "position" in n}
    with pytest.raises(WeightsError, match="variant of Swin"):
        detect(native_weights(only, "'it'"), "'it'")


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    for name in (tmp_path / "no", "no.pth", "../no", "a/b/c", "https://x.y/z"):
        with pytest.raises(WeightsError) as caught:
            load_backbone(name)
        assert caught.value.code == "not_found"
    with pytest.raises(WeightsError, match=r"holds none of .*tf_model\.h5"):
        load_backbone(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(WeightsError, match="checkpoint in parts"):
        load_backbone(tmp_path)
    with pytest.raises(KindError, match="int"):
        load_backbone(3)  # type: ignore[arg-type]


def test_python_objects_are_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "marker").touch, ())

    torch.save({"model": {"a": Evil()}}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError) as caught:
        load_backbone(tmp_path / "evil.pth")
    assert caught.value.code == "unsafe"
    assert not (tmp_path / "marker").exists()


# -------------------------------------------------------------------------------------- on the Hub


def test_a_repository_is_fetched_once_and_then_found_offline(
    hub: FakeHub, cache_dir: Path, tmp_path: Path
) -> None:
    model = saved(tmp_path, "Swin", "ForImageClassification")
    for name in ("config.json", "model.safetensors"):
        hub.files["someone/swin", name] = (tmp_path / name).read_bytes()
    kind = ours("Swin", "ForImageClassification")
    mine = kind.from_pretrained("someone/swin", cache_dir=cache_dir)
    assert largest(answer(mine), answer(model)) <= 1e-5
    assert hub.count("GET") == 2
    found = load_backbone("someone/swin", cache_dir=cache_dir, local_files_only=True)
    assert found.origin == "cache"
    assert found.name == "someone/swin"
    assert any("not pinned" in note for note in found.notes)
    assert hub.count("GET") == 2


def test_offline_and_not_cached(hub: FakeHub, cache_dir: Path) -> None:
    with pytest.raises(WeightsError, match="local_files_only") as caught:
        load_backbone("someone/swin", cache_dir=cache_dir, local_files_only=True)
    assert caught.value.code == "offline"
    assert hub.log == []


def test_a_repository_without_safetensors(hub: FakeHub, cache_dir: Path, tmp_path: Path) -> None:
    saved(tmp_path, "Swin", "Model")
    hub.files["someone/swin", "config.json"] = (tmp_path / "config.json").read_bytes()
    with pytest.raises(WeightsError, match="Other formats are not taken") as caught:
        load_backbone("someone/swin", cache_dir=cache_dir)
    assert caught.value.code == "not_found"
    hub.files["someone/vit", "config.json"] = b'{"model_type": "vit"}'
    with pytest.raises(WeightsError, match="is a 'vit' network"):
        load_backbone("someone/vit", cache_dir=cache_dir)


def test_a_damaged_cached_file_is_fetched_again(
    hub: FakeHub, cache_dir: Path, tmp_path: Path
) -> None:
    saved(tmp_path, "Swin", "Model")
    for name in ("config.json", "model.safetensors"):
        hub.files["someone/swin", name] = (tmp_path / name).read_bytes()
    path = load_backbone("someone/swin", cache_dir=cache_dir).path
    blob = path.resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    found = load_backbone("someone/swin", cache_dir=cache_dir)
    assert found.origin == "hub"
    assert any("fetched again" in note for note in found.notes)
