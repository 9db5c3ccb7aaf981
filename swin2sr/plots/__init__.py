"""Figures that the page, the lessons, the training and the README share."""

from swin2sr.plots.attention import (
    attention_habits,
    attention_mosaic,
    attention_panels,
    flow_map,
    window_grid,
    window_mosaics,
)
from swin2sr.plots.attribution import attribution_maps, position_biases, receptive_fields
from swin2sr.plots.curves import curves, heads_by_layer, training_curves
from swin2sr.plots.features import (
    depth_panels,
    feature_pictures,
    growth_by_depth,
    norm_pictures,
    norm_range,
    norms_by_depth,
    similarity_matrix,
    spectra,
)
from swin2sr.plots.overlays import framed, view
from swin2sr.plots.pictures import close_ups, error_colours, error_map, picture_row, zooms
from swin2sr.plots.style import COLOURS, darkened, heat, png

__all__ = [
    "COLOURS",
    "attention_habits",
    "attention_mosaic",
    "attention_panels",
    "attribution_maps",
    "close_ups",
    "curves",
    "darkened",
    "depth_panels",
    "error_colours",
    "error_map",
    "feature_pictures",
    "flow_map",
    "framed",
    "growth_by_depth",
    "heads_by_layer",
    "heat",
    "norm_pictures",
    "norm_range",
    "norms_by_depth",
    "picture_row",
    "png",
    "position_biases",
    "receptive_fields",
    "similarity_matrix",
    "spectra",
    "training_curves",
    "view",
    "window_grid",
    "window_mosaics",
    "zooms",
]
