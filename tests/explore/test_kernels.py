"""The page's arithmetic against the package's and NumPy's: every kind of row, in double precision."""

import math

import numpy as np
import pytest
from toys.explore import Pass, open_in, replayed, troubles_of_explanations

from albert_np import ops

RNG = np.random.default_rng(0)
LEADING = [(), (1,), (5,), (2, 3), (2, 1, 9)]


def normal(*shape):
    return RNG.standard_normal(shape)


def check(tab, made):
    """Every value that the page computes is Python's to 1e-12 of its largest number, and can be opened."""
    for number, (found, wanted) in enumerate(zip(replayed(tab, made), made.arrays, strict=True)):
        scale = max(1.0, np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * scale, err_msg=f"value {number}")
    assert tab.evaluate("page.verify(data, values)") == []
    assert troubles_of_explanations(tab) == []


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("bias", [True, False])
def test_linear(modules, leading, bias):
    made = Pass()
    x, weight, b = normal(*leading, 7), normal(6, 7), normal(6) if bias else 0.0
    y, cache = ops.linear_forward(x, weight, b)
    dy = normal(*y.shape)
    ids = [made.const(x), made.param("weight", weight), made.param("bias", b) if bias else None]
    made.row("linear", ids, y)
    made.row("linear_backward", [made.const(dy), *ids[:2]], *ops.linear_backward(dy, cache))
    check(modules, made)


@pytest.mark.parametrize("leading", LEADING)
def test_layer_norm(modules, leading):
    made = Pass()
    x, weight, bias = 3 + 2 * normal(*leading, 8), normal(8), normal(8)
    y, cache = ops.layer_norm_forward(x, weight, bias, 1e-12)
    dy = normal(*x.shape)
    ids = [made.const(x), made.param("weight", weight), made.param("bias", bias)]
    _, x_hat, rstd = made.row("layer_norm", ids, y, cache.x_hat, cache.rstd, eps=1e-12)
    made.row("layer_norm_backward", [made.const(dy), x_hat, rstd, ids[1]], *ops.layer_norm_backward(dy, cache))
    check(modules, made)


@pytest.mark.parametrize("padding", [None, 0, 4])
@pytest.mark.parametrize("shape", [(5,), (2, 6), (1, 1)])
def test_embedding(modules, padding, shape):
    made = Pass()
    ids, weight = RNG.integers(0, 5, shape), normal(5, 3)  # ids repeat
    y, cache = ops.embedding_forward(ids, weight, padding)
    dy = normal(*y.shape)
    held = made.const(ids, dtype="i32")
    made.row("embedding", [held, made.param("weight", weight)], y)
    dweight = ops.embedding_backward(dy, cache)
    made.row("embedding_backward", [made.const(dy), held], dweight, rows=5, padding_idx=padding)
    check(modules, made)


@pytest.mark.parametrize("name", ops.ACTIVATIONS)
def test_activations(modules, name):
    made = Pass()
    x = np.concatenate([np.linspace(-9, 9, 301), [0.0, -0.0, 1e-8, -1e-8, 40.0, -40.0]])
    y, cache = ops.activation_forward(x, name)
    dy = normal(*x.shape)
    held = made.const(x)
    made.row("activation", [held], y, name=name)
    made.row("activation_backward", [made.const(dy), held], ops.activation_backward(dy, cache), name=name)
    check(modules, made)


def test_the_error_function_to_1e_15(modules):
    x = np.concatenate([np.linspace(-7, 7, 2801), np.logspace(-300, 0, 40), [2.9999999, 3.0, 3.0000001, 6.0]])
    found = modules.evaluate("async (x) => x.map((await import('/kernels.js')).erf)", x.tolist())
    wanted = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(found, wanted, rtol=2e-15, atol=0)
    ends = modules.evaluate("async () => [Infinity, -Infinity, NaN].map((await import('/kernels.js')).erf)")
    assert ends[:2] == [1, -1]
    assert math.isnan(ends[2])


