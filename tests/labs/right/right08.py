"""Right answers to lab 8, written otherwise: loops, sums, a search by doubling."""

import math

from scipy import stats

from albert_np.labs.small_runs import held_out_loss


def interval_by_sums(before, after, level):
    pairs = [(float(a), float(b)) for a, b in zip(after, before, strict=True)]
    n = len(pairs)
    mean = sum(a - b for a, b in pairs) / n
    variance = sum((a - b - mean) ** 2 for a, b in pairs) / (n - 1)
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * math.sqrt(variance / n)
    return mean, mean - half, mean + half


def needed_by_doubling(sd, effect):
    def fits(n):
        return stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n) <= effect

    high = 2
    while not fits(high):
        high *= 2
    return next(n for n in range(max(2, high // 2), high + 1) if fits(n))


def noise_from_norms(gradients, batch):
    """By the two batch sizes of McCandlish et al.: one of `batch` examples, and all n of them as one."""
    n = len(gradients)
    small = sum(float(g @ g) for g in gradients) / n
    mean = sum(gradients) / n
    large = float(mean @ mean)
    square = (n * large - small) / (n - 1)
    trace = (small - large) / (1 / batch - 1 / (n * batch))
    return trace, square, (trace / square if square > 0 else math.inf)


def p_by_loops(probs, mask, offset, rounds, rng):
    lengths = [int(row.sum()) for row in mask]

    def mean(orders):
        found = [
            weights[i, order[i + offset]]
            for weights, order, n in zip(probs, orders, lengths, strict=True)
            for i in range(n)
            if 0 <= i + offset < n
        ]
        return sum(found) / len(found)

    observed = mean([list(range(n)) for n in lengths])
    as_large = 1
    for _ in range(rounds):
        as_large += mean([rng.permutation(n).tolist() for n in lengths]) >= observed - 1e-12
    return observed, as_large / (rounds + 1)


def as_tuples():
    before, after = (
        tuple(held_out_loss(seed, **PERSONAL[name]) for seed in PERSONAL["seeds"])  # noqa: F821
        for name in ("before", "after")
    )
    return {"before": before, "after": after, "interval": interval_by_sums(before, after, 0.95)[1:]}


RIGHT = {
    "paired_interval": [interval_by_sums],
    "pairs_needed": [needed_by_doubling],
    "noise_scale": [noise_from_norms],
    "head_p_value": [p_by_loops],
    "evidence": [as_tuples],
}
