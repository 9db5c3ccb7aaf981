"""Hidden states: feature maps by depth, their norms, colours, similarity and spectra.

Source: linear CKA after Kornblith et al. (arXiv 1905.00414), section 3; the question of norms by
depth is Swin Transformer V2's (arXiv 2111.09883), section 3.2, figure 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from swin2sr.config import choice
from swin2sr.errors import ConfigError, JobError, ShapeError
from swin2sr.inference.engine import evaluating
from swin2sr.inspect.hooks import PostHook, PreHook, Probe, checked_indices, removing
from swin2sr.nn.blocks import Block, BlockHook

MOST_BYTES = 4 * 1024**3  # of feature maps kept at once
TOKENS = 4096  # sampled where every one would tell no more


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states: feature maps by depth.

    Attributes:
        maps: (depth, H, W, C) float32, over the picture (what lies on the padding is cut off).
        labels: what each is, in order.
    """

    maps: Tensor
    labels: tuple[str, ...]


def hidden_states(
    model: Any, image: Any, at: str = "groups", which: Sequence[int] | int | None = None
) -> HiddenStates:
    """Hidden states of a network: its feature maps by depth.

    Args:
        model: an ``Upscaler``, a Swin2SR or SwinIR network, or its trunk.
        image: anything ``Upscaler`` takes, of any size.
        at: "groups": after the first convolution, after the embedding, after each residual group,
            and at the end of the trunk; "layers": what goes into the first layer, then what comes
            out of each.
        which: indices of those to keep, negative from the end; None for all.
    Returns:
        ``HiddenStates`` on the CPU.
    Raises:
        ConfigError: another word for ``at``, or a map that is not there.
        JobError: "over_budget" when the maps would take more than 4 GiB.
        KindError: a model of another kind. ImageError: a picture that cannot be used.
    """
    probe = Probe.of(model, image)
    if choice("at", at, ("groups", "layers")) == "groups":
        count = len(probe.trunk.groups)
        labels = ["first convolution", "embedding"]
        labels += [f"group {i + 1}" for i in range(count)] + ["end of the trunk"]
    else:
        labels = ["embedding", *probe.labels]
    order = checked_indices("map", which, len(labels))
    height, width = probe.size
    needed = len(set(order)) * height * width * probe.trunk.config.embed_dim * 4
    if needed > MOST_BYTES:
        raise JobError(
            f"{len(set(order))} feature maps of {width}x{height} pixels take "
            f"{needed / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} GB are kept.",
            code="over_budget",
            remedy="Choose fewer with 'which', or crop the picture.",
        )
    maps: dict[int, Tensor] = {}

    def store(index: int, tokens: Tensor) -> None:
        if index in order:
            maps[index] = tokens[0, :height, :width].float().cpu().clone()

    if at == "layers":
        place = {block: index for index, block in enumerate(probe.blocks, 1)}
        output = PostHook(lambda block, tokens: store(place[block], tokens))
        hooks: dict[Block, list[BlockHook]] = {block: [output] for block in probe.blocks}
        hooks[probe.blocks[0]].append(PreHook(lambda _, tokens: store(0, tokens)))
        probe.run(hooks, last=probe.blocks[max(max(order), 1) - 1])
    else:
        _run_groups(probe, store)
    return HiddenStates(
        torch.stack([maps[index] for index in order]), tuple(labels[index] for index in order)
    )


def _run_groups(probe: Probe, store: Callable[[int, Tensor], None]) -> None:
    """Run the trunk and hand over its maps, (1, H', W', C), as ``hidden_states`` numbers them."""
    trunk = probe.trunk

    def first(module: nn.Module, given: Any, output: Tensor) -> None:
        store(0, output.permute(0, 2, 3, 1))

    def group_output(index: int, module: nn.Module, given: Any, output: Any) -> None:
        store(index, output[0])

    with probe.lock, torch.inference_mode(), evaluating(trunk):
        handles = [
            trunk.conv_first.register_forward_hook(first),
            trunk.groups[0].register_forward_pre_hook(lambda _, given: store(1, given[0])),
        ]
        for index, group in enumerate(trunk.groups, 2):
            handles.append(group.register_forward_hook(partial(group_output, index)))
        with removing(handles):
            end = trunk.features(trunk.prepare(probe.pixels)).last_hidden_state
            store(2 + len(trunk.groups), end.permute(0, 2, 3, 1))


def pca_pictures(*states: HiddenStates) -> list[Tensor]:
    """Principal components (PCA) of feature maps as colours that mean the same everywhere.

    One basis is found for all maps of one width together, each map centred and scaled to the same
    spread before, so that neither depth nor network decides; the three strongest directions are
    red, green and blue.

    Args:
        states: of one or several networks or pictures, all of one number of channels (at least 3).
    Returns:
        For each of them (depth, H, W, 3) float32 in 0..1.
    Raises:
        ShapeError: different numbers of channels, or fewer than 3.
    """
    widths = {state.maps.shape[-1] for state in states}
    if len(widths) != 1 or min(widths) < 3:
        raise ShapeError(
            f"Colours need maps of one number of channels, at least 3; got {sorted(widths)}."
        )
    scaled = [_standardised(state.maps) for state in states]
    samples = [_sample(one.flatten(1, 2)) for one in scaled]
    tokens = torch.cat([sample.flatten(0, 1) for sample in samples])
    _, _, directions = torch.linalg.svd(tokens.double().mT @ tokens.double())
    basis = directions[:3].mT.float()
    basis = basis * torch.sign(basis.gather(0, basis.abs().argmax(0, keepdim=True)))
    colours = tokens @ basis
    low, high = (torch.quantile(colours, share, dim=0) for share in (0.01, 0.99))
    spread = (high - low).clamp_min(1e-12)
    return [((one @ basis - low) / spread).clamp(0, 1) for one in scaled]


