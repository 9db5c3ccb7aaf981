"""Batch of a processor: a dict with attributes whose tensors move."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from swin2sr.errors import KindError
from swin2sr.processing import BatchFeature, Swin2SRImageProcessor


def test_features_read_as_dict_and_attributes_and_move() -> None:
    made = Swin2SRImageProcessor()(np.zeros((8, 8, 3), np.uint8), return_tensors="pt")
    assert dict(**made).keys() == {"pixel_values"}
    assert made.pixel_values is made["pixel_values"]
    assert copy.deepcopy(made).keys() == made.keys()
    with pytest.raises(AttributeError):
        _ = made.labels
    made["mask"] = torch.ones(1, dtype=torch.int64)
    assert made.to("cpu", torch.float16) is made
    assert (made.pixel_values.dtype, made.mask.dtype) == (torch.float16, torch.int64)
    assert made.to(torch.bfloat16).pixel_values.dtype == torch.bfloat16
    assert made.to("meta").pixel_values.device.type == "meta"


def test_arrays_cannot_be_moved() -> None:
    with pytest.raises(KindError, match="return_tensors"):
        BatchFeature(pixel_values=[np.zeros(1)]).to("cpu")
