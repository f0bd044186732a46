"""Lab 7: optimizers. No update is written down here: answers are held against what is true of every right one."""

from typing import Any

import numpy as np

from albert_np.backend import Floats
from albert_np.labs.checks import ask, common_findings, expect, expect_array, expect_same
from albert_np.labs.points import Answer, Arguments, Lab, Numbers

__all__ = ["LAB"]

EXACT = 1e-6  # relative; leaves room for a small number that is added to a divisor


def _personal(rng: np.random.Generator) -> Numbers:
    return {
        "beta1": float(rng.choice([0.8, 0.85, 0.9, 0.95])),
        "beta2": float(rng.choice([0.97, 0.98, 0.99, 0.995])),
        "rows": int(rng.choice([1000, 2000, 3072, 4096])),
        "columns": int(rng.choice([256, 512, 768, 1024])),
        "size": int(rng.integers(4, 26)),
        "sigma": float(rng.choice([0.001, 0.002, 0.005, 0.01])),
    }


LAB = Lab("07", "Optimizers", hours=4, notebooks=("14",), personal=_personal)


def _rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def _factor(got: Floats, of: Floats) -> tuple[float, bool]:
    """Return the number k for which `got` is nearest to k times `of`, and whether it is k times `of` in every place."""
    k = float(np.sum(got * of) / np.sum(of * of))
    return k, bool(np.max(np.abs(got - k * of)) <= EXACT * np.max(np.abs(got)))


def _near(got: float, expected: float) -> bool:
    return abs(got - expected) <= EXACT * max(abs(expected), 1e-9)


def _kept(got: Floats, old: Floats, new: Floats) -> tuple[float, bool]:
    """Return the share of `old` in `got`, the rest being `new`, and whether it is the same in every place."""
    if np.allclose(got, new, rtol=1e-9, atol=0):
        return 0.0, True
    return _factor(got - new, old - new)


def _expect_share(name: str, got: object, old: Floats, new: Floats, share: float) -> None:
    """Raise `Wrong` unless `got` keeps that share of `old`, and has the rest from `new`."""
    kept, everywhere = _kept(expect_array(name, got, np.shape(old)), old, new)
    expect(everywhere, f"{name} is not, with the same share in every place, a mean of what it was and of what came.")
    expect(abs(kept - share) <= EXACT, f"{name} keeps {kept:.4g} of what it was, expected {share:.4g}.")


lion = LAB.exercise("lion_step", "Lion: one step")


def _lion_arguments(answer: Answer, shape: tuple[int, ...], decay: float = 0.1) -> Arguments:
    rng = answer.rng
    g = rng.normal(size=shape)
    beta1 = float(rng.choice([0.8, 0.9, 0.95]))
    against = -g * 10 ** rng.uniform(-2.7, 1.7, shape)  # momentum against the gradient: which wins depends on the betas
    m = np.where(rng.random(shape) < 0.9, against, -against)
    # For every second number the old momentum wins, or loses, by so little that a new one would not.
    tie, place = -g * (1 - beta1) / beta1, np.arange(g.size).reshape(shape) % 4
    near = rng.uniform(0.003, 0.02, shape) * np.where(place == 0, 1, -1)
    return {
        "w": rng.normal(size=shape),
        "g": g,
        "m": np.where(place < 2, tie * (1 + near), m),
        "lr": float(rng.uniform(0.001, 0.01)),
        "beta1": beta1,
        "beta2": float(rng.choice([0.98, 0.99, 0.995])),
        "decay": decay,
    }


