"""Position bias of a layer by offset, also in windows of another size than it was trained with.

SwinIR keeps one learned number per offset, which exist for its own window only. Swin2SR's come from
a small network of the offset and can be asked for any window.

Source: Swin Transformer V2 (arXiv 2111.09883), section 3.4 (the claim of smooth transfer across
window resolutions) and table 1, where networks are tried with larger windows than they were trained
with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr.config import whole
from swin2sr.errors import ConfigError
from swin2sr.inspect.hooks import checked_indices, layers_of, network_of
from swin2sr.models.swin2sr import RestorationModel, restoration_model
from swin2sr.nn.position import ContinuousBias, TableBias, relative_coordinates


def position_bias(model: Any, layer: int, window: int | None = None) -> Tensor:
    """Position bias of a layer by offset.

    Args:
        model: an ``Upscaler``, a Swin2SR or SwinIR network, or its trunk.
        layer: index over all groups, negative from the end.
        window: side of the window to ask for; None for the layer's own. For a table (SwinIR)
            another window's is interpolated bicubically, as Swin's authors do to fine-tune.
    Returns:
        (heads, 2 * window - 1, 2 * window - 1) float32; [:, window - 1 + dy, window - 1 + dx] is
        added to the logit of a query for a key that lies dy rows above and dx columns left of it.
    Raises:
        ConfigError: a layer that is not there, or a window below 1.
    """
    blocks = layers_of(model)
    (index,) = checked_indices("layer", layer, len(blocks))
    attention = blocks[index].attention
    own = attention.window
    wanted = own if window is None else whole("window", window, least=1)
    side = 2 * wanted - 1
    with torch.inference_mode():
        if isinstance(attention.position, TableBias):
            table = attention.position.table.float().mT.unflatten(1, (2 * own - 1, 2 * own - 1))
            if wanted != own:
                table = F.interpolate(
                    table[None], size=(side, side), mode="bicubic", align_corners=False
                )[0]
        else:
            table = _continuous_bias(attention.position, wanted, own)
    return table.detach().cpu().clone()


def with_window(model: Any, window: int) -> RestorationModel:
    """Copy a network with windows of another size; it has learned nothing new.

    Its position biases are those of ``position_bias``: a continuous bias (Swin2SR) is asked for the
    new offsets, a table (SwinIR) is interpolated bicubically. Odd layers shift by half the window.

    Args:
        model: an ``Upscaler``, or a Swin2SR or SwinIR network with its head.
        window: side in pixels, at least 2 and smaller than the configuration's ``image_size``.
    Returns:
        The network, in evaluation mode, on the CPU.
    Raises:
        KindError: a model of another kind. ConfigError: a window that cannot be used.
    """
    network = network_of(model, "windows to change")
    own, largest = network.config.window_size, min(network.config.grid_size) - 1
    if isinstance(window, bool) or not isinstance(window, int) or not 2 <= window <= largest:
        raise ConfigError(f"window must be a whole number from 2 to {largest}, got {window!r}.")
    changed = restoration_model(replace(network.config, window_size=window)).eval()
    state = network.state_dict()
    for index, block in enumerate(layers_of(changed)):
        position = block.attention.position
        if isinstance(position, TableBias):
            with torch.no_grad():
                position.table.copy_(position_bias(network, index, window).flatten(1).mT)
        else:
            position.coordinates = relative_coordinates(window, own)
    tables = {name for name, _ in changed.named_parameters() if name.endswith("position.table")}
    changed.load_state_dict({k: v for k, v in state.items() if k not in tables}, strict=False)
    return changed


def _continuous_bias(position: ContinuousBias, window: int, trained: int) -> Tensor:
    """Continuous bias, (heads, 2w - 1, 2w - 1), of another window than was trained with."""
    # Offsets keep their meaning in pixels: one that both windows have gets the same bias.
    weight = position.fc1.weight
    coordinates = relative_coordinates(window, trained).to(weight.device, weight.dtype)
    values = 16 * torch.sigmoid(position.fc2(F.relu(position.fc1(coordinates))))
    return values.float().mT.unflatten(1, (2 * window - 1, 2 * window - 1))
