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


ANSWERS = {"check_lamb_step": (lamb_step,)}
