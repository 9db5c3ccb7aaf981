"""SwinIR: every task of its paper against a second, naive network, and the files people have."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr import (
    Swin2SRForImageSuperResolution,
    SwinIRConfig,
    SwinIRForImageRestoration,
    Upscaler,
)
from swin2sr.checkpoints import detect, to_native, to_original
from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.errors import ConfigError, WeightsError
from swin2sr.models import SwinIRModel
from swin2sr.nn.blocks import PreNormBlock

State = dict[str, Tensor]

TASKS: dict[str, dict[str, Any]] = {
    "classical x2": {"upscale": 2},
    "classical x3": {"upscale": 3},
    "classical x4": {"upscale": 4, "image_size": 48},
    "classical x8": {"upscale": 8},
    "lightweight x2": {"upsampler": "pixelshuffledirect", "upscale": 2},
    "lightweight x3": {"upsampler": "pixelshuffledirect", "upscale": 3},
    "lightweight x4": {"upsampler": "pixelshuffledirect", "upscale": 4},
    "real x2": {"upsampler": "nearest+conv", "upscale": 2},
    "real x4": {"upsampler": "nearest+conv", "upscale": 4},
    "real large x4": {"upsampler": "nearest+conv", "upscale": 4, "resi_connection": "3conv"},
    "colour denoise": {"upsampler": "", "upscale": 1, "image_size": 128},
    "grey denoise": {"upsampler": "", "upscale": 1, "image_size": 128, "num_channels": 1},
    "grey jpeg": {
        "upsampler": "",
        "upscale": 1,
        "image_size": 126,
        "num_channels": 1,
        "window_size": 7,
        "img_range": 255.0,
    },
    "colour jpeg": {
        "upsampler": "",
        "upscale": 1,
        "image_size": 126,
        "window_size": 7,
        "img_range": 255.0,
    },
    "no biases, positions": {"qkv_bias": False, "use_absolute_embeddings": True, "image_size": 16},
    "one window": {"image_size": 8},
}


def make(seed: int = 0, **settings: Any) -> SwinIRForImageRestoration:
    """A small network in float64, every parameter random, in evaluation mode."""
    torch.manual_seed(seed)
    values: dict[str, Any] = {"embed_dim": 12, "depths": (2, 3), "num_heads": (2, 3), **settings}
    values.setdefault("drop_path_rate", 0.0)
    model = SwinIRForImageRestoration(SwinIRConfig(**values)).double().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def picture(channels: int, height: int, width: int, batch: int = 1) -> Tensor:
    """Random pixels in 0..1."""
    made = torch.Generator().manual_seed(height * 100 + width)
    return torch.rand(batch, channels, height, width, dtype=torch.float64, generator=made)


class Witness:
    """SwinIR from its paper and its file's names: one image, one window, one head at a time."""

    def __init__(self, state: State, config: SwinIRConfig) -> None:
        self.state, self.config = state, config

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) in 0..1 -> (C, H*s, W*s)."""
        height, width = image.shape[1:]
        window, scale = self.config.window_size, self.config.upscale
        image = F.pad(image[None], (0, -width % window, 0, -height % window), "reflect")[0]
        mean = torch.tensor([0.4488, 0.4371, 0.4040] if len(image) == 3 else [0.0])
        mean = mean.double()[:, None, None]
        x = (image - mean) * self.config.img_range
        shallow = self.conv("conv_first", x)
        features = self.conv_body("conv_after_body", self.deep(shallow)) + shallow
        y = self.head(x, features) / self.config.img_range + mean
        return y[:, : height * scale, : width * scale]

    def conv(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.conv2d(x[None], weight, bias, padding=weight.shape[2] // 2)[0]

    def conv_body(self, name: str, x: Tensor) -> Tensor:
        if self.config.resi_connection == "1conv":
            return self.conv(name, x)
        x = F.leaky_relu(self.conv(f"{name}.0", x), 0.2)
        return self.conv(f"{name}.4", F.leaky_relu(self.conv(f"{name}.2", x), 0.2))

    def norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def linear(self, name: str, x: Tensor) -> Tensor:
        bias = self.state.get(f"{name}.bias")
        return x @ self.state[f"{name}.weight"].T + (0 if bias is None else bias)

    def deep(self, x: Tensor) -> Tensor:
        tokens = self.norm("patch_embed.norm", x.permute(1, 2, 0))
        if "absolute_pos_embed" in self.state:
            tokens = tokens + self.state["absolute_pos_embed"].view_as(tokens)
        for group, depth in enumerate(self.config.depths):
            before = tokens
            for layer in range(depth):
                name = f"layers.{group}.residual_group.blocks.{layer}"
                tokens = self.block(name, tokens, self.config.num_heads[group], layer % 2 == 1)
            after = self.conv_body(f"layers.{group}.conv", tokens.permute(2, 0, 1))
            tokens = after.permute(1, 2, 0) + before
        return self.norm("norm", tokens).permute(2, 0, 1)

    def block(self, name: str, x: Tensor, heads: int, odd: bool) -> Tensor:
        window = self.config.window_size
        shift = window // 2 if odd and self.config.image_size > window else 0
        x = x + self.attention(f"{name}.attn", self.norm(f"{name}.norm1", x), heads, shift)
        hidden = self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", x))
        gelu = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        return x + self.linear(f"{name}.mlp.fc2", gelu)

    def attention(self, name: str, x: Tensor, heads: int, shift: int) -> Tensor:
        window, (height, width, dim) = self.config.window_size, x.shape
        table = self.state[f"{name}.relative_position_bias_table"]
        out = torch.zeros_like(x)
        places = [(r, c) for r in range(window) for c in range(window)]
        offsets = torch.tensor(
            [
                [(a - c + window - 1) * (2 * window - 1) + (b - d + window - 1) for c, d in places]
                for a, b in places
            ]
        )
        for top in range(0, height, window):
            for left in range(0, width, window):
                rows = torch.tensor([top + r + shift for r, _ in places])
                columns = torch.tensor([left + c + shift for _, c in places])
                # A window that reaches over the border holds strangers: who came from the other
                # side of the picture must not be seen.
                wrapped = 2 * (rows >= height).long() + (columns >= width).long()
                rows, columns = rows % height, columns % width
                strangers = wrapped[:, None] != wrapped[None, :]
                query, key, value = self.linear(f"{name}.qkv", x[rows, columns]).chunk(3, dim=-1)
                mixed = []
                for head in range(heads):
                    part = slice(head * dim // heads, (head + 1) * dim // heads)
                    logits = query[:, part] @ key[:, part].T / math.sqrt(dim // heads)
                    logits = logits + table[offsets, head] - 100 * strangers
                    weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
                    mixed.append(weights @ value[:, part])
                out[rows, columns] = self.linear(f"{name}.proj", torch.cat(mixed, dim=-1))
        return out

    def head(self, x: Tensor, features: Tensor) -> Tensor:
        config = self.config
        if config.upsampler == "":
            return x + self.conv("conv_last", features)
        if config.upsampler == "pixelshuffledirect":
            return F.pixel_shuffle(self.conv("upsample.0", features), config.upscale)
        y = F.leaky_relu(self.conv("conv_before_upsample.0", features), 0.01)
        if config.upsampler == "nearest+conv":
            for name in ("conv_up1", "conv_up2")[: config.upscale // 2]:
                y = y.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                y = F.leaky_relu(self.conv(name, y), 0.2)
            return self.conv("conv_last", F.leaky_relu(self.conv("conv_hr", y), 0.2))
        for step in range(1 if config.upscale == 3 else int(math.log2(config.upscale))):
            factor = 3 if config.upscale == 3 else 2
            y = F.pixel_shuffle(self.conv(f"upsample.{2 * step}", y), factor)
        return self.conv("conv_last", y)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_equals_the_witness(task: str) -> None:
    model = make(**TASKS[task])
    config = model.config
    witness = Witness(to_original(model.state_dict(), config), config)
    side = config.window_size
    sizes = [(side, side)] if "one" in task else [(2 * side, 2 * side)]
    if not config.use_absolute_embeddings:
        sizes += [(2 * side + 3, side - 2), (side, 3 * side)]
    for height, width in sizes:
        pixels = picture(config.num_channels, height, width, batch=2)
        wanted = torch.stack([witness(one) for one in pixels])
        scale = config.img_range
        recorded = model(pixels).reconstruction.detach()
        with torch.no_grad():
            strips = model(pixels).reconstruction
            output = model(pixels, output_attentions=True, output_hidden_states=True)
        assert strips.shape == (
            2,
            config.num_channels,
            *(s * config.upscale for s in pixels.shape[2:]),
        )
        for got in (recorded, strips, output.reconstruction):
            torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12 * scale)
        assert len(output.attentions) == sum(config.depths)
        assert len(output.hidden_states) == len(config.depths) + 1
        for weights in output.attentions:
            torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
        with torch.no_grad():
            narrow = copy.deepcopy(model).float()(pixels.float()).reconstruction
        torch.testing.assert_close(narrow.double(), wanted, rtol=0, atol=1e-5)


# Models of the paper's release: counts of built networks, as docs/models.md has them.
RELEASED = {
    "classical x2": ({}, 11_752_487),
    "classical x3": ({"upscale": 3}, 11_937_127),
    "classical x4": ({"upscale": 4}, 11_900_199),
    "classical x8": ({"upscale": 8}, 12_047_911),
    "lightweight x2": (
        {
            "embed_dim": 60,
            "depths": (6,) * 4,
            "num_heads": (6,) * 4,
            "upsampler": "pixelshuffledirect",
        },
        910_152,
    ),
    "real x4": ({"upsampler": "nearest+conv", "upscale": 4}, 11_715_559),
    "real x2": ({"upsampler": "nearest+conv"}, 11_678_631),
    "real large": (
        {
            "embed_dim": 240,
            "depths": (6,) * 9,
            "num_heads": (8,) * 9,
            "upscale": 4,
            "upsampler": "nearest+conv",
            "resi_connection": "3conv",
        },
        28_013_059,
    ),
    "grey denoise": (TASKS["grey denoise"], 11_497_681),
    "colour denoise": (TASKS["colour denoise"], 11_504_163),
    "grey jpeg": (TASKS["grey jpeg"], 11_485_585),
}


@pytest.mark.parametrize("name", RELEASED)
def test_parameters_are_those_of_the_released_networks(name: str) -> None:
    settings, count = RELEASED[name]
    config = SwinIRConfig(**settings)
    assert count_parameters(config) == count
    with torch.device("meta"):
        model = SwinIRForImageRestoration(config)
    assert model.num_parameters() == count


@pytest.mark.parametrize("wrapper", ["params", "params_ema", None])
@pytest.mark.parametrize("task", TASKS)
def test_the_original_file_loads_strictly(task: str, wrapper: str | None, tmp_path: Path) -> None:
    model = make(**TASKS[task]).float()
    config = model.config
    original = to_original(model.state_dict(), config)
    shift = config.layer_shift
    assert ("layers.0.residual_group.blocks.1.attn_mask" in original) == bool(shift)
    assert not any("logit_scale" in name or "patch_embed.proj" in name for name in original)
    path = tmp_path / "some.pth"
    torch.save({wrapper: original} if wrapper else original, path)
    loaded = SwinIRForImageRestoration.from_pretrained(path)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    visible = config.replace(drop_path_rate=0.1)
    assert loaded.config == visible
    del original["norm.bias"]
    torch.save(original, path)
    with pytest.raises(WeightsError, match=r"1 missing \(norm.bias\)"):
        SwinIRForImageRestoration.from_pretrained(path)


def test_a_file_beside_nothing_is_upscaled_with_and_says_what_it_is(tmp_path: Path) -> None:
    model = make(upscale=4, upsampler="nearest+conv").float()
    torch.save({"params_ema": to_original(model.state_dict(), model.config)}, tmp_path / "a.pth")
    up = Upscaler.from_pretrained(tmp_path / "a.pth", scale=4, task="realworld", channels=3)
    assert isinstance(up.model, SwinIRForImageRestoration)
    pixels = picture(3, 9, 13).float()
    with torch.inference_mode():
        wanted = model(pixels).reconstruction[0].clamp(0, 1)
    got = up.picture(pixels[0])
    torch.testing.assert_close(torch.from_numpy(got.pixels).permute(2, 0, 1), wanted)
    told = "SwinIR x4 (realworld, colour, 2 groups, 12 features)"
    assert f"Read off the weights: {told}." in got.notes
    for wrong, what in (
        ({"scale": 2}, "scale 2"),
        ({"task": "denoise"}, "task 'denoise'"),
        ({"channels": 1, "scale": 3}, "scale 3 and channels 1"),
    ):
        with pytest.raises(ConfigError) as caught:
            Upscaler.from_pretrained(tmp_path / "a.pth", **wrong)
        assert caught.value.message == f"'a' is {told}, which does not fit the {what} asked for."
    with pytest.raises(WeightsError, match=r"'a' is SwinIR x4 .*, not Swin2SR") as refused:
        Swin2SRForImageSuperResolution.from_pretrained(tmp_path / "a.pth")
    assert refused.value.code == "wrong_model"


def test_a_saved_folder_is_read_again_and_by_other_programs(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = make(upscale=2).float()
    model.save_pretrained(tmp_path)
    again = SwinIRForImageRestoration.from_pretrained(tmp_path)
    assert again.config.replace(drop_path_rate=0.1) == model.config.replace(
        drop_path_rate=0.1, extra=again.config.extra
    )
    stored = load_file(tmp_path / "model.safetensors")
    assert "layers.0.residual_group.blocks.0.attn.qkv.weight" in stored
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in to_native(stored).items())
    trunk = SwinIRModel.from_pretrained(tmp_path)
    pixels = picture(3, 8, 8).float()
    with torch.no_grad():
        features = trunk(pixels).last_hidden_state
        torch.testing.assert_close(features, model.trunk(pixels).last_hidden_state)


def test_detected_from_any_layout() -> None:
    model = make(upsampler="pixelshuffledirect", upscale=3)
    for state in (model.state_dict(), to_original(model.state_dict(), model.config)):
        config, notes = detect(state)
        assert (config.network, config.upscale, config.window_size) == ("SwinIR", 3, 8)
        assert notes[0].startswith("Read off the weights: SwinIR x3 (lightweight, colour")
        assert len(notes) == 1


@pytest.mark.parametrize("network", ["swinir", "swin2sr"])
def test_stochastic_depth_drops_a_branch_of_a_whole_sample(network: str) -> None:
    """Not of a window: every sample keeps or loses each branch everywhere."""
    kind = SwinIRForImageRestoration if network == "swinir" else Swin2SRForImageSuperResolution
    config = kind.config_class(
        embed_dim=12,
        depths=(2,),
        num_heads=(2,),
        drop_path_rate=0.5,
        upsampler="pixelshuffledirect",
    )
    torch.manual_seed(0)
    block = kind(config).double().train().trunk.groups[0].blocks[1]
    assert isinstance(block, PreNormBlock) == (network == "swinir")
    seen: list[Tensor] = []
    block.drop_path.register_forward_hook(lambda _, given, made: seen.append(made / given[0]))
    from swin2sr.nn.blocks import run_block

    run_block(block, torch.randn(32, 24, 16, 12, dtype=torch.float64), None, False)
    assert len(seen) == 2
    for factors in seen:
        per_sample = factors.flatten(1)
        assert torch.all((per_sample == per_sample[:, :1]) | per_sample.isnan())
        assert {round(value, 6) for value in per_sample[:, 0].tolist()} == {0.0, 2.0}


def test_autocast_keeps_the_residual_stream_in_the_weights_precision() -> None:
    model = make(upsampler="pixelshuffledirect").float()
    seen = []
    for block in model.trunk.groups[0].blocks:
        block.register_forward_hook(lambda _, given, made: seen.append(made[0].dtype))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(picture(3, 16, 16).float())
    assert seen == [torch.float32] * 2


def test_gradients_reach_every_parameter_and_training_overfits() -> None:
    model = make(upsampler="pixelshuffledirect").float().train()
    pixels, labels = picture(3, 16, 16).float(), picture(3, 32, 32).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model(pixels, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert losses[-1] < 0.6 * losses[0]
