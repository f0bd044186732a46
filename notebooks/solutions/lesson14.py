"""Solutions of notebook 14."""

import math

import numpy as np


def lamb_step(w, g, m, v, step, learning_rate, weight_decay=0.01, excluded=False):
    beta1, beta2, epsilon = 0.9, 0.999, 1e-6
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    u = m_hat / (np.sqrt(v_hat) + epsilon)
    ratio = 1.0
    if not excluded:
        u = u + weight_decay * w
        w_norm, u_norm = math.sqrt((w * w).sum()), math.sqrt((u * u).sum())
        if w_norm > 0 and u_norm > 0:
            ratio = w_norm / u_norm
    return w - learning_rate * ratio * u, m, v


def which_bug():
    return {"A": 5, "B": 3, "C": 1, "D": 6, "E": 2, "F": 4}


def factored_moment(rows, columns, g):
    squares = g * g
    rows = 0.999 * rows + 0.001 * squares.mean(axis=1)
    columns = 0.999 * columns + 0.001 * squares.mean(axis=0)
    mean = float(rows.mean())
    v = np.outer(rows, columns)
    return rows, columns, v / mean if mean > 0 else v


ANSWERS = {
    "check_lamb_step": (lamb_step,),
    "check_which_bug": (which_bug,),
    "check_factored_moment": (factored_moment,),
}
