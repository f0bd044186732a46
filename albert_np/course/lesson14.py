"""Notebook 14: a step of LAMB, a bug hunt among optimizers, Adafactor's second moment."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, equal, float32_stays, holds, self_check
from albert_np.params import Layout, ParamStore
from albert_np.training import LAMB

__all__ = ["check_factored_moment", "check_lamb_step", "check_which_bug"]

NAMES = ("w", "m", "v")
Moments = tuple[Floats, ...]  # w, m and v after a step


@self_check("a step of LAMB", returns=NAMES)
def check_lamb_step(lamb_step: Function) -> Iterator[Finding]:
    """Check `w, m, v = lamb_step(w, g, m, v, step, learning_rate, weight_decay, excluded)`; step is 1, 2, …."""
    rng = np.random.default_rng(14)
    w, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    zeros = np.zeros_like(w)
    _, m, v = lamb_step(w, g, zeros, zeros, 1, 0.1, 0.01, False)
    returned = "what is kept is m, not m divided by 1 − β₁ᵗ"
    known = {returned: g, "β₁ and 1 − β₁ are exchanged": 0.9 * g, "decay is in the moments": 0.1 * (g + 0.01 * w)}
    yield equal("m after the first step (14.1)", m, 0.1 * g, mistakes=known, advice="m is 0.9 m + 0.1 g")
    known = {
        "what is kept is v, not v divided by 1 − β₂ᵗ": g * g,
        "v is of squares: this is of g": 0.001 * g,
        "β₂ and 1 − β₂ are exchanged": 0.999 * g * g,
        "0.1 for 0.001: β₂ is 0.999": 0.1 * g * g,
    }
    yield equal("v after the first step (14.2)", v, 0.001 * g * g, mistakes=known, advice="v is 0.999 v + 0.001 g g")
    yield from _one_idea_at_a_time(lamb_step, w, g)

    for name, excluded in (("weight", False), ("bias", True)):
        gradients = [rng.standard_normal((3, 4)) for _ in range(3)]
        own, package = _run(lamb_step, w, gradients, excluded), _package(name, w, gradients)
        for t, (mine, theirs) in enumerate(zip(own, package, strict=True), start=1):
            for key, a, b in zip(NAMES, mine, theirs, strict=True):
                yield equal(f"{'excluded' if excluded else 'adapted'}, step {t}, {key}, against the package", a, b)
    advice = "make φ a plain number with float(…)"
    yield float32_stays(lamb_step, (w, g, zeros, zeros, 1, 0.1, 0.01, False), advice)


def _one_idea_at_a_time(lamb_step: Function, w: Floats, g: Floats) -> Iterator[Finding]:
    """Cases in which all of a step is plain but one equation."""
    zeros, rate = np.zeros_like(w), 0.1

    def moved(*arguments: object) -> Floats:
        return np.asarray(lamb_step(*arguments)[0])

    direction = g / (abs(g) + 1e-6)
    plain = moved(w, g, zeros, zeros, 1, rate, 0.0, True)
    name = "excluded, first step: r = g / (|g| + ε) (14.3, 14.4)"
    yield equal(name, plain, w - rate * direction, mistakes=_first_steps(w, g, rate))
    tiny = 1e-7 * np.ones_like(w)
    name = "a gradient of 1e-7 meets an ε of 1e-6 outside the root (14.4)"
    yield equal(name, moved(w, tiny, zeros, zeros, 1, rate, 0.0, True), w - rate / 11, advice="√v̂ + ε, not √(v̂ + ε)")
    still = moved(w, zeros, zeros, zeros, 1, rate, 0.5, True)
    advice = "weight_decay is for what is not excluded"
    yield equal("excluded: no weight decay", still, w, 1e-12, advice=advice)
    yield _length_of_step("without decay", moved(w, g, zeros, zeros, 1, rate, 0.0, False) - w, w, rate)
    known = {"decay is a part of u, and φ is ‖w‖ / ‖u‖ of the whole u (14.6, 14.7)": (1 - rate * 0.5) * w}
    shrunk = moved(w, zeros, zeros, zeros, 1, rate, 0.5, False)
    name = "adapted, no gradient: u = λ w, φ = 1/λ, so w shrinks by η (14.6)"
    yield equal(name, shrunk, (1 - rate) * w, mistakes=known, advice="Decay is added to r, not to g")
    yield _length_of_step("with decay", moved(w, g, zeros, zeros, 1, rate, 0.5, False) - w, w, rate)
    left = moved(zeros, g, zeros, zeros, 1, rate, 0.0, False)
    advice = "where ‖w‖ or ‖u‖ is 0, φ is 1"
    yield equal("w = 0: φ = 1, so that it can leave 0 (14.7)", left, -rate * direction, advice=advice)
    stays = moved(w, zeros, zeros, zeros, 1, rate, 0.0, False)
    yield equal("u = 0: w stays, and is a number (14.7)", stays, w, advice=advice)


def _length_of_step(what: str, step: Floats, w: Floats, rate: float) -> Finding:
    relative = float(np.linalg.norm(step) / np.linalg.norm(w))
    told = f"it is {relative:.4g}, not {rate:g}: φ is ‖w‖ / ‖u‖, one number for the whole tensor, u with its decay"
    return holds(f"{what}: ‖Δw‖ / ‖w‖ = η (14.8)", abs(relative - rate) < 1e-9, told)


def _first_steps(w: Floats, g: Floats, rate: float) -> dict[str, Floats]:
    """Return advice → w after a first step without decay of an excluded tensor, for what is easily mistaken."""
    norm = float(np.linalg.norm(w) / np.linalg.norm(g / (abs(g) + 1e-6)))

    def corrected(first: float, second: float) -> Floats:
        return w - rate * (0.1 * g / first) / (np.sqrt(0.001 * g * g / second) + 1e-6)

    return {
        "the moments are not corrected (14.3)": corrected(1, 1),
        "v is not corrected (14.3)": corrected(0.1, 1),
        "m is not corrected (14.3)": corrected(1, 0.001),
        "corrected one step late: step is 1 at the first": corrected(1 - 0.9**2, 1 - 0.999**2),
        "an excluded tensor has no trust ratio: φ is 1": w - rate * norm * g / (abs(g) + 1e-6),
        "√v̂ + ε, not √(v̂ + ε): ε stands outside the root (14.4)": w - rate * g / np.sqrt(g * g + 1e-6),
        "the root is missing: divide by √v̂ + ε": w - rate * g / (g * g + 1e-6),
        "uphill: w is w − η u": w + rate * g / (abs(g) + 1e-6),
    }


def _run(lamb_step: Function, w: Floats, gradients: Sequence[Floats], excluded: bool) -> list[Moments]:
    m = v = np.zeros_like(w)
    states: list[Moments] = []
    for t, g in enumerate(gradients, start=1):
        w, m, v = lamb_step(w, g, m, v, t, 0.01, 0.1, excluded)
        states.append((w, m, v))
    return states


def _package(name: str, w: Floats, gradients: Sequence[Floats]) -> list[Moments]:
    layout = Layout({name: w.shape})
    params = ParamStore(layout, w.reshape(-1).copy())
    grads = params.zeros_like()
    optimizer = LAMB(params, grads, weight_decay=0.1)
    states = []
    for g in gradients:
        grads[name] = g
        optimizer.step(0.01)
        stores = (params, optimizer.first_moment, optimizer.second_moment)
        states.append(tuple(store[name].copy() for store in stores))
    return states


def package_lamb_step(
    w: Floats,
    g: Floats,
    m: Floats,
    v: Floats,
    step: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    excluded: bool = False,
) -> tuple[Floats, ...]:
    """One step of the package's LAMB, called as the exercise is."""
    params = ParamStore(Layout({"bias" if excluded else "weight": w.shape}), w.reshape(-1).copy())
    grads = params.zeros_like()
    optimizer = LAMB(params, grads, weight_decay=weight_decay)
    for store, array in ((grads, g), (optimizer.first_moment, m), (optimizer.second_moment, v)):
        store.flat[...] = array.reshape(-1)
    optimizer.steps = step - 1
    optimizer.step(learning_rate)
    stores = (params, optimizer.first_moment, optimizer.second_moment)
    return tuple(store.flat.reshape(w.shape) for store in stores)


