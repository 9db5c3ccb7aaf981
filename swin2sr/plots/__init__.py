"""Every figure that the page, the lessons, the training and the README share."""

from swin2sr.plots.attention import attention_habits, attention_maps, flow_map, window_grid
from swin2sr.plots.attribution import attribution_maps, position_biases, receptive_fields
from swin2sr.plots.canvas import COLOURS, png
from swin2sr.plots.features import (
    feature_pictures,
    growth_by_depth,
    norms_by_depth,
    similarity_matrix,
    spectra,
)
from swin2sr.plots.training import training_curves

__all__ = [
    "COLOURS",
    "attention_habits",
    "attention_maps",
    "attribution_maps",
    "feature_pictures",
    "flow_map",
    "growth_by_depth",
    "norms_by_depth",
    "png",
    "position_biases",
    "receptive_fields",
    "similarity_matrix",
    "spectra",
    "training_curves",
    "window_grid",
]
