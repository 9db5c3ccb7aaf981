"""Weights of the hierarchical backbones: names, shapes, what they are, where they lie."""

from swin2sr.checkpoints.backbones.load import BackboneCheckpoint, load_backbone
from swin2sr.checkpoints.backbones.names import to_hub, to_native
from swin2sr.checkpoints.backbones.shapes import head_shapes, trunk_shapes

__all__ = [
    "BackboneCheckpoint",
    "head_shapes",
    "load_backbone",
    "to_hub",
    "to_native",
    "trunk_shapes",
]