def _look_lion(answer: Answer, name: str, got: object, given: Arguments) -> None:
    w, g, m, lr, beta1, beta2, decay = given.values()
    if name == "m":
        _expect_share("m", got, m, g, beta2)
        return
    step = (w - expect_array("w", got, w.shape)) / lr - decay * w
    place = np.unravel_index(np.argmax(np.abs(np.abs(step) - 1)), w.shape)
    same = bool(np.all(np.abs(np.abs(step) - 1) <= EXACT))
    expect(same, f"w{[int(i) for i in place]} moved by {abs(step[place]):.4g} times lr, decay aside; expected 1.")
    known = {
        "every number moved uphill.": -(beta1 * m + (1 - beta1) * g),
        "the momentum has no say in the sign.": g,
        "the sign is that of the new momentum, which β2 mixes; β1 mixes the direction, from the old one.": (
            beta2 * m + (1 - beta2) * g
        ),
        "β1 mixes the new momentum with the gradient, and should mix the old one.": (
            beta1 * (beta2 * m + (1 - beta2) * g) + (1 - beta1) * g
        ),
        "β1 is the share of the gradient in the sign, and should be that of the momentum.": beta1 * g + (1 - beta1) * m,
    }
    right = step * (beta1 * m + (1 - beta1) * g) > 0
    for message, direction in known.items():
        expect(right.all() or not np.all(step * direction > 0), message)
    expect(right.all(), f"{int(np.sum(~right))} of {w.size} numbers moved the other way.")


def _lion(answer: Answer, given: Arguments) -> dict[str, Any]:
    return ask(answer, given, "lion_step", ["w", "m"])


@lion.finding("the direction", 5, "Of what is the sign taken, and with which β?")
def _direction(answer: Answer) -> None:
    for shape in [(8, 9), (1, 40), (60,)]:
        given = _lion_arguments(answer, shape, decay=0.0)
        _look_lion(answer, "w", _lion(answer, given)["w"], given)


@lion.finding("the momentum", 3, "Which β is the momentum's own?")
def _momentum(answer: Answer) -> None:
    for shape in [(4, 3), (1, 5), (6,)]:
        given = _lion_arguments(answer, shape)
        _look_lion(answer, "m", _lion(answer, given)["m"], given)


@lion.finding("weight decay", 3, "Does the decay stand inside the sign or beside it? What is it multiplied by?")
def _decay(answer: Answer) -> None:
    for shape in [(4, 3), (7,)]:
        given = _lion_arguments(answer, shape, decay=0.25)
        without = _lion(answer, given | {"decay": 0.0})["w"]
        taken, everywhere = _factor(expect_array("w", without, shape) - _lion(answer, given)["w"], given["w"])
        expect(everywhere, "decay does not take the same share off every weight.")
        lr = given["lr"]
        expect(_near(taken, 0.25 * lr), f"decay = 0.25 at lr = {lr:.4g} takes off {taken:.4g} of each weight.")


@lion.finding("nothing comes, nothing goes", 1, "What is the sign of 0?", side=True)
def _still(answer: Answer) -> None:
    given = _lion_arguments(answer, (3, 4), decay=0.0)
    got = _lion(answer, given | {"g": np.zeros((3, 4)), "m": np.zeros((3, 4))})
    expect(np.array_equal(got["w"], given["w"]), "without gradient, momentum and decay a weight moves.")


common_findings(
    lion,
    "lion_step",
    ["w", "m"],
    draw=_lion_arguments,
    small=(3, 5),
    large=(1000, 500),
    look=_look_lion,
    points=(1, 1, 1),
)


adafactor = LAB.exercise("adafactor_step", "Adafactor: one step")


def _adafactor_arguments(
    answer: Answer, shape: tuple[int, ...], history: float = 100.0, rms: float | None = None
) -> Arguments:
    """history: the mean square of earlier gradients; those of this one are near 1. rms: of the weights."""
    rng = answer.rng
    squares = history * rng.uniform(0.2, 1.8, shape)
    w = rng.normal(size=shape)
    return {
        "w": w * (rng.uniform(2, 5) if rms is None else rms / max(_rms(w), 1e-9)),
        "g": rng.choice([-1, 1], shape) * rng.uniform(0.2, 1.8, shape),
        "row": squares.mean(axis=1),
        "column": squares.mean(axis=0),
        "step": int(rng.integers(300, 1000)),
        "lr": float(rng.uniform(0.001, 0.01)),
    }


def _adafactor(answer: Answer, given: Arguments) -> tuple[Floats, Floats, Floats]:
    w, row, column = ask(answer, given, "adafactor_step", ["w", "row", "column"]).values()
    (n, k) = given["w"].shape
    return expect_array("w", w, (n, k)), expect_array("row", row, (n,)), expect_array("column", column, (k,))


