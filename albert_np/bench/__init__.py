"""Benchmarks side by side with PyTorch and ONNX Runtime, and a profile of a step beside what the machine allows."""

from albert_np.bench.comparison import Contender, DisagreementError, Result, compare
from albert_np.bench.contenders import RIVALS, tf32
from albert_np.bench.measuring import machine, measure_growth, measure_tokenizers, measure_workload
from albert_np.bench.memory import measure_memory
from albert_np.bench.profile import Profile, profile_workload
from albert_np.bench.ranks import Network, RankTimes, measure_ranks, predicted_step
from albert_np.bench.workloads import SENTENCE_LENGTHS, Workload, forward_workload, model_class, step_workload

__all__ = [
    "RIVALS",
    "SENTENCE_LENGTHS",
    "Contender",
    "DisagreementError",
    "Network",
    "Profile",
    "RankTimes",
    "Result",
    "Workload",
    "compare",
    "forward_workload",
    "machine",
    "measure_growth",
    "measure_memory",
    "measure_ranks",
    "measure_tokenizers",
    "measure_workload",
    "model_class",
    "predicted_step",
    "profile_workload",
    "step_workload",
    "tf32",
]
