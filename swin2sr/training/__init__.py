"""Training from a folder of images: ``python -m swin2sr.training --recipe NAME ...``."""

from swin2sr.training.data import Pairs, read_images, sample, split
from swin2sr.training.loop import Result, export, train, validate
from swin2sr.training.recipes import RECIPES, Recipe, find_recipe

__all__ = [
    "RECIPES",
    "Pairs",
    "Recipe",
    "Result",
    "export",
    "find_recipe",
    "read_images",
    "sample",
    "split",
    "train",
    "validate",
]
