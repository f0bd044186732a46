"""Notebook 10: the encoder layer."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function, Wrong
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, differences, equal, holds, self_check
from albert_np.execution import Pattern, dense_pattern
from albert_np.gradcheck import block_cases, randomize, small_config
from albert_np.layers import (
    LayerCache,
    attention_branch_backward,
    attention_branch_forward,
    feed_forward_branch_backward,
    feed_forward_branch_forward,
    layer_forward,
    norm_backward,
    norm_forward,
)
from albert_np.layers import layer_backward as package_layer_backward
from albert_np.model import AlbertModel
from albert_np.params import Scope

__all__ = ["check_layer_backward", "check_pre_ln_backward", "check_which_bug"]

LAYER = "encoder.albert_layer_groups.0.albert_layers.0."


@self_check("the backward of a layer", returns=("dx",))
def check_layer_backward(layer_backward: Function) -> Iterator[Finding]:
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


def _way_around(layer_backward: Function, x: Floats, dy: Floats) -> Iterator[Finding]:
    for part, last in (("the feed-forward part", "ffn_output.weight"), ("the attention", "attention.dense.weight")):
        through = _with_dead_branch(layer_backward, last, x, dy)
        yield holds(
            f"there is a way around {part}",
            np.any(through),
            f"with {last} = 0 nothing comes through {part}, and dx is 0: the skip path is missing",
        )


def _advice(wrong: list[str], mine: Mapping[str, Floats]) -> str:
    """Return what the names of the weights whose gradients are wrong give away."""
    empty = [name for name in wrong if not np.any(mine[name])]
    if empty:
        return f"Nothing arrived in {', '.join(empty)}: is that part called, and its result used?"
    if all("attention" in name for name in wrong):
        return "What arrives at the attention is wrong, what comes before it is right: look at `dh` (10.5)"
    return "Go back in the reverse order of forward, and give each part its own cache and its own scope"


class _Names(Scope):
    """A scope that says what is in it where a name is missing."""

    def __getitem__(self, name: str) -> Array:
        if name not in self:
            known = [full.removeprefix(LAYER) for full in self._store if full.startswith(LAYER)]
            asked = (self.prefix + name).removeprefix(LAYER)
            raise Wrong(f"g has no {asked!r}: is a g.scope(…) missing, or its last dot? There are {', '.join(known)}")
        return super().__getitem__(name)

    def scope(self, prefix: str) -> Scope:
        return _Names(self._store, self.prefix + prefix)


def _run(
    backward: Function, model: AlbertModel, dy: Floats, cache: LayerCache, before: Mapping[str, Floats] | None = None
) -> tuple[Floats, dict[str, Floats]]:
    """Return dx and the gradients of the layer's weights, after adding into `before` (zeros by default)."""
    grads = model.params.zeros_like()
    names = [name for name in grads if name.startswith(LAYER)]
    for name in names:
        if before is not None:
            grads[name] = before[name.removeprefix(LAYER)]
    dx = backward(dy, cache, _Names(grads, LAYER))
    return dx, {name.removeprefix(LAYER): grads[name] for name in names}


def _with_dead_branch(
    backward: Function, last: str, x: Floats, dy: Floats, forward: Function = layer_forward
) -> Floats:
    """Return dx of a layer in which one branch's last weight is zero: only the skip path is left around it."""
    model = randomize(AlbertModel(small_config(), dtype="float64"))
    model.params[LAYER + last][...] = 0
    _, cache = forward(x, dense_pattern(2, 5), model.params.scope(LAYER), model.config)
    return _run(backward, model, dy, cache)[0]


def _finite_differences(backward: Function) -> Iterator[Finding]:
    case = next(case for case in block_cases() if case.name == "layer, dropout")
    weights = {name: weight for name, weight in case.inputs.items() if name != "x"}

    def pure(dy: Floats, cache: LayerCache) -> tuple[Floats, ...]:
        g = {name: np.zeros_like(weight) for name, weight in weights.items()}
        dx = backward(dy, cache, Scope(g, ""))
        return dx, *g.values()

    for found in differences(case.forward, pure, case.inputs, samples=8):
        if found.name.endswith(("of x", "through all")):
            yield replace(found, name=f"{found.name}, with dropout and a mask")