def _standardised(maps: Tensor) -> Tensor:
    """Centre each depth's channels of (depth, H, W, C) and scale its overall spread to 1."""
    centred = maps - maps.mean((1, 2), keepdim=True)
    spread = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / spread.clamp_min(1e-12)


def _sample(tokens: Tensor) -> Tensor:
    """Sample at most ``TOKENS`` of (depth, n, C) tokens, evenly, the same for every depth."""
    count = tokens.shape[1]
    if count <= TOKENS:
        return tokens
    places = torch.linspace(0, count - 1, TOKENS, dtype=torch.float64).round().long()
    return tokens[:, places]


def channel_norms(states: HiddenStates) -> Tensor:
    """Norms of the channels, their root mean squares: (depth, C) float32."""
    return states.maps.square().mean((1, 2)).sqrt()


def token_norms(states: HiddenStates) -> Tensor:
    """Norms of the tokens, root mean squares over their channels: (depth, H, W) float32."""
    return states.maps.square().mean(3).sqrt()


def similarity(first: HiddenStates, second: HiddenStates) -> Tensor:
    """Similarity (linear CKA) between all pairs of depths.

    Args:
        first, second: of the same picture, of one or two networks.
    Returns:
        (depth of first, depth of second) float64 in 0..1; 1 for maps that are a turned, scaled
        copy of each other.
    Raises:
        ShapeError: maps of different sizes.
    """
    if first.maps.shape[1:3] != second.maps.shape[1:3]:
        raise ShapeError(
            "Similarity needs maps of one picture, got sizes "
            f"{tuple(first.maps.shape[1:3])} and {tuple(second.maps.shape[1:3])}."
        )
    parts = [_sample(one.maps.flatten(1, 2)).double() for one in (first, second)]
    parts = [part - part.mean(1, keepdim=True) for part in parts]
    norms = [torch.linalg.matrix_norm(part.mT @ part) for part in parts]
    rows = [
        torch.linalg.matrix_norm(one.mT @ parts[1]).square() / (norm * norms[1]).clamp_min(1e-30)
        for one, norm in zip(parts[0], norms[0], strict=True)
    ]
    return torch.stack(rows)


@dataclass(frozen=True)
class Spectrum:
    """Power spectrum of what each step adds.

    Attributes:
        frequency: (bins,) cycles per pixel, 0 to 0.5.
        power: (steps, bins) mean squared magnitude of a frequency in the ring, over channels.
        labels: of the steps, "from -> to".
    """

    frequency: Tensor
    power: Tensor
    labels: tuple[str, ...]


def added_spectrum(states: HiddenStates, bins: int = 32) -> Spectrum:
    """Power spectrum of what each step adds: of the difference between neighbouring maps.

    A Hann window is laid over the differences first, so that the border's jump does not count as
    high frequencies.

    Args:
        states: at least two maps.
        bins: rings of equal width between 0 and 0.5 cycles per pixel.
    Raises:
        ShapeError: fewer than two maps. ConfigError: fewer than one ring.
    """
    depth, height, width, _ = states.maps.shape
    if depth < 2:
        raise ShapeError("What is added needs at least two maps.")
    if bins < 1:
        raise ConfigError(f"bins must be at least 1, got {bins}.")
    taper = (torch.hann_window(height + 2)[1:-1, None] * torch.hann_window(width + 2)[None, 1:-1])[
        ..., None
    ]
    taper = taper / taper.square().mean().sqrt()
    rows, columns = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    radius = (rows[:, None].square() + columns[None, :].square()).sqrt()
    ring = (radius * 2 * bins).long()
    inside = ring < bins
    counts = torch.bincount(ring[inside], minlength=bins).clamp_min(1)
    found = []
    for before, after in zip(states.maps[:-1], states.maps[1:], strict=True):
        spectrum = torch.fft.fft2((after - before) * taper, dim=(0, 1))
        power = spectrum.abs().square().mean(-1) / (height * width)
        sums = torch.bincount(ring[inside], weights=power[inside].double(), minlength=bins)
        found.append(sums / counts)
    labels = zip(states.labels[:-1], states.labels[1:], strict=True)
    middle = (torch.arange(bins, dtype=torch.float64) + 0.5) / (2 * bins)
    return Spectrum(middle, torch.stack(found), tuple(f"{a} -> {b}" for a, b in labels))


def stream_growth(model: Any, image: Any) -> Tensor:
    """Residual stream by depth, its size after each layer: (layers + 1,) root mean squares.

    In a pre-norm network (SwinIR) every layer adds to the stream unbounded, and it grows with
    depth; with post-norm (Swin2SR) each layer adds vectors of a learned, fixed length (Swin V2,
    section 3.2).

    Args:
        model, image: as ``hidden_states``; nothing is kept but one number a layer.
    """
    probe = Probe.of(model, image)
    height, width = probe.size
    sizes: list[Tensor] = []

    def measure(_: Block, tokens: Tensor) -> None:
        sizes.append(tokens[0, :height, :width].float().square().mean().sqrt().cpu())

    hooks: dict[Block, list[BlockHook]] = {block: [PostHook(measure)] for block in probe.blocks}
    hooks[probe.blocks[0]].insert(0, PreHook(measure))
    probe.run(hooks)
    return torch.stack(sizes)
