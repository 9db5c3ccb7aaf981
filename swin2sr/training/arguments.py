"""The words of ``swin2sr train``, shared by the two doors that lead to it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from swin2sr.errors import ConfigError
from swin2sr.training.recipes import ABOUT_FINETUNE, FINETUNE, RECIPES, WORDS_FINETUNE, Recipe

FACTS = ("title", "task", "trained_on", "licence")
FIXED = ("name", "config", "about", "steps", "init")  # have words of their own, or cannot be set
WORDS = {"yes": True, "true": True, "no": False, "false": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add everything that ``command.run`` reads."""
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


def listing() -> list[str]:
    """The recipes in words, two lines each."""
    lines = []
    for recipe in RECIPES:
        lines += [f"{recipe.name}: {recipe.about}", f"    {recipe.words()}"]
    return [*lines, f"{FINETUNE}: {ABOUT_FINETUNE}", f"    {WORDS_FINETUNE}"]


def changed(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """A recipe with some values as somebody wrote them, e.g. ``{"batch": "32", "compiled": "no"}``.

    Args:
        recipe: what to change.
        changes: fields of ``Recipe`` and their values in words: numbers, names, yes or no; several
            numbers with commas between.
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
