"""Which pixels of the input a patch of the output comes from.

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
from swin2sr.errors import ConfigError, KindError
from swin2sr.inference.tiling import exact_margin
from swin2sr.inspect.hooks import Subject, evaluating, subject

STEPS, SIGMA, KERNEL = 50, 1.2, 9  # of the blur path, as published
_NEVER_ZERO = 1e-5  # added to the deviation, as published
_GINI_OFFSET = 1e-7  # added to every value, as published


@dataclass(frozen=True)
class Attribution:
    """Where a patch of the output comes from.

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
        KindError, ImageError: as ``subject``; KindError for a network without head.
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
    """``local_attribution`` for callers that do something else between its steps.

    Args:
        model, image, box, steps, sigma, kernel: as ``local_attribution``; looked at when the first
            step is asked for.
    Yields:
        Steps done, 1 to ``steps``.
    Returns:
        ``Attribution``: ``found = yield from attribution_steps(...)``.
    Raises:
        As ``local_attribution``.
    """
    seen = _with_head(model, image)
    x, y, side = _checked_box(box, seen)
    if steps < 1 or kernel < 1 or kernel % 2 == 0 or not sigma > 0:
        raise ConfigError("steps and kernel must be at least 1, kernel odd and sigma positive.")
    signed = torch.zeros_like(seen.pixels)
    part = _surroundings(seen, _with_neighbours((x, y, side)))
    for done, (picture, change) in enumerate(_path(seen.pixels, steps, sigma, kernel), 1):
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
    """How strongly each pixel of the input moves one pixel of the output, to first order.

    Args:
        model, image: as ``local_attribution``.
        pixel: (x, y) in the output; None for its middle.
    Returns:
        (H, W) float32, the largest 1: absolute gradients of the pixel's channels' sum, summed over
        the input's channels; 0 wherever the network cannot reach.
    Raises:
        As ``local_attribution``.
    """
    seen = _with_head(model, image)
    scale = seen.trunk.config.upscale
    height, width = (side * scale for side in seen.size)
    x, y = pixel if pixel is not None else (width // 2, height // 2)
    x, y, _ = _checked_box((x, y, 1), seen)
    part = _surroundings(seen, (x, y, 1))
    field = torch.zeros_like(seen.pixels)
    part.put(field, _gradient(part, seen.pixels, torch.sum).abs())
    total = field[0].sum(0)
    return (total / total.max().clamp_min(1e-30)).cpu()


def diffusion_index(values: Tensor) -> float:
    """How evenly values are spread over their places, 0 (one has all) to 100 (all are equal).

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
    """What each step of ``local_attribution`` takes.

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
    """The detail of a patch's last pixels is the step to their neighbours."""
    x, y, side = box
    return x, y, side + 1


def _with_head(model: Any, image: Any) -> Subject:
    seen = subject(model, image)
    if seen.network is None:
        raise KindError(
            "A trunk has no output to trace back.",
            remedy="Give the network with its head, or an Upscaler.",
        )
    return seen


def _checked_box(box: tuple[int, int, int], seen: Subject) -> tuple[int, int, int]:
    try:
        x, y, side = (int(value) for value in box)
    except (TypeError, ValueError):
        raise ConfigError(f"box must be (x, y, side), three whole numbers, got {box!r}.") from None
    height, width = (length * seen.trunk.config.upscale for length in seen.size)
    if not (side >= 1 and 0 <= x <= width - side and 0 <= y <= height - side):
        raise ConfigError(f"The box {(x, y, side)} is not inside the output of {width}x{height}.")
    return x, y, side


@dataclass(frozen=True)
class _Part:
    """The input that a patch of the output can depend on.

    Attributes:
        rows, columns: of the input.
        network: from it to the output. lock: held while it runs.
        patch: rows and columns of the patch, in the part's output.
    """

    rows: slice
    columns: slice
    network: nn.Module
    lock: AbstractContextManager[Any]
    patch: tuple[slice, slice]

    def take(self, pixels: Tensor) -> Tensor:
        """Its pixels."""
        return pixels[:, :, self.rows, self.columns]

    def put(self, whole: Tensor, values: Tensor) -> None:
        """Add values to its place."""
        whole[:, :, self.rows, self.columns] += values


def _surroundings(seen: Subject, box: tuple[int, int, int]) -> _Part:
    """Cut on the window grid, so far from the patch that the cut does not matter."""
    assert seen.network is not None
    config, (x, y, side) = seen.trunk.config, box
    spans = _spans(config, seen.size, box)
    patch = [
        slice(start - span.start * config.upscale, start - span.start * config.upscale + side)
        for start, span in zip((y, x), spans, strict=True)
    ]
    return _Part(*spans, seen.network, seen.lock, (patch[0], patch[1]))


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
    """While it lasts, gradients are recorded for the input alone."""
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
    """(picture, derivative along the path) at each step from blurred to sharp."""
    deviations = np.linspace(sigma, 0, steps + 1)
    blurred = _blur(pixels, gaussian(side, deviations[0]))
    for deviation in deviations[1:]:
        sharper = _blur(pixels, gaussian(side, deviation))
        yield sharper, (sharper - blurred) * steps
        blurred = sharper


def gaussian(side: int, deviation: float) -> Tensor:
    """(side, side) float32 Gaussian that sums to 1; deviation 0 is the identity."""
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
