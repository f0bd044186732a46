"""Right answers to notebook 14, written otherwise: check → functions."""

import numpy as np


def by_numpys_norm(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = m + 0.1 * (g - m), v + 0.001 * (g**2 - v)
    u = m / (1 - 0.9**step) / (v**0.5 / (1 - 0.999**step) ** 0.5 + 1e-6)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    above, below = float(np.linalg.norm(w)), float(np.linalg.norm(u))
    return w - learning_rate * (above / below if above and below else 1.0) * u, m, v


def one_expression_each(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    decay = 0.0 if excluded else weight_decay
    u = m / ((1 - 0.9**step) * (np.sqrt(v / (1 - 0.999**step)) + 1e-6)) + decay * w
    squares = float((w * w).sum()), float((u * u).sum())
    phi = 1.0 if excluded or 0.0 in squares else (squares[0] / squares[1]) ** 0.5
    return [w - u * (learning_rate * phi), m, v]


def named_in_another_order():
    return dict(zip("FEDCBA", (4, 2, 6, 1, 3, 5), strict=True))


def by_einsum(rows, columns, g):
    n, k = g.shape
    rows = rows + 0.001 * (np.einsum("ij,ij->i", g, g) / k - rows)
    columns = columns + 0.001 * (np.einsum("ij,ij->j", g, g) / n - columns)
    total = rows.sum()
    return [rows, columns, rows[:, None] * (n * columns / total if total else columns)]


def by_means_of_columns(rows, columns, g):
    rows = 0.999 * rows + 0.001 * np.mean(g**2, 1)
    columns = 0.999 * columns + 0.001 * np.mean(g**2, 0)
    with np.errstate(invalid="ignore"):
        return rows, columns, np.nan_to_num(rows[:, np.newaxis] @ columns[np.newaxis] / rows.mean())


RIGHT = {
    "check_lamb_step": [(by_numpys_norm,), (one_expression_each,)],
    "check_which_bug": [(named_in_another_order,)],
    "check_factored_moment": [(by_einsum,), (by_means_of_columns,)],
}
