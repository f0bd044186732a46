"""Notebook 09: many heads and masks."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array, Floats, backend_of
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function, Wrong
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.model import check_inputs
from albert_np.ops import attention_backward, attention_forward

__all__ = ["check_additive_mask", "check_causal_mask", "check_groups", "check_heads", "check_leaks"]

B, T, N, D = 2, 5, 3, 4


@self_check("split and merge heads", returns=("heads",))
def check_heads(split_heads: Function, merge_heads: Function) -> Iterator[Finding]:
    """Check `split_heads(x, heads)`, (B, T, H) → (B, N, T, D), and `merge_heads(context)`, its way back."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((N * D, T, B)).T  # not contiguous
    heads = split_heads(x, N)
    expected = np.stack([x[:, :, n * D : (n + 1) * D] for n in range(N)], axis=1)  # head n owns D columns side by side
    token, columns = x.reshape(B, N, T, D), x.reshape(B, T, D, N).transpose(0, 3, 1, 2)
    known: dict[str, Floats] = {
        "a token has to stay at its position: cut the last axis alone, then exchange two axes": token,
        "a head owns D columns side by side, not every third: reshape to (B, T, heads, D)": columns,
    }
    advice = "reshape to (B, T, heads, D), then exchange two axes"
    if np.shape(heads) == (B, T, N, D):
        yield Finding("split_heads", False, f"got shape {np.shape(heads)}, expected {expected.shape}: {advice}")
        return
    yield equal("split_heads, against slices of x", heads, expected, mistakes=known, advice=advice)
    stays = all(np.flatnonzero(np.any(split_heads(_mark(t), N), axis=(0, 1, 3))).tolist() == [t] for t in range(T))
    yield holds("a token stays at its position", stays, "numbers of one token lie at other positions now")
    merged = merge_heads(expected)
    beside = np.concatenate([expected[:, n] for n in range(N)], axis=-1)
    known = {
        "exchange the axes of heads and positions first, or a row mixes positions": expected.reshape(B, T, N * D),
        "a head's numbers lie side by side; here heads take turns": expected.transpose(0, 2, 3, 1).reshape(B, T, N * D),
        "the heads are put side by side, not averaged": np.tile(expected.mean(axis=1), N),
        "the heads are put side by side, not added": np.tile(expected.sum(axis=1), N),
    }
    advice = "the way back of split_heads: its two moves, in reverse order"
    yield equal("merge_heads, against the heads side by side", merged, beside, mistakes=known, advice=advice)
    yield equal("merge after split", merge_heads(split_heads(x, N)), x, advice=advice)

    def split(x: Floats) -> Floats:
        return np.array(split_heads(x, N))  # a copy: a view of x would move with x while differences are taken

    def merge(context: Floats) -> Floats:
        return np.array(merge_heads(context))

    forth = check_gradients(lambda x: (split(x), None), lambda dy, _: merge(dy), {"x": x})
    back = check_gradients(lambda x: (merge(x), None), lambda dy, _: split(dy), {"x": expected})
    yield holds("merge_heads is the backward of split_heads", forth[0].ok, str(forth[0]))
    yield holds("split_heads is the backward of merge_heads", back[0].ok, str(back[0]))


def _mark(token: int) -> Floats:
    x = np.zeros((1, T, N * D))
    x[:, token] = 1
    return x


@self_check("the additive mask", returns=("mask",))
def check_additive_mask(additive_mask: Function) -> Iterator[Finding]:
    """Check `mask = additive_mask(attention_mask, dtype)`, (B, T) of 1 and 0 → (B, 1, 1, T)."""
    attention_mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
    for dtype in (np.float64, np.float32):
        mask = np.asarray(additive_mask(attention_mask, dtype))
        name = np.dtype(dtype).name
        told = f"got shape {mask.shape}, expected (3, 1, 1, 5): the last axis is that of the keys"
        yield holds(f"{name}: one row of keys for all heads and queries", mask.shape == (3, 1, 1, 5), told)
        told = f"got {mask.dtype}: convert the mask to the dtype, and take the lowest number of that dtype"
        yield holds(f"{name}: the dtype", mask.dtype == dtype, told)
        if mask.shape != (3, 1, 1, 5) or mask.dtype != dtype:
            return
        told = "NaN or infinity in it: a row of nothing but -inf makes NaN in softmax; take np.finfo(dtype).min"
        yield holds(f"{name}: every number is finite", np.isfinite(mask).all(), told)
        yield from _effects(name, mask, attention_mask)
        yield equal(f"{name}: against the package", mask, package_mask(attention_mask, dtype))


