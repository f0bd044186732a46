# %% [markdown]
# # 19 · From NumPy to CuPy, and what is fast
#
# **90 minutes.** You need: notebooks 03 (linear and GELU), 05 (LayerNorm), 08 (attention), 11 (sharing). You will be able to
#
# * write an op that runs on NumPy, on a GPU and on an array type that you invent yourself,
# * say beforehand how long an op must take at least, and draw where it stands under the roof of a machine,
# * say what a model that writes text spends its time on, and compute attention without storing its scores,
# * explain why sharing saves memory but no arithmetic, and add up the parts of a batch without a mistake that many made.
#
# | symbol | unit | meaning |
# |---|---|---|
# | $F$ | FLOP | floating-point operations of an op |
# | $m$ | bytes | what it has to read and write at least |
# | $\pi$ | FLOP/s | operations that the machine can do in a second |
# | $\beta$ | bytes/s | bytes that it can move in a second |
# | $I = F/m$ | FLOP/byte | arithmetic intensity |
# | $r, k, c$ | | rows, inner width, columns of a matrix product |
# | $n, b$ | | heads of keys and values, where they are fewer than N; bytes of a number |
# | $\mathcal L_k, n_k$ | nats, – | loss of a part of the batch, and how many tokens it is the mean of |
# | $T, H, L$ | | positions, hidden size, layers; $H_I$ is the width inside the feed-forward part |
#
# **A question from a real model.** [FlashAttention](https://arxiv.org/abs/2205.14135) computes the attention of GPT-2 to the
# same numbers as everybody else, and with *more* arithmetic: on the way back it works out all scores a second time. Yet with it
# GPT-2 trained up to three times as fast. How can more work take less time? Sections 6 and 7 answer it.
#
# Times in this notebook are those of the machine that ran it, on one core unless it says otherwise: the median of several
# runs, and where two ways are compared, runs of both in turn. Yours differ; what follows from them should not.

# %% [markdown]
# ## 1. The module follows the array
#
# CuPy is NumPy's twin on a GPU: the same functions under the same names, but `cupy.tanh` wants CuPy's arrays and
# `numpy.tanh` NumPy's. One could have a global switch. It goes stale: somebody sets it, and an array of the other kind
# comes along. The package asks the array instead:
#
# ```python
# xp = array_module(x)   # numpy, cupy, …
# y = xp.tanh(x)
# ```
#
# That is all an op needs to run anywhere, if it also leaves alone what only NumPy has. **Predict** the three lines.

# %%
import numpy as np

from albert_np.backend import array_module, get_backend, register

print(array_module(np.zeros(3)).__name__)
print(array_module(np.zeros(3, np.float32)[:1]).__name__)
try:
    array_module([0.0, 0.0])
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# ## 2. A third backend
#
# A few things have different names in NumPy and CuPy, or are missing from one of them. The package collects them: a
# backend is a name and eight entries more. To see that nothing else is needed, here is an array type which stands in for
# a GPU, `albert_np/execution/strict.py`. It holds its numbers where NumPy cannot get at them: a function of NumPy, or a
# NumPy array as the other operand, is a `TypeError`. And it can write down what is done to it.

# %%
from dataclasses import fields

from albert_np.execution import recorded, strict_backend

stand_in = strict_backend()
register(stand_in)
for field in fields(stand_in):
    entries = [getattr(backend, field.name) for backend in (get_backend("numpy"), stand_in)]
    names = [e if isinstance(e, str) else getattr(e, "__name__", type(e).__name__) for e in entries]
    print(f"{field.name:<12} {names[0]:<20} {names[1]}")

x = stand_in.from_numpy(np.array([-1.0, 0.0, 2.0]))
print(x, array_module(x).__name__)
for what, attempt in {"np.tanh(x)": lambda: np.tanh(x), "x + np.ones(3)": lambda: x + np.ones(3)}.items():
    try:
        attempt()
    except TypeError as error:
        print(f"{what}: TypeError: {error}")

# %% [markdown]
# Now the package's own LayerNorm on it. Not a line of the op was written for this type, and the results are equal to the
# last bit, since it is NumPy that computes underneath. The record shows what the formula is made of.

# %%
from albert_np.ops import layer_norm_backward, layer_norm_forward

rng = np.random.default_rng(17)
inputs = [rng.standard_normal(shape) for shape in ((4, 8), (8,), (8,))]
dy = rng.standard_normal((4, 8))
y, cache = layer_norm_forward(*inputs, 1e-12)
with recorded() as operations:
    strict_y, strict_cache = layer_norm_forward(*map(stand_in.from_numpy, inputs), 1e-12)
