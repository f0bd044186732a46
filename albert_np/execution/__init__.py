"""The same numbers, sooner: row blocks, real tokens alone, a batch on all cores."""

from albert_np.execution.pattern import Packing, Run, make_packing, pack, put_rows, take_rows, unpack
from albert_np.execution.protocol import Model
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.execution.row_blocks import in_row_blocks, keep_freed_memory

__all__ = [
    "Model",
    "Packing",
    "Replicas",
    "Run",
    "available_threads",
    "in_row_blocks",
    "keep_freed_memory",
    "make_packing",
    "pack",
    "put_rows",
    "split",
    "take_rows",
    "unpack",
]
