"""Folders: saving, loading, tokenizer.json, and what is refused."""

import errno
import json
from pathlib import Path

import pytest
from toys.texts import PROSE, SPECIAL, random_lines

from albert_np.protobuf import write_fields
from albert_np.tokenization import AddedToken, AlbertTokenizer, SentencePieceModel, read_model
from albert_np.tokenization.fields import OPTIONS
from albert_np.tokenization.sentencepiece_model import MODEL_TYPE, TRAINER_SPEC

LINES = [*PROSE, *SPECIAL, *random_lines(150, seed=9)]


def same(first, second):
    assert second.added.by_id == first.added.by_id
    assert second.all_special_ids == first.all_special_ids
    assert list(second.encoder.ids(LINES)) == list(first.encoder.ids(LINES))
    assert second("a", padding="max_length", max_length=9) == first("a", padding="max_length", max_length=9)


def variants(model):
    return {
        "plain": AlbertTokenizer(model),
        "cased": AlbertTokenizer(model, do_lower_case=False, keep_accents=True, remove_space=False),
        "sides": AlbertTokenizer(model, padding_side="left", truncation_side="left", model_max_length=64),
        "added": AlbertTokenizer(
            model,
            mask_token=AddedToken("[M]", rstrip=True),
            additional_special_tokens=["[ENT]"],
            added_tokens={250: AddedToken("lamp", normalized=True, special=False)},
            clean_up_tokenization_spaces=True,
        ),
        "less": AlbertTokenizer(
            model, unk_token=None, bos_token=None, split_special_tokens=True, model_input_names=["input_ids"]
        ),
    }


@pytest.mark.parametrize("name", ["plain", "cased", "sides", "added", "less"])
def test_saved_folder_gives_the_same_tokenizer_back(tokenizer, name, tmp_path):
    original = variants(tokenizer.model)[name]
    original.save_pretrained(tmp_path / "new" / "folder")
    loaded = AlbertTokenizer.from_pretrained(tmp_path / "new" / "folder")
    same(original, loaded)
    for option in OPTIONS:
        assert getattr(loaded, option) == getattr(original, option)
    assert loaded.special_tokens_map == original.special_tokens_map
    assert loaded.normalizer == original.normalizer


def test_bare_vocabulary_folder_and_bare_file_give_the_same_tokenizer(tokenizer, tmp_path):
    (tmp_path / "spiece.model").write_bytes(tokenizer.model.serialized)
    same(tokenizer, AlbertTokenizer.from_pretrained(tmp_path))
    same(tokenizer, AlbertTokenizer(tmp_path / "spiece.model"))