def _size_of_step(given: Arguments, w: Floats, row: Floats, column: Floats) -> float:
    """Return the k for which w moved by k g / √(row ⊗ column); raise `Wrong` if there is none."""
    moved, averages = given["w"] - w, np.outer(row, column)
    expect(np.all(np.isfinite(moved)), "w is not finite.")
    expect(np.any(moved * averages), "w did not move.")
    k, everywhere = _factor(moved * np.sqrt(averages), given["g"])
    if not everywhere:
        known = {"the square root of V is missing.": averages, "the columns have no say.": np.sqrt(row)[:, None]}
        for message, divisor in (known | {"the rows have no say.": np.sqrt(column)}).items():
            expect(not _factor(moved * divisor, given["g"])[1], message)
        expect(False, "the step is not in proportion to g / √(row ⊗ column), with the new averages.")
    expect(k > 0, "w moved uphill.")
    return k


def _look_adafactor(answer: Answer, name: str, got: object, given: Arguments) -> None:
    """For the large case: each average by itself; the step, by what any two averages make of it."""
    g, step = given["g"], given["step"]
    if name != "w":
        new = np.square(g).mean(axis=1 if name == "row" else 0)
        _expect_share(name, got, given[name], new, 1 - step**-0.8)
        return
    ratio = (given["w"] - expect_array("w", got, g.shape)) / g
    outer = np.outer(ratio[:, 0], ratio[0]) / ratio[0, 0]
    expect(np.all(ratio > 0) and np.allclose(outer, ratio, rtol=1e-5, atol=0), "(w − w') / g is not of rank one.")


@adafactor.finding("the averages", 5, "Along which axis is each a mean, of what, and how much is kept at this step?")
def _averages(answer: Answer) -> None:
    for shape, step in [((3, 4), 1), ((4, 2), 2), ((1, 5), 10), ((5, 1), 400)]:
        given = _adafactor_arguments(answer, shape) | {"step": step}
        _, row, column = _adafactor(answer, given)
        for name, got, axis in (("row", row, 1), ("column", column, 0)):
            new, share = np.square(given["g"]).mean(axis=axis), 1 - step**-0.8
            sums, everywhere = _kept(got, given[name], new * shape[axis])
            summed = shape[axis] > 1 and everywhere and abs(sums - share) <= EXACT
            expect(not summed, f"{name} is fed with sums of squares, expected means.")
            _expect_share(f"at step {step}, {name}", got, given[name], new, share)


@adafactor.finding("the direction", 5, "What is V, made of the two averages, and what is done with it?")
def _of_step(answer: Answer) -> None:
    for shape in [(3, 4), (5, 2), (1, 4), (4, 1)]:
        given = _adafactor_arguments(answer, shape)
        _size_of_step(given, *_adafactor(answer, given))


@adafactor.finding("the size of a step", 4, "What makes V of the size of a square, and lr of the size of a weight?")
def _size(answer: Answer) -> None:
    for shape in [(3, 4), (4, 2), (1, 5)]:
        given = _adafactor_arguments(answer, shape)
        w, row, column = _adafactor(answer, given)
        moved = given["w"] - w
        found = _rms(moved) / _rms(given["g"] / np.sqrt(np.outer(row, column)))
        lr, rms, mean = given["lr"], _rms(given["w"]), float(np.sqrt(row.mean()))
        expected = lr * rms * mean
        known = {
            "the step is lr, and not lr times the root mean square of the weights.": lr * mean,
            "row ⊗ column is a product of two squares: divide by the mean of the row averages.": lr * rms,
            "V is divided by the sum of the row averages, not by their mean.": expected * np.sqrt(len(row)),
            "the norm of the weights stands where their root mean square should.": expected * np.sqrt(w.size),
        }
        for message, other in known.items():
            expect(_near(found, expected) or not _near(found, other), message)
        expect(_near(found, expected), f"the step is {found / expected:.6g} times as large as it should be.")


