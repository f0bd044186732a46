"""Ids, tokens and text of the tokenizer, against Hugging Face's slow AlbertTokenizer."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sentencepiece
from toys.texts import PROSE, REFERENCE, SPECIAL, random_lines, small_tokenizer

from albert_np.protobuf import read_fields, write_fields
from albert_np.tokenization import (
    AddedToken,
    AlbertTokenizer,
    Kind,
    ModelProto,
    Piece,
    SentencePieceModel,
    read_model,
    write_model,
)
from albert_np.tokenization.sentencepiece_model import TRAINER_SPEC, UNK_ID

ROWS = json.loads((REFERENCE / "ids.json").read_text(encoding="utf-8"))
LINES = [row["line"] for row in ROWS]


def ids_of(tokenizer, lines):
    return [ids.tolist() for ids in tokenizer.encode_lines(lines)]


def test_ids_equal_hugging_faces_slow_tokenizer(tokenizer):
    assert len(ROWS) > 250
    for line, ids, row in zip(LINES, ids_of(tokenizer, LINES), ROWS, strict=True):
        assert ids == row["small"], line


def test_ids_of_the_released_vocabulary_equal_hugging_faces_slow_tokenizer(released):
    for line, ids, row in zip(LINES, ids_of(released, LINES), ROWS, strict=True):
        assert ids == row["released"], line


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("In 2010, he left.", "▁in ▁2010 , ▁he ▁left ."),
        ("9,9", "▁9 , 9"),
        ("3,000,000 people", "▁3 ,000,000 ▁people"),
        ("a   [MASK].", "▁a [MASK] ▁ ."),
        ("<PAD>", "<pad>"),
        ("Ångström", "▁ ang strom"),
    ],
)
def test_known_segmentations_of_the_released_vocabulary(released, text, tokens):
    assert " ".join(released.tokenize(text)) == tokens


def test_special_ids_of_the_released_vocabulary(released):
    ids = (released.pad_token_id, released.unk_token_id, released.cls_token_id, released.sep_token_id)
    assert (*ids, released.mask_token_id) == (0, 1, 2, 3, 4)
    assert (released.vocab_size, len(released)) == (30000, 30000)
    assert sorted(released.all_special_ids) == [0, 1, 2, 3, 4]


def slow_tokenizer(folder, **options):
    """Hugging Face's slow AlbertTokenizer, where a transformers that still has it is installed."""
    transformers = pytest.importorskip("transformers", reason="needs transformers 4.57 to compare with, live")
    if int(transformers.__version__.split(".")[0]) >= 5:
        pytest.skip("transformers 5 has no slow AlbertTokenizer to compare with")
    return transformers.AlbertTokenizer(str(folder / "spiece.model"), **options)


