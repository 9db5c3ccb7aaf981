"""Inspection of networks: attention, hidden states, attribution, ablation, position biases."""

from swin2sr.inspect.ablation import ablate_groups
from swin2sr.inspect.attention import (
    AttentionStatistics,
    attention_statistics,
    attention_to,
    pixel_statistics,
    rollout,
    window_attention,
)
from swin2sr.inspect.attribution import (
    Attribution,
    attribution_cost,
    attribution_steps,
    diffusion_index,
    effective_receptive_field,
    local_attribution,
)
from swin2sr.inspect.features import (
    HiddenStates,
    Spectrum,
    added_spectrum,
    channel_norms,
    hidden_states,
    pca_pictures,
    similarity,
    stream_growth,
    token_norms,
)
from swin2sr.inspect.hooks import layer_labels
from swin2sr.inspect.logits import LogitStatistics, attention_logits, entropy_by_scale
from swin2sr.inspect.position import position_bias, with_window

__all__ = [
    "AttentionStatistics",
    "Attribution",
    "HiddenStates",
    "LogitStatistics",
    "Spectrum",
    "ablate_groups",
    "added_spectrum",
    "attention_logits",
    "attention_statistics",
    "attention_to",
    "attribution_cost",
    "attribution_steps",
    "channel_norms",
    "diffusion_index",
    "effective_receptive_field",
    "entropy_by_scale",
    "hidden_states",
    "layer_labels",
    "local_attribution",
    "pca_pictures",
    "pixel_statistics",
    "position_bias",
    "rollout",
    "similarity",
    "stream_growth",
    "token_norms",
    "window_attention",
    "with_window",
]
