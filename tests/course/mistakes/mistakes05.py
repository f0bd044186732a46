"""Wrong answers to notebook 05: check → (functions, what the report must say)."""

import numpy as np


def without_the_mean(dy, x_hat, rstd, weight):
    dx_hat = dy * weight
    return rstd * (dx_hat - x_hat * (dx_hat * x_hat).mean(-1, keepdims=True))


def without_the_projection(dy, x_hat, rstd, weight):
    dx_hat = dy * weight
    return rstd * (dx_hat - dx_hat.mean(-1, keepdims=True))


def means_of_dy(dy, x_hat, rstd, weight):
    return rstd * weight * (dy - dy.mean(-1, keepdims=True) - x_hat * (dy * x_hat).mean(-1, keepdims=True))


def over_all_rows(dy, x_hat, rstd, weight):
    dx_hat = dy * weight
    return rstd * (dx_hat - dx_hat.mean() - x_hat * (dx_hat * x_hat).mean(-1, keepdims=True))


def in_place(dy, x_hat, rstd, weight):
    dy *= weight
    return rstd * (dy - dy.mean(-1, keepdims=True) - x_hat * (dy * x_hat).mean(-1, keepdims=True))


def weight_forgotten(dy, x_hat, rstd, weight):
    return rstd * (dy - dy.mean(-1, keepdims=True) - x_hat * (dy * x_hat).mean(-1, keepdims=True))


def rstd_forgotten(dy, x_hat, rstd, weight):
    d = dy * weight
    return d - d.mean(-1, keepdims=True) - x_hat * (d * x_hat).mean(-1, keepdims=True)


def divided_by_rstd(dy, x_hat, rstd, weight):
    return rstd_forgotten(dy, x_hat, rstd, weight) / rstd


def sums_for_means(dy, x_hat, rstd, weight):
    d = dy * weight
    return rstd * (d - d.sum(-1, keepdims=True) - x_hat * (d * x_hat).sum(-1, keepdims=True))


def plus_for_minus(dy, x_hat, rstd, weight):
    d = dy * weight
    return rstd * (d - d.mean(-1, keepdims=True) + x_hat * (d * x_hat).mean(-1, keepdims=True))


def projection_not_along_x_hat(dy, x_hat, rstd, weight):
    d = dy * weight
    return rstd * (d - d.mean(-1, keepdims=True) - (d * x_hat).mean(-1, keepdims=True))


def scaled_alone(dy, x_hat, rstd, weight):
    return rstd * dy * weight


def projection_over_all_rows(dy, x_hat, rstd, weight):
    d = dy * weight
    return rstd * (d - d.mean(-1, keepdims=True) - x_hat * (d * x_hat).mean())


def without_keepdims(dy, x_hat, rstd, weight):
    d = dy * weight
    return rstd * (d - d.mean(-1) - x_hat * (d * x_hat).mean(-1))


def only_the_first_sentence(dy, x_hat, rstd, weight):
    return rstd_forgotten(dy, x_hat, rstd, weight)[0] * rstd[0]


def a_double_precision_constant(dy, x_hat, rstd, weight):
    d = dy * weight
    h = np.float64(d.shape[-1])
    return rstd * (d - d.sum(-1, keepdims=True) / h - x_hat * ((d * x_hat).sum(-1, keepdims=True) / h))


def nothing_returned(dy, x_hat, rstd, weight):
    rstd * rstd_forgotten(dy, x_hat, rstd, weight)


MISTAKES = {
    "check_layer_norm_dx": [
        ((without_the_mean,), "Σ dx is not 0"),
        ((without_the_projection,), "Σ dx x̂ is not 0"),
        ((means_of_dy,), "not of dy"),
        ((over_all_rows,), "each row has its own"),
        ((in_place,), "changed its argument dy"),
        ((weight_forgotten,), "weight is missing"),
        ((rstd_forgotten,), "the factor rstd is missing"),
        ((divided_by_rstd,), "divided by rstd"),
        ((sums_for_means,), "each is divided by H"),
        ((plus_for_minus,), "sign of the part along"),
        ((projection_not_along_x_hat,), "has to be multiplied by x̂"),
        ((scaled_alone,), "both means are missing"),
        ((projection_over_all_rows,), "the mean of dx̂ x̂ is over all rows"),
        ((without_keepdims,), "in your line"),
        ((only_the_first_sentence,), "got shape (3, 7), expected (2, 3, 7)"),
        ((a_double_precision_constant,), "a float64"),
        ((nothing_returned,), "is a `return` missing"),
    ]
}
