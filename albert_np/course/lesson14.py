"""Notebook 14: a step of LAMB."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.params import Layout, ParamStore
from albert_np.training import LAMB

__all__ = ["check_lamb_step"]

NAMES = ("w", "m", "v")


@self_check("a step of LAMB")
def check_lamb_step(lamb_step: Callable[..., Any]) -> Iterator[Any]:
    """Check `w, m, v = lamb_step(w, g, m, v, step, learning_rate, weight_decay, excluded)`; step is 1, 2, …."""
    rng = np.random.default_rng(14)
    w, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    zeros = np.zeros_like(w)
    given = [x.copy() for x in (w, g, zeros, zeros)]
    got = lamb_step(*given, 1, 0.1, 0.01, False)
    unchanged = all((a == b).all() for a, b in zip(given, (w, g, zeros, zeros), strict=True))
    yield holds("no argument was changed", unchanged, "one was: return new arrays")
    yield equal("m after the first step (14.1)", got[1], 0.1 * g)
    yield equal("v after the first step (14.2)", got[2], 0.001 * g * g)
    yield from _one_idea_at_a_time(lamb_step, w, g)

    for name, excluded in (("weight", False), ("bias", True)):
        gradients = [rng.standard_normal((3, 4)) for _ in range(3)]
        own, package = _run(lamb_step, w, gradients, excluded), _package(name, w, gradients)
        for t, (mine, theirs) in enumerate(zip(own, package, strict=True), start=1):
            for key, a, b in zip(NAMES, mine, theirs, strict=True):
                yield equal(f"{'excluded' if excluded else 'adapted'}, step {t}, {key}, against the package", a, b)
    singles = [np.asarray(x).astype(np.float32) for x in (w, g, zeros, zeros)]
    dtypes = sorted({str(np.asarray(x).dtype) for x in lamb_step(*singles, 1, 0.1, 0.01, False)})
    yield holds(
        "float32 in gives float32 out",
        dtypes == ["float32"],
        f"got {', '.join(dtypes)}: make φ a plain number with float(…)",
    )


def _one_idea_at_a_time(lamb_step: Callable[..., Any], w: Any, g: Any) -> Iterator[Any]:
    """Cases in which all of a step is plain but one equation."""
    zeros, rate = np.zeros_like(w), 0.1

    def moved(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(lamb_step(*(x.copy() for x in arguments[:4]), *arguments[4:])[0])

    direction = g / (abs(g) + 1e-6)
    yield equal(
        "excluded, first step: r = g / (|g| + ε) (14.3, 14.4)",
        moved(w, g, zeros, zeros, 1, rate, 0.0, True),
        w - rate * direction,
    )
    tiny = 1e-7 * np.ones_like(w)
    yield equal(
        "a gradient of 1e-7 meets an ε of 1e-6 outside the root (14.4)",
        moved(w, tiny, zeros, zeros, 1, rate, 0.0, True),
        w - rate / 11,
    )
    yield equal("excluded: no weight decay", moved(w, zeros, zeros, zeros, 1, rate, 0.5, True), w, 1e-12)
    yield equal(
        "adapted, no gradient: u = λ w, φ = 1/λ, so w shrinks by η (14.6)",
        moved(w, zeros, zeros, zeros, 1, rate, 0.5, False),
        (1 - rate) * w,
    )
    for what, decay in (("without decay", 0.0), ("with decay", 0.5)):
        step = moved(w, g, zeros, zeros, 1, rate, decay, False) - w
        relative = float(np.linalg.norm(step) / np.linalg.norm(w))
        yield holds(
            f"{what}: ‖Δw‖ / ‖w‖ = η (14.8)", abs(relative - rate) < 1e-9, f"it is {relative:.4g}, not {rate:g}"
        )
    yield equal(
        "w = 0: φ = 1, so that it can leave 0 (14.7)",
        moved(zeros, g, zeros, zeros, 1, rate, 0.0, False),
        -rate * direction,
    )
    yield equal("u = 0: w stays, and is a number (14.7)", moved(w, zeros, zeros, zeros, 1, rate, 0.0, False), w)


def _run(lamb_step: Callable[..., Any], w: Any, gradients: Any, excluded: bool) -> list[Any]:
    m = v = np.zeros_like(w)
    states = []
    for t, g in enumerate(gradients, start=1):
        w, m, v = lamb_step(w.copy(), g.copy(), m.copy(), v.copy(), t, 0.01, 0.1, excluded)
        states.append((w, m, v))
    return states


def _package(name: str, w: Any, gradients: Any) -> list[Any]:
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