def _effects(name: str, mask: Floats, attention_mask: np.ndarray) -> Iterator[Finding]:
    """Look at what a mask does to probabilities and gradients of an attention over three sentences."""
    rng = np.random.default_rng(9)
    query, key, value, dcontext = rng.standard_normal((4, 3, N, 5, D)).astype(mask.dtype)
    _, cache = attention_forward(query, key, value, mask)
    _, dkey, dvalue = attention_backward(dcontext, cache)
    probs = cache.softmax.probs
    padded = attention_mask[:2] == 0  # of the two sentences that hold a token at all
    on_padding = probs[:2].transpose(0, 3, 1, 2)[padded]
    told = f"it gets up to {on_padding.max():.2g}: {_why(mask, attention_mask)}"
    yield holds(f"{name}: padding gets no probability", not on_padding.any(), told)
    gradients = [x[:2].transpose(0, 2, 1, 3)[padded] for x in (dkey, dvalue)]
    nothing = not any(gradient.any() for gradient in gradients)
    yield holds(f"{name}: dK and dV of padding are exactly 0", nothing, "they are not")
    even = bool(np.allclose(probs[2], 1 / 5, rtol=1e-6, atol=0))
    told = f"it attends as {probs[2, 0, 0].round(3)}: the number is too near 0 to round ordinary scores away"
    yield holds(f"{name}: a row without any token attends evenly", even, told)


def _why(mask: Floats, attention_mask: np.ndarray) -> str:
    tokens, padding = mask[:, 0, 0][attention_mask == 1], mask[:, 0, 0][attention_mask == 0]
    if (tokens == padding[0]).all():
        return "tokens and padding get the same number"
    if (padding > 0).all():
        return "a positive number draws attention; np.finfo(dtype).min is the lowest, .tiny the smallest above 0"
    if tokens.max() < padding.min():
        return "tokens and padding are exchanged"
    return "the number added to its scores is not low enough"


def package_mask(attention_mask: np.ndarray, dtype: npt.DTypeLike) -> Array:
    """The package's mask, asked for as in the exercise."""
    config = AlbertConfig(hidden_size=N * D, num_attention_heads=N)
    ids = np.ones_like(attention_mask)
    return check_inputs(config, backend_of(ids), dtype, input_ids=ids, attention_mask=attention_mask).pattern.mask


def package_causal_mask(attention_mask: np.ndarray, dtype: npt.DTypeLike) -> Floats:
    """A causal mask, asked for as in the exercise."""
    allowed = np.tri(attention_mask.shape[1], dtype=bool) & (attention_mask[:, None, None, :] == 1)
    return np.where(allowed, 0, np.finfo(dtype).min).astype(dtype)


def package_split_heads(x: Floats, heads: int) -> Floats:
    """The heads, asked for as in the exercise."""
    return np.stack(np.split(x, heads, axis=-1), axis=1)


def package_merge_heads(context: Floats) -> Floats:
    """The heads side by side, asked for as in the exercise."""
    return np.concatenate(list(context.swapaxes(0, 1)), axis=-1)


@self_check("the causal mask", returns=("mask",))
def check_causal_mask(causal_mask: Function) -> Iterator[Finding]:
    """Check `mask = causal_mask(attention_mask, dtype)`, (B, T) of 1 and 0 → (B, 1, T, T): query by key."""
    attention_mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    for dtype in (np.float64, np.float32):
        mask = np.asarray(causal_mask(attention_mask, dtype))
        name, lowest = np.dtype(dtype).name, np.finfo(dtype).min
        told = f"got shape {mask.shape}, expected (2, 1, 5, 5): each query has a row of keys of its own now"
        yield holds(f"{name}: shape", mask.shape == (2, 1, 5, 5), told)
        yield holds(f"{name}: the dtype", mask.dtype == dtype, f"got {mask.dtype}: convert to the dtype")
        if mask.shape != (2, 1, 5, 5) or mask.dtype != dtype:
            return
        told = "-inf or NaN in it: two lowest numbers do not add up; combine what is allowed, then make it a mask"
        yield holds(f"{name}: every number is finite", np.isfinite(mask).all(), told)
        before = np.tri(5, dtype=bool)
        allowed = before & (attention_mask[:, None, None, :] == 1)
        padding = np.broadcast_to(attention_mask[:, None, None, :] == 1, mask.shape)
        known = {
            "queries and keys are exchanged: row i is that of query i": np.swapaxes(allowed, 2, 3),
            "the future is allowed and the past forbidden": before.T & padding,
            "padding is allowed as a key": np.broadcast_to(before, mask.shape),
            "later tokens are allowed": padding,
            "a token may look at itself too": np.tri(5, k=-1, dtype=bool) & padding,
            "one token of the future is allowed": np.tri(5, k=1, dtype=bool) & padding,
            "allowed and forbidden are exchanged": ~allowed,
            "allowed where one of the two is fulfilled: both have to be": before | padding,
        }
        arrays = {advice: np.where(may, 0, lowest) for advice, may in known.items()}
        yield equal(f"{name}: what each query may look at", mask, np.where(allowed, 0, lowest), mistakes=arrays)
    yield from _no_future(causal_mask(np.ones((1, 5), dtype=int), np.float64))


