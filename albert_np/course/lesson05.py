"""Notebook 05: LayerNorm."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.ops import LayerNormCache, layer_norm_forward

__all__ = ["check_layer_norm_dx"]

EPS = 1e-12


@self_check("dx of LayerNorm")
def check_layer_norm_dx(layer_norm_dx: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = layer_norm_dx(dy, x_hat, rstd, weight)`; dy, x_hat (B, T, H), rstd (B, T, 1), weight (H,)."""
    rng = np.random.default_rng(5)
    x, weight, bias = 3 + 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal(7), rng.standard_normal(7)
    dy = rng.standard_normal(x.shape)
    _, cache = layer_norm_forward(x, weight, bias, EPS)
    given = [array.copy() for array in (dy, *cache)]
    dx = layer_norm_dx(*given)
    yield equal("dx, against the package", dx, _expected(dy, cache))
    yield holds(
        "no argument was changed", all((a == b).all() for a, b in zip(given, (dy, *cache), strict=True)), "it was"
    )
    scale = abs(_expected(dy, cache)).max()
    yield holds(
        "dx is orthogonal to 1 (5.6)", abs(np.sum(dx, -1)).max() < 1e-9 * scale, "Σ dx is not 0: is a mean missing?"
    )
    along = abs((dx * cache.x_hat).sum(-1)).max() < 1e-9 * scale
    yield holds("dx is orthogonal to x̂ (5.6)", along, "Σ dx x̂ is not 0: does x̂ carry its own mean?")

    def forward(x: Any) -> Any:
        return layer_norm_forward(x, weight, bias, EPS)

    yield from check_gradients(forward, lambda dy, cache: layer_norm_dx(dy, *cache), {"x": x})[:1]


def _expected(dy: Any, cache: LayerNormCache) -> Any:
    from albert_np.ops import layer_norm_backward

    return layer_norm_backward(dy, cache)[0]