def test_tanh(modules):
    made = Pass()
    x, dy = 3 * normal(4, 5), normal(4, 5)
    y, cache = ops.tanh_forward(x)
    (held,) = made.row("tanh", [made.const(x)], y)
    made.row("tanh_backward", [made.const(dy), held], ops.tanh_backward(dy, cache))
    check(modules, made)


@pytest.mark.parametrize("leading", LEADING)
def test_softmax_also_of_large_scores_and_masked_places(modules, leading):
    made = Pass()
    x, dprobs = 300 * normal(*leading, 6), normal(*leading, 6)
    x[..., 2] = np.finfo(np.float64).min
    probs, cache = ops.softmax_forward(x)
    (held,) = made.row("softmax", [made.const(x)], probs)
    made.row("softmax_backward", [made.const(dprobs), held], ops.softmax_backward(dprobs, cache))
    check(modules, made)


def test_dropout(modules):
    made = Pass()
    x, dy = normal(4, 5), normal(4, 5)
    y, cache = ops.dropout_forward(x, 0.4, np.random.default_rng(1))
    kept = made.const(cache.kept, dtype="u8")
    made.row("dropout", [made.const(x), kept], y, scale=cache.scale)
    made.row("dropout_backward", [made.const(dy), kept], ops.dropout_backward(dy, cache), scale=cache.scale)
    check(modules, made)


MASKS = {"none": None, "of sequences": (2, 1, 1, 7), "full": (2, 3, 5, 7), "of places": (5, 7)}


@pytest.mark.parametrize("mask", MASKS)
def test_attention(modules, mask):
    made = Pass()
    query, key, value = normal(2, 3, 5, 4), normal(2, 3, 7, 4), normal(2, 3, 7, 4)
    added = None if MASKS[mask] is None else np.where(RNG.random(MASKS[mask]) < 0.3, -1e30, 0.0)
    context, cache = ops.attention_forward(query, key, value, added, 0.2, np.random.default_rng(2))
    dcontext = normal(*context.shape)
    dquery, dkey, dvalue = ops.attention_backward(dcontext, cache)
    ddropped = dcontext @ value.swapaxes(-1, -2)
    dprobs = ops.dropout_backward(ddropped, cache.dropout)
    dscores = ops.softmax_backward(dprobs, cache.softmax)
    summed = query @ key.swapaxes(-1, -2) / 2 + (0 if added is None else added)

    q, k, v = (made.const(x) for x in (query, key, value))
    (scores,) = made.row("scores", [q, k, None if added is None else made.const(added)], summed)
    (probs,) = made.row("softmax", [scores], cache.softmax.probs)
    scale, kept = cache.dropout.scale, made.const(cache.dropout.kept, dtype="u8")
    (dropped,) = made.row("dropout", [probs, kept], cache.dropped, scale=scale)
    made.row("context", [dropped, v], context)
    d = made.row("context_backward", [made.const(dcontext), dropped, v], ddropped, dvalue)[0]
    d = made.row("dropout_backward", [d, kept], dprobs, scale=scale)[0]
    d = made.row("softmax_backward", [d, probs], dscores)[0]
    made.row("scores_backward", [d, q, k], dquery, dkey)
    check(modules, made)


@pytest.mark.parametrize("ignored", [-100, 0, 6], ids="none_ignored padding beyond".split())
@pytest.mark.parametrize("rows", [1, 4])
def test_cross_entropy(modules, ignored, rows):
    made = Pass()
    logits, labels = 50 * normal(rows, 6), RNG.integers(0, 6, rows)
    labels[0] = ignored
    denominator = max(1, int((labels != ignored).sum())) / 2
    loss, cache = ops.cross_entropy_forward(logits, labels, ignored, denominator)
    attrs = {"ignore_index": ignored, "denominator": denominator}
    held = made.const(labels, dtype="i32")
    _, probs = made.row("cross_entropy", [made.const(logits), held], np.asarray(loss), cache.probs, **attrs)
    made.row("cross_entropy_backward", [probs, held], ops.cross_entropy_backward(0.3, cache), dloss=0.3, **attrs)
    check(modules, made)


