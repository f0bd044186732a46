"""A model as one ONNX file, for runtimes that know nothing of this package."""

from albert_np.export.onnx_files import export_onnx, onnx_difference

__all__ = ["export_onnx", "onnx_difference"]
