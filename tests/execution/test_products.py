"""Products on NumPy are `@`; on a device cuBLAS is asked for the right ones, of operands as they lie."""

import ctypes
import inspect
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from toys import strict  # noqa: F401

from albert_np import ops
from albert_np.backend import register
from albert_np.execution import counted, product
from albert_np.execution.precision import SIXTEEN_BITS, narrowed, precision_of_products, rounded, widened
from albert_np.execution.products import Cublas, product_into
from albert_np.execution.strict import StrictArray, boxed_backend
from albert_np.gradcheck import small_batch, small_config
from albert_np.model import AlbertForPreTraining

HANDLE = 4711
TYPES = {0: np.dtype(np.float32), 1: np.dtype(np.float64), 2: np.dtype(np.float16), 14: np.dtype(np.uint16)}


class PlayedCublas:
    """cuBLAS by its manual, on the host's memory: matrices are columns, `lda` numbers from one to the next."""

    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32 = 68, 77
    CUBLAS_COMPUTE_32F_FAST_16BF, CUBLAS_COMPUTE_32F_FAST_16F, CUBLAS_COMPUTE_64F = 75, 74, 70
    CUBLAS_GEMM_DEFAULT = -1

    def __init__(self):
        self.calls = []

    def gemmEx(
        self,
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha,
        A,
        Atype,
        lda,
        B,
        Btype,
        ldb,
        beta,
        C,
        Ctype,
        ldc,
        computeType,
        algo,
    ):
        self.calls.append(("gemmEx", computeType))
        self._multiply(
            handle, (transa, transb), (m, n, k), alpha, (A, Atype, lda), (B, Btype, ldb), beta, (C, Ctype, ldc),
            computeType, algo,
        )  # fmt: skip

    def gemmStridedBatchedEx(
        self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB, beta, C, Ctype,
        ldc, strideC, batchCount, computeType, algo,
    ):  # fmt: skip
        self.calls.append(("gemmStridedBatchedEx", computeType))
        assert strideC >= ldc * n
        assert min(strideA, strideB) >= 0
        for i in range(batchCount):
            first, second, third = (
                (start + i * stride * TYPES[kind].itemsize, kind, leading)
                for start, stride, kind, leading in (
                    (A, strideA, Atype, lda), (B, strideB, Btype, ldb), (C, strideC, Ctype, ldc)
                )
            )  # fmt: skip
            self._multiply(handle, (transa, transb), (m, n, k), alpha, first, second, beta, third, computeType, algo)

    def _multiply(self, handle, trans, sizes, alpha, a, b, beta, c, compute, algo):
        m, n, k = sizes
        assert (handle, algo) == (HANDLE, self.CUBLAS_GEMM_DEFAULT)
        assert min(sizes) > 0
        kind = TYPES[c[1]]
        assert (compute == self.CUBLAS_COMPUTE_64F) == (kind == np.float64)
        assert a[1] == b[1]
        assert c[1] == (0 if TYPES[a[1]].itemsize == 2 else a[1])
        assert TYPES[a[1]] == kind or compute == self.CUBLAS_COMPUTE_32F
        kept = _matrix(beta, kind, 1, 1, 1)[0, 0]
        assert _matrix(alpha, kind, 1, 1, 1) == 1
        assert kept in (0, 1)
        left, right = (
            _matrix(start, TYPES[of], leading, *((columns, rows) if transposed else (rows, columns)))
            for (start, of, leading), transposed, rows, columns in ((a, trans[0], m, k), (b, trans[1], k, n))
        )
        left, right = left.T if trans[0] else left, right.T if trans[1] else right
        names = {68: "float32", 70: "float32", 77: "tf32", 75: "bfloat16", 74: "float16"}
        left, right = (rounded(widened(x.copy()), names[compute]) for x in (left, right))
        result = _matrix(c[0], kind, c[2], m, n)
        result[...] = left @ right + (result if kept else 0)  # what c held counts for nothing where it is not kept


def _matrix(start, kind, leading, rows, columns):
    """The matrix at an address, column by column."""
    assert leading >= max(1, rows)
    size = ((columns - 1) * leading + rows) * kind.itemsize
    numbers = np.frombuffer((ctypes.c_char * size).from_address(start), kind)
    return np.lib.stride_tricks.as_strided(numbers, (rows, columns), (kind.itemsize, leading * kind.itemsize))


