"""Lab 6: plans that deserve some of the points, and the machine that they command."""

import math
import re
from functools import partial

import pytest

from albert_np.labs import check
from albert_np.labs.lab06 import FEWEST, Machine


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


def whatever_the_machine_says(layers, slots, put, get, step, back):
    for call in [partial(put, 0), *[step] * layers, *[back] * layers]:
        try:
            call()
        except ValueError:
            continue
    return layers


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
