"""Graph for the exporter: the same numbers as the network, for every head and any size."""

from __future__ import annotations

import pytest
import torch

from swin2sr.config import RestorationConfig, Swin2SRConfig, SwinIRConfig
from swin2sr.errors import ConfigError
from swin2sr.export.graph import GraphNetwork, mirror
from swin2sr.models import RestorationModel, restoration_model
from swin2sr.nn.windows import pad_to_windows

TINY = {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 3), "image_size": 16}
NETWORKS: dict[str, RestorationConfig] = {
    "direct": Swin2SRConfig(**TINY, upscale=2, upsampler="pixelshuffledirect"),
    "classical x3": Swin2SRConfig(**TINY, upscale=3, upsampler="pixelshuffle"),
    "compressed": Swin2SRConfig(**TINY, upscale=4, upsampler="pixelshuffle_aux"),
    "real world": Swin2SRConfig(**TINY, upscale=4, upsampler="nearest+conv"),
    "no query bias": Swin2SRConfig(**TINY, qkv_bias=False, upscale=2, upsampler="nearest+conv"),
    "three convolutions": SwinIRConfig(
        **TINY, upscale=4, upsampler="nearest+conv", resi_connection="3conv"
    ),
    "first generation": SwinIRConfig(**TINY, upscale=2, upsampler="pixelshuffledirect"),
    "grey JPEG in windows of 7": SwinIRConfig(
        **(TINY | {"image_size": 14}),
        window_size=7,
        num_channels=1,
        upscale=1,
        upsampler="",
        img_range=255.0,
    ),
}


def random_network(config: RestorationConfig) -> RestorationModel:
    """Network whose every parameter is random: fresh ones have many equal tensors."""
    model = restoration_model(config).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(0.05 * noise)
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_computes_what_the_network_does(name: str) -> None:
    model = random_network(NETWORKS[name])
    graph = GraphNetwork(model).eval()
    for size in ((1, 1), (3, 20), (16, 16), (29, 41)):
        pixels = torch.rand(2, model.config.num_channels, *size)
        with torch.inference_mode():
            torch.testing.assert_close(
                graph(pixels), model(pixels).reconstruction, rtol=0, atol=2e-5
            )


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 9, 16])
def test_the_mirror_is_that_of_the_network(length: int) -> None:
    pixels = torch.rand(1, 3, length, 4)
    for window in (4, 7, 8):
        expected = pad_to_windows(pixels, window)
        padded = mirror(mirror(pixels, 2, window), 3, window)
        assert torch.equal(padded, expected)


def test_networks_made_for_one_size_are_refused() -> None:
    config = NETWORKS["direct"].replace(use_absolute_embeddings=True)
    with pytest.raises(ConfigError, match="absolute position"):
        GraphNetwork(restoration_model(config))