strict_gradients = layer_norm_backward(stand_in.from_numpy(dy), strict_cache)
assert (stand_in.to_numpy(strict_y) == y).all()
for ours, theirs in zip(strict_gradients, layer_norm_backward(dy, cache), strict=True):
    assert (stand_in.to_numpy(ours) == theirs).all()
print("equal to the last bit; the forward pass was:")
print(*[operation.name for operation in operations if operation.name != "from_numpy"], sep=", ")

# %% [markdown]
# ## 3. Your turn: GELU for every array  (difficulty 2 of 5, 10 minutes)
#
# Write the tanh form of GELU so that it runs on NumPy, on CuPy and on strict arrays:
#
# $$y = \tfrac12\, x\, \Big(1 + \tanh\big(\sqrt{2/\pi}\; (x + 0.044715\, x^3)\big)\Big) \tag{19.1}$$
#
# A float32 array must stay float32 all the way. Careful: `np.sqrt(2 / np.pi)` is a float64 *number of NumPy's*, and such a
# number makes an array wide. A plain Python number does not.
#
# <details><summary>Hint 1: the idea</summary>
#
# Ask for the module once, take `tanh` from it; everything else is operators. Constants come from Python's `math`.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $x + c\,x^3 = x\,(1 + c\,x\,x)$: no power is needed.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# xp = array_module(x)
# inner = ...                       # no cube by **3, no constant of NumPy's
# return 0.5 * x * (1 + xp....)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson19


def gelu_any(x):
    """x (…): an array of any registered backend; returns y (…) of the same kind and dtype."""
    raise NotImplementedError


report = lesson19.check_gelu_any(gelu_any)

# %% [markdown]
# ## 4. The real GPU, if there is one
#
# The same ops on CuPy. Two things differ from the strict type: results agree to rounding only, because a GPU adds in
# another order; and a GPU works *behind the clock's back*. A call returns when the work is queued, not when it is done, so
# a clock has to wait for `synchronize()`.

# %%
import math
import time

from albert_np import ops

h, weight, bias = (rng.standard_normal(shape, dtype=np.float32) for shape in ((512, 768), (3072, 768), (3072,)))


def gpu():
    """CuPy's backend if there is a GPU to run it, else None."""
    try:
        backend = get_backend("cupy")
    except ImportError:
        return None
    return backend if backend.xp.cuda.is_available() else None


if (cupy := gpu()) is None:
    print("no GPU with CuPy here: skipped. Install 'albert-np[cuda12]' on a machine with one, and run this cell again.")
else:
    on_gpu = [cupy.from_numpy(a) for a in (h, weight, bias)]
    error = abs(cupy.to_numpy(ops.linear_forward(*on_gpu)[0]) - ops.linear_forward(h, weight, bias)[0]).max()
    for wait in (False, True):
        cupy.synchronize()
        started = time.perf_counter()
        ops.linear_forward(*on_gpu)
        if wait:
            cupy.synchronize()
        print(f"waited for the end: {wait!s:<5}  {1e6 * (time.perf_counter() - started):8.0f} µs")
    print("largest difference from NumPy:", error)

# %% [markdown]
# ## 5. float32 against float64
#
# float32 keeps 24 binary digits; one rounding costs at most half of $\varepsilon = 2^{-23} \approx 1.2\cdot10^{-7}$ of the result.
# Sums of many terms cost more, but not much: errors have both signs, so $n$ roundings grow like $\sqrt n$ rather than $n$,
#
# $$\frac{|\text{error}|}{|\text{result}|} \;\approx\; \varepsilon\, \sqrt n \quad\text{as a rule of thumb, without cancellation} \tag{19.2}$$
#
# **Predict**: which op is the least exact, and are backward passes much worse than forward passes?

# %%
from albert_np.course import cases, upstream
from albert_np.course.figures import error_figure
from albert_np.plots import show

S = (8, 64, 256)
many = {
    "linear": {"x": S, "weight": (256, 256), "bias": (256,)},
    "layer_norm": {"x": S, "weight": (256,), "bias": (256,)},
    "gelu": {"x": S},
    "gelu_new": {"x": S},
    "tanh": {"x": S},
    "softmax": {"x": S},
    "attention": dict.fromkeys(("query", "key", "value"), (8, 4, 64, 64)),
}