@adafactor.finding("clipping", 4, "By what is an update divided whose root mean square is above 1?")
def _clipping(answer: Answer) -> None:
    for shape in [(3, 4), (5, 2), (1, 6)]:
        given = _adafactor_arguments(answer, shape, history=1e-4, rms=1.0)
        w, row, column = _adafactor(answer, given)
        moved = _rms(given["w"] - w) / given["lr"]
        expect(not _near(moved * np.sqrt(w.size), 1), "the update is clipped to norm 1, not to root mean square 1.")
        _, everywhere = _factor((given["w"] - w) * np.sqrt(np.outer(row, column)), given["g"])
        farthest = float(np.max(np.abs(given["w"] - w))) / given["lr"]
        expect(everywhere or farthest > 1 + EXACT, "the update is clipped number by number, and so turned.")
        expect(_near(moved, 1), f"the root mean square of the update is {moved:.4g} times lr, expected 1.")


@adafactor.finding("weights near 0", 2, "With which step does a matrix begin that is 0?")
def _small(answer: Answer) -> None:
    given = _adafactor_arguments(answer, (3, 4), rms=1.0)
    usual = _rms(given["w"] - _adafactor(answer, given)[0])
    for rms in (0.0, 1e-6, 9e-4):
        small = given | {"w": rms * given["w"]}
        share = _rms(small["w"] - _adafactor(answer, small)[0]) / usual
        expect(
            _near(share, 1e-3),
            f"weights of size {rms:g} move by {share:.4g} of a step of weights of size 1, expected 0.001.",
        )


@adafactor.finding("a row without a gradient", 1, "What is 0 / √0?", side=True)
def _empty_row(answer: Answer) -> None:
    given = _adafactor_arguments(answer, (3, 4), history=0.0) | {"step": 1}
    given["g"][1] = 0
    w = _adafactor(answer, given)[0]
    expect(np.all(np.isfinite(w)), "w is not finite where no gradient ever came.")
    expect(np.array_equal(w[1], given["w"][1]), "a row moves whose gradient is 0.")
    expect(np.all(w[0] != given["w"][0]), "the other rows do not move.")


common_findings(
    adafactor,
    "adafactor_step",
    ["w", "row", "column"],
    draw=_adafactor_arguments,
    small=(3, 5),
    large=(1000, 500),
    look=_look_adafactor,
    points=(1, 1, 2),
)


muon = LAB.exercise("muon", "Muon: one step", ["orthogonalise", "muon_step"])

# What five steps make of the singular values 8, 4, 2, 1 of a matrix, worked out number by number.
FIVE_STEPS = {8.0: 0.8710433354944241, 4.0: 1.1339416670025737, 2.0: 0.694280978370343, 1.0: 0.7521852942269027}


