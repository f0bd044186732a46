"""Parting examples: every label keeps its share, and none is asked for that training does not show."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys.tasks import examples

from albert_np.tasks import TaggedExample, TextExample, hold_out


def test_each_label_keeps_its_share():
    made = [TextExample(f"text {i}", label="rare" if i % 10 == 0 else "common") for i in range(200)]
    train, evaluation, absent = hold_out(made, 0.1, seed=3)
    assert Counter(example.label for example in evaluation) == {"rare": 2, "common": 18}
    assert sorted([*train, *evaluation]) == sorted(made)
    assert absent == []
    assert hold_out(made, 0.1, seed=3) == (train, evaluation, [])
    assert hold_out(made, 0.1, seed=4) != (train, evaluation, [])


def test_numbers_and_unanswerable_questions_are_spread_alike():
    numbers = [TextExample("text", label=float(i)) for i in range(100)]
    held = sorted(example.label for example in hold_out(numbers, 0.1).evaluation)
    assert [int(label // 10) for label in held] == list(range(10))
    questions = examples("answering", 100)
    answerable = [bool(example.answers) for example in hold_out(questions, 0.2).evaluation]
    assert sum(answerable) == pytest.approx(0.2 * sum(bool(example.answers) for example in questions), abs=1)


@given(st.lists(st.sampled_from("aaaabbbcd"), min_size=2, max_size=40), st.integers(0, 99), st.floats(0.1, 0.9))
def test_a_label_that_is_asked_for_is_also_shown(names, seed, share):
    for made in (
        [TextExample("t", label=name) for name in names],
        [TextExample("t", label=tuple({name, names[0]})) for name in names],
        [TaggedExample((name, "w"), (name, "O")) for name in names],
    ):
        try:
            train, evaluation, absent = hold_out(made, share, seed)
        except ValueError:  # too few of too many labels
            continue
        shown, asked = (
            {label for e in part for label in (e[-1] if isinstance(e[-1], tuple) else [e[-1]])}
            for part in (train, evaluation)
        )
        assert asked <= shown
        assert absent == sorted(shown - asked)
        assert len(train) + len(evaluation) == len(made)


def test_what_leaves_nothing_on_one_side_is_refused():
    with pytest.raises(ValueError, match=r"held_out=0\.1 leaves 0 of 3 examples to evaluate on"):
        hold_out(examples("choice", 3), 0.1)
    with pytest.raises(ValueError, match="leaves 0 of 4"):
        hold_out([TextExample("t", label=name) for name in "abcd"], 0.5)
    for share in (0, 1, -1, float("nan"), 2):
        with pytest.raises(ValueError, match=f"held_out={share}: must be a share"):
            hold_out(examples("choice", 9), share)


def test_examples_to_hold_out_of_are_in_a_list():
    for given_ones in (None, 5):
        with pytest.raises(TypeError, match="examples must be a list"):
            hold_out(given_ones, 0.1)
