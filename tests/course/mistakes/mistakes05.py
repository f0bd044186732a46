"""Wrong answers to notebook 05: check → (functions, what the report must say)."""


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


MISTAKES = {
    "check_layer_norm_dx": [
        ((without_the_mean,), "Σ dx is not 0"),
        ((without_the_projection,), "Σ dx x̂ is not 0"),
        ((means_of_dy,), "not of dy"),
        ((over_all_rows,), "each row has its own"),
        ((in_place,), "changed its argument dy"),
    ]
}
