"""The same network with windows of another size: what continuous position biases are for.

Source: Swin Transformer V2 (arXiv 2111.09883), section 3.4 and table 1, where networks are tried
with larger windows than they were trained with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from swin2sr.errors import ConfigError, KindError
from swin2sr.inference.upscaler import Upscaler
from swin2sr.inspect.hooks import layers_of
from swin2sr.inspect.position import position_bias
from swin2sr.models.restoration import RestorationNetwork
from swin2sr.models.swin2sr import RestorationModel, restoration_model
from swin2sr.nn.position import TableBias, relative_coordinates


def with_window(model: Any, window: int) -> RestorationModel:
    """A copy of a network that attends in other windows, and has learned nothing new.

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
    network = model.model if isinstance(model, Upscaler) else model
    if not isinstance(network, RestorationNetwork):
        raise KindError(
            f"{type(network).__name__} has no windows to change.",
            remedy="Give an Upscaler, or a Swin2SR or SwinIR network.",
        )
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
