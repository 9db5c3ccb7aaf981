"""Seconds and peak memory of this package's Swin2SR beside transformers', in one run.

    python -m eval.benchmarks.speed --models lightweight classical --sizes 64 128 256 512

Both networks get the same weights and the same input and run by turns, so that a busy machine
slows both. The reference is transformers in float32; the best of the repeats counts. Memory is
the growth of the resident set of a fresh process during one call. Weights are random, which
changes neither; ``--weights`` takes real ones, and then the table's PSNR says what bfloat16 costs.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swin2sr.checkpoints import load, to_hub, to_native
from swin2sr.config import Swin2SRConfig
from swin2sr.hardware import available_cores
from swin2sr.models import Swin2SRForImageSuperResolution

CONFIGS = {
    "lightweight": Swin2SRConfig(
        embed_dim=60, depths=(6,) * 4, num_heads=(6,) * 4, upsampler="pixelshuffledirect"
    ),
    "classical": Swin2SRConfig(),
}
WAYS = ("transformers float32", "transformers bfloat16", "swin2sr float32", "swin2sr bfloat16")
REFERENCE = WAYS[0]


def build(way: str, config: Swin2SRConfig, weights: str | None) -> torch.nn.Module:
    """The network of one column, with the same weights in every column."""
    library, dtype = way.split()
    if weights:
        found = load(weights)
        config, state = found.config, dict(found.state)
    else:
        torch.manual_seed(0)
        state = Swin2SRForImageSuperResolution(config).state_dict()
    if library == "swin2sr":
        model: Any = Swin2SRForImageSuperResolution(config)
        model.load_state_dict(to_native(state))
    else:
        import transformers

        model = transformers.Swin2SRForImageSuperResolution(
            transformers.Swin2SRConfig(**{**config.to_dict(), "drop_path_rate": 0.0})
        )
        model.load_state_dict(to_hub(state))
    return model.to(getattr(torch, dtype)).eval()


def picture(size: int) -> Tensor:
    """A (1, 3, size, size) photograph in 0..1: a crop of scikit-image's astronaut."""
    from skimage.data import astronaut

    pixels = torch.from_numpy(astronaut()).permute(2, 0, 1)[None].float() / 255
    return pixels[:, :, :size, :size].contiguous()


@torch.inference_mode()
def run(model: torch.nn.Module, pixels: Tensor) -> Tensor:
    """One call in the precision of the network."""
    dtype = next(model.parameters()).dtype
    own = isinstance(model, Swin2SRForImageSuperResolution)
    return model(pixels if own else pixels.to(dtype)).reconstruction.float()


def best_of(calls: dict[str, Callable[[], Tensor]], repeats: int) -> dict[str, float]:
    """Seconds of each call, the best of some, taken by turns."""
    seconds = dict.fromkeys(calls, math.inf)
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def peak_memory(way: str, name: str, size: int, weights: str | None) -> float:
    """MB that one call adds to the resident set of a fresh process."""
    code = f"from eval.benchmarks.speed import grow; grow({way!r}, {name!r}, {size}, {weights!r})"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def grow(way: str, name: str, size: int, weights: str | None) -> None:
    """Print the growth in MB (Linux: the kernel's high-water mark is reset before the call)."""
    torch.set_num_threads(available_cores())
    model = build(way, CONFIGS[name], weights)
    pixels = picture(size)
    run(model, pixels[:, :, :16, :16])
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run(model, pixels)
    print(json.dumps((_status("VmHWM") - before) / 1e3))


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def psnr(result: Tensor, reference: Tensor) -> float:
    """Of two outputs, in dB with peak 1, both clipped to 0..1."""
    error = (result.clamp(0, 1) - reference.clamp(0, 1)).double().square().mean().item()
    return math.inf if error == 0 else -10 * math.log10(error)


def measure(name: str, size: int, options: argparse.Namespace) -> None:
    """Print one block of the table."""
    pixels = picture(size)
    models = {way: build(way, CONFIGS[name], options.weights) for way in options.ways}
    calls = {way: (lambda model=model: run(model, pixels)) for way, model in models.items()}
    outputs = {way: call() for way, call in calls.items()}
    seconds = best_of(calls, options.repeats if size < 512 else max(1, options.repeats // 2))
    for way in options.ways:
        spent = seconds[way]
        difference = (outputs[way] - outputs[REFERENCE]).abs().max().item()
        memory = peak_memory(way, name, size, options.weights) if options.memory else math.nan
        print(
            f"| {name} x2 | {size} | {way} | {spent:.3f} | {spent / size**2 * 1e6:.2f} "
            f"| {seconds[REFERENCE] / spent:.2f} | {memory:.0f} | {difference:.1e} "
            f"| {psnr(outputs[way], outputs[REFERENCE]):.1f} |",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 128, 256, 512])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeats", type=int, default=4, help="half of it from 512 pixels up")
    parser.add_argument("--memory", action="store_true", help="also peak memory (slower)")
    parser.add_argument("--weights", help="name or path of real weights, for one --models")
    options = parser.parse_args(arguments)
    if REFERENCE not in options.ways:
        options.ways = [REFERENCE, *options.ways]
    torch.set_num_threads(available_cores())
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("| model | side | way | s | us/px | x faster | MB | max diff | PSNR dB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.models:
        for size in options.sizes:
            measure(name, size, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
