"""The way back from the tokens of an encoding to words and characters, and the names of Hugging Face around it."""

import copy
import pickle

import pytest
from toys.texts import PROSE, SPECIAL, random_lines

from albert_np.tokenization import AlbertTokenizer

LINES = [*PROSE, *SPECIAL, *random_lines(60, seed=8)]


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers", reason="needs transformers to compare with")


def alignments(encoding, rows):
    """All that an encoding tells of its tokens, one row after the other."""
    found = []
    for row in range(rows):
        tokens = range(len(encoding["input_ids"][row]))
        words = {word for word in encoding.word_ids(row) if word is not None}
        found.append(
            {
                "words": encoding.word_ids(row),
                "texts": [encoding.token_to_sequence(row, token) for token in tokens],
                "word": [encoding.token_to_word(row, token) for token in tokens],
                "chars": [span and tuple(span) for span in (encoding.token_to_chars(row, token) for token in tokens)],
                "tokens of words": [
                    span and tuple(span)
                    for text in (0, 1)
                    for word in sorted(words)
                    for span in [encoding.word_to_tokens(row, word, text)]
                ],
                "chars of words": [
                    tuple(encoding.word_to_chars(row, word, text))
                    for text in (0, 1)
                    for word in sorted(words)
                    if encoding.word_to_tokens(row, word, text)
                ],
                "char": [encoding.char_to_token(row, char, 0) for char in range(40)],
                "word of char": [encoding.char_to_word(row, char, 0) for char in range(40)],
            }
        )
    return found


