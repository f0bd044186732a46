"""Lab 6: right answers that are written otherwise, and plans that deserve some of the points."""

import math
import re
from functools import partial

import numpy as np
import pytest

from albert_np.labs import check
from albert_np.labs.lab06 import FEWEST, Machine


def pre_ln_example_by_example(dy, x, weight, bias, up, down, gamma, keep, eps):
    dx = np.empty_like(x)
    sums = [np.zeros_like(value) for value in (weight, bias, up, down, gamma)]
    for b, t in np.ndindex(x.shape[:2]):
        centred = x[b, t] - x[b, t].mean()
        rstd = 1 / np.sqrt((centred**2).mean() + x.dtype.type(eps))
        x_hat = centred * rstd
        h = weight * x_hat + bias
        a = np.tanh(h @ up)
        df = dy[b, t] * keep[b] * gamma
        ds = (down @ df) * (1 - a**2)
        dh = up @ ds
        own = (dh * x_hat, dh, np.outer(h, ds), np.outer(a, df), dy[b, t] * keep[b] * (a @ down))
        sums = [total + more for total, more in zip(sums, own, strict=True)]
        dn = dh * weight
        dx[b, t] = dy[b, t] + rstd * (dn - dn.mean() - x_hat * (dn * x_hat).mean())
    return [dx, *sums]


def scheduled_from_the_top(dy, x, weights, biases, schedule):
    if not schedule:
        return dy, np.zeros_like(weights), np.zeros_like(biases)
    group = schedule[0]
    a = np.tanh(x @ weights[group] + biases[group])
    d, dweights, dbiases = scheduled_from_the_top(dy, x + a, weights, biases, schedule[1:])
    ds = d * (1 - a * a)
    dweights[group] += np.tensordot(x, ds, ((0, 1), (0, 1)))
    dbiases[group] += ds.sum((0, 1))
    return d + ds @ weights[group].T, dweights, dbiases


def from_the_first(layers, slots, put, get, step, back):
    put(0)
    steps = 0
    for last in reversed(range(layers)):
        get(0)
        for _ in range(last):
            step()
        steps += last
        back()
    return steps


def by_segments(layers, slots, put, get, step, back):
    lengths = [n for n in range(1, layers + 1) if math.ceil(layers / n) + n - 1 <= slots]
    if not lengths:
        return from_the_first(layers, slots, put, get, step, back)
    length, steps = lengths[0], 0
    starts = list(range(0, layers, length))
    for i in range(starts[-1] + 1):
        if i in starts:
            put(starts.index(i))
        if i < starts[-1]:
            step()
            steps += 1
    for number in reversed(range(len(starts))):
        get(number)
        inner = range(len(starts), len(starts) + min(length, layers - starts[number]) - 1)
        for slot in inner:
            step()
            put(slot)
            steps += 1
        for slot in reversed(inner):
            get(slot)
            back()
        get(number)
        back()
    return steps


def binomial_with_a_stack(layers, slots, put, get, step, back):
    def cost(n, s):
        r = next(r for r in range(n + 1) if math.comb(s + r, s) >= n)
        return r * n - math.comb(s + r, s + 1)

    steps, hand, left, kept = 0, 0, layers, [0]
    put(0)
    while left:
        if hand == left - 1:
            back()
            left -= 1
            kept = [i for i in kept if i < left]
            if left:
                hand = kept[-1]
                get(len(kept) - 1)
            continue
        n, free = left - hand, slots - len(kept)
        k = min(range(1, n), key=lambda k: k + cost(n - k, free) + cost(k, free + 1)) if free else n - 1
        for _ in range(k):
            step()
        steps, hand = steps + k, hand + k
        if free:
            put(len(kept))
            kept.append(hand)
    return np.int64(steps)


def whatever_the_machine_says(layers, slots, put, get, step, back):
    for call in [partial(put, 0), *[step] * layers, *[back] * layers]:
        try:
            call()
        except ValueError:
            continue
    return layers


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("answer", [pre_ln_example_by_example, scheduled_from_the_top, binomial_with_a_stack])
def test_right_answers_written_otherwise_get_full_marks(answer, seed):
    exercise = {"pre": "pre_ln_backward", "sch": "scheduled_backward", "bin": "recompute"}[answer.__name__[:3]]
    report = check("06", exercise, answer, seed=seed)
    assert report.passed, report


@pytest.mark.parametrize("plan, points", [(from_the_first, 10), (by_segments, 19), (whatever_the_machine_says, 0)])
def test_a_plan_gets_the_points_that_it_deserves(plan, points):
    report = check("06", "recompute", plan)
    assert report.points == points, report


def test_fewest_are_what_the_best_first_input_to_keep_gives():
    def fewest(n, s):
        if s == 1 or n == 1:
            return n * (n - 1) // 2
        return min(k + fewest(n - k, s - 1) + fewest(k, s) for k in range(1, n))

    assert {case: fewest(*case) for case in FEWEST if case[0] <= 15} == {c: n for c, n in FEWEST.items() if c[0] <= 15}


@pytest.mark.parametrize(
    "calls, fault",
    [
        (["put 2"], "put(2): the slots are 0 to 1"),
        (["get 0"], "get(0): nothing was put there"),
        (["step"] * 4, "step() from x_3: there is no layer 3"),
        (["step", "back"], "back() through layer 2 needs x_2 in hand, but x_1 is"),
        (["put 0", *["get 0"] * 40], "more than 33 calls: to start from x_0 for each layer would have taken fewer"),
    ],
)
def test_the_machine_refuses_what_is_not_possible_and_remembers_it(calls, fault):
    machine = Machine(3, 2)

    def run():
        for call in calls:
            name, *slot = call.split()
            getattr(machine, name)(*map(int, slot))

    with pytest.raises(ValueError, match=re.escape(fault)):
        run()
    assert machine.fault == fault
