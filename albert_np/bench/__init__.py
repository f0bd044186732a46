"""Benchmarks side by side with PyTorch and ONNX Runtime, and a profile of a step beside what the machine allows."""

from albert_np.bench.cases import SENTENCE_LENGTHS, Case, forward_case, model_class, step_case
from albert_np.bench.comparison import Contender, DisagreementError, Result, compare
from albert_np.bench.machine import machine
from albert_np.bench.measure import measure_case, measure_growth
from albert_np.bench.memory import measure_memory
from albert_np.bench.profile import Profile, profile_case
from albert_np.bench.rivals import RIVALS
from albert_np.bench.tokenizing import measure_tokenizers

__all__ = [
    "RIVALS",
    "SENTENCE_LENGTHS",
    "Case",
    "Contender",
    "DisagreementError",
    "Profile",
    "Result",
    "compare",
    "forward_case",
    "machine",
    "measure_case",
    "measure_growth",
    "measure_memory",
    "measure_tokenizers",
    "model_class",
    "profile_case",
    "step_case",
]
