"""Calling the tokenizer: pairs, padding, truncation, windows, words, offsets, errors."""

import copy
import json
import math
import pickle
import random
import re
import time

import numpy as np
import pytest
from toys.texts import PROSE, REFERENCE, SPECIAL, random_lines

from albert_np.tokenization import AlbertTokenizer
from albert_np.tokenization.arguments import DEFAULTS
from albert_np.tokenization.batch import Limits, fast_shares, slow_shares, windows

CALLS = json.loads((REFERENCE / "calls.json").read_text(encoding="utf-8"))


def as_lists(encoding):
    """Tuples to lists, as JSON has them."""
    return json.loads(json.dumps(encoding))


@pytest.mark.parametrize("call", [c for c in CALLS if c["oracle"] == "slow"], ids=lambda c: json.dumps(c["options"]))
def test_call_equals_hugging_faces_slow_tokenizer(tokenizer, call):
    assert as_lists(tokenizer(call["text"], call["text_pair"], **call["options"])) == call["answer"]


@pytest.mark.parametrize("call", [c for c in CALLS if c["oracle"] == "fast"], ids=lambda c: json.dumps(c["options"]))
def test_windows_offsets_and_words_equal_hugging_faces_fast_tokenizer(tokenizer, call):
    encoding = tokenizer(call["text"], call["text_pair"], **call["options"])
    answer = call["answer"]
    assert encoding.keys() == answer.keys()
    for name, value in as_lists(encoding).items():
        if name == "offset_mapping":
            continue
        assert value == answer[name], name
    quotes = "''" in json.dumps([call["text"], call["text_pair"]])  # the fast one loses half of ``…''
    assert quotes or as_lists(encoding["offset_mapping"]) == answer["offset_mapping"]
    for i, words in enumerate(call.get("word_ids", [])):
        assert encoding.word_ids(i) == words


def test_pair_gets_special_tokens_types_and_mask(tokenizer):
    encoding = tokenizer("A cat", "the lamp", return_special_tokens_mask=True)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    first, second = tokenizer.encode("A cat")[1:-1], tokenizer.encode("the lamp")[1:-1]
    assert encoding.input_ids == [cls, *first, sep, *second, sep]
    assert encoding.token_type_ids == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    assert encoding.special_tokens_mask == [1, *[0] * len(first), 1, *[0] * len(second), 1]
    assert encoding.sequence_ids() == [None, *[0] * len(first), None, *[1] * len(second), None]
    assert encoding.attention_mask == [1] * len(encoding.input_ids)


def test_token_type_ids_come_back_unless_refused(tokenizer):
    assert list(tokenizer("a")) == ["input_ids", "token_type_ids", "attention_mask"]
    assert list(tokenizer("a", return_token_type_ids=False, return_attention_mask=False)) == ["input_ids"]


def test_a_list_of_pairs_is_a_batch_of_pairs(tokenizer):
    pairs = [("A cat", "the lamp"), ("one", "two")]
    assert tokenizer(pairs) == tokenizer(["A cat", "one"], ["the lamp", "two"])


def test_windows_over_pairs_are_those_of_hugging_faces_fast_tokenizer():
    """Texts of 5 and 4 tokens, 3 and 3 of them in a window (tokenizers 0.22, strategy longest_first, stride 1)."""
    own = windows(5, 4, 3, Limits("longest_first_fast", 9, "right", 1))
    first, second = [0, 1, 2, 3, 4], [0, 1, 2, 3]
    assert [(first[a], second[b]) for a, b in own] == [
        ([0, 1, 2], [0, 1, 2]),
        ([2, 3, 4], [0, 1, 2]),
        ([2, 3, 4], [2, 3]),
        ([0, 1, 2], [2, 3]),
    ]
    left = windows(5, 1, 0, Limits("longest_first", 4, "left", 0))
    assert [(first[a], second[:1][b]) for a, b in left] == [([2, 3, 4], [0]), ([0, 1], [0])]


