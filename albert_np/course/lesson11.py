"""Notebook 11: sharing across layers and groups."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import Finding, differences, equal, holds, self_check
from albert_np.layers import layer_backward
from albert_np.model import AlbertModel
from albert_np.ops import linear_backward, linear_forward, tanh_backward, tanh_forward

__all__ = ["check_shared_backward"]

Gradients = dict[str, Any]
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
def check_shared_backward(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx, gradients = shared_backward(dy, caches, backward, shapes)`.

    `backward(dy, cache)` returns dx and a dictionary of one application's gradients; shapes: name → shape.
    """
    yield from _by_hand(shared_backward)
    yield from _addition(shared_backward)
    yield from _groups(shared_backward)
    yield from _finite_differences(shared_backward)
    yield from _albert(shared_backward)


def _by_hand(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """y = 2x + 1 three times, from x = 3: the inputs are 3, 7, 15, the upstream gradients 4, 2, 1."""

    def backward(dy: Any, x: Any) -> tuple[Any, Gradients]:
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


def _addition(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """y = x + bias: dx, dbias and dy are one and the same array."""
    rng = np.random.default_rng(110)
    dy = rng.standard_normal(5).astype(np.float32)
    dx, gradients = shared_backward(dy, [None] * 4, lambda dy, _: (dy, {"bias": dy}), {"bias": (5,)})
    yield equal("y = x + bias, four times: dbias = 4 dy", gradients["bias"], 4 * dy, 1e-6)
    yield equal("y = x + bias, four times: dx = dy", dx, dy, 1e-6)
    dtype = np.asarray(gradients["bias"]).dtype
    yield holds("float32 in gives float32 out", dtype == np.float32, f"got {dtype}: np.zeros needs dtype=dy.dtype")


def _groups(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """Two groups of weights, of which each application uses one, and a third that nobody uses."""
    rng = np.random.default_rng(111)
    weights, groups = {f"{g}.weight": rng.standard_normal((3, 3)) for g in range(2)}, (0, 0, 1, 1, 1)
    shapes = {**{name: weight.shape for name, weight in weights.items()}, "unused": (2,)}
    x, dy = rng.standard_normal((2, 4, 3))
    caches = []
    for g in groups:
        x, linear_cache = linear_forward(x, weights[f"{g}.weight"], np.zeros(3))
        caches.append((g, linear_cache))

    def backward(dy: Any, cache: Any) -> tuple[Any, Gradients]:
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


def _finite_differences(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """x → tanh(linear(x)), three times."""
    rng = np.random.default_rng(112)

    def forward(x: Any, weight: Any, bias: Any) -> tuple[Any, Any]:
        caches = []
        for _ in range(3):
            x, linear_cache = linear_forward(x, weight, bias)
            x, tanh_cache = tanh_forward(x)
            caches.append((linear_cache, tanh_cache))
        return x, caches

    def step(dy: Any, cache: Any) -> tuple[Any, Gradients]:
        dx, dweight, dbias = linear_backward(tanh_backward(dy, cache[1]), cache[0])
        return dx, {"weight": dweight, "bias": dbias}

    def backward(dy: Any, caches: Any) -> Any:
        dx, gradients = shared_backward(dy, caches, step, {"weight": (4, 4), "bias": (4,)})
        return dx, gradients["weight"], gradients["bias"]

    inputs = {"x": rng.standard_normal((2, 4)), "weight": rng.standard_normal((4, 4)), "bias": rng.standard_normal(4)}
    yield from differences(forward, backward, inputs)


def _albert(shared_backward: Callable[..., Any]) -> Iterator[Any]:
    """ALBERT's layer, four steps in two groups, against the package's own backward pass."""
    model = AlbertModel(SMALL, dtype="float64", seed=11)
    y = model(np.array([[2, 7, 9, 3], [2, 5, 5, 3]])).last_hidden_state
    dy = np.random.default_rng(113).standard_normal(y.shape)
    model.backward(last_hidden_state=dy)
    encoder = model.cache.encoder

    def backward(dy: Any, cache: Any) -> tuple[Any, Gradients]:
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
