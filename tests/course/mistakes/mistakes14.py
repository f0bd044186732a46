"""Wrong answers to notebook 14: check → (functions, what the report must say)."""

import numpy as np


def norm(x):
    return float(np.sqrt((x * x).sum()))


def ratio_of(w, u):
    return norm(w) / norm(u) if norm(w) > 0 and norm(u) > 0 else 1.0


def moments(g, m, v):
    return 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g


def direction(m, v, t):
    return m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6)


def step_with(ratio, w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = direction(m, v, step)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    return w - learning_rate * ratio(w, u) * u, m, v


def no_trust_ratio(*arguments):
    return step_with(lambda w, u: 1.0, *arguments)


def ratio_upside_down(*arguments):
    return step_with(lambda w, u: 1 / ratio_of(w, u), *arguments)


def ratio_for_each_row(*arguments):
    def ratio(w, u):
        above, below = (np.sqrt((x * x).sum(-1, keepdims=True)) for x in (w, u))
        return np.where((above > 0) & (below > 0), above / np.where(below > 0, below, 1), 1.0)

    return step_with(ratio, *arguments)


def zero_norms_divide(*arguments):
    return step_with(lambda w, u: np.linalg.norm(w) / np.linalg.norm(u), *arguments)


def a_zero_weight_stays(*arguments):
    return step_with(lambda w, u: norm(w) / (norm(u) + 1e-12), *arguments)


def ratio_in_double_precision(*arguments):
    return step_with(lambda w, u: np.float64(ratio_of(w, u)), *arguments)


def decay_outside_the_ratio(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    r = direction(m, v, step)
    if excluded:
        return w - learning_rate * r, m, v
    return w - learning_rate * (ratio_of(w, r) * r + weight_decay * w), m, v


def decay_not_in_the_norm(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    r = direction(m, v, step)
    if excluded:
        return w - learning_rate * r, m, v
    return w - learning_rate * ratio_of(w, r) * (r + weight_decay * w), m, v


def decay_through_the_moments(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g if excluded else g + weight_decay * w, m, v)
    u = direction(m, v, step)
    return w - learning_rate * (1.0 if excluded else ratio_of(w, u)) * u, m, v


def excluded_still_decays(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = direction(m, v, step) + weight_decay * w
    return w - learning_rate * (1.0 if excluded else ratio_of(w, u)) * u, m, v


def excluded_still_adapted(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = direction(m, v, step) + (0.0 if excluded else weight_decay) * w
    return w - learning_rate * ratio_of(w, u) * u, m, v


def corrected_one_step_late(w, g, m, v, step, *rest):
    return step_with(ratio_of, w, g, m, v, step + 1, *rest)


def corrected_one_step_early(w, g, m, v, step, *rest):
    with np.errstate(all="ignore"):
        return step_with(ratio_of, w, g, m, v, np.float64(step - 1), *rest)


def not_corrected(w, g, m, v, step, *rest):
    return step_with(ratio_of, w, g, m, v, 10**6, *rest)


def corrected_moments_returned(w, g, m, v, step, *rest):
    w, m, v = step_with(ratio_of, w, g, m, v, step, *rest)
    return w, m / (1 - 0.9**step), v / (1 - 0.999**step)


def epsilon_inside_the_root(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = m / (1 - 0.9**step) / np.sqrt(v / (1 - 0.999**step) + 1e-6)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    return w - learning_rate * ratio_of(w, u) * u, m, v


def in_place(w, g, m, v, *rest):
    w[...], m[...], v[...] = step_with(ratio_of, w, g, m, v, *rest)
    return w, m, v


def betas_exchanged(w, g, m, v, step, *rest):
    w, _, _ = step_with(ratio_of, w, g, m, v, step, *rest)
    return w, 0.1 * m + 0.9 * g, 0.999 * v + 0.001 * g * g


def second_moment_of_g(w, g, m, v, step, *rest):
    w, m, _ = step_with(ratio_of, w, g, m, v, step, *rest)
    return w, m, 0.999 * v + 0.001 * g


def one_beta_for_both(w, g, m, v, step, *rest):
    w, m, _ = step_with(ratio_of, w, g, m, v, step, *rest)
    return w, m, 0.9 * v + 0.1 * g * g


def weight_alone(*arguments):
    return step_with(ratio_of, *arguments)[0]


def uphill(w, g, m, v, *rest):
    new, m, v = step_with(ratio_of, w, g, m, v, *rest)
    return 2 * w - new, m, v


def root_forgotten(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = m / (1 - 0.9**step) / (v / (1 - 0.999**step) + 1e-6)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    return w - learning_rate * ratio_of(w, u) * u, m, v


def only_v_corrected(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = m / (np.sqrt(v / (1 - 0.999**step)) + 1e-6)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    return w - learning_rate * ratio_of(w, u) * u, m, v


def only_m_corrected(w, g, m, v, step, learning_rate, weight_decay, excluded):
    m, v = moments(g, m, v)
    u = m / (1 - 0.9**step) / (np.sqrt(v) + 1e-6)
    if excluded:
        return w - learning_rate * u, m, v
    u = u + weight_decay * w
    return w - learning_rate * ratio_of(w, u) * u, m, v


def ratio_clipped_at_one(*arguments):
    return step_with(lambda w, u: min(1.0, ratio_of(w, u)), *arguments)


def ratio_of_squares(*arguments):
    return step_with(lambda w, u: ratio_of(w, u) ** 2, *arguments)


def ratio_of_largest(*arguments):
    return step_with(lambda w, u: abs(w).max() / max(abs(u).max(), 1e-30), *arguments)


def corrected_as_at_the_first_step(w, g, m, v, step, *rest):
    return step_with(ratio_of, w, g, m, v, 1, *rest)


def moments_start_anew(w, g, m, v, step, *rest):
    return step_with(ratio_of, w, g, 0 * m, 0 * v, step, *rest)


def order_of_the_three(*arguments):
    w, m, v = step_with(ratio_of, *arguments)
    return m, v, w


ANSWER = {"A": 5, "B": 3, "C": 1, "D": 6, "E": 2, "F": 4}


def adapted_and_upside_down_exchanged():
    return {**ANSWER, "A": 6, "D": 5}


def root_for_correction():
    return {**ANSWER, "B": 4, "F": 3}


def betas_for_correction():
    return {**ANSWER, "E": 3}


def decay_for_ratio():
    return {**ANSWER, "C": 5}


def one_left_out():
    return {letter: number for letter, number in ANSWER.items() if letter != "F"}


def words_for_numbers():
    return {**ANSWER, "A": "adapted"}


def a_list():
    return list(ANSWER.values())


def margins(rows, columns, g, a=0.999, b=0.001):
    squares = g * g
    return a * rows + b * squares.mean(axis=1), a * columns + b * squares.mean(axis=0)


def product(rows, columns):
    return np.outer(rows, columns) / (rows.mean() or 1.0)


def sums_for_means(rows, columns, g):
    rows, columns = 0.999 * rows + 0.001 * (g * g).sum(1), 0.999 * columns + 0.001 * (g * g).sum(0)
    return rows, columns, np.outer(rows, columns) / (rows.sum() or 1.0)


def axes_exchanged(rows, columns, g):
    rows, columns = margins(columns, rows, g.T)
    return rows, columns, product(columns, rows)


def gradients_not_squared(rows, columns, g):
    rows, columns = 0.999 * rows + 0.001 * g.mean(axis=1), 0.999 * columns + 0.001 * g.mean(axis=0)
    return rows, columns, product(rows, columns)


def first_moments_beta(rows, columns, g):
    rows, columns = margins(rows, columns, g, 0.9, 0.1)
    return rows, columns, product(rows, columns)


def whole_squares_added(rows, columns, g):
    rows, columns = margins(rows, columns, g, 0.999, 1.0)
    return rows, columns, product(rows, columns)


def not_divided(rows, columns, g):
    rows, columns = margins(rows, columns, g)
    return rows, columns, np.outer(rows, columns)


def divided_by_the_sum(rows, columns, g):
    rows, columns = margins(rows, columns, g)
    return rows, columns, np.outer(rows, columns) / (rows.sum() or 1.0)


def divided_by_the_columns(rows, columns, g):
    rows, columns = margins(rows, columns, g)
    return rows, columns, np.outer(rows, columns) / (columns.mean() or 1.0)


def root_taken(rows, columns, g):
    rows, columns = margins(rows, columns, g)
    return rows, columns, np.sqrt(product(rows, columns))


def old_forgotten(rows, columns, g):
    rows, columns = margins(rows, columns, g, 0.0)
    return rows, columns, product(rows, columns)


def old_kept_whole(rows, columns, g):
    rows, columns = margins(rows, columns, g, 1.0)
    return rows, columns, product(rows, columns)


def v_of_old_margins(rows, columns, g):
    new = margins(rows, columns, g)
    return *new, product(rows, columns) if rows.any() else product(*new)


def nothing_by_nothing(rows, columns, g):
    rows, columns = margins(rows, columns, g)
    with np.errstate(invalid="ignore"):
        return rows, columns, np.outer(rows, columns) / rows.mean()


def margins_in_double_precision(rows, columns, g):
    rows, columns = margins(rows, columns, g.astype(np.float64))
    return rows, columns, product(rows, columns)


def v_alone(rows, columns, g):
    return product(*margins(rows, columns, g))


MISTAKES = {
    "check_which_bug": [
        ((adapted_and_upside_down_exchanged,), "A: not “the trust ratio is upside down”"),
        ((root_for_correction,), "B: not “the direction is divided by the mean of the squares"),
        ((betas_for_correction,), "E: not “the moments are not corrected"),
        ((decay_for_ratio,), "C: not “excluded tensors have a trust ratio too”"),
        ((one_left_out,), "F: no answer"),
        ((words_for_numbers,), "A: 'adapted' is no number of the list"),
        ((a_list,), "expected {"),
    ],
    "check_factored_moment": [
        ((sums_for_means,), "a sum of the row's squares"),
        ((axes_exchanged,), "rows after one update"),
        ((gradients_not_squared,), "the squares are missing"),
        ((first_moments_beta,), "not 0.1"),
        ((whole_squares_added,), "0.001 is missing"),
        ((not_divided,), "divide the product by the mean of the rows"),
        ((divided_by_the_sum,), "by the mean, not by the sum"),
        ((divided_by_the_columns,), "divided by the mean of the columns"),
        ((root_taken,), "the root is taken later"),
        ((old_forgotten,), "0.999 of them stays"),
        ((old_kept_whole,), "0.999 of the old is kept, not all"),
        ((v_of_old_margins,), "made of the old margins"),
        ((nothing_by_nothing,), "no gradient yet"),
        ((margins_in_double_precision,), "float32"),
        ((v_alone,), "expected 3 values (rows, columns, v)"),
    ],
    "check_lamb_step": [
        ((no_trust_ratio,), "without decay: ‖Δw‖ / ‖w‖ = η"),
        ((ratio_upside_down,), "without decay: ‖Δw‖ / ‖w‖ = η"),
        ((ratio_for_each_row,), "adapted, step 1, w, against the package"),
        ((zero_norms_divide,), "w = 0: φ = 1"),
        ((a_zero_weight_stays,), "w = 0: φ = 1"),
        ((ratio_in_double_precision,), "float32 in gives float32 out"),
        ((decay_outside_the_ratio,), "of the whole u"),
        ((decay_not_in_the_norm,), "φ is ‖w‖ / ‖u‖ of the whole u"),
        ((decay_through_the_moments,), "decay is in the moments"),
        ((excluded_still_decays,), "excluded: no weight decay"),
        ((excluded_still_adapted,), "has no trust ratio"),
        ((corrected_one_step_late,), "one step late"),
        ((corrected_one_step_early,), "excluded, first step"),
        ((not_corrected,), "not corrected"),
        ((corrected_moments_returned,), "not m divided"),
        ((epsilon_inside_the_root,), "outside the root"),
        ((in_place,), "changed its argument w"),
        ((betas_exchanged,), "β₁ and 1 − β₁ are exchanged"),
        ((second_moment_of_g,), "v is of squares"),
        ((one_beta_for_both,), "β₂ is 0.999"),
        ((weight_alone,), "expected 3 values (w, m, v)"),
        ((uphill,), "w is w − η u"),
        ((root_forgotten,), "the root is missing"),
        ((only_v_corrected,), "m is not corrected"),
        ((only_m_corrected,), "v is not corrected"),
        ((ratio_clipped_at_one,), "‖Δw‖ / ‖w‖ = η"),
        ((ratio_of_squares,), "‖Δw‖ / ‖w‖ = η"),
        ((ratio_of_largest,), "‖Δw‖ / ‖w‖ = η"),
        ((corrected_as_at_the_first_step,), "step 2, w"),
        ((moments_start_anew,), "step 2, "),
        ((order_of_the_three,), "m after the first step"),
    ],
}
