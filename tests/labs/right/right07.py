"""Right answers to lab 7 that are written otherwise than its solution."""

import math

import numpy as np


def lion_as_a_nudge(w, g, m, lr, beta1, beta2, decay):
    mixed = m + (1 - beta1) * (g - m)
    w = w * (1 - lr * decay)
    w = np.where(mixed > 0, w - lr, np.where(mixed < 0, w + lr, w)).astype(g.dtype)
    return [w, m + (1 - beta2) * (g - m)]


def lion_in_float64(w, g, m, lr, beta1, beta2, decay):
    kind = w.dtype
    w, g, m = (np.array(x, dtype=np.float64) for x in (w, g, m))
    w -= lr * decay * w + lr * np.sign(g + beta1 / (1 - beta1) * m)
    m *= beta2
    m += g - beta2 * g
    return w.astype(kind), m.astype(kind)


def adafactor_with_v_written_out(w, g, row, column, step, lr):
    rho = 1 - 1 / step**0.8
    e = g.astype(np.float64) ** 2 + 1e-30
    row = rho * row + (1 - rho) * e.mean(1)
    column = rho * column + (1 - rho) * e.mean(0)
    v = np.outer(row, column) / row.mean()
    u = g / np.sqrt(v)
    size = np.sqrt((u**2).mean())
    u = u / size if size > 1 else u
    alpha = lr * np.maximum(np.sqrt((w**2).mean()), 1e-3)
    return [x.astype(w.dtype) for x in (w - alpha * u, row, column)]


def adafactor_with_the_mean_of_the_columns(w, g, row, column, step, lr):
    share = float(step) ** -0.8
    squares = np.square(g) + g.dtype.type(1e-30)
    new_row = row + share * (np.einsum("ij->i", squares) / g.shape[1] - row)
    new_column = column + share * (np.einsum("ij->j", squares) / g.shape[0] - column)
    inverse = np.power(new_row, -0.5)[:, np.newaxis] * np.power(new_column / new_column.mean(), -0.5)[np.newaxis]
    u = g * inverse
    u = u / max(1, math.sqrt(float(np.mean(u * u))))
    scale = max(1e-3, math.sqrt(float(np.mean(w * w))))
    return w + (-lr * scale) * u, new_row, new_column


def orthogonalise_with_a_small_number(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (np.linalg.norm(g) + 1e-7)
    for _ in range(5):
        inner = x.T @ x
        x = x @ (a * np.eye(len(inner), dtype=g.dtype) + b * inner + c * inner @ inner)
    return x


def muon_in_one_line(w, g, m, lr, momentum):
    new = momentum * m + g
    look = (1 + momentum) * g + momentum**2 * m
    factor = math.sqrt(w.shape[0] / w.shape[1]) if w.shape[0] > w.shape[1] else 1
    return w - lr * factor * orthogonalise_with_a_small_number(look), new


def orthogonalise_by_singular_values(g):
    left, sigma, right = np.linalg.svd(g, full_matrices=False)
    sigma = sigma / np.sqrt((sigma**2).sum())
    for _ in range(5):
        sigma = sigma * (3.4445 + sigma**2 * (-4.7750 + 2.0315 * sigma**2))
    return left * sigma @ right


def muon_with_a_list(w, g, m, lr, momentum):
    m = m * momentum
    m += g
    step = orthogonalise_by_singular_values(g + m * momentum) * max(1.0, w.shape[-2] / w.shape[-1]) ** 0.5
    return [w - step * lr, m]


def wsd_as_a_minimum(step, steps, peak, warmup, decay):
    up = (step + 1) / warmup if warmup else 1.0
    over = max(0, step - steps + decay)
    down = 1 - np.sqrt(over / decay) if decay else 1.0
    return peak * min(up, 1.0, down)


def wsd_stage_by_stage(step, steps, peak, warmup, decay):
    if step >= steps - decay and decay > 0:
        return np.float64(peak - peak * math.sqrt((decay - (steps - step)) / decay))
    return min(peak, peak * (step + 1) / max(warmup, 1)) if step < warmup else peak


def clip_row_by_row(g, w, most):
    rows = []
    for row, weights in zip(g, w, strict=True):
        bound = most * max(math.sqrt(float(weights @ weights)), 1e-3)
        length = math.sqrt(float(row @ row))
        rows.append(row * (bound / length) if length > bound else row)
    return np.stack(rows)


def clip_by_a_factor(g, w, most):
    bound = np.maximum(np.sqrt(np.einsum("ij,ij->i", w, w)), 1e-3) * most
    length = np.sqrt(np.einsum("ij,ij->i", g, g))
    factor = np.minimum(1, bound / np.where(length == 0, 1, length))
    return (g * factor[:, None]).astype(g.dtype)


def clip_with_a_copy(g, w, most):
    g = g.copy()
    length, bound = np.linalg.norm(g, axis=-1), most * np.clip(np.linalg.norm(w, axis=-1), 1e-3, None)
    long = length > bound
    g[long] *= (bound[long] / length[long])[:, None]
    return g


RIGHT = {
    "lion_step": [lion_as_a_nudge, lion_in_float64],
    "adafactor_step": [adafactor_with_v_written_out, adafactor_with_the_mean_of_the_columns],
    "muon": [
        (orthogonalise_with_a_small_number, muon_in_one_line),
        (orthogonalise_by_singular_values, muon_with_a_list),
    ],
    "wsd": [wsd_as_a_minimum, wsd_stage_by_stage],
    "clip_rows": [clip_row_by_row, clip_by_a_factor, clip_with_a_copy],
}