def run(case, arrays, dtype):
    """Forward and backward in one dtype; returns the output, and the gradients."""
    fixed = {k: v for k, v in case.fixed.items() if k != "mask"} | ({"mask": None} if "mask" in case.fixed else {})
    y, cache = case.forward(**{name: a.astype(dtype) for name, a in arrays.items()}, **fixed)
    gradients = case.backward(upstream(y).astype(dtype), cache)
    return [y], list(gradients) if isinstance(gradients, tuple) else [gradients]


def largest_error(narrow, wide):
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in zip(narrow, wide, strict=True))


eps = float(np.finfo(np.float32).eps)
errors = {}
for name, shapes in many.items():
    arrays = {key: rng.standard_normal(shape) for key, shape in shapes.items()}
    narrow, wide = (run(cases()[name], arrays, dtype) for dtype in (np.float32, np.float64))
    assert all(a.dtype == np.float32 for a in narrow[0] + narrow[1])
    errors[name] = tuple(largest_error(a, b) for a, b in zip(narrow, wide, strict=True))
    print(f"{name:<12} forward {errors[name][0]:.1e}   backward {errors[name][1]:.1e}")
show(
    error_figure(errors, eps),
    "19.1",
    "Errors of float32 in seven ops, forward and backward.",
    "Errors of seven ops in float32, forward and backward, in multiples of epsilon.",
)

# %% [markdown]
# All of them lie within a few dozen $\varepsilon$. So float32 is enough to train with; but it is not enough to *check*
# with. A finite difference divides the rounding error by a small $h$, and 1e-7 becomes 1e-3: gradient checks are done in
# float64 (notebook 02).

# %% [markdown]
# ## 6. What is fast
#
# An op cannot be done before its arithmetic is done, nor before its numbers have come and gone:
#
# $$t \;\ge\; t_{\text{floor}} = \max\!\Big(\frac F\pi,\; \frac m\beta\Big), \qquad\text{and the first rules if}\quad I = \frac Fm > \frac \pi\beta \tag{19.3}$$
#
# A product of $r\times k$ and $k\times c$, in float32, and a pass over $n$ numbers that reads one array and writes one:
#
# $$I_{\text{product}} = \frac{2rkc}{4\,(rk + kc + rc)}, \qquad I_{\text{pass}} = \frac{n}{4\cdot 2n} = \frac18 \tag{19.4}$$
#
# **By hand first.** 512 tokens go from $H = 768$ to $H_I = 3072$. The product has $2\cdot512\cdot768\cdot3072 = 2.4$ GFLOP and
# moves 17 MB, so $I \approx 140$. At 50 GFLOP/s and 20 GB/s it takes at least 48 ms for the arithmetic and 0.9 ms for the
# numbers: the arithmetic rules. The GELU behind it has 1.6 million numbers, 12.6 MB to move: 0.6 ms. How long will GELU
# take in NumPy? Think of how many *separate* operations (19.1) has, then run.

# %%
from threadpoolctl import threadpool_limits


def times(*works, repeats=7):
    """The seconds of some runs of each work, taken in turn, so that what disturbs the machine disturbs all alike."""
    found = [[] for _ in works]
    for work in works:
        work()  # once unmeasured: the first run fetches what the others find
    for _ in range(repeats):
        for work, mine in zip(works, found, strict=True):
            started = time.perf_counter()
            work()
            mine.append(time.perf_counter() - started)
    return np.array(found)


square, line = rng.standard_normal((1024, 1024), dtype=np.float32), np.ones(4_000_000, np.float32)
with threadpool_limits(1):
    multiplied = times(lambda: square @ square, repeats=15)
copy = np.empty_like(line)
copied = times(lambda: np.copyto(copy, line), repeats=15)
pi, beta = (
    2 * 1024**3 / multiplied.min(),
    2 * line.nbytes / copied.min(),
)  # the best that was seen: a roof, not an average
print(
    f"this machine, one core: π = {pi / 1e9:.0f} GFLOP/s, β = {beta / 1e9:.0f} GB/s; balance π/β = {pi / beta:.1f} FLOP/byte"
)