def test_windows_over_a_pair_show_every_token_beside_its_text(tokenizer):
    options = {"truncation": True, "max_length": 9, "return_overflowing_tokens": True}
    encoding = tokenizer(["a", "the lamp went out in the harbour"], ["b", "one two three four five"], **options)
    assert encoding.input_ids[0] == tokenizer.encode("a", "b")
    assert encoding.input_ids[1] == tokenizer.encode(
        "the lamp went out in the harbour", "one two three four five", truncation=True, max_length=9
    )
    assert {*encoding.overflow_to_sample_mapping[1:]} == {1}
    for which, text in ((0, "the lamp went out in the harbour"), (1, "one two three four five")):
        shown = {
            token
            for row, ids in enumerate(encoding.input_ids)
            for token, part in zip(ids, encoding.sequence_ids(row), strict=True)
            if part == which
        }
        assert shown >= {*tokenizer.encode(text, add_special_tokens=False)}


def test_a_batch_may_mix_texts_and_pairs(tokenizer):
    batch = ["A cat", ("the lamp", "went out in the harbour"), "one", ("", "two")]
    for options in ({}, {"truncation": True, "max_length": 8}, {"truncation": "only_first", "max_length": 40}):
        alone = [tokenizer(*([entry] if isinstance(entry, str) else entry), **options) for entry in batch]
        assert tokenizer.pad(alone) == tokenizer(batch, padding=True, **options), options
    with pytest.raises(ValueError, match="needs a second text to cut"):
        tokenizer(["the lamp went out", ("a", "b")], truncation="only_second", max_length=5)


def test_words_may_come_in_pairs(tokenizer):
    first, second = ["A", "very", "old", "cat"], ["the", "lamp"]
    expected = tokenizer(first, second, is_split_into_words=True)
    batch = tokenizer([(first, second), first, [second, first]], is_split_into_words=True)
    assert [batch.input_ids[0], batch.token_type_ids[0]] == [expected.input_ids, expected.token_type_ids]
    assert batch.input_ids[1] == tokenizer(first, is_split_into_words=True).input_ids
    assert batch.word_ids(0) == expected.word_ids()
    assert batch.input_ids[2] == tokenizer(second, first, is_split_into_words=True).input_ids


def test_none_stands_for_the_default_of_every_option(tokenizer):
    texts = ["A cat", "the lamp went out"]
    assert tokenizer(texts, **dict.fromkeys(DEFAULTS)) == tokenizer(texts)
    for name in DEFAULTS:
        options = {"padding": True} if name != "padding" else {}
        assert tokenizer(texts, **{**options, name: None}) == tokenizer(texts, **options), name
    encoding = tokenizer("A cat")
    assert tokenizer.pad(encoding, None, None, None, None, None, None) == tokenizer.pad(encoding)


def test_a_row_of_special_tokens_alone_needs_no_more_room(tokenizer):
    specials = tokenizer.build_inputs_with_special_tokens([])
    assert tokenizer("", truncation=True, max_length=2).input_ids == specials
    assert tokenizer(["", ""], ["", ""], truncation=True, max_length=3).input_ids == [[*specials, specials[1]]] * 2
    for text, length in (("a", 2), ("", 1)):
        with pytest.raises(ValueError, match=f"max_length={length} leaves no room beside 2 special tokens"):
            tokenizer(text, truncation=True, max_length=length)


def test_arrays_equal_the_padded_lists(tokenizer):
    texts = ["A cat", "the lamp went out in the harbour", ""]
    options = {"padding": True, "return_special_tokens_mask": True, "return_offsets_mapping": True}
    for side in ("right", "left"):
        lists = tokenizer(texts, **options, padding_side=side)
        arrays = tokenizer(texts, **options, padding_side=side, return_tensors="np")
        assert arrays.keys() == lists.keys()
        for name, array in arrays.items():
            assert array.dtype == np.int64
            assert np.array_equal(array, lists[name]), (side, name)
    assert arrays.offset_mapping.shape == (*arrays.input_ids.shape, 2)


