"""Weights: which are published, where they are, whether they are sound, and what they are named."""

from swin2sr.checkpoints.architecture import check, detect
from swin2sr.checkpoints.convert import to_hub, to_native, to_original
from swin2sr.checkpoints.read import read_state_dict
from swin2sr.checkpoints.registry import Entry, find, list_models
from swin2sr.checkpoints.resolve import Checkpoint, load, package

__all__ = [
    "Checkpoint",
    "Entry",
    "check",
    "detect",
    "find",
    "list_models",
    "load",
    "package",
    "read_state_dict",
    "to_hub",
    "to_native",
    "to_original",
]
