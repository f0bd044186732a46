"""Solutions of notebook 05."""

import numpy as np


def layer_norm_dx(dy, x_hat, rstd, weight):
    dx_hat = dy * weight
    along = (dx_hat * x_hat).mean(axis=-1, keepdims=True)
    return rstd * (dx_hat - dx_hat.mean(axis=-1, keepdims=True) - x_hat * along)


def what_is_missing(dx, x_hat):
    allowed = 1e-4 * abs(dx).max()
    mean = abs(dx.sum(axis=-1)).max() > allowed
    projection = abs((dx * x_hat).sum(axis=-1)).max() > allowed
    return {(0, 0): "nothing", (1, 0): "mean", (0, 1): "projection", (1, 1): "both"}[mean, projection]


def which_bug():
    return {"A": 4, "B": 6, "C": 1, "D": 5, "E": 3, "F": 2}


def rms_norm_backward(dy, x_hat, r, weight):
    g = dy * weight
    dx = r * (g - x_hat * np.mean(g * x_hat, axis=-1, keepdims=True))
    dweight = np.sum(dy * x_hat, axis=tuple(range(dy.ndim - 1)))
    return dx, dweight


ANSWERS = {
    "check_layer_norm_dx": (layer_norm_dx,),
    "check_what_is_missing": (what_is_missing,),
    "check_which_bug": (which_bug,),
    "check_rms_norm_backward": (rms_norm_backward,),
}