@pytest.mark.parametrize("counted", [1, 0])
def test_soft_cross_entropy(modules, counted):
    made = Pass()
    logits, targets = 50 * normal(4, 6), RNG.random((4, 6)) * counted
    targets[1] = 0  # a row that is not asked for
    loss, cache = ops.soft_cross_entropy_forward(logits, targets, 2.5)
    held = made.const(targets)
    _, probs = made.row(
        "soft_cross_entropy", [made.const(logits), held], np.asarray(loss), cache.probs, denominator=2.5
    )
    dlogits = ops.soft_cross_entropy_backward(0.3, cache)
    made.row("soft_cross_entropy_backward", [probs, held], dlogits, dloss=0.3, denominator=2.5)
    check(modules, made)


@pytest.mark.parametrize("op", ["binary_cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("shape", [(1,), (3, 4)])
def test_losses_of_numbers(modules, op, shape):
    made = Pass()
    x, labels = 20 * normal(*shape), RNG.random(shape)
    loss, cache = getattr(ops, f"{op}_forward")(x, labels, 5.0)
    ids = [made.const(x), made.const(labels)]
    made.row(op, ids, np.asarray(loss), denominator=5.0)
    dx = getattr(ops, f"{op}_backward")(0.7, cache)
    made.row(f"{op}_backward", ids, dx, denominator=5.0, dloss=0.7)
    check(modules, made)


def window(x, y):
    """The window of a contiguous x that y is, by NumPy's own account of it."""
    apart = y.__array_interface__["data"][0] - x.__array_interface__["data"][0]
    return {"offset": apart // x.itemsize, "strides": [stride // x.itemsize for stride in y.strides]}


VIEWS = {
    "the same": lambda x: x,
    "transposed": lambda x: x.transpose(2, 0, 1),
    "turned round": lambda x: x[::-1, :, ::-2],
    "one place": lambda x: x[1, 2, 3, ...],
    "a slice": lambda x: x[:, 1:3],
    "a contiguous stretch": lambda x: x[1],
    "stretched": lambda x: np.broadcast_to(x[:, :1, None], (2, 5, 3, 4)),
    "nothing": lambda x: x[:, 2:2],
    "with new axes": lambda x: x[None, :, None, :, :, None],
}


@pytest.mark.parametrize("view", VIEWS)
def test_views(modules, view):
    made = Pass()
    x = normal(2, 3, 4)
    y = VIEWS[view](x)
    made.row("view", [made.const(x)], y.copy(), **window(x, y))
    check(modules, made)


PARTS = {"rows": lambda x: x[1:, ::2], "a column": lambda x: x[::-1, 1], "one number": lambda x: x[2, 3, ...]}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("base", [True, False])
def test_put_replaces_a_window(modules, part, base):
    made = Pass()
    x = normal(3, 4) if base else np.zeros((3, 4))
    part = PARTS[part](x)
    where = {**window(x, part), "shape": list(part.shape)}
    places = np.asarray(where["offset"])
    for stride, i in zip(where["strides"], np.indices(part.shape), strict=True):
        places = places + stride * i
    for new in (normal(*part.shape), np.asarray(2.5)):
        changed = x.copy()
        changed.ravel()[places] = new
        made.row("put", [made.const(x) if base else None, made.const(new)], changed, **where)
    check(modules, made)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 3)])
