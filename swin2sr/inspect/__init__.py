"""Looking inside: attention, features, attribution, position biases."""

from swin2sr.inspect.attention import (
    AttentionStatistics,
    attention_statistics,
    attention_to,
    rollout,
)
from swin2sr.inspect.attribution import (
    Attribution,
    diffusion_index,
    effective_receptive_field,
    local_attribution,
)
from swin2sr.inspect.backbones import backbone_attention_to
from swin2sr.inspect.features import (
    HiddenStates,
    Spectrum,
    added_spectrum,
    channel_norms,
    hidden_states,
    pca_pictures,
    similarity,
    stream_growth,
)
from swin2sr.inspect.position import position_bias

__all__ = [
    "AttentionStatistics",
    "Attribution",
    "HiddenStates",
    "Spectrum",
    "added_spectrum",
    "attention_statistics",
    "attention_to",
    "backbone_attention_to",
    "channel_norms",
    "diffusion_index",
    "effective_receptive_field",
    "hidden_states",
    "local_attribution",
    "pca_pictures",
    "position_bias",
    "rollout",
    "similarity",
    "stream_growth",
]
