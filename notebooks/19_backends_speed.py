# %% [markdown]
# # 19 · From NumPy to CuPy, and what is fast
#
# **50 minutes.** You need: notebooks 03 (linear and GELU), 05 (LayerNorm), 11 (sharing). You will be able to
#
# * write an op that runs on NumPy, on a GPU and on an array type that you invent yourself,
# * say beforehand how long an op must take at least, and why some take much longer,
# * explain why sharing saves memory but no arithmetic.
#
# | symbol | unit | meaning |
# |---|---|---|
# | $F$ | FLOP | floating-point operations of an op |
# | $M$ | bytes | what it has to read and write at least |
# | $P$ | FLOP/s | operations that the machine can do in a second |
# | $\beta$ | bytes/s | bytes that it can move in a second |
# | $I = F/M$ | FLOP/byte | arithmetic intensity |
# | $R, K, C$ | | rows, inner width, columns of a matrix product |
# | $T, H, L$ | | positions, hidden size, layers; $H_I$ is the width inside the feed-forward part |
#
# Times in this notebook are those of the machine that ran it, on one core unless it says otherwise. Yours differ; what
# follows from them should not.

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


lesson19.check_gelu_any(gelu_any)

# %% [markdown]
# ## 4. The real GPU, if there is one
#
# The same ops on CuPy. Two things differ from the strict type: results agree to rounding only, because a GPU adds in
# another order; and a GPU works *behind the clock's back*. A call returns when the work is queued, not when it is done, so
# a clock has to wait for `synchronize()`.

# %%
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
    print("no GPU with CuPy here: skipped. Install 'albert-np[cuda]' on a machine with one, and run this cell again.")
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
# $$t \;\ge\; t_{\text{floor}} = \max\!\Big(\frac FP,\; \frac M\beta\Big), \qquad\text{and the first rules if}\quad I = \frac FM > \frac P\beta \tag{19.3}$$
#
# A product of $R\times K$ and $K\times C$, in float32, and a pass over $n$ numbers that reads one array and writes one:
#
# $$I_{\text{product}} = \frac{2RKC}{4\,(RK + KC + RC)}, \qquad I_{\text{pass}} = \frac{n}{4\cdot 2n} = \frac18 \tag{19.4}$$
#
# **By hand first.** 512 tokens go from $H = 768$ to $H_I = 3072$. The product has $2\cdot512\cdot768\cdot3072 = 2.4$ GFLOP and
# moves 17 MB, so $I \approx 140$. At 50 GFLOP/s and 20 GB/s it takes at least 48 ms for the arithmetic and 0.9 ms for the
# numbers: the arithmetic rules. The GELU behind it has 1.6 million numbers, 12.6 MB to move: 0.6 ms. How long will GELU
# take in NumPy? Think of how many *separate* operations (19.1) has, then run.

# %%
from threadpoolctl import threadpool_limits


