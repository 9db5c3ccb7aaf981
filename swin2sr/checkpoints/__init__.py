"""Checkpoints: published ones, downloads and cache, reading, key mapping, detection, loading."""

from swin2sr.checkpoints.cache import is_here
from swin2sr.checkpoints.detect import detect
from swin2sr.checkpoints.entry import TASKS, Entry, describe, task_of
from swin2sr.checkpoints.key_mapping import to_hub, to_native, to_original
from swin2sr.checkpoints.load import Checkpoint, check, load
from swin2sr.checkpoints.packaging import package
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
    "task_of",
    "to_hub",
    "to_native",
    "to_original",
]
