"""Wrong answers to notebook 19: check → (functions, what the report must say)."""

import math

import numpy as np

from albert_np.backend import array_module, backend_of

SCALE = math.sqrt(2 / math.pi)


def tanh_of_numpy(x):
    return 0.5 * x * (1 + np.tanh(SCALE * x * (1 + 0.044715 * x * x)))


def turned_into_numpy(x):
    x = np.asarray(x)
    return 0.5 * x * (1 + np.tanh(SCALE * x * (1 + 0.044715 * x * x)))


def there_and_back(x):
    backend = backend_of(x)
    return backend.from_numpy(tanh_of_numpy(backend.to_numpy(x)))


def scale_of_float64(x):
    return 0.5 * x * (1 + array_module(x).tanh(np.sqrt(2 / np.pi) * x * (1 + 0.044715 * x * x)))


def computed_in_float64(x):
    xp = array_module(x)
    wide = x.astype(xp.float64)
    return (0.5 * wide * (1 + xp.tanh(SCALE * wide * (1 + 0.044715 * wide * wide)))).astype(x.dtype)


def cube_as_power(x):
    return 0.5 * x * (1 + array_module(x).tanh(SCALE * (x + 0.044715 * x**3)))


def in_place(x):
    t = array_module(x).tanh(SCALE * x * (1 + 0.044715 * x * x))
    x *= 0.5 * (1 + t)
    return x


MISTAKES = {
    "check_gelu_any": [
        ((tanh_of_numpy,), "take functions from array_module(x)"),
        ((turned_into_numpy,), "does not turn into a NumPy array"),
        ((there_and_back,), "two trips between GPU and host"),
        ((scale_of_float64,), "it became float64"),
        ((computed_in_float64,), "float64 in astype"),
        ((cube_as_power,), "x**3 is far slower"),
        ((in_place,), "changed its argument x"),
    ]
}
