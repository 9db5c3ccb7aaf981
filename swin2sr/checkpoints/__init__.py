"""Weights: which are published, where they are, whether they are sound, and what they are named."""

from swin2sr.checkpoints.cache import is_here
from swin2sr.checkpoints.describe import describe, require, task_of
from swin2sr.checkpoints.detect import check, detect
from swin2sr.checkpoints.entry import TASKS, Entry
from swin2sr.checkpoints.key_mapping import to_hub, to_native, to_original
from swin2sr.checkpoints.load import Checkpoint, load, package
from swin2sr.checkpoints.read_weights import read_state_dict
from swin2sr.checkpoints.registry import find, list_models

__all__ = [
    "TASKS",
    "Checkpoint",
    "Entry",
    "check",
    "describe",
    "detect",
    "find",
    "is_here",
    "list_models",
    "load",
    "package",
    "read_state_dict",
    "require",
    "task_of",
    "to_hub",
    "to_native",
    "to_original",
]
