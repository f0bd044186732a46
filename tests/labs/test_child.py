"""A submission's process: what goes in comes out, what changes there changes here, and whatever fails is said."""

import numpy as np
import pytest

from albert_np.labs import child as child_module
from albert_np.labs.child import Child, Died, Limits, Missing, StudentError, TookTooLong

CELLS = [
    "import numpy as np\nfrom typing import NamedTuple\n",
    """
class Cache(NamedTuple):
    x: np.ndarray
    n: int

def forward(x, w):
    return w * x, Cache(x, 3)

def backward(dy, cache):
    return dy * cache.x

def fails(x):
    y = x
    return y.no_such_thing

def changes(x, some, named, rng):
    x[0] = 7
    some.append(x.sum())
    named["new"] = x
    return rng.normal(size=3)

def same(x):
    return x

def asks(f, x):
    return f(x) + f(2 * x)

def hangs():
    while True:
        pass

def dies():
    import os
    os._exit(3)
""",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nfig, (a, b) = plt.subplots(1, 2)\na.plot([1, 2])\nplt.show()",
    "1 / 0",
    "%%bash\nls",
    "%%time\ntimed = lambda: 3",
    "number = 3\ndef broken(:\n    pass",
]


@pytest.fixture(scope="module")
def child():
    with Child(CELLS, Limits(call=2.0)) as child:
        yield child


def test_each_cell_is_reported(child):
    assert [report.outcome for report in child.report] == ["ok", "ok", "ok", "error", "skipped", "ok", "error"]
    assert [report.magics for report in child.report] == [0, 0, 1, 0, 1, 1, 0]
    failed = child.report[3].error
    assert (failed.kind, failed.line, failed.cell, failed.text) == ("ZeroDivisionError", 1, 4, "1 / 0")
    wrong = child.report[6].error
    assert (wrong.kind, wrong.line, wrong.cell, wrong.text) == ("SyntaxError", 2, 7, "def broken(:")
    assert {"forward", "backward", "timed"} <= set(child.functions)


