"""PyTorch and anybody's pair: a pair inside a PyTorch model, and PyTorch as the oracle of a pair.

The functions need torch, which is imported when they are called, and raise ImportError without it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array
from albert_np.gradcheck.checks import (
    Backward,
    Comparison,
    Forward,
    compare_results,
    listed,
    named_gradients,
    require_ok,
    run_pair,
    y_and_cache,
)

__all__ = ["TORCH_TOLERANCES", "assert_against_torch", "torch_function"]

TORCH_TOLERANCES = {"float64": 1e-10, "float32": 2e-4}  # of two right implementations in one dtype
Tensor = Any  # of PyTorch
Tensors = tuple[Tensor, ...]


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError("this needs torch: pip install 'albert-np[torch]'", name=error.name) from error
    return torch


def torch_function(forward: Forward, backward: Backward) -> Callable[..., Any]:
    """Return a function of PyTorch tensors whose values and gradients are computed by a pair of NumPy functions.

    forward: `y, cache = forward(*inputs, **fixed)`; backward: `gradients = backward(dy, cache)`, as everywhere in this
    package. The function returned can stand anywhere in a PyTorch model, on the CPU, and be pickled if both can:
    `y = function(*inputs, **fixed)`.

    inputs: each tensor of float32 or float64 among them gets a gradient, in the order in which `backward` returns
    them (one array, or a tuple; of several, None says that there is none). Every other input, and all of `fixed`, is
    passed through without a gradient: whole numbers and bools as NumPy arrays, anything else as it is. A mask of
    floats is given by name, or as an array. Arrays are read-only and of the tensors' dtype. y: an array or a number,
    or a tuple of them, of which dy is then one too, with zeros where nothing came back. The tensors returned have the
    dtype that `forward` gave them, each gradient that of its input.

    When called: TypeError for a tensor that NumPy cannot have, for one by name or inside a list, tuple or dict that
    requires a gradient, and for what is no array or number; ValueError if the number or a shape of the gradients is
    wrong, or a `return` is missing. The backward pass is NumPy's: RuntimeError where it is differentiated once more.
    """
    _torch()
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name} must be a function, got a {type(function).__name__}")
    return partial(_apply, forward, backward)


def _apply(forward: Forward, backward: Backward, /, *inputs: object, **fixed: object) -> Any:
    torch = _torch()
    places = [i for i, x in enumerate(inputs) if isinstance(x, torch.Tensor) and x.is_floating_point()]
    names = [f"argument {i + 1}" for i in range(len(inputs))]
    others = [_array(x, name) for x, name in zip(inputs, names, strict=True)]
    inner = {name: x for name, x in zip(names, inputs, strict=True) if not isinstance(x, torch.Tensor)}
    for name, x in (inner | fixed).items():
        if _requires_grad(x):
            how = "by name" if name in fixed else f"inside a {type(x).__name__}"
            raise TypeError(f"{name} requires a gradient, but is given {how}: give it by position")
    fixed = {name: _array(value, name) for name, value in fixed.items()}
    run = partial(forward, *others, **fixed)
    return _node().apply(run, backward, [names[i] for i in places], *[inputs[i] for i in places])


def _requires_grad(x: object) -> bool:
    """Say whether a tensor, or one at any depth of a list, tuple or dict, requires a gradient."""
    if isinstance(x, list | tuple | dict):
        return any(map(_requires_grad, x.values() if isinstance(x, dict) else x))
    return bool(getattr(x, "requires_grad", False))


@cache
def _node() -> Any:
    """Return the class whose `apply` runs a pair; torch is there by now."""
    from torch.autograd import Function

    class Gradients(Function):  # type: ignore[misc]
        """A pair's backward pass, which depends on the inputs: PyTorch would take its result for a constant."""

        @staticmethod
        def forward(ctx: Any, run: Callable[[], Tensors], *tensors: Tensor) -> Tensors:
            return run()

        @staticmethod
        def backward(ctx: Any, *upstreams: Tensor) -> Tensors:
            raise RuntimeError("the backward pass of this function is NumPy's: it cannot be differentiated again")

    class Pair(Function):  # type: ignore[misc]
        @staticmethod
        def forward(
            ctx: Any, run: Callable[[], object], backward: Backward, names: list[str], *tensors: Tensor
        ) -> Tensor | Tensors:
            y, ctx.cache = y_and_cache(run())
            ctx.save_for_backward(*tensors)  # then PyTorch refuses to go back after an edit in place, or twice
            ctx.several, ctx.pair_backward, ctx.names = isinstance(y, tuple), backward, names
            outputs = tuple(_tensor(each) for each in listed(y))
            return outputs if ctx.several else outputs[0]

        @staticmethod
        def backward(ctx: Any, *upstreams: Tensor) -> Tensors:
            tensors = ctx.saved_tensors
            run = partial(_gradients, ctx, upstreams, tensors)
            return None, None, None, *Gradients.apply(run, *upstreams, *tensors)

    return Pair


