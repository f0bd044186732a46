"""Lab 1: slopes. Forward functions and what is looked at; no gradient of what is asked for is written down here."""

from functools import partial

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function
from albert_np.labs.checks import (
    Become,
    backward_exercise,
    expect,
    expect_array,
    expect_gradient,
    expect_unchanged,
    expect_values,
    slopes,
)
from albert_np.labs.points import Answer, Arguments, Exercise, Lab, Numbers, Wrong

__all__ = ["LAB"]


def _personal(rng: np.random.Generator) -> Numbers:
    return {
        "rate": int(rng.integers(2, 10)),
        "place": round(float(rng.uniform(0.5, 2)), 1),
        "beta": round(float(rng.uniform(0.5, 3)), 1),
        "x": round(float(rng.uniform(0.2, 1.5)), 1),
    }


LAB = Lab("01", "Slopes", hours=4, notebooks=("01", "02", "03"), personal=_personal)

SPECS = ["ij,jk->ik", "bij,jk->bik", "i,j->ij", "bnij,bnkj->bnik", "ij,ij->", "cab,bd->acd", "i,ij->j"]
SUMMED = ["ijk,k->i", "ij,k->i", "ij,jkl->ik", "i,j->"]  # an index that one array has alone, and the result has not


def contracted(spec: str, a: Floats, b: Floats) -> Array:
    """Return Σ a · b as NumPy's einsum has it."""
    return np.einsum(spec, a, b)


def _contracted_arguments(answer: Answer, number: int, length: int = 0) -> Arguments:
    """Draw arrays for a spec by its number; length: of every index, or 0 for lengths that all differ."""
    spec = [*SPECS, *SUMMED][number]
    letters = sorted(set(spec) - set(",->"))
    lengths = [length] * len(letters) if length else (answer.rng.permutation(5)[: len(letters)] + 1).tolist()
    size = dict(zip(letters, lengths, strict=True))
    a, b = (answer.rng.normal(size=[size[i] for i in part]) for part in spec.split("->")[0].split(","))
    return {"spec": spec, "a": a, "b": b}


def _without_dy(argument: str) -> Become:
    return lambda dy, a, expected: slopes(partial(contracted, a["spec"], a["a"], a["b"]), a[argument], np.ones_like(dy))


TWICE = "twice dy must give twice the gradient."


def _sums_inside(exercise: Exercise) -> None:
    @exercise.finding("an index of one array alone", 5, "Such an index was summed: to which numbers does dy come back?")
    def _look(answer: Answer) -> None:
        for number, spec in enumerate(SUMMED, len(SPECS)):
            given = _contracted_arguments(answer, number)
            f = partial(contracted, *given.values())
            dy = answer.rng.standard_normal(np.shape(f())) if np.shape(f()) else answer.rng.standard_normal() + 2
            got = expect_values(answer.einsum_backward(dy, spec, given["a"].copy(), given["b"].copy()), ["da", "db"])
            for name, value in zip(("da", "db"), got, strict=True):
                try:
                    expect_gradient(name, value, f, given[name[1]], dy)
                except Wrong as wrong:
                    raise Wrong(f"with spec {spec!r}: {wrong}") from None


_sums_inside(
    backward_exercise(
        LAB,
        "einsum_backward",
        "Any product of two arrays, backward",
        forward=contracted,
        draw=_contracted_arguments,
        gradients={
            "da": ("a", 8, "What did each number of a meet, and into which results did it go?"),
            "db": ("b", 8, "What did each number of b meet, and into which results did it go?"),
        },
        shapes=[(number,) for number in range(len(SPECS))],
        large=(0, 256),
        suspects={"da": [(TWICE, _without_dy("a"))], "db": [(TWICE, _without_dy("b"))]},
    )
)


class Smooth:
    """A smooth function of all numbers of x, with its gradient: scale · Σ cᵢ sin(aᵢ xᵢ) + bᵢ xᵢ xᵢ₊₁ + dᵢ xᵢ⁴."""

    def __init__(self, rng: np.random.Generator, size: int, scale: float = 1.0) -> None:
        self.a, self.b, self.c, self.d = rng.uniform(0.5, 1.5, (4, size)) * rng.choice([-1, 1], (4, size))
        self.scale = scale

    def __call__(self, x: npt.ArrayLike) -> float:
        x = np.asarray(x, np.float64).ravel()
        terms = self.c * np.sin(self.a * x) + self.b * x * np.roll(x, -1) + self.d * x**4
        return float(self.scale * terms.sum())

    def gradient(self, x: npt.ArrayLike) -> Array:
        flat = np.asarray(x, np.float64).ravel()
        neighbours = self.b * np.roll(flat, -1) + np.roll(self.b * flat, 1)
        slope = self.c * self.a * np.cos(self.a * flat) + neighbours + 4 * self.d * flat**3
        return self.scale * slope.reshape(np.shape(x))


