"""Notebook 10: the encoder layer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from albert_np.course.answers import Wrong
from albert_np.course.report import differences, equal, holds, self_check
from albert_np.execution import dense_pattern
from albert_np.gradcheck import block_cases, randomize, small_config
from albert_np.layers import (
    LayerCache,
    attention_branch_backward,
    feed_forward_branch_backward,
    layer_forward,
    norm_backward,
)
from albert_np.layers import layer_backward as package_layer_backward
from albert_np.model import AlbertModel
from albert_np.params import Scope

__all__ = ["check_layer_backward"]

LAYER = "encoder.albert_layer_groups.0.albert_layers.0."


@self_check("the backward of a layer", returns=("dx",))
def check_layer_backward(layer_backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = layer_backward(dy, cache, g)`; dy (B, T, H), cache of `layer_forward`, g a scope to add into."""
    model = randomize(AlbertModel(small_config(), dtype="float64"))
    rng = np.random.default_rng(10)
    x, dy = rng.standard_normal((2, 2, 5, 12))
    _, cache = layer_forward(x, dense_pattern(2, 5), model.params.scope(LAYER), model.config)
    right, expected = _run(package_layer_backward, model, dy, cache)
    dx, mine = _run(layer_backward, model, dy, cache)
    yield from _way_around(layer_backward, x, dy)
    wrong = [name for name in expected if not np.allclose(mine[name], expected[name], rtol=1e-9, atol=1e-9)]
    told = f"wrong in {', '.join(wrong)}. {_advice(wrong, mine)}"
    yield holds(f"the gradients of {len(expected)} weights", not wrong, told)
    yield equal(
        "dx, against the package",
        dx,
        right,
        advice="(10.6), then (10.5): where the formula has a plus, so has your code",
    )
    before = {name: rng.standard_normal(gradient.shape) for name, gradient in expected.items()}
    _, twice = _run(layer_backward, model, dy, cache, before)
    lost = [n for n in expected if not np.allclose(twice[n], before[n] + mine[n], rtol=1e-9, atol=1e-9)]
    yield holds(
        "gradients are added to what is there", not lost, "`=` where `+=` belongs? Overwritten: " + ", ".join(lost)
    )
    yield from _finite_differences(layer_backward)


def _way_around(layer_backward: Callable[..., Any], x: Any, dy: Any) -> Iterator[Any]:
    for part, last in (("the feed-forward part", "ffn_output.weight"), ("the attention", "attention.dense.weight")):
        through = _with_dead_branch(layer_backward, last, x, dy)
        yield holds(
            f"there is a way around {part}",
            np.any(through),
            f"with {last} = 0 nothing comes through {part}, and dx is 0: the skip path is missing",
        )


def _advice(wrong: list[str], mine: Mapping[str, Any]) -> str:
    """Return what the names of the weights whose gradients are wrong give away."""
    empty = [name for name in wrong if not np.any(mine[name])]
    if empty:
        return f"Nothing arrived in {', '.join(empty)}: is that part called, and its result used?"
    if all("attention" in name for name in wrong):
        return "What arrives at the attention is wrong, what comes before it is right: look at `dh` (10.5)"
    return "Go back in the reverse order of forward, and give each part its own cache and its own scope"


class _Names(Scope):
    """A scope that says what is in it where a name is missing."""

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            known = [full.removeprefix(LAYER) for full in self._store if full.startswith(LAYER)]
            asked = (self._prefix + name).removeprefix(LAYER)
            raise Wrong(f"g has no {asked!r}: is a g.scope(…) missing, or its last dot? There are {', '.join(known)}")
        return super().__getitem__(name)

    def scope(self, prefix: str) -> Scope:
        return _Names(self._store, self._prefix + prefix)


def _run(
    backward: Callable[..., Any], model: Any, dy: Any, cache: LayerCache, before: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Return dx and the gradients of the layer's weights, after adding into `before` (zeros by default)."""
    grads = model.params.zeros_like()
    names = [name for name in grads if name.startswith(LAYER)]
    for name in names:
        if before is not None:
            grads[name] = before[name.removeprefix(LAYER)]
    dx = backward(dy, cache, _Names(grads, LAYER))
    return dx, {name.removeprefix(LAYER): grads[name] for name in names}


def _with_dead_branch(backward: Callable[..., Any], last: str, x: Any, dy: Any) -> Any:
    """Return dx of a layer in which one branch's last weight is zero: only the skip path is left around it."""
    model = randomize(AlbertModel(small_config(), dtype="float64"))
    model.params[LAYER + last][...] = 0
    _, cache = layer_forward(x, dense_pattern(2, 5), model.params.scope(LAYER), model.config)
    return _run(backward, model, dy, cache)[0]


def _finite_differences(backward: Callable[..., Any]) -> Iterator[Any]:
    case = next(case for case in block_cases() if case.name == "layer, dropout")
    weights = {name: weight for name, weight in case.inputs.items() if name != "x"}

    def pure(dy: Any, cache: LayerCache) -> Any:
        g = {name: np.zeros_like(weight) for name, weight in weights.items()}
        dx = backward(dy, cache, Scope(g, ""))
        return dx, *g.values()

    for found in differences(case.forward, pure, case.inputs, samples=8):
        if found.name.endswith(("of x", "through all")):
            yield replace(found, name=f"{found.name}, with dropout and a mask")


def arrow_gradients(dy: Any, cache: LayerCache, g: Scope) -> dict[str, Any]:
    """Return the gradient at each arrow of the figure by its name, (B, T, H) each; those of the weights go into g."""
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    branch_f = feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(ds + branch_f, cache.attention_norm, g.scope("attention.LayerNorm."))
    branch_a = attention_branch_backward(da, cache.attention, g.scope("attention."))
    names = ("dy", "ds", "branch F", "dh", "da", "branch A", "dx")
    return dict(zip(names, (dy, ds, branch_f, ds + branch_f, da, branch_a, da + branch_a), strict=True))
