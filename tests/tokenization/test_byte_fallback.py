"""Vocabularies that cut unknown characters into bytes, and those with the "▁" of a word behind it."""

import json

import pytest
from toys.texts import PROSE, charsmap, random_lines

from albert_np.tokenization import (
    AlbertTokenizer,
    Kind,
    ModelProto,
    Piece,
    SentencePieceModel,
    Unigram,
    read_model,
    write_model,
)

BYTES = [Piece(f"<0x{byte:02X}>", 0.0, Kind.BYTE) for byte in range(256)]
SPECIAL = [Piece("<pad>", 0.0, Kind.CONTROL), Piece("<unk>", 0.0, Kind.UNKNOWN)]
SPECIAL += [Piece(text, 0.0, Kind.CONTROL) for text in ("[CLS]", "[SEP]", "[MASK]")]
LINES = [
    "你 the cat é🙂 x",
    "the cat",
    "a你好b [MASK] zz",
    "2010, 你",
    "",
    " ",
    "你",
    "[CLS]你[SEP] 🙂🙂",
    "<0xE4> <0x41>",
]
LINES += PROSE[:16] + [line for line in random_lines(40, seed=4) if "\0" not in line]


@pytest.fixture(scope="module", params=["in front", "behind"])
def tokenizer(request, tmp_path_factory):
    """Letters, a few words, and all bytes."""
    words = ["▁the", "▁cat", "▁a"] if request.param == "in front" else ["the▁", "cat▁", "a▁"]
    letters = [Piece(c, -4.0 - 0.01 * i, Kind.NORMAL) for i, c in enumerate("▁eatochblm.,20")]
    pieces = [*SPECIAL, *BYTES, *(Piece(word, -3.0, Kind.NORMAL) for word in words), *letters]
    table = charsmap(tmp_path_factory.mktemp("charsmap"))
    model = ModelProto(pieces, table, byte_fallback=True, space_behind=request.param == "behind")
    return AlbertTokenizer(SentencePieceModel(write_model(model)))


def test_what_no_piece_spells_is_cut_into_its_bytes_and_joined_again(tokenizer):
    for text in ("the cat 你", "é🙂 the", "x"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        spelled = [token for token in tokenizer.tokenize(text) if not token.startswith("<0x")]
        lost = "".join(c for c in tokenizer.normalizer(text) if c not in "".join(spelled) + " ")
        codes = [ord(tokenizer.convert_ids_to_tokens(i)[-1]) and i - len(SPECIAL) for i in ids if 5 <= i < 261]
        assert bytes(codes).decode() == lost
        assert tokenizer.decode(ids).strip() == tokenizer.normalizer(text)
        assert tokenizer.unk_token_id not in ids


def test_every_byte_of_a_character_has_the_place_of_that_character(tokenizer):
    text = "the 你cat 🙂x"
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    places = {}
    for token, (start, end) in zip(encoding.tokens(), encoding.offset_mapping, strict=True):
        if token.startswith("<0x"):
            places.setdefault(text[start:end], []).append(int(token[3:5], 16))
    assert {character: bytes(codes).decode() for character, codes in places.items()} == {
        "你": "你",
        "🙂": "🙂",
        "x": "x",
    }
    words = {}
    for word, (start, end) in zip(encoding.word_ids(), encoding.offset_mapping, strict=True):
        words[word] = words.get(word, "") + text[start:end]
    assert [text.split()[word][0] in spelled for word, spelled in words.items()] == [True] * 3


def test_asking_for_places_changes_no_id(tokenizer):
    plain, located = tokenizer(LINES), tokenizer(LINES, return_offsets_mapping=True)
    assert located.input_ids == plain.input_ids
    for line, offsets in zip(LINES, located.offset_mapping, strict=True):
        assert all(0 <= start < end <= len(line) for start, end in offsets[1:-1]), line


@pytest.mark.parametrize("alone", [False, True])
def test_a_saved_vocabulary_cuts_into_the_same_bytes(tokenizer, alone, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    if alone:
        (tmp_path / "spiece.model").unlink()
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    assert read_model(loaded.model.serialized) == read_model(tokenizer.model.serialized)
    assert loaded(LINES) == tokenizer(LINES)


def test_tokenizer_json_whose_bytes_are_not_all_there_is_refused(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "spiece.model").unlink()
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    del content["model"]["vocab"][20]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a SentencePiece model"):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_live_ids_equal_those_of_transformers(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers to load the folder")
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for line in [*LINES[:8], *PROSE[:6]]:
        ids = tokenizer.encode(line)
        assert theirs(line)["input_ids"] == ids, line
        assert theirs.decode(ids, skip_special_tokens=True).strip() == tokenizer.decode(ids, True).strip(), line


def test_the_readable_unigram_cuts_unknown_characters_into_bytes(tokenizer):
    unigram = Unigram.from_model(tokenizer.model)
    library = tokenizer.model._processor
    for line in LINES:
        clean = tokenizer.normalizer(line)
        expected = list(zip(library.encode(clean, out_type=str), library.encode(clean), strict=True))
        assert unigram.pieces(tokenizer.model.normalize(clean)) == expected, line
