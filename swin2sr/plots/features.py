"""Figures of hidden states: feature maps by depth, norms, similarity, spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from swin2sr.inspect import HiddenStates, Spectrum, channel_norms, pca_pictures
from swin2sr.plots.style import (
    HEAT,
    NARROW,
    READABLE,
    SMALL,
    coloured,
    new_figure,
    picture_grid,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

COLUMNS = 4  # pictures beside each other


def feature_pictures(several: Mapping[str, HiddenStates]) -> Figure:
    """Feature maps as colours (``inspect.pca_pictures``), in which a colour means one thing.

    Args:
        several: by name of the network, all of one number of channels.
    Raises:
        ShapeError: as ``inspect.pca_pictures``.
    """
    drawn = pca_pictures(*several.values())
    cells = [
        (f"{name}: {label}" if len(several) > 1 else label, picture.numpy())
        for (name, states), pictures in zip(several.items(), drawn, strict=True)
        for label, picture in zip(states.labels, pictures, strict=True)
    ]
    return picture_grid(cells, COLUMNS, 2.3)


def norm_pictures(norms: Tensor) -> Tensor:
    """Norms of tokens as colours of one logarithmic scale, so that depths compare.

    Args:
        norms: (depth, H, W), of ``inspect.token_norms``; dark is the smallest of all, bright the
            largest (the 1st and 99th percentile over all depths).
    Returns:
        (depth, H, W, 3) float32 in 0..1.
    """
    import matplotlib

    logarithms = norms.clamp_min(1e-12).log10().numpy()
    low, high = norm_range(norms)
    relative = (logarithms - np.log10(low)) / max(np.log10(high) - np.log10(low), 1e-12)
    return torch.from_numpy(matplotlib.colormaps[HEAT](relative.clip(0, 1))[..., :3]).float()


def norm_range(norms: Tensor) -> tuple[float, float]:
    """Norms that the darkest and the brightest colour of ``norm_pictures`` stand for."""
    low, high = np.percentile(norms.clamp_min(1e-12).numpy(), (1, 99))
    return float(low), float(high)


def depth_panels(pictures: Tensor, labels: Sequence[str]) -> Figure:
    """Feature maps by depth, three beside each other.

    Args:
        pictures: (depth, H, W, 3) in 0..1, of ``inspect.pca_pictures`` or ``norm_pictures``.
        labels: what each is.
    """
    captioned = list(zip(labels, pictures.numpy(), strict=True))
    return picture_grid(captioned, 3, NARROW / 3, READABLE, caption=0.25)


def norms_by_depth(several: Mapping[str, HiddenStates]) -> Figure:
    """Norms of channels by depth: their median and the 5th to the 95th percentile, on a
    logarithmic axis.

    Args:
        several: by name of the network.
    """
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    for name, states, colour in coloured(several):
        norms = channel_norms(states).numpy().clip(1e-12)
        low, middle, high = np.percentile(norms, (5, 50, 95), axis=1)
        depth = np.arange(len(norms))
        axes.plot(depth, middle, "o-", color=colour, markersize=3, linewidth=1.2, label=name)
        axes.fill_between(depth, low, high, color=colour, alpha=0.15, linewidth=0)
    longest = max(several.values(), key=lambda states: len(states.labels))
    axes.set_xticks(range(len(longest.labels)), longest.labels, rotation=35, ha="right")
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.set_ylabel("root mean square of a channel")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=SMALL)
    plain(axes)
    return figure


def growth_by_depth(several: Mapping[str, Tensor]) -> Figure:
    """Residual stream by depth, its size after each layer: of ``inspect.stream_growth``.

    Args:
        several: by name of the network, (layers + 1,) root mean squares.
    """
    figure = new_figure(6.0, 3.4)
    axes = figure.subplots()
    for name, sizes, colour in coloured(several):
        axes.plot(sizes.numpy(), "o-", color=colour, markersize=3, linewidth=1.2, label=name)
    axes.set_xlabel("layers passed")
    axes.set_ylabel("root mean square of the tokens")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=SMALL)
    plain(axes)
    return figure


def similarity_matrix(
    values: Tensor, rows: Sequence[str], columns: Sequence[str], axes_names: tuple[str, str]
) -> Figure:
    """Similarity (linear CKA) between depths, as colours with the numbers in them.

    Args:
        values: (rows, columns) in 0..1, of ``inspect.similarity``.
        rows, columns: what the depths are called.
        axes_names: of the two networks, first and second.
    """
    figure = new_figure(0.55 * len(columns) + 2.2, 0.45 * len(rows) + 1.6)
    axes = figure.subplots()
    drawn = axes.imshow(values.numpy(), vmin=0, vmax=1, cmap="viridis")
    for (i, j), value in np.ndenumerate(values.numpy()):
        dark = value < 0.6
        axes.text(
            *(j, i, f"{value:.2f}"),
            ha="center",
            va="center",
            fontsize=SMALL - 2,
            color="white" if dark else "black",
        )
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=SMALL)
    axes.set_yticks(range(len(rows)), rows, fontsize=SMALL)
    axes.set_ylabel(axes_names[0])
    axes.set_xlabel(axes_names[1])
    figure.colorbar(drawn, ax=axes, label="linear CKA", shrink=0.8)
    return figure


def spectra(found: Spectrum) -> Figure:
    """Spectra of what each step adds, by frequency: of ``inspect.added_spectrum``."""
    import matplotlib

    figure = new_figure(6.5, 3.8)
    axes = figure.subplots()
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(found.labels)))
    for label, power, shade in zip(found.labels, found.power.numpy(), shades, strict=True):
        axes.plot(
            found.frequency.numpy(), power.clip(1e-12), color=shade, label=label, linewidth=1.2
        )
    axes.set_xlabel("cycles per pixel")
    axes.set_ylabel("power")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=SMALL - 1)
    plain(axes)
    return figure