def test_a_single_text_as_array_has_a_batch_axis(tokenizer):
    assert tokenizer("A cat", return_tensors="np").input_ids.shape == (1, len(tokenizer.encode("A cat")))


def test_an_empty_batch_gives_empty_columns(tokenizer):
    assert tokenizer([]) == {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    assert tokenizer([], return_tensors="np", padding=True).input_ids.shape == (0, 0)


def test_length_counts_tokens_without_padding(tokenizer):
    encoding = tokenizer(["A cat", "a"], padding=True, return_length=True)
    assert encoding.length == [sum(mask) for mask in encoding.attention_mask]
    assert tokenizer("a", padding="max_length", max_length=9, return_length=True).length == 3


@pytest.mark.parametrize("side", ["right", "left"])
def test_windows_cover_the_text_and_overlap_by_the_stride(tokenizer, side):
    tokenizer = AlbertTokenizer(tokenizer.model, truncation_side=side)
    text = " ".join(PROSE[:6])
    whole = tokenizer.encode(text)[1:-1]
    encoding = tokenizer(
        ["a", text],
        max_length=32,
        truncation=True,
        stride=7,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    samples = encoding.overflow_to_sample_mapping
    rows = [row[1:-1] for row, sample in zip(encoding.input_ids, samples, strict=True) if sample == 1]
    assert samples == [0] + [1] * len(rows)
    assert all(len(row) == 30 for row in rows[:-1])
    assert len(rows) == math.ceil((len(whole) - 7) / (30 - 7))
    rows = rows if side == "right" else rows[::-1]
    joined = rows[0]
    for row in rows[1:]:
        assert joined[-7:] == row[:7]
        joined = joined + row[7:]
    assert joined == whole


@pytest.mark.parametrize("side", ["right", "left"])
def test_no_window_repeats_what_the_one_before_shows(side):
    for length in range(8, 60):
        cuts = [first for first, _ in windows(length, None, 2, Limits("only_first", 9, side, 3))]
        rows = [list(range(length))[cut] for cut in cuts]
        assert len(rows) == math.ceil((length - 3) / 4)
        assert sorted({token for row in rows for token in row}) == list(range(length))


def test_longest_first_shares_fit_the_room_exactly():
    for first in range(13):
        for second in range(13):
            for room in range(1, first + second):
                for share in (slow_shares, fast_shares):
                    kept = share(first, second, room)
                    assert sum(kept) == room
                    assert 0 <= kept[0] <= first
                    assert 0 <= kept[1] <= second
    assert (slow_shares(2, 2, 3), fast_shares(2, 2, 3)) == ((2, 1), (1, 2))


def test_truncation_side_says_which_end_is_cut(tokenizer):
    left = AlbertTokenizer(tokenizer.model, truncation_side="left")
    texts = "the lamp went out in the harbour", "a very old cat"
    whole = [tokenizer.encode(text)[1:-1] for text in texts]
    for side, each in (("right", tokenizer), ("left", left)):
        encoding = each(*texts, max_length=9, truncation=True)
        for text, ids in enumerate(whole):
            kept = [i for i, s in zip(encoding.input_ids, encoding.sequence_ids(), strict=True) if s == text]
            assert kept == (ids[: len(kept)] if side == "right" else ids[-len(kept) :])


def test_longest_first_fast_rounds_the_other_way(tokenizer):
    text = "a a", "a a"
    slow = tokenizer(*text, max_length=6, truncation=True).token_type_ids
    fast = tokenizer(*text, max_length=6, truncation="longest_first_fast").token_type_ids
    assert (sum(slow), sum(fast)) == (2, 3)


def test_words_keep_their_numbers_through_truncation_and_padding(tokenizer):
    words = [["harbour", "", "A", "lamp"], ["cat"]]
    encoding = tokenizer(words, is_split_into_words=True, padding=True, truncation=True, max_length=8)
    for row, ids in enumerate(encoding.input_ids):
        numbers = encoding.word_ids(row)
        assert len(numbers) == len(ids)
        for number in {n for n in numbers if n is not None}:
            own = [i for i, n in zip(ids, numbers, strict=True) if n == number]
            word = tokenizer.encode(words[row][number])[1:-1]
            assert own == word[: len(own)]
        specials = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id}
        assert [n is None for n in numbers] == [i in specials for i in ids]


def spelled(tokenizer, text):
    """What a stretch of source text looks like in pieces, without spaces."""
    return "".join(tokenizer.tokenize(text)).replace("▁", "")


def test_offsets_point_at_the_source_of_every_token(tokenizer):
    lines = [*PROSE, *SPECIAL, *random_lines(300, seed=5)]
    checked = 0
    for line, offsets in zip(lines, tokenizer(lines, return_offsets_mapping=True).offset_mapping, strict=True):
        tokens = tokenizer.tokenize(line)
        assert len(tokens) == len(offsets) - 2
        for token, (start, end) in zip(tokens, offsets[1:-1], strict=True):
            assert 0 <= start < end <= len(line)
            if token in tokenizer.all_special_tokens:
                assert line[start:end].lower() == token.lower()
            elif token.strip("▁"):
                assert token.strip("▁") in spelled(tokenizer, line[start:end]), (line, token)
                checked += 1
    assert checked > 4000


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("  A\t cat ", [("▁a", "A"), ("▁ca", "ca"), ("t", "t")]),
        ("``a''", [("▁", "``"), ('"', "``"), ("a", "a"), ('"', "''")]),
        ("cafe\u0301", [("▁cafe", "cafe")]),
        ("é", [("▁", "é"), ("e", "é")]),
        ("ﬁ", [("▁", "ﬁ"), ("f", "ﬁ"), ("i", "ﬁ")]),
        ("İ a", [("▁i", "İ"), ("▁a", "a")]),
        ("a [MASK]", [("▁a", "a"), ("[MASK]", "[MASK]")]),
        ("the 9,2", [("▁the", "the"), ("▁", "9"), ("9", "9"), (",", ","), ("2", "2")]),
        ("a\x01\x02 ca", [("▁a", "a"), ("▁ca", "ca")]),
    ],
)
def test_offsets_through_each_step_of_normalisation(tokenizer, text, tokens):
    encoding = tokenizer(text, return_offsets_mapping=True)
    places = [text[start:end] for start, end in encoding.offset_mapping[1:-1]]
    assert list(zip(tokenizer.tokenize(text), places, strict=True)) == tokens


