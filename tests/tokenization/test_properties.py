"""Splitting at special tokens, truncation and padding, each against a plain loop, for random input."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from albert_np.tokenization import AddedToken, AlbertTokenizer, TokenizedText
from albert_np.tokenization.batch import Limits, make_rows
from albert_np.tokenization.special_tokens import Splitter

SIDES = st.sampled_from(["right", "left"])


# Splitting.


@st.composite
def texts_with_tokens(draw, characters):
    """A text and tokens that occur in it. Few different characters, so that tokens overlap and hold one another."""
    contents = st.text("aB", min_size=1, max_size=3) | st.sampled_from(["İ", "[ ", " [", "[a"])
    token = st.builds(AddedToken, contents, lstrip=st.booleans(), rstrip=st.booleans())
    tokens = draw(st.lists(token, min_size=1, max_size=6, unique_by=str))
    return "".join(draw(st.lists(st.sampled_from([*characters, *map(str, tokens)]), max_size=20))), tokens


def split_at_tokens(text, tokens):
    """Stretches of text and tokens in turn: at each place the longest token that fits, if any."""
    parts, place = [""], 0
    while place < len(text):
        fitting = [token for token in tokens if text.startswith(token.content, place)]
        if fitting:
            longest = max(fitting, key=lambda token: len(token.content))
            parts += [longest, ""]
            place += len(longest.content)
        else:
            parts[-1] += text[place]
            place += 1
    return parts


def stripped(parts):
    """The same without the white space that tokens swallow, and without empty stretches."""
    for i in range(1, len(parts), 2):
        if parts[i].lstrip:
            parts[i - 1] = parts[i - 1].rstrip()
        if parts[i].rstrip:
            parts[i + 1] = parts[i + 1].lstrip()
    return [part for part in parts if part]


@given(texts_with_tokens("aB[İ \t"))
def test_splitting_takes_the_longest_token_at_each_place_and_loses_white_space_alone(text_and_tokens):
    text, tokens = text_and_tokens
    splitter = Splitter(dict(enumerate(tokens)), [], do_lower_case=False)
    parts = splitter.split(text)
    expected = stripped(split_at_tokens(text, tokens))
    assert [text[part.start : part.stop] for part in parts] == [str(part) for part in expected]
    assert [part.token_id for part in parts] == [tokens.index(p) if p in tokens else None for p in expected]
    assert splitter.occurs_in(text) == any(part.token_id is not None for part in parts)
    kept = sum(part.stop - part.start for part in parts)
    assert kept == len(text) or any(token.lstrip or token.rstrip for token in tokens)


@given(texts_with_tokens("aB[İΣ "))
def test_text_is_lowered_one_character_at_a_time_and_not_in_tokens_that_keep_their_case(text_and_tokens):
    text, tokens = text_and_tokens
    kept = [str(token) for token in tokens]
    expected, sources, place = "", [], 0
    while place < len(text):
        token = next((token for token in kept if text.startswith(token, place)), None)
        for character in token or text[place].lower():
            expected += character
            sources.append(place)
            place += token is not None
        place += token is None
    splitter = Splitter(dict(enumerate(tokens)), kept, do_lower_case=True)
    lowered, spans = splitter.lower_with_spans(text)
    assert splitter.lower(text) == lowered == expected
    assert list(spans.starts) == sources
    assert list(spans.ends) == [source + 1 for source in sources]


@given(st.lists(st.sampled_from(["[CLS]", "[MASK]", "[X]", "the", " ", "lamp", ", ", "2,", "é", "\ufffd"]), max_size=8))
def test_ids_of_a_text_are_those_of_its_stretches_and_tokens(tokenizer, words):
    added = AlbertTokenizer(tokenizer.model, additional_special_tokens=["[X]"])
    text = "".join(words)
    ids = []
    for part in stripped(split_at_tokens(text, list(added.added.by_id.values()))):
        if isinstance(part, AddedToken):
            ids.append(added.convert_tokens_to_ids(part.content))
        else:
            ids += added.encode_lines([part])[0].tolist()
    assert added.encode_lines([text])[0].tolist() == ids
    assert added(text, return_offsets_mapping=True, add_special_tokens=False)["input_ids"] == ids


# Truncation. The tokens of a text are 0, 1, 2, …, those of a second text −1, −2, …

LENGTHS = st.integers(0, 24)


def truncated(first, second, room, strategy, side):
    """Take tokens off one by one until the texts fit; None where the text to be cut would be left without any."""
    first, second = list(first), list(second)
    end = -1 if side == "right" else 0
    was_longer = len(first) > len(second)
    while len(first) + len(second) > room:
        if strategy == "only_first":
            cut = first
        elif strategy == "only_second":
            cut = second
        elif len(first) != len(second):
            cut = first if len(first) > len(second) else second
        else:  # which of two equal texts goes first is where the slow and the fast tokenizer differ
            cut = first if strategy == "longest_first_fast" and not was_longer else second
        if not cut or (len(cut) == 1 and strategy.startswith("only")):
            return None
        cut.pop(end)
    return first, second


def rows_of(n_first, n_second, special, limits, overflowing=False):
    first = TokenizedText(list(range(n_first)))
    seconds = None if n_second is None else [TokenizedText([-1 - i for i in range(n_second)])]
    return list(make_rows([first], seconds, special, limits, overflowing))


@given(
    LENGTHS,
    LENGTHS,
    st.integers(4, 40),
    st.sampled_from(["longest_first", "longest_first_fast", "only_first", "only_second"]),
    SIDES,
    st.booleans(),
)
def test_truncated_pairs_fit_and_equal_what_a_loop_leaves(n_first, n_second, max_length, strategy, side, special):
    room = max_length - 3 * special
    limits = Limits(strategy, max_length, side, stride=0)
    ids = (100, 101) if special else None
    expected = truncated(range(n_first), [-1 - i for i in range(n_second)], room, strategy, side)
    if expected is None:
        with pytest.raises(ValueError, match="raise max_length or choose 'longest_first'"):
            rows_of(n_first, n_second, ids, limits)
        return
    (row,) = rows_of(n_first, n_second, ids, limits)
    assert (row.first.ids, row.second.ids) == expected
    assert len(row.input_ids()) == row.length() == min(max_length, n_first + n_second + 3 * special)
    names = row.sequence_ids()
    assert [i for i, name in zip(row.input_ids(), names, strict=True) if name is not None] == expected[0] + expected[1]


@given(LENGTHS, st.integers(3, 30), st.sampled_from(["longest_first", "longest_first_fast", "only_first"]), SIDES)
def test_a_truncated_text_fits_and_keeps_its_beginning_or_its_end(length, max_length, strategy, side):
    (row,) = rows_of(length, None, (100, 101), Limits(strategy, max_length, side, stride=0))
    kept = min(length, max_length - 2)
    start = 0 if side == "right" else length - kept
    assert row.input_ids() == [100, *range(start, start + kept), 101]


@given(st.integers(0, 60), LENGTHS, st.integers(4, 40), st.integers(0, 6), SIDES, st.booleans())
def test_windows_fit_and_show_every_token_in_order(length, other, max_length, stride, side, is_first):
    limits = Limits("only_first" if is_first else "only_second", max_length, side, stride)
    keep = max_length - 3 - other
    lengths = (length, other) if is_first else (other, length)
    if length > keep and keep <= stride:
        with pytest.raises(ValueError, match="max_length"):
            rows_of(*lengths, (100, 101), limits, overflowing=True)
        return
    rows = rows_of(*lengths, (100, 101), limits, overflowing=True)
    assert all(row.length() <= max_length for row in rows)
    shown = [[abs(i) - (not is_first) for i in (row.first if is_first else row.second).ids] for row in rows]
    shown = shown if side == "right" else shown[::-1]
    joined = shown[0]
    for before, after in pairwise(shown):
        assert before[len(before) - stride :] == after[:stride]
        joined = joined + after[stride:]
    assert joined == list(range(length))
    assert all(len((row.second if is_first else row.first).ids) == other for row in rows)


# Padding.

ROWS = st.lists(st.lists(st.integers(0, 249), max_size=12), min_size=1, max_size=5)


@given(ROWS, st.sampled_from(["longest", "max_length", "do_not_pad"]), st.integers(1, 16), st.integers(1, 9), SIDES)
def test_padding_adds_filling_alone_up_to_the_smallest_width_allowed(tokenizer, rows, strategy, length, multiple, side):
    options = {"padding": strategy, "max_length": length, "pad_to_multiple_of": multiple, "padding_side": side}
    offsets = [[(i, i + 1) for i in row] for row in rows]
    padded = tokenizer.pad({"input_ids": rows, "offset_mapping": offsets, "labels": list(range(len(rows)))}, **options)
    width = {"longest": max(map(len, rows)), "max_length": length, "do_not_pad": 0}[strategy]
    while width % multiple:
        width += 1
    columns = padded.input_ids, padded.attention_mask, padded.offset_mapping
    for row, ids, mask, places in zip(rows, *columns, strict=True):
        filling = max(width - len(row), 0)
        real = slice(0, len(row)) if side == "right" else slice(filling, None)
        assert ids[real] == row
        assert sum(mask) == len(row)
        assert all(mask[real])
        assert places[real] == [(i, i + 1) for i in row]
        assert len(ids) == len(mask) == len(places) == len(row) + filling
        assert sorted(ids) == sorted([*row, *[tokenizer.pad_token_id] * filling])
    assert padded.labels == list(range(len(rows)))


@given(ROWS, st.integers(1, 9), SIDES)
def test_arrays_hold_what_padded_lists_hold(tokenizer, rows, multiple, side):
    batch = {"input_ids": rows, "offset_mapping": [[(i, i + 1) for i in row] for row in rows]}
    lists = tokenizer.pad(batch, pad_to_multiple_of=multiple, padding_side=side)
    arrays = tokenizer.pad(batch, pad_to_multiple_of=multiple, padding_side=side, return_tensors="np")
    assert arrays.keys() == lists.keys()
    for name, array in arrays.items():
        assert array.reshape(len(rows), -1).tolist() == [
            [i for value in row for i in (value if isinstance(value, tuple) else (value,))] for row in lists[name]
        ]
    assert arrays.offset_mapping.shape == (*arrays.input_ids.shape, 2)
