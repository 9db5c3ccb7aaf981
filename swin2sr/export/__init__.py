"""Export of a restoration network to ONNX: one file for pictures of any height and width."""

from swin2sr.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
