"""Right answers to lab 9: other parts, each with its special case."""

import numpy as np
from toys.changes import ALIBI, RMS_NORM, SWIGLU, SWISH, WIRED


def rms_norm():
    return {"part": "norm", "parameters": RMS_NORM[2]}


def rms_norm_of_centred_rows(rng):
    x = rng.standard_normal((2, 3, 5))
    x -= x.mean(axis=-1, keepdims=True)
    weight = rng.standard_normal(5)
    return (x, weight, 1e-6), (x, weight, np.zeros(5), 1e-6)


def swiglu():
    return {"part": "feed_forward", "parameters": SWIGLU[2]}


def swiglu_without_a_gate(rng):
    """The last number of x is 1, and the plain half reads it alone: silu(x gateᵀ) outᵀ."""
    x, gate, out = rng.standard_normal((2, 3, 4)), rng.standard_normal((6, 4)), rng.standard_normal((4, 6))
    x[..., -1] = 1
    plain = np.zeros((6, 4))
    plain[:, -1] = 1
    return (x, gate, plain, out), (x, gate, np.zeros(6), out, np.zeros(4), "silu")


def alibi():
    return {"part": "attention"}


def alibi_of_one_place(rng):
    """One key: there is nothing to be near to."""
    query, key, value = rng.standard_normal((3, 4, 2, 1, 3))
    return (query, key, value, None, 0.0, None), (query, key, value, None)


def swish():
    return {"part": "activation", "parameters": SWISH[2]}


def swish_of_one(rng):
    x = rng.standard_normal((2, 3, 4))
    return (x, np.ones(1)), (x, "silu")


def one_swish():
    return {"part": "activation", "parameters": {"beta": ((), 1.5)}}


def one_swish_backward(dy, cache):
    dx, dbeta = SWISH[1](dy, cache)
    return dx, dbeta.reshape(())


def one_swish_of_one(rng):
    x = rng.standard_normal((2, 3, 4))
    return (x, np.array(1.0)), (x, "silu")


def prelu():
    return {"part": "activation", "parameters": {"slope": ((1,), 0.25)}}


def prelu_of_each():
    return {"part": "activation", "parameters": {"slope": (("I",), 0.25)}}


def prelu_forward(x, slope):
    return np.where(x > 0, x, slope * x), (x, slope)


def prelu_backward(dy, cache):
    x, slope = cache
    below = (dy * np.minimum(x, 0)).reshape(-1, x.shape[-1]).sum(axis=0)
    return np.where(x > 0, dy, slope * dy), below if slope.size == x.shape[-1] else below.sum().reshape(1)


def prelu_of_zero(rng):
    x = rng.standard_normal((2, 3, 4))
    return (x, np.zeros(1)), (x, "relu")


def wired():
    return {"part": "wiring", "parameters": WIRED[2], "schedule": [0, 1, 0]}


def wired_without_norms(rng):
    x = rng.standard_normal((2, 3, 4))
    functions = ("tanh", "tanh", "identity", "identity")
    return (x, np.ones(4), *functions), (x, *functions)


def squared_relu():
    return {"part": "activation", "parameters": {}}


def squared_relu_forward(x):
    return np.maximum(x, 0) ** 2, x


def squared_relu_backward(dy, x):
    return dy * 2 * np.maximum(x, 0)


def zero_or_one(rng):
    x = np.where(rng.random((2, 3, 4)) < 0.5, 1.0, 0.0)
    return (x,), (x, "relu")


ANSWERS = [
    (rms_norm, *RMS_NORM[:2], rms_norm_of_centred_rows),
    (swiglu, *SWIGLU[:2], swiglu_without_a_gate),
    (alibi, *ALIBI, alibi_of_one_place),
    (swish, *SWISH[:2], swish_of_one),
    (one_swish, SWISH[0], one_swish_backward, one_swish_of_one),
    (prelu, prelu_forward, prelu_backward, prelu_of_zero),
    (prelu_of_each, prelu_forward, prelu_backward, prelu_of_zero),
    (wired, *WIRED[:2], wired_without_norms),
    (squared_relu, squared_relu_forward, squared_relu_backward, zero_or_one),
]
RIGHT = {
    "part": [answer[:3] for answer in ANSWERS],
    "special_case": [(answer[0], answer[1], answer[3]) for answer in ANSWERS],
}
