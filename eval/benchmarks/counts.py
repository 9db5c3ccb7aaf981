"""Parameters and floating-point operations of every network, counted, not estimated.

    python -m eval.benchmarks.counts --models all

Operations are counted by ``torch.utils.flop_counter`` while a network runs, as multiply-adds (half
of its floating-point operations). They grow exactly in proportion to the padded pixels, so small
pictures tell all sizes. Papers give them for an output of 1280x720; their counters do not see the
products of queries, keys and values, hence both columns.

Source: SwinIR (arXiv 2108.10257), table 3; Swin2SR (arXiv 2209.11345), table 4.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from eval.benchmarks import networks
from eval.benchmarks.networks import OURS
from eval.benchmarks.output import environment, save
from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.config import RestorationConfig
from swin2sr.console import Console, run_command
from swin2sr.inference.tiling import round_up

OUTPUT = (1280, 720)  # width and height of the output that papers count for
COLUMNS = (
    "| model | parameters | kilo-multiply-adds per input pixel | giga-multiply-adds at 1280x720 "
    "| without attention products |"
)


@dataclass(frozen=True)
class Count:
    """Count of a network's parameters and operations.

    Args:
        parameters: numbers it learned.
        per_pixel: multiply-adds for one pixel of (padded) input.
        attention_per_pixel: of these, products of queries, keys and values.
        at_720p: multiply-adds for an output of 1280x720, input padded to whole windows.
        at_720p_without_attention: the same less those products.
    """

    parameters: int
    per_pixel: float
    attention_per_pixel: float
    at_720p: float
    at_720p_without_attention: float


def count(config: RestorationConfig) -> Count:
    """Count the operations of a network by running it on two small pictures.

    Their difference is what pixels cost; what follows from the weights alone (position biases) is
    computed once a pass, whatever its size, and drops out.
    """
    # Without gradients on, the counter stumbles over parameters that want them.
    model = networks.build(OURS, config, "float32", None, "cpu").requires_grad_(False)
    sides = [times * config.window_size for times in (2, 3)]
    small, large = (_multiply_adds(model, config.num_channels, side) for side in sides)
    pixels = sides[1] ** 2 - sides[0] ** 2
    total, products = ((b - a) / pixels for a, b in zip(small, large, strict=True))
    padded = 1
    for length in OUTPUT:
        padded *= round_up(-(-length // config.upscale), config.window_size)
    return Count(
        parameters=count_parameters(config),
        per_pixel=total,
        attention_per_pixel=products,
        at_720p=total * padded,
        at_720p_without_attention=(total - products) * padded,
    )


def _multiply_adds(model: nn.Module, channels: int, side: int) -> tuple[float, float]:
    """Multiply-adds of a pass over a square picture: all, and products of attention."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    # torch counts the attention kernels of GPUs only; the CPU's would count as nothing.
    counter = FlopCounterMode(display=False, custom_mapping={attention: _attention_flops})
    with torch.inference_mode(), counter:
        model(torch.zeros(1, channels, side, side))
    found: dict[Any, int] = counter.get_flop_counts()["Global"]
    return sum(found.values()) / 2, found.get(attention, 0) / 2


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *rest: Any, **options: Any
) -> int:
    flops: int = sdpa_flop_count(query, key, value)
    return flops


def _main(options: argparse.Namespace, console: Console) -> int:
    page = [environment(), "", COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|"]
    for text in page:
        console.say(text)
    lines = []
    for name, config in networks.named(options.models).items():
        found = count(config)
        lines.append({"model": name, **asdict(found)})
        page.append(
            f"| {name} | {found.parameters:,} | {found.per_pixel / 1e3:,.1f} "
            f"| {found.at_720p / 1e9:,.1f} | {found.at_720p_without_attention / 1e9:,.1f} |"
        )
        console.say(page[-1])
    save(options.out, "counts", "\n".join(page) + "\n", lines)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.benchmarks.counts", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--models", nargs="+", default=[networks.ALL], help="[%(default)s]")
    parser.add_argument("--out", type=Path, help="folder for counts.json and counts.md")
    options = parser.parse_args(arguments)
    return run_command(lambda console: _main(options, console))


if __name__ == "__main__":
    sys.exit(main())
