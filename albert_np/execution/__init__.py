"""Faster ways to the same numbers: blocks, real tokens alone, all cores, many machines; strict arrays for tests."""

from albert_np.execution.device import kernel_for, on_device
from albert_np.execution.head_blocks import AttentionCall, back_in_head_blocks, in_head_blocks, keeps_probabilities
from albert_np.execution.kernels import Launchers
from albert_np.execution.masks import keep_mask
from albert_np.execution.offload import all_arrived, brought_back, handed_out, host_copy, passed_through
from albert_np.execution.pattern import Pattern, Run, dense_pattern, packed_pattern
from albert_np.execution.precision import (
    PRECISIONS,
    for_products,
    is_narrowed,
    precision_of_products,
    rounded,
    weight_for_products,
    weights_rounded_once,
    widened,
)
from albert_np.execution.processes import Processes, peak_memory
from albert_np.execution.products import laid_out, product
from albert_np.execution.protocol import Model
from albert_np.execution.ranks import ALONE, RankError, Ranks, place_in_job, this_job
from albert_np.execution.replicas import Replicas, available_threads, split, threads_for, threads_in_all
from albert_np.execution.row_blocks import in_row_blocks
from albert_np.execution.scatter import scatter_add
from albert_np.execution.strict import StrictArray, as_kernel, counted, recorded, strict_backend

__all__ = [
    "ALONE",
    "PRECISIONS",
    "AttentionCall",
    "Launchers",
    "Model",
    "Pattern",
    "Processes",
    "RankError",
    "Ranks",
    "Replicas",
    "Run",
    "StrictArray",
    "all_arrived",
    "as_kernel",
    "available_threads",
    "back_in_head_blocks",
    "brought_back",
    "counted",
    "dense_pattern",
    "for_products",
    "handed_out",
    "host_copy",
    "in_head_blocks",
    "in_row_blocks",
    "is_narrowed",
    "keep_mask",
    "keeps_probabilities",
    "kernel_for",
    "laid_out",
    "on_device",
    "packed_pattern",
    "passed_through",
    "peak_memory",
    "place_in_job",
    "precision_of_products",
    "product",
    "recorded",
    "rounded",
    "scatter_add",
    "split",
    "strict_backend",
    "this_job",
    "threads_for",
    "threads_in_all",
    "weight_for_products",
    "weights_rounded_once",
    "widened",
]
