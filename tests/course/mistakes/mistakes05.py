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


def _verdict(mean, projection):
    return {(0, 0): "nothing", (1, 0): "mean", (0, 1): "projection", (1, 1): "both"}[bool(mean), bool(projection)]


def absolute_tolerance(dx, x_hat):
    return _verdict(abs(dx.sum(-1)).max() > 1e-6, abs((dx * x_hat).sum(-1)).max() > 1e-6)


def summed_over_all_rows(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    return _verdict(abs(dx.sum()) > allowed, abs((dx * x_hat).sum()) > allowed)


def sign_kept(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    return _verdict(dx.sum(-1).mean() > allowed, (dx * x_hat).sum(-1).mean() > allowed)


def exactly_zero(dx, x_hat):
    return _verdict((dx.sum(-1) != 0).any(), ((dx * x_hat).sum(-1) != 0).any())


def names_swapped(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    return _verdict(abs((dx * x_hat).sum(-1)).max() > allowed, abs(dx.sum(-1)).max() > allowed)


def never_both(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    if abs(dx.sum(-1)).max() > allowed:
        return "mean"
    return "projection" if abs((dx * x_hat).sum(-1)).max() > allowed else "nothing"


def true_or_false(dx, x_hat):
    return bool(abs(dx.sum(-1)).max() < 1e-4 * abs(dx).max())


def words_of_ones_own(dx, x_hat):
    return "the mean is missing"


def tighter_than_float32(dx, x_hat):
    allowed = 1e-12 * abs(dx).max()
    return _verdict(abs(dx.sum(-1)).max() > allowed, abs((dx * x_hat).sum(-1)).max() > allowed)


def only_the_first_row(dx, x_hat):
    return with_largest(dx[0, 0], x_hat[0, 0])


def with_largest(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    return _verdict(abs(dx.sum(-1)).max() > allowed, abs((dx * x_hat).sum(-1)).max() > allowed)


def _numbers(**other):
    return {"A": 4, "B": 6, "C": 1, "D": 5, "E": 3, "F": 2} | other


def mean_and_projection_swapped():
    return _numbers(A=3, E=4)


def weight_for_rstd():
    return _numbers(B=5)


def rstd_for_weight():
    return _numbers(D=6)


def weight_left_out_for_weight_afterwards():
    return _numbers(F=5)


def mean_of_a_row_for_all_rows():
    return _numbers(C=3)


def mean_of_all_rows_for_a_row():
    return _numbers(E=1)


def two_letters_forgotten():
    return {"A": 4, "B": 6, "C": 1, "D": 5}


def a_list_of_numbers():
    return [4, 6, 1, 5, 3, 2]


def _rms(dy, x_hat, r, weight):
    g = dy * weight
    return r * (g - x_hat * (g * x_hat).mean(-1, keepdims=True))


def _dweight(dy, x_hat):
    return (dy * x_hat).sum(axis=(0, 1))


def as_in_layer_norm(dy, x_hat, r, weight):
    g = dy * weight
    return _rms(dy, x_hat, r, weight) - r * g.mean(-1, keepdims=True), _dweight(dy, x_hat)


def only_scaled(dy, x_hat, r, weight):
    return r * dy * weight, _dweight(dy, x_hat)


def r_forgotten(dy, x_hat, r, weight):
    return _rms(dy, x_hat, 1, weight), _dweight(dy, x_hat)


def rms_weight_forgotten(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, 1), _dweight(dy, x_hat)


def a_sum_for_the_mean(dy, x_hat, r, weight):
    g = dy * weight
    return r * (g - x_hat * (g * x_hat).sum(-1, keepdims=True)), _dweight(dy, x_hat)


def rms_plus_for_minus(dy, x_hat, r, weight):
    g = dy * weight
    return r * (g + x_hat * (g * x_hat).mean(-1, keepdims=True)), _dweight(dy, x_hat)


def rms_over_all_rows(dy, x_hat, r, weight):
    g = dy * weight
    return r * (g - x_hat * (g * x_hat).mean()), _dweight(dy, x_hat)


def weights_gradient_without_x_hat(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, weight), dy.sum(axis=(0, 1))


def weights_gradient_averaged(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, weight), (dy * x_hat).mean(axis=(0, 1))


def weights_gradient_of_each_row(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, weight), dy * x_hat


def weights_gradient_times_weight(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, weight), _dweight(dy * weight, x_hat)


def dx_alone(dy, x_hat, r, weight):
    return _rms(dy, x_hat, r, weight)


def the_other_order(dy, x_hat, r, weight):
    return _dweight(dy, x_hat), _rms(dy, x_hat, r, weight)


def jacobian_of_float64(dy, x_hat, rstd, weight):
    H = dy.shape[-1]
    jacobian = np.eye(H) - 1 / H - x_hat[..., :, None] * x_hat[..., None, :] / H
    return (rstd[..., None] * jacobian @ (dy * weight)[..., None])[..., 0]


MISTAKES = {
    "check_layer_norm_dx": [
        ((jacobian_of_float64,), "an array that NumPy made is a float64"),
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
    ],
    "check_what_is_missing": [
        ((absolute_tolerance,), "beside the size of dx itself"),
        ((summed_over_all_rows,), "each row is to be looked at by itself"),
        ((sign_kept,), "looked at by itself, and in its size"),
        ((exactly_zero,), "each of the two sums of (5.7)"),
        ((names_swapped,), "got 'projection', expected 'mean'"),
        ((never_both,), "got 'mean', expected 'both'"),
        ((true_or_false,), "expected one of nothing, mean, projection, both"),
        ((words_of_ones_own,), "expected one of nothing, mean, projection, both"),
        ((tighter_than_float32,), "float32 leaves some 1e-7"),
        ((only_the_first_row,), "one row is enough"),
    ],
    "check_which_bug": [
        ((mean_and_projection_swapped,), "the column “Σ dx” would say not 0, here it says 0"),
        ((weight_for_rstd,), "the column “first row” would say no factor"),
        ((rstd_for_weight,), "here it says no factor"),
        ((weight_left_out_for_weight_afterwards,), "the column “Σ dx” would say 0, here it says not 0"),
        ((mean_of_a_row_for_all_rows,), "the column “alone” would say same, here it says another"),
        ((mean_of_all_rows_for_a_row,), "the column “alone” would say another, here it says same"),
        ((two_letters_forgotten,), "E: no answer"),
        ((a_list_of_numbers,), "got a list, expected"),
    ],
    "check_rms_norm_backward": [
        ((as_in_layer_norm,), "this is LayerNorm's"),
        ((only_scaled,), "the part along x̂ is not taken off"),
        ((r_forgotten,), "the factor r is missing"),
        ((rms_weight_forgotten,), "weight is missing"),
        ((a_sum_for_the_mean,), "divided by H"),
        ((rms_plus_for_minus,), "sign of the part along"),
        ((rms_over_all_rows,), "each row has its own"),
        ((weights_gradient_without_x_hat,), "x̂ is missing"),
        ((weights_gradient_averaged,), "their gradients add up"),
        ((weights_gradient_of_each_row,), "got shape (2, 3, 7), expected (7,)"),
        ((weights_gradient_times_weight,), "weight is no factor of its own gradient"),
        ((dx_alone,), "expected 2 values (dx, dweight)"),
        ((the_other_order,), "dx: got shape (7,)"),
    ],
}
