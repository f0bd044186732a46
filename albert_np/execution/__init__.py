"""Faster ways to the same numbers: row blocks, real tokens alone, all cores. Strict arrays stand in for a GPU."""

from albert_np.execution.device import kernel_for, on_device
from albert_np.execution.kernels import Launchers
from albert_np.execution.pattern import Pattern, Run, dense_pattern, packed_pattern
from albert_np.execution.products import PRECISIONS, laid_out, precision_of_products, product, rounded
from albert_np.execution.protocol import Model
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.execution.row_blocks import in_row_blocks
from albert_np.execution.strict import StrictArray, as_kernel, counted, recorded, strict_backend

__all__ = [
    "PRECISIONS",
    "Launchers",
    "Model",
    "Pattern",
    "Replicas",
    "Run",
    "StrictArray",
    "as_kernel",
    "available_threads",
    "counted",
    "dense_pattern",
    "in_row_blocks",
    "kernel_for",
    "laid_out",
    "on_device",
    "packed_pattern",
    "precision_of_products",
    "product",
    "recorded",
    "rounded",
    "split",
    "strict_backend",
]
