"""Restoration network: shallow convolution -> residual groups -> convolution -> head.

Source: Swin2SR (arXiv 2209.11345), figure 2; SwinIR (arXiv 2108.10257), section 3.1; arithmetic of
mv-lab/swin2sr ``models/network_swin2sr.py`` and JingyunLiang/SwinIR ``models/network_swinir.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from swin2sr.config import RestorationConfig
from swin2sr.errors import ShapeError
from swin2sr.images.resize import imresize_tensor
from swin2sr.models.outputs import FeatureOutput, ImageSuperResolutionOutput
from swin2sr.nn.blocks import ResidualGroup, add_convolved, pointwise, residual_convolution
from swin2sr.nn.init import drop_path_rates, initialise
from swin2sr.nn.upsample import build_head
from swin2sr.nn.windows import pad_to_windows

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K, in 0..1; grey networks use 0


def keep(tokens: Tensor, kept: list[Tensor]) -> Tensor:
    """Append a (B, H, W, C) map to ``kept`` as (B, H*W, C) tokens; return the map to go on with,
    which is made of them, so that gradients of the output reach what is kept."""
    kept.append(tokens.flatten(1, 2))
    return kept[-1].unflatten(1, tokens.shape[1:3])


class Embedding(nn.Module):
    """Patch embedding of one-pixel patches: a norm on each token, in Swin2SR a 1x1 projection
    before it."""

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.proj = nn.Conv2d(dim, dim, 1) if config.projects_tokens else None
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed (B, H, W, dim) tokens."""
        return self.norm(tokens if self.proj is None else pointwise(self.proj, tokens))


