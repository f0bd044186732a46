"""What holds for every batch, whatever its size, its lengths and the number of threads."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from albert_np.execution import split


@st.composite
def batches(draw):
    """A batch that says where each sequence is from, and its number of real tokens."""
    positions = draw(st.integers(1, 12))
    lengths = np.array(draw(st.lists(st.integers(0, positions), min_size=1, max_size=20)))
    mask = (np.arange(positions) < lengths[:, None]).astype(int)
    ids = np.arange(mask.size).reshape(mask.shape)
    return {"input_ids": ids, "attention_mask": mask, "sentence_order_label": np.arange(len(mask))}


PARTS = st.integers(1, 24)


def sizes(parts):
    return [len(part["input_ids"]) for part in parts]


@given(batches(), PARTS)
def test_the_parts_of_a_batch_are_the_batch_in_order(batch, parts):
    dealt = split(batch, parts)
    for name, array in batch.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in dealt]), array)


@given(batches(), PARTS)
def test_there_are_as_many_parts_as_can_be_and_none_is_empty(batch, parts):
    dealt = split(batch, parts)
    assert len(dealt) == min(parts, len(batch["input_ids"]))
    assert min(sizes(dealt)) >= 1


@given(batches(), PARTS)
def test_every_cut_is_at_most_half_a_sequence_from_where_the_real_tokens_are_even(batch, parts):
    """Unless two cuts would fall together: then a part has one sequence."""
    costs = batch["attention_mask"].sum(axis=1) + 1  # a sequence costs something even without a real token
    dealt = sizes(split(batch, parts))
    ends = np.cumsum(dealt)
    for i, end in enumerate(ends[:-1]):
        off = abs(costs[:end].sum() - costs.sum() * (i + 1) / len(ends))
        assert off <= costs.max() / 2 or 1 in dealt


@given(st.integers(1, 40), PARTS)
def test_without_a_mask_the_parts_are_even_in_sequences(size, parts):
    dealt = sizes(split({"input_ids": np.zeros((size, 3))}, parts))
    assert max(dealt) - min(dealt) <= 2


@given(batches(), PARTS, st.randoms(use_true_random=False))
def test_what_is_in_a_sequence_has_no_say_in_where_a_batch_is_cut(batch, parts, random):
    mask = batch["attention_mask"].copy()
    for row in mask:
        random.shuffle(row)  # the same number of real tokens, elsewhere
    assert sizes(split({**batch, "attention_mask": mask}, parts)) == sizes(split(batch, parts))