def test_offsets_through_an_added_token_that_keeps_its_case(tokenizer):
    added = AlbertTokenizer(tokenizer.model, additional_special_tokens=["[İİ]"])
    encoding = added("İ[İİ]a", return_offsets_mapping=True)
    assert encoding.offset_mapping[-3:-1] == [(1, 5), (5, 6)]


def test_asking_for_offsets_does_not_change_the_ids(tokenizer):
    lines = [*PROSE, *SPECIAL, *random_lines(200, seed=6)]
    assert tokenizer(lines, return_offsets_mapping=True).input_ids == tokenizer(lines).input_ids


def test_pad_fills_single_encodings_up_to_a_batch(tokenizer):
    texts = ["A cat", "the lamp went out"]
    padded = tokenizer.pad([tokenizer(text) for text in texts], return_tensors="np")
    batch = tokenizer(texts, padding=True, return_tensors="np")
    assert padded.keys() == batch.keys()
    assert all(np.array_equal(padded[name], batch[name]) for name in batch)


def test_pad_keeps_what_it_does_not_know_and_makes_a_mask(tokenizer):
    padded = tokenizer.pad({"input_ids": [[2, 5, 3], [2, 3]], "labels": [1, 0]}, pad_to_multiple_of=4)
    assert padded == {
        "input_ids": [[2, 5, 3, 0], [2, 3, 0, 0]],
        "labels": [1, 0],
        "attention_mask": [[1, 1, 1, 0], [1, 1, 0, 0]],
    }
    single = tokenizer.pad({"input_ids": np.array([2, 3])}, padding="max_length", max_length=3, padding_side="left")
    assert single == {"input_ids": [0, 2, 3], "attention_mask": [0, 1, 1]}


