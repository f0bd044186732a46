"""Notebook 09: many heads and masks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.backend import backend_of
from albert_np.config import AlbertConfig
from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.model import check_inputs
from albert_np.ops import attention_backward, attention_forward

__all__ = ["check_additive_mask", "check_heads"]

B, T, N, D = 2, 5, 3, 4


@self_check("split and merge heads")
def check_heads(split_heads: Callable[..., Any], merge_heads: Callable[..., Any]) -> Iterator[Any]:
    """Check `split_heads(x, heads)`, (B, T, H) → (B, N, T, D), and `merge_heads(context)`, its way back."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((N * D, T, B)).T  # not contiguous
    given = x.copy()
    heads = split_heads(x, N)
    expected = np.stack([x[:, :, n * D : (n + 1) * D] for n in range(N)], axis=1)  # head n owns D columns side by side
    yield equal("split_heads, against slices of x", heads, expected)
    stays = all(split_heads(_mark(t), N).any(axis=(0, 1, 3)).nonzero()[0].tolist() == [t] for t in range(T))
    yield holds("a token stays at its position", stays, "numbers of one token lie at other positions now")
    merged = merge_heads(expected)
    beside = np.concatenate([expected[:, n] for n in range(N)], axis=-1)
    yield equal("merge_heads, against the heads side by side", merged, beside)
    yield equal("merge after split", merge_heads(split_heads(x, N)), x)
    yield holds("x was not changed", bool((x == given).all()), "it was")

    def named(name: str, comparison: Any) -> Any:
        return comparison.ok, f"{name}: {comparison}"

    # copies, since a view of x would move together with x while the difference is taken
    forth = check_gradients(lambda x: (np.array(split_heads(x, N)), None), lambda dy, _: merge_heads(dy), {"x": x})
    back = check_gradients(
        lambda x: (np.array(merge_heads(x)), None), lambda dy, _: split_heads(dy, N), {"x": expected}
    )
    yield named("merge_heads is the backward of split_heads", forth[0])
    yield named("split_heads is the backward of merge_heads", back[0])


def _mark(token: int) -> Any:
    x = np.zeros((1, T, N * D))
    x[:, token] = 1
    return x


@self_check("the additive mask")
def check_additive_mask(additive_mask: Callable[..., Any]) -> Iterator[Any]:
    """Check `mask = additive_mask(attention_mask, dtype)`, (B, T) of 1 and 0 → (B, 1, 1, T)."""
    attention_mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
    given = attention_mask.copy()
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            mask = np.asarray(additive_mask(attention_mask, dtype))
        name = np.dtype(dtype).name
        yield holds(f"{name}: the dtype", mask.dtype == dtype, f"got {mask.dtype}")
        right = mask.shape == (3, 1, 1, 5)
        yield holds(f"{name}: one row of keys for all heads and queries", right, f"got shape {mask.shape}")
        yield holds(f"{name}: every number is finite", bool(np.isfinite(mask).all()), "NaN or infinity in it")
        yield from _effects(name, mask, attention_mask)
        yield equal(f"{name}: against the package", mask, _package_mask(attention_mask, dtype))
    yield holds("attention_mask was not changed", bool((attention_mask == given).all()), "it was")


def _effects(name: str, mask: Any, attention_mask: Any) -> Iterator[Any]:
    """Look at what a mask does to probabilities and gradients of an attention over three sentences."""
    rng = np.random.default_rng(9)
    query, key, value, dcontext = rng.standard_normal((4, 3, N, 5, D)).astype(mask.dtype)
    with np.errstate(all="ignore"):
        _, cache = attention_forward(query, key, value, mask)
        _, dkey, dvalue = attention_backward(dcontext, cache)
    probs = cache.softmax.probs
    padded = attention_mask[:2] == 0  # of the two sentences that hold a token at all
    on_padding = probs[:2].transpose(0, 3, 1, 2)[padded]
    yield holds(f"{name}: padding gets no probability", not on_padding.any(), f"it gets up to {on_padding.max():.2g}")
    gradients = [x[:2].transpose(0, 2, 1, 3)[padded] for x in (dkey, dvalue)]
    nothing = not any(gradient.any() for gradient in gradients)
    yield holds(f"{name}: dK and dV of padding are exactly 0", nothing, "they are not")
    even = bool(np.allclose(probs[2], 1 / 5, rtol=1e-6, atol=0))
    yield holds(f"{name}: a row without any token attends evenly", even, f"it attends as {probs[2, 0, 0].round(3)}")


def _package_mask(attention_mask: Any, dtype: Any) -> Any:
    config = AlbertConfig(hidden_size=N * D, num_attention_heads=N)
    ids = np.ones_like(attention_mask)
    return check_inputs(config, backend_of(ids), dtype, input_ids=ids, attention_mask=attention_mask).pattern.mask
