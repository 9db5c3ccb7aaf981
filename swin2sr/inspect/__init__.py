"""Looking inside the restoration networks."""

from swin2sr.inspect.attention import (
    AttentionStatistics,
    attention_statistics,
    attention_to,
    rollout,
)

__all__ = ["AttentionStatistics", "attention_statistics", "attention_to", "rollout"]