@pytest.mark.parametrize("base", [True, False])
def test_gather_take_and_scatter(modules, shape, base):
    made = Pass()
    x, rows = normal(*shape), [4, 0, 5]
    onto = normal(*shape) if base else np.zeros(shape)
    (part,) = made.row("gather", [made.const(x)], x[rows], index=rows)
    made.row("gather", [made.const(x)], x[[1, 1, 2]], index=[1, 1, 2])
    held = made.const(onto) if base else None
    spread = onto.copy()
    spread[rows] = x[rows]
    made.row("scatter", [held, part], spread, index=rows, rows=True)
    places = RNG.permutation(x.size)[:4]
    (taken,) = made.row("take", [made.const(x)], x.ravel()[places].reshape(4), index=places.tolist())
    filled = onto.copy()
    filled.ravel()[places] = x.ravel()[places]
    made.row("scatter", [held, taken], filled, index=places.tolist(), rows=False)
    alike = onto.copy()
    alike.ravel()[places] = 7
    made.row("scatter", [held, made.const(7.0)], alike, index=places.tolist(), rows=False)
    onto_rows = onto.copy()
    onto_rows[rows] = x[1]
    made.row("scatter", [held, made.const(x[1])], onto_rows, index=rows, rows=True)
    check(modules, made)


@pytest.mark.parametrize("ids", [[1, 3, 1], [[1, 3], [3, 3]]])
@pytest.mark.parametrize("base", [True, False])
def test_what_is_added_at_places_that_repeat(modules, ids, base):
    made = Pass()
    onto, part = normal(5, 3) if base else np.zeros((5, 3)), normal(*np.shape(ids), 3)
    held = made.const(onto) if base else None
    added = onto.copy()
    np.add.at(added, ids, part)
    flat = np.ravel(ids).tolist()
    made.row("scatter_add", [held, made.const(part)], added, index=flat, rows=True)
    alike = onto.copy()
    np.add.at(alike.ravel(), flat, 2.0)
    made.row("scatter_add", [held, made.const(2.0)], alike, index=flat, rows=False)
    check(modules, made)


BROADCASTS = [[(2, 3), (2, 3)], [(2, 3, 4), (4,)], [(2, 1, 4), (3, 1)], [(), (2, 2)], [(), ()], [(1,), (1, 1)]]


@pytest.mark.parametrize("shapes", BROADCASTS)
def test_add_and_arithmetic_broadcast(modules, shapes):
    made = Pass()
    a, b = (0.5 + RNG.random(shape) for shape in shapes)
    ids = [made.const(a), made.const(b)]
    made.row("add", ids, a + b)
    made.row("add", [*ids, ids[0]], a + b + a)
    for f in "add subtract multiply divide power maximum minimum".split():
        made.row("elementwise", ids, getattr(np, f)(a, b), f=f)
        made.row("elementwise", ids[:1], getattr(np, f)(a, 1.7), f=f, scalar=1.7, side=1)
        made.row("elementwise", ids[:1], getattr(np, f)(1.7, a), f=f, scalar=1.7, side=0)
    for f in "greater greater_equal less less_equal".split():
        made.row("elementwise", ids, getattr(np, f)(a, b), f=f)
    check(modules, made)


def test_functions_of_one_number(modules):
    made = Pass()
    x = np.array([[0.1, 2.5, 1e-9], [3.0, 1.0, 7.0]])
    for f in "negative exp log log1p sqrt square tanh abs sign reciprocal".split():
        made.row("elementwise", [made.const(x)], getattr(np, f)(x), f=f)
    made.row("elementwise", [made.const(-x)], np.abs(-x), f="abs")
    made.row("elementwise", [made.const(x)], np.vectorize(math.erf)(x), f="erf")
    check(modules, made)


@pytest.mark.parametrize("axis", range(3))
def test_concat_and_stack(modules, axis):
    made = Pass()
    shapes = [[2, 3, 4] for _ in range(3)]
    for shape, length in zip(shapes, (1, 0, 5), strict=True):
        shape[axis] = length
    parts = [normal(*shape) for shape in shapes]
    made.row("concat", [made.const(x) for x in parts], np.concatenate(parts, axis), axis=axis)
    made.row("concat", [made.const(x) for x in parts], np.concatenate(parts, axis - 3), axis=axis - 3)
    same = [normal(2, 3) for _ in range(3)]
    made.row("stack", [made.const(x) for x in same], np.stack(same, axis), axis=axis)
    made.row("stack", [made.const(x) for x in same], np.stack(same, -1), axis=-1)
    made.row("stack", [made.const(1.0), made.const(2.0)], np.array([1.0, 2.0]), axis=0)
    check(modules, made)