def _gradients(ctx: Any, upstreams: Tensors, tensors: Tensors) -> Tensors:
    """Go back through a pair; ctx: what `_node` left there."""
    dys = tuple(_array(dy.contiguous(), "dy") for dy in upstreams)
    named = named_gradients(ctx.pair_backward(dys if ctx.several else dys[0], ctx.cache), ctx.names, optional=True)
    for (name, gradient), x in zip(named.items(), tensors, strict=True):
        if gradient is not None and gradient.shape != x.shape:
            raise ValueError(f"the gradient of {name} has shape {gradient.shape}, expected {tuple(x.shape)}")
    return tuple(None if gradient is None else _tensor(gradient) for gradient in named.values())


def _array(x: Any, name: str) -> Any:
    """Return a tensor as a read-only array on the same memory, anything else as it is."""
    torch = _torch()
    if not isinstance(x, torch.Tensor):
        return x
    known = x.dtype in (torch.float32, torch.float64) or not (x.is_floating_point() or x.is_complex())
    if not known or x.device.type != "cpu" or x.layout is not torch.strided:
        raise TypeError(
            f"{name} is a tensor of {x.dtype} on {x.device}: allowed are dense ones on the CPU, of float32, float64, "
            "whole numbers or bools"
        )
    array = x.numpy(force=True)
    array.flags.writeable = False
    return array


def _tensor(x: npt.ArrayLike) -> Tensor:
    """Return a copy as a tensor: PyTorch may edit it in place, and it may be an input, or twice the same array."""
    return _torch().from_numpy(np.array(x))