# %%
gelu_any = report.yours(lesson19.package_gelu_any)  # from here on yours, once it has passed
B, T, N, D, H, HI = 4, 128, 12, 64, 768, 3072
normal = {shape: rng.standard_normal(shape, dtype=np.float32) for shape in [(B * T, H), (B * T, HI), (B, N, T, T)]}
w, b = np.ones(H, np.float32), np.zeros(H, np.float32)
qkv = [rng.standard_normal((B, N, T, D), dtype=np.float32) for _ in range(3)]
steps = {
    "linear, H → H_I": (ops.linear_forward, [normal[B * T, H], weight, bias]),
    "linear, H_I → H": (ops.linear_forward, [normal[B * T, HI], np.ascontiguousarray(weight.T), b]),
    "attention": (ops.attention_forward, [*qkv, None]),
    "softmax": (ops.softmax_forward, [normal[B, N, T, T]]),
    "gelu_new": (ops.gelu_new_forward, [normal[B * T, HI]]),
    "your GELU": (lambda x: (gelu_any(x),), [normal[B * T, HI]]),
    "gelu (erf)": (ops.gelu_forward, [normal[B * T, HI]]),
    "layer_norm": (lambda x, w, b: ops.layer_norm_forward(x, w, b, 1e-12), [normal[B * T, H], w, b]),
}
rows = {}
print(f"{'op':<16}{'MFLOP':>8}{'MB, least':>11}{'MB, passes':>12}{'passes':>8}{'ms':>8}{'floor':>8}")
with threadpool_limits(1):
    for name, (forward, arguments) in steps.items():
        strict = [a if a is None else stand_in.from_numpy(a) for a in arguments]
        with recorded() as operations:
            y = forward(*strict)[0]
        flops = sum(operation.flops for operation in operations)
        least = sum(a.nbytes for a in arguments if a is not None) + y.inner.nbytes
        moved = sum(operation.bytes for operation in operations)
        floor = max(sum(o.flops for o in operations if o.name == "matmul") / pi, least / beta)  # (19.3)
        taken = float(np.median(times(lambda f=forward, a=arguments: f(*a))))
        rows[name] = (flops, least, moved, taken)
        print(
            f"{name:<16}{flops / 1e6:>8.0f}{least / 1e6:>11.1f}{moved / 1e6:>12.1f}{len(operations):>8}"
            f"{1e3 * taken:>8.2f}{1e3 * floor:>8.2f}{taken / floor:>6.1f} ×"
        )

# %% [markdown]
# The same as a picture, the **roofline** ([Williams et al., 2009](https://doi.org/10.1145/1498765.1498785)): how much
# arithmetic an op gets done in a second, against its intensity. By (19.3) nothing can be above
# $\min(\pi,\; I\,\beta)$: a slope where memory rules, a flat roof where arithmetic does. Each op has two marks: an open one
# where it would stand if its numbers came and went once, a full one where it stands with all the passes that NumPy makes.
# **Predict**: which open marks lie far below the roof, and which full ones?

# %%
from albert_np.course.figures import roofline_figure

show(
    roofline_figure({name: row for name, row in rows.items() if name != "linear, H_I → H"}, pi, beta),
    "19.2",
    "Ops under the roof of this machine: open by the least bytes, full by the bytes of all passes.",
    "Arithmetic per second against arithmetic per byte, both logarithmic, below a roof that rises and then is flat. The "
    "linear map stands near the flat roof. Elementwise ops stand far below the slope by their least bytes, and near it or on it "
    "by the bytes that they move.",
)

# %% [markdown]
# Products stand under the flat roof: a hundred operations for every byte, and the BLAS knows how to keep them fed.
# The elementwise ops stand at the left, where memory rules, and by their open marks far below what memory would allow.
# The full marks say why: NumPy does one operation at a time, and each reads whole arrays and writes a whole one. It is not
# slow at what it does; it does it ten times over. A full mark *above* the slope was lucky: its arrays were still in the
# cache, or NumPy wrote over a temporary that nobody needed any more. A full mark *below* it computes more than is counted
# here: `tanh`, `exp` and division are not one operation but a dozen, and the erf of NumPy's backend is a whole polynomial.
#
# So there are two ways to be faster: fewer passes (on a GPU, CuPy can *fuse* a formula into one), or smaller arrays that
# stay in the cache. And one thing that is never worth it: to speed up what is not the bulk of the time.

# %%
once = [name for name in rows if name not in ("your GELU", "gelu (erf)", "softmax")]  # softmax is in attention
products = sum(rows[name][3] for name in ("linear, H → H_I", "linear, H_I → H"))
print(
    f"the two linear steps are {products / sum(rows[name][3] for name in once):.0%} of the time of a step's ops above"
)

# %% [markdown]
# ## 7. Attention that keeps no scores
#
# The attention above computes scores (B, N, T, T), writes them, reads them for the softmax, writes probabilities, reads them
# for the product. With T ten times as long these arrays are a hundred times as large. But softmax needs of a row only its
# largest score $a$ and the sum of exponentials, and both can be had block by block of keys, as in the last exercise of
# notebook 08 (8.15). Here it is for all queries at once, on any array:


