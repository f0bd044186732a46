"""Right answers to notebook 05, written otherwise: check → functions."""

import numpy as np


def by_sums(dy, x_hat, rstd, weight):
    H = dy.shape[-1]
    dx_hat = dy * weight
    total, along = dx_hat.sum(-1, keepdims=True), (dx_hat * x_hat).sum(-1, keepdims=True)
    return rstd / H * (H * dx_hat - total - x_hat * along)


def projected_twice(dy, x_hat, rstd, weight):
    d = weight * dy
    d = d - np.mean(d, axis=-1)[..., None]
    return (d - x_hat * np.einsum("bth,bth->bt", d, x_hat)[..., None] / d.shape[-1]) * rstd


def by_jacobians(dy, x_hat, rstd, weight):
    H = dy.shape[-1]
    jacobian = np.eye(H, dtype=dy.dtype) - dy.dtype.type(1 / H) * (1 + x_hat[..., :, None] * x_hat[..., None, :])
    return rstd * ((dy * weight)[..., None, :] @ jacobian)[..., 0, :]


def by_cosines(dx, x_hat):
    sizes = np.linalg.norm(dx, axis=-1) * np.sqrt(dx.shape[-1])
    along = {"mean": np.ones_like(x_hat), "projection": x_hat}
    found = [name for name, v in along.items() if (abs((dx * v).sum(-1)) > 1e-5 * sizes).any()]
    return found[0] if len(found) == 1 else "both" if found else "nothing"


def with_allclose(dx, x_hat):
    rows = dx / np.abs(dx).max(axis=-1, keepdims=True)
    mean = np.allclose(rows.mean(axis=-1), 0, atol=1e-5)
    along = np.allclose(np.einsum("...h,...h->...", rows, x_hat), 0, atol=1e-4)
    if mean and along:
        return "nothing"
    if not mean and not along:
        return "both"
    return "projection" if mean else "mean"


def bugs_in_another_order():
    numbers = {"F": 2, "E": 3, "A": 4}
    return numbers | {"D": 5, "B": 6, "C": 1}


def rms_by_jacobians(dy, x_hat, r, weight):
    H = dy.shape[-1]
    jacobian = np.eye(H, dtype=dy.dtype) - x_hat[..., :, None] * x_hat[..., None, :] / dy.dtype.type(H)
    return r * ((dy * weight)[..., None, :] @ jacobian)[..., 0, :], np.einsum("bth,bth->h", dy, x_hat)


def rms_by_sums(dy, x_hat, r, weight):
    H = x_hat.shape[-1]
    rows, ups = x_hat.reshape(-1, H), dy.reshape(-1, H)
    along = ((ups * weight) * rows).sum(1) / H
    dx = (ups * weight - rows * along[:, None]) * r.reshape(-1, 1)
    return [dx.reshape(dy.shape), (ups * rows).sum(0)]


RIGHT = {
    "check_layer_norm_dx": [(by_sums,), (projected_twice,), (by_jacobians,)],
    "check_what_is_missing": [(by_cosines,), (with_allclose,)],
    "check_which_bug": [(bugs_in_another_order,)],
    "check_rms_norm_backward": [(rms_by_jacobians,), (rms_by_sums,)],
}
