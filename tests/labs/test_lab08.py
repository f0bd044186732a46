"""Lab 8: answers that say the same whatever they are asked, and runs that are the same on every call."""

import math

import numpy as np
import pytest

from albert_np.labs import check
from albert_np.labs.lab08 import LAB
from albert_np.labs.small_runs import _trained, held_out_loss


def points(exercise, *functions, seed=0):
    return {v.finding: v.points for v in check("08", exercise, *functions, seed=seed).verdicts}


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 1.0, math.nan])
def test_a_p_that_is_always_the_same_gets_nothing(p):
    assert not sum(points("head_p_value", lambda *_: (0.2, p)).values())


@pytest.mark.parametrize("loss", [0.0, 1.5, math.nan, math.inf])
def test_losses_that_nobody_measured_get_nothing(loss):
    made_up = {"before": [loss] * 3, "after": [loss] * 3, "interval": [0.0, 0.0]}
    assert not sum(points("evidence", lambda: made_up).values())


@pytest.mark.parametrize("found", [None, [], {}, {"before": 1}, {"before": ["a"] * 3}, {"before": [1, 2]}])
def test_evidence_of_another_form_is_told_so(found):
    report = check("08", "evidence", lambda: found)
    assert not report.points
    assert all("could not be used" not in v.message for v in report.verdicts)


def test_a_run_is_the_same_each_time_and_another_for_each_seed():
    first = held_out_loss(7)
    _trained.cache_clear()
    assert held_out_loss(7) == first
    assert abs(held_out_loss(8) - first) > 1e-3
    assert 0.5 < first < 2 * math.log(6)


def test_personal_questions_are_ones_that_the_runs_can_answer():
    for seed in range(20):
        personal = LAB.personal(np.random.default_rng(seed))
        assert len(set(personal["seeds"])) == 3
        assert personal["before"].keys() == personal["after"].keys()