class HostArray(StrictArray):
    """A strict array that has an address, as CuPy's have."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.inner.ctypes.data)


BLAS = PlayedCublas()
CUBLAS = Cublas(BLAS, lambda: HANDLE)
DEVICE = boxed_backend("played", HostArray, {"product": CUBLAS.product, "product_into": CUBLAS.product_into})
register(DEVICE)


def numbers(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def arrangements(x):
    """The same numbers, lying in every way that views give: (array, name)."""
    axes = range(x.ndim)
    for order in itertools.permutations(axes):
        whole = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        yield whole, f"in memory {order}"
    wide = np.zeros((*x.shape[:-1], x.shape[-1] + 3), x.dtype)
    wide[..., 1:-2] = x
    yield wide[..., 1:-2], "part of wider rows"
    tall = np.zeros((*x.shape[:-2], x.shape[-1] + 2, x.shape[-2]), x.dtype)
    tall[..., 2:, :] = x.swapaxes(-1, -2)
    yield tall[..., 2:, :].swapaxes(-1, -2), "part of wider rows, transposed"
    yield np.repeat(x, 2, axis=-1)[..., ::2], "every other number"
    yield np.ascontiguousarray(x[..., ::-1])[..., ::-1], "backwards"
    yield np.ascontiguousarray(x[::-1])[::-1], "backwards from outside"


def check(a, b):
    BLAS.calls.clear()
    with counted() as counts:
        c = product(HostArray(a), HostArray(b))
    np.testing.assert_array_equal(c.inner, a @ b)
    assert (c.dtype, c.inner.flags.c_contiguous) == (a.dtype, True)
    assert len(BLAS.calls) == (1 if c.inner.size and a.shape[-1] else 0)
    return counts.launches


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m, k, n", list(itertools.product([1, 2, 3], repeat=3)))
def test_cublas_reads_every_arrangement_of_two_matrices(m, k, n, dtype):
    for a, b in itertools.product(arrangements(numbers(m, k, dtype=dtype)), arrangements(numbers(k, n, dtype=dtype))):
        check(a[0], b[0])


@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (2, 3, 4), (1, 3, 2), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("stacks", [((2,), (2,)), ((1,), (2,)), ((2,), ()), ((), (3,)), ((2,), (1,))])
def test_cublas_reads_every_arrangement_of_two_stacks(m, k, n, stacks):
    left, right = numbers(*stacks[0], m, k), numbers(*stacks[1], k, n)
    for a, b in itertools.product(arrangements(left), arrangements(right)):
        check(a[0], b[0])


@pytest.mark.parametrize(
    "stacks", [((2, 3), (2, 3)), ((2, 1), (2, 3)), ((1, 3), (2, 1)), ((3,), (2, 3)), ((1, 1), (1, 3))]
)
def test_cublas_reads_stacks_of_stacks(stacks):
    left, right = numbers(*stacks[0], 2, 4), numbers(*stacks[1], 4, 3)
    for a, b in itertools.product(arrangements(left), arrangements(right)):
        check(a[0], b[0])


@pytest.mark.parametrize("a, b", [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0, 2, 3), (0, 3, 2))])
def test_empty_products_ask_cublas_for_nothing(a, b):
    check(np.zeros(a), np.zeros(b))


def test_what_lies_in_rows_or_columns_is_not_copied():
    x = numbers(2, 3, 4, 5)
    for readable in (x, x.swapaxes(-1, -2), x[..., 1:4], x[..., 1:4].swapaxes(-1, -2), x[:, 1], x[0, 1], x[:1, :, 1:]):
        assert check(readable, readable.swapaxes(-1, -2).copy()) == {}
    split = x.transpose(0, 2, 1, 3)  # heads, as a projection leaves them: no one step leads through the stack
    assert check(split, split.swapaxes(-1, -2).copy()) == {"copy": 1}
    assert check(x[..., ::2], x[..., ::2].swapaxes(-1, -2).copy()) == {"copy": 1}


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 2\): 3 columns, 4 rows"):
        product(HostArray(numbers(2, 3)), HostArray(numbers(4, 2)))


@pytest.mark.parametrize("precision, compute", [("float32", 68), ("tf32", 77), ("bfloat16", 75), ("float16", 74)])
def test_the_precision_decides_how_cublas_computes(precision, compute):
    a, b = numbers(2, 3, 4, dtype=np.float32) / 3, numbers(2, 4, 3, dtype=np.float32) / 3
    BLAS.calls.clear()
    with precision_of_products(precision):
        got = [product(HostArray(x), HostArray(y)).inner for x, y in ((a, b), (a[0], b[0]))]
        doubles = product(HostArray(a.astype(np.float64)), HostArray(b.astype(np.float64))).inner
        np.testing.assert_array_equal(got[0], product(a, b))
        np.testing.assert_array_equal(got[1], product(a[0], b[0]))
    assert BLAS.calls == [("gemmStridedBatchedEx", compute), ("gemmEx", compute), ("gemmStridedBatchedEx", 70)]
    np.testing.assert_array_equal(doubles, a.astype(np.float64) @ b)


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (2, 3, 4), (1, 3, 2), (3, 1, 2), (2, 3, 1)])
def test_cublas_reads_16_bits_where_they_lie_and_gives_float32(m, k, n, kind):
    left, right = (narrowed(numbers(*shape, dtype=np.float32), kind) for shape in ((m, k), (k, n)))
    for precision in ("float32", kind):
        for (a, _), (b, _) in itertools.product(arrangements(left), arrangements(right)):
            BLAS.calls.clear()
            with precision_of_products(precision):
                c = product(HostArray(a), HostArray(b))
                np.testing.assert_array_equal(c.inner, product(a, b))
            np.testing.assert_array_equal(c.inner, widened(a) @ widened(b))
            assert (c.dtype, BLAS.calls) == (np.float32, [("gemmEx", BLAS.CUBLAS_COMPUTE_32F)])


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("stack", [(), (2,)])
def test_a_product_of_16_bits_goes_into_float32(stack, kind, adds):
    a, b, target = (numbers(*stack, *shape, dtype=np.float32) / 3 for shape in ((3, 5), (5, 4), (3, 4)))
    a, b = narrowed(a, kind), narrowed(b, kind)
    right = target * adds + widened(a) @ widened(b)
    for move in (DEVICE.from_numpy, np.copy):
        ours = move(target)
        product_into(ours, move(a), move(b), adds=adds)
        np.testing.assert_allclose(getattr(ours, "inner", ours), right, rtol=1e-6)
        assert ours.dtype == np.float32


@pytest.mark.parametrize("kinds", [("bfloat16", "float32"), ("float32", "float16"), ("bfloat16", "float16")])
def test_operands_that_lie_differently_count_for_the_numbers_that_they_hold(kinds):
    """As where the precision was changed between the two passes."""
    floats = numbers(2, 3, dtype=np.float32) / 3, numbers(3, 4, dtype=np.float32) / 3
    a, b = (x if kind == "float32" else narrowed(x, kind) for x, kind in zip(floats, kinds, strict=True))
    right = widened(a) @ widened(b)
    for move in (DEVICE.from_numpy, np.copy):
        c, ours = product(move(a), move(b)), move(np.ones((2, 4), np.float32))
        product_into(ours, move(a), move(b), adds=True)
        np.testing.assert_allclose(getattr(c, "inner", c), right, rtol=1e-6)
        np.testing.assert_allclose(getattr(ours, "inner", ours), 1 + right, rtol=1e-6)
    doubles = product(a.astype(np.float64), b) if kinds[0] == "float32" else product(a, b.astype(np.float64))
    assert doubles.dtype == np.float64


@pytest.mark.parametrize("sharing", ["all", "none"])
@pytest.mark.parametrize("skip_padding", [False, True])
def test_a_model_on_cublas_gives_what_it_gives_on_numpy(sharing, skip_padding):
    config = small_config(sharing=sharing)
    batch = {**small_batch(config), "skip_padding": skip_padding}
    model = AlbertForPreTraining(config, dtype="float64").eval()
    BLAS.calls.clear()
    expected = _gradients(model, batch)
    assert not BLAS.calls
    np.testing.assert_allclose(_gradients(model.to("played"), batch), expected, rtol=1e-12, atol=1e-14)
    assert {name for name, _ in BLAS.calls} == {"gemmEx", "gemmStridedBatchedEx"}


@pytest.mark.parametrize("precision", SIXTEEN_BITS)
def test_a_dense_layer_asks_cublas_for_products_of_16_bits(precision):
    x, weight, dy = (numbers(*shape, dtype=np.float32) / 3 for shape in ((2, 5, 4), (3, 4), (2, 5, 3)))
    bias, found = numbers(3, dtype=np.float32), []
    for move in (DEVICE.from_numpy, np.copy):
        BLAS.calls.clear()
        with precision_of_products(precision):
            y, cache = ops.linear_forward(move(x), move(weight), move(bias))
            found.append([getattr(each, "inner", each) for each in (y, *ops.linear_backward(move(dy), cache))])
        assert {cache.x.dtype, cache.weight.dtype} == {SIXTEEN_BITS[precision]}
        assert BLAS.calls == [("gemmEx", BLAS.CUBLAS_COMPUTE_32F)] * (3 if move is not np.copy else 0)
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-6)
        assert ours.dtype == np.float32


def _gradients(model, batch):
    model(**batch)
    model.zero_grad()
    model.backward()
    return model.backend.to_numpy(model.grads.flat)


def test_numpy_computes_a_product_as_it_always_did():
    a, b = np.random.default_rng(0).standard_normal((2, 64, 64), dtype=np.float32)
    for x, y in ((a, b), (a.T, b), (a, b[:, :7]), (a[None], b)):
        np.testing.assert_array_equal(product(x, y), x @ y)


def test_the_played_functions_take_what_cupys_take():
    cupy = pytest.importorskip("cupy")
    try:
        cublas, runtime = cupy.cuda.cublas, cupy.cuda.runtime
    except ImportError as error:
        pytest.skip(f"needs cuBLAS, pip install nvidia-cublas-cu12: {error}")
    for name in ("gemmEx", "gemmStridedBatchedEx"):
        real = re.findall(r"(\w+)[,)]", getattr(cublas, name).__doc__.splitlines()[0])
        assert real == list(inspect.signature(getattr(PlayedCublas(), name)).parameters)
    for name in vars(PlayedCublas):
        if name.startswith("CUBLAS"):
            assert getattr(cublas, name) == getattr(PlayedCublas, name)
    assert tuple(TYPES) == (runtime.CUDA_R_32F, runtime.CUDA_R_64F, runtime.CUDA_R_16F, runtime.CUDA_R_16BF)
    assert (cublas.CUBLAS_OP_N, cublas.CUBLAS_OP_T) == (0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("stack", [(), (2,), (2, 3)])
def test_a_product_goes_into_a_target_or_is_added_to_it_in_one_launch(stack, adds, dtype):
    shapes = ((*stack, 5, 3), (*stack, 5, 4), (*stack, 3, 4))
    a, b, target = (numbers(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(shapes))
    right = a.swapaxes(-1, -2) @ b + (target if adds else 0)
    ours = DEVICE.from_numpy(np.stack([target, target]))
    BLAS.calls.clear()
    product_into(ours[1], DEVICE.from_numpy(a).swapaxes(-1, -2), DEVICE.from_numpy(b), adds=adds)
    assert len(BLAS.calls) == 1
    np.testing.assert_array_equal(ours.inner, np.stack([target, right]))
    plain = target.copy()
    product_into(plain, a.swapaxes(-1, -2), b, adds=adds)
    np.testing.assert_array_equal(plain, right)


def test_a_product_of_nothing_adds_nothing_and_one_of_another_shape_is_refused():
    nothing = [DEVICE.from_numpy(np.ones(shape)) for shape in ((3, 0), (0, 4))]
    target = DEVICE.from_numpy(np.ones((3, 4)))
    product_into(target, *nothing, adds=True)
    np.testing.assert_array_equal(target.inner, np.ones((3, 4)))
    product_into(target, *nothing, adds=False)
    np.testing.assert_array_equal(target.inner, np.zeros((3, 4)))
    with pytest.raises(ValueError, match="cannot go into"):
        product_into(target, DEVICE.from_numpy(np.ones((4, 2))), DEVICE.from_numpy(np.ones((2, 3))), adds=True)
