"""Copies of a tokenizer and of what a call returns: the same answers, nothing shared that can be changed."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from toys.texts import PROSE, SPECIAL, random_lines

from albert_np.tokenization import AddedToken, AlbertTokenizer, SentencePieceModel

LINES = [*PROSE, *SPECIAL, *random_lines(100, seed=3), "a [ENT] lamp LAMP [M]  b"]
WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}


@pytest.fixture(params=["plain", "added"])
def original(tokenizer, request):
    if request.param == "plain":
        return AlbertTokenizer(tokenizer.model)
    return AlbertTokenizer(
        tokenizer.model,
        do_lower_case=False,
        mask_token=AddedToken("[M]", rstrip=True),
        additional_special_tokens=["[ENT]"],
        added_tokens={250: AddedToken("lamp", normalized=True, special=False)},
        padding_side="left",
        truncation_side="left",
        model_max_length=64,
    )


def answers(tokenizer):
    options = {"padding": True, "truncation": True, "return_offsets_mapping": True, "return_special_tokens_mask": True}
    ids = tokenizer(LINES).input_ids
    return tokenizer(LINES, **options), [tokenizer.decode(row) for row in ids], tokenizer.get_vocab(), repr(tokenizer)


@pytest.mark.parametrize("way", WAYS)
def test_copy_of_a_tokenizer_answers_as_the_original(original, way):
    assert answers(WAYS[way](original)) == answers(original)


@pytest.mark.parametrize("way", WAYS)
def test_copy_of_a_tokenizer_is_independent_of_the_original(original, way):
    before = answers(original)
    other = WAYS[way](original)
    assert other.model is other.encoder.model is not original.model
    other.padding_side, other.truncation_side, other.model_max_length = "right", "right", 5
    other.additional_special_tokens = ["[NEW]"]
    other.keep_accents = True
    other.do_lower_case = True
    other.add_tokens(["a", "old cat"])
    other.added.ids.clear()
    assert answers(original) == before


def test_tokenizer_and_its_answers_cross_into_a_process_that_starts_anew(original):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        theirs = pool.submit(original, LINES, padding=True, return_tensors="np").result()
        vocabulary = pool.submit(original.get_vocab).result()
    ours = original(LINES, padding=True, return_tensors="np")
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(theirs[name], ours[name]) for name in ours)
    assert [theirs.sequence_ids(i) for i in range(len(LINES))] == [ours.sequence_ids(i) for i in range(len(LINES))]
    assert vocabulary == original.get_vocab()


def test_a_copied_model_holds_the_vocabulary_once(tokenizer):
    model = SentencePieceModel(tokenizer.model.serialized)
    _ = model.piece_ids, model.reserved
    assert len(pickle.dumps(model)) < len(model.serialized) + 200
    assert copy.deepcopy(model).pieces == model.pieces


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tensors", [None, "np"])
def test_copy_of_an_encoding_is_independent_of_the_original(original, way, tensors):
    words = [line.split() for line in LINES]
    encoding = original(words, is_split_into_words=True, padding=True, return_tensors=tensors)
    other = WAYS[way](encoding)
    assert type(other) is type(encoding)
    assert [other.word_ids(i) for i in range(len(LINES))] == [encoding.word_ids(i) for i in range(len(LINES))]
    first = encoding.input_ids[0][0]
    other.input_ids[0][0] = first + 1
    assert encoding.input_ids[0][0] == first


def test_changing_the_ids_of_an_encoding_does_not_change_where_they_came_from(tokenizer):
    encoding = tokenizer("the lamp", add_special_tokens=False)
    names = encoding.sequence_ids()
    encoding.input_ids.append(1)
    assert encoding.sequence_ids() == names
