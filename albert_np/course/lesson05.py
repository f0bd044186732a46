"""Notebook 05: LayerNorm."""

from collections.abc import Iterator

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, differences, equal, float32_stays, holds, self_check
from albert_np.ops import LayerNormCache, layer_norm_backward, layer_norm_forward

__all__ = ["check_layer_norm_dx", "check_rms_norm_backward", "check_what_is_missing", "check_which_bug"]

EPS = 1e-12
RmsNormCache = tuple[Floats, Floats, Floats]  # x_hat, r, weight


def _mean(x: Floats) -> Array:
    return x.mean(axis=-1, keepdims=True)


@self_check("dx of LayerNorm", returns=("dx",))
def check_layer_norm_dx(layer_norm_dx: Function) -> Iterator[Finding]:
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
    yield float32_stays(layer_norm_dx, (dy, *cache), "a number or an array that NumPy made is a float64")

    def forward(x: Floats) -> tuple[Floats, LayerNormCache]:
        return layer_norm_forward(x, weight, bias, EPS)

    yield from differences(forward, lambda dy, cache: layer_norm_dx(dy, *cache), {"x": x})


def _mistakes(dy: Floats, cache: LayerNormCache) -> dict[str, Floats]:
    """Return advice → dx, for what is easily written instead of (5.6)."""
    x_hat, rstd, weight = cache.x_hat, cache.rstd, cache.weight
    dx_hat = dy * weight
    right = rstd * (dx_hat - _mean(dx_hat) - x_hat * _mean(dx_hat * x_hat))
    return {
        "Σ dx is not 0: the mean of dx̂ is not taken off": rstd * (dx_hat - x_hat * _mean(dx_hat * x_hat)),
        "Σ dx x̂ is not 0: the part along x̂ is not taken off": rstd * (dx_hat - _mean(dx_hat)),
        "both means are missing: x reaches y through the mean and the variance too": rstd * dx_hat,
        "the means are of dx̂ = dy · weight, not of dy": rstd * weight * (dy - _mean(dy) - x_hat * _mean(dy * x_hat)),
        "weight is missing: dx̂ = dy · weight": rstd * (dy - _mean(dy) - x_hat * _mean(dy * x_hat)),
        "the factor rstd is missing": right / rstd,
        "divided by rstd where it is a factor": right / rstd / rstd,
        "the mean of dx̂ is over all rows: each row has its own": rstd
        * (dx_hat - dx_hat.mean() - x_hat * _mean(dx_hat * x_hat)),
        "the mean of dx̂ x̂ is over all rows: each row has its own": rstd
        * (dx_hat - _mean(dx_hat) - x_hat * (dx_hat * x_hat).mean()),
        "sums for the means: each is divided by H": rstd
        * (dx_hat - dx_hat.sum(-1, keepdims=True) - x_hat * (dx_hat * x_hat).sum(-1, keepdims=True)),
        "the sign of the part along x̂ is turned round": rstd * (dx_hat - _mean(dx_hat) + x_hat * _mean(dx_hat * x_hat)),
        "the last mean has to be multiplied by x̂": rstd * (dx_hat - _mean(dx_hat) - _mean(dx_hat * x_hat)),
    }


