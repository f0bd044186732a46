"""Wrong answers to notebook 04: check → (functions, what the report must say)."""

import numpy as np


def diagonal_only(dy, probs):
    return dy * probs * (1 - probs)


def without_the_sum(dy, probs):
    return dy * probs


def sum_without_probs(dy, probs):
    return probs * (dy - dy.sum(axis=-1, keepdims=True))


def mean_for_sum(dy, probs):
    return probs * (dy - (dy * probs).mean(axis=-1, keepdims=True))


def lost_keepdims(dy, probs):
    return probs * (dy - (dy * probs).sum(axis=-1)[..., None, :]) if dy.ndim > 1 else probs * (dy - dy @ probs)


def wrong_axis(dy, probs):
    return probs * (dy - (dy * probs).sum(axis=0, keepdims=True))


def zero(dy, probs):
    return np.zeros_like(dy)


def through_the_logarithm(dy, probs):
    return probs * np.log(probs) * (dy - (dy * probs).sum(axis=-1, keepdims=True)) / np.log(probs)


def in_place(dy, probs):
    dy -= (dy * probs).sum(axis=-1, keepdims=True)
    return dy * probs


def divided_by_all_rows(dloss, probs, labels):
    return right_numerator(probs, labels) * (dloss / len(labels))


def right_numerator(probs, labels):
    counted = labels != -100
    dlogits = probs.copy()
    dlogits[np.arange(len(labels)), np.where(counted, labels, 0)] -= 1
    return dlogits * counted[:, None]


def count_of(labels):
    return max(1, (labels != -100).sum())


def ignored_rows_kept(dloss, probs, labels):
    dlogits = probs.copy()
    dlogits[np.arange(len(labels)), np.where(labels == -100, 0, labels)] -= 1
    return dlogits * (dloss / count_of(labels))


def only_the_label_ignored(dloss, probs, labels):
    counted = labels != -100
    dlogits = probs.copy()
    dlogits[counted, labels[counted]] -= 1
    return dlogits * (dloss / count_of(labels))


def sum_for_mean(dloss, probs, labels):
    return right_numerator(probs, labels) * dloss


def without_dloss(dloss, probs, labels):
    return right_numerator(probs, labels) / count_of(labels)


def other_sign(dloss, probs, labels):
    return -right_numerator(probs, labels) * (dloss / count_of(labels))


def no_care_of_the_empty_case(dloss, probs, labels):
    return right_numerator(probs, labels) * (dloss / (labels != -100).sum())


def through_the_probability(dloss, probs, labels):
    counted = labels != -100
    rows, safe = np.arange(len(labels)), np.where(counted, labels, 0)
    dprobs = np.zeros_like(probs)
    dprobs[rows, safe] = -1.0 * counted / probs[rows, safe]
    return probs * (dprobs - (dprobs * probs).sum(-1, keepdims=True)) * (dloss / count_of(labels))


def probs_in_place(dloss, probs, labels):
    answer = right_numerator(probs, labels) * (dloss / count_of(labels))
    probs[...] = answer
    return answer


def label_of_the_last_class(dloss, probs, labels):
    onehot = np.eye(probs.shape[1])[np.where(labels == -100, -1, labels)]
    return (probs - onehot) * (dloss / count_of(labels))


def other_sign_of_softmax(dy, probs):
    return probs * ((dy * probs).sum(axis=-1, keepdims=True) - dy)


def over_everything(dy, probs):
    return probs * (dy - (dy * probs).sum())


def softmax_of_probs(dy, probs):
    probs = np.exp(probs) / np.exp(probs).sum(axis=-1, keepdims=True)
    return probs * (dy - (dy * probs).sum(axis=-1, keepdims=True))


def no_return(dy, probs):
    probs * (dy - (dy * probs).sum(axis=-1, keepdims=True))


def jacobian_itself(dy, probs):
    return np.diag(probs) - np.outer(probs, probs)


def zero_for_all(dloss, probs, labels):
    counted = labels != -100
    if not counted.any():
        return 0
    return right_numerator(probs, labels) * (dloss / counted.sum())


def onehot_of_the_negative(dloss, probs, labels):
    dlogits = probs.copy()
    for row, label in enumerate(labels):
        if label != -100:
            dlogits[row, label] += 1
    return dlogits * ((labels != -100)[:, None] * dloss / count_of(labels))


def divided_by_the_classes(dloss, probs, labels):
    return right_numerator(probs, labels) * (dloss / probs.shape[1])


def label_alone(dloss, probs, labels):
    dlogits = np.zeros_like(probs)
    dlogits[np.arange(len(labels)), np.where(labels == -100, 0, labels)] = -1
    return dlogits * ((labels != -100)[:, None] * dloss / count_of(labels))


def label_zero_ignored(dloss, probs, labels):
    counted = labels > 0
    dlogits = probs.copy()
    dlogits[np.arange(len(labels)), np.where(counted, labels, 0)] -= 1
    return dlogits * (counted[:, None] * dloss / max(1, counted.sum()))


def only_counted_rows(dloss, probs, labels):
    counted = labels != -100
    return right_numerator(probs, labels)[counted] * (dloss / count_of(labels))


def dloss_squared(dloss, probs, labels):
    return right_numerator(probs, labels) * (dloss * dloss / count_of(labels))


def through_the_logarithm_again(dloss, probs, labels):
    with np.errstate(all="ignore"):
        logits = np.log(probs)
    probs = np.exp(logits - logits.max(-1, keepdims=True)) / np.exp(logits - logits.max(-1, keepdims=True)).sum(
        -1, keepdims=True
    )
    return right_numerator(probs + 0 * logits, labels) * (dloss / count_of(labels))