def test_options_override_what_the_folder_says(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AlbertTokenizer.from_pretrained(tmp_path, do_lower_case=False, model_max_length=77)
    assert (loaded.normalizer.do_lower_case, loaded.model_max_length) == (False, 77)


def test_older_folders_give_special_and_added_tokens_in_files_of_their_own(tokenizer, tmp_path):
    size = tokenizer.vocab_size
    (tmp_path / "spiece.model").write_bytes(tokenizer.model.serialized)
    mask = {"content": "[M]", "lstrip": True, "normalized": False, "single_word": False}
    (tmp_path / "special_tokens_map.json").write_text(
        json.dumps({"mask_token": mask, "additional_special_tokens": ["[ENT]"]})
    )
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[M]": size, "[ENT]": size + 1, "lamp": size + 2}))
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    assert loaded.mask_token_id == size
    assert loaded.additional_special_tokens == ["[ENT]"]
    assert loaded.tokenize("Lamp [ENT] [ent]")[:2] == ["lamp", "[ENT]"]
    assert loaded.encode("Lamp [ENT][M]")[1:-1] == [size + 2, size + 1, size]


@pytest.mark.parametrize("penalised", [True, False])
@pytest.mark.parametrize("listed", [True, False])
def test_tokenizer_json_alone_rebuilds_the_vocabulary(tokenizer, penalised, listed, tmp_path):
    """Old files list only special tokens as added, newer ones the user-defined symbols too; some lack the −100."""
    tokenizer.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = content["model"]["vocab"]
    assert min(score for _, score in pieces) < -100
    if not penalised:
        content["model"]["vocab"] = [[text, score + 100 * (score < -100)] for text, score in pieces]
    if listed:
        content["added_tokens"] += [
            {"id": i, "content": text, "special": False} for i, (text, score) in enumerate(pieces[:13]) if i >= 5
        ]
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    same(tokenizer, loaded)
    assert read_model(loaded.model.serialized) == read_model(tokenizer.model.serialized)


def test_tokenizer_json_tells_case_and_accents(tokenizer, tmp_path):
    cased = variants(tokenizer.model)["cased"]
    cased.save_pretrained(tmp_path)
    for name in ("spiece.model", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    normalizer = AlbertTokenizer.from_pretrained(tmp_path).normalizer
    assert (normalizer.do_lower_case, normalizer.keep_accents) == (False, True)


def test_live_saved_folder_loads_in_transformers(tokenizer, tmp_path):
    """Version 5 and the fast tokenizer of version 4 read tokenizer.json.

    Its ids are the same but for accents outside the combining classes, and where the −100 for digit and comma
    leads another way through the lattice than cutting the piece again.
    """
    transformers = pytest.importorskip("transformers", reason="needs transformers to load the folder")
    for tokens in ((), ("[ENT]", "<x>")):
        original = AlbertTokenizer(tokenizer.model, additional_special_tokens=tokens)
        original.save_pretrained(tmp_path)
        theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
        assert len(theirs) == len(original)
        for line in [PROSE[2], *PROSE[6:9], PROSE[19], "in 2010, 1999,a", "a [ENT] b [MASK] <x>"]:
            assert dict(theirs(line, "a")) == dict(original(line, "a")), line


def test_chinese_folder_is_refused_as_a_berttokenizer_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n的\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"vocab\.txt and no spiece\.model: that is a BertTokenizer vocabulary"):
        AlbertTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="BertTokenizer"):
        AlbertTokenizer(tmp_path / "vocab.txt")


def test_missing_folder_file_or_vocabulary_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none is not a folder"):
        AlbertTokenizer.from_pretrained(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="folder="):
        AlbertTokenizer.from_pretrained(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match=r"neither spiece\.model nor tokenizer\.json"):
        AlbertTokenizer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="vocab_file="):
        AlbertTokenizer(tmp_path / "none.model")


@pytest.mark.parametrize("damage", [b"", b"no model at all", b"\n\x05\n"])
def test_file_that_is_no_sentencepiece_model_is_refused(damage, tmp_path):
    (tmp_path / "spiece.model").write_bytes(damage)
    with pytest.raises(ValueError, match="is not a SentencePiece model"):
        AlbertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("content, message", [("{", "not valid JSON"), ("[]", "must hold a JSON object")])
def test_damaged_json_is_refused(tokenizer, content, message, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        AlbertTokenizer.from_pretrained(tmp_path)


BAD_FIELDS = [
    ("tokenizer_config.json", {"do_lower_case": "false"}, "do_lower_case: must be true or false, got 'false'"),
    ("tokenizer_config.json", {"model_max_length": 0}, "model_max_length: must be a whole number from 1"),
    ("tokenizer_config.json", {"model_max_length": float("nan")}, "model_max_length: must be a whole number"),
    ("tokenizer_config.json", {"model_max_length": 10**40}, "model_max_length: must be a whole number"),
    ("tokenizer_config.json", {"padding_side": ["left"]}, "padding_side: must be 'right' or 'left'"),
    ("tokenizer_config.json", {"cls_token": 5}, "cls_token: an added token is a string or an object"),
    ("tokenizer_config.json", {"cls_token": {"content": "[CLS]", "lstrip": "yes"}}, "lstrip must be true or false"),
    ("tokenizer_config.json", {"additional_special_tokens": "[X]"}, "additional_special_tokens: must be a list"),
    ("tokenizer_config.json", {"extra_special_tokens": {"image": 3}}, "extra_special_tokens: an added token"),
    ("tokenizer_config.json", {"added_tokens_decoder": {"x": "a"}}, "added_tokens_decoder: a token id must be"),
    (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"3": "[Y]"}},
        r"'\[SEP\]' is the piece 3, whose id .* '\[Y\]' has",
    ),
    ("tokenizer_config.json", {"added_tokens_decoder": {"9" * 30: "a"}}, "added_tokens_decoder: a token id must be"),
    ("tokenizer_config.json", {"added_tokens_decoder": ["a"]}, "added_tokens_decoder: must be an object"),
    (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"300": "lamp"}},
        r"tokenizer_config.json, added_tokens: .* 300, and",
    ),
    ("special_tokens_map.json", {"additional_special_tokens": [5]}, "additional_special_tokens: an added token"),
    ("added_tokens.json", {"a": "x"}, "'a': a token id must be a whole number"),
    ("added_tokens.json", {"a": True}, "'a': a token id must be a whole number"),
    ("added_tokens.json", {"a": 10**9}, r"added_tokens.json, added_tokens: 'a' .* follow one another"),
    ("added_tokens.json", {"": 250}, "needs a content"),
    ("tokenizer.json", {"added_tokens": {"id": 5}}, "added_tokens: must be a list of objects"),
    ("tokenizer.json", {"added_tokens": [{"content": "[X]"}]}, "added_tokens: a token id must be"),
]