# f, x, a gradient, whether it is right, and a word about it
Case = tuple[Smooth | Function, np.ndarray, Floats, bool, str]


def _trusts(answer: Answer, *cases: Case) -> None:
    """Ask about right and wrong gradients, in an order that nobody can guess."""
    for number in answer.rng.permutation(len(cases)):
        f, x, gradient, right, what = cases[number]
        got = answer.trust(f, x.copy(), gradient.copy())
        expect(np.ndim(got) == 0 and not isinstance(got, str), f"trust returned {got!r}, expected True or False")
        alarm = "a right gradient is not trusted" if right else "a wrong gradient is trusted"
        expect(bool(got) == right, f"{alarm}: {what}")


def _drawn(answer: Answer, shape: tuple[int, ...] = (2, 2), scale: float = 1.0) -> tuple[Smooth, Floats, Floats]:
    """Draw a function, x and its gradient, no number of which is near 0 or another: each change of it is one."""
    while True:
        f, x = Smooth(answer.rng, int(np.prod(shape)), scale), answer.rng.normal(0, 0.7, shape)
        gradient = f.gradient(x)
        if np.diff(np.sort([0, *gradient.ravel()])).min() > 0.05 * scale:
            return f, x, gradient


def _differences(exercise: Exercise) -> None:
    @exercise.finding("an error of fourth order", 7, "Which four evaluations make the terms with h² and h³ vanish?")
    def _order(answer: Answer) -> None:
        f, x, right = _drawn(answer, (3,))
        errors = []
        for h in (0.1, 0.05):
            got = expect_array("differences", expect_values(answer.differences(f, x.copy(), h), ["slope"])[0], (3,))
            errors.append(float(np.abs(got - right).max()))
        expect(errors[0] < 1, f"with h = 0.1 the error is {errors[0]:.3g}: are these slopes?")
        falls = f"with half the step the error falls {errors[0] / max(errors[1], 1e-300):.3g}-fold, expected 16-fold"
        expect(errors[0] < 1e-3 and errors[1] < errors[0] / 12, f"{falls} (it is {errors[0]:.1g} at h = 0.1).")

    @exercise.finding("right and wrong gradients", 6)
    def _plain(answer: Answer) -> None:
        for shape in ((4,), (2, 2), (1, 3), (2, 1, 2)):
            f, x, gradient = _drawn(answer, shape)
            last = np.arange(gradient.size).reshape(shape) == gradient.size - 1
            _trusts(
                answer,
                (f, x, gradient, True, f"x has the shape {shape}."),
                (f, x, -gradient, False, "its sign is changed."),
                (f, x, 2 * gradient, False, "it is doubled."),
                (f, x, np.roll(gradient, 1), False, "its numbers have changed places."),
                (f, x, np.where(last, 0, gradient), False, "its last number is 0."),
            )

    @exercise.finding("one number slightly off", 3, "Is every number looked at, and how exact are your differences?")
    def _slight(answer: Answer) -> None:
        f, x, gradient = _drawn(answer, (6,))
        cases: list[Case] = [(f, x, gradient, True, "x has six numbers.")] * 2
        for place in answer.rng.permutation(6)[:3].tolist():
            wrong = gradient + 1e-3 * np.abs(gradient).max() * (np.arange(6) == place)
            cases.append((f, x, wrong, False, f"its number {place} is off by a thousandth of the largest."))
        _trusts(answer, *cases)


