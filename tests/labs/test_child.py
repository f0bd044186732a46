"""A submission's process: what goes in comes out, what changes there changes here, and whatever fails is said."""

import numpy as np
import pytest

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


def test_all_together_is_limited():
    with Child(["import time\ndef f(): time.sleep(10)"], Limits(total=1.0), "none") as child:
        for _ in range(2):
            with pytest.raises(TookTooLong, match="all cells and calls together took longer than 1 s"):
                child.function("f")()