# %%
def streamed_attention(query, key, value, block):
    """query, key, value (T, D) of any backend; returns softmax(query keyᵀ / √D) value, (T, D), with no array (T, T)."""
    xp, scaled = array_module(query), query * query.shape[-1] ** -0.5
    largest, total, weighted = -math.inf, 0.0, 0.0
    for start in range(0, len(key), block):
        scores = scaled @ key[start : start + block].T  # (T, block)
        larger = xp.maximum(largest, scores.max(axis=-1, keepdims=True))
        old, new = xp.exp(largest - larger), xp.exp(scores - larger)
        total = total * old + new.sum(axis=-1, keepdims=True)
        weighted = weighted * old + new @ value[start : start + block]
        largest = larger
    return weighted / total


long = [rng.standard_normal((2048, 64), dtype=np.float32) for _ in range(3)]
ways = {
    "whole": lambda q, k, v: ops.attention_forward(q[None, None], k[None, None], v[None, None], None)[0][0, 0],
    "blocks of 256": lambda q, k, v: streamed_attention(q, k, v, 256),
    "blocks of 16": lambda q, k, v: streamed_attention(q, k, v, 16),
}
with threadpool_limits(1):
    taken = np.median(times(*(lambda f=f: f(*long) for f in ways.values()), repeats=5), axis=1)
for (name, way), t in zip(ways.items(), taken, strict=True):
    with recorded() as operations:
        way(*map(stand_in.from_numpy, long))
    error = abs(way(*long) - ways["whole"](*long)).max()
    largest, moved = (f(o.bytes for o in operations if o.name != "from_numpy") / 1e6 for f in (max, sum))
    print(
        f"{name:<14}{1e3 * t:6.0f} ms   largest operation {largest:5.1f} MB, all {moved:5.0f} MB   differs by {error:.0e}"
    )

# %% [markdown]
# Not one number is approximated. What memory is saved is plain; what time is saved is a matter of the machine. In NumPy each
# block still goes through memory in passes, though small ones find their arrays in the cache; and very small blocks pay for
# Python, and rescale too often. On a GPU the block's whole work is *one* kernel, and its scores never leave the chip: an op at
# the left of the roofline moves to the right. There the time is saved that pays for the scores computed twice.
#
# ### Your turn: what does the next token cost?  (difficulty 3 of 5, 20 minutes)
#
# A model like GPT writes one token at a time. It keeps the keys and values of the tokens before, so of each sequence only *one*
# row goes through the layers. With *grouped queries* there are $n$ heads of keys and values for $N$ heads of queries, each of D
# numbers, $ND = H$. Count for one new token in each of B sequences that have T tokens already (the new one counted), in L
# layers, without the vocabulary:
#
# * $F$: two FLOP for each weight that a row meets (query and output $H \times H$; key and value $H \times nD$; two of
#   $H \times H_I$), and for all N heads the scores of T keys and the sum of T values,
# * $m$: all weights of the L layers once, for the whole batch; and the kept keys and values of every sequence. No
#   activations: they are small.
#
# <details><summary>Hint 1: the idea</summary>
#
# Who is read once for all sequences, and who once for each? And do fewer heads of keys save arithmetic in the scores? Every
# query head still has its own scores.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $$w = 2H^2 + 2H\,nD + 2H\,H_I, \qquad F = 2BL\,(w + 2\,T H), \qquad m = b\,L\,(w + 2\,B\,T\,nD) \tag{19.5}$$
#
# with $b$ bytes a number.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# weights = 2 * hidden**2 + 2 * hidden * ... + 2 * hidden * inner
# flops = 2 * ... * layers * (weights + ...)
# least = width * layers * (weights + ...)      # which of the two has the batch in it?
# return flops, least
# ```
# </details>