def test_encoding_reads_by_name_and_by_attribute_and_can_be_copied(tokenizer):
    encoding = tokenizer(["A cat", "a"], padding=True, return_tensors="np")
    assert encoding.input_ids is encoding["input_ids"]
    with pytest.raises(AttributeError, match="no 'labels'; it has input_ids, token_type_ids, attention_mask"):
        _ = encoding.labels
    for other in (copy.copy(encoding), copy.deepcopy(encoding), pickle.loads(pickle.dumps(encoding))):
        assert other.sequence_ids(1) == encoding.sequence_ids(1)
    assert "input_ids: int64 array of shape (2, " in repr(encoding)


def test_word_ids_and_sequence_ids_say_when_they_cannot_be_told(tokenizer):
    with pytest.raises(ValueError, match="this encoding does not know its texts"):
        pickle.loads(pickle.dumps(tokenizer("a"))).word_ids()
    with pytest.raises(ValueError, match="row=3"):
        tokenizer("a").sequence_ids(3)


LONG = "the lamp went out " * 5
BAD_CALLS = [
    (TypeError, r"text must be a string or a list of strings, got int", 3, {}),
    (TypeError, r"text\[1\] must be a string, got int", ["a", 3], {}),
    (TypeError, r"text\[1\] must be a string or a pair of strings, got tuple", ["c", ("a", "b", "c")], {}),
    (TypeError, r"text\[0\] must be a string or a pair of strings, got tuple", [("a", 3)], {}),
    (ValueError, r"text is no Unicode text: the lone surrogate '\\ud800' at place 1", "a\ud800", {}),
    (ValueError, r"text\[1\] is no Unicode text", ["a", "\udfff"], {}),
    (ValueError, r"text_pair is no Unicode text", "a", {"text_pair": "\ud800"}),
    (ValueError, r"text\[1\]\[0\] is no Unicode", [["a"], ["\ud800"]], {"is_split_into_words": True}),
    (TypeError, "return_attention_mask must be True or False, got 'no'", "a", {"return_attention_mask": "no"}),
    (TypeError, "'text_target' is no option of a tokenizer's call", "a", {"text_target": "b"}),
    (TypeError, r"text must be a list of words", "a b", {"is_split_into_words": True}),
    (TypeError, r"text\[1\] must be a list of words", [["a"], "b"], {"is_split_into_words": True}),
    (TypeError, "both be single texts or both be batches", ["a"], {"text_pair": "b"}),
    (ValueError, "text has 1 entries and text_pair 2", ["a"], {"text_pair": ["b", "c"]}),
    (ValueError, "padding must be one of 'do_not_pad', 'longest', 'max_length'; got 'all'", "a", {"padding": "all"}),
    (ValueError, "truncation must be one of .*'only_second'; got 'x'", "a", {"truncation": "x"}),
    (ValueError, "max_length must be at least 1, got 0", "a", {"max_length": 0}),
    (TypeError, "max_length must be an integer, got 2.5", "a", {"max_length": 2.5}),
    (ValueError, "stride must be at least 0, got -1", "a", {"stride": -1}),
    (ValueError, "pad_to_multiple_of must be at least 1", "a", {"pad_to_multiple_of": 0}),
    (ValueError, "padding_side must be one of", "a", {"padding_side": "top"}),
    (ValueError, "return_tensors must be 'np' or None, got 'pt': torch.from_numpy", "a", {"return_tensors": "pt"}),
    (ValueError, "max_length=2 leaves no room beside 2 special", "a", {"truncation": True, "max_length": 2}),
    (ValueError, "needs a second text", "a", {"truncation": "only_second"}),
    (
        ValueError,
        "max_length=12 is no multiple of pad_to_multiple_of=8",
        "a",
        {"truncation": True, "max_length": 12, "padding": True, "pad_to_multiple_of": 8},
    ),
    (
        ValueError,
        "all 1 tokens of the text and .* more would have to go",
        "a",
        {"text_pair": LONG, "truncation": "only_first", "max_length": 8},
    ),
    (
        ValueError,
        "stride=9 must be less than the 6 tokens",
        LONG,
        {"truncation": True, "max_length": 8, "stride": 9, "return_overflowing_tokens": True},
    ),
    (
        ValueError,
        "max_length=4 leaves one text of a pair no room for its windows",
        LONG,
        {"text_pair": LONG, "truncation": True, "max_length": 4, "return_overflowing_tokens": True},
    ),
    (TypeError, "'pad_to_max_length' is no option .*; write padding='max_length'", "a", {"pad_to_max_length": True}),
    (TypeError, "'verbose' is no option of a tokenizer's call; leave it out", "a", {"verbose": False}),
    (TypeError, "'pading' is no option .*these are: add_special_tokens, padding", "a", {"pading": True}),
    (TypeError, r"text\[1\] must be a string, got NoneType", ["a", None], {}),
    (TypeError, r"text\[0\] must be a string, got float", [float("nan"), "a"], {}),
    (ValueError, "needs rows of one length.*3 to 4 tokens; ask for padding", ["a", "a a"], {"return_tensors": "np"}),
]


