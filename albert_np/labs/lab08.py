"""Lab 8: measure. What is computed of a student's numbers, and what is looked at."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from albert_np.backend import Floats
from albert_np.labs.checks import (
    expect,
    expect_array,
    expect_same,
    expect_unchanged,
    expect_values,
    expect_within,
)
from albert_np.labs.points import Answer, Lab, Numbers, Wrong
from albert_np.labs.small_runs import held_out_loss

__all__ = ["LAB"]

QUESTIONS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"num_hidden_layers": 1}, {"num_hidden_layers": 2}),
    ({"num_attention_heads": 1}, {"num_attention_heads": 4}),
    ({"hidden_act": "relu"}, {"hidden_act": "gelu_new"}),
    ({"embedding_size": 2}, {"embedding_size": 8}),
    ({"intermediate_size": 8}, {"intermediate_size": 64}),
)


def _personal(rng: np.random.Generator) -> Numbers:
    before, after = QUESTIONS[int(rng.integers(len(QUESTIONS)))]
    return {
        "seeds": sorted(rng.choice(np.arange(1000, 10_000), 3, replace=False).tolist()),
        "before": dict(before),
        "after": dict(after),
        "sd": round(float(rng.uniform(0.008, 0.02)), 3),
        "effect": round(float(rng.uniform(0.004, 0.02)), 3),
        "heads": int(rng.integers(8, 25)),
    }


LAB = Lab(
    "08",
    "Measure",
    hours=4,
    notebooks=("17", "18"),
    personal=_personal,
    withheld=("albert_np.labs.lab08",),
    seconds=120,
    call_seconds=30,
)


def _t(level: float, degrees: int) -> float:
    """Return the quantile that a two-sided interval of that level needs."""
    from scipy import stats

    return float(stats.t.ppf((1 + level) / 2, degrees))


def _half_width(sd: float, n: int, quantile: float) -> float:
    return quantile * sd / math.sqrt(n)


# 1. A paired interval.

paired = LAB.exercise("paired_interval", "A paired interval")


def _expect_interval(answer: Answer, n: int, level: float) -> None:
    rng = answer.rng
    seed_effect = rng.normal(3, 0.5, n)
    before, after = seed_effect + rng.normal(0, 0.05, n), seed_effect - 0.1 + rng.normal(0, 0.05, n)
    names = ("mean", "low", "high")
    mean, low, high = expect_values(answer.paired_interval(before.copy(), after.copy(), level), names)
    differences = after - before
    sd, centre = differences.std(ddof=1), differences.mean()
    expect_same("mean", mean, centre, suspects=[("before − after; it is after − before.", lambda x: -x)])
    half, quantile = _half_width(sd, n, _t(level, n - 1)), _t(level, n - 1)
    pooled = math.sqrt(before.var(ddof=1) + after.var(ddof=1))
    degrees = (
        "two degrees of freedom: 4.30, not 1.96." if n == 3 else f"with {n - 1} degrees of freedom it is Student's."
    )
    mistakes = [
        (f"the normal quantile; {degrees}", _half_width(sd, n, _t(level, 10**9))),
        ("all of 1 − level is left at one end; an interval has two.", _half_width(sd, n, _one_end(level, n))),
        ("n for n − 1 in the variance: the mean is estimated too.", half * math.sqrt((n - 1) / n)),
        ("n degrees of freedom; n differences and one mean leave n − 1.", _half_width(sd, n, _t(level, n))),
        ("as if the runs were not paired: what equal seeds have in common falls out of a difference.",
         _half_width(pooled, n, quantile)),
        ("as if the runs were not paired: equal seeds have something in common.",
         _half_width(pooled, n, _t(level, 2 * n - 2))),
        ("the spread of one difference, not of their mean: √n.", quantile * sd),
    ]  # fmt: skip
    for name, got, sign in (("low", low, -1), ("high", high, 1)):
        suspects = [(text, lambda _, wrong=wrong, sign=sign: centre + sign * wrong) for text, wrong in mistakes]
        expect_same(name, got, centre + sign * half, suspects=suspects)


def _one_end(level: float, n: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(level, n - 1))


@paired.finding("three pairs at 95 %", 6, "How many numbers vary freely once the mean is known?")
def _three(answer: Answer) -> None:
    _expect_interval(answer, 3, 0.95)


@paired.finding("other numbers of pairs", 3)
def _others(answer: Answer) -> None:
    for n in (2, 5, 40):
        _expect_interval(answer, n, 0.95)


@paired.finding("other levels", 3)
def _levels(answer: Answer) -> None:
    for level in (0.5, 0.9, 0.99):
        _expect_interval(answer, 4, level)


@paired.finding(
    "a shift that all seeds agree on", 2, "Which spread counts, that of the runs or of the differences?", side=True
)
def _agreed(answer: Answer) -> None:
    before = answer.rng.integers(0, 64, 5) / 16
    mean, low, high = expect_values(answer.paired_interval(before, before + 0.25, 0.95), ("mean", "low", "high"))
    for name, value in (("mean", mean), ("low", low), ("high", high)):
        expect_same(name, value, np.float64(0.25))


@paired.finding("arguments unchanged", 1, side=True)
def _paired_unchanged(answer: Answer) -> None:
    given = {"before": answer.rng.normal(size=4), "after": answer.rng.normal(size=4)}
    before = {name: value.copy() for name, value in given.items()}
    answer.paired_interval(given["before"], given["after"], 0.9)
    expect_unchanged(given, before)


# 2. How many pairs are needed?

needed = LAB.exercise("pairs_needed", "How many pairs?")


def _fewest(sd: float, effect: float) -> int:
    n = 2
    while _half_width(sd, n, _t(0.95, n - 1)) > effect:
        n += 1
    return n


def _expect_needed(answer: Answer, sd: float, effect: float) -> None:
    got, right = answer.pairs_needed(sd, effect), _fewest(sd, effect)
    expect(isinstance(got, int | np.integer) and not isinstance(got, bool), f"{got!r} is not a whole number")
    if got == right:
        return
    normal = max(2, math.ceil((1.959963984540054 * sd / effect) ** 2))
    twice = _fewest(math.sqrt(2) * sd, effect)
    half = _half_width(sd, int(got), _t(0.95, int(got) - 1)) if got >= 2 else math.inf
    hint = " Student's quantile depends on n too." if got == normal else ""
    hint = " sd is that of the differences already: no √2." if got == twice else hint
    raise Wrong(f"{got} pairs for sd = {sd:g}, effect = {effect:g}: half width {half:.4g}; needed {right}.{hint}")


@needed.finding("a few", 6, "The half width of your interval from exercise 1 must not be above the effect.")
def _few(answer: Answer) -> None:
    for ratio in (0.05, 0.6, 1.0, 1.7, 2.4, float(answer.rng.uniform(0.5, 2.5))):
        _expect_needed(answer, 0.01 * ratio, 0.01)


@needed.finding("hundreds", 4, "Does your search end too early?")
def _hundreds(answer: Answer) -> None:
    for ratio in (6.0, float(answer.rng.uniform(8, 12))):
        _expect_needed(answer, 0.01 * ratio, 0.01)


# 3. The noise of a gradient.

noise = LAB.exercise("noise_scale", "The noise of a gradient")


def _gradients(answer: Answer, n: int, parameters: int, batch: int, length: float = 1.0) -> Floats:
    rng = answer.rng
    signal = rng.normal(0, 1, parameters)
    signal *= length / np.linalg.norm(signal)
    return signal + rng.normal(0, 1, (n, parameters)) * rng.uniform(0.2, 1, parameters) / math.sqrt(batch)


CASES = ((4, 3, 8), (2, 1, 1), (7, 5, 32), (3, 40, 2))


def _estimates(gradients: Floats, batch: int) -> tuple[float, float]:
    trace = batch * float(gradients.var(axis=0, ddof=1).sum())
    return trace, float((gradients.mean(axis=0) ** 2).sum()) - trace / (batch * len(gradients))


@noise.finding("trace", 5, "What is the covariance of the mean of `batch` examples, given that of one?")
def _trace(answer: Answer) -> None:
    for n, parameters, batch in CASES:
        gradients = _gradients(answer, n, parameters, batch)
        got = expect_values(answer.noise_scale(gradients.copy(), batch), ("trace", "square", "scale"))[0]
        known = [
            ("n for n − 1: the mean is estimated from the same gradients.", lambda x, n=n: x * (n - 1) / n),
            ("that of a batch, not of one example.", lambda x, batch=batch: x / batch),
        ]
        expect_same("trace", got, np.float64(_estimates(gradients, batch)[0]), suspects=known)


@noise.finding("square", 5, "What is the mean of |ḡ|², if ḡ = G + noise?")
def _square(answer: Answer) -> None:
    for n, parameters, batch in CASES:
        gradients = _gradients(answer, n, parameters, batch)
        got = expect_values(answer.noise_scale(gradients.copy(), batch), ("trace", "square", "scale"))[1]
        trace, square = _estimates(gradients, batch)
        raw = float((gradients.mean(axis=0) ** 2).sum())
        known = [
            ("|ḡ|² holds the noise of ḡ too: take it off.", lambda _, raw=raw: raw),
            (
                "the noise of a mean of n batches is n times smaller than that of one.",
                lambda _, wrong=raw - trace / batch: wrong,
            ),
        ]  # fmt: skip
        expect_same("square", got, np.float64(square), suspects=known, scale=1e-3)


@noise.finding("scale", 2, "trace / square, and without end where no signal is left.")
def _scale(answer: Answer) -> None:
    gradients = _gradients(answer, 9, 6, 64, length=3.0)
    trace, square = _estimates(gradients, 64)
    expect_same("scale", expect_values(answer.noise_scale(gradients, 64), ("trace", "square", "scale"))[2],
                np.float64(trace / square))  # fmt: skip
    alone = np.array([[1.0, -2.0], [-1.0, 2.0]])
    scale = expect_values(answer.noise_scale(alone, 1), ("trace", "square", "scale"))[2]
    expect(scale == math.inf, f"scale is {scale:.6g} where the square is negative, expected inf.")


@noise.finding("arguments unchanged", 1, side=True)
def _noise_unchanged(answer: Answer) -> None:
    given = {"gradients": answer.rng.normal(size=(3, 4))}
    before = {"gradients": given["gradients"].copy()}
    answer.noise_scale(given["gradients"], 2)
    expect_unchanged(given, before)


@noise.finding("a large case in time", 2, side=True)
def _noise_in_time(answer: Answer) -> None:
    gradients = answer.rng.normal(1, 1, (64, 20_000))
    got = expect_values(answer.noise_scale(gradients, 16), ("trace", "square", "scale"))
    expect_within(answer, 1.0)
    expect_same("trace", got[0], np.float64(_estimates(gradients, 16)[0]))


# 4. Does a head look at a neighbour?

head = LAB.exercise("head_p_value", "A permutation test of a head")
ROUNDS = 19
SETS = 200  # of random attention: a share of three tenths is then known to 3.2 points


def _attention(
    rng: np.random.Generator, lengths: Sequence[int], positions: int, strength: float = 0.0
) -> tuple[Floats, np.ndarray]:
    """Return weights (B, T, T), with a preference for the key before the query, and the mask (B, T)."""
    batch = len(lengths)
    mask = (np.arange(positions) < np.array(lengths)[:, None]).astype(np.int64)
    scores = rng.normal(0, 1, (batch, positions, positions)) + strength * np.eye(positions, k=-1)
    weights = np.exp(scores) * mask[:, None]
    return weights / weights.sum(axis=-1, keepdims=True), mask


def _statistic(probs: Floats, mask: np.ndarray, offset: int) -> float:
    found = []
    for weights, real in zip(probs, mask.astype(bool), strict=True):
        found += [
            weights[i, i + offset] for i in np.flatnonzero(real) if 0 <= i + offset < len(real) and real[i + offset]
        ]
    return float(np.mean(found))


def _asked_head(
    answer: Answer, probs: Floats, mask: np.ndarray, offset: int, rounds: int = ROUNDS
) -> tuple[Any, float]:
    got = answer.head_p_value(probs, mask, offset, rounds, answer.rng)
    statistic, p = expect_values(got, ("statistic", "p"))
    return statistic, float(expect_array("p", p, (), np.float64))


@head.finding("statistic", 4, "Which queries are real, and have a real key in that place?")
def _observed(answer: Answer) -> None:
    for offset in (-1, 1, 0, -2):
        probs, mask = _attention(answer.rng, [5, 3, 4], 6)
        statistic, _ = _asked_head(answer, probs, mask, offset)
        expect_same("statistic", statistic, np.float64(_statistic(probs, mask, offset)))


@head.finding("the smallest p", 4, "Is the observed one among those that are as large?")
def _smallest(answer: Answer) -> None:
    probs, mask = _attention(answer.rng, [8, 8, 8], 8, strength=12.0)
    for rounds in (19, 99):
        p = _asked_head(answer, probs, mask, -1, rounds)[1]
        expect(p != 0, f"p = 0 claims more than {rounds} permutations can show; the smallest is 1 / {rounds + 1}.")
        expect_same("p", np.float64(p), np.float64(1 / (rounds + 1)))


def _share_of_small(answer: Answer, lengths: Sequence[int], positions: int) -> float:
    sets = (_attention(answer.rng, lengths, positions) for _ in range(SETS))
    return float(np.mean([_asked_head(answer, probs, mask, -1)[1] <= 0.3 + 1e-9 for probs, mask in sets]))


def _expect_three_tenths(share: float, where: str) -> None:
    far = 5 * math.sqrt(0.3 * 0.7 / SETS)
    message = f"of {SETS} heads that look anywhere{where}, {share:.0%} have p ≤ 0.3, expected 30 %."
    expect(abs(share - 0.3) <= far, message)


@head.finding("heads that look anywhere", 3, "What may be permuted if the head has no preference?")
def _anywhere(answer: Answer) -> None:
    _expect_three_tenths(_share_of_small(answer, [6, 6], 6), "")
    even = np.full((2, 5, 5), 0.2)
    p = _asked_head(answer, even, np.ones((2, 5), np.int64), -1)[1]
    expect(p == 1, f"p = {p:.3g} for equal weights, expected 1: as large, up to rounding (1e-12), counts.")


@head.finding("padding", 3, "Where can no key lie? Permute real keys alone.")
def _padding(answer: Answer) -> None:
    _expect_three_tenths(_share_of_small(answer, [4, 3, 5], 12), " in padded sequences")


@head.finding("the generator it is given", 1, side=True)
def _given_generator(answer: Answer) -> None:
    sets = [_attention(answer.rng, [7, 6], 7) for _ in range(21)]
    probs, mask = sorted(sets, key=lambda one: _statistic(one[0], one[1], -1))[10]  # nothing special: p is near a half
    values = []
    for seed in (5, 5, 6, 7, 8, 9, 10, 11):
        answer.rng = np.random.default_rng(seed)
        values.append(_asked_head(answer, probs, mask, -1, 199)[1])
    expect(values[0] == values[1], "p differs between two calls with equal generators: draw from `rng` alone.")
    expect(len(set(values)) > 1, "p is the same whatever `rng` draws.")


# 5. Evidence.

evidence = LAB.exercise("evidence", "Runs of your own")


def _runs(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.evidence()
    expect(isinstance(found, dict), f"returned a {type(found).__name__}, expected a dict")
    for name, length in (("before", 3), ("after", 3), ("interval", 2)):
        expect(name in found, f"there is no {name!r} in it")
        values = found[name]
        good = isinstance(values, list | tuple | np.ndarray) and len(values) == length
        expect(
            good and all(isinstance(v, float | int | np.floating) for v in values), f"{name} must be {length} numbers"
        )
    return found


def _expect_run(answer: Answer, name: str) -> None:
    got, seeds = _runs(answer)[name], answer.personal["seeds"]
    right = [held_out_loss(seed, **answer.personal[name]) for seed in seeds]
    for i, (value, wanted) in enumerate(zip(got, right, strict=True)):
        if not abs(value - wanted) <= 1e-4:
            swapped = sorted(got) == sorted(right) or any(abs(value - other) < 1e-4 for other in right)
            others = [held_out_loss(i, **answer.personal[name]) for i in range(3)]
            known = any(abs(value - other) < 1e-4 for other in others)
            hint = " These are another seed's metrics: seed by seed, in the order of your seeds." if swapped else ""
            hint = " These are another seed's metrics: 0, 1, 2 are not your seeds." if known else hint
            raise Wrong(f"{name}[{i}] is {float(value):.5f}; the run of seed {seeds[i]} ends at {wanted:.5f}.{hint}")


@evidence.finding("before", 5, "Which seeds are yours?")
def _before(answer: Answer) -> None:
    _expect_run(answer, "before")


@evidence.finding("after", 5, "Which configuration is the changed one?")
def _after(answer: Answer) -> None:
    _expect_run(answer, "after")


@evidence.finding("interval", 5, "It is that of exercise 1, of these six numbers, at 95 %.", side=True)
def _interval(answer: Answer) -> None:
    found = _runs(answer)
    differences = np.subtract(found["after"], found["before"])
    half = _half_width(float(differences.std(ddof=1)), 3, _t(0.95, 2))
    for name, value, wanted in zip(("low", "high"), found["interval"], (-half, half), strict=True):
        expect_same(name, np.float64(value), differences.mean() + wanted, tolerance=1e-3)


LAB.written("design", "Before the runs", 10)
LAB.written("report", "What they say", 20)
