"""What ``swin2sr train`` does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch

from swin2sr.errors import ConfigError
from swin2sr.inference.hardware import available_cores, prepare_process
from swin2sr.training.arguments import FACTS, changed, listing
from swin2sr.training.distributed import is_first, local_processes
from swin2sr.training.loop import export, train
from swin2sr.training.recipes import FINETUNE, Recipe, find_recipe
from swin2sr.training.start import finetune_recipe

Say = Callable[[str], None]


def run(options: argparse.Namespace, say: Say, tell: Say, progress: Say) -> int:
    """Train as the words say.

    Args:
        options: from ``arguments.add_arguments``.
        say: receives results. tell: what happens meanwhile. progress: a line every step.
    Returns:
        0; everything else is raised, see ``train`` and ``export``.
    """
    if options.list:
        for line in listing():
            say(line)
        return 0
    missing = [f"--{name}" for name in ("recipe", "data", "out") if not vars(options)[name]]
    if missing:
        raise ConfigError(f"Training needs {' and '.join(missing)}.", remedy="See --help.")
    recipe = recipe_of(options)
    prepare_process()
    threads = available_cores() // local_processes() if options.threads is None else options.threads
    torch.set_num_threads(max(1, threads))
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
    if not is_first():
        return 0
    say(str(result.checkpoint))
    if options.export is not None and result.step < recipe.steps:
        tell("nothing was exported: the run has not come to its end")
    elif options.export is not None:
        facts = {fact: vars(options)[fact] for fact in FACTS if vars(options)[fact] is not None}
        say(str(export(recipe, result.checkpoint, options.export, **facts)))
    return 0


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that the words mean, their changes included.

    Raises:
        ConfigError: there is none, or a change does not suit it. WeightsError: no such weights.
    """
    if options.recipe == FINETUNE and options.source:
        recipe = finetune_recipe(options.source, options.name)
    else:
        recipe = find_recipe(options.recipe)
        if options.name is not None:
            raise ConfigError(f"--name is for {FINETUNE}; this recipe is {recipe.name!r}.")
        if options.source:
            recipe = replace(recipe, init=options.source)
    recipe = changed(recipe, dict(options.set))
    return recipe if options.steps is None else replace(recipe, steps=options.steps)
