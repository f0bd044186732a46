"""Notebook 11: sharing across layers and groups."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from weakref import WeakSet

import numpy as np

from albert_np.backend import Floats
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, differences, equal, holds, self_check
from albert_np.layers import LayerCache, layer_backward
from albert_np.model import AlbertModel
from albert_np.ops import LinearCache, TanhCache, linear_backward, linear_forward, tanh_backward, tanh_forward

__all__ = ["check_recomputed_backward", "check_shared_backward", "check_which_bug"]

Gradients = dict[str, Floats]
Shapes = Mapping[str, tuple[int, ...]]
SMALL = AlbertConfig(
    vocab_size=20,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=4,
    num_hidden_groups=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.3,
)


@self_check("backward through a shared stack", returns=("dx", "gradients"))
def check_shared_backward(shared_backward: Function) -> Iterator[Finding]:
    """Check `dx, gradients = shared_backward(dy, caches, backward, shapes)`.

    `backward(dy, cache)` returns dx and a dictionary of one application's gradients; shapes: name → shape.
    """
    yield from _by_hand(shared_backward)
    yield from _addition(shared_backward)
    yield from _groups(shared_backward)
    yield from _finite_differences(shared_backward)
    yield from _albert(shared_backward)


def _by_hand(shared_backward: Function) -> Iterator[Finding]:
    """y = 2x + 1 three times, from x = 3: the inputs are 3, 7, 15, the upstream gradients 4, 2, 1."""

    def backward(dy: Floats, x: Floats) -> tuple[Floats, Gradients]:
        return 2 * dy, {"weight": dy * x, "bias": dy.copy()}

    shapes: dict[str, tuple[int, ...]] = {"weight": (1,), "bias": (1,)}
    caches = [np.array([3.0]), np.array([7.0]), np.array([15.0])]
    dx, gradients = shared_backward(np.array([1.0]), list(caches), backward, shapes)
    if not isinstance(gradients, dict):
        yield Finding("gradients", False, f"got a {type(gradients).__name__}, expected a dictionary, name → array")
        return
    missing = sorted(shapes.keys() - gradients.keys())
    yield holds("every name of shapes has a gradient", not missing, f"{', '.join(missing)} has none")
    if missing:
        return
    name = "by hand, y = 2x + 1 three times: dweight = 15·1 + 7·2 + 3·4"
    yield equal(name, gradients["weight"], [41.0], mistakes={k: [v] for k, v in BY_HAND.items()})
    yield equal("by hand: dbias = 1 + 2 + 4", gradients["bias"], [7.0], mistakes={LAST_ALONE: [4.0]})
    yield equal("by hand: dx = 2·2·2", dx, [8.0], advice="dx is that of the first layer: what the last call returned")
    dx, gradients = shared_backward(np.array([1.0]), caches[:1], backward, shapes)
    yield equal("one layer, where nothing has to be added: dweight", gradients["weight"], [3.0])


LAST_ALONE = "the gradient of the layer that went back last alone: `=` stands where `+=` belongs"
BY_HAND = {
    LAST_ALONE: 12.0,
    "the gradient of the layer that went back first alone": 15.0,
    "the caches are used in forward order: the last layer goes back first": 77.0,
    "the first layer is forgotten": 29.0,
    "the last layer is forgotten": 13.0,
    "the last layer's cache is used for all: each layer has its own": 105.0,
    "the first layer's cache is used for all: each layer has its own": 21.0,
    "dy is the same for all layers: each gets the dx of the layer above it": 25.0,
    "the mean over the layers: it is a sum": 41 / 3,
}


def _addition(shared_backward: Function) -> Iterator[Finding]:
    """y = x + bias: dx, dbias and dy are one and the same array."""
    rng = np.random.default_rng(110)
    dy = rng.standard_normal(5).astype(np.float32)
    dx, gradients = shared_backward(dy, [None] * 4, lambda dy, _: (dy, {"bias": dy}), {"bias": (5,)})
    yield equal("y = x + bias, four times: dbias = 4 dy", gradients["bias"], 4 * dy, 1e-6)
    yield equal("y = x + bias, four times: dx = dy", dx, dy, 1e-6)
    dtype = np.asarray(gradients["bias"]).dtype
    yield holds("float32 in gives float32 out", dtype == np.float32, f"got {dtype}: np.zeros needs dtype=dy.dtype")


def _groups(shared_backward: Function) -> Iterator[Finding]:
    """Two groups of weights, of which each application uses one, and a third that nobody uses."""
    rng = np.random.default_rng(111)
    weights, groups = {f"{g}.weight": rng.standard_normal((3, 3)) for g in range(2)}, (0, 0, 1, 1, 1)
    shapes = {**{name: weight.shape for name, weight in weights.items()}, "unused": (2,)}
    x, dy = rng.standard_normal((2, 4, 3))
    caches = []
    for g in groups:
        x, linear_cache = linear_forward(x, weights[f"{g}.weight"], np.zeros(3))
        caches.append((g, linear_cache))

    def backward(dy: Floats, cache: tuple[int, LinearCache]) -> tuple[Floats, Gradients]:
        dx, dweight, _ = linear_backward(dy, cache[1])
        return dx, {f"{cache[0]}.weight": dweight}

    expected = {name: np.zeros(shape) for name, shape in shapes.items()}
    upstream = dy
    for cache in caches[::-1]:
        upstream, step = backward(upstream, cache)
        for name, gradient in step.items():
            expected[name] = expected[name] + gradient
    dx, gradients = shared_backward(dy, caches, backward, shapes)
    for name, gradient in expected.items():
        if name not in gradients:
            told = f"{name} has no gradient; every name of shapes gets one, zeros if nobody used it"
            yield Finding("groups 0 0 1 1 1", False, told)
        else:
            yield equal(f"groups 0 0 1 1 1: {name}", gradients[name], gradient)
    yield equal("groups 0 0 1 1 1: dx", dx, upstream)


def _finite_differences(shared_backward: Function) -> Iterator[Finding]:
    """x → tanh(linear(x)), three times."""
    rng = np.random.default_rng(112)

    def forward(x: Floats, weight: Floats, bias: Floats) -> tuple[Floats, list[tuple[LinearCache, TanhCache]]]:
        caches = []
        for _ in range(3):
            x, linear_cache = linear_forward(x, weight, bias)
            x, tanh_cache = tanh_forward(x)
            caches.append((linear_cache, tanh_cache))
        return x, caches

    def step(dy: Floats, cache: tuple[LinearCache, TanhCache]) -> tuple[Floats, Gradients]:
        dx, dweight, dbias = linear_backward(tanh_backward(dy, cache[1]), cache[0])
        return dx, {"weight": dweight, "bias": dbias}

    def backward(dy: Floats, caches: list[tuple[LinearCache, TanhCache]]) -> tuple[Floats, Floats, Floats]:
        dx, gradients = shared_backward(dy, caches, step, {"weight": (4, 4), "bias": (4,)})
        return dx, gradients["weight"], gradients["bias"]

    inputs = {"x": rng.standard_normal((2, 4)), "weight": rng.standard_normal((4, 4)), "bias": rng.standard_normal(4)}
    yield from differences(forward, backward, inputs)


def _albert(shared_backward: Function) -> Iterator[Finding]:
    """ALBERT's layer, four steps in two groups, against the package's own backward pass."""
    model = AlbertModel(SMALL, dtype="float64", seed=11)
    y = model(np.array([[2, 7, 9, 3], [2, 5, 5, 3]])).last_hidden_state
    dy = np.random.default_rng(113).standard_normal(y.shape)
    model.backward(last_hidden_state=dy)
    encoder = model.cache.encoder

    def backward(dy: Floats, cache: tuple[str, LayerCache]) -> tuple[Floats, Gradients]:
        prefix, step = cache
        g = model.params.zeros_like()
        dx = layer_backward(dy, step, g.scope(prefix))
        return dx, {name: g[name] for name in g if prefix in name}

    names = [name for name in model.params if "albert_layers" in name]
    shapes = {name: model.params[name].shape for name in names}
    caches = list(zip((call.prefix for call in encoder.calls), encoder.steps, strict=True))
    _, gradients = shared_backward(dy, caches, backward, shapes)
    ours = np.concatenate([np.ravel(gradients[name]) for name in names])
    theirs = np.concatenate([model.grads[name].ravel() for name in names])
    yield equal(f"ALBERT's layer, four steps in two groups: all {len(names)} gradients", ours, theirs)


def package_shared_backward(
    dy: Floats, caches: Sequence[object], backward: Function, shapes: Shapes
) -> tuple[Floats, Gradients]:
    """The answer to the first exercise, for those who go on without it."""
    total = {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        total = {name: gradient + gradients.get(name, 0) for name, gradient in total.items()}
    return dy, total


INPUTS = (1.0, 2.0, 5.0, 14.0)  # of y = 3x − 1, four times from x = 1


def _walk(steps: int, bug: str = "") -> tuple[float, float, float]:
    """Return dweight, dbias and dx of so many times y = 3x − 1, from x = 1 and dy = 1, with one bug."""
    inputs = INPUTS[:steps]
    dy, dx, dweight, dbias = 1.0, 1.0, 0.0, 0.0
    order = inputs if bug == FORWARD else inputs[::-1]
    for x in order[:-1] if bug == FIRST_FORGOTTEN else order:
        x = inputs[-1] if bug == LAST_CACHE else x
        dweight, dbias = (dy * x, dy) if bug == SET else (dweight + dy * x, dbias + dy)
        dx = 3 * dy
        dy = 1.0 if bug == SAME_UPSTREAM else dx
    return (dweight / steps, dbias / steps, dx) if bug == MEAN else (dweight, dbias, dx)


SET = "the gradient is set, not added: `=` for `+=`"
MEAN = "the mean of the steps' contributions, for their sum"
FORWARD = "backward visits the steps in forward order"
LAST_CACHE = "every step reads the last step's cache"
SAME_UPSTREAM = "every step gets the dy of the stack's end"
FIRST_FORGOTTEN = "backward stops before step 0"


def _symptoms(walk: Callable[..., tuple[float, float, float]]) -> Symptoms:
    """What a walk makes of one step, and of three: dweight, dbias and dx."""
    told: Symptoms = {}
    for steps, name in ((1, "1 step"), (3, "3 steps")):
        told |= {f"{name} {what}": f"{x:.4g}" for what, x in zip(("dw", "db", "dx"), walk(steps), strict=True)}
    return told


HUNT = Hunt(
    bugs={bug: partial(_walk, bug=bug) for bug in (LAST_CACHE, FIRST_FORGOTTEN, SET, FORWARD, MEAN, SAME_UPSTREAM)},
    symptoms=_symptoms,
    numbers=(4, 6, 1, 3, 2, 5),
    right=_walk,
)
check_which_bug = HUNT.check()


class _Kept:
    """A cache that can be watched: what it holds, and through `alive` how many there are at a time."""

    def __init__(self, x: tuple[Floats, Floats], alive: WeakSet["_Kept"]) -> None:
        self.x = x
        alive.add(self)


DEEP = 12  # steps of the stack in which caches are counted
AT_ONCE = 3  # caches that any walk may hold: the one in use, the new one, and one under a name left over


@self_check("backward with inputs alone", returns=("dx", "gradients"))
def check_recomputed_backward(recomputed_backward: Function) -> Iterator[Finding]:
    """Check `dx, gradients = recomputed_backward(dy, x, steps, forward, backward, shapes)`.

    `forward(x)` returns y and a cache; `backward(dy, cache)` returns dx and one application's gradients.
    """
    rng = np.random.default_rng(114)
    weight, x, dy = rng.standard_normal((4, 4)) / 2, *rng.standard_normal((2, 3, 4))
    alive: WeakSet[_Kept] = WeakSet()
    count = {"most": 0, "forward": 0, "backward": 0}

    def forward(x: Floats) -> tuple[Floats, _Kept]:
        y = np.tanh(x @ weight.T)
        cache = _Kept((x, y), alive)
        count["forward"] += 1
        count["most"] = max(count["most"], len(alive))
        return y, cache

    def backward(dy: Floats, cache: _Kept) -> tuple[Floats, Gradients]:
        count["backward"] += 1
        x, y = cache.x
        ds = dy * (1 - y * y)
        return ds @ weight, {"weight": ds.T @ x}

    shapes = {"weight": weight.shape}
    for steps in (1, 2, DEEP):
        right, known = _recomputed(dy, x, steps, forward, backward, shapes)
        count.update(most=0, forward=0, backward=0)
        dx, gradients = recomputed_backward(dy, x, steps, forward, backward, shapes)
        if not isinstance(gradients, dict) or "weight" not in gradients:
            yield Finding("gradients", False, "expected a dictionary with one array for each name of shapes")
            return
        mistakes = {name: values["weight"] for name, (_, values) in known.items()}
        name = f"{steps} step{'s' if steps > 1 else ''}"
        yield equal(f"{name}: dweight", gradients["weight"], right[1]["weight"], mistakes=mistakes)
        yield equal(f"{name}: dx", dx, right[0], mistakes={key: values[0] for key, values in known.items()})
    told = f"{count['most']} were: keep each step's input, and make its cache again when backward comes to it"
    yield holds(f"of {DEEP} caches, at most {AT_ONCE} are alive at a time", count["most"] <= AT_ONCE, told)
    told = f"{count['forward']} times: keep the inputs on the way up, so that no step is run more than twice"
    yield holds(f"forward is called at most {2 * DEEP} times", count["forward"] <= 2 * DEEP, told)


def _recomputed(
    dy: Floats, x: Floats, steps: int, forward: Function, backward: Function, shapes: Shapes
) -> tuple[tuple[Floats, Gradients], dict[str, tuple[Floats, Gradients]]]:
    """Return what is right, and what known mistakes give."""
    caches = []
    for _ in range(steps):
        x, cache = forward(x)
        caches.append(cache)
    _, beyond = forward(x)
    known = {
        "each step is run again from its output: it has to start from its input": [*caches[1:], beyond],
        "each step is run again from the stack's input: step i starts from x_i": [caches[0]] * steps,
        "each step is run again from the last step's input: step i starts from x_i": [caches[-1]] * steps,
        "the steps go back in forward order: the last has to go back first": caches[::-1],
    }
    told = {name: package_shared_backward(dy, wrong, backward, shapes) for name, wrong in known.items()}
    return package_shared_backward(dy, caches, backward, shapes), told


def package_recomputed_backward(
    dy: Floats, x: Floats, steps: int, forward: Function, backward: Function, shapes: Shapes
) -> tuple[Floats, Gradients]:
    """The answer to the last exercise, for those who go on without it."""
    inputs = [x]
    for _ in range(steps - 1):
        inputs.append(forward(inputs[-1])[0])
    return package_shared_backward(dy, inputs, lambda dy, x: backward(dy, forward(x)[1]), shapes)