def seconds(work, repeats=4):
    """The shortest of a few runs: everything that disturbs a clock makes it longer."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


square, line = rng.standard_normal((1024, 1024), dtype=np.float32), np.ones(4_000_000, np.float32)
with threadpool_limits(1):
    P = 2 * 1024**3 / seconds(lambda: square @ square, 15)
copy = np.empty_like(line)
beta = 2 * line.nbytes / seconds(lambda: np.copyto(copy, line), 15)
print(
    f"this machine, one core: P = {P / 1e9:.0f} GFLOP/s, β = {beta / 1e9:.0f} GB/s; balance P/β = {P / beta:.1f} FLOP/byte"
)

# %%
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
        arithmetic = sum(operation.flops for operation in operations) / P
        least = sum(a.nbytes for a in arguments if a is not None) + y.inner.nbytes
        moved = sum(operation.bytes for operation in operations)
        floor = max(sum(o.flops for o in operations if o.name == "matmul") / P, least / beta)  # (19.3)
        passes = sum(max(o.flops / P, o.bytes / beta) for o in operations)
        rows[name] = (floor, passes, seconds(lambda f=forward, a=arguments: f(*a), 6))
        print(
            f"{name:<16}{arithmetic * P / 1e6:>8.0f}{least / 1e6:>11.1f}{moved / 1e6:>12.1f}{len(operations):>8}"
            f"{1e3 * rows[name][2]:>8.2f}{1e3 * floor:>8.2f}"
        )

# %%
from albert_np.course.figures import floor_figure

show(
    floor_figure(rows),
    "19.2",
    "Seven ops: the least time they need, the time of their passes through memory, and the measured time.",
    "For seven ops the floor, the time of their passes through memory and the measured time. Products lie at their floor, "
    "elementwise ops several times above it.",
)

# %% [markdown]
# Read the figure from left to right. Matrix products sit near their floor: hundreds of operations for every byte, and
# the BLAS knows how to keep them fed. The elementwise ops need little arithmetic, but NumPy does one operation at a time:
# each reads whole arrays and writes a whole one. The diamond is the time that these passes would take if all of their
# numbers came from memory and went back to it. A point left of its diamond was luckier: the arrays were still in the
# cache, or NumPy wrote over a temporary that nobody needed any more. A point right of it computes more than is counted
# here: `tanh`, `exp` and division are not one operation but a dozen, and the erf of NumPy's backend is a whole polynomial.
#
# So there are two ways to be faster: fewer passes (on a GPU, CuPy can *fuse* a formula into one), or smaller arrays that
# stay in the cache. And one thing that is never worth it: to speed up what is not the bulk of the time.

# %%
whole = sum(measured for _, _, measured in rows.values())
products = sum(rows[name][2] for name in ("linear, H → H_I", "linear, H_I → H"))
print(f"the two linear steps are {products / whole:.0%} of the time above")

# %% [markdown]
# ## 7. Freed memory
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
# ## 8. Sharing saves memory, not arithmetic
#
# Cross-layer parameter sharing (跨层参数共享) stores one layer instead of $L$, or one for each of $G$ layer groups (层组).
# But the data still goes through $L$ steps. Multiplications and additions for one token in one step: four products
# $H\times H$ (query, key, value, output), two $H\times H_I$, and the scores and their use against $T$ positions:
#
# $$F_{\text{token}} = 2\,\big(E H + L\,(4H^2 + 2 H H_I + 2\, T H)\big) \tag{19.5}$$
#
# There is an $L$ in it and no $G$. The number of parameters in the layers, on the other hand, is $G$ times that of one.

# %%
from albert_np import AlbertConfig, AlbertForPreTraining
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
found = []
for config in configs:
    model = AlbertForPreTraining(config, seed=0).eval()

    def step(model=model):
        model(**batch)
        model.backward()

    with threadpool_limits(1):
        found.append((flops_per_token(config, 64), model.layout.size, seconds(step, 3)))
    L, E, h_, i_ = 12, config.embedding_size, config.hidden_size, config.intermediate_size
    assert flops_per_token(config, 64) == 2 * (E * h_ + L * (4 * h_**2 + 2 * h_ * i_ + 2 * 64 * h_))  # (19.5)
print(f"{'groups':>8}{'parameters':>12}{'FLOP per token':>16}{'ms per step':>13}")
for config, (flops, size, t) in zip(configs, found, strict=True):
    print(f"{config.num_hidden_groups:>8}{size:>12,}{flops:>16,}{1e3 * t:>13.0f}")

# %%
from matplotlib.figure import Figure

from albert_np.plots import COLOURS

ratios = [found[1][1] / found[0][1], found[1][0] / found[0][0], found[1][2] / found[0][2]]
figure = Figure(figsize=(7.4, 2.0), layout="constrained")
ax = figure.subplots()
ax.barh(["parameters", "arithmetic", "time of a step"], ratios, color=[COLOURS[c] for c in ("green", "grey", "blue")])
for y, r in enumerate(ratios):
    ax.text(r + 0.015 if r < 0.9 else max(r, 1) + 0.02, y, f"{r:.0%}", va="center")
ax.axvline(1, color="black", lw=1, ls="--")
ax.set(xlim=(0, max(1.25, max(ratios) + 0.15)), xticks=[0, 0.5, 1], xticklabels=["0", "half", "as much as unshared"])
ax.invert_yaxis()
ax.spines[["top", "right"]].set_visible(False)
show(
    figure,
    "19.3",
    "What one group in place of twelve saves.",
    "With one group in place of twelve: few of the parameters are left, but all of the arithmetic and of the time.",
)

# %% [markdown]
# The activations are as many as before too: backward needs a cache for each of the twelve steps. What sharing makes
# small is the checkpoint, the optimizer's state, and the gradients that machines send to each other.

# %% [markdown]
# ## 9. A batch over threads
#
# One core is busy; what do the others do? One could split each op. The package splits the *batch*: every thread runs the
# plain code on sequences of its own, with the same weights and with gradients of its own, which are then added. That is
# right because the loss is a sum over sequences, if every part divides by the *whole* batch's counts:
#
# $$\mathcal L = \sum_{k} \mathcal L_k \quad\Longrightarrow\quad \frac{\partial\mathcal L}{\partial w} = \sum_k \frac{\partial\mathcal L_k}{\partial w} \tag{19.6}$$

# %%
from albert_np.execution.replicas import Replicas, split

counts = {"mlm_denominator": int((batch["labels"] != -100).sum()), "sop_denominator": len(batch["labels"])}


def work(copy, part):
    out = copy(**part, **counts)
    copy.backward()
    return float(out.loss)


gradients = {}
for threads in (1, 2):
    replicas = Replicas(model, threads)  # holds the BLAS to one thread for each part
    t = seconds(lambda r=replicas, n=threads: r.map(work, split(batch, n)), 3)
    model.zero_grad()
    losses = replicas.map(work, split(batch, threads))
    gradients[threads] = model.grads.flat.copy()
    print(f"{threads} thread(s): {1e3 * t:5.0f} ms a step, loss {sum(losses):.6f}")
difference = abs(gradients[1] - gradients[2]).max() / abs(gradients[1]).max()
print(f"largest difference of the gradients: {difference:.1e} of the largest")
assert difference < 1e-5

# %% [markdown]
# The same up to rounding: two threads add the parts up in another order. Only the *same* number of threads gives the
# same bits. And the time? Only what runs outside Python's lock runs side by side: products and passes over large arrays
# do, the Python between them does not. The wider the model, the more is gained; one as small as this gains
# something on idle cores, and nothing where other programs want them.

# %% [markdown]
# ## 10. Checks
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
# ## 11. What breaks if…
#
# **…GELU is written with `x**3`?** Nothing breaks. It is only slow: a general power is a costly function of its own, and
# NumPy has short cuts for a few exponents only. 2 is one of them, 3 is not.

# %%
x = normal[B * T, HI]
for name, cube in {"x * x * x": lambda: x * x * x, "x**3": lambda: x**3}.items():
    print(f"{name:<10} {1e3 * seconds(cube, 2):6.1f} ms")

# %% [markdown]
# **…a constant is NumPy's float64?** Nothing breaks here either. But the array becomes float64, all that follows does too,
# twice the bytes move, and on most GPUs arithmetic in float64 is many times slower.

# %%
import math

for name, scale in {"math.sqrt(2 / math.pi)": math.sqrt(2 / math.pi), "np.sqrt(2 / np.pi)": np.sqrt(2 / np.pi)}.items():
    y = scale * x
    print(f"{name:<24} {type(scale).__name__:<8} → {y.dtype}, {y.nbytes / 1e6:.0f} MB")

# %% [markdown]
# ## Three questions
#
# 1. A friend makes LayerNorm twice as fast. A step spends 5 % of its time there. What is gained, and what would a 10 %
#    faster linear gain if that is 70 %?
# 2. With a batch of one sequence of one token, $R = 1$: what is $I$ of (19.4), and what limits the product then?
# 3. Your CuPy loop takes 20 µs a step by the clock, whatever the size of the model. What do you look for first?
#
# <details><summary>Answers</summary>
#
# 1. 2.5 %; the linear gains about 6.4 % ($0.7 - 0.7/1.1$). Look at the bulk first.
# 2. $2KC / 4(K + KC + C) \approx 1/2$: each weight is read for one multiplication and one addition. Memory is the limit, so
#    generating one token at a time is slow on the fastest GPU.
# 3. The missing `synchronize()`: the clock saw the queueing, not the work.
# </details>
#
# Next: 20, a walk through every op of a pass, in the browser.
