"""``python -m swin2sr.training --recipe NAME --data FOLDER --out FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from swin2sr.errors import Swin2SRError
from swin2sr.hardware import prepare_process
from swin2sr.training.loop import export, train
from swin2sr.training.recipes import RECIPES, find_recipe

FACTS = ("title", "task", "trained_on", "licence")


def main(arguments: list[str] | None = None) -> int:
    """Train, or go on with training; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m swin2sr.training",
        description="Train a network from a folder of images. Run it again to go on after a stop.",
    )
    names = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("--recipe", required=True, help=f"one of: {names}")
    parser.add_argument("--data", required=True, type=Path, help="folder of images")
    parser.add_argument("--out", required=True, type=Path, help="folder of checkpoint and log")
    parser.add_argument("--threads", type=int, help="threads to compute with (default: all cores)")
    parser.add_argument("--restart", action="store_true", help="ignore the checkpoint in --out")
    parser.add_argument("--export", type=Path, help="folder to write the averaged weights to")
    for fact in FACTS:
        parser.add_argument(f"--{fact.replace('_', '-')}", help=f"{fact} of the exported weights")
    given = parser.parse_args(arguments)
    prepare_process()
    if given.threads is not None:
        torch.set_num_threads(max(1, given.threads))
    facts = {fact: vars(given)[fact] for fact in FACTS if vars(given)[fact] is not None}
    try:
        recipe = find_recipe(given.recipe)
        result = train(recipe, given.data, given.out, resume=not given.restart, say=_say)
        if given.export is not None:
            _say(f"wrote {export(recipe, result.checkpoint, given.export, **facts)}")
    except Swin2SRError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    _say(f"done: step {result.step}, {result.seconds / 3600:.2f} h, {result.checkpoint}")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
