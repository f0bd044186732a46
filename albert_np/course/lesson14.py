"""Notebook 14: a step of LAMB."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import Finding, equal, float32_stays, holds, self_check
from albert_np.params import Layout, ParamStore
from albert_np.training import LAMB

__all__ = ["check_lamb_step"]

NAMES = ("w", "m", "v")


@self_check("a step of LAMB", returns=NAMES)
def check_lamb_step(lamb_step: Callable[..., Any]) -> Iterator[Any]:
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


def _one_idea_at_a_time(lamb_step: Callable[..., Any], w: Any, g: Any) -> Iterator[Any]:
    """Cases in which all of a step is plain but one equation."""
    zeros, rate = np.zeros_like(w), 0.1

    def moved(*arguments: Any) -> Any:
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


def _length_of_step(what: str, step: Any, w: Any, rate: float) -> Finding:
    relative = float(np.linalg.norm(step) / np.linalg.norm(w))
    told = f"it is {relative:.4g}, not {rate:g}: φ is ‖w‖ / ‖u‖, one number for the whole tensor, u with its decay"
    return holds(f"{what}: ‖Δw‖ / ‖w‖ = η (14.8)", abs(relative - rate) < 1e-9, told)


def _first_steps(w: Any, g: Any, rate: float) -> dict[str, Any]:
    """Return advice → w after a first step without decay of an excluded tensor, for what is easily mistaken."""
    norm = float(np.linalg.norm(w) / np.linalg.norm(g / (abs(g) + 1e-6)))

    def corrected(first: float, second: float) -> Any:
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


def _run(lamb_step: Callable[..., Any], w: Any, gradients: Any, excluded: bool) -> list[Any]:
    m = v = np.zeros_like(w)
    states = []
    for t, g in enumerate(gradients, start=1):
        w, m, v = lamb_step(w, g, m, v, t, 0.01, 0.1, excluded)
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


def package_lamb_step(
    w: Any, g: Any, m: Any, v: Any, step: int, learning_rate: float, weight_decay: float = 0.01, excluded: bool = False
) -> tuple[Any, ...]:
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
