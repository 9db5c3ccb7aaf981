"""Encoder of a backbone: patch embedding -> stages of window attention, each merged -> norm.

Source: Swin Transformer (arXiv 2103.14030), figure 3; Swin Transformer V2 (arXiv 2111.09883),
figure 1; arithmetic of ``SwinTransformer`` and ``SwinTransformerV2`` in microsoft/Swin-Transformer;
interface of transformers' ``SwinModel`` and ``Swinv2Model``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from swin2sr.backbones.config import BackboneConfig, Swinv2Config
from swin2sr.backbones.outputs import BackboneModelOutput
from swin2sr.backbones.patches import PatchEmbedding, PatchMerging
from swin2sr.errors import ShapeError
from swin2sr.models.restoration import keep
from swin2sr.nn.attention import CosineWindowAttention, DotProductWindowAttention, WindowAttention
from swin2sr.nn.blocks import Block, PostNormBlock, PreNormBlock, run_block
from swin2sr.nn.init import drop_path_rates, initialise

HeadMask = Tensor | Sequence[Tensor | None]


def build_block(config: BackboneConfig, stage: int, depth: int, drop_path: float) -> Block:
    """Build one layer of a backbone, of its configuration's generation."""
    dim, heads = config.widths[stage], config.num_heads[stage]
    window, shift = config.stage_window(stage)
    shift = shift if depth % 2 else 0
    bias, dropout = config.qkv_bias, config.attention_probs_dropout_prob
    attention: WindowAttention
    if isinstance(config, Swinv2Config):
        pretrained = config.pretrained_window_sizes[stage]
        attention = CosineWindowAttention(dim, heads, window, shift, bias, dropout, pretrained)
        kind: type[Block] = PostNormBlock
    else:
        attention = DotProductWindowAttention(
            dim, heads, window, shift, bias, dropout, shrinks=True
        )
        kind = PreNormBlock
    return kind(
        attention,
        dim,
        int(config.mlp_ratio * dim),
        config.hidden_act,
        config.hidden_dropout_prob,
        config.layer_norm_eps,
        drop_path,
    )