# %% tags=["exercise"]
def next_token(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    """Returns F (FLOP) and m (bytes) of one new token in each of `batch` sequences; width: bytes of a number."""
    raise NotImplementedError


report = lesson19.check_next_token(next_token)

# %% [markdown]
# Now a model of the size of Llama 2 70B: L = 80, H = 8192, H_I = 43,008 (its three matrices counted as two), 64 heads of 128, texts
# of 4096 tokens; and a GPU by its data sheet, [H100](https://www.nvidia.com/en-us/data-center/h100/): π = 990 TFLOP/s in 16 bits,
# β = 3.35 TB/s, π/β = 296. (One such GPU has not the memory for it; several have, and the shares are the same.) **Predict**: with
# one sequence, which share of π is used? And with how many does arithmetic rule?

# %%
next_token = report.yours(lesson19.package_next_token)
print("sequences   kv heads   FLOP/byte   floor, ms   tokens per s   share of π")
for sequences in (1, 16, 256, 4096):
    for kv_heads in (64, 8):
        f, bytes_ = next_token(sequences, 4096, 80, 8192, 43_008, 128, kv_heads)
        floor = max(f / 990e12, bytes_ / 3.35e12)
        told = f"{f / bytes_:>11.1f}{1e3 * floor:>12.1f}{sequences / floor:>15.0f}{f / floor / 990e12:>13.1%}"
        print(f"{sequences:>9}{kv_heads:>11} {told}")

# %% [markdown]
# One text alone leaves the arithmetic almost idle: all weights come from memory for one row. More texts share that reading,
# but each brings keys and values of its own, and with 64 heads of them these soon *are* the traffic: batches stop helping.
# With B however large, (19.5) leaves $I < 2\,(w + 2\,TH) / (2\,b\,T\,nD)$, here 15 for 64 heads and 110 for 8: below 296, so in
# texts this long arithmetic never rules. An eighth of the heads moves the wall by a factor of seven, and its own cost is a few
# weights *less*. That is why large models share keys among heads.
#
# ## 8. Freed memory
#
# An op returns a *new* array. Where does its memory come from? A large block is asked from the system, which hands it out
# page by page, cleared, at the first touch; when the array is freed the block goes back, and the next op begins anew. The
# package asks the C library once, when NumPy's backend is first used, to keep what is freed (`keep_freed_memory`). In this
# notebook that was long ago, so the measurement runs in a process of its own. Predict the order of the three:

# %%
import subprocess
import sys

program = """
import time
import numpy as np

def milliseconds(work, repeats=5):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)

large = np.ones(12_000_000, np.float32)  # 48 MB
target = np.empty_like(large)
print(f"into an array that exists    {milliseconds(lambda: np.multiply(large, large, out=target)):6.1f} ms")
print(f"into a new one               {milliseconds(lambda: large * large):6.1f} ms")

from albert_np.backend import keep_freed_memory

keep_freed_memory()
print(f"into a new one, memory kept  {milliseconds(lambda: large * large):6.1f} ms")
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)

# %% [markdown]
# ## 9. Sharing saves memory, not arithmetic
#
# Cross-layer parameter sharing (跨层参数共享) stores one layer instead of $L$, or one for each of $G$ layer groups (层组).
# But the data still goes through $L$ steps. Multiplications and additions for one token in one step: four products
# $H\times H$ (query, key, value, output), two $H\times H_I$, and the scores and their use against $T$ positions:
#
# $$F_{\text{token}} = 2\,\big(E H + L\,(4H^2 + 2 H H_I + 2\, T H)\big) \tag{19.6}$$
#
# There is an $L$ in it and no $G$. The number of parameters in the layers, on the other hand, is $G$ times that of one.

# %%
from albert_np import AlbertConfig, AlbertForMaskedLM, AlbertForPreTraining
from albert_np.gradcheck import small_batch
from albert_np.study import flops_per_token

small = {
    "vocab_size": 400,
    "embedding_size": 64,
    "hidden_size": 128,
    "num_attention_heads": 4,
    "intermediate_size": 512,
}
configs = [AlbertConfig(**small, num_hidden_layers=12, num_hidden_groups=G) for G in (12, 1)]
batch = small_batch(configs[0], batch=4, positions=64)
models = [AlbertForPreTraining(config, seed=0).eval() for config in configs]


def step(model):
    model(**batch)
    model.backward()


with threadpool_limits(1):
    taken = np.median(times(*(lambda m=m: step(m) for m in models), repeats=5), axis=1)
print(f"{'groups':>8}{'parameters':>12}{'FLOP per token':>16}{'ms per step':>13}")
for config, model, t in zip(configs, models, taken, strict=True):
    L, E, h_, i_ = 12, config.embedding_size, config.hidden_size, config.intermediate_size
    flops = flops_per_token(config, 64)
    assert flops == 2 * (E * h_ + L * (4 * h_**2 + 2 * h_ * i_ + 2 * 64 * h_))  # (19.6)
    print(f"{config.num_hidden_groups:>8}{model.layout.size:>12,}{flops:>16,}{1e3 * t:>13.0f}")
shared, unshared = models[1].layout.size, models[0].layout.size
print(
    f"of twelve groups, one has {shared / unshared:.0%} of the parameters, takes {taken[1] / taken[0]:.0%} of the time"
)

# %% [markdown]
# The activations are as many as before too: backward needs a cache for each of the twelve steps. What sharing makes
# small is the checkpoint, the optimizer's state, and the gradients that machines send to each other.

# %% [markdown]
# ## 10. A batch over threads
#
# One core is busy; what do the others do? One could split each op. The package splits the *batch*: every thread runs the
# plain code on sequences of its own, with the same weights and with gradients of its own, which are then added. That is
# right because the loss is a sum over sequences, if every part divides by the *whole* batch's counts:
#
# $$\mathcal L = \sum_{k} \mathcal L_k \quad\Longrightarrow\quad \frac{\partial\mathcal L}{\partial w} = \sum_k \frac{\partial\mathcal L_k}{\partial w} \tag{19.7}$$

# %%
from albert_np.execution.replicas import Replicas, split

counts = {"mlm_denominator": int((batch["labels"] != -100).sum()), "sop_denominator": len(batch["labels"])}


def work(copy, part):
    out = copy(**part, **counts)
    copy.backward()
    return float(out.loss)


replicas = {n: Replicas(model, n) for n in (1, 2)}  # holds the BLAS to one thread for each part
taken = times(*(lambda n=n, r=r: r.map(work, split(batch, n)) for n, r in replicas.items()), repeats=5)
gradients = {}
for (threads, copies), t in zip(replicas.items(), taken, strict=True):
    model.zero_grad()
    losses = copies.map(work, split(batch, threads))
    gradients[threads] = model.grads.flat.copy()
    told = f"{1e3 * np.median(t):5.0f} ms a step ({1e3 * t.min():.0f} to {1e3 * t.max():.0f})"
    print(f"{threads} thread(s): {told}, loss {sum(losses):.6f}")
difference = abs(gradients[1] - gradients[2]).max() / abs(gradients[1]).max()
print(f"largest difference of the gradients: {difference:.1e} of the largest")
assert difference < 1e-5

# %% [markdown]
# The same up to rounding: two threads add the parts up in another order. Only the *same* number of threads gives the
# same bits. And the time? Only what runs outside Python's lock runs side by side: products and passes over large arrays
# do, the Python between them does not. The wider the model, the more is gained; one as small as this gains
# something on idle cores, and nothing where other programs want them.
#
# ### Your turn: mend it  (difficulty 2 of 5, 10 minutes)
#
# The same sum is taken where one machine cannot hold a batch, and goes through it in parts: *gradient accumulation*. In
# October 2024 it was found that widely used training code had it wrong
# ([what happened](https://huggingface.co/blog/gradient_accumulation)), much as below. Each part comes with its *mean* loss, its
# gradient and the number of tokens that it is the mean of. Nothing fails, and with equal counts all is right. **Predict**
# which tokens count too much. Then mend the function.
#
# <details><summary>Hint 1: the idea</summary>
#
# A mean of means is the mean of all only if each is of equally many.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The whole batch's loss is $\sum_k n_k \mathcal L_k \,/\, \sum_k n_k$; the gradient is the same sum of gradients. A part in which
# nothing is asked has $n_k = 0$, and adds nothing.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# whole = sum(count for _, _, count in parts)
# loss = sum(... for part_loss, _, count in parts)
# return loss, sum(...)
# ```
# </details>


# %% tags=["exercise"]
def added_up(parts):
    """parts: [(mean loss, its gradient, count of its tokens), …]; returns the whole batch's mean loss and its gradient."""
    raise NotImplementedError  # this line goes; the two below are to be mended
    loss = sum(part_loss for part_loss, _, _ in parts) / len(parts)
    return loss, sum(gradient for _, gradient, _ in parts) / len(parts)


report = lesson19.check_added_up(added_up)

# %% [markdown]
# Yours with a real model: the batch in two parts of unequal length, against the whole.

# %%
added_up = report.yours(lesson19.package_added_up)
tokens = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids", "labels") if key in batch}
tokens["labels"] = np.where(
    np.arange(4)[:, None] * 16 <= np.arange(64), -100, tokens["input_ids"]
)  # 0, 16, 32, 48 a row
masked = AlbertForMaskedLM(configs[1], dtype="float64", seed=0).eval()


def mean_of(rows):
    """Mean loss, gradient and count of some rows of the batch."""
    masked.zero_grad()
    out = masked(**{key: value[rows] for key, value in tokens.items()})
    masked.backward()
    return float(out.loss), masked.grads.flat.copy(), int((tokens["labels"][rows] != -100).sum())


parts, whole = [mean_of(slice(0, 2)), mean_of(slice(2, 4))], mean_of(slice(0, 4))
loss, gradient = added_up(parts)
print("tokens of the parts:", [count for _, _, count in parts])
print(
    f"the whole batch's loss {whole[0]:.6f}, yours {loss:.6f}, the mean of means {np.mean([p[0] for p in parts]):.6f}"
)
assert np.allclose(gradient, whole[1], rtol=1e-9, atol=1e-12)

# %% [markdown]
# ## 11. Checks
#
# GELU's gradient first, in three ways; then (19.1) as it stands against the package; then a whole model with all its
# gradients, on NumPy and on the array type that knows nothing of NumPy.

# %%
from albert_np.course import verify_op

verify_op("gelu_new")

# %%
x = rng.standard_normal((5, 7))
formula = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))  # (19.1)
assert np.allclose(formula, ops.gelu_new_forward(x)[0], rtol=1e-12, atol=1e-14)