def softmax_again(dy, y):
    return np.exp(y) * (dy - (dy * np.exp(y)).sum(axis=-1, keepdims=True))


def logarithm_for_probability(dy, y):
    return dy - y * dy.sum(axis=-1, keepdims=True)


def sum_of_dy_forgotten(dy, y):
    return dy - np.exp(y)


def sum_weighted(dy, y):
    return dy - np.exp(y) * (dy * np.exp(y)).sum(axis=-1, keepdims=True)


def mean_of_dy(dy, y):
    return dy - np.exp(y) * dy.mean(axis=-1, keepdims=True)


def probability_forgotten(dy, y):
    return dy - dy.sum(axis=-1, keepdims=True)


def straight_through(dy, y):
    return dy.copy()


def log_other_sign(dy, y):
    return dy + np.exp(y) * dy.sum(axis=-1, keepdims=True)


def log_over_everything(dy, y):
    return dy - np.exp(y) * dy.sum()


def log_without_keepdims(dy, y):
    return dy - np.exp(y) * (dy.sum(axis=-1)[..., None, :] if dy.ndim > 1 else dy.sum())


def log_in_place(dy, y):
    dy -= np.exp(y) * dy.sum(axis=-1, keepdims=True)
    return dy


def softmax_of_the_logarithm(dy, y):
    p = np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)
    return (p * dy - p * p * dy.sum(axis=-1, keepdims=True)) / p


LOSSES = {"A": 5, "B": 1, "C": 7, "D": 2, "E": 4, "F": 6, "G": 3}


def sum_and_all_rows_swapped():
    return {**LOSSES, "A": 7, "C": 5}


def nan_from_the_logarithm():
    return {**LOSSES, "E": 1}


def label_for_ignored():
    return {**LOSSES, "F": 3}


def ignored_for_label():
    return {**LOSSES, "G": 6}


def fused_for_the_logarithm():
    return {**LOSSES, "B": 4}


def dloss_not_seen():
    return {**LOSSES, "D": 5}


def letters_for_numbers():
    return {number: letter for letter, number in LOSSES.items()}


MISTAKES = {
    "check_softmax_backward": [
        ((diagonal_only,), "the diagonal alone"),
        ((without_the_sum,), "the sum over the other numbers is missing"),
        ((sum_without_probs,), "weighted by probs"),
        ((mean_for_sum,), "a mean for the sum"),
        ((lost_keepdims,), "keepdims=True"),
        ((wrong_axis,), "over the first axis"),
        ((zero,), "every number is 0"),
        ((through_the_logarithm,), "probs holds exact zeros"),
        ((in_place,), "changed its argument dy"),
        ((other_sign_of_softmax,), "the sign is turned round"),
        ((over_everything,), "over everything"),
        ((softmax_of_probs,), "dx for p = (1/4, 3/4)"),
        ((no_return,), "is a `return` missing"),
        ((jacobian_itself,), "got shape (2, 2), expected (2,)"),
    ],
    "check_cross_entropy_backward": [
        ((divided_by_all_rows,), "not of all rows"),
        ((ignored_rows_kept,), "ignored rows are exactly 0"),
        ((only_the_label_ignored,), "no label was asked for there"),
        ((label_of_the_last_class,), "ignored rows are exactly 0"),
        ((sum_for_mean,), "the mean over the counted rows is missing"),
        ((without_dloss,), "dloss is a factor"),
        ((other_sign,), "the sign is turned round"),
        ((no_care_of_the_empty_case,), "something was divided by it"),
        ((through_the_probability,), "logits of ±1e30"),
        ((probs_in_place,), "changed its argument probs"),
        ((zero_for_all,), "with every row ignored, dlogits is 0: got shape ()"),
        ((onehot_of_the_negative,), "the 1 of the label is added"),
        ((divided_by_the_classes,), "divided by the number of classes"),
        ((label_alone,), "probs is missing"),
        ((label_zero_ignored,), "label 0 is a class like the others"),
        ((only_counted_rows,), "got shape (5, 5), expected (7, 5)"),
        ((dloss_squared,), "dlogits, against the package"),
        ((through_the_logarithm_again,), "exactly 0 here"),
    ],
    "check_log_softmax_backward": [
        ((softmax_again,), "this is softmax's gradient"),
        ((logarithm_for_probability,), "p is e^y"),
        ((sum_of_dy_forgotten,), "the sum of dy is missing"),
        ((sum_weighted,), "not weighted by p"),
        ((mean_of_dy,), "a mean for the sum"),
        ((probability_forgotten,), "the factor p is missing"),
        ((straight_through,), "through the sum of all e^x is missing"),
        ((log_other_sign,), "sign of the second term"),
        ((log_over_everything,), "the sum runs over everything"),
        ((log_without_keepdims,), "keepdims=True"),
        ((log_in_place,), "changed its argument dy"),
        ((softmax_of_the_logarithm,), "divide by nothing"),
    ],
    "check_which_loss": [
        ((sum_and_all_rows_swapped,), "the column “each number” would say × 0.6667, here it says × 4"),
        ((nan_from_the_logarithm,), "the column “none” would say 0.00, here it says nan"),
        ((label_for_ignored,), "the column “row sums” would say 0.00"),
        ((ignored_for_label,), "the column “row sums” would say"),
        ((fused_for_the_logarithm,), "the column “none” would say nan, here it says 0.00"),
        ((dloss_not_seen,), "the column “each number” would say × 4, here it says × 1"),
        ((letters_for_numbers,), "no answer"),
    ],
}
