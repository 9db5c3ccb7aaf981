"""Base class of the public backbones: loading by name, strict but for heads, and saving."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from swin2sr.backbones.config import BackboneConfig
from swin2sr.backbones.key_mapping import to_hub
from swin2sr.backbones.load import BackboneCheckpoint, load_backbone
from swin2sr.errors import WeightsError
from swin2sr.models.pretrained import PretrainedModel

WITHIN = "backbone."  # where the backbone lies in a network with a head


class PretrainedBackbone(PretrainedModel):
    """Backbone, with head or without, whose weights are found by name and loaded strictly."""

    config: BackboneConfig
    config_class: ClassVar[type[BackboneConfig]]
    has_head: ClassVar[bool]

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        *,
        num_labels: int | None = None,
        id2label: Mapping[int, str] | None = None,
        label2id: Mapping[str, int] | None = None,
        problem_type: str | None = None,
        ignore_mismatched_sizes: bool = False,
        add_pooling_layer: bool | None = None,
        use_mask_token: bool | None = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Load published or own weights, in evaluation mode.

        A head that this class does not have is left aside; one that the weights do not have is
        initialised afresh, with a warning.

        Args:
            name: Hub id, folder, or file; see ``swin2sr.backbones.load.load_backbone``.
            num_labels, id2label, label2id, problem_type: replace what the configuration says.
            ignore_mismatched_sizes: initialise the classifier afresh when the weights have one for
                another number of classes.
            add_pooling_layer, use_mask_token: for the classes without head, see ``Backbone``.
            revision, cache_dir, local_files_only: as ``checkpoints.load``.
            dtype: convert the weights, e.g. ``torch.bfloat16``; float32 by default.
        Raises:
            WeightsError: not found, unsafe, damaged, or for another network or number of classes.
        """
        found = load_backbone(
            name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        return cls.from_checkpoint(
            found,
            changes=_given(
                num_labels=num_labels,
                id2label=id2label,
                label2id=label2id,
                problem_type=problem_type,
            ),
            options=_given(add_pooling_layer=add_pooling_layer, use_mask_token=use_mask_token),
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            dtype=dtype,
        )

    @classmethod
    def from_checkpoint(
        cls,
        found: BackboneCheckpoint,
        *,
        changes: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        ignore_mismatched_sizes: bool = False,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Build the model for weights that ``load_backbone`` found, in evaluation mode.

        Args:
            changes: fields of the configuration to replace. options: arguments of the class.
            ignore_mismatched_sizes, dtype: see ``from_pretrained``.
        Raises:
            WeightsError: wrong_model, when the weights are another network's or the classifier is
                for another number of classes.
        """
        wanted = cls.config_class
        if not isinstance(found.config, wanted):
            ending = cls.__name__.removeprefix(wanted.network)
            raise WeightsError(
                f"{found.name!r} is a {found.config.network} network, not {wanted.network}.",
                code="wrong_model",
                remedy=f"Load it as {found.config.network}{ending}.",
            )
        config = found.config.replace(**changes) if changes else found.config
        model = cls(config, **(options or {}))
        own = model.state_dict()
        given = {cls._own_name(name): tensor for name, tensor in found.state.items()}
        given = {name: tensor for name, tensor in given.items() if name in own}
        classes = [
            len(state["classifier.bias"]) for state in (given, own) if "classifier.bias" in state
        ]
        if len(set(classes)) == 2:
            if not ignore_mismatched_sizes:
                raise WeightsError(
                    f"{found.name!r} has a classifier for {classes[0]} classes, the configuration "
                    f"names {classes[1]}.",
                    code="wrong_model",
                    remedy="To train a new one, pass num_labels and ignore_mismatched_sizes=True.",
                )
            given = {key: v for key, v in given.items() if not key.startswith("classifier.")}
        fresh = [name for name in own if name not in given]
        if fresh:
            warnings.warn(
                f"{found.name!r} has no {', '.join(fresh)} for {cls.__name__}: newly initialised, "
                "to be trained before use.",
                stacklevel=3,
            )
        model.load_state_dict(own | given)
        return model.to(dtype=dtype).eval()

    @classmethod
    def _own_name(cls, name: str) -> str:
        """Name in this class of a parameter with a canonical native name."""
        beside = not cls.has_head or name.startswith(("classifier.", "decoder."))
        return name if beside else WITHIN + name

    def hub_state(self) -> dict[str, Tensor]:
        """See ``PretrainedModel``."""
        prefix = f"{self.config.model_type}." if self.has_head else ""
        return to_hub(self.state_dict(), prefix=prefix)

    def trunk_module(self) -> Any:
        """See ``PretrainedModel``."""
        return self.backbone if self.has_head else self


def _given(**values: Any) -> dict[str, Any]:
    """Options that were given, without those that are None."""
    return {name: value for name, value in values.items() if value is not None}