# %%
from albert_np.gradcheck import small_config

results = {}
for name in ("numpy", "strict"):
    tiny = AlbertForPreTraining(small_config(), dtype="float64", backend=name, seed=3).eval()
    out = tiny(**{key: tiny.backend.from_numpy(value) for key, value in small_batch(tiny.config).items()})
    tiny.backward()
    results[name] = (float(out.loss), np.asarray(tiny.backend.to_numpy(tiny.grads.flat)))
assert results["numpy"][0] == results["strict"][0]
assert (results["numpy"][1] == results["strict"][1]).all()
print(f"loss {results['numpy'][0]:.10f} and {results['numpy'][1].size:,} gradients: equal to the last bit")

# %% [markdown]
# ## 12. What breaks if…
#
# **…GELU is written with `x**3`?** Nothing breaks. It is only slow: a general power is a costly function of its own, and
# NumPy has short cuts for a few exponents only. 2 is one of them, 3 is not.

# %%
x = normal[B * T, HI]
for name, t in zip(("x * x * x", "x**3"), times(lambda: x * x * x, lambda: x**3), strict=True):
    print(f"{name:<10} {1e3 * np.median(t):6.1f} ms")

# %% [markdown]
# **…a constant is NumPy's float64?** Nothing breaks here either. But the array becomes float64, all that follows does too,
# twice the bytes move, and on most GPUs arithmetic in float64 is many times slower.