def arrow_gradients(dy: Floats, cache: LayerCache, g: Scope) -> dict[str, Floats]:
    """Return the gradient at each arrow of the figure by its name, (B, T, H) each; those of the weights go into g."""
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    branch_f = feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(ds + branch_f, cache.attention_norm, g.scope("attention.LayerNorm."))
    branch_a = attention_branch_backward(da, cache.attention, g.scope("attention."))
    names = ("dy", "ds", "branch F", "dh", "da", "branch A", "dx")
    return dict(zip(names, (dy, ds, branch_f, ds + branch_f, da, branch_a, da + branch_a), strict=True))


FULL, ATTENTION = "full_layer_layer_norm.", "attention.LayerNorm."


def _backward(dy: Floats, cache: LayerCache, g: Scope, bug: str = "") -> Array:
    """Return dx of a layer with one of the bugs of `HUNT`."""
    g = _Overwriting(g) if bug == "=" else g
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope(FULL))
    through = feed_forward_branch_backward(ds, cache.feed_forward, g)
    dh = through if bug == "skip F" else through + (dy if bug == "dy" else ds)
    da = norm_backward(dh, cache.attention_norm, g.scope(ATTENTION))
    through = attention_branch_backward(da, cache.attention, g.scope("attention."))
    if bug == "twice":
        attention_branch_backward(da, cache.attention, g.scope("attention."))
    return through if bug == "skip A" else da + through


class _Overwriting(Scope):
    """A scope that holds zeros for whoever reads it: `g[name] += d` writes d."""

    def __init__(self, g: Scope) -> None:
        super().__init__(g, "")

    def __getitem__(self, name: str) -> Array:
        return 0 * super().__getitem__(name)

    def scope(self, prefix: str) -> Scope:
        return _Overwriting(self._store.scope(self.prefix + prefix))


def _symptoms(backward: Function) -> Symptoms:
    """What can be seen from outside of a layer's backward: gradients, dx past a dead branch, a second call."""
    model = randomize(AlbertModel(small_config(), dtype="float64"))
    x, dy = np.random.default_rng(10).standard_normal((2, 2, 5, 12))
    _, cache = layer_forward(x, dense_pattern(2, 5), model.params.scope(LAYER), model.config)
    right, expected = _run(package_layer_backward, model, dy, cache)
    dx, mine = _run(backward, model, dy, cache)
    _, twice = _run(backward, model, dy, cache, mine)
    dead = (_with_dead_branch(each, "ffn_output.weight", x, dy) for each in (backward, package_layer_backward))
    weights = {"ffn": "ffn.weight", "LN₁": "attention.LayerNorm.weight", "value": "attention.value.weight"}
    return {
        **{column: factor(mine[name], expected[name]) for column, name in weights.items()},
        "dx": factor(dx, right),
        "dx, F dead": factor(*dead),
        "2 calls": factor(twice["ffn.weight"], mine["ffn.weight"]),
    }


HUNT = Hunt(
    bugs={
        "the skip path around A is missing": partial(_backward, bug="skip A"),
        "`=` for `+=` in the weights' gradients": partial(_backward, bug="="),
        "dy for ds on the skip path around F": partial(_backward, bug="dy"),
        "the attention's backward is called twice": partial(_backward, bug="twice"),
        "the skip path around F is missing": partial(_backward, bug="skip F"),
    },
    symptoms=_symptoms,
    numbers=(3, 5, 1, 2, 4),
    right=_backward,
)
check_which_bug = HUNT.check()


