"""Faster ways to the same numbers: row blocks, real tokens alone, all cores. Strict arrays stand in for a GPU."""

from albert_np.execution.pattern import Pattern, Run, dense_pattern, packed_pattern
from albert_np.execution.processes import Processes, peak_memory
from albert_np.execution.products import PRECISIONS, laid_out, precision_of_products, product, rounded
from albert_np.execution.protocol import Model
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.execution.row_blocks import in_row_blocks
from albert_np.execution.strict import StrictArray, as_kernel, counted, recorded, strict_backend

__all__ = [
    "PRECISIONS",
    "Model",
    "Pattern",
    "Processes",
    "Replicas",
    "Run",
    "StrictArray",
    "as_kernel",
    "available_threads",
    "counted",
    "dense_pattern",
    "in_row_blocks",
    "laid_out",
    "packed_pattern",
    "peak_memory",
    "precision_of_products",
    "product",
    "recorded",
    "rounded",
    "split",
    "strict_backend",
]