@pytest.mark.parametrize("error, message, text, options", BAD_CALLS, ids=[case[1] for case in BAD_CALLS])
def test_bad_call_is_refused(tokenizer, error, message, text, options):
    with pytest.raises(error, match=message):
        tokenizer(text, **options)


def test_what_is_no_token_is_refused(tokenizer):
    with pytest.raises(TypeError, match="tokens must be a string or a list of strings, got 5"):
        tokenizer.convert_tokens_to_ids(5)
    for ids in ("1", 1.0, None):
        with pytest.raises(TypeError, match="ids must be an integer or a list of integers"):
            tokenizer.convert_ids_to_tokens(ids)
    for ids in (["1"], [1.5], [None]):
        with pytest.raises(TypeError, match="a token id is an integer, got"):
            tokenizer.convert_ids_to_tokens(ids)
    for ids in ("x", ["x"], [1.0], 5):
        with pytest.raises(TypeError, match="row 0 of 'input_ids' must be a list of integers"):
            tokenizer.pad([{"input_ids": ids}])
    assert tokenizer.convert_ids_to_tokens(np.array([0, 1])) == ["<pad>", "<unk>"]
    for call in (
        lambda: tokenizer.build_inputs_with_special_tokens("a"),
        lambda: tokenizer.build_inputs_with_special_tokens([5], ["a"]),
        lambda: tokenizer.get_special_tokens_mask(5),
        lambda: tokenizer.prepare_for_model(["a"]),
        lambda: tokenizer.num_special_tokens_to_add("pair"),
        lambda: tokenizer.convert_tokens_to_string("a"),
        lambda: tokenizer.convert_tokens_to_string([5]),
        lambda: tokenizer.batch_encode_plus("a"),
        lambda: tokenizer.batch_decode(5),
    ):
        with pytest.raises(TypeError, match=r"must be |an integer, got"):
            call()
    with pytest.raises(TypeError, match="special_tokens_dict must be a dict role → token, got 'x'"):
        tokenizer.add_special_tokens("x")


def test_padding_to_a_length_that_is_not_set_is_refused(tokenizer):
    unbounded = AlbertTokenizer(tokenizer.model, model_max_length=10**30)
    with pytest.raises(ValueError, match="needs max_length"):
        unbounded("a", padding="max_length")