def _turn(rng: np.random.Generator, size: int) -> Floats:
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def _with_values(rng: np.random.Generator, shape: tuple[int, int], values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return U (n, r) and V (k, r) with orthonormal columns, and U diag(values) Vᵀ."""
    left, right = _turn(rng, shape[0])[:, : len(values)], _turn(rng, shape[1])[:, : len(values)]
    return left, right, left * values @ right.T


def _orthogonalised(answer: Answer, g: Floats) -> Floats:
    got = expect_array("the result", ask(answer, {"g": g}, "orthogonalise", ["the result"])["the result"], g.shape)
    expect(np.all(np.isfinite(got)), f"the result for a matrix {g.shape} is not finite.")
    expect(np.any(got), f"the result for a matrix {g.shape} is 0.")
    return got


@muon.finding("singular values near 1", 5, "By what is the matrix divided first, and how often is a step taken?")
def _values(answer: Answer) -> None:
    for shape in [(4, 4), (3, 6), (7, 2), (1, 5), (5, 1)]:
        values = np.array([1.0, 0.02, *answer.rng.uniform(0.05, 1, 2)])[: min(shape)] * 10 ** answer.rng.uniform(0, 4)
        g = _with_values(answer.rng, shape, values)[2]
        result = _orthogonalised(answer, g)
        got = np.linalg.svd(result, compute_uv=False)
        near = bool(got.min() > 0.65 and got.max() < 1.17)
        expect(
            near, f"singular values of {got.min():.4g} to {got.max():.4g} for a matrix {shape}, expected 0.68 to 1.14."
        )
        expect(np.sum(result * g) > 0.65 * values.sum(), f"the result for a matrix {shape} has other directions.")


@muon.finding("directions stay", 2, "Which side does X Xᵀ stand on, and whose rows does it mix?")
def _directions(answer: Answer) -> None:
    for shape in [(4, 4), (3, 5), (6, 2)]:
        g = answer.rng.normal(size=shape)
        plain = _orthogonalised(answer, g)
        left, right = _turn(answer.rng, shape[0]), _turn(answer.rng, shape[1])
        for what, other, expected in [
            ("a turned matrix", left @ g @ right, left @ plain @ right),
            ("1000 times a matrix", 1000 * g, plain),
            ("a transposed matrix", g.T, plain.T),
        ]:
            expect_same(f"for {what} the result", _orthogonalised(answer, other), expected, tolerance=1e-5)


@muon.finding("five steps, to the digit", 4, "Which three coefficients, and how many steps?")
def _digits(answer: Answer) -> None:
    for shape in [(4, 4), (4, 6), (7, 4)]:
        left, right, g = _with_values(answer.rng, shape, np.array(list(FIVE_STEPS)))
        got = np.einsum("nr,nk,kr->r", left, _orthogonalised(answer, g), right)
        expect_same(
            "what becomes of the singular values 8, 4, 2, 1", got, np.array(list(FIVE_STEPS.values())), tolerance=1e-5
        )


def _muon_arguments(answer: Answer, shape: tuple[int, ...]) -> Arguments:
    rng = answer.rng
    w, g, m = (scale * rng.normal(size=shape) for scale in (1, 1, 2))
    return {
        "w": w,
        "g": g,
        "m": m,
        "lr": float(rng.uniform(0.01, 0.1)),
        "momentum": float(rng.choice([0.8, 0.9, 0.95])),
    }


def _muon(answer: Answer, given: Arguments) -> tuple[Floats, Floats]:
    w, m = ask(answer, given, "muon_step", ["w", "m"]).values()
    return expect_array("w", w, given["w"].shape), expect_array("m", m, given["m"].shape)


def _direction_of(x: Floats) -> Floats:
    return x / max(float(np.linalg.norm(x)), 1e-12)


def _look_muon(answer: Answer, name: str, got: object, given: Arguments, new_m: Floats | None = None) -> None:
    """new_m: the answer's own new momentum, by which its step is judged."""
    w, g, m, _, momentum = given.values()
    if name == "m":
        came = expect_array("m", got, w.shape) - momentum * m
        share = ("the gradient is added whole, not with a share.", lambda expected: (1 - momentum) * expected)
        expect_same("m − momentum · old m", came, g, suspects=[share])
        return
    new_m = momentum * m + g if new_m is None else new_m
    ahead = g + momentum * new_m
    known = {
        "the new momentum is orthogonalised alone; the gradient is added to it once more (Nesterov).": new_m,
        "the gradient is orthogonalised alone.": g,
        "the old momentum stands where the new one should.": g + momentum * m,
    }
    moved, expected = _direction_of(w - got), _direction_of(_orthogonalised(answer, ahead))
    right = np.allclose(moved, expected, atol=1e-5)
    expect(right or not np.allclose(moved, -expected, atol=1e-5), "w moved uphill.")
    for message, matrix in known.items():
        if np.allclose(_direction_of(matrix), _direction_of(ahead), atol=1e-5):
            continue
        other = _direction_of(_orthogonalised(answer, matrix))
        told = not np.allclose(other, expected, atol=1e-5)
        expect(told, "orthogonalise gives the same for different matrices: which of them it was cannot be told.")
        expect(right or not np.allclose(moved, other, atol=1e-5), message)
    expect_same("the step's direction", moved, expected, tolerance=1e-5)


@muon.finding("the momentum", 2, "What is m, a sum or a mean?")
def _muon_momentum(answer: Answer) -> None:
    for shape in [(3, 3), (2, 5)]:
        given = _muon_arguments(answer, shape)
        _look_muon(answer, "m", _muon(answer, given)[1], given)


@muon.finding("what is orthogonalised", 3, "Which mix of gradient and new momentum?")
def _muon_direction(answer: Answer) -> None:
    for shape in [(4, 4), (3, 5), (5, 2)]:
        given = _muon_arguments(answer, shape)
        w, m = _muon(answer, given)
        _look_muon(answer, "w", w, given, m)


@muon.finding("the size for its shape", 1, "Which matrices take a larger step than lr?")
def _muon_size(answer: Answer) -> None:
    for shape, size in [((4, 4), 1.0), ((12, 3), 2.0), ((3, 12), 1.0)]:
        given = _muon_arguments(answer, shape)
        given["m"] = np.zeros(shape)  # without momentum, every mix has the direction of the gradient
        got = np.linalg.norm(given["w"] - _muon(answer, given)[0]) / np.linalg.norm(_orthogonalised(answer, given["g"]))
        got = float(got) / given["lr"]
        expect(abs(got - size) < 1e-4, f"a matrix {shape} moves by {got:.4g} lr times the result, expected {size:g}.")


common_findings(
    muon,
    "muon_step",
    ["w", "m"],
    draw=_muon_arguments,
    small=(3, 5),
    large=(200, 160),
    look=_look_muon,
    points=(1, 1, 1),
)


wsd = LAB.exercise("wsd", "Warm-up, stable, decay")


def _share_of_peak(answer: Answer, step: int, steps: int, warmup: int, decay: int) -> float:
    peak = float(answer.rng.uniform(0.1, 2))
    return float(answer.wsd(step, steps, peak, warmup, decay)) / peak


def _stages(answer: Answer) -> tuple[int, int, int]:
    warmup, stable, decay = (int(n) for n in answer.rng.integers(5, 30, 3))
    return warmup + stable + decay, warmup, decay


@wsd.finding("warm-up", 2, "What does the first update get, step 0, and what the last of the warm-up?")
def _warmup(answer: Answer) -> None:
    steps, warmup, decay = _stages(answer)
    for step in (0, 1, warmup // 2, warmup - 1):
        got = _share_of_peak(answer, step, steps, warmup, decay)
        expect(step or got > 0, "the first update has a rate of 0 and changes nothing.")
        expect(_near(got * warmup, step + 1), f"of {warmup} steps of warm-up, step {step} has {got:.4g} of the peak.")


@wsd.finding("stable", 2, "How long does the rate stay where it is?", side=True)
def _stable(answer: Answer) -> None:
    steps, warmup, decay = _stages(answer)
    for step in (warmup, (warmup + steps - decay) // 2, steps - decay):
        got = _share_of_peak(answer, step, steps, warmup, decay)
        expect(
            _near(got, 1), f"step {step} of {steps}, {warmup} of warm-up and {decay} of decay: {got:.4g} of the peak."
        )


@wsd.finding("decay", 3, "Which share of the decay is over, and what is 1 less its square root?")
def _decays(answer: Answer) -> None:
    steps, warmup, decay = _stages(answer)
    for over in (1, decay // 2, decay - 1, decay):
        got = _share_of_peak(answer, steps - decay + over, steps, warmup, decay)
        line = _near(got, 1 - over / decay) and over < decay
        expect(not line, f"with {over} of {decay} steps of decay over, {got:.4g} of the peak is left: that is a line.")
        right = abs((1 - got) ** 2 * decay - over) <= 1e-6 * decay and got < 1 + 1e-9
        expect(right, f"with {over} of {decay} steps of decay over, {got:.4g} of the peak is left.")


@wsd.finding("a stage of no steps", 1, "What is divided by the length of a stage?", side=True)
def _no_stage(answer: Answer) -> None:
    for step, steps, warmup, decay in [(0, 20, 0, 5), (3, 20, 0, 5), (19, 20, 5, 0), (7, 10, 0, 0)]:
        got = _share_of_peak(answer, step, steps, warmup, decay)
        expect(
            _near(got, 1), f"step {step} of {steps}, {warmup} of warm-up and {decay} of decay: {got:.4g} of the peak."
        )


clip = LAB.exercise("clip_rows", "Clip each row to its weights")


def _clip_arguments(answer: Answer, shape: tuple[int, ...]) -> Arguments:
    """Rows of a gradient, every second one longer than `most` times the same row of the weights."""
    rng, most = answer.rng, float(answer.rng.uniform(0.01, 0.5))
    w, g = (rng.choice([-1, 1], shape) * rng.uniform(0.2, 2, shape) for _ in range(2))
    length = most * np.linalg.norm(w, axis=1) / np.linalg.norm(g, axis=1)
    beyond = np.where(np.arange(shape[0]) % 2 == 0, rng.uniform(1.5, 20, shape[0]), rng.uniform(0.1, 0.9, shape[0]))
    return {"g": g * (length * beyond)[:, None], "w": w, "most": most}


def _clipped(answer: Answer, given: Arguments) -> Floats:
    return expect_array("g", ask(answer, given, "clip_rows", ["g"])["g"], given["g"].shape)


def _look_beyond(got: Floats, given: Arguments) -> None:
    g, w, most = given["g"][::2], given["w"][::2], given["most"]
    length, bound = np.linalg.norm(got[::2], axis=1), most * np.linalg.norm(w, axis=1)
    row = int(np.argmax(np.abs(length / bound - 1)))
    text = f"row {2 * row}, whose bound is {most:.4g} times {bound[row] / most:.4g}, has norm {length[row]:.4g}."
    expect(np.allclose(length, bound, rtol=EXACT), text)
    along = np.sum(got[::2] * g, axis=1) / np.linalg.norm(g, axis=1)
    expect(np.allclose(along, length, rtol=EXACT), "a clipped row does not point where its gradient did.")


def _look_within(got: Floats, given: Arguments) -> None:
    empty = ~given["g"].any(axis=1)
    expect(np.array_equal(got[empty], given["g"][empty]), "a row of zeros does not stay so.")
    expect(np.array_equal(got[1::2], given["g"][1::2]), "a row within its bound is changed.")


def _look_clip(answer: Answer, name: str, got: Any, given: Arguments) -> None:
    _look_beyond(expect_array(name, got, given["g"].shape), given)
    _look_within(got, given)


@clip.finding("rows beyond the bound", 3, "Whose norm bounds a row's gradient?")
def _beyond(answer: Answer) -> None:
    for shape in [(5, 4), (4, 1), (1, 6)]:
        given = _clip_arguments(answer, shape)
        _look_beyond(_clipped(answer, given), given)


@clip.finding("rows within it", 1, "Does a row pay for its neighbours? What is a row of zeros divided by?", side=True)
def _within(answer: Answer) -> None:
    for shape in [(6, 4), (4, 1), (2, 5)]:
        given = _clip_arguments(answer, shape)
        given["g"][-1] = 0
        _look_within(_clipped(answer, given), given)


@clip.finding("weights near 0", 1, "Could a row of zeros ever leave 0?")
def _from_zero(answer: Answer) -> None:
    given = _clip_arguments(answer, (5, 4))
    given["w"][...] = 1e-5 * (np.arange(5) % 2)[:, None]
    length = np.linalg.norm(_clipped(answer, given), axis=1) / given["most"]
    text = f"where weights are near 0, rows have norms of {length.min():.4g} to {length.max():.4g} times most"
    expect(np.allclose(length, 1e-3, rtol=EXACT), f"{text}, expected 0.001.")


common_findings(
    clip,
    "clip_rows",
    ["g"],
    draw=_clip_arguments,
    small=(4, 5),
    large=(2000, 200),
    look=_look_clip,
    points=(1, 0.5, 0.5),
)


LAB.written("late", "When Lion turns", 9)
LAB.written("factors", "What two averages know", 8)
LAB.written("polynomial", "Five steps towards 1", 8)