class Trunk(nn.Module):
    """Trunk: pixels to features, shared by all heads.

    Args:
        config: the network's shape.
    """

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.config = config
        self.gradient_checkpointing = False
        self.mean: Tensor
        colour = config.num_channels == config.num_channels_out == 3
        mean = torch.tensor(RGB_MEAN if colour else (0.0,)).view(1, -1, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.conv_first = nn.Conv2d(config.num_channels, dim, 3, padding=1)
        self.embed = Embedding(config)
        if config.use_absolute_embeddings:
            height, width = config.grid_size
            self.absolute_position = nn.Parameter(torch.zeros(1, height * width, dim))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.groups = nn.ModuleList(
            ResidualGroup(config, index, rates)
            for index, rates in enumerate(drop_path_rates(config.drop_path_rate, config.depths))
        )
        self.norm = nn.LayerNorm(dim, eps=config.layer_norm_eps)
        self.conv_after_body = residual_convolution(dim, config.resi_connection)
        initialise(self, config.initializer_range)
        if config.use_absolute_embeddings:
            nn.init.trunc_normal_(self.absolute_position, std=config.initializer_range)

    def prepare(self, pixel_values: Tensor) -> Tensor:
        """Pad to whole windows and normalise.

        Args:
            pixel_values: (B, num_channels, H, W) in 0..1, any H, W >= 1, any float dtype.
        Returns:
            (B, num_channels, H', W') ``(pixels - mean) * img_range``, the input's dtype.
        Raises:
            ShapeError: not four axes, an empty one, or another number of channels.
        """
        channels = self.config.num_channels
        if pixel_values.ndim != 4 or pixel_values.shape[1] != channels:
            raise ShapeError(
                f"Expected pixel_values of shape (batch, {channels}, height, width), "
                f"got {tuple(pixel_values.shape)}."
            )
        padded = pad_to_windows(pixel_values, self.config.window_size)
        return (padded - self.mean.to(padded.dtype)) * self.config.img_range

    def restore_range(self, image: Tensor, dtype: torch.dtype) -> Tensor:
        """Undo ``prepare``'s normalisation, in the precision of the caller's pixels."""
        return image.to(dtype) / self.config.img_range + self.mean.to(dtype)

    def embed_tokens(self, shallow: Tensor) -> Tensor:
        """Turn (B, dim, H, W) features into (B, H, W, dim) tokens, position table added."""
        tokens = self.embed(shallow.permute(0, 2, 3, 1))
        if self.config.use_absolute_embeddings:
            tokens = tokens + self._position(tokens.shape[1], tokens.shape[2])
        # Under autocast the layers are narrow; the residual stream keeps the weights' precision.
        return self.dropout(tokens.to(self.norm.weight.dtype))

    def _position(self, height: int, width: int) -> Tensor:
        rows, columns = self.config.grid_size
        table = self.absolute_position.unflatten(1, (rows, columns))
        if (rows, columns) == (height, width):
            return table
        table = table.permute(0, 3, 1, 2)
        table = F.interpolate(table, size=(height, width), mode="bicubic", align_corners=False)
        return table.permute(0, 2, 3, 1)

    def _run(
        self, group: nn.Module, tokens: Tensor, head_mask: Tensor | None, need_weights: bool
    ) -> tuple[Tensor, list[Tensor]]:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(group, tokens, head_mask, need_weights, use_reentrant=False)
        return group(tokens, head_mask, need_weights)

    def features(
        self,
        pixels: Tensor,
        head_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> FeatureOutput:
        """Features of a prepared image.

        Args:
            pixels: what ``prepare`` returns.
            head_mask: factors on the heads: (heads,), (groups, heads) or (layers, heads).
            output_attentions, output_hidden_states: also return them.
        Returns:
            ``FeatureOutput``.
        """
        shallow = self.conv_first(pixels.to(self.conv_first.weight.dtype))
        tokens = self.embed_tokens(shallow)
        hidden: list[Tensor] = []
        attentions: list[Tensor] = []
        for group, mask in zip(self.groups, self._head_masks(head_mask), strict=True):
            tokens = keep(tokens, hidden) if output_hidden_states else tokens
            tokens, weights = self._run(group, tokens, mask, output_attentions)
            attentions += weights
        tokens = keep(tokens, hidden) if output_hidden_states else tokens
        shortcut = shallow.permute(0, 2, 3, 1)
        features = add_convolved(self.conv_after_body, None, self.norm(tokens), shortcut)
        return FeatureOutput(
            features.permute(0, 3, 1, 2),
            tuple(hidden) if output_hidden_states else None,
            tuple(attentions) if output_attentions else None,
        )

    def _head_masks(self, head_mask: Tensor | None) -> list[Tensor | None]:
        depths, heads = self.config.depths, self.config.num_heads
        if head_mask is None:
            return [None] * len(depths)
        if len(set(heads)) == 1 and head_mask.shape[-1:] == heads[:1]:
            if head_mask.ndim == 1:
                head_mask = head_mask.expand(sum(depths), -1)
            elif head_mask.ndim == 2 and len(head_mask) == len(depths) != sum(depths):
                counts = torch.tensor(depths, device=head_mask.device)
                head_mask = head_mask.repeat_interleave(counts, dim=0)
            if head_mask.ndim == 2 and len(head_mask) == sum(depths):
                return list(head_mask.split(depths))
        raise ShapeError(
            f"head_mask must have shape ({heads[0]},), ({len(depths)}, {heads[0]}) or "
            f"({sum(depths)}, {heads[0]}), got {tuple(head_mask.shape)}."
        )

    def forward(
        self,
        pixel_values: Tensor,
        head_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> FeatureOutput | tuple[Tensor, ...]:
        """Features of an image.

        Args:
            pixel_values: (B, num_channels, H, W) in 0..1, any H, W >= 1.
            head_mask: factors on the heads: (heads,), (groups, heads) or (layers, heads).
            output_attentions: also return every layer's attention matrices.
            output_hidden_states: also return the tokens before and after every group.
            return_dict: False for a plain tuple.
        Returns:
            ``FeatureOutput``, in the dtype of the weights, or its tuple.
        Raises:
            ShapeError: pixels or mask of another shape.
        """
        output = self.features(
            self.prepare(pixel_values),
            head_mask,
            bool(output_attentions),
            bool(output_hidden_states),
        )
        return output.to_tuple() if return_dict is False else output


class RestorationNetwork(nn.Module):
    """Restoration network: a trunk and a reconstruction head, pixels to more or better pixels.

    Args:
        config: the network's shape.
    """

    def __init__(self, config: RestorationConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.head = build_head(config)
        initialise(self.head, config.initializer_range)

    def forward(
        self,
        pixel_values: Tensor,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        aux_weight: float = 1.0,
    ) -> ImageSuperResolutionOutput | tuple[Tensor, ...]:
        """Restore or enlarge an image.

        Args:
            pixel_values: (B, num_channels, H, W) in 0..1, any H, W >= 1.
            head_mask: factors on the heads: (heads,), (groups, heads) or (layers, heads).
            labels: (B, num_channels_out, H*upscale, W*upscale) in 0..1: also return the L1 loss.
            output_attentions: also return every layer's attention matrices.
            output_hidden_states: also return the tokens before and after every group.
            return_dict: False for a plain tuple, the loss first when there are labels.
            aux_weight: with ``pixelshuffle_aux``, weight of the L1 loss between the auxiliary image
                and the labels reduced by bicubic interpolation (the paper names the loss, not
                the weight; 1 is our choice).
        Returns:
            ``ImageSuperResolutionOutput``; images in the dtype of ``pixel_values``.
        Raises:
            ShapeError: pixels, mask or labels of another shape.
        """
        trunk, scale = self.trunk, self.config.upscale
        height, width = pixel_values.shape[-2:]
        pixels = trunk.prepare(pixel_values)
        features = trunk.features(
            pixels, head_mask, bool(output_attentions), bool(output_hidden_states)
        )
        pixels = pixels.to(trunk.conv_first.weight.dtype)
        image, aux = self.head(features.last_hidden_state, pixels)
        image = trunk.restore_range(image, pixel_values.dtype)
        image = image[:, :, : height * scale, : width * scale]
        if aux is not None:
            factor = aux.shape[2] // pixels.shape[2]
            aux = trunk.restore_range(aux, pixel_values.dtype)
            aux = aux[:, :, : height * factor, : width * factor]
        loss = None
        if labels is not None:
            loss = self._loss(image, aux, labels, aux_weight)
        output = ImageSuperResolutionOutput(
            loss, image, features.hidden_states, features.attentions, aux
        )
        return output.to_tuple() if return_dict is False else output

    def _loss(self, image: Tensor, aux: Tensor | None, labels: Tensor, aux_weight: float) -> Tensor:
        if labels.shape != image.shape:
            raise ShapeError(
                f"labels must have the shape of the reconstruction, {tuple(image.shape)}, "
                f"got {tuple(labels.shape)}."
            )
        loss = F.l1_loss(image, labels)
        if aux is not None and self.config.upsampler == "pixelshuffle_aux" and aux_weight:
            small = imresize_tensor(labels, size=(aux.shape[2], aux.shape[3]))
            loss = loss + aux_weight * F.l1_loss(aux, small.to(aux.dtype))
        return loss
