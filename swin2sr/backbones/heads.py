"""Heads on a backbone, with their losses: a classifier, the decoder of masked image modelling.

Source: interface of transformers' ``SwinForImageClassification`` and
``SwinForMaskedImageModeling``, and its loss for sequence classification, which its image
classifiers share; SimMIM (arXiv 2111.09886), sections 3.3 and 3.4, with the normalisation of
microsoft/SimMIM.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.backbones.config import BackboneConfig
from swin2sr.backbones.encoder import Backbone, HeadMask, asked_or
from swin2sr.backbones.outputs import ImageClassifierOutput, MaskedImageModelingOutput
from swin2sr.backbones.patches import grid_of
from swin2sr.errors import ConfigError, ShapeError
from swin2sr.nn.init import initialise


class ImageClassifier(nn.Module):
    """Image classifier: a backbone, its mean features, a linear map to scores of classes.

    Args:
        config: the network's shape; with no class at all the features themselves are given out.
    """

    has_head: ClassVar[bool] = True

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        width = config.hidden_size
        self.classifier = nn.Linear(width, config.classes) if config.classes else nn.Identity()
        initialise(self.classifier, config.initializer_range)

    def forward(
        self,
        pixel_values: Tensor,
        head_mask: HeadMask | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> ImageClassifierOutput | tuple[Tensor, ...]:
        """Score an image.

        Args:
            labels: also return the loss; see ``classification_loss``.
            pixel_values, head_mask, output_attentions, output_hidden_states,
                interpolate_pos_encoding: see ``Backbone.forward``.
            return_dict: False for a plain tuple, the loss first when there are labels.
        Returns:
            ``ImageClassifierOutput`` or its tuple.
        Raises:
            ShapeError: pixels, mask or labels of another shape.
            ConfigError: a label that is no class.
        """
        features = self.backbone(
            pixel_values,
            None,
            head_mask,
            output_attentions,
            output_hidden_states,
            interpolate_pos_encoding,
            return_dict=True,
        )
        logits = self.classifier(features.pooler_output)
        output = ImageClassifierOutput(
            None if labels is None else classification_loss(logits, labels, self.config),
            logits,
            features.hidden_states,
            features.attentions,
            features.reshaped_hidden_states,
        )
        return output if asked_or(self.config.return_dict, return_dict) else output.to_tuple()


class MaskedImageModel(nn.Module):
    """Masked image modelling: a backbone, and a linear map of each token to its pixels.

    Args:
        config: the network's shape.
    """

    has_head: ClassVar[bool] = True

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config, add_pooling_layer=False, use_mask_token=True)
        pixels = config.encoder_stride**2 * config.num_channels
        self.decoder = nn.Conv2d(config.hidden_size, pixels, 1)
        initialise(self.decoder, config.initializer_range)

    def forward(
        self,
        pixel_values: Tensor,
        bool_masked_pos: Tensor | None = None,
        head_mask: HeadMask | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> MaskedImageModelingOutput | tuple[Tensor, ...]:
        """Complete an image.

        Args:
            pixel_values, bool_masked_pos, head_mask, output_attentions, output_hidden_states,
                interpolate_pos_encoding: see ``Backbone.forward``. With a mask the loss is
                returned too; see ``masked_pixels_loss``.
            return_dict: False for a plain tuple, the loss first when there is a mask.
        Returns:
            ``MaskedImageModelingOutput`` or its tuple. The reconstruction is as large as the image
            (transformers: square images of whole tokens only); where ``encoder_stride`` is not what
            the backbone reduces by, as large as the decoder makes it.
        Raises:
            ShapeError: pixels or masks of another shape.
            ConfigError: a mask where ``encoder_stride`` gives no picture of the image's size.
        """
        config = self.config
        reduced = [side << (len(config.depths) - 1) for side in config.patch_sides]
        fits = reduced == [config.encoder_stride] * 2
        if bool_masked_pos is not None and not fits:
            raise ConfigError(
                f"encoder_stride is {config.encoder_stride}, but the backbone reduces by "
                f"{reduced[0]}x{reduced[1]}: there is no picture to compare with the image.",
                remedy=f"Use encoder_stride={reduced[0]}.",
            )
        features = self.backbone(
            pixel_values,
            bool_masked_pos,
            head_mask,
            output_attentions,
            output_hidden_states,
            interpolate_pos_encoding,
            return_dict=True,
        )
        height, width = pixel_values.shape[-2:]
        rows, columns = grid = grid_of(height, width, config.patch_sides)
        for _ in config.depths[1:]:
            rows, columns = -(-rows // 2), -(-columns // 2)
        last = features.last_hidden_state.transpose(1, 2).unflatten(2, (rows, columns))
        image = F.pixel_shuffle(self.decoder(last), config.encoder_stride)
        if fits:
            image = image[:, :, :height, :width]
        loss = None
        if bool_masked_pos is not None:
            masked = bool_masked_pos.unflatten(1, grid)
            loss = masked_pixels_loss(pixel_values, image, masked, config.patch_sides)
        output = MaskedImageModelingOutput(
            loss,
            image,
            features.hidden_states,
            features.attentions,
            features.reshaped_hidden_states,
        )
        return output if asked_or(config.return_dict, return_dict) else output.to_tuple()


def problem_of(config: BackboneConfig, labels: Tensor) -> str:
    """Problem type as the configuration says, or else the labels tell: one number is a regression,
    whole numbers are classes, others a yes or no for each class."""
    if config.problem_type is not None:
        return config.problem_type
    if config.classes == 1:
        return "regression"
    whole = labels.dtype in (torch.int64, torch.int32)
    return "single_label_classification" if whole else "multi_label_classification"


def classification_loss(logits: Tensor, labels: Tensor, config: BackboneConfig) -> Tensor:
    """Loss of a classifier.

    Args:
        logits: (B, num_labels).
        labels: for one class of many (B,) whole numbers; for several classes (B, num_labels) in
            0..1, cross-entropy of each; for regression (B, num_labels), or (B,) when that is 1,
            mean square.
        config: names the problem; see ``problem_of``.
    Raises:
        ShapeError: labels of another shape.
        ConfigError: a label that is no class, or a network without classes.
    """
    count = config.classes
    if count == 0:
        raise ConfigError("A network without classes (num_labels=0) has no loss.")
    labels = labels.to(logits.device)
    problem = problem_of(config, labels)
    if problem == "single_label_classification":
        if labels.numel() != len(logits):
            raise _other_shape(problem, (len(logits),), labels)
        targets = labels.reshape(-1).long()
        # -100 marks what does not count, as everywhere in torch
        if bool(((targets < 0) & (targets != -100) | (targets >= count)).any()):
            raise ConfigError(f"labels must lie between 0 and {count - 1}, the number of classes.")
        return F.cross_entropy(logits, targets)
    if labels.shape != logits.shape and (count > 1 or labels.numel() != len(logits)):
        raise _other_shape(problem, tuple(logits.shape), labels)
    labels = labels.reshape(logits.shape).to(logits.dtype)
    if problem == "regression":
        return F.mse_loss(logits, labels)
    return F.binary_cross_entropy_with_logits(logits, labels)


def _other_shape(problem: str, wanted: tuple[int, ...], labels: Tensor) -> ShapeError:
    return ShapeError(
        f"labels for {problem} must have shape {wanted}, got {tuple(labels.shape)}.",
        remedy="The configuration's problem_type and num_labels say what is trained.",
    )


def masked_pixels_loss(
    pixels: Tensor, reconstruction: Tensor, masked: Tensor, patch: tuple[int, int]
) -> Tensor:
    """Mean absolute error of the pixels that were hidden: the sum over them over (their number +
    1e-5), over C.

    Args:
        pixels, reconstruction: (B, C, H, W).
        masked: (B, rows, columns) of patches of so many pixels, true where hidden.
    """
    height, width = pixels.shape[-2:]
    hidden = masked.repeat_interleave(patch[0], 1).repeat_interleave(patch[1], 2)
    hidden = hidden[:, None, :height, :width].to(reconstruction.dtype)
    difference = (pixels.to(reconstruction.dtype) - reconstruction).abs()
    return (difference * hidden).sum() / (hidden.sum() + 1e-5) / pixels.shape[1]
