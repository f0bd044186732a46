"""Notebook 05: LayerNorm."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import differences, equal, float32_stays, holds, self_check
from albert_np.ops import LayerNormCache, layer_norm_backward, layer_norm_forward

__all__ = ["check_layer_norm_dx"]

EPS = 1e-12


@self_check("dx of LayerNorm", returns=("dx",))
def check_layer_norm_dx(layer_norm_dx: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = layer_norm_dx(dy, x_hat, rstd, weight)`; dy, x_hat (B, T, H), rstd (B, T, 1), weight (H,)."""
    rng = np.random.default_rng(5)
    x, weight, bias = 3 + 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal(7), rng.standard_normal(7)
    dy = rng.standard_normal(x.shape)
    _, cache = layer_norm_forward(x, weight, bias, EPS)
    right = layer_norm_backward(dy, cache)[0]
    dx = layer_norm_dx(dy, *cache)
    advice = "(5.6): rstd times what is left of dx̂ when its mean and its part along x̂ are taken off"
    yield equal("dx, against the package", dx, right, mistakes=_mistakes(dy, cache), advice=advice)
    scale = abs(right).max()
    yield holds(
        "dx is orthogonal to 1 (5.7)", abs(np.sum(dx, -1)).max() < 1e-9 * scale, "Σ dx is not 0: is a mean missing?"
    )
    along = abs((dx * cache.x_hat).sum(-1)).max() < 1e-9 * scale
    yield holds("dx is orthogonal to x̂ (5.7)", along, "Σ dx x̂ is not 0: does x̂ carry its own mean?")
    yield float32_stays(layer_norm_dx, (dy, *cache), "a NumPy number among the factors is a float64")

    def forward(x: Any) -> Any:
        return layer_norm_forward(x, weight, bias, EPS)

    yield from differences(forward, lambda dy, cache: layer_norm_dx(dy, *cache), {"x": x})


def _mistakes(dy: Any, cache: LayerNormCache) -> dict[str, Any]:
    """Return advice → dx, for what is easily written instead of (5.6)."""
    x_hat, rstd, weight = cache.x_hat, cache.rstd, cache.weight
    dx_hat = dy * weight

    def mean(x: Any) -> Any:
        return x.mean(axis=-1, keepdims=True)

    right = rstd * (dx_hat - mean(dx_hat) - x_hat * mean(dx_hat * x_hat))
    return {
        "Σ dx is not 0: the mean of dx̂ is not taken off": rstd * (dx_hat - x_hat * mean(dx_hat * x_hat)),
        "Σ dx x̂ is not 0: the part along x̂ is not taken off": rstd * (dx_hat - mean(dx_hat)),
        "both means are missing: x reaches y through the mean and the variance too": rstd * dx_hat,
        "the means are of dx̂ = dy · weight, not of dy": rstd * weight * (dy - mean(dy) - x_hat * mean(dy * x_hat)),
        "weight is missing: dx̂ = dy · weight": rstd * (dy - mean(dy) - x_hat * mean(dy * x_hat)),
        "the factor rstd is missing": right / rstd,
        "divided by rstd where it is a factor": right / rstd / rstd,
        "the mean of dx̂ is over all rows: each row has its own": rstd
        * (dx_hat - dx_hat.mean() - x_hat * mean(dx_hat * x_hat)),
        "the mean of dx̂ x̂ is over all rows: each row has its own": rstd
        * (dx_hat - mean(dx_hat) - x_hat * (dx_hat * x_hat).mean()),
        "sums for the means: each is divided by H": rstd
        * (dx_hat - dx_hat.sum(-1, keepdims=True) - x_hat * (dx_hat * x_hat).sum(-1, keepdims=True)),
        "the sign of the part along x̂ is turned round": rstd * (dx_hat - mean(dx_hat) + x_hat * mean(dx_hat * x_hat)),
        "the last mean has to be multiplied by x̂": rstd * (dx_hat - mean(dx_hat) - mean(dx_hat * x_hat)),
    }


def package_layer_norm_dx(dy: Any, x_hat: Any, rstd: Any, weight: Any) -> Any:
    """The package's dx, called as the exercise is."""
    return layer_norm_backward(dy, LayerNormCache(x_hat, rstd, weight))[0]
