"""Lab 6: a layer of your own. Forward functions, a machine that counts, and what is looked at; no gradient is here."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function
from albert_np.labs.checks import Become, as_if, backward_exercise, expect, slopes
from albert_np.labs.points import Answer, AnswerFailed, Arguments, Lab, Numbers, Wrong

__all__ = ["FEWEST", "LAB", "Machine", "pre_ln_layer", "scheduled"]


def _personal(rng: np.random.Generator) -> Numbers:
    schedule = [0, 1, 2, *rng.integers(0, 3, 5).tolist()]
    return {
        "layers": int(rng.integers(8, 25)),
        "gamma": round(float(rng.uniform(0.02, 0.2)), 2),
        "reach": round(float(rng.uniform(0.5, 2.0)), 1),
        "rate": round(float(rng.uniform(0.05, 0.4)), 2),
        "schedule": rng.permutation(schedule).tolist(),
        "chain": int(rng.integers(25, 60)),
        "slots": int(rng.integers(3, 6)),
    }


LAB = Lab("06", "A layer of your own", hours=4, notebooks=("10", "11"), personal=_personal)


def _layer_norm(x: Floats, weight: Floats, bias: Floats, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return weight * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) + bias


def pre_ln_layer(
    x: Floats, weight: Floats, bias: Floats, up: Floats, down: Floats, gamma: Floats, keep: Floats, eps: float
) -> Array:
    """x (B, T, H), weight, bias, gamma (H,), up (H, I), down (I, H), keep (B,): y = x + keep γ tanh(LN(x) up) down."""
    branch = np.tanh(_layer_norm(x, weight, bias, eps) @ up) @ down
    return x + keep[:, None, None] * gamma * branch


def _skip_from_the_norm(x: Floats, weight: Floats, bias: Floats, *others: Any) -> Array:
    return pre_ln_layer(x, weight, bias, *others) - x + _layer_norm(x, weight, bias, others[-1])


def _with(**others: float) -> Function:
    """Return the layer with ones times a number in place of the arguments that are named."""
    names = ("x", "weight", "bias", "up", "down", "gamma", "keep", "eps")

    def forward(*arguments: Any) -> Array:
        given = dict(zip(names, arguments, strict=True))
        return pre_ln_layer(**given | {name: number * np.ones_like(given[name]) for name, number in others.items()})

    return forward


def _layer_arguments(answer: Answer, batch: int, length: int, hidden: int, inner: int) -> Arguments:
    rng = answer.rng
    rate = rng.uniform(0.2, 0.6)
    kept = np.arange(batch) % 2 == 0  # one is kept at least, and of two or more one is dropped
    return {
        "x": rng.normal(0.3, 1, (batch, length, hidden)),
        "weight": rng.normal(1, 0.5, hidden),
        "bias": rng.normal(0, 0.5, hidden),
        "up": rng.normal(0, 1, (hidden, inner)) / np.sqrt(hidden),
        "down": rng.normal(0, 1, (inner, hidden)) / np.sqrt(inner),
        "gamma": rng.normal(0.5, 0.3, hidden),
        "keep": rng.permutation(kept) / (1 - rate),
        "eps": 0.1,
    }


KEPT = ("did a dropped example reach it? The mask belongs to the way back too.", _with(keep=1))
SCALED = ("γ scales the branch on the way back too.", _with(gamma=1))

backward_exercise(
    LAB,
    "pre_ln_backward",
    "Pre-LN, LayerScale, drop path: backward",
    forward=pre_ln_layer,
    draw=_layer_arguments,
    gradients={
        "dx": ("x", 9, "There are two ways from x to y: which of them passes the LayerNorm?"),
        "dweight": ("weight", 2, "What stands beside the weight in the forward formula, and which axes has it not?"),
        "dbias": ("bias", 2, "Which axes does the bias not have?"),
        "dup": ("up", 4, "What went into this matrix, and what comes back to its outputs, slope of tanh included?"),
        "ddown": (
            "down",
            4,
            "What went into this matrix, and what comes back to its outputs, γ and the mask included?",
        ),
        "dgamma": ("gamma", 4, "What does γ multiply? Is the mask among it?"),
    },
    shapes=[(3, 2, 4, 5), (2, 1, 3, 2), (1, 3, 2, 4), (4, 2, 3, 1)],
    large=(16, 16, 64, 128),
    speed=3,
    suspects={
        "dx": [
            ("the skip is lost.", lambda dy, given, dx: dx - dy),
            (
                "the skip leads past the LayerNorm, not through it; through it is post-LN.",
                as_if(_skip_from_the_norm, "x"),
            ),
            (KEPT[0], as_if(KEPT[1], "x")),
            (SCALED[0], as_if(SCALED[1], "x")),
        ],
        "ddown": [(KEPT[0], as_if(KEPT[1], "down")), (SCALED[0], as_if(SCALED[1], "down"))],
        "dgamma": [(KEPT[0], as_if(KEPT[1], "gamma"))],
    },
)


def scheduled(x: Floats, weights: Floats, biases: Floats, schedule: Sequence[int]) -> Floats:
    """x (B, T, H), weights (G, H, H), biases (G, H): for each g of the schedule, x becomes x + tanh(x W_g + b_g)."""
    for group in schedule:
        x = x + np.tanh(x @ weights[group] + biases[group])
    return x


SCHEDULE = (0, 1, 1, 2, 0, 1, 2)


def _schedule_arguments(answer: Answer, batch: int, length: int, hidden: int, groups: int, steps: int) -> Arguments:
    rng = answer.rng
    return {
        "x": rng.normal(0, 1, (batch, length, hidden)),
        "weights": rng.normal(0, 0.8, (groups, hidden, hidden)) / np.sqrt(hidden),
        "biases": rng.normal(0, 0.5, (groups, hidden)),
        "schedule": SCHEDULE if steps == len(SCHEDULE) else tuple(rng.integers(0, groups, steps).tolist()),
    }


def _in_groups(place: Callable[[int, Sequence[int], int], int], gather: Function = np.sum) -> Become:
    """Return what `dweights` is if step i's own gradient goes to `place(i, schedule, groups)`, gathered there.

    The steps' own gradients are differences of a stack without sharing.
    """

    def become(dy: Floats, given: Arguments, expected: Floats) -> Floats:
        x, weights, biases, schedule = (given[name] for name in ("x", "weights", "biases", "schedule"))
        own, steps = weights[list(schedule)], range(len(schedule))
        each = slopes(lambda: scheduled(x, own, biases[list(schedule)], steps), own, dy)
        places = np.array([place(i, schedule, len(weights)) for i in steps])
        mistaken = np.zeros_like(expected)
        for group in set(places.tolist()):
            mistaken[group] = gather(each[places == group], axis=0)
        return mistaken

    return become


def _own(i: int, schedule: Sequence[int], groups: int) -> int:
    return schedule[i]


USED_AGAIN = "group 1 is used three times, and each use adds to its gradient: `+=`, not `=`."
BY_STEP = "the number of a step stands where that of its group should: which group does the schedule say?"

backward_exercise(
    LAB,
    "scheduled_backward",
    "Groups by schedule: backward",
    forward=scheduled,
    draw=_schedule_arguments,
    gradients={
        "dx": ("x", 4, "Does the way back meet the steps in the opposite order, each with its own x?"),
        "dweights": ("weights", 7, "How many uses has a group, and which x went into each?"),
        "dbiases": ("biases", 3, "Which axes does a bias not have, and how many uses has its group?"),
    },
    shapes=[(2, 2, 3, 3, len(SCHEDULE)), (1, 3, 2, 2, 4), (3, 1, 2, 5, 3), (2, 2, 1, 1, 2)],
    large=(8, 8, 96, 3, len(SCHEDULE)),
    speed=4,
    suspects={
        "dweights": [
            (USED_AGAIN, _in_groups(_own, lambda uses, axis: uses[0])),
            (USED_AGAIN, _in_groups(_own, lambda uses, axis: uses[-1])),
            ("uses add up: their gradient is a sum, not a mean.", _in_groups(_own, np.mean)),
            (BY_STEP, _in_groups(lambda i, schedule, groups: i % groups)),
            (BY_STEP, _in_groups(lambda i, schedule, groups: i * groups // len(schedule))),
        ],
    },
)


class Machine:
    """A chain of layers to go back through, and few places for activations; it computes nothing, it counts.

    In hand is the input of one layer, at first x_0, that of layer 0. `put(slot)` keeps a copy of what is in hand,
    `get(slot)` takes one in hand, `step()` evaluates the layer whose input is in hand, so that the next layer's input
    is in hand; `back()` goes back through the last layer that is left, whose input must be in hand. A call that is
    not possible raises ValueError, and `fault` keeps the first message.

    hand: the layer whose input is in hand. left: layers not gone back through. steps: calls of `step`. kept: slot →
    the layer whose input it holds. path: for each call, its name and the layer in hand after it.
    """

    def __init__(self, layers: int, slots: int) -> None:
        self.layers, self.slots = layers, slots
        self.hand, self.left, self.steps = 0, layers, 0
        self.kept: dict[int, int] = {}
        self.path: list[tuple[str, int]] = [("start", 0)]
        self.fault = ""

    def put(self, slot: int) -> None:
        self._require(0 <= slot < self.slots, f"put({slot}): the slots are 0 to {self.slots - 1}")
        self.kept[int(slot)] = self.hand
        self._went("put")

    def get(self, slot: int) -> None:
        self._require(slot in self.kept, f"get({slot}): nothing was put there")
        self.hand = self.kept[int(slot)]
        self._went("get")

    def step(self) -> None:
        self._require(self.hand < self.layers, f"step() from x_{self.hand}: there is no layer {self.hand}")
        self.hand, self.steps = self.hand + 1, self.steps + 1
        self._went("step")

    def back(self) -> None:
        self._require(self.left > 0, "back(): no layer is left")
        last = self.left - 1
        self._require(self.hand == last, f"back() through layer {last} needs x_{last} in hand, but x_{self.hand} is")
        self.left = last
        self._went("back")

    def _require(self, condition: bool, message: str) -> None:
        most = self.layers * (self.layers + 8)  # what starting from x_0 for each layer takes, and some
        if not self.fault and not condition:
            self.fault = message
        if not self.fault and len(self.path) > most:
            self.fault = f"more than {most} calls: to start from x_0 for each layer would have taken fewer"
        if self.fault:
            raise ValueError(self.fault)

    def _went(self, name: str) -> None:
        self.path.append((name, self.hand))


# The fewest evaluations for (layers, slots), from Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000).
FEWEST = {(1, 1): 0, (2, 2): 1, (4, 1): 6, (5, 2): 6, (10, 3): 15, (12, 2): 28, (15, 4): 24, (20, 5): 33, (64, 6): 156}

recompute = LAB.exercise("recompute", "Go back with few slots")


def _run(answer: Answer, layers: int, slots: int) -> tuple[Machine, Any]:
    """Let the answer go back through a chain; raise `Wrong` unless it went through every layer, in order."""
    machine = Machine(layers, slots)
    of = f"{layers} {'layers' if layers > 1 else 'layer'} and {slots} {'slots' if slots > 1 else 'slot'}"
    try:
        said = answer.recompute(layers, slots, machine.put, machine.get, machine.step, machine.back)
    except (AnswerFailed, Wrong) as error:
        expect(not machine.fault, f"{of}: {machine.fault}.")
        if machine.left or isinstance(error, AnswerFailed):
            raise
        said = None  # the work is done, and only the number is missing
    expect(not machine.fault, f"{of}: {machine.fault}.")
    expect(machine.left == 0, f"{of}: at the end {machine.left} of the layers were not gone back through.")
    return machine, said


def _expect_steps(answer: Answer, layers: int, slots: int, most: int) -> None:
    steps = _run(answer, layers, slots)[0].steps
    expect(steps <= most, f"{layers} layers and {slots} slots: {steps} evaluations, {most} are enough.")


@recompute.finding("every layer, with a slot for each", 3, "Which x must be in hand, and from where does it come?")
def _every(answer: Answer) -> None:
    for layers, slots in [(1, 1), (2, 2), (3, 4), (7, 7)]:
        _run(answer, layers, slots)


@recompute.finding("every layer, with few slots", 5, "Which of the kept inputs is not needed again, and may go?")
def _few(answer: Answer) -> None:
    drawn = answer.rng.integers(10, 20), answer.rng.integers(2, 6)
    for layers, slots in [(2, 1), (5, 1), (6, 2), (9, 3), (int(drawn[0]), int(drawn[1]))]:
        _run(answer, layers, slots)


@recompute.finding("with a slot for each, none twice", 4, "Is each input put away when it is first in hand?")
def _once(answer: Answer) -> None:
    for layers in (2, 5, 9):
        _expect_steps(answer, layers, layers, layers - 1)


@recompute.finding("two each, with 12 slots for 36", 5, "What if every sixth input is kept, and then those between?")
def _twice(answer: Answer) -> None:
    _expect_steps(answer, 36, 12, 72)


@recompute.finding("the fewest", 6, "After the first input that is kept beside x_0: which two smaller tasks are left?")
def _fewest(answer: Answer) -> None:
    for (layers, slots), most in FEWEST.items():
        _expect_steps(answer, layers, slots, most)


@recompute.finding("the number returned", 2, "It is how often `step` was called.")
def _number(answer: Answer) -> None:
    for layers, slots in [(3, 3), (6, 2)]:
        machine, said = _run(answer, layers, slots)
        expect(said == machine.steps, f"returned {said!r}, but `step` was called {machine.steps} times.")


LAB.written("depth", "How far a gradient gets", 9)
LAB.written("uses", "A schedule, and a layer that is sometimes not there", 8)
LAB.written("slots", "What a slot buys", 8)
