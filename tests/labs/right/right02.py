"""Right answers to lab 2 that are written otherwise than its solution."""

import numpy as np

PERSONAL = globals().get("PERSONAL", {})


def rms_with_einsum_and_a_list(dy, x, weight, eps):
    r = (np.einsum("...i,...i->...", x, x) / x.shape[-1] + eps) ** 0.5
    r = r[..., None]
    dx = dy * weight / r - x * (dy * weight * x).sum(-1, keepdims=True) / (r**3 * x.shape[-1])
    return [dx, np.einsum("ni,ni->i", dy.reshape(-1, x.shape[-1]), (x / r).reshape(-1, x.shape[-1]))]


def rms_row_by_row(dy, x, weight, eps):
    flat, flat_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, x.shape[-1])
    dx, dweight = np.empty_like(flat), np.zeros_like(weight)
    for i, (row, up) in enumerate(zip(flat, flat_dy, strict=True)):
        r = np.sqrt(row @ row / len(row) + eps)
        dweight += up * row / r
        dx[i] = up * weight / r - row * np.dot(up * weight, row) / len(row) / r**3
    return dx.reshape(x.shape), dweight


def rms_in_float64(dy, x, weight, eps):
    kind = x.dtype
    dy, x, weight = (np.asarray(a, np.float64) for a in (dy, x, weight))
    s = 1 / np.sqrt((x**2).mean(-1)[..., np.newaxis] + eps)
    inner = (dy * weight * x).mean(-1)[..., np.newaxis]
    dx = s * dy * weight - s**3 * inner * x
    dweight = np.sum(dy * x * s, axis=tuple(range(x.ndim - 1)))
    return dx.astype(kind), dweight.astype(kind)


def capped_without_a_maximum(dy, scores, cap):
    t = np.tanh(scores / cap)
    e = np.exp(cap * t)
    p = e / e.sum(-1)[..., None]
    return (p * dy - p * (p * dy).sum(-1)[..., None]) * (1 - t * t)


def capped_with_cosh(dy, scores, cap):
    t = cap * np.tanh(scores / cap)
    p = np.exp(t - np.logaddexp.reduce(t, axis=-1, keepdims=True))
    inner = np.einsum("...k,...k->...", dy, p)
    return (p * (dy - np.expand_dims(inner, -1)) / np.cosh(scores / cap) ** 2,)


def capped_row_by_row(dy, scores, cap):
    result = np.zeros_like(scores)
    for index in np.ndindex(scores.shape[:-1]):
        squeezed = np.tanh(scores[index] / cap)
        p = np.exp(cap * squeezed)
        p /= p.sum()
        result[index] = (1 - squeezed**2) * (p * dy[index] - p * (p @ dy[index]))
    return result


def loss_over_all_rows_with_weights(logits, labels, smoothing, z_weight):
    asked = (labels != -100).astype(logits.dtype)
    top = logits.max(1)
    log_z = np.log(np.exp(logits - top[:, None]).sum(1)) + top
    right = logits[np.arange(len(logits)), np.where(labels == -100, 0, labels)]
    rows = (1 - smoothing) * (log_z - right) + smoothing * (log_z - logits.mean(1)) + z_weight * log_z**2
    return (rows * asked).sum() / np.maximum(asked.sum(), 1)


def loss_as_a_float(logits, labels, smoothing, z_weight):
    total, count = 0.0, 0
    for row, label in zip(logits, labels, strict=True):
        if label == -100:
            continue
        log_z = np.logaddexp.reduce(row)
        q = np.full(len(row), smoothing / len(row))
        q[label] += 1 - smoothing
        total += float(q @ (log_z - row) + z_weight * log_z**2)
        count += 1
    return total / count if count else 0.0


def loss_of_a_zero_dimensional_array(logits, labels, smoothing, z_weight):
    return (np.array(loss_over_all_rows_with_weights(logits, labels, smoothing, z_weight)),)