def package_layer_norm_dx(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    """The package's dx, called as the exercise is."""
    return layer_norm_backward(dy, LayerNormCache(x_hat, rstd, weight))[0]


def _mean_kept(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    g = dy * weight
    return rstd * (g - x_hat * _mean(g * x_hat))


def _projection_kept(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    g = dy * weight
    return rstd * (g - _mean(g))


def _both_kept(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    return rstd * dy * weight


def _rstd_left_out(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    return package_layer_norm_dx(dy, x_hat, np.ones_like(rstd), weight)


def _weight_left_out(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    return package_layer_norm_dx(dy, x_hat, rstd, np.ones_like(weight))


def _weight_afterwards(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    return weight * package_layer_norm_dx(dy, x_hat, rstd, np.ones_like(weight))


def _mean_of_all_rows(dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats) -> Array:
    g = dy * weight
    return rstd * (g - g.mean() - x_hat * _mean(g * x_hat))


HUNT_X, HUNT_DY, (HUNT_WEIGHT,) = np.split(np.random.default_rng(52).standard_normal((7, 8)), (3, 6))  # (R, H) and (H)


def hunted(function: Function, scale: float = 1.0, times: float = 1.0, rows: int = 3) -> tuple[Floats, Floats]:
    """Return what a dx gives for the first rows of the hunt, and their x_hat; x is scaled, the weight multiplied."""
    weight = times * HUNT_WEIGHT
    _, cache = layer_norm_forward(2 + scale * HUNT_X[:rows], weight, np.zeros_like(weight), EPS)
    return function(HUNT_DY[:rows], *cache), cache.x_hat


def _symptoms(function: Function) -> Symptoms:
    """What can be seen from outside of a function that should return (5.6)."""
    dx, x_hat = hunted(function)
    ratios = [factor(row, right) for row, right in zip(dx, hunted(package_layer_norm_dx)[0], strict=True)]
    sums = {"Σ dx": dx.sum(axis=-1), "Σ dx·x̂": (dx * x_hat).sum(axis=-1)}
    return {
        **{name: "0" if abs(found).max() < 1e-6 * abs(dx).max() else "not 0" for name, found in sums.items()},
        "first row": ratios[0],
        "second row": ratios[1],
        "alone": "same" if np.allclose(hunted(function, rows=1)[0][0], dx[0]) else "another",
        "2 · x": factor(hunted(function, scale=2)[0], dx),
        "2 · w": factor(hunted(function, times=2)[0], dx),
    }


HUNT = Hunt(
    bugs={
        "the part along x̂ is not taken off": _projection_kept,
        "rstd is left out": _rstd_left_out,
        "the mean of dy · weight is taken over all rows": _mean_of_all_rows,
        "weight is left out": _weight_left_out,
        "the mean of dy · weight is not taken off": _mean_kept,
        "weight multiplies what is left of dy, and not dy itself": _weight_afterwards,
    },
    symptoms=_symptoms,
    numbers=(4, 6, 1, 5, 3, 2),
    right=package_layer_norm_dx,
)
check_which_bug = HUNT.check()


VERDICTS = ("nothing", "mean", "projection", "both")


@self_check("what is missing", returns=("verdict",))
def check_what_is_missing(what_is_missing: Function) -> Iterator[Finding]:
    """Check `verdict = what_is_missing(dx, x_hat)`, one of "nothing", "mean", "projection" and "both"."""
    rng = np.random.default_rng(50)
    x, weight, bias = 3 + 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal(7), rng.standard_normal(7)
    dy = rng.standard_normal(x.shape)
    _, cache = layer_norm_forward(x, weight, bias, EPS)
    functions = (package_layer_norm_dx, _mean_kept, _projection_kept, _both_kept)
    gradients = {name: function(dy, *cache) for name, function in zip(VERDICTS, functions, strict=True)}
    for verdict, dx in gradients.items():
        told = "each of the two sums of (5.7) is about one of the two terms"
        yield _verdict(f"a dx that lacks {verdict}", what_is_missing, dx, cache.x_hat, verdict, told)
    for scale in (1e-9, 1e9):
        told = "0 and rounding are told apart beside the size of dx itself, abs(dx).max()"
        for verdict in ("nothing", "both"):
            what = f"a dx that lacks {verdict}, times {scale:g}"
            yield _verdict(what, what_is_missing, scale * gradients[verdict], cache.x_hat, verdict, told)
    told = "the sums over two rows cancel here: each row is to be looked at by itself, and in its size"
    twice = np.concatenate([cache.x_hat, cache.x_hat])
    for verdict, dx in gradients.items():
        opposed = np.concatenate([dx, -dx])
        what = f"a dx that lacks {verdict}, and below it the same with the other sign"
        yield _verdict(what, what_is_missing, opposed, twice, verdict, told)
    one_row = gradients["nothing"].copy()
    one_row[1, 2] = gradients["mean"][1, 2]
    yield _verdict("one row of six that lacks the mean", what_is_missing, one_row, cache.x_hat, "mean", ONE_ROW)
    rounded = gradients["nothing"].astype(np.float32)
    told = "float32 leaves some 1e-7 of the size of dx; what is missing leaves far more"
    yield _verdict("a right dx in float32", what_is_missing, rounded, cache.x_hat, "nothing", told)


ONE_ROW = "one row is enough: the largest of the sums counts, not their mean"


def _verdict(what: str, what_is_missing: Function, dx: Floats, x_hat: Floats, right: str, advice: str) -> Finding:
    got = what_is_missing(dx, x_hat)
    if not isinstance(got, str) or got not in VERDICTS:
        return Finding(what, False, f"got {got!r:.40}, expected one of {', '.join(VERDICTS)}")
    return holds(what, got == right, f"got {got!r}, expected {right!r}: {advice}")


def course_what_is_missing(dx: Floats, x_hat: Floats) -> str:
    """A right verdict, called as the exercise is."""
    found = [abs((dx * along).sum(axis=-1)).max() > 1e-4 * abs(dx).max() for along in (1.0, x_hat)]
    return VERDICTS[found[0] + 2 * found[1]]


@self_check("backward of RMSNorm", returns=("dx", "dweight"))
def check_rms_norm_backward(rms_norm_backward: Function) -> Iterator[Finding]:
    """Check `dx, dweight = rms_norm_backward(dy, x_hat, r, weight)`; dy, x_hat (B, T, H), r (B, T, 1), weight (H,)."""
    rng = np.random.default_rng(51)
    x, weight = 1 + 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal(7)
    dy = rng.standard_normal(x.shape)
    _, (x_hat, r, _) = rms_norm_forward(x, weight)
    dx, dweight = rms_norm_backward(dy, x_hat, r, weight)
    right = course_rms_norm_backward(dy, x_hat, r, weight)
    advice = "(5.10): r times what is left of g when its part along x̂ is taken off"
    yield equal("dx", dx, right[0], mistakes=_rms_mistakes(dy, x_hat, r, weight), advice=advice)
    yield equal("dweight", dweight, right[1], mistakes=_weight_mistakes(dy, x_hat, weight))
    yield float32_stays(rms_norm_backward, (dy, x_hat, r, weight), "a number or an array that NumPy made is a float64")

    def backward(dy: Floats, cache: RmsNormCache) -> Array:
        return rms_norm_backward(dy, *cache)

    yield from differences(rms_norm_forward, backward, {"x": x, "weight": weight})


def _rms_mistakes(dy: Floats, x_hat: Floats, r: Floats, weight: Floats) -> dict[str, Floats]:
    """Return advice → dx, for what is easily written instead of (5.10)."""
    g = dy * weight
    along = _mean(g * x_hat)
    return {
        "this is LayerNorm's: no mean is taken off forward, so none is backward": r * (g - _mean(g) - x_hat * along),
        "Σ dx x̂ is not 0: the part along x̂ is not taken off": r * g,
        "the mean is taken off and the part along x̂ is not: it is the other way round": r * (g - _mean(g)),
        "the factor r is missing": g - x_hat * along,
        "weight is missing: g = dy · weight": r * (dy - x_hat * _mean(dy * x_hat)),
        "a sum for the mean: it is divided by H": r * (g - x_hat * (g * x_hat).sum(-1, keepdims=True)),
        "the sign of the part along x̂ is turned round": r * (g + x_hat * along),
        "the mean of g x̂ is over all rows: each row has its own": r * (g - x_hat * (g * x_hat).mean()),
        "the mean has to be multiplied by x̂": r * (g - along),
    }


def _weight_mistakes(dy: Floats, x_hat: Floats, weight: Floats) -> dict[str, Floats]:
    """Return advice → dweight, for what is easily written instead."""
    return {
        "x̂ is missing: y = weight · x̂": dy.sum(axis=(0, 1)),
        "a mean over the rows: their gradients add up": (dy * x_hat).mean(axis=(0, 1)),
        "weight is no factor of its own gradient": (dy * weight * x_hat).sum(axis=(0, 1)),
    }


def rms_norm_forward(x: Floats, weight: Floats, eps: float = EPS) -> tuple[Floats, RmsNormCache]:
    """x (…, H), weight (H,); returns y = weight · x̂ and what backward needs: x̂ (…, H), r (…, 1) and the weight."""
    r = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    x_hat = x * r
    return weight * x_hat, (x_hat, r, weight)


def course_rms_norm_backward(dy: Floats, x_hat: Floats, r: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """A right backward, called as the exercise is; the package has no RMSNorm."""
    g = dy * weight
    dx = r * (g - x_hat * _mean(g * x_hat))
    return dx, (dy * x_hat).reshape(-1, x_hat.shape[-1]).sum(axis=0)