@pytest.mark.parametrize(
    "error, message, bad",
    [
        (ValueError, "must hold 'input_ids'", {"labels": [1]}),
        (ValueError, "must hold 'input_ids'", []),
        (ValueError, "differ in their number of rows", {"input_ids": [[1], [2]], "attention_mask": [[1]]}),
        (TypeError, r"\[0\] must be an encoding with names, got list", [[1, 2], [3]]),
        (
            ValueError,
            r"\[1\] has input_ids, and .*\[0\] input_ids, labels",
            [{"input_ids": [1], "labels": 0}, {"input_ids": [2]}],
        ),
        (
            ValueError,
            "row 1 of 'token_type_ids' must have 2 entries, one a token; got 1",
            {"input_ids": [[1], [2, 3]], "token_type_ids": [[0], [0]]},
        ),
    ],
)
def test_pad_refuses_what_is_no_encoding(tokenizer, error, message, bad):
    with pytest.raises(error, match="encoded_inputs.*" + message):
        tokenizer.pad(bad)


def test_pad_says_which_other_column_is_ragged(tokenizer):
    ragged = {"input_ids": [[2, 5, 3], [2, 3]], "labels": [[-100, 1, -100], [-100, -100]]}
    assert tokenizer.pad(ragged).labels == ragged["labels"]
    for labels in (ragged["labels"], [[1, 2], 3]):
        with pytest.raises(ValueError, match=r"rows of 'labels' differ in length.*\(labels with -100\)"):
            tokenizer.pad({**ragged, "labels": labels}, return_tensors="np")
    ragged["labels"][1].append(-100)
    assert tokenizer.pad(ragged, return_tensors="np").labels.tolist() == ragged["labels"]


@pytest.mark.parametrize("text", ["''", "``a", "a  ", "é", "[MASK] ", "ﬁ,2,"])
def test_offsets_of_long_texts_are_found_in_linear_time(tokenizer, text):
    """64 times the text takes about 64 times as long; a search from the start for each token would take 4,096 times."""

    def seconds(times):
        start = time.process_time()
        tokenizer(text * times, return_offsets_mapping=True, add_special_tokens=False)
        return time.process_time() - start

    seconds(100)
    assert seconds(64000) < 400 * max(min(seconds(1000) for _ in range(3)), 0.002)


def random_options(rng):
    """Options of a call that the fast tokenizer of transformers takes and rounds as `longest_first_fast` does."""
    every = {
        "padding": [True, False, "longest", "max_length"],
        "truncation": [False, "longest_first", "only_first"],
        "max_length": [None, 9, 17, 40],
        "add_special_tokens": [True, False],
        "return_special_tokens_mask": [True, False],
        "return_attention_mask": [True, False, None],
        "pad_to_multiple_of": [None, 8],
        "padding_side": ["left", "right"],
    }
    return {name: rng.choice(values) for name, values in every.items() if rng.random() < 0.5}


@pytest.mark.filterwarnings("ignore:`max_length` is ignored")
def test_live_random_calls_equal_the_fast_tokenizers(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers to compare with, live")
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [line for line in PROSE[:14] if not re.search(r"``|\d,", line)] + ["a", "[CLS] the [SEP]", "a 2010,"]
    rng = random.Random(0)
    compared = 0
    for _ in range(300):
        options = random_options(rng)
        several = rng.randint(1, 3) if rng.random() < 0.5 else 0
        first, second = (
            [rng.choice(texts) for _ in range(several)] if several else rng.choice(texts) for _ in range(2)
        )
        pair = second if rng.random() < 0.5 else None
        cut = options.get("truncation", bool(options.get("max_length")) and not options.get("padding"))
        rounded = "longest_first_fast" if cut in (True, "longest_first") else cut
        try:
            answer = as_lists(tokenizer(first, pair, **{**options, "truncation": rounded}))
        except ValueError:  # too short for the text: they leave it longer, or without tokens
            continue
        expected = as_lists(dict(theirs(first, pair, return_token_type_ids=True, **options)))
        if not options.get("add_special_tokens", True):  # they number texts, as slow ones do not
            del expected["token_type_ids"], answer["token_type_ids"]
        assert answer == expected, (first, pair, options)
        compared += 1
    assert compared > 200