class Stage(nn.Module):
    """Stage: layers at one resolution, and patch merging after them but for the last stage."""

    def __init__(self, config: BackboneConfig, index: int, drop_path: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            build_block(config, index, depth, rate) for depth, rate in enumerate(drop_path)
        )
        self.downsample = None
        if index + 1 < len(config.depths):
            self.downsample = PatchMerging(config.widths[index], norm_first=config.generation == 1)

    def forward(
        self, tokens: Tensor, head_masks: Sequence[Tensor | None], need_weights: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the stage over (B, H, W, dim) tokens, which are not changed.

        Returns:
            (B, H, W, dim), or (B, ceil(H/2), ceil(W/2), 2*dim) where patches are merged, and one
            (B * windows, heads, N, N) per layer, or [].
        """
        # Without gradients the blocks write over their input.
        tokens = tokens if torch.is_grad_enabled() else tokens.clone()
        matrices: list[Tensor] = []
        for block, mask in zip(self.blocks, head_masks, strict=True):
            assert isinstance(block, Block)
            tokens, weights = run_block(block, tokens, mask, need_weights)
            if weights is not None:
                matrices.append(weights)
        return tokens if self.downsample is None else self.downsample(tokens), matrices


class Backbone(nn.Module):
    """Backbone: pixels to features of falling resolution.

    Args:
        config: the network's shape.
        add_pooling_layer: also give out the mean of the last features.
        use_mask_token: learn a token that stands for masked patches.
    """

    has_head: ClassVar[bool] = False

    def __init__(
        self, config: BackboneConfig, add_pooling_layer: bool = True, use_mask_token: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.pools = add_pooling_layer
        self.gradient_checkpointing = False
        self.embed = PatchEmbedding(
            config.num_channels,
            config.embed_dim,
            config.patch_sides,
            config.grid_size if config.use_absolute_embeddings else None,
            use_mask_token,
            config.hidden_dropout_prob,
        )
        self.stages = nn.ModuleList(
            Stage(config, index, rates)
            for index, rates in enumerate(drop_path_rates(config.drop_path_rate, config.depths))
        )
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        initialise(self, config.initializer_range)
        if self.embed.position is not None:
            nn.init.trunc_normal_(self.embed.position, std=config.initializer_range)
        if self.embed.mask_token is not None:
            nn.init.trunc_normal_(self.embed.mask_token, std=config.initializer_range)

    def forward(
        self,
        pixel_values: Tensor,
        bool_masked_pos: Tensor | None = None,
        head_mask: HeadMask | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> BackboneModelOutput | tuple[Tensor, ...]:
        """Features of an image.

        Args:
            pixel_values: (B, num_channels, H, W), normalised as the checkpoint's image processor
                does; any H, W >= 1, filled with zeros where patches, windows or merging need it.
            bool_masked_pos: (B, patches), row by row, true where a patch is hidden.
            head_mask: factors on the heads: (heads,), (stages, heads) or (layers, heads) where all
                stages have as many heads; or a list, for each stage or layer (heads,) or None.
            output_attentions: also return every layer's attention matrices.
            output_hidden_states: also return the tokens before and after every stage.
            interpolate_pos_encoding: fit the absolute position table to images of another size.
            return_dict: False for a plain tuple.
        Returns:
            ``BackboneModelOutput``, in the dtype of the weights, or its tuple.
        Raises:
            ShapeError: pixels or masks of another shape.
            ConfigError: ``bool_masked_pos`` without ``use_mask_token``.
        """
        want_states = asked_or(self.config.output_hidden_states, output_hidden_states)
        look = asked_or(self.config.output_attentions, output_attentions)
        masks = head_masks(self.config, head_mask)
        tokens = self.embed(pixel_values, bool_masked_pos, interpolate_pos_encoding)
        states: list[Tensor] = []
        maps: list[Tensor] = []
        attentions: list[Tensor] = []
        tokens = _keep_both(tokens, states, maps) if want_states else tokens
        for stage, mask in zip(self.stages, masks, strict=True):
            tokens, weights = self._run(stage, tokens, mask, look)
            attentions += weights
            tokens = _keep_both(tokens, states, maps) if want_states else tokens
        last = self.norm(tokens).flatten(1, 2)
        output = BackboneModelOutput(
            last,
            last.mean(dim=1) if self.pools else None,
            tuple(states) if want_states else None,
            tuple(attentions) if look else None,
            tuple(maps) if want_states else None,
        )
        return output if asked_or(self.config.return_dict, return_dict) else output.to_tuple()

    def _run(
        self, stage: nn.Module, tokens: Tensor, masks: list[Tensor | None], need_weights: bool
    ) -> tuple[Tensor, list[Tensor]]:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(stage, tokens, masks, need_weights, use_reentrant=False)
        return stage(tokens, masks, need_weights)


def _keep_both(tokens: Tensor, states: list[Tensor], maps: list[Tensor]) -> Tensor:
    """As ``keep``; ``maps`` gets (B, C, H, W), which lies on the way to the output, too."""
    maps.append(keep(tokens, states).permute(0, 3, 1, 2))
    return maps[-1].permute(0, 2, 3, 1)


def asked_or(usual: bool, asked: bool | None) -> bool:
    """Option as the caller asked for it, or else as the configuration has it."""
    return usual if asked is None else bool(asked)


def head_masks(config: BackboneConfig, head_mask: HeadMask | None) -> list[list[Tensor | None]]:
    """Factors on the heads of every layer, by stage; see ``Backbone.forward``.

    Raises:
        ShapeError: factors of another shape.
    """
    depths, heads = config.depths, config.num_heads
    if head_mask is None:
        return [[None] * depth for depth in depths]
    given: list[Tensor | None]
    if isinstance(head_mask, Tensor) and head_mask.ndim == 1:
        given = [head_mask] * sum(depths)
    else:
        given = list(head_mask)
        if len(given) == len(depths):
            given = [mask for mask, depth in zip(given, depths, strict=True) for _ in range(depth)]
    wanted = [count for count, depth in zip(heads, depths, strict=True) for _ in range(depth)]
    fits = len(given) == len(wanted) and all(
        mask is None or mask.shape == (count,) for mask, count in zip(given, wanted, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"head_mask must have one entry for each of the {len(depths)} stages or {len(wanted)} "
            f"layers, each with its heads, {tuple(heads)} by stage; or be (heads,) where all have "
            "as many."
        )
    parts = iter(given)
    return [[next(parts) for _ in range(depth)] for depth in depths]
