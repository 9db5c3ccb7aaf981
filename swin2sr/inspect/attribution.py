"""Attribution: local attribution maps (LAM), diffusion index, effective receptive field.

Source: local attribution maps and the diffusion index after Gu and Dong, "Interpreting
Super-Resolution Networks with Local Attribution Maps" (arXiv 2011.11036), sections 3 and 4, with
the numbers of its published code (X-Lowlevel-Vision/LAM_Demo): 50 steps, a Gaussian of deviation
1.2 cut to 9x9 pixels. Effective receptive field after Luo et al. (arXiv 1701.04128).

A patch of the output depends on the input within the reach of the network's layers and on nothing
beyond it. So only the surroundings of the patch are computed, cut on the window grid: the same
gradients as of the whole picture, with memory that does not grow with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.config import RestorationConfig
from swin2sr.errors import ConfigError
from swin2sr.inference.engine import evaluating
from swin2sr.inference.tiling import exact_margin
from swin2sr.inspect.hooks import Probe, network_of

STEPS, SIGMA, KERNEL = 50, 1.2, 9  # of the blur path, as published
_NEVER_ZERO = 1e-5  # added to the deviation, as published
_GINI_OFFSET = 1e-7  # added to every value, as published


@dataclass(frozen=True)
class Attribution:
    """Attribution of a patch of the output to the pixels of the input.

    Attributes:
        map: (H, W) float32 over the input, 0..1: how strongly a pixel is involved.
        signed: (C, H, W) float32, the integrated gradients themselves; they sum (over the path) to
            what sharpening the input adds to the patch's detail.
        diffusion_index: 0..100, how evenly the map is spread: 100 * (1 - Gini coefficient).
        box: (x, y, side) of the patch in the output.
    """

    map: Tensor
    signed: Tensor
    diffusion_index: float
    box: tuple[int, int, int]


def local_attribution(
    model: Any,
    image: Any,
    box: tuple[int, int, int],
    steps: int = STEPS,
    sigma: float = SIGMA,
    kernel: int = KERNEL,
    progress: Callable[[int, int], None] | None = None,
) -> Attribution:
    """Local attribution map (LAM) of a patch of the output.

    The picture is sharpened in steps from a blurred copy to itself; at each step the gradient of
    the patch's detail (the sum of its gradient magnitudes) with respect to the picture is
    multiplied by what the step changes, and all are averaged.

    Args:
        model: an ``Upscaler``, or a Swin2SR or SwinIR network with its head.
        image: anything ``Upscaler`` takes, of any size.
        box: (x, y, side) of the patch, in pixels of the output.
        steps: on the path.
        sigma: deviation of the Gaussian at the start of the path, in pixels.
        kernel: side of the Gaussian, odd.
        progress: told (steps done, steps) after each; raising from it ends the work.
    Returns:
        ``Attribution``.
    Raises:
        ConfigError: a box outside the output, or settings that make no path.
        KindError: a model of another kind, or a trunk without head.
        ImageError: a picture that cannot be used.
    """
    work = attribution_steps(model, image, box, steps, sigma, kernel)
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            found: Attribution = end.value
            return found
        if progress is not None:
            progress(done, steps)


def attribution_steps(
    model: Any,
    image: Any,
    box: tuple[int, int, int],
    steps: int = STEPS,
    sigma: float = SIGMA,
    kernel: int = KERNEL,
) -> Generator[int, None, Attribution]:
    """Steps of ``local_attribution``, for callers that do something else between them.

    Args:
        model, image, box, steps, sigma, kernel: as ``local_attribution``; checked when the first
            step is asked for.
    Yields:
        Steps done, 1 to ``steps``.
    Returns:
        ``Attribution``: ``found = yield from attribution_steps(...)``.
    Raises:
        As ``local_attribution``.
    """
    network, probe = network_of(model, "output to trace back"), Probe.of(model, image)
    x, y, side = _checked_box(box, probe)
    if steps < 1 or kernel < 1 or kernel % 2 == 0 or not sigma > 0:
        raise ConfigError("steps and kernel must be at least 1, kernel odd and sigma positive.")
    signed = torch.zeros_like(probe.pixels)
    part = _surroundings(network, probe, _with_neighbours((x, y, side)))
    for done, (picture, change) in enumerate(_path(probe.pixels, steps, sigma, kernel), 1):
        gradient = _gradient(part, picture, lambda patch: _detail(patch).sum())
        part.put(signed, gradient * part.take(change) / steps)
        yield done
    strength = signed[0].sum(0).abs()
    strength = strength / strength.max().clamp_min(1e-30)
    index = diffusion_index(strength)
    return Attribution(strength.cpu(), signed[0].cpu(), index, (x, y, side))


def effective_receptive_field(
    model: Any, image: Any, pixel: tuple[int, int] | None = None
) -> Tensor:
    """Effective receptive field: how strongly each input pixel moves one pixel of the output.

    Args:
        model, image: as ``local_attribution``.
        pixel: (x, y) in the output; None for its middle.
    Returns:
        (H, W) float32, the largest 1: absolute gradients of the pixel's channels' sum, summed over
        the input's channels; 0 wherever the network cannot reach.
    Raises:
        As ``local_attribution``.
    """
    network, probe = network_of(model, "output to trace back"), Probe.of(model, image)
    scale = probe.trunk.config.upscale
    height, width = (side * scale for side in probe.size)
    x, y = pixel if pixel is not None else (width // 2, height // 2)
    x, y, _ = _checked_box((x, y, 1), probe)
    part = _surroundings(network, probe, (x, y, 1))
    field = torch.zeros_like(probe.pixels)
    part.put(field, _gradient(part, probe.pixels, torch.sum).abs())
    total = field[0].sum(0)
    return (total / total.max().clamp_min(1e-30)).cpu()


def diffusion_index(values: Tensor) -> float:
    """Diffusion index: how evenly values are spread, 0 (one place has all) to 100 (all equal).

    Args:
        values: not negative, of any shape.
    Source: Gu and Dong, section 4.3: 100 * (1 - Gini coefficient), with the published offset.
    """
    ordered = np.sort(values.double().numpy().ravel()) + _GINI_OFFSET
    count = len(ordered)
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(100 * (1 - (weights * ordered).sum() / (count * ordered.sum())))


def attribution_cost(
    config: RestorationConfig, size: tuple[int, int], box: tuple[int, int, int]
) -> tuple[int, int]:
    """Cost of each step of ``local_attribution``, in pixels and memory.

    Args:
        config: of the network.
        size: (height, width) of the input.
        box: (x, y, side) of the patch, in pixels of the output.
    Returns:
        Pixels of input that the network runs over, forward and backward; and bytes of memory, at
        most. What the network keeps for the way back was counted at nine published networks:
        56 to 85 % of the numbers a pixel that are reckoned with here, before the quarter on top.
    """
    rows, columns = _spans(config, size, _with_neighbours(box))
    pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
    tokens = config.layer_window**2
    numbers = sum(
        depth * (config.embed_dim * (8 + 2 * config.mlp_ratio) + heads * tokens)
        for depth, heads in zip(config.depths, config.num_heads, strict=True)
    )
    return pixels, int(1.25 * 4 * numbers * pixels)


def _with_neighbours(box: tuple[int, int, int]) -> tuple[int, int, int]:
    """Extend a patch by a pixel: the detail of its last ones is the step to their neighbours."""
    return *box[:2], box[2] + 1


def _checked_box(box: tuple[int, int, int], probe: Probe) -> tuple[int, int, int]:
    try:
        x, y, side = (int(value) for value in box)
    except (TypeError, ValueError):
        raise ConfigError(f"box must be (x, y, side), three whole numbers, got {box!r}.") from None
    height, width = (length * probe.trunk.config.upscale for length in probe.size)
    if not (side >= 1 and 0 <= x <= width - side and 0 <= y <= height - side):
        raise ConfigError(f"The box {(x, y, side)} is not inside the output of {width}x{height}.")
    return x, y, side


@dataclass(frozen=True)
class _Part:
    """Part of the input that a patch of the output can depend on."""

    rows: slice
    columns: slice
    network: nn.Module  # from the part to its output
    lock: AbstractContextManager[Any]
    patch: tuple[slice, slice]  # rows and columns in the part's output

    def take(self, pixels: Tensor) -> Tensor:
        """Cut the part out of the input."""
        return pixels[:, :, self.rows, self.columns]

    def put(self, whole: Tensor, values: Tensor) -> None:
        """Add values to the part's place in the input."""
        whole[:, :, self.rows, self.columns] += values


