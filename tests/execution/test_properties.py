"""What holds for every batch, whatever its size, its lengths and the number of threads."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from albert_np.backend import get_backend
from albert_np.execution import dense_pattern, packed_pattern, split


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


@st.composite
def masks(draw):
    """Masks (B, T) of 1 and 0 in any places, with a 1 somewhere; often with nothing else."""
    B, T = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    zeros = draw(st.sets(st.integers(0, B * T - 1), max_size=B * T - 1))
    mask = np.ones(B * T, int)
    mask[list(zeros)] = 0
    return mask.reshape(B, T)


def numbered(mask, width=3):
    """Values (B, T, width) that are all different, and never zero."""
    return 1.0 + np.arange(mask.size * width).reshape(*mask.shape, width)


def packed(mask):
    return packed_pattern(mask, get_backend("numpy"))


@given(masks())
def test_the_runs_of_a_pattern_hold_every_real_token_once_the_shortest_sequences_first(mask):
    pattern = packed(mask)
    lengths = [run.length for run in pattern.runs]
    assert lengths == sorted(set(lengths))
    assert [run.start for run in pattern.runs] == [0, *np.cumsum([r.sequences * r.length for r in pattern.runs])[:-1]]
    places = np.arange(mask.size) if pattern.tokens is None else pattern.tokens
    assert sorted(places) == np.flatnonzero(mask).tolist()
    if pattern.sequences is not None:
        rows = [range(first, first + length) for first, length, _ in pattern.sequences.tolist()]
        assert [row for each in rows for row in each] == list(range(len(places)))
        assert [number for *_, number in pattern.sequences.tolist()] == [i for r in pattern.runs for i in range(r[1])]
        assert pattern.room == (len(pattern.sequences), max(map(len, rows)))
    for run in pattern.runs:
        sequences = places[run.rows].reshape(run.sequences, run.length)
        assert (np.diff(sequences) > 0).all()  # tokens in their order
        assert (sequences // mask.shape[1] == sequences[:, :1] // mask.shape[1]).all()  # of one sequence


@given(masks(), st.floats(-9, 9))
def test_unpacking_what_was_packed_changes_nothing_but_padding(mask, fill):
    pattern, x = packed(mask), numbered(mask)
    np.testing.assert_array_equal(pattern.unpack(pattern.pack(x), fill), np.where(mask[..., None], x, fill))
    rows = pattern.pack(x)
    np.testing.assert_array_equal(pattern.pack(pattern.unpack(rows)), rows)


@given(masks())
def test_what_stands_for_every_sequence_is_packed_like_copies_of_it(mask):
    pattern, x = packed(mask), numbered(mask)[:1]
    expected = pattern.pack(np.repeat(x, len(mask), axis=0))
    np.testing.assert_array_equal(np.broadcast_to(pattern.pack(x), expected.shape), expected)


@given(masks())
def test_joining_what_was_split_into_runs_changes_nothing(mask):
    pattern = packed(mask)
    rows = pattern.pack(numbered(mask))
    parts = pattern.split(rows)
    assert [part.shape for part in parts] == [(run.sequences, run.length, 3) for run in pattern.runs]
    np.testing.assert_array_equal(pattern.join(parts), rows)


@given(masks(), st.data())
def test_spreading_is_the_mirror_of_gathering(mask, data):
    """⟨gather(x), y⟩ = ⟨x, spread(y)⟩, and nothing but wanted rows is gathered."""
    read = np.array(data.draw(st.lists(st.booleans(), min_size=mask.size, max_size=mask.size))).reshape(mask.shape)
    pattern = packed(mask).wanting(read, get_backend("numpy"))
    x = pattern.pack(numbered(mask))
    gathered = pattern.gather(x)
    np.testing.assert_array_equal(np.sort(gathered, axis=0), np.sort(numbered(mask)[read & (mask == 1)], axis=0))
    y = np.random.default_rng(0).standard_normal(gathered.shape)
    np.testing.assert_allclose((gathered * y).sum(), (x * pattern.spread(y)).sum(), rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(pattern.gather(pattern.spread(y)), y)


@given(masks())
def test_the_squares_of_runs_are_at_the_places_of_their_tokens(mask):
    pattern = packed(mask)
    ids = pattern.pack(1.0 + np.arange(mask.size).reshape(*mask.shape, 1))
    parts = [(part @ part.transpose(0, 2, 1))[:, None] for part in pattern.split(ids)]  # (sequences, N = 1, t, t)
    real = 1.0 + np.arange(mask.size).reshape(mask.shape)
    real[mask == 0] = 0
    np.testing.assert_array_equal(pattern.squares(parts)[:, 0], real[:, :, None] * real[:, None, :])
    sequences, longest = pattern.room
    room, start = np.zeros((sequences, 1, longest, longest)), 0
    for part in parts:  # as a device has them
        room[start : start + len(part), :, : part.shape[-1], : part.shape[-1]] = part
        start += len(part)
    np.testing.assert_array_equal(pattern.squares([room]), pattern.squares(parts))


@given(masks())
def test_a_mask_of_nothing_but_ones_is_the_dense_pattern_and_no_other_is(mask):
    B, T = mask.shape
    pattern = packed(mask)
    assert (pattern.tokens is None) == mask.all()
    if mask.all():
        assert pattern == dense_pattern(B, T)