NOT_CORRECTED = "the moments are not corrected for their start"
NO_ROOT = "the direction is divided by the mean of the squares, not by its root"
UPSIDE_DOWN = "the trust ratio is upside down"
ALL_ADAPTED = "excluded tensors have a trust ratio too"
DECAY_IN_GRADIENT = "the decay is added to the gradient"
BETAS = "the two betas are exchanged"


def _lamb(
    w: Floats,
    g: Floats,
    m: Floats,
    v: Floats,
    step: int,
    rate: float,
    decay: float = 0.0,
    excluded: bool = False,
    bug: str = "",
) -> tuple[Floats, Floats, Floats]:
    """A step of LAMB with one bug."""
    beta1, beta2 = (0.999, 0.9) if bug == BETAS else (0.9, 0.999)
    decay = 0.0 if excluded else decay
    g = g + decay * w if bug == DECAY_IN_GRADIENT else g
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    m_hat, v_hat = (m, v) if bug == NOT_CORRECTED else (m / (1 - beta1**step), v / (1 - beta2**step))
    u = m_hat / ((v_hat if bug == NO_ROOT else np.sqrt(v_hat)) + 1e-6)
    u = u if bug == DECAY_IN_GRADIENT else u + decay * w
    above, below = float(np.linalg.norm(w)), float(np.linalg.norm(u))
    ratio = above / below if above and below and (bug == ALL_ADAPTED or not excluded) else 1.0
    return w - rate * (1 / ratio if bug == UPSIDE_DOWN else ratio) * u, m, v


