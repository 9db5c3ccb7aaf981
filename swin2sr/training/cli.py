"""Command line of training: ``swin2sr train`` and ``python -m swin2sr.training``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from swin2sr.errors import ConfigError
from swin2sr.training.recipes import (
    ABOUT_FINETUNE,
    FINETUNE,
    RECIPES,
    SUMMARY_FINETUNE,
    Recipe,
    find_recipe,
)

Say = Callable[[str], None]
FACTS = ("title", "task", "trained_on", "licence")
FIXED = ("name", "config", "about", "steps", "init")  # have words of their own, or cannot be set
WORDS = {"yes": True, "true": True, "no": False, "false": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that ``run`` reads."""
    add = parser.add_argument
    add("--list", action="store_true", help="say what the recipes are, and do nothing else")
    add("--recipe", metavar="NAME", help=f"one of --list; {FINETUNE} with --from")
    add("--data", type=Path, metavar="FOLDER", help="images to learn from, with its sub-folders")
    add("--out", type=Path, metavar="FOLDER", help="of checkpoint, log and curves")
    add(
        "--from",
        dest="source",
        metavar="WEIGHTS",
        help="begin with these: a name of 'swin2sr models', a Hub id, a folder or a file",
    )
    add("--name", help="what the weights of finetune will be called [the old name-finetuned]")
    add("--steps", type=int, metavar="N", help="how long [the recipe's]")
    add(
        "--set",
        action="append",
        default=[],
        type=_change,
        metavar="WHAT=VALUE",
        help="another value for anything of the recipe, e.g. batch=32, lr=1e-4, compiled=no, "
        "quality=30,90; again for more",
    )
    add("--device", default="auto", help="cpu, cuda, mps or [%(default)s]")
    add("--threads", type=int, metavar="N", help="to compute with [all cores]")
    add("--cache", type=Path, metavar="FOLDER", help="for images made small [cache in --out]")
    add("--minutes", type=float, metavar="N", help="stop after so long; the same command goes on")
    add("--restart", action="store_true", help="begin anew, whatever --out holds")
    add("--export", type=Path, metavar="FOLDER", help="write the weights for use there at the end")
    for fact in FACTS:
        add(f"--{fact.replace('_', '-')}", metavar="TEXT", help=f"{fact} of the exported weights")


def _change(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"must be WHAT=VALUE, got {word!r}")
    return name, value


def run(options: argparse.Namespace, say: Say, tell: Say, progress: Say) -> int:
    """Train as the arguments say.

    Args:
        options: from ``add_arguments``.
        say: receives results. tell: what happens meanwhile. progress: a line every step.
    Returns:
        0; everything else is raised, see ``train`` and ``export``.
    """
    if options.list:
        for line in recipe_lines():
            say(line)
        return 0
    missing = [f"--{name}" for name in ("recipe", "data", "out") if not vars(options)[name]]
    if missing:
        raise ConfigError(f"Training needs {' and '.join(missing)}.", remedy="See --help.")
    recipe = chosen_recipe(options)
    # torch takes seconds; wrong usage is told before.
    import torch

    from swin2sr.inference.hardware import available_cores, prepare_process
    from swin2sr.training.distributed import Rank
    from swin2sr.training.loop import export, train

    prepare_process()
    rank = Rank.from_environment()
    share = available_cores() // rank.local_world_size  # of the machine's cores
    torch.set_num_threads(max(1, share if options.threads is None else options.threads))
    result = train(
        recipe,
        options.data,
        options.out,
        device=options.device,
        cache=options.cache,
        resume=not options.restart,
        minutes=options.minutes,
        say=tell,
        progress=progress,
    )
    if not rank.is_first:
        return 0
    say(str(result.checkpoint))
    if options.export is not None and result.step < recipe.steps:
        tell("nothing was exported: the run has not come to its end")
    elif options.export is not None:
        facts = {fact: vars(options)[fact] for fact in FACTS if vars(options)[fact] is not None}
        say(str(export(recipe, result.checkpoint, options.export, **facts)))
    return 0


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """Find the recipe that the arguments name, and override its values as they say.

    Raises:
        ConfigError: there is none, or a change does not suit it. WeightsError: no such weights.
    """
    if options.recipe == FINETUNE and options.source:
        from swin2sr.training.state import finetune_recipe

        recipe = finetune_recipe(options.source, options.name)
    else:
        recipe = find_recipe(options.recipe)
        if options.name is not None:
            raise ConfigError(f"--name is for {FINETUNE}; this recipe is {recipe.name!r}.")
        if options.source:
            recipe = replace(recipe, init=options.source)
    recipe = override(recipe, dict(options.set))
    return recipe if options.steps is None else replace(recipe, steps=options.steps)


def recipe_lines() -> list[str]:
    """Lines on all recipes, two each."""
    lines = []
    for recipe in RECIPES:
        lines += [f"{recipe.name}: {recipe.about}", f"    {recipe.summary()}"]
    return [*lines, f"{FINETUNE}: {ABOUT_FINETUNE}", f"    {SUMMARY_FINETUNE}"]


def override(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """Override values of a recipe, given as words: ``{"batch": "32", "betas": "0.9,0.99"}``.

    Raises:
        ConfigError: a field that cannot be set, or a value that cannot be used.
    """
    known = [field.name for field in fields(Recipe) if field.name not in FIXED]
    values: dict[str, Any] = {}
    for name, word in changes.items():
        if name not in known:
            raise ConfigError(f"A recipe has no {name!r} to set; it has {', '.join(known)}.")
        present = getattr(recipe, name)
        try:
            values[name] = _parsed(word.strip(), present, float if name == "betas" else int)
        except (ValueError, KeyError):
            raise ConfigError(f"{name} cannot be {word!r}; the recipe has {present!r}.") from None
    return replace(recipe, **values)


def _parsed(word: str, like: Any, number: type) -> Any:
    if isinstance(like, bool):
        return WORDS[word.lower()]
    if isinstance(like, tuple):
        return tuple(number(part) for part in word.split(",") if part.strip())
    return type(like)(word)