# %%
for name, scale in {"math.sqrt(2 / math.pi)": math.sqrt(2 / math.pi), "np.sqrt(2 / np.pi)": np.sqrt(2 / np.pi)}.items():
    y = scale * x
    print(f"{name:<24} {type(scale).__name__:<8} → {y.dtype}, {y.nbytes / 1e6:.0f} MB")

# %% [markdown]
# ## Three questions
#
# 1. A friend makes LayerNorm twice as fast. A step spends 5 % of its time there. What is gained, and what would a 10 %
#    faster linear gain if that is 70 %?
# 2. With a batch of one sequence of one token, $r = 1$: what is $I$ of (19.4), and what limits the product then?
# 3. Your CuPy loop takes 20 µs a step by the clock, whatever the size of the model. What do you look for first?
#
# <details><summary>Answers</summary>
#
# 1. 2.5 %; the linear gains about 6.4 % ($0.7 - 0.7/1.1$). Look at the bulk first.
# 2. $2kc / 4(k + kc + c) \approx 1/2$: each weight is read for one multiplication and one addition. Memory is the limit, so
#    generating one token at a time is slow on the fastest GPU.
# 3. The missing `synchronize()`: the clock saw the queueing, not the work.
# </details>
#
# ## In today's models
#
# * FlashAttention is section 7 in one kernel, with blocks of queries as well; the rule by itself is *online softmax*
#   ([Milakov and Gimelshein, 2018](https://arxiv.org/abs/1805.02867)). The answer to the question at the beginning: what it saves
#   is $m$, what it adds is $F$, and attention stood where $m$ rules.
# * A model that writes text makes one token at a time, and reads all weights for it (19.5). So servers answer many requests in
#   one batch, share keys and values among heads (*grouped queries*, [Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)),
#   and store weights in 8 or 4 bits: all that moves fewer bytes for a FLOP.
# * ALBERT's sharing would not help there by itself: each of the L steps reads the weights anew, unless they fit into the
#   cache, and keeps keys and values of its own.
# * *Fusing* elementwise ops into one pass is what compilers such as XLA and `torch.compile` do for a living.
#
# Next: [20, a walk through every op of a pass, in the browser](20_walk_a_pass.ipynb).