def test_live_alignment_equals_the_fast_tokenizers(tokenizer, transformers, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    firsts = ["The lamp in the harbour went out", "  A very old\tcat[MASK] ", "one, (two) three"]
    seconds = ["and nobody noticed", "", "She counted 1,204 steps"]
    for options in ({}, {"padding": True}, {"truncation": "only_first", "max_length": 20}):
        ours = alignments(tokenizer(firsts, seconds, **options), 3)
        assert ours == alignments(theirs(firsts, seconds, **options), 3), options


@pytest.mark.parametrize("side", ["right", "left"])
def test_what_is_found_out_later_equals_what_the_call_is_asked_for(tokenizer, side):
    """Windows, padding and pairs included: offsets, and words as they are when they are given as words."""
    lines = [line for line in LINES if line.strip()]
    options = {"truncation": "only_first", "max_length": 16, "stride": 3, "padding": True}
    options |= {"return_overflowing_tokens": True, "padding_side": side}
    encoding = tokenizer(lines, ["a cat"] * len(lines), return_offsets_mapping=True, **options)
    without = tokenizer(lines, ["a cat"] * len(lines), **options)
    for row, offsets in enumerate(encoding.offset_mapping):
        spans = [without.token_to_chars(row, token) for token in range(len(offsets))]
        assert [span or (0, 0) for span in spans] == offsets
        names = [None if text is None else text for text in without.sequence_ids(row)]
        assert [without.token_to_sequence(row, token) for token in range(len(offsets))] == names
        assert tokenizer.convert_tokens_to_ids(without.tokens(row)) == without.input_ids[row]


def test_words_of_a_string_are_what_white_space_sets_apart(tokenizer):
    for line in PROSE[:14]:
        words = line.split()
        plain = tokenizer(line)
        given = tokenizer(words, is_split_into_words=True)
        if plain.input_ids == given.input_ids:  # quotes at both ends of a word are joined in neither
            assert plain.word_ids() == given.word_ids(), line
    encoding = tokenizer("a [MASK][MASK] cat", add_special_tokens=False)
    assert encoding.word_ids() == [0, 1, 2, 3, 3]


def test_tokens_are_shown_with_the_special_ones_around(tokenizer):
    encoding = tokenizer(["a cat", "a"], padding=True)
    assert encoding.tokens(1) == ["[CLS]", "▁a", "[SEP]", *["<pad>"] * (len(encoding.input_ids[0]) - 3)]
    assert tokenizer("a 你").tokens() == ["[CLS]", "▁a", "▁", "你", "[SEP]"]


def test_places_that_do_not_exist_are_refused_or_none(tokenizer):
    encoding = tokenizer("a cat")
    with pytest.raises(ValueError, match="token=9: the row has"):
        encoding.token_to_chars(9)
    with pytest.raises(ValueError, match="row=1"):
        encoding.token_to_word(1, 0)
    assert encoding.token_to_chars(0) is None
    assert encoding.char_to_token(1) is None
    assert encoding.word_to_tokens(7) is None
    assert encoding.word_to_chars(0, 7) is None
    with pytest.raises(ValueError, match="given as words"):
        tokenizer(["a", "cat"], is_split_into_words=True).char_to_token(0)


def test_a_pickled_encoding_keeps_what_it_was_asked_for(tokenizer):
    encoding = tokenizer("a cat", return_offsets_mapping=True)
    other = pickle.loads(pickle.dumps(encoding))
    assert other == encoding
    assert other.sequence_ids() == encoding.sequence_ids()
    assert len(pickle.dumps(encoding)) < 2000
    for ask in (other.tokens, other.word_ids, lambda: other.token_to_chars(1)):
        with pytest.raises(ValueError, match="ask the tokenizer's call for return_offsets_mapping=True"):
            ask()
    assert copy.copy(encoding).sequence_ids() == encoding.sequence_ids()


def test_columns_are_items_attributes_and_data(tokenizer):
    encoding = tokenizer(["a", "b"])
    assert encoding.data["input_ids"] is encoding.input_ids is encoding["input_ids"]
    with pytest.raises(KeyError, match=r"encoding\['input_ids'\]\[0\]"):
        _ = encoding[0]
    with pytest.raises(KeyError, match="labels"):
        _ = encoding["labels"]


def test_an_encoding_says_how_many_texts_it_shows_and_where_it_is(tokenizer):
    single, pair, padded = tokenizer("a"), tokenizer(["a", "b"], ["c", "d"]), tokenizer.pad({"input_ids": [[5]]})
    assert [each.n_sequences for each in (single, pair, padded)] == [1, 2, None]
    assert [each.is_fast for each in (single, pair, padded)] == [True, True, False]
    assert single.to("cpu") is single
    with pytest.raises(ValueError, match="device='cuda': an encoding stays on the CPU"):
        single.to("cuda")
    with pytest.raises(AttributeError, match=r"no 'encodings'; it has input_ids, .*; ask tokens"):
        _ = single.encodings


# The tokenizer's call under its older names.


def test_older_names_of_the_call_do_what_the_call_does(tokenizer):
    pairs = [("a cat", "the lamp"), ("a", "b")]
    assert tokenizer.encode_plus("a cat", "the lamp", padding=True) == tokenizer("a cat", "the lamp", padding=True)
    assert tokenizer.batch_encode_plus(pairs, padding=True) == tokenizer(pairs, padding=True)
    assert tokenizer.batch_encode_plus(["a", "b"]) == tokenizer(["a", "b"])


def test_rows_can_be_made_of_ids(tokenizer):
    first, second = ([*tokenizer.encode_lines([text])[0].tolist()] for text in ("a cat", "the lamp"))
    for ids, row in (((first,), tokenizer("a cat")), ((first, second), tokenizer("a cat", "the lamp"))):
        assert tokenizer.build_inputs_with_special_tokens(*ids) == row.input_ids
        assert tokenizer.create_token_type_ids_from_sequences(*ids) == row.token_type_ids
        mask = tokenizer.get_special_tokens_mask(*ids)
        assert mask == tokenizer.get_special_tokens_mask(row.input_ids, already_has_special_tokens=True)
        assert sum(mask) == len(ids) + 1
        assert tokenizer.prepare_for_model(*ids) == row
    cut = tokenizer.prepare_for_model(first, second, max_length=6, truncation=True, padding="max_length")
    assert cut == tokenizer("a cat", "the lamp", max_length=6, truncation=True, padding="max_length")
    with pytest.raises(ValueError, match="is one list"):
        tokenizer.get_special_tokens_mask(first, second, already_has_special_tokens=True)


def test_tokens_join_to_text_and_unknown_ones_stay(tokenizer):
    text = "the lamp 你好 went out"
    assert tokenizer.convert_tokens_to_string(tokenizer.tokenize(text)) == text
    assert tokenizer.convert_tokens_to_string(tokenizer.tokenize("the[MASK]")) == "the[MASK]"
    ids = tokenizer.encode("the lamp")
    assert tokenizer.convert_ids_to_tokens(ids, skip_special_tokens=True) == tokenizer.tokenize("the lamp")
    assert tokenizer.tokenize("the", add_special_tokens=True) == ["[CLS]", "▁the", "[SEP]"]


def test_the_vocabulary_alone_can_be_saved(tokenizer, tmp_path):
    (path,) = tokenizer.save_vocabulary(tmp_path / "new", "my")
    assert path == str(tmp_path / "new" / "my-spiece.model")
    assert AlbertTokenizer(path).get_vocab() == tokenizer.get_vocab()


def test_lengths_and_names_that_programs_ask_for(tokenizer):
    assert (tokenizer.max_len_single_sentence, tokenizer.max_len_sentences_pair) == (510, 509)
    assert tokenizer.model_input_names == list(tokenizer("a"))
    assert tokenizer.is_fast


def test_a_row_that_is_too_long_for_the_model_is_warned_of_once(tokenizer, recwarn):
    own = AlbertTokenizer(tokenizer.model, model_max_length=5)
    own("the lamp went out", truncation=True)
    own("the lamp went out", add_special_tokens=False)
    own("a")
    assert not recwarn
    with pytest.warns(
        UserWarning, match=r"longer than the specified maximum .* \(\d+ > model_max_length=5\).*truncation=True"
    ):
        own(["a", "the lamp went out"])
    own("the lamp went out")
    AlbertTokenizer(tokenizer.model, model_max_length=10**30)("a " * 600)
    assert not recwarn


@pytest.mark.parametrize(
    "call",
    [
        lambda encoding: encoding.tokens("0"),
        lambda encoding: encoding.word_ids(1.5),
        lambda encoding: encoding.sequence_ids(None),
        lambda encoding: encoding.char_to_token("a"),
        lambda encoding: encoding.token_to_chars(None),
        lambda encoding: encoding.word_to_tokens(0, "x"),
    ],
)
def test_a_row_or_place_that_is_no_number_is_refused(tokenizer, call):
    with pytest.raises(TypeError, match="is given by its number, an integer, got"):
        call(tokenizer(["a lamp"]))


def test_rows_and_places_may_be_given_by_hugging_faces_names(tokenizer):
    encoding = tokenizer(["the lamp", "a"], ["went out", "b"])
    assert encoding.word_ids(batch_index=1) == encoding.word_ids(1)
    assert encoding.tokens(batch_index=1) == encoding.tokens(1)
    assert encoding.sequence_ids(batch_index=1) == encoding.sequence_ids(1)
    place = encoding.char_to_token(batch_or_char_index=0, char_index=1, sequence_index=1)
    assert place == encoding.char_to_token(0, 1, 1)
    assert encoding.token_to_chars(batch_or_token_index=0, token_index=place) == encoding.token_to_chars(place)
    assert encoding.word_to_tokens(batch_or_word_index=0, word_index=1) == encoding.word_to_tokens(1)
    assert encoding.char_to_word(batch_or_char_index=4) == 1