OPTIONS = [
    {},
    {"keep_accents": True},
    {"do_lower_case": False},
    {"remove_space": False},
    {"do_lower_case": False, "keep_accents": True, "remove_space": False},
    {"additional_special_tokens": ["[ENT]", "▁the", "İx"], "mask_token": "<mask>"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_live_ids_tokens_and_text_equal_the_slow_tokenizers(options, tmp_path):
    path = tmp_path / "spiece.model"
    small = small_tokenizer(tmp_path)
    slow = slow_tokenizer(tmp_path, **options)
    if os.environ.get("ALBERT_NP_SPIECE"):
        path = os.environ["ALBERT_NP_SPIECE"]
        slow = type(slow)(path, **options)
    tokenizer = AlbertTokenizer(path, **options)
    assert len(tokenizer) == len(slow) >= len(small)
    lines = [*PROSE, *SPECIAL, *random_lines(300, seed=len(str(options))), "a [ENT]b<mask> [ent] İX ix"]
    for line, ids in zip(lines, ids_of(tokenizer, lines), strict=True):
        tokens = slow.tokenize(line)
        assert tokenizer.tokenize(line) == tokens, line
        assert ids == slow.convert_tokens_to_ids(tokens), line
        assert tokenizer.decode(ids) == slow.decode(ids), line
        assert tokenizer.decode(ids, True, True) == slow.decode(ids, True, clean_up_tokenization_spaces=True), line


@pytest.mark.parametrize("lstrip, rstrip", [(False, False), (True, False), (False, True), (True, True)])
def test_added_tokens_swallow_spaces_on_the_sides_they_say(tokenizer, lstrip, rstrip):
    token = AddedToken("[X]", lstrip=lstrip, rstrip=rstrip)
    added = AlbertTokenizer(tokenizer.model, remove_space=False, additional_special_tokens=[token])
    stretches = added.encoder.splitter.split("a  [X]  [X] b")
    expected = {
        (False, False): ["a  ", "[X]", "  ", "[X]", " b"],
        (True, False): ["a", "[X]", "[X]", " b"],
        (False, True): ["a  ", "[X]", "[X]", "b"],
        (True, True): ["a", "[X]", "[X]", "b"],
    }
    assert ["a  [X]  [X] b"[part.start : part.stop] for part in stretches] == expected[lstrip, rstrip]


def test_longest_added_token_wins(tokenizer):
    tokens = ["[a]", "[a][b]", "[a][b][c]"]
    added = AlbertTokenizer(tokenizer.model, additional_special_tokens=tokens)
    assert added.tokenize("[A][b][a][A][B][C]") == ["[a][b]", "[a]", "[a][b][c]"]


def test_token_that_normalising_spells_out_is_found_as_the_slow_tokenizer_finds_it(tokenizer):
    pieces = read_model(tokenizer.model.serialized)
    brackets = {"[", "]"}
    without = [p for p in pieces.pieces if p.kind != Kind.NORMAL or not brackets & set(p.text)]
    model = SentencePieceModel(write_model(ModelProto(without, pieces.charsmap)))
    cased = AlbertTokenizer(model, do_lower_case=False)
    assert cased.tokenize("a ［CLS］") == ["▁a", "▁", "[CLS]"]
    assert cased.encode("a ［CLS］")[-2] == cased.cls_token_id
    for line, ids in zip(LINES, ids_of(cased, LINES), strict=True):
        assert ids == cased.convert_tokens_to_ids(cased.tokenize(line)), line


def test_special_token_that_is_no_piece_gets_the_next_free_id(tokenizer):
    added = AlbertTokenizer(tokenizer.model, additional_special_tokens=["[NEW]", "[CLS]", "[MORE]"])
    size = tokenizer.vocab_size
    assert added.convert_tokens_to_ids(["[NEW]", "[CLS]", "[MORE]"]) == [size, tokenizer.cls_token_id, size + 1]
    assert (added.vocab_size, len(added)) == (size, size + 2)
    assert added.encode("a [NEW]")[-2:] == [size, added.sep_token_id]


def test_special_ids_are_read_from_the_vocabulary(tokenizer):
    pieces = read_model(tokenizer.model.serialized).pieces
    shuffled = write_model(ModelProto(pieces[5:40] + pieces[:5] + pieces[40:], b""))
    moved = AlbertTokenizer(SentencePieceModel(shuffled))
    assert [moved.pad_token_id, moved.unk_token_id, moved.cls_token_id] == [35, 36, 37]
    assert moved.encode("\ufffd") == [37, *moved.convert_tokens_to_ids(["▁"]), 36, 38]


def test_unknown_run_before_a_comma_is_cut_as_the_slow_tokenizer_does(tokenizer):
    """Without a "," piece a run of unknown characters can end in a digit and a comma: two unknown ids, not one."""
    pieces = [p for p in read_model(tokenizer.model.serialized).pieces if "," not in p.text and "7" not in p.text]
    model = SentencePieceModel(write_model(ModelProto(pieces, b"")))
    without = AlbertTokenizer(model)
    assert without.tokenize("a 7,") == ["▁a", "▁", "7", ","]
    assert without.encode_lines(["a 7,"])[0].tolist() == without.convert_tokens_to_ids(["▁a", "▁", "7", ","])


def test_encode_lines_gives_int32_ids_without_special_tokens(tokenizer):
    lines = tokenizer.encode_lines(["The lamp", "", "a"])
    assert [line.dtype for line in lines] == [np.int32] * 3
    assert [line.tolist() for line in lines] == [tokenizer.encode(t)[1:-1] for t in ("The lamp", "", "a")]


def test_a_batch_gives_the_ids_of_its_texts_alone(tokenizer):
    """Batches take another road (threads, one call, one search for special tokens)."""
    together = ids_of(tokenizer, LINES)
    assert together == [tokenizer.encode(line)[1:-1] for line in LINES]


def test_decode_joins_pieces_and_sets_special_tokens_off(tokenizer):
    ids = tokenizer.encode("The lamp went out [MASK] in May.")
    assert tokenizer.decode(ids) == "[CLS] the lamp went out[MASK] in may.[SEP]"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the lamp went out in may."
    assert tokenizer.decode(tokenizer.encode("[MASK][MASK] a [MASK]")) == "[CLS][MASK][MASK] a[MASK][SEP]"
    assert tokenizer.decode(np.array(ids[1])) == tokenizer.decode([ids[1]]) == tokenizer.decode(ids[1]) == "the"
    assert tokenizer.batch_decode(np.array([ids, ids]))[1] == tokenizer.decode(ids)


def test_clean_up_closes_spaces_before_punctuation_when_asked(tokenizer):
    ids = tokenizer.encode("the lamp , it 's out . the end !")
    assert tokenizer.decode(ids, True) == "the lamp , it 's out . the end !"
    assert tokenizer.decode(ids, True, clean_up_tokenization_spaces=True) == "the lamp, it's out. the end!"
    others = tokenizer.encode("so ? we 've , they 're , i 'm , do n't , rock ' n ' roll")
    clean = "so? we've, they're, i'm, don't, rock'n'roll"
    assert tokenizer.decode(others, True, clean_up_tokenization_spaces=True) == clean
    cleaning = AlbertTokenizer(tokenizer.model, clean_up_tokenization_spaces=True)
    assert cleaning.decode(ids, True) == "the lamp, it's out. the end!"
    assert cleaning.decode(ids, True, clean_up_tokenization_spaces=False) == "the lamp , it 's out . the end !"


@pytest.mark.parametrize("bad", [-1, 250, 10**6])
def test_id_out_of_range_is_refused(tokenizer, bad):
    with pytest.raises(ValueError, match=rf"{bad} is no token id; allowed are 0 to 249"):
        tokenizer.decode([5, bad])
    with pytest.raises(ValueError, match="no token id"):
        tokenizer.convert_ids_to_tokens(bad)


@pytest.mark.parametrize("bad", [[[1, 2]], [1.5], ["a"]])
def test_decode_refuses_what_is_no_row_of_ids(tokenizer, bad):
    with pytest.raises(ValueError, match="token_ids must be one row of integers"):
        tokenizer.decode(bad)
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("bad", ["one string", ["a", 3]])
def test_encode_lines_refuses_what_are_no_lines(tokenizer, bad):
    with pytest.raises(TypeError, match="lines"):
        tokenizer.encode_lines(bad)


def test_tokenizer_survives_pickling(tokenizer):
    """Worker processes get their copy this way."""
    assert ids_of(pickle.loads(pickle.dumps(tokenizer)), LINES) == ids_of(tokenizer, LINES)


def test_tokens_and_ids_convert_both_ways(tokenizer):
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == len(tokenizer) == 250
    assert tokenizer.convert_ids_to_tokens(list(vocabulary.values())) == list(vocabulary)
    assert tokenizer.convert_tokens_to_ids(list(vocabulary)) == list(range(250))
    assert tokenizer.convert_tokens_to_ids("no such token") == tokenizer.unk_token_id


def test_importing_the_package_does_not_import_sentencepiece():
    code = "import sys, albert_np.tokenization; sys.exit('sentencepiece' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"padding_side": "up"}, "padding_side must be one of 'right', 'left'; got 'up'"),
        ({"truncation_side": None}, "truncation_side must be one of"),
        ({"model_max_length": 0}, "model_max_length must be at least 1, got 0"),
        ({"additional_special_tokens": [""]}, "not empty"),
        ({"additional_special_tokens": "[X]"}, r"additional_special_tokens must be a list .*, got '\[X\]'"),
        ({"additional_special_tokens": ["\ud800"]}, "without surrogates"),
        ({"do_lower_case": "false"}, "do_lower_case must be True or False, got 'false'"),
        ({"clean_up_tokenization_spaces": 1}, "clean_up_tokenization_spaces must be True or False, got 1"),
        ({"extra_special_tokens": {"decode": "[X]"}}, "'decode' cannot be the name of a token"),
        ({"added_tokens": {300: AddedToken("lamp")}}, "'lamp' has the id 300, and no token has 250"),
        ({"added_tokens": {250: AddedToken("▁the")}}, "'▁the' cannot have the id 250: it is the piece"),
        ({"added_tokens": {3: AddedToken("[Y]")}}, r"'\[SEP\]' is the piece 3, whose id the added token '\[Y\]' has"),
        ({"added_tokens": {250: AddedToken("a"), 251: AddedToken("a")}}, "(it is the piece|the same token)"),
    ],
)
def test_bad_option_is_refused(tokenizer, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        AlbertTokenizer(tokenizer.model, **options)


def test_kinds_survive_writing_and_reading_a_model():
    pieces = [Piece("<unk>", 0.0, Kind.UNKNOWN), Piece("▁", -2.5, Kind.NORMAL), Piece("é–", 0.0, Kind.USER_DEFINED)]
    model = ModelProto(pieces, bytes(range(256)) * 3)
    assert read_model(write_model(model)) == model


def test_written_model_tells_the_id_of_the_unknown_piece():
    """The sentencepiece library finds it by its kind; converters of other projects read this field."""
    pieces = [Piece("<pad>", 0.0, Kind.CONTROL), Piece("<unk>", 0.0, Kind.UNKNOWN), Piece("▁", -1.0, Kind.NORMAL)]
    fields = dict(read_fields(write_model(ModelProto(pieces, b""))))
    assert dict(read_fields(fields[TRAINER_SPEC]))[UNK_ID] == 1


def test_a_piece_that_is_not_utf8_is_damage_of_the_file(tokenizer, tmp_path):
    piece = write_fields([(1, b"\xff"), (2, -1.0)])
    path = tmp_path / "spiece.model"
    path.write_bytes(tokenizer.model.serialized + write_fields([(1, piece)]))
    with pytest.raises(
        ValueError, match=r"spiece\.model' is not a SentencePiece model \(or it is damaged\): 'utf-8'"
    ) as e:
        AlbertTokenizer(path)
    assert type(e.value) is ValueError


def test_damaged_model_bytes_are_refused(tokenizer):
    with pytest.raises(ValueError, match="damaged SentencePiece model"):
        read_model(tokenizer.model.serialized[:-1])


SAMPLING = {"enable_sampling": True, "alpha": 0.1, "nbest_size": -1}


def test_sampling_draws_one_of_the_ways_to_cut_a_text(tokenizer, tmp_path):
    own = AlbertTokenizer(tokenizer.model, sp_model_kwargs=SAMPLING)
    own.save_pretrained(tmp_path)
    text = "the lamp went out in the harbour, 2010, [MASK] again"
    (known,) = tokenizer([text], return_offsets_mapping=True).offset_mapping
    for each in (own, pickle.loads(pickle.dumps(own)), AlbertTokenizer.from_pretrained(tmp_path)):
        assert each.sp_model_kwargs == SAMPLING
        drawn = {tuple(each.encode(text)) for _ in range(8)}
        assert len(drawn) > 1
        assert {each.decode(ids) for ids in drawn} == {tokenizer.decode(tokenizer.encode(text))}
        assert len({tuple(each.tokenize(text)) for _ in range(8)}) > 1
        encoding = each(text, return_offsets_mapping=True)
        starts, ends = zip(*encoding.offset_mapping, strict=True)
        assert (min(starts), max(ends)) == (0, len(text)) == (min(known)[0], max(end for _, end in known))
        with pytest.raises(ValueError, match="drawn"):
            encoding.tokens()
    own.sp_model_kwargs = {"enable_sampling": False}
    assert own.encode(text) == tokenizer.encode(text)


def test_a_seed_fixes_what_is_drawn(tokenizer):
    own = AlbertTokenizer(tokenizer.model, sp_model_kwargs=SAMPLING)
    drawn = []
    for _ in range(2):
        sentencepiece.set_random_generator_seed(7)
        drawn.append([own([*PROSE]).input_ids for _ in range(2)])
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]
