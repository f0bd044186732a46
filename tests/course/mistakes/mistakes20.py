"""Wrong answers to notebook 20: check → (functions, what the report must say)."""


def without_projection(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * ddirection
    return dx, dlength


def mean_for_sum(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).mean(axis=-1, keepdims=True))
    return dx, dlength


def length_forgotten(dy, cache):
    _, _length, r, direction = cache
    ddirection = dy * 1.0
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dlength


def length_not_summed(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dy * direction


def nothing_returned(dy, cache):
    _, _length, _r, direction = cache
    dlength = (dy * direction).sum(axis=-1)
    dlength * 1.0


def order_of_gradients(dy, cache):
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return (dy * direction).sum(axis=-1), dx


MISTAKES = {
    "check_unit_rows_backward": [
        ((without_projection,), "dx is the gradient of x: got"),
        ((mean_for_sum,), "dx is the gradient of x: got"),
        ((length_forgotten,), "ddirection is the gradient of direction: got"),
        ((length_not_summed,), "gradient 1 that backward returned has shape (3, 4)"),
        ((nothing_returned,), "is a `return` missing?"),
        ((order_of_gradients,), "gradient 0 that backward returned has shape (3,)"),
    ]
}