def dlogits_over_all_rows(dloss, logits, labels, smoothing, z_weight):
    asked = (labels != -100)[:, None]
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    log_z = np.log(e.sum(1, keepdims=True)) + logits.max(1, keepdims=True)
    one_hot = np.arange(logits.shape[1]) == labels[:, None]
    q = (1 - smoothing) * one_hot + smoothing / logits.shape[1]
    return (asked * dloss / max(asked.sum(), 1) * (p - q + 2 * z_weight * log_z * p)).astype(logits.dtype)


def dlogits_row_by_row(dloss, logits, labels, smoothing, z_weight):
    d = np.zeros_like(logits)
    for n, label in enumerate(labels):
        if label != -100:
            log_z = np.logaddexp.reduce(logits[n])
            p = np.exp(logits[n] - log_z)
            d[n] = p - smoothing / len(p) + 2 * z_weight * log_z * p
            d[n, label] -= 1 - smoothing
    return d * dloss / max(int((labels != -100).sum()), 1)


def dlogits_in_parts(dloss, logits, labels, smoothing, z_weight):
    kept = labels >= 0
    d = np.zeros(logits.shape, logits.dtype)
    if not np.any(kept):
        return d
    x = logits[kept]
    log_z = np.logaddexp.reduce(x, axis=-1)[:, None]
    hard = np.eye(x.shape[1], dtype=x.dtype)[labels[kept]]
    p = np.exp(x - log_z)
    d[kept] = dloss * ((1 - smoothing) * (p - hard) + smoothing * (p - 1 / x.shape[1]) + z_weight * 2 * log_z * p)
    d[kept] /= kept.sum()
    return (d,)


def own_norm_through_the_sum(dy, x, weight, eps):
    a, p, h = PERSONAL["alpha"], PERSONAL["p"], x.shape[-1]
    u = x - a * x.sum(-1, keepdims=True) / h
    s = (abs(u) ** p).sum(-1, keepdims=True) / h + eps
    n = s ** (1 / p)
    g = dy * weight
    ds = -(1 / p) * s ** (-1 / p - 1) * (g * u).sum(-1, keepdims=True)
    du = g / n + ds * p * np.copysign(abs(u) ** (p - 1), u) / h
    return du - a / h * du.sum(-1, keepdims=True), (dy * u / n).sum(tuple(range(x.ndim - 1)))


def own_norm_row_by_row(dy, x, weight, eps):
    a, p, h = PERSONAL["alpha"], PERSONAL["p"], x.shape[-1]
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for index in np.ndindex(x.shape[:-1]):
        u = x[index] - a * np.mean(x[index])
        n = (np.mean(np.abs(u) ** p) + eps) ** (1 / p)
        dweight += dy[index] * u / n
        g = dy[index] * weight
        du = g / n - np.dot(g, u) / n ** (p + 1) * u * np.abs(u) ** (p - 2) / h
        dx[index] = du - a * du.mean()
    return dx, dweight


def own_norm_with_rows_last(dy, x, weight, eps):
    a, p = PERSONAL["alpha"], PERSONAL["p"]
    x, dy = np.moveaxis(x, -1, 0), np.moveaxis(dy, -1, 0)
    w = weight.reshape(-1, *[1] * (x.ndim - 1))
    u = x - a * np.average(x, axis=0)
    n = (np.average(abs(u) ** p, axis=0) + eps) ** (1 / p)
    along = (dy * w * u).sum(0) / n ** (p + 1)
    du = dy * w / n - along * np.sign(u) ** p * u ** (p - 1) / len(u)
    dx = np.ascontiguousarray(np.moveaxis(du - a * du.mean(0), 0, -1))
    return dx, (dy * u / n).sum(axis=tuple(range(1, x.ndim)))


RIGHT = {
    "rms_norm_backward": [rms_with_einsum_and_a_list, rms_row_by_row, rms_in_float64],
    "capped_softmax_backward": [capped_without_a_maximum, capped_with_cosh, capped_row_by_row],
    "smoothed_loss": [loss_over_all_rows_with_weights, loss_as_a_float, loss_of_a_zero_dimensional_array],
    "smoothed_loss_backward": [dlogits_over_all_rows, dlogits_row_by_row, dlogits_in_parts],
    "power_norm_backward": [own_norm_through_the_sum, own_norm_row_by_row, own_norm_with_rows_last],
}
