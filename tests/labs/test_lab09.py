"""Lab 9: parts whose functions live in another process, and descriptions that may be anything."""

import inspect

import numpy as np
import pytest
from toys.changes import RMS_NORM, WIRED

from albert_np.changes import change_in_force
from albert_np.labs import check, judge
from albert_np.labs.child import Child
from albert_np.labs.lab09 import LAB

PART = LAB.machine[0]


def cells(part, functions, parameters):
    forward, backward = map(inspect.getsource, functions)
    names = {functions[0].__name__: "part_forward", functions[1].__name__: "part_backward"}
    text = f"{forward}\n\n{backward}\n"
    for name, new in names.items():
        text = text.replace(f"def {name}(", f"def {new}(")
    rows = "def _rows(x):\n    return x.reshape(-1, x.shape[-1])\n"
    said = f"def change():\n    return {{'part': {part!r}, 'parameters': {parameters!r}}}\n"
    return ["import numpy as np", rows, text, said]


@pytest.mark.parametrize("part, given", [("norm", RMS_NORM), ("wiring", WIRED)])
def test_a_part_in_another_process_gets_all_points(part, given):
    with Child(cells(part, given[:2], given[2]), isolation="none") as child:
        functions = {name: child.function(name) for name in PART.functions}
        lost = [v for v in judge(PART, functions, 0, {}) if not v.ok]
    assert not lost
    assert change_in_force() is None


@pytest.mark.parametrize(
    "said, message",
    [
        (None, "returned None"),
        ([], "change() returned a list, expected a dict"),
        ({"part": "heads"}, "change()['part'] is 'heads'; it may be norm, activation, attention"),
        ({"part": "layer"}, "change()['part'] is 'layer'"),
        ({"part": "norm", "weights": {}}, "change() holds ['weights']"),
        ({"part": "norm", "parameters": 3}, "parameters are 3, expected name"),
        ({"part": "norm", "parameters": {"weight": (("Q",), 1.0)}}, "must be (shape, start)"),
        ({"part": "norm", "parameters": {"weight": ((10**12,), 1.0)}}, "weight has 1,000,000,000,000 numbers; at most"),
        ({"part": "norm", "schedule": [0] * 10**6}, "a schedule of 1000000 steps; at most 12 are tried"),
        ({"part": "norm", "schedule": "0"}, "schedule='0'"),
        ({"part": "norm", "parameters": RMS_NORM[2], "schedule": [0, 5]}, "must give each layer step its group"),
    ],
)
def test_a_description_that_cannot_be_is_named_and_nothing_is_left_in_force(said, message):
    report = check("09", "part", lambda: said, *RMS_NORM[:2])
    assert any(message in v.message for v in report.verdicts), report
    assert report.points < 40
    assert change_in_force() is None


def test_a_special_case_of_enormous_arrays_is_not_tried():
    query = np.zeros((1, 1, 10**6, 1))
    report = check("09", "special_case", lambda: {"part": "attention"}, RMS_NORM[0], lambda rng: ((query,), (query,)))
    assert "at most 64 along an axis" in report.verdicts[0].message


def test_albert_itself_is_no_change():
    from albert_np import ops

    report = check("09", "part", lambda: {"part": "norm"}, ops.layer_norm_forward, ops.layer_norm_backward)
    (lost,) = [v for v in report.verdicts if not v.ok]
    assert lost.finding == "something else than ALBERT"