def _symptoms(step_of: Function) -> Symptoms:
    """What a reader sees of w = (0.1, 0.7), a learning rate of 0.1 and a few updates from empty moments."""
    start = np.array([0.1, 0.7])

    def after(gradients: Sequence[float], decay: float = 0.0, excluded: bool = False) -> Array:
        """Return the last update's Δw."""
        w, m, v = start, np.zeros(2), np.zeros(2)
        for t, g in enumerate(gradients, start=1):
            before = w
            w, m, v = step_of(w, np.asarray(g) * np.array([1.0, -1.0]), m, v, t, 0.1, decay, excluded)
        return w - before

    length = float(np.linalg.norm(start))
    faded = after((0.0,), decay=0.01)
    grown = np.linalg.norm(after((1000.0,), excluded=True)) / np.linalg.norm(after((1.0,), excluded=True))
    return {
        "moved": f"{100 * np.linalg.norm(after((2.0,))) / length:.0f} %",
        "bias": f"{abs(after((2.0,), excluded=True)[0]) / 0.1:.2f}",
        "2, 2, -2": f"{abs(after((2.0, 2.0, -2.0), excluded=True)[0]) / 0.1:.2f}",
        "g x 1000": f"{grown:.3f}",
        "fades": f"{-float(faded @ start) / np.linalg.norm(faded) / length:.2f}",
    }


HUNT = Hunt(
    bugs={
        bug: partial(_lamb, bug=bug)
        for bug in (ALL_ADAPTED, NOT_CORRECTED, DECAY_IN_GRADIENT, UPSIDE_DOWN, BETAS, NO_ROOT)
    },
    symptoms=_symptoms,
    numbers=(5, 3, 1, 6, 2, 4),
    right=_lamb,
)
check_which_bug = HUNT.check()


FACTORED = ("rows", "columns", "v")


