"""Pairs of NumPy functions inside PyTorch models, and PyTorch as the oracle of a pair."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import albert_np
from albert_np import ops
from albert_np.gradcheck import GradientError, assert_against_torch, check_gradients, op_cases, torch_function

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

RNG = np.random.default_rng(0)
X, W, BIAS = RNG.standard_normal((3, 4)), RNG.standard_normal((2, 4)), RNG.standard_normal(2)
LINEAR = {"x": X, "weight": W, "bias": BIAS}


def product_forward(x, y):
    return x * y, (x, y)


def product_backward(dz, cache):
    x, y = cache
    return dz * y, dz * x


class Around(nn.Module):
    """A pair between layers of PyTorch's, its weights among the model's parameters."""

    def __init__(self, case):
        super().__init__()
        first, *rest = case.inputs
        self.place = nn.Parameter(torch.tensor(case.inputs[first]))
        self.rest = nn.ParameterList([torch.tensor(case.inputs[name]) for name in rest])
        names = list(case.inputs)
        self.pair = torch_function(
            lambda *arrays, **fixed: case.forward(**dict(zip(names, arrays, strict=True)), **fixed), case.backward
        )
        self.fixed = case.fixed

    def forward(self, x):
        return torch.tanh(self.pair(self.place + torch.sin(x), *self.rest, **self.fixed)) * x.sum()


@pytest.mark.parametrize("case", list(op_cases()), ids=lambda c: c.name)
def test_every_op_inside_a_pytorch_model_passes_pytorchs_gradcheck(case):
    model = Around(case)
    x = torch.zeros_like(model.place).add_(0.01).requires_grad_()
    parameters = dict(model.named_parameters())

    def call(x, *values):
        return torch.func.functional_call(model, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (x, *parameters.values()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_with_a_pair_trains_as_with_pytorchs_own(dtype):
    def losses(make):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8, dtype=dtype), make(), nn.Linear(8, 1, dtype=dtype))
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        x = torch.randn(16, 4, dtype=dtype)
        found = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = ((model(x) - x[:, :1]) ** 2).mean()
            assert loss.dtype is dtype
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    class Ours(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = torch_function(ops.activation_forward, ops.activation_backward)

        def forward(self, x):
            return self.pair(x, "gelu_new")

    np.testing.assert_allclose(
        losses(Ours), losses(lambda: nn.GELU("tanh")), rtol=1e-5 if dtype is torch.float32 else 1e-12
    )


def test_what_is_no_float_passes_through_without_a_gradient():
    seen = {}

    def forward(x, ids, count, mask=None, more=None):
        seen.update(ids=ids, count=count, mask=mask, more=more)
        return x[ids] * count, (x.shape, ids, count)

    def backward(dy, cache):
        shape, ids, count = cache
        dx = np.zeros(shape, dy.dtype)
        np.add.at(dx, ids, dy * count)
        return dx

    x = torch.ones(3, requires_grad=True)
    y = torch_function(forward, backward)(x, torch.tensor([0, 0, 2]), 5, mask=torch.tensor([True]), more="text")
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 0.0, 5.0]
    assert (seen["ids"].dtype, seen["mask"].dtype, seen["count"], seen["more"]) == (np.int64, bool, 5, "text")


def test_frozen_inputs_no_grad_and_no_gradient_at_all():
    pair = torch_function(product_forward, product_backward)
    x, frozen = torch.ones(3, requires_grad=True), torch.full((3,), 2.0)
    pair(x, frozen).sum().backward()
    assert x.grad.tolist() == [2.0] * 3
    assert frozen.grad is None
    with torch.no_grad():
        assert not pair(x, frozen).requires_grad
    assert not pair(frozen, frozen).requires_grad
    without = torch_function(product_forward, lambda dz, cache: (None, dz * cache[0]))
    a, b = torch.ones(3, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)
    without(a, b).sum().backward()
    assert a.grad is None
    assert b.grad.tolist() == [1.0] * 3


def test_several_outputs_get_as_many_upstream_gradients():
    def forward(x):
        return (np.sin(x), x * x, (x**3).sum()), x

    def backward(dys, x):
        first, second, third = dys
        return first * np.cos(x) + second * 2 * x + third * 3 * x**2

    pair = torch_function(forward, backward)
    x = torch.tensor(X[:2], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pair(x), (x,))
    pair(x)[1].sum().backward()  # the others' are zeros
    np.testing.assert_allclose(x.grad.numpy(), 2 * X[:2])
    assert all(row.ok for row in check_gradients(forward, backward, {"x": X}))
    rows = assert_against_torch(forward, backward, lambda x: (x.sin(), x * x, (x**3).sum()), {"x": X})
    assert [row.name for row in rows] == ["y[0]", "y[1]", "y[2]", "d x"]


def test_a_second_derivative_is_refused_where_it_is_asked_for():
    pair = torch_function(product_forward, lambda dz, cache: (dz * cache[1], None))
    x, y = (torch.ones(3, requires_grad=True) for _ in range(2))
    (dx,) = torch.autograd.grad(pair(x, y).sum(), x, create_graph=True)
    assert dx.tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="NumPy's: it cannot be differentiated again"):
        (dx + x).sum().backward()  # not a constant beside x


def test_nothing_that_pytorch_does_in_place_reaches_the_arrays_of_a_pair():
    add = torch_function(lambda x, y: (x + y, None), lambda dz, _: (dz, dz))
    x, y = (torch.zeros(3, requires_grad=True) for _ in range(2))
    add(x, y).sum().backward()
    x.grad.mul_(5)
    assert y.grad.tolist() == [1.0] * 3  # one array for two inputs, yet two tensors
    tanh = torch_function(ops.tanh_forward, ops.tanh_backward)
    z = torch.tensor(X, requires_grad=True)
    out = tanh(z)
    out.detach().zero_()  # the value that the cache holds too
    out.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), 1 - np.tanh(X) ** 2)
    out = tanh(z)
    with torch.no_grad():
        z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    out = tanh(z)
    out.sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        out.sum().backward()


def test_arrays_are_read_only_and_views_are_no_trouble():
    def greedy(x):
        x += 1
        return x, None

    x = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="read-only"):
        torch_function(greedy, lambda dy, _: dy)(x)

    def greedy_backward(dy, _):
        dy *= 2
        return dy

    with pytest.raises(ValueError, match="read-only"):
        torch_function(lambda x: (x, None), greedy_backward)(x).sum().backward()
    flip = torch_function(lambda x: (x.T[::-1], None), lambda dy, _: dy[::-1].T)
    assert torch.autograd.gradcheck(flip, (torch.tensor(X[:, ::2], requires_grad=True),))


def test_wrong_pairs_and_tensors_are_told():
    x = torch.ones(3, requires_grad=True)

    def pair(backward, forward=product_forward):
        return torch_function(forward, backward)

    with pytest.raises(TypeError, match="backward must be a function, got a NoneType"):
        pair(None)
    with pytest.raises(ValueError, match="returned 1 gradients for 2 inputs \\(argument 1, argument 2\\)"):
        pair(lambda dz, cache: dz)(x, x).sum().backward()
    with pytest.raises(ValueError, match=r"gradient of argument 2 has shape \(\), expected \(3,\)"):
        pair(lambda dz, cache: (dz, dz.sum()))(x, x).sum().backward()
    with pytest.raises(ValueError, match="must return the gradient of argument 1, not None: is a `return` missing"):
        pair(lambda dz, cache: None)(x, x).sum().backward()
    with pytest.raises(ValueError, match="forward must return y and cache, not a ndarray"):
        pair(product_backward, lambda x: x)(x)
    with pytest.raises(ValueError, match="y as an array, a number or a tuple of them, not a list"):
        pair(product_backward, lambda x: ([1.0], x))(x)
    with pytest.raises(TypeError, match="y requires a gradient, but is given by name: give it by position"):
        pair(product_backward)(x, y=x)
    for given in ([x, x], (x, [x]), {"a": x}):
        with pytest.raises(
            TypeError, match=f"argument 2 requires a gradient, but is given inside a {type(given).__name__}"
        ):
            pair(product_backward)(x, given)
    for bad in (x.to(torch.bfloat16), x.to(torch.complex64), x.to("meta"), x.half(), torch.eye(3).to_sparse()):
        with pytest.raises(TypeError, match=r"argument 1 is a tensor of .*: allowed are dense ones on the CPU"):
            pair(product_backward)(bad, x)


def test_the_function_is_public_at_the_top_and_travels():
    assert albert_np.torch_function is torch_function
    pair = pickle.loads(pickle.dumps(torch_function(ops.tanh_forward, ops.tanh_backward)))
    np.testing.assert_array_equal(pair(torch.tensor(X)).numpy(), np.tanh(X))


def test_without_torch_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None; import albert_np\n"
        "try: albert_np.torch_function(print, print)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "this needs torch: pip install 'albert-np[torch]'\n"


# PyTorch as the oracle.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_pair_agrees_with_a_function_and_with_a_module(dtype):
    inputs = {name: x.astype(dtype) for name, x in LINEAR.items()}
    module = nn.Linear(4, 2)
    own = module.weight.detach().clone()
    for oracle in (functional.linear, module):
        rows = assert_against_torch(ops.linear_forward, ops.linear_backward, oracle, inputs)
        assert [row.name for row in rows] == ["y", "d x", "d weight", "d bias"]
    assert torch.equal(module.weight, own)
    assert module.weight.grad is None


def test_what_is_fixed_reaches_both():
    fixed = {"ids": np.array([[3, 1, 3], [0, 0, 1]]), "padding_idx": None}
    table = {"weight": RNG.standard_normal((5, 3))}

    def oracle(weight, ids, padding_idx):
        return functional.embedding(ids, weight, padding_idx)

    assert_against_torch(ops.embedding_forward, ops.embedding_backward, oracle, table, fixed=fixed)
    logits = {"logits": RNG.standard_normal((4, 3))}
    fixed = {"labels": np.array([0, -100, 2, 2])}
    loss = (ops.cross_entropy_forward, ops.cross_entropy_backward)
    assert_against_torch(*loss, lambda logits, labels: functional.cross_entropy(logits, labels), logits, fixed=fixed)


def test_a_wrong_pair_is_told_with_the_worst_place_and_both_numbers():
    def backward(dy, cache):
        dx, dweight, dbias = ops.linear_backward(dy, cache)
        dweight[1, 2] += 0.5
        return dx, dweight, dbias

    with pytest.raises(GradientError, match=r"d weight: .* worst at \[1, 2\]: got .*, expected ") as told:
        assert_against_torch(ops.linear_forward, backward, functional.linear, LINEAR)
    assert "d x" not in str(told.value)
    forward = lambda **inputs: (1.001 * ops.linear_forward(**inputs)[0], ops.linear_forward(**inputs)[1])  # noqa: E731
    with pytest.raises(GradientError, match=r"WRONG: y: relative error 1\.0e-03"):
        assert_against_torch(forward, ops.linear_backward, functional.linear, LINEAR)
    assert_against_torch(forward, ops.linear_backward, functional.linear, LINEAR, tolerance=1e-2)


def test_oracles_that_do_not_fit_are_told():
    pair = ops.linear_forward, ops.linear_backward
    for oracle, error, message in (
        (lambda x, w, b: functional.linear(x, w), ValueError, "has no gradient of bias: its outputs do not depend on"),
        (lambda x, w, b: functional.linear(x, w, b).detach(), ValueError, "has no gradient of x, weight, bias"),
        (lambda x, w, b: functional.linear(x, w, b)[0], ValueError, r"y of forward has shape \(3, 2\), of .* \(2,\)"),
        (lambda x, w, b: (x, w), ValueError, "torch_function returned 2 outputs, forward 1"),
        (lambda x, w, b: {"y": x}, TypeError, "must return a tensor or a tuple of them, not a dict"),
        (nn.Linear(5, 2), ValueError, r"weight has shape \(2, 4\), the module's \(2, 5\)"),
        (nn.LayerNorm(4).double(), ValueError, r"weight has shape \(2, 4\), the module's \(4,\)"),
        (nn.Bilinear(4, 4, 2), ValueError, "weight has shape"),
        (nn.Sequential(nn.Linear(4, 2)), ValueError, "not among the inputs: 0.weight, 0.bias"),
    ):
        with pytest.raises(error, match=message):
            assert_against_torch(*pair, oracle, LINEAR)
    with pytest.raises(TypeError, match="all of float64 or all of float32; got float32, float64"):
        assert_against_torch(*pair, functional.linear, LINEAR | {"x": X.astype("f4")})
    with pytest.raises(TypeError, match="must be NumPy arrays, all of float64 or all of float32; got Tensor"):
        assert_against_torch(*pair, functional.linear, {"x": torch.ones(3)})
    with pytest.raises(ValueError, match=r"d x: got shape \(4,\), expected \(3, 4\)"):
        assert_against_torch(ops.tanh_forward, lambda dy, cache: dy[0], torch.tanh, {"x": X})
    with pytest.raises(ValueError, match="must return the gradient of x, not None: is a `return` missing"):
        assert_against_torch(ops.tanh_forward, lambda dy, cache: None, torch.tanh, {"x": X})


def test_a_module_with_buffers_is_an_oracle_too_and_keeps_its_own():
    module = nn.BatchNorm1d(4).eval()  # in float32: mean 0, variance 1
    inputs = {"x": X, "weight": np.arange(4.0), "bias": np.ones(4)}
    scale = 1 / np.sqrt(1 + module.eps)
    assert_against_torch(
        lambda x, weight, bias: (x * scale * weight + bias, (x, weight)),
        lambda dy, cache: (dy * scale * cache[1], (dy * scale * cache[0]).sum(axis=0), dy.sum(axis=0)),
        module,
        inputs,
    )
    assert module.running_mean.dtype == torch.float32
