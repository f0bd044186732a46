"""The same numbers, sooner: row blocks, real tokens alone, all cores; and strict arrays, which stand in for a GPU."""

from albert_np.execution.pattern import Packing, Run, make_packing, pack, put_rows, take_rows, unpack
from albert_np.execution.protocol import Model
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.execution.row_blocks import in_row_blocks, keep_freed_memory
from albert_np.execution.strict import StrictArray, recorded, strict_backend

__all__ = [
    "Model",
    "Packing",
    "Replicas",
    "Run",
    "StrictArray",
    "available_threads",
    "in_row_blocks",
    "keep_freed_memory",
    "make_packing",
    "pack",
    "put_rows",
    "recorded",
    "split",
    "strict_backend",
    "take_rows",
    "unpack",
]