def assert_against_torch(
    forward: Forward,
    backward: Backward,
    torch_function: Callable[..., Any],
    inputs: Mapping[str, np.ndarray],
    *,
    fixed: Mapping[str, object] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Compare a pair with any PyTorch function or module: every output, and the gradient of every input.

    `y, cache = forward(**inputs, **fixed)` and `gradients = backward(dy, cache)`, as in `check_gradients`.
    torch_function: called with the inputs as tensors by position, in their order, and with `fixed` by name, arrays as
    tensors; it returns a tensor, or a tuple of as many as y. Of a module, inputs named like its parameters take their
    places (its own numbers are not used), and the others are its arguments. inputs: arrays by name, all of float64 or
    all of float32. tolerance: of the relative error, see `Comparison`; by default 1e-10 in float64, 2e-4 in float32.
    seed: of the random upstream gradients.

    Returns the comparisons, the gradients under "d name". Raises GradientError with every comparison that failed, its
    worst index, what was got and what was expected; ValueError for other shapes or counts, for a parameter of the
    module that is no input, and for an input on which the PyTorch function does not depend; TypeError for other dtypes.
    """
    _torch()
    dtypes = {x.dtype.name if isinstance(x, np.ndarray) else type(x).__name__ for x in inputs.values()}
    if len(dtypes) != 1 or not dtypes <= TORCH_TOLERANCES.keys():
        given = ", ".join(sorted(dtypes)) or "none"
        raise TypeError(f"inputs must be NumPy arrays, all of float64 or all of float32; got {given}")
    fixed = fixed or {}
    outputs, upstreams, gradients = run_pair(forward, backward, inputs, fixed, seed)
    names = ["y"] if len(outputs) == 1 else [f"y[{i}]" for i in range(len(outputs))]
    expected = _oracle_results(torch_function, inputs, fixed, dict(zip(names, upstreams, strict=True)))
    got = dict(zip(names, outputs, strict=True)) | {f"d {name}": gradient for name, gradient in gradients.items()}
    rows = compare_results(got, expected, TORCH_TOLERANCES[dtypes.pop()] if tolerance is None else tolerance)
    require_ok(rows)
    return rows


def _oracle_results(
    function: Callable[..., Any],
    inputs: Mapping[str, np.ndarray],
    fixed: Mapping[str, object],
    upstreams: Mapping[str, Array],
) -> dict[str, np.ndarray]:
    """Return the outputs of a PyTorch function under the names of `upstreams`, and the gradient of each input."""
    torch = _torch()
    tensors = {name: _tensor(x).requires_grad_() for name, x in inputs.items()}
    others = {name: _tensor(x) if isinstance(x, np.ndarray) else x for name, x in fixed.items()}
    result = _called(function, tensors, others)
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    for y in outputs:
        if not isinstance(y, torch.Tensor):
            raise TypeError(f"torch_function must return a tensor or a tuple of them, not a {type(y).__name__}")
    if len(outputs) != len(upstreams):
        raise ValueError(f"torch_function returned {len(outputs)} outputs, forward {len(upstreams)}")
    for (name, dy), y in zip(upstreams.items(), outputs, strict=True):
        if np.shape(dy) != tuple(y.shape):
            raise ValueError(f"{name} of forward has shape {np.shape(dy)}, of torch_function {tuple(y.shape)}")
    used = [(y, dy) for y, dy in zip(outputs, upstreams.values(), strict=True) if y.requires_grad]
    gradients: Sequence[Tensor] = [None] * len(tensors)
    if used:
        ys, dys = zip(*((y, torch.as_tensor(np.array(dy), dtype=y.dtype)) for y, dy in used), strict=True)
        gradients = torch.autograd.grad(ys, tuple(tensors.values()), dys, allow_unused=True)
    named = dict(zip(tensors, gradients, strict=True))
    if without := [name for name, gradient in named.items() if gradient is None]:
        raise ValueError(f"torch_function has no gradient of {', '.join(without)}: its outputs do not depend on it")
    results = dict(zip(upstreams, outputs, strict=True)) | {f"d {name}": g for name, g in named.items()}
    return {name: tensor.numpy(force=True) for name, tensor in results.items()}


def _called(function: Callable[..., Any], tensors: Mapping[str, Tensor], fixed: Mapping[str, object]) -> Any:
    """Call a function, or a module with those tensors as its parameters that have their names."""
    torch = _torch()
    if not isinstance(function, torch.nn.Module):
        return function(*tensors.values(), **fixed)
    parameters = dict(function.named_parameters())
    if missing := [name for name in parameters if name not in tensors]:
        raise ValueError(f"parameters of the module that are not among the inputs: {', '.join(missing)}")
    for name, parameter in parameters.items():
        if tensors[name].shape != parameter.shape:
            raise ValueError(f"{name} has shape {tuple(tensors[name].shape)}, the module's {tuple(parameter.shape)}")
    arguments = tuple(x for name, x in tensors.items() if name not in parameters)
    dtype = next(iter(tensors.values())).dtype
    buffers = {n: b.to(dtype, copy=True) if b.is_floating_point() else b.clone() for n, b in function.named_buffers()}
    own = {name: tensors[name] for name in parameters} | buffers
    return torch.func.functional_call(function, own, arguments, dict(fixed))