def _unusual_numbers(exercise: Exercise) -> None:
    @exercise.finding("any scale", 4, "An error is large or small beside the gradient, not beside 1; and 0 beside 0?")
    def _scale(answer: Answer) -> None:
        for scale in (1e6, 1e-7):
            f, x, gradient = _drawn(answer, (3,), scale)
            largest = f"its numbers are as large as {np.abs(gradient).max():.0e}."
            right: Case = (f, x, gradient, True, largest)
            _trusts(answer, right, (f, x, 1.05 * gradient, False, f"it is 5% too large, and {largest}"))
        f, x, gradient = _drawn(answer, (3,))
        x, gradient = np.append(x, 0.3), np.append(gradient, 0.0)

        def of_three(x: np.ndarray) -> float:
            return f(x[:3])

        what = "f does not depend on the last number, whose slope is"
        wrong = gradient + np.array([0, 0, 0, 0.1])
        _trusts(answer, (of_three, x, gradient, True, f"{what} 0."), (of_three, x, wrong, False, f"{what} not 0.1."))

    @exercise.finding("NaN is no gradient", 1, "What is NaN > 1e-6?", side=True)
    def _nan(answer: Answer) -> None:
        f, x, gradient = _drawn(answer, (3,))
        gradient[1] = np.nan
        _trusts(answer, (f, x, gradient, False, "one of its numbers is NaN."))

    @exercise.finding("x of whole numbers", 2, "What is left of a small step in an array of integers?")
    def _whole(answer: Answer) -> None:
        f, x = Smooth(answer.rng, 3), answer.rng.permutation(3) + 1
        gradient, what = f.gradient(x), f"x is {x.tolist()}, of integers."
        _trusts(answer, (f, x, gradient, True, what), (f, x, -gradient, False, what))

    @exercise.finding("x is put back", 2, "Keep the number itself: x + h − h need not be x.", side=True)
    def _back(answer: Answer) -> None:
        f, x, gradient = _drawn(answer, (8,))
        given = {"x": x, "gradient": gradient}
        before = {name: value.copy() for name, value in given.items()}
        answer.trust(f, x, gradient)
        expect_unchanged(given, before)
        answer.differences(f, x, 0.1)
        expect_unchanged(given, before)


TRUST = LAB.exercise("trust", "A gradient check of your own", ("differences", "trust"))
_differences(TRUST)
_unusual_numbers(TRUST)


def swish(x: Floats, beta: Floats) -> Array:
    """x (…, H), beta (H,): y = x σ(β x), σ(z) = 1 / (1 + e^(−z))."""
    return x / (1 + np.exp(-beta * x))


def gate(u: Floats, v: Floats) -> Array:
    """u and v of one shape: y = u · v σ(v)."""
    return u * v / (1 + np.exp(-v))


def _far_away(exercise: Exercise) -> None:
    @exercise.finding("numbers far from 0", 2, "Which form of σ(z) divides infinity by infinity?", side=True)
    def _far(answer: Answer) -> None:
        x, beta, dy = np.array([[1e3, -1e3], [1e15, -1e15]]), np.array([1.5, 2.0]), answer.rng.normal(size=(2, 2))
        dx, dbeta = expect_values(answer.swish_backward(dy, x, beta), ["dx", "dbeta"])
        # far to the right swish is x itself, far to the left 0; neither depends on β
        for name, got, right in (("dx", dx, dy * [1, 0]), ("dbeta", dbeta, np.zeros(2))):
            close = np.allclose(expect_array(name, got, right.shape), right, rtol=1e-9, atol=1e-9)
            expect(close, f"{name} is {np.asarray(got).tolist()} where x is {x.tolist()}, expected {right.tolist()}.")


_far_away(
    backward_exercise(
        LAB,
        "swish_backward",
        "Swish with a learned β, backward",
        forward=swish,
        draw=lambda answer, *shape: {
            "x": answer.rng.normal(0, 1.5, shape),
            "beta": answer.rng.uniform(0.5, 2, shape[-1]),
        },
        gradients={
            "dx": ("x", 8, "x stands in the formula twice: which two terms does that give?"),
            "dbeta": ("beta", 6, "Which numbers of x does one β see, and what is the slope of β x by β?"),
        },
        shapes=[(3, 4), (2, 1, 3), (2, 2, 2, 2), (4, 1)],
        large=(64, 512),
        suspects={
            "dx": [
                (
                    "σ(β x), too, depends on x.",
                    lambda dy, a, dx: dy / (1 + np.exp(-a["beta"] * a["x"])),
                )
            ],
            "dbeta": [("is it the sum over rows, or the mean?", lambda dy, a, d: d * len(a["beta"]) / dy.size)],
        },
    )
)

backward_exercise(
    LAB,
    "gate_backward",
    "A gate, backward",
    forward=gate,
    draw=lambda answer, *shape: {"u": answer.rng.normal(0, 1.5, shape), "v": answer.rng.normal(0, 1.5, shape)},
    gradients={
        "du": ("u", 3, "By what is u multiplied?"),
        "dv": ("v", 4, "v stands in the formula twice, and both terms have a factor in common."),
    },
    shapes=[(3, 4), (2, 1, 3), (4, 1)],
    large=(64, 512),
    suspects={
        "dv": [("u is missing in it.", lambda dy, a, dv: dv / a["u"])],
        "du": [("silu is v σ(v), not σ(v).", lambda dy, a, du: du / a["v"])],
    },
    speed=1,
)

LAB.written("step", "The best step for a function of your own", 12)
LAB.written("beta", "What β learns from", 8)