def _surroundings(network: nn.Module, probe: Probe, box: tuple[int, int, int]) -> _Part:
    """Cut the input on the window grid, so far from the patch that the cut does not matter."""
    config, (x, y, side) = probe.trunk.config, box
    spans = _spans(config, probe.size, box)
    patch = [
        slice(start - span.start * config.upscale, start - span.start * config.upscale + side)
        for start, span in zip((y, x), spans, strict=True)
    ]
    return _Part(*spans, network, probe.lock, (patch[0], patch[1]))


def _spans(
    config: RestorationConfig, size: tuple[int, int], box: tuple[int, int, int]
) -> tuple[slice, slice]:
    """Rows and columns of the input, of (height, width), that a patch can depend on."""
    window, scale, margin = config.window_size, config.upscale, exact_margin(config)
    if config.use_absolute_embeddings:
        margin = max(size)  # positions are stretched over what is run: never cut
    x, y, side = box

    def span(start: int, length: int) -> slice:
        first = max(0, start // scale - margin) // window * window
        last = -(-(math.ceil((start + side) / scale) + margin) // window) * window
        return slice(first, min(last, length))

    return span(y, size[0]), span(x, size[1])


def _gradient(part: _Part, picture: Tensor, objective: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient of a number made of the patch with respect to the part's pixels."""
    network = part.network
    with part.lock, torch.enable_grad(), evaluating(network), _only_input(network):
        pixels = part.take(picture).detach().clone().requires_grad_()
        output = network(pixels).reconstruction
        (gradient,) = torch.autograd.grad(objective(output[:, :, *part.patch]), pixels)
    return gradient.nan_to_num()  # a flat patch has no slope where its magnitude is 0


@contextmanager
def _only_input(module: nn.Module) -> Iterator[None]:
    """Record gradients for the input alone while the context lasts."""
    wanting = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in wanting:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanting:
            parameter.requires_grad_()


def _detail(patch: Tensor) -> Tensor:
    """Gradient magnitudes of (1, C, h + 1, w + 1) pixels: (1, C, h, w)."""
    down = (patch[:, :, :-1] - patch[:, :, 1:])[:, :, :, :-1]
    right = (patch[:, :, :, :-1] - patch[:, :, :, 1:])[:, :, :-1]
    return (down.square() + right.square()).sqrt()


def _path(pixels: Tensor, steps: int, sigma: float, side: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (picture, derivative along the path) at each step from blurred to sharp."""
    deviations = np.linspace(sigma, 0, steps + 1)
    blurred = _blur(pixels, gaussian(side, deviations[0]))
    for deviation in deviations[1:]:
        sharper = _blur(pixels, gaussian(side, deviation))
        yield sharper, (sharper - blurred) * steps
        blurred = sharper


def gaussian(side: int, deviation: float) -> Tensor:
    """Gaussian kernel, (side, side) float32, that sums to 1; deviation 0 is the identity."""
    steps = np.arange(side) - side // 2
    line = np.exp(-(steps**2) / (2 * (deviation + _NEVER_ZERO) ** 2))
    kernel = np.outer(line, line)
    return torch.from_numpy((kernel / kernel.sum()).astype(np.float32))


def _blur(pixels: Tensor, kernel: Tensor) -> Tensor:
    """Filter each channel of (1, C, H, W); borders are mirrored, the last pixel not repeated."""
    reach = len(kernel) // 2
    for axis in (2, 3):
        length = pixels.shape[axis]
        period = max(2 * (length - 1), 1)
        at = torch.arange(-reach, length + reach) % period
        at = torch.minimum(at, period - at) if length > 1 else torch.zeros_like(at)
        pixels = pixels.index_select(axis, at.to(pixels.device))
    weights = kernel.to(pixels)[None, None].expand(pixels.shape[1], 1, -1, -1)
    return F.conv2d(pixels, weights, groups=pixels.shape[1])