def pre_ln_forward(
    x: Floats, pattern: Pattern, p: Scope, config: AlbertConfig, rng: np.random.Generator | None = None
) -> tuple[Floats, LayerCache]:
    """h = x + A(LayerNorm(x)), y = h + F(LayerNorm(h)); called as `layer_forward` is, and with its cache."""
    normed, attention_norm = norm_forward(x, p.scope(ATTENTION), config)
    a, attention = attention_branch_forward(normed, pattern, p.scope("attention."), config, rng)
    h = x + a
    normed, full_layer_layer_norm = norm_forward(h, p.scope(FULL), config)
    f, feed_forward = feed_forward_branch_forward(normed, p, config, rng)
    return h + f, LayerCache(pattern, attention, attention_norm, feed_forward, full_layer_layer_norm)


def package_pre_ln_backward(dy: Floats, cache: LayerCache, g: Scope) -> Array:
    """Mirror of `pre_ln_forward`, asked for as in the exercise."""
    return _pre_ln_backward(dy, cache, g)


def _pre_ln_backward(dy: Floats, cache: LayerCache, g: Scope, bug: str = "") -> Array:
    if bug == "post":
        return package_layer_backward(dy, cache, g)
    dbranch = feed_forward_branch_backward(dy, cache.feed_forward, g)
    through = dbranch if bug == "no norms" else norm_backward(dbranch, cache.full_layer_layer_norm, g.scope(FULL))
    dh = through if bug == "no skip around F" else dy + through
    dbranch = attention_branch_backward(dy if bug == "dy" else dh, cache.attention, g.scope("attention."))
    through = dbranch if bug == "no norms" else norm_backward(dbranch, cache.attention_norm, g.scope(ATTENTION))
    return {"no skip around A": 0, "dy at the end": dy}.get(bug, dh) + through


PRE_LN_BUGS = {
    "post": "this is the post-LN layer: here LayerNorm begins each branch, so on the way back it comes last",
    "no norms": "each branch begins with a LayerNorm: what comes out of the branch goes on through norm_backward",
    "no skip around F": "the skip path around F is missing (10.9): y = h + …, so dh has dy as a term",
    "no skip around A": "the skip path around A is missing (10.9): h = x + …, so dx has dh as a term",
    "dy": "the attention's half gets dh, not dy: h is what both F and y have used",
    "dy at the end": "the skip path of the attention's half carries dh, not dy",
}


@self_check("the backward of a pre-LN layer", returns=("dx",))
def check_pre_ln_backward(pre_ln_backward: Function) -> Iterator[Finding]:
    """Check `dx = pre_ln_backward(dy, cache, g)`; dy (B, T, H), cache of `pre_ln_forward`, g a scope to add into."""
    model = randomize(AlbertModel(small_config(), dtype="float64"))
    x, dy = np.random.default_rng(11).standard_normal((2, 2, 5, 12))

    def forward(x: Floats) -> tuple[Floats, LayerCache]:
        return pre_ln_forward(x, dense_pattern(2, 5), model.params.scope(LAYER), model.config)

    _, cache = forward(x)
    right, expected = _run(_pre_ln_backward, model, dy, cache)
    dx, mine = _run(pre_ln_backward, model, dy, cache)
    known = {told: _run(partial(_pre_ln_backward, bug=bug), model, dy, cache)[0] for bug, told in PRE_LN_BUGS.items()}
    told = "(10.9), from the left: F and its LayerNorm, a sum, A and its LayerNorm, a sum"
    yield equal("dx, against the package's parts", dx, right, mistakes=known, advice=told)
    wrong = [name for name in expected if not np.allclose(mine[name], expected[name], rtol=1e-9, atol=1e-9)]
    told = f"wrong in {', '.join(wrong)}, though dx is right: has each part its own scope, and is it called once?"
    yield holds(f"the gradients of {len(expected)} weights", not wrong, told)
    _, twice = _run(pre_ln_backward, model, dy, cache, mine)
    lost = [name for name in expected if not np.allclose(twice[name], 2 * mine[name], rtol=1e-9, atol=1e-9)]
    told = "`=` where `+=` belongs? Overwritten: " + ", ".join(lost)
    yield holds("gradients are added to what is there", not lost, told)
    yield from differences(forward, lambda dy, cache: _run(pre_ln_backward, model, dy, cache)[0], {"x": x}, samples=8)
