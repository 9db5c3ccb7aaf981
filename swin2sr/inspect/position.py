"""What a layer prefers before it has seen anything: its bias for each offset between two pixels.

SwinIR keeps one learned number per offset, which exist for its own window only. Swin2SR's come from
a small network of the offset and can be asked for any window (Swin V2, arXiv 2111.09883, section
3.4, the claim of smooth transfer across window resolutions).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr.errors import ConfigError
from swin2sr.inspect.hooks import checked_choice, layers_of
from swin2sr.nn.position import ContinuousBias, TableBias, relative_coordinates


def position_bias(model: Any, layer: int, window: int | None = None) -> Tensor:
    """The bias of a layer by offset.

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
    (index,) = checked_choice("layer", layer, len(blocks))
    attention = blocks[index].attention
    own = attention.window
    wanted = own if window is None else window
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise ConfigError(f"window must be a whole number from 1 up, got {window!r}.")
    side = 2 * wanted - 1
    with torch.inference_mode():
        if isinstance(attention.position, TableBias):
            table = attention.position.table.float().mT.unflatten(1, (2 * own - 1, 2 * own - 1))
            if wanted != own:
                table = F.interpolate(
                    table[None], size=(side, side), mode="bicubic", align_corners=False
                )[0]
        else:
            table = continuous_bias(attention.position, wanted, own)
    return table.detach().cpu().clone()


def continuous_bias(position: ContinuousBias, window: int, trained: int) -> Tensor:
    """(heads, 2w - 1, 2w - 1) of a window that may be another than was trained with.

    Offsets keep their meaning in pixels: one that both windows have gets the same bias.
    """
    weight = position.fc1.weight
    coordinates = relative_coordinates(window, trained).to(weight.device, weight.dtype)
    values = 16 * torch.sigmoid(position.fc2(F.relu(position.fc1(coordinates))))
    return values.float().mT.unflatten(1, (2 * window - 1, 2 * window - 1))
