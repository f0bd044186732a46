"""The same numbers, sooner: formulas in row blocks, real tokens alone, a batch on all cores."""

from albert_np.execution.pattern import Pattern, Run, dense_pattern, packed_pattern
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.execution.row_blocks import in_row_blocks

__all__ = [
    "Pattern",
    "Replicas",
    "Run",
    "available_threads",
    "dense_pattern",
    "in_row_blocks",
    "packed_pattern",
    "split",
]
