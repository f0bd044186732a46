"""Learning-rate schedules: values, shape, and the quirks of the original."""

import pytest

from albert_np.training.schedules import constant, google_schedule, scale_learning_rate, warmup_linear

PAPER = {"warmup_steps": 3125, "total_steps": 125_000, "peak": 0.00176}


def test_first_update_of_warmup_linear_is_not_wasted():
    assert warmup_linear(0, **PAPER) == pytest.approx(0.00176 / 3125, rel=1e-15)


def test_warmup_linear_reaches_its_peak_and_ends_at_zero():
    assert warmup_linear(3124, **PAPER) == 0.00176
    assert warmup_linear(3125, **PAPER) == 0.00176
    assert warmup_linear(124_999, **PAPER) == pytest.approx(0.00176 / 121_875, rel=1e-12)
    assert warmup_linear(125_000, **PAPER) == 0
    assert max(warmup_linear(t, 3, 10, 2.0) for t in range(11)) == 2.0


def test_warmup_linear_is_two_lines_without_a_jump():
    rates = [warmup_linear(t, 4, 12, 1.0) for t in range(13)]
    assert rates == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, *((12 - t) / 8 for t in range(4, 13))], rel=1e-15)


def test_without_warmup_the_first_update_has_the_peak():
    assert [warmup_linear(t, 0, 4, 1.0) for t in range(5)] == [1, 0.75, 0.5, 0.25, 0]


def test_google_schedule_starts_at_zero_and_jumps_at_the_end_of_the_warmup():
    assert google_schedule(0, **PAPER) == 0
    assert google_schedule(3124, **PAPER) == pytest.approx(0.00176 * 3124 / 3125, rel=1e-15)
    assert google_schedule(3125, **PAPER) == pytest.approx(0.001716, rel=1e-12)
    assert google_schedule(125_000, **PAPER) == 0


def test_google_schedule_without_warmup_decays_from_the_peak():
    assert [google_schedule(t, 0, 4, 1.0) for t in range(5)] == [1, 0.75, 0.5, 0.25, 0]


def test_constant_is_constant():
    assert {constant(t, 3e-5) for t in (0, 1, 10**6)} == {3e-5}


def test_a_smaller_batch_gets_the_square_root_of_its_share():
    assert scale_learning_rate(0.00176, 4096) == 0.00176
    assert scale_learning_rate(0.00176, 1024) == 0.00088
    assert scale_learning_rate(1e-4, 64, reference=16) == pytest.approx(2e-4, rel=1e-15)


@pytest.mark.parametrize("schedule", [warmup_linear, google_schedule])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1, 2, 10, 1.0), "step=-1"),
        ((11, 2, 10, 1.0), "step=11"),
        ((0, 10, 10, 1.0), "warmup_steps=10"),
        ((0, -1, 10, 1.0), "warmup_steps=-1"),
        ((0, 0, 0, 1.0), "total_steps=0"),
        ((0, 2, 10, -1.0), "peak=-1.0"),
        ((0, 2, 10, float("nan")), "peak=nan"),
        ((0, 2, 10, float("inf")), "peak=inf"),
    ],
)
def test_bad_arguments_are_named(schedule, arguments, named):
    with pytest.raises(ValueError, match=named):
        schedule(*arguments)


def test_bad_arguments_of_the_others_are_named():
    with pytest.raises(ValueError, match="step=-1"):
        constant(-1, 1.0)
    with pytest.raises(ValueError, match="peak=-2"):
        constant(0, -2)
    with pytest.raises(ValueError, match="batch_size=0"):
        scale_learning_rate(1e-3, 0)
