"""Training from a folder of images: ``swin2sr train --recipe NAME --data FOLDER --out FOLDER``.

Names load when first used, so that the command line stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swin2sr.training.data import Pairs as Pairs
    from swin2sr.training.data import read_images as read_images
    from swin2sr.training.data import split as split
    from swin2sr.training.loop import Result as Result
    from swin2sr.training.loop import export as export
    from swin2sr.training.loop import train as train
    from swin2sr.training.patches import Batch as Batch
    from swin2sr.training.patches import Patches as Patches
    from swin2sr.training.recipes import RECIPES as RECIPES
    from swin2sr.training.recipes import Recipe as Recipe
    from swin2sr.training.recipes import find_recipe as find_recipe
    from swin2sr.training.state import finetune_recipe as finetune_recipe
    from swin2sr.training.validation import validate as validate

_MODULES = {
    "RECIPES": "recipes",
    "Batch": "patches",
    "Pairs": "data",
    "Patches": "patches",
    "Recipe": "recipes",
    "Result": "loop",
    "export": "loop",
    "find_recipe": "recipes",
    "finetune_recipe": "state",
    "read_images": "data",
    "split": "data",
    "train": "loop",
    "validate": "validation",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'swin2sr.training' has no attribute {name!r}")
    value = getattr(import_module(f"swin2sr.training.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