@self_check("a second moment from its margins", returns=FACTORED)
def check_factored_moment(factored_moment: Function) -> Iterator[Finding]:
    """Check `rows, columns, v = factored_moment(rows, columns, g)`: (n,), (k,), (n, k)."""
    rng = np.random.default_rng(140)
    g = rng.standard_normal((3, 4))
    empty = np.zeros(3), np.zeros(4)
    rows, columns, _ = factored_moment(*empty, g)
    squares = 0.001 * g * g
    known = {
        "a sum of the row's squares: (14.15) has their mean": squares.sum(axis=1),
        "0.001 is missing: 1 − β₂ of the new squares": (g * g).mean(axis=1),
        "the squares are missing: this is a mean of g": 0.001 * g.mean(axis=1),
        "1 − β₂ is 0.001, not 0.1: this is a second moment": 0.1 * (g * g).mean(axis=1),
    }
    advice = "row i holds the mean over its columns, axis 1"
    yield equal("rows after one update", rows, squares.mean(axis=1), mistakes=known, advice=advice)
    known = {"a sum of the column's squares: (14.15) has their mean": squares.sum(axis=0)}
    advice = "column j holds the mean over its rows, axis 0"
    yield equal("columns after one update", columns, squares.mean(axis=0), mistakes=known, advice=advice)

    outer = np.outer([1.0, 2.0, 3.0], [4.0, 1.0, 0.5, 2.0])
    v = factored_moment(*empty, outer)[2]
    exact = 0.001 * outer * outer
    product = np.outer(exact.mean(axis=1), exact.mean(axis=0))
    known = {
        "divide the product by the mean of the rows (14.16)": product,
        "the product is divided by the mean, not by the sum, of the rows": product / exact.mean(axis=1).sum(),
        "the root is taken later, in (14.4)": np.sqrt(exact),
        "divided by the mean of the rows twice": product / exact.mean() ** 2,
    }
    yield equal("squares that are a row times a column: v is exact (14.16)", v, exact, mistakes=known)
    old_rows, old_columns = rng.uniform(0.5, 1, 3), rng.uniform(0.5, 1, 4)
    kept = 0.999 * old_rows + squares.mean(axis=1)
    known = {
        "the old margins are forgotten: 0.999 of them stays": squares.mean(axis=1),
        "0.999 of the old is kept, not all": old_rows + squares.mean(axis=1),
        "β₂ and 1 − β₂ are exchanged": 0.001 * old_rows + 999 * squares.mean(axis=1),
    }
    rows, columns, v = factored_moment(old_rows, old_columns, g)
    yield equal("rows that were not empty", rows, kept, mistakes=known)
    columns_kept = 0.999 * old_columns + squares.mean(axis=0)
    yield equal("columns that were not empty", columns, columns_kept)
    right = np.outer(kept, columns_kept) / kept.mean()
    known = {
        "v is made of the old margins, not of the new ones": np.outer(old_rows, old_columns) / old_rows.mean(),
        "v is divided by the mean of the columns: after one update both means agree, here they do not": np.outer(
            kept, columns_kept
        )
        / columns_kept.mean(),
    }
    yield equal("v of margins that were not empty", v, right, mistakes=known)
    nothing = factored_moment(*empty, np.zeros((3, 4)))[2]
    yield equal("no gradient yet: v is 0, and a number", nothing, np.zeros((3, 4)), advice="0 / 0 is none")
    yield float32_stays(factored_moment, (*empty, g), "a float64 number among the factors")


def course_factored_moment(rows: Floats, columns: Floats, g: Floats) -> tuple[Floats, Floats, Floats]:
    """A right answer, called as the exercise is."""
    rows = 0.999 * rows + 0.001 * (g * g).mean(axis=1)
    columns = 0.999 * columns + 0.001 * (g * g).mean(axis=0)
    return rows, columns, np.outer(rows, columns) / (float(rows.mean()) or 1.0)
