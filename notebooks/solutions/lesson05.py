"""Solutions of notebook 05."""


def layer_norm_dx(dy, x_hat, rstd, weight):
    dx_hat = dy * weight
    along = (dx_hat * x_hat).mean(axis=-1, keepdims=True)
    return rstd * (dx_hat - dx_hat.mean(axis=-1, keepdims=True) - x_hat * along)


ANSWERS = {"check_layer_norm_dx": (layer_norm_dx,)}