@pytest.mark.parametrize("axes", [None, [0], [1], [-1], [0, 2], [0, 1, 2], []])
@pytest.mark.parametrize("keepdims", [True, False])
def test_sums_and_other_reductions(modules, axes, keepdims):
    made = Pass()
    x = normal(2, 3, 4)
    axis = None if axes is None else tuple(axes)
    held = made.const(x)
    made.row("sum", [held], x.sum(axis, keepdims=keepdims), axes=axes, keepdims=keepdims)
    for f in "mean max min prod var std".split():
        made.row("reduce", [held], getattr(np, f)(x, axis, keepdims=keepdims), f=f, axes=axes, keepdims=keepdims)
    check(modules, made)


PRODUCTS = [
    [(3, 4), (4, 5)],
    [(4,), (4, 5)],
    [(3, 4), (4,)],
    [(4,), (4,)],
    [(2, 3, 4), (4, 5)],
    [(2, 1, 3, 4), (6, 4, 5)],
    [(4,), (2, 4, 5)],
    [(1, 1), (1, 1)],
]


@pytest.mark.parametrize("shapes", PRODUCTS)
def test_matmul(modules, shapes):
    made = Pass()
    a, b = (normal(*shape) for shape in shapes)
    made.row("matmul", [made.const(a), made.const(b)], a @ b)
    check(modules, made)


@pytest.mark.parametrize("subscripts", ["ij,kj->ik", "bij,bkj->bik", "ij,jk", "ij->ji", "ii->i", "ij,ij->", "i,j->ij"])
def test_einsum(modules, subscripts):
    made = Pass()
    sizes = {"b": 2, "i": 3, "j": 3 if "ii" in subscripts else 4, "k": 5}
    operands = [normal(*(sizes[c] for c in each)) for each in subscripts.split("->")[0].split(",")]
    made.row("einsum", [made.const(x) for x in operands], np.einsum(subscripts, *operands), subscripts=subscripts)
    check(modules, made)


def test_where(modules):
    made = Pass()
    x, condition = normal(2, 3, 4), RNG.random((2, 1, 4)) < 0.5
    wanted = np.where(condition, x, -1e30)
    held = made.const(condition, dtype="u8")
    made.row("where", [made.const(x), held], wanted, fill=-1e30)
    other = normal(3, 1)
    made.row("where", [made.const(x), held, made.const(other)], np.where(condition, x, other))
    made.row("where", [None, held, made.const(other)], np.where(condition, 2.5, other), value=2.5)
    made.row("where", [None, held], np.where(condition, 2.5, 1), value=2.5, fill=1.0)
    check(modules, made)


def test_copies_are_the_same_numbers(modules):
    made = Pass()
    x = normal(3)
    made.row("copy", [made.const(x)], x, x, x)
    check(modules, made)


@pytest.mark.parametrize("dtype", "f16 f32 f64 i32 u8".split())
def test_arrays_of_every_type_are_read(modules, dtype):
    made = Pass()
    x = np.array([0, 1, 200, 3], float) if dtype in ("i32", "u8") else np.array([1.5, -(2.0**-20), 60000, 0])
    if dtype == "f16":
        x = x.astype(np.float16).astype(float)
    made.row("elementwise", [made.const(x, dtype=dtype)], -x, f="negative")
    check(modules, made)


def test_an_unknown_kind_is_an_error(modules):
    made = Pass()
    made.row("guess", [made.const(1.0)], np.array(1.0))
    with pytest.raises(Exception, match="a row of an unknown kind: guess"):
        open_in(modules, made)
