"""Figures of attribution: attribution maps, receptive fields, position biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swin2sr.inspect import Attribution
from swin2sr.plots.style import (
    HEAT,
    QUERY,
    SMALL,
    new_figure,
    outline,
    overlay,
    panel_grid,
    picture_of,
    show,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

SIDE = 3.4  # inches, of a map


def attribution_maps(image: Any, several: Mapping[str, Attribution], scale: int) -> Figure:
    """Local attribution maps over the picture that went in, a panel a network.

    Args:
        image: the picture that went in.
        several: by name of the network, of ``inspect.local_attribution``, of one patch.
        scale: between the picture and the output; the patch is framed in the picture.
    Raises:
        ShapeError: maps of another size than the picture's.
    """
    first = next(iter(several.values()))
    picture = picture_of(image, (first.map.shape[0], first.map.shape[1]))
    count, ratio = len(several) + 1, picture.shape[0] / picture.shape[1]
    figure, panels = panel_grid(count, count, SIDE, SIDE * ratio + 0.4)
    show(panels[0], picture)
    panels[0].set_title("what goes in; the patch", fontsize=SMALL + 1)
    for axes, (name, found) in zip(panels[1:], several.items(), strict=True):
        overlay(axes, picture, found.map.numpy())
        title = f"{name}\ndiffusion index {found.diffusion_index:.2f}"
        axes.set_title(title, fontsize=SMALL + 1)
    for axes in panels:
        x, y, side = (value / scale for value in first.box)
        outline(axes, x, y, side, QUERY)
    return figure


def receptive_fields(several: Mapping[str, Tensor]) -> Figure:
    """Effective receptive fields, a panel a network, on a logarithmic scale.

    Args:
        several: by name of the network, (H, W), the largest 1, of
            ``inspect.effective_receptive_field``.
    """
    shape = next(iter(several.values())).shape
    figure = new_figure(SIDE * len(several) + 0.8, SIDE * shape[0] / shape[1] + 0.4)
    panels = np.atleast_1d(figure.subplots(1, len(several)))
    for axes, (name, field) in zip(panels, several.items(), strict=True):
        drawn = axes.imshow(np.log10(field.numpy().clip(1e-6)), vmin=-6, vmax=0, cmap=HEAT)
        axes.set_title(name, fontsize=SMALL + 1)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(drawn, ax=list(panels), label="log10 of the gradient, largest = 0", shrink=0.8)
    return figure


def position_biases(several: Mapping[str, Tensor]) -> Figure:
    """Position biases by offset, a row a network, a column a head: of ``inspect.position_bias``.

    Args:
        several: by name, each (heads, 2w - 1, 2w - 1); the query stands in the middle.
    """
    most = max(len(table) for table in several.values())
    figure = new_figure(1.5 * most + 1.2, 1.7 * len(several))
    grid = figure.subplots(len(several), most, squeeze=False)
    for row, (name, table) in zip(grid, several.items(), strict=True):
        low, high = float(table.min()), float(table.max())
        for head, axes in enumerate(row):
            if head >= len(table):
                axes.set_visible(False)
                continue
            reach = table.shape[1] / 2
            # Offsets are of the query to the key; a reader looks from the query to the keys.
            drawn = axes.imshow(
                table[head].flip(0, 1).numpy(),
                vmin=low,
                vmax=high,
                cmap="viridis",
                extent=(-reach, reach, reach, -reach),
            )
            axes.tick_params(labelsize=SMALL - 2)
            axes.set_title(f"head {head + 1}", fontsize=SMALL)
        row[0].set_ylabel(name, fontsize=SMALL)
        figure.colorbar(drawn, ax=list(row), shrink=0.8)
    return figure
