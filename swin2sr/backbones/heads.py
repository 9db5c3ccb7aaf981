"""What stands on a backbone: a classifier, or the decoder of masked image modelling.

Source: interface of transformers' ``SwinForImageClassification`` and
``SwinForMaskedImageModeling``; SimMIM (arXiv 2111.09886), section 3.3.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from swin2sr.backbones.config import BackboneConfig
from swin2sr.backbones.encoder import Backbone, HeadMask
from swin2sr.backbones.losses import classification_loss, masked_pixels_loss
from swin2sr.backbones.outputs import ImageClassifierOutput, MaskedImageModelingOutput
from swin2sr.backbones.patches import grid_of
from swin2sr.errors import ConfigError
from swin2sr.nn.init import initialise


class ImageClassifier(nn.Module):
    """From pixels to scores of classes: a backbone, its mean features, a linear map.

    Args:
        config: the network's shape; with no class at all the features themselves are given out.
    """

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
        features = self.backbone.features(
            pixel_values,
            None,
            head_mask,
            output_attentions,
            output_hidden_states,
            interpolate_pos_encoding,
        )
        logits = self.classifier(features.pooler_output)
        output = ImageClassifierOutput(
            None if labels is None else classification_loss(logits, labels, self.config),
            logits,
            features.hidden_states,
            features.attentions,
            features.reshaped_hidden_states,
        )
        as_names = self.config.return_dict if return_dict is None else return_dict
        return output if as_names else output.to_tuple()


class MaskedImageModel(nn.Module):
    """From pixels with hidden patches to all pixels: a backbone, a linear map of each token to its
    pixels.

    Args:
        config: the network's shape.
    """

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
        features = self.backbone.features(
            pixel_values,
            bool_masked_pos,
            head_mask,
            output_attentions,
            output_hidden_states,
            interpolate_pos_encoding,
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
        as_names = config.return_dict if return_dict is None else return_dict
        return output if as_names else output.to_tuple()
