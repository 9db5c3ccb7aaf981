"""What the heads of the backbones are trained with.

Source: transformers' loss for sequence classification, which its image classifiers share; SimMIM
(arXiv 2111.09886), section 3.4, with the normalisation of microsoft/SimMIM.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from swin2sr.backbones.config import BackboneConfig
from swin2sr.errors import ConfigError, ShapeError


def problem_of(config: BackboneConfig, labels: Tensor) -> str:
    """What the classifier is trained for, as the configuration says or else the labels tell:
    one number is a regression, whole numbers are classes, others a yes or no for each class."""
    if config.problem_type is not None:
        return config.problem_type
    if config.classes == 1:
        return "regression"
    whole = labels.dtype in (torch.int64, torch.int32)
    return "single_label_classification" if whole else "multi_label_classification"


def classification_loss(logits: Tensor, labels: Tensor, config: BackboneConfig) -> Tensor:
    """The loss of a classifier.

    Args:
        logits: (B, num_labels).
        labels: for one class of many (B,) whole numbers; for several classes (B, num_labels) in
            0..1, cross-entropy of each; for regression (B, num_labels), or (B,) when that is 1,
            mean square.
        config: names the problem; see ``problem_of``.
    Returns:
        Scalar.
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
    """Mean absolute error of the pixels that were hidden.

    Args:
        pixels, reconstruction: (B, C, H, W).
        masked: (B, rows, columns) of patches, true where hidden.
        patch: (height, width) of a patch in pixels.
    Returns:
        Scalar: the sum over hidden pixels over (their number + 1e-5), over C.
    """
    height, width = pixels.shape[-2:]
    hidden = masked.repeat_interleave(patch[0], 1).repeat_interleave(patch[1], 2)
    hidden = hidden[:, None, :height, :width].to(reconstruction.dtype)
    difference = (pixels.to(reconstruction.dtype) - reconstruction).abs()
    return (difference * hidden).sum() / (hidden.sum() + 1e-5) / pixels.shape[1]
