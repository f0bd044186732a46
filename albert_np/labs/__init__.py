"""Course labs: what they ask, a student's own check, and a grader that runs answers in a process of their own.

>>> from albert_np.labs import check
>>> check("02", "rms_norm_backward", rms_norm_backward)
"""

from importlib import import_module

from albert_np.course.answers import Function
from albert_np.labs.change_file import ChangeFile
from albert_np.labs.points import AnswerFailed, Exercise, Finding, Lab, Numbers, Report, Verdict, Written, Wrong, judge
from albert_np.labs.swap import Swap, swap, swap_back

__all__ = [
    "LABS",
    "AnswerFailed",
    "ChangeFile",
    "Exercise",
    "Finding",
    "Lab",
    "Report",
    "Swap",
    "Verdict",
    "Written",
    "Wrong",
    "check",
    "judge",
    "open_lab",
    "swap",
    "swap_back",
]

LABS = ("01", "02", "03", "04", "05", "06", "07", "08", "09")


def open_lab(number: str) -> Lab:
    """Return a lab by its number, such as "02"; ValueError if there is none."""
    number = str(number).zfill(2)
    if number not in LABS:
        raise ValueError(f"there is no lab {number}; there are {', '.join(LABS)}")
    lab: Lab = import_module(f"albert_np.labs.lab{number}").LAB
    return lab


def check(number: str, exercise: str, *functions: Function, seed: int = 0, personal: Numbers | None = None) -> Report:
    """Look at a student's own functions for one exercise, here and now; in a notebook the report shows itself.

    functions: in the order in which the exercise names them. personal: the numbers of the student's release; without
    them, those of a release without a roster. ValueError if there is no such exercise, or for too many or too few
    functions.
    """
    import numpy as np

    lab = open_lab(number)
    found = {one.id: one for one in lab.machine}
    if exercise not in found:
        raise ValueError(f"lab {lab.number} has no exercise {exercise!r}; it has {', '.join(found)}")
    asked = found[exercise]
    if len(functions) != len(asked.functions):
        raise ValueError(
            f"{exercise} asks for {len(asked.functions)} functions ({', '.join(asked.functions)}), got {len(functions)}"
        )
    numbers = lab.personal(np.random.default_rng(0)) if personal is None else personal
    verdicts = judge(asked, dict(zip(asked.functions, functions, strict=True)), seed, numbers)
    return Report(asked.title, tuple(verdicts))
