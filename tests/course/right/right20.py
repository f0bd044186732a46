"""Right answers to notebook 20, written otherwise: check → functions."""


def in_other_words(dy, cache):
    x, length, r, direction = cache
    dlength = (dy * direction).sum(axis=-1)
    ddirection = dy * length[:, None]
    along = (ddirection * x).sum(axis=-1, keepdims=True)
    dx = r * ddirection - x * along * r * r * r
    return dx, dlength


def without_a_name_for_the_middle(dy, cache):
    _, length, r, direction = cache
    inner = (dy * direction).sum(axis=-1, keepdims=True)
    return r * length[:, None] * (dy - direction * inner), inner[:, 0]


RIGHT = {"check_unit_rows_backward": [(in_other_words,), (without_a_name_for_the_middle,)]}