VALUES = [
    None,
    True,
    -(2**70),
    2**63,
    0.1,
    float("inf"),
    1 - 2j,
    "ß\ud800\n",
    b"\0\xff",
    [],
    (1, [2.0, ()], {"a": (None,)}),
    np.float32(0.1),
    np.int8(-3),
    np.array(3.0),
    np.arange(6, dtype=">i2").reshape(2, 3)[:, ::2],
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((3, 0, 2), np.complex64),
    np.array([True, False]),
    np.float32,
    np.dtype(">i2"),
    float,
    {(1, "a"): 2, np.int64(3): None},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_the_same_type(child, value):
    got = child.function("same")(value)
    assert type(got) is type(value)
    if isinstance(value, np.ndarray | np.generic):
        assert got.dtype == value.dtype
        np.testing.assert_array_equal(got, value, strict=True)
    else:
        assert got == value


def test_a_value_that_stays_there_can_be_passed_back(child):
    x = np.arange(6.0).reshape(2, 3)
    y, cache = child.function("forward")(x, 2.0)
    assert (cache.kind, repr(cache)) == ("Cache", "<a Cache of the submission>")
    np.testing.assert_array_equal(child.function("backward")(y, cache), 2 * x * x)
    assert child.function("same")([cache])[0] is cache


def test_what_a_call_changes_is_changed_here(child):
    whole = np.arange(12.0).reshape(3, 4)
    x, some, named, rng, mine = whole[:, ::2], [1], {}, np.random.default_rng(3), np.random.default_rng(3)
    drawn = child.function("changes")(x, some, named, rng)
    np.testing.assert_array_equal(drawn, mine.normal(size=3))
    assert rng.bit_generator.state == mine.bit_generator.state
    np.testing.assert_array_equal(whole[0], [7, 1, 7, 3])
    assert some == [1, x.sum()]
    np.testing.assert_array_equal(named["new"], x)


def test_a_function_among_the_arguments_is_called_here(child):
    asks = child.function("asks")
    seen = []

    def square(x):
        seen.append(x)
        return x * x

    assert asks(square, 3) == 9 + 36
    assert seen == [3, 6]
    with pytest.raises(
        StudentError, match=r"ZeroDivisionError: division by zero, in line \d+ of cell 2: return f\(x\)"
    ):
        asks(lambda x: 1 / 0, 3)
    assert asks(child.function("same"), 3) == 9


def test_an_error_says_the_line_of_the_submission(child):
    with pytest.raises(StudentError) as caught:
        child.function("fails")(np.ones(2))
    error = caught.value
    assert (error.kind, error.cell, error.line, error.text) == ("AttributeError", 2, 14, "return y.no_such_thing")
    assert "no_such_thing" in str(error)


def test_a_missing_function_is_explained(child):
    with pytest.raises(Missing, match=r"there is no function absent$"):
        child.function("absent")
    with pytest.raises(Missing, match="cell 7, which defines it, has failed: SyntaxError"):
        child.function("broken")


@pytest.mark.parametrize("name, error", [("hangs", TookTooLong), ("dies", Died)])
def test_after_a_call_that_ends_the_process_the_next_one_goes_on(child, name, error):
    with pytest.raises(error):
        child.function(name)()
    assert child.function("same")(3) == 3


def test_a_value_of_a_process_that_ended_is_lost(child):
    _, cache = child.function("forward")(np.ones(2), 2.0)
    with pytest.raises(Died, match="ended itself, with status 3"):
        child.function("dies")()
    with pytest.raises(Died, match="lost"):
        child.function("backward")(np.ones(2), cache)


def test_what_cannot_be_passed_is_refused_here(child):
    with pytest.raises(TypeError, match="a object cannot be passed"):
        child.function("same")(object())


def test_a_cell_that_ends_the_process_is_left_out_and_named():
    cells = ["def f(): return 1", "import os; os._exit(0)", "while True: pass", "def g(): return 2"]
    with Child(cells, Limits(cell=1.0), "none") as child:
        assert [report.outcome for report in child.report] == ["ok", "killed", "killed", "ok"]
        assert child.function("f")() + child.function("g")() == 3


def test_two_processes_order_a_set_alike():
    cell = "def order(): return list({str(i) for i in range(20)})"
    with Child([cell], isolation="none") as one, Child([cell], isolation="none") as other:
        assert one.function("order")() == other.function("order")()


def test_a_busy_machine_is_waited_for(monkeypatch):
    cell = "import time\ndef f(seconds): time.sleep(seconds)"
    monkeypatch.setattr(child_module.os, "getloadavg", lambda: (100.0, 0.0, 0.0), raising=False)
    with Child([cell], Limits(call=0.2), isolation="none") as child:
        child.function("f")(0.4)
        monkeypatch.setattr(child_module.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
        with pytest.raises(TookTooLong, match=r"longer than 0.2 s"):
            child.function("f")(30)


def test_all_together_is_limited():
    with Child(["import time\ndef f(): time.sleep(10)"], Limits(total=1.0), "none") as child:
        for _ in range(2):
            with pytest.raises(TookTooLong, match="all cells and calls together took longer than 1 s"):
                child.function("f")()


def test_what_draws_does_nothing_and_takes_no_time():
    cell = """
import matplotlib.pyplot as plt
from IPython.display import display, HTML
import seaborn.objects as so
plt.rcParams["figure.dpi"] = 100
fig, axes = plt.subplots(2, 2)
(a, b), *_ = [(1, 2)]
for axis in axes.flat:
    axis.plot([1, 2])
with plt.style.context("dark"):
    counts, edges, patches = plt.hist([1])
display(fig, HTML("<b>"))
get_ipython().run_line_magic("time", "1")
import sys
def f(): return sorted(name for name in sys.modules if name.split(".")[0] in ("matplotlib", "IPython"))
"""
    with Child([cell], isolation="none") as child:
        assert [report.outcome for report in child.report] == ["ok"], child.report
        assert child.function("f")() == ["IPython", "IPython.display", "matplotlib", "matplotlib.pyplot"]
        assert child.output == ""


def test_withheld_modules_are_refused():
    cells = ["import wave", "from wave import open", "def f():\n    import importlib; importlib.import_module('wave')"]
    with Child(cells, isolation="none", withheld=["wave"]) as child:
        assert [str(report.error)[:44] for report in child.report[:2]] == [
            "ImportError: wave is not allowed in this lab"
        ] * 2
        with pytest.raises(StudentError, match="not allowed"):
            child.function("f")()


@pytest.mark.parametrize(
    "source", ["x = '\ud800'", "\0", "#" * 2**21, "(" * 10_000], ids="surrogate nul long deep".split()
)
def test_no_cell_is_too_strange_to_be_reported(source):
    with Child([source, "def f(): return 1"], isolation="none") as child:
        assert child.report[0].outcome in ("ok", "error", "killed")
        assert child.function("f")() == 1


def test_what_a_submission_says_commands_no_terminal():
    with Child(["print('\\x1b[2J')\nraise ValueError('\\x1b[2J\\ud800')"], isolation="none") as child:
        assert "\x1b" not in str(child.report[0].error) + child.output
        str(child.report[0].error).encode()


def test_a_generator_that_was_given_another_state_is_refused():
    cell = """
import numpy as np
def chooses(rng): rng.bit_generator.state = np.random.PCG64(5).state
def goes_back(rng):
    before = rng.bit_generator.state
    rng.normal(size=100)
    rng.bit_generator.state = before
    return rng.normal()
"""
    with Child([cell], isolation="none") as child:
        rng, mine = np.random.default_rng(3), np.random.default_rng(3)
        with pytest.raises(StudentError, match="given another state"):
            child.function("chooses")(rng)
        assert child.function("goes_back")(rng) == mine.normal()
        assert rng.bit_generator.state == mine.bit_generator.state


def test_handles_are_released_when_nobody_has_them():
    cell = """
import gc
class C: pass
def new(): return C()
def kept(): return sum(type(value) is C for value in gc.get_objects())
"""
    with Child([cell], Limits(handles=3), "none") as child:
        new, kept = child.function("new"), child.function("kept")
        for _ in range(10):
            last = new()
        assert (last.kind, kept()) == ("C", 1)
        some = [new(), new()]
        with pytest.raises(StudentError, match="more than 3 values"):
            new()
        assert len(some) == 2


def test_calls_of_functions_that_were_given_are_limited():
    with Child(["def f(g):\n    while True: g(1)"], Limits(callbacks=10), "none") as child:
        calls = []
        with pytest.raises(StudentError, match="more than 10 calls"):
            child.function("f")(calls.append)
        assert len(calls) == 10


def test_slots_that_the_grader_keeps_hold_values_of_any_kind():
    cell = """
class State: pass
def run(put, get):
    state = State(); state.x = 5
    put(0, state)
    put(1, [1.0, state])
    return get(0).x + get(1)[1].x
"""
    slots = {}
    with Child([cell], isolation="none") as child:
        assert child.function("run")(slots.__setitem__, slots.__getitem__) == 10
        assert slots[0].kind == "State"


def test_an_interrupt_in_a_function_that_was_given_ends_the_process_and_the_next_call_goes_on():
    def stop(x):
        raise KeyboardInterrupt

    with Child(["def f(g): return g(1)"], isolation="none") as child:
        with pytest.raises(KeyboardInterrupt):
            child.function("f")(stop)
        assert child.function("f")(lambda x: x) == 1
        assert child.starts == 2


def test_a_closed_child_cannot_be_called():
    with Child(["def f(): return 1"], isolation="none") as child:
        f = child.function("f")
    with pytest.raises(RuntimeError, match="f was called after its process was closed"):
        f()


def test_a_submission_that_always_ends_is_given_up():
    cell = "import threading, os\nthreading.Timer(0.2, os._exit, [0]).start()\ndef f():\n    while True: pass"
    with Child([cell, "import time; time.sleep(0.4)"], isolation="none") as child, pytest.raises((Died, Missing)):
        child.function("f")()


def test_a_result_that_is_a_named_tuple_is_both_its_items_and_itself():
    cell = """
from typing import NamedTuple
class Gradients(NamedTuple):
    dx: list
    dw: object
def backward(x): return Gradients([x, 2 * x], Gradients)
def look(gradients): return gradients.dx
def nested(x): return [backward(x)]
"""
    with Child([cell], isolation="none") as child:
        result = child.function("backward")(3)
        assert isinstance(result, tuple)
        dx, dw = result
        assert (dx, type(dw).__name__, type(result).__name__) == ([3, 6], "type", "Gradients")
        assert child.function("look")(result) == [3, 6]
        (inner,) = child.function("nested")(3)
        assert type(inner).__name__ == "Gradients"
        assert child.function("look")(inner) == [3, 6]


PACKAGE = """
import sys
from albert_np.plots import show
import albert_np
from albert_np import ops
gelu = ops.gelu_forward
def loaded(): return [name for name in ("plots", "ops", "model", "convert") if f"albert_np.{name}" in sys.modules]
"""
REST = """
from albert_np import AlbertConfig
assert albert_np.AlbertConfig is AlbertConfig
import albert_np.convert
"""


def test_the_package_is_imported_as_far_as_it_is_asked_for():
    cells = [PACKAGE, REST, "import albert_np.no_such_thing", "from albert_np import nothing"]
    with Child(cells[:1], isolation="none") as child:
        assert child.report[0].outcome == "ok"
        assert child.function("loaded")() == ["plots", "ops"]
    with Child(cells, isolation="none") as child:
        assert [report.outcome for report in child.report] == ["ok", "ok", "error", "error"]
        assert child.report[2].error.kind == "ModuleNotFoundError"
        assert "cannot import name 'nothing' from 'albert_np'" in str(child.report[3].error)
        assert child.function("loaded")() == ["plots", "ops", "model", "convert"]
