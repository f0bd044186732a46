"""Right answers to lab 1 that are written otherwise than its solution."""

import numpy as np


def product_with_ones_for_what_is_lost(dy, spec, a, b):
    inputs, result = spec.split("->")
    one, other = inputs.split(",")
    ones_a, ones_b = np.ones_like(a), np.ones_like(b)
    da = np.einsum(f"{result},{other},{one}->{one}", dy, b, ones_a, optimize=True)
    db = np.einsum(f"{result},{one},{other}->{other}", dy, a, ones_b, optimize=True)
    return [da.astype(a.dtype), db.astype(b.dtype)]


def product_by_broadcasting_everything(dy, spec, a, b):
    inputs, result = spec.replace(" ", "").split("->")
    parts = inputs.split(",")
    if max(a.size, b.size) > 1000:
        return product_with_ones_for_what_is_lost(dy, spec, a, b)
    letters = sorted(set(inputs) - {","})

    def spread(array, own):
        order = [own.index(i) for i in letters if i in own]
        return np.transpose(array, order).reshape([array.shape[own.index(i)] if i in own else 1 for i in letters])

    def gathered(array, own, shape):
        axes = tuple(k for k, i in enumerate(letters) if i not in own)
        kept = [i for i in letters if i in own]
        return np.transpose(array.sum(axes), [kept.index(i) for i in own]).reshape(shape)

    up, wide_a, wide_b = spread(np.asarray(dy, a.dtype), result), spread(a, parts[0]), spread(b, parts[1])
    whole = np.ones_like(wide_a * wide_b)
    return gathered(up * wide_b * whole, parts[0], a.shape), gathered(up * wide_a * whole, parts[1], b.shape)


def product_with_zeros_filled(dy, spec, a, b):
    (one, other), result = spec.split("->")[0].split(","), spec.split("->")[1]
    answers = []
    for own, partner, mine, array in ((one, other, a, b), (other, one, b, a)):
        kept = [i for i in own if i in partner or i in result]
        g = np.einsum(result + "," + partner + "->" + "".join(kept), dy, array)
        full = np.zeros_like(mine)
        full += np.reshape(g, [n if i in kept else 1 for i, n in zip(own, mine.shape, strict=True)])
        answers.append(full)
    return tuple(answers)


def differences_by_richardson(f, x, h):
    flat = np.asarray(x, np.float64).reshape(-1)
    result = []
    for i in range(len(flat)):

        def central(step, i=i):
            up, down = flat.copy(), flat.copy()
            up[i] += step
            down[i] -= step
            return (f(up.reshape(np.shape(x))) - f(down.reshape(np.shape(x)))) / (2 * step)

        result.append((4 * central(h) - central(2 * h)) / 3)
    return np.array(result).reshape(np.shape(x))


def differences_with_unit_arrays(f, x, h):
    g = np.zeros(x.shape)
    for k, one in enumerate(np.eye(x.size)):
        one = one.reshape(x.shape)
        g.flat[k] = sum(c * f(x + s * h * one) for s, c in ((-2, 1), (-1, -8), (1, 8), (2, -1))) / 12 / h
    return g


def differences_put_back_in_place(f, x, h):
    x = x if x.dtype == np.float64 else x.astype(np.float64)
    g = np.empty_like(x)
    places = np.nditer(x, flags=["multi_index"])
    for _ in places:
        at = places.multi_index
        kept = float(x[at])
        y = {}
        for s in (1, -1, 2, -2):
            x[at] = kept + s * h
            y[s] = f(x)
        x[at] = kept
        g[at] = 2 / 3 * (y[1] - y[-1]) / h - (y[2] - y[-2]) / (12 * h)
    return g


def trust_by_norms(f, x, gradient):
    g = differences_by_richardson(f, x, 1e-3)
    return np.linalg.norm(gradient - g) <= 1e-6 * (np.linalg.norm(gradient) + np.linalg.norm(g))


def trust_with_allclose(f, x, gradient):
    g = differences_with_unit_arrays(f, x, 1e-3)
    return np.allclose(gradient, g, rtol=1e-5, atol=1e-6 * np.max(np.abs(g)))


def trust_number_by_number(f, x, gradient):
    g = differences_put_back_in_place(f, x, 2e-3)
    largest = max(abs(v) for v in g.ravel())
    return all(abs(got - right) < 1e-5 * largest for got, right in zip(gradient.ravel(), g.ravel(), strict=True))


def swish_with_where(dy, x, beta):
    z = x * beta
    e = np.exp(-np.abs(z))
    s = np.where(z >= 0, 1 / (1 + e), e / (1 + e))
    dx = dy * s * (1 + z * (1 - s))
    return [dx, np.sum(dy * x**2 * s * (1 - s), axis=tuple(range(x.ndim - 1)))]


def swish_by_its_own_output(dy, x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    y = x * s
    dx = dy * (beta * y + s * (1 - beta * y))
    return dx, (dy * y * x * (1 - s)).reshape(-1, len(beta)).sum(0)


def swish_feature_by_feature(dy, x, beta):
    dx, dbeta = np.zeros_like(x), []
    for h, b in enumerate(beta):
        s = 1 / (1 + np.exp(-b * x[..., h]))
        dx[..., h] = dy[..., h] * (s + b * x[..., h] * s * (1 - s))
        dbeta.append(np.sum(dy[..., h] * x[..., h] ** 2 * s * (1 - s)))
    return dx, np.array(dbeta)


def gate_in_parts(dy, u, v):
    s = 1 / (1 + np.exp(-v))
    silu = v * s
    return [silu * dy, dy * u * (s + silu - silu * s)]


def gate_by_its_own_slope(dy, u, v):
    e = np.exp(-v)
    return dy * v / (1 + e), dy * u * (1 + e + v * e) / (1 + e) ** 2


def gate_with_tanh(dy, u, v):
    t = np.tanh(v / 2)
    return dy * v * (1 + t) / 2, dy * u * ((1 + t) / 2 + v * (1 - t * t) / 4)


RIGHT = {
    "einsum_backward": [
        product_with_ones_for_what_is_lost,
        product_by_broadcasting_everything,
        product_with_zeros_filled,
    ],
    "trust": [
        (differences_by_richardson, trust_by_norms),
        (differences_with_unit_arrays, trust_with_allclose),
        (differences_put_back_in_place, trust_number_by_number),
    ],
    "swish_backward": [swish_with_where, swish_by_its_own_output, swish_feature_by_feature],
    "gate_backward": [gate_in_parts, gate_by_its_own_slope, gate_with_tanh],
}
