"""Solutions of notebook 19."""

import math

from albert_np.backend import array_module


def gelu_any(x):
    xp = array_module(x)
    inner = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)
    return 0.5 * x * (1 + xp.tanh(inner))


ANSWERS = {"check_gelu_any": (gelu_any,)}
