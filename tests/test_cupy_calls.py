"""Every function and method that the package calls on a device exists in CuPy, and takes what it is given.

CuPy imports without a GPU, which is all that this needs. What is called is collected by running on strict arrays.
NCCL's bindings need its library, which needs no GPU either: `pip install nvidia-nccl-cu12`.
"""

import inspect
import re

import numpy as np
import pytest
from toys.nccl import PlayedCommunicator, PlayedNccl
from toys.strict import StrictArray
from toys.training_process import make_trainer

from albert_np.execution import routes
from albert_np.gradcheck import compare_with_numpy, small_batch, small_config, squad2_case, task_cases
from albert_np.model import AlbertForPreTraining
from albert_np.training import AdamW

cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)


def calls_made(monkeypatch, run):
    """Return what `run` calls of NumPy's on strict arrays: (method or not, name, number of arguments, options)."""
    found = set()
    compute = StrictArray.compute.__func__

    def noted(cls, name, function, operands, options=None, in_place=False):
        if getattr(np, name, None) is function:
            found.add((False, name, len(operands), tuple(sorted(options or ()))))
        elif getattr(np.ndarray, name, None) is function:
            found.add((True, name, len(operands) - 1, tuple(sorted(options or ()))))
        return compute(cls, name, function, operands, options, in_place)

    monkeypatch.setattr(StrictArray, "compute", classmethod(noted))
    run()
    monkeypatch.undo()
    return found


def everything(folder):
    list(compare_with_numpy("strict"))
    model = AlbertForPreTraining(small_config(), backend="strict")
    out = model(**small_batch(model.config), skip_padding=True, output_attentions=True, output_hidden_states=True)
    assert out.prediction_logits.shape == (3, 7, 23)
    for model.precision in ("bfloat16", "float16"):
        model(**small_batch(model.config))
        model.backward()
    for name, source, inputs in [*task_cases(), squad2_case()]:
        twin = type(source)(source.config, backend="strict").eval()
        twin(**{name: x for name, x in inputs.items() if "position" not in name and name != "is_impossible"})
        assert twin.cache is not None, name
    make_trainer(folder / "lamb", backend="strict").train(2)
    make_trainer(folder / "adamw", backend="strict", optimizer=AdamW).train(1)


def signature_of(function):
    """Return a function's signature; of what is compiled, the first line of its documentation says it."""
    try:
        return inspect.signature(function)
    except ValueError:
        line = function.__doc__.partition("\n")[0]
        parameters = re.search(r"\((.*)\)", line.partition(" -> ")[0])[1]
        scope = {}
        untyped = re.sub(r"\b\w+ (?=\w)", "", parameters)
        exec(f"def f({untyped}): pass", scope)
        return inspect.signature(scope["f"])


def test_cupy_has_every_function_and_method_that_is_called_and_takes_its_arguments(monkeypatch, tmp_path):
    found = calls_made(monkeypatch, lambda: everything(tmp_path))
    assert len(found) > 40
    wrong = []
    for is_method, name, count, options in sorted(found):
        owner = cupy.ndarray if is_method else cupy
        function = getattr(owner, name, None)
        if function is None:
            wrong.append(f"CuPy has no {name}")
        elif isinstance(function, cupy.ufunc):
            if count not in (function.nin, function.nargs) or not {*options} <= {"out", "dtype", "casting"}:
                wrong.append(f"{name} with {count} arguments and {options}")
        else:
            try:
                signature_of(function).bind(*[None] * (count + is_method), **dict.fromkeys(options))
            except TypeError as error:
                wrong.append(f"{name}: {error}")
    assert not wrong


def test_the_played_nccl_takes_what_cupys_bindings_take():
    nccl = routes._nccl()
    if not nccl.available:
        pytest.skip("NCCL is not installed: pip install nvidia-nccl-cu12")
    for name in ("send", "recv", "bcast"):
        theirs, ours = (signature_of(getattr(cls, name)) for cls in (nccl.NcclCommunicator, PlayedCommunicator))
        assert [*theirs.parameters] == [*ours.parameters]
    ours = [*signature_of(PlayedNccl.NcclCommunicator).parameters][1:]
    assert [*signature_of(nccl.NcclCommunicator).parameters][:3] == ours == ["ndev", "commId", "rank"]
    signature_of(nccl.NcclCommunicator).bind(*ours)
    assert type(nccl.get_unique_id()) is type(PlayedNccl().get_unique_id())
    assert [type(number) for number in (nccl.NCCL_FLOAT32, nccl.NCCL_FLOAT64)] == [int, int]
    assert issubclass(nccl.NcclError, RuntimeError)
    assert inspect.isgetsetdescriptor(cupy.cuda.Device.pci_bus_id)  # of an attribute, not a method
    assert isinstance(cupy.cuda.Stream.null.ptr, int)
    assert hasattr(cupy.cuda.MemoryPointer, "ptr")


def test_streams_and_copies_take_what_they_are_given():
    cuda = cupy.cuda
    signature_of(cuda.Stream).bind(non_blocking=True)
    signature_of(cuda.Stream.wait_event).bind("stream", "event")
    signature_of(cuda.Stream.record).bind("stream")
    for name in ("copy_to_host_async", "copy_from_host_async"):
        assert [*signature_of(getattr(cuda.MemoryPointer, name)).parameters][1:] == ["mem", "size", "stream"]
    signature_of(cuda.alloc_pinned_memory).bind("size")
    signature_of(cuda.runtime.getDevice).bind()
