"""Answers that took no work: they return what they were given, or something plausible that ignores it."""

import numpy as np
import pytest

from albert_np.labs import check


def same_for_every_matrix(g):
    return np.eye(*g.shape)


def divided_by_its_norm(g):
    return g / np.linalg.norm(g)


def muon_step_with(orthogonalise):
    def muon_step(w, g, m, lr, momentum):
        m = momentum * m + g
        return w - lr * max(1, w.shape[0] / w.shape[1]) ** 0.5 * orthogonalise(g + momentum * m), m

    return muon_step


def mask_alone(dloss, student, teacher, labels, temperature):
    asked = labels != -100
    return np.ones_like(student) * asked[..., None] / max(1, asked.sum())


NOTHING = {
    ("04", "factorised_lookup_backward"): lambda dy, ids, A, B: (A, B),
    ("04", "adapter_backward"): lambda dy, x, W, A, B, alpha: (dy @ W.T, A, B),
    ("04", "distillation_backward"): mask_alone,
    ("06", "pre_ln_backward"): lambda dy, x, weight, bias, up, down, gamma, keep, eps: (
        dy,
        weight,
        bias,
        up,
        down,
        gamma,
    ),
    ("06", "scheduled_backward"): lambda dy, x, weights, biases, schedule: (dy, weights, biases),
    ("07", "lion_step"): lambda w, g, m, lr, beta1, beta2, decay: (w - lr * np.sign(g), g),
    ("07", "adafactor_step"): lambda w, g, row, column, step, lr: (w - lr * np.sign(g), row, column),
    ("07", "wsd"): lambda step, steps, peak, warmup, decay: peak,
    ("07", "clip_rows"): lambda g, w, most: g,
}


@pytest.mark.parametrize("number, exercise", NOTHING)
def test_what_ignores_the_question_gets_nothing(number, exercise):
    report = check(number, exercise, NOTHING[number, exercise])
    assert report.points == 0, report


@pytest.mark.parametrize("orthogonalise, points", [(same_for_every_matrix, 5), (divided_by_its_norm, 11)])
def test_a_right_step_is_worth_little_beside_a_wrong_orthogonalise(orthogonalise, points):
    report = check("07", "muon", orthogonalise, muon_step_with(orthogonalise))
    assert report.points == points, report