def _no_future(mask: Floats) -> Iterator[Finding]:
    """Look whether a context changes if what comes after it does."""
    rng = np.random.default_rng(91)
    query, key, value = rng.standard_normal((3, 1, N, 5, D))
    other = key.copy(), value.copy()
    for array in other:
        array[:, :, 3:] = rng.standard_normal(array[:, :, 3:].shape)
    one, two = (attention_forward(query, *pair, mask)[0] for pair in ((key, value), other))
    same = np.array_equal(one[:, :, :3], two[:, :, :3])
    yield holds("other tokens 3 and 4 change nothing for tokens 0 to 2", same, "they do")


@self_check("keys that several heads share", returns=("heads",))
def check_groups(spread_groups: Function, gather_groups: Function) -> Iterator[Finding]:
    """Check `spread_groups(key, heads)`, (B, groups, T, D) → (B, N, T, D), and `gather_groups(dkey, groups)`."""
    rng = np.random.default_rng(92)
    for groups, heads in ((2, 6), (1, 3), (3, 3)):
        share = heads // groups
        key, dkey = rng.standard_normal((B, groups, T, D)), rng.standard_normal((B, heads, T, D))
        known: dict[str, Floats] = {
            "heads of one group stand side by side, 0 0 0 1 1 1 and not 0 1 0 1 0 1: (9.11)": np.tile(
                key, (1, share, 1, 1)
            )
        }
        told = f"head n looks into group n // {share} (9.11)"
        name = f"{heads} heads, {groups} group{'s'[: groups > 1]}"
        yield equal(f"{name}: spread", spread_groups(key, heads), key[:, np.arange(heads) // share], 0, known, told)
        parts = dkey.reshape(B, groups, share, T, D)
        turns = dkey.reshape(B, share, groups, T, D)
        known = {
            "what is used by several heads gets the sum of their gradients, not the mean": parts.mean(axis=2),
            "the gradient of one head of each group is here, those of the others are lost": parts[:, :, 0],
            "the last head of each group has overwritten the others: `+=`, not `=`": parts[:, :, -1],
            "summed over heads of different groups: heads of one group stand side by side": turns.sum(axis=1),
        }
        told = "the sum over the heads of a group (9.12)"
        yield equal(f"{name}: gather", gather_groups(dkey, groups), parts.sum(axis=2), mistakes=known, advice=told)

    def forward(key: Floats) -> tuple[Floats, None]:
        return np.array(spread_groups(key, 6)), None  # a copy: a view would move with key while differences are taken

    rows = check_gradients(
        forward, lambda dy, _: np.asarray(gather_groups(dy, 2)), {"key": rng.standard_normal((B, 2, T, D))}
    )
    yield holds("gather_groups is the backward of spread_groups", rows[0].ok, str(rows[0]))


def package_spread_groups(key: Floats, heads: int) -> Floats:
    """The keys of each head, asked for as in the exercise."""
    return np.repeat(key, heads // key.shape[1], axis=1)


def package_gather_groups(dkey: Floats, groups: int) -> Floats:
    """The gradients of the groups, asked for as in the exercise."""
    return np.stack([part.sum(axis=1) for part in np.split(dkey, groups, axis=1)], axis=1)


def _attention(x: Floats, may: npt.ArrayLike, weight: float = -np.inf) -> Array:
    """Attend with x as query, key and value, one head; may (B, T or 1, T): where a query may look."""
    scores = x @ x.swapaxes(1, 2) / np.sqrt(x.shape[-1]) + np.where(may, 0, weight)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True) @ x


def attends_rightly(x: Floats, attention_mask: np.ndarray) -> Array:
    """Attend to tokens alone."""
    return _attention(x, attention_mask[:, None, :] == 1)


def _nan_at_padding(x: Floats, attention_mask: np.ndarray) -> Floats:
    return np.where(attention_mask[:, :, None] == 1, attends_rightly(x, attention_mask), np.nan)


def _one_open(place: int) -> Function:
    def attend(x: Floats, attention_mask: np.ndarray) -> Array:
        may = attention_mask == 1
        for row, real in zip(may, attention_mask, strict=True):
            row[np.flatnonzero(real == 0)[place : place + 1 or None]] = True
        return _attention(x, may[:, None, :])

    return attend


def _neighbour(x: Floats, attention_mask: np.ndarray) -> Array:
    beside = np.roll(x, -1, axis=1)
    beside[:, -1] = 0
    return attends_rightly(x, attention_mask) + 0.1 * beside


INNOCENT = {
    "a right attention": attends_rightly,
    "a right attention whose answers at padding are NaN": _nan_at_padding,
}
LEAKY: dict[str, tuple[Function, str]] = {
    "the mask is left out": (lambda x, m: _attention(x, np.True_), "put other numbers into the padding of a copy of x"),
    "the mask hides queries in place of keys": (
        lambda x, m: _attention(x, m[:, :, None] == 1),
        "put other numbers into the padding, and compare at real tokens",
    ),
    "the mask is -6 where it should be the lowest number": (
        lambda x, m: _attention(x, m[:, None, :] == 1, -6.0),
        "a leak may be small: what is masked by (9.4) changes nothing at all",
    ),
    "the mask of sentence 0 serves all": (
        lambda x, m: _attention(x, m[:1, None, :] == 1),
        "look at every sentence of the batch",
    ),
    "the first place of padding is open": (_one_open(0), "change every place of padding, not the last one alone"),
    "the last place of padding is open": (_one_open(-1), "change every place of padding, not the first one alone"),
    "the last token sees its right neighbour": (_neighbour, "look at every real token, not at the first one alone"),
}


@self_check("does padding leak?")
def check_leaks(leaks: Function) -> Iterator[Finding]:
    """Check `leaks(attend, x, attention_mask)`: whether padding changes what `attend(x, attention_mask)` gives."""
    x = np.random.default_rng(93).standard_normal((3, 5, D))
    attention_mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])
    inside = np.where(attention_mask[:, :, None] == 1, x, 0)
    for name, attend in INNOCENT.items():
        told = (
            "nobody reads what padding itself gets: compare where attention_mask is 1, and change nothing there; "
            "and what padding is changed to must be a number, for 0 · NaN is NaN"
        )
        yield holds(f"{name} is let go", not _verdict(leaks, attend, x, attention_mask), told)
    for name, (attend, told) in LEAKY.items():
        yield holds(f"caught: {name}", _verdict(leaks, attend, x, attention_mask), told)
    told = "here padding is 0 before you change it: put something else there, such as x + 1"
    yield holds(
        "caught: padding that was 0 before",
        _verdict(leaks, LEAKY["the mask is left out"][0], inside, attention_mask),
        told,
    )
    whole = np.ones_like(attention_mask)
    yield holds(
        "no padding, no leak",
        not _verdict(leaks, LEAKY["the mask is left out"][0], x, whole),
        "it says that there is one",
    )


def _verdict(leaks: Function, attend: Function, x: Floats, attention_mask: np.ndarray) -> bool:
    got = np.asarray(leaks(attend, x.copy(), attention_mask.copy()))
    if got.shape != () or got.dtype.kind not in "bi":
        raise Wrong(f"returned {got.dtype} of shape {got.shape}, expected True or False: is there an any() missing?")
    return bool(got)


def package_leaks(attend: Function, x: Floats, attention_mask: np.ndarray) -> bool:
    """Whether padding leaks, asked for as in the exercise."""
    real = attention_mask == 1
    one, two = (attend(given, attention_mask) for given in (x, np.where(real[:, :, None], x, 1 - x)))
    return not np.array_equal(one[real], two[real])