@pytest.mark.parametrize("name, content, message", BAD_FIELDS)
def test_a_field_that_cannot_be_is_refused_with_its_file_and_its_name(tokenizer, name, content, message, tmp_path):
    (tmp_path / "spiece.model").write_bytes(tokenizer.model.serialized)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as refused:
        AlbertTokenizer.from_pretrained(tmp_path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe{}", b'{"a": ', b"[1]", b"null", b"[" * 10**5, b"1" * 10**5])
def test_a_file_that_holds_no_json_object_is_refused_with_its_name(tokenizer, name, content, tmp_path):
    (tmp_path / "spiece.model").write_bytes(tokenizer.model.serialized)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_a_file_of_absurd_size_is_refused_unread(tokenizer, tmp_path):
    (tmp_path / "spiece.model").write_bytes(tokenizer.model.serialized)
    with (tmp_path / "tokenizer_config.json").open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(ValueError, match=r"tokenizer_config\.json has 4294967296 bytes, more than"):
        AlbertTokenizer.from_pretrained(tmp_path)


UNKNOWN = ["<unk>", 0.0]


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "holds no model"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "model: it is no Unigram model"),
        ({"model": {"vocab": [["a"]], "unk_id": 0}}, r"model: vocab\[0\] must be a list of a string and a finite"),
        ({"model": {"vocab": [["a", "b"]], "unk_id": 0}}, r"model: vocab\[0\] must be"),
        ({"model": {"vocab": [["a", 1e40]], "unk_id": 0}}, r"model: vocab\[0\] must be"),
        ({"model": {"vocab": [["\ud800", 1.0]], "unk_id": 0}}, r"model: vocab\[0\] must be"),
        ({"model": {"vocab": [UNKNOWN], "unk_id": 7}}, "model: unk_id must be below 1"),
        ({"model": {"vocab": [UNKNOWN], "unk_id": 0, "byte_fallback": "no"}}, "model: must be true or false"),
        ({"model": {"vocab": [UNKNOWN], "unk_id": 0}, "normalizer": ["NFKC"]}, "normalizer: must be an object"),
        (
            {
                "model": {"vocab": [UNKNOWN], "unk_id": 0},
                "normalizer": {"type": "Precompiled", "precompiled_charsmap": 5},
            },
            "normalizer:",
        ),
    ],
)
def test_tokenizer_json_of_another_model_is_refused(content, message, tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"tokenizer\.json,? " + message):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_refused_save_writes_nothing(tokenizer, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file"):
        tokenizer.save_pretrained(tmp_path / "file")
    bpe = tokenizer.model.serialized + write_fields([(TRAINER_SPEC, write_fields([(MODEL_TYPE, 2)]))])
    with pytest.raises(ValueError, match="not a Unigram model"):
        AlbertTokenizer(SentencePieceModel(bpe)).save_pretrained(tmp_path / "new")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_save_that_fails_on_the_way_leaves_the_folder_as_it_was(tokenizer, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    variants(tokenizer.model)["plain"].save_pretrained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    write_text = Path.write_text

    def full(path, *arguments, **options):
        if path.name == "tokenizer.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(OSError, match="No space left"):
            variants(tokenizer.model)["added"].save_pretrained(folder)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
