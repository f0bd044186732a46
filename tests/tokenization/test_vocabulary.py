"""Learning a vocabulary."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from toys.texts import PROSE

from albert_np.tokenization import AddedToken, AlbertTokenizer, Kind, read_model, train_vocabulary
from albert_np.tokenization.learning import _cut, _sample

TEXT = [line for line in PROSE[:20] for _ in range(10)]
FIXED = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "(", ")", '"', "-", ".", "–", "£", "€"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_vocabulary(TEXT, tmp_path_factory.mktemp("vocabulary") / "spiece.model", vocab_size=200)


def test_vocabulary_starts_with_the_fixed_pieces_in_googles_order(trained):
    pieces = read_model(trained.model.serialized).pieces
    assert len(pieces) == trained.vocab_size == 200
    assert [piece.text for piece in pieces[:13]] == FIXED
    kinds = [piece.kind for piece in pieces]
    assert kinds[:5] == [Kind.CONTROL, Kind.UNKNOWN, *[Kind.CONTROL] * 3]
    assert kinds[5:13] == [Kind.USER_DEFINED] * 8
    assert set(kinds[13:]) == {Kind.NORMAL}


def test_pieces_are_learned_after_alberts_clean_up(trained, tmp_path):
    text = "".join(trained.model.pieces[5:])
    assert text == text.lower()
    assert "é" not in text
    greek = train_vocabulary(["ΟΔΟΣ ΜΕ"] * 9, tmp_path / "m", vocab_size=20)
    assert "ς" not in "".join(greek.model.pieces)
    assert greek.unk_token_id not in greek.encode("ΟΔΟΣ")
    cased = train_vocabulary(["Ça va Émile"] * 9, tmp_path / "m", vocab_size=22, do_lower_case=False, keep_accents=True)
    assert {"Ç", "É"} <= set("".join(cased.model.pieces))
    assert "".join(cased.tokenize("Ça É")) == "▁Ça▁É"


def test_no_character_of_the_text_is_unknown(trained):
    assert all(trained.unk_token_id not in ids for ids in trained.encode_lines(PROSE[:13]))


def test_written_file_holds_the_vocabulary(tmp_path):
    tokenizer = train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=150)
    assert AlbertTokenizer.from_pretrained(tmp_path).model.pieces == tokenizer.model.pieces
    assert [file.name for file in tmp_path.iterdir()] == ["spiece.model"]


def test_same_sentences_give_the_same_bytes_on_one_core_and_on_all(trained, tmp_path):
    """Sampling and shuffling included; the process is another one and may use one core only."""
    code = (
        "import os, sys\n"
        "if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from test_vocabulary import TEXT, train_vocabulary\n"
        "train_vocabulary(iter(TEXT), sys.argv[1], vocab_size=200)\n"
        "train_vocabulary(TEXT, sys.argv[2], vocab_size=90, max_characters=4000)"
    )
    files = [str(tmp_path / name) for name in ("one", "sampled")]
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    subprocess.run([sys.executable, "-c", code, *files], check=True, env=environment)
    assert (tmp_path / "one").read_bytes() == trained.model.serialized
    with pytest.warns(UserWarning, match=r"a random sample: \d+ of 200 sentences, 3,\d+ of [\d,]+ characters"):
        again = train_vocabulary(TEXT, tmp_path / "again", vocab_size=90, max_characters=4000)
    assert (tmp_path / "sampled").read_bytes() == again.model.serialized


def test_training_is_silent(tmp_path, capfd):
    train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=100)
    assert capfd.readouterr() == ("", "")


def test_sentences_are_read_once_as_a_stream(tmp_path):
    drawn = []

    def sentences():
        for line in TEXT:
            drawn.append(line)
            yield line

    train_vocabulary(sentences(), tmp_path / "spiece.model", vocab_size=100)
    assert drawn == TEXT


def test_a_sample_is_drawn_from_the_whole_stream_with_equal_chances():
    sentences = [f"{i:05}" for i in range(20_000)]
    with pytest.warns(UserWarning, match=r"sample: ([\d,]+) of 20,000 sentences, [\d,]+ of 100,000 characters"):
        sample = _sample(iter(sentences), 10_000)
    assert 1_400 < len(sample) <= 2_000
    assert sample == sorted(set(sample))
    quarters = [sum(part * 5000 <= int(s) < (part + 1) * 5000 for s in sample) / len(sample) for part in range(4)]
    assert quarters == pytest.approx([0.25] * 4, abs=0.04)
    assert _sample(iter("abc"), 3) == ["a", "b", "c"]


def test_text_without_spaces_is_cut_at_characters_and_learned_whole(tmp_path):
    characters = [chr(0x4E00 + i) for i in range(300)]
    lines = ["".join(random.Random(i).choices(characters, k=2000)) for i in range(20)]
    tokenizer = train_vocabulary(lines, tmp_path / "spiece.model", vocab_size=320)
    assert set(characters) <= set("".join(tokenizer.model.pieces))
    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer.encode_lines(lines))


def test_cutting_loses_nothing():
    for text in ("a" * 5000, "ab " * 5000, "中" * 3000 + " " + "文" * 30, " " * 3000, "short"):
        stretches = list(_cut(text))
        assert "".join(stretches) == text
        assert all(len(stretch.encode()) <= 4192 for stretch in stretches)


def test_long_sentence_is_cut_between_words_and_not_left_out(tmp_path):
    words = [f"word{i}" for i in range(3000)]
    tokenizer = train_vocabulary([" ".join(words)], tmp_path / "spiece.model", vocab_size=40)
    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer.encode_lines(words))


def test_vocab_size_that_the_text_cannot_fill_names_the_largest_possible(tmp_path):
    with pytest.raises(
        ValueError, match=r"vocab_size=5000 is more than the text supports; the largest possible is \d+"
    ) as e:
        train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=5000)
    largest = int(str(e.value).split()[-1])
    with pytest.raises(ValueError, match=f"the largest possible is {largest}"):
        train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=largest + 1)
    assert not list(tmp_path.iterdir())
    assert train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=largest).vocab_size == largest


def test_vocab_size_below_the_characters_names_the_smallest_possible(tmp_path):
    with pytest.raises(
        ValueError, match=r"too small for the characters of the text; the smallest possible is \d+"
    ) as e:
        train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=20)
    smallest = int(str(e.value).split()[-1])
    assert train_vocabulary(TEXT, tmp_path / "spiece.model", vocab_size=smallest).vocab_size == smallest


def failing():
    yield "a b c"
    raise OSError("the disk is gone")


def interrupted():
    yield "a b c"
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "sentences, options, error, message",
    [
        ([], {}, ValueError, "no text to learn from"),
        (["", "  "], {}, ValueError, "no text to learn from"),
        ("one string", {}, TypeError, "not one string"),
        (["a", 3], {}, TypeError, r"sentences\[1\] must be a string, got int"),
        (failing(), {}, OSError, "the disk is gone"),
        (interrupted(), {}, KeyboardInterrupt, None),
        (["a"], {"vocab_size": 0}, ValueError, "vocab_size must be at least 1, got 0"),
        (["a"], {"vocab_size": 1.5}, TypeError, "vocab_size must be an integer"),
        (["a"], {"max_characters": 0}, ValueError, "max_characters must be at least 1, got 0"),
        (["a", "\ud800"], {}, ValueError, r"sentences\[1\] is no Unicode"),
        (["a"], {"character_coverage": 1.2}, ValueError, "character_coverage must be above 0 and at most 1, got 1.2"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(sentences, options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        train_vocabulary(sentences, tmp_path / "spiece.model", **{"vocab_size": 50, **options})
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_refused_before_any_sentence_is_read(tmp_path):
    sentences = iter(["a"])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        train_vocabulary(sentences, tmp_path / "none" / "spiece.model", vocab_size=50)
    assert next(sentences) == "a"


def test_folder_in_place_of_the_file_is_refused_before_any_sentence_is_read(tmp_path):
    sentences = iter(["a"])
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        train_vocabulary(sentences, tmp_path, vocab_size=50)
    assert next(sentences) == "a"


def test_training_that_fails_leaves_the_vocabulary_that_was_there(tmp_path):
    (tmp_path / "spiece.model").write_bytes(b"before")
    with pytest.raises(OSError, match="the disk is gone"):
        train_vocabulary(failing(), tmp_path / "spiece.model", vocab_size=50)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"spiece.model": b"before"}


def test_a_tokenizer_trained_anew_is_like_the_old_one_in_all_but_its_pieces(trained, tmp_path):
    old = AlbertTokenizer(trained.model, do_lower_case=False, model_max_length=77, padding_side="left")
    old.add_tokens(["Foo"])
    old.add_special_tokens({"additional_special_tokens": [AddedToken("[E]", rstrip=True, special=True)]})
    new = old.train_new_from_iterator([TEXT[:100], *TEXT[100:]], 150)
    assert len(new) == new.vocab_size == 150
    assert new.model.pieces[:5] == ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    assert new.special_tokens_map == old.special_tokens_map
    assert {*new.added_tokens_decoder.values()} == {*old.added_tokens_decoder.values()}
    assert (new.do_lower_case, new.model_max_length, new.padding_side) == (False, 77, "left")
    assert any(piece[-1].isupper() for piece in new.model.pieces[20:])
    assert new.tokenize("Foo [E]  .") == ["Foo", "[E]", "▁", "."]
    assert new.decode(new.encode(TEXT[0]), skip_special_tokens=True) == TEXT[0]
    new.save_pretrained(tmp_path)
    again = AlbertTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == new.get_vocab()
    assert again.special_tokens_map == new.special_tokens_map
    assert "[E]" in old.get_vocab()
    assert len(old) == 202


def test_a_tokenizer_trained_anew_may_have_other_special_tokens(trained):
    names = {"[CLS]": "<s>", "<unk>": "[UNK]", "[MASK]": "<mask>"}
    new = trained.train_new_from_iterator([TEXT], 120, new_special_tokens=["<E>"], special_tokens_map=names)
    assert new.model.pieces[:6] == ["<pad>", "[UNK]", "<s>", "[SEP]", "<mask>", "<E>"]
    assert (new.cls_token, new.bos_token, new.unk_token_id, new.mask_token_id) == ("<s>", "<s>", 1, 4)
    assert new.added_tokens_decoder[4].lstrip
    assert new.additional_special_tokens == ["<E>"]
    assert new.encode("<E>☃") == [2, 5, new.convert_tokens_to_ids("▁"), 1, 3]


def test_a_tokenizer_trained_anew_has_as_many_pieces_as_the_texts_support(trained):
    with pytest.warns(UserWarning, match=r"vocab_size=900 is more than the text supports: \d\d pieces"):
        new = trained.train_new_from_iterator([["the lamp went out"] * 3, "one two three"], 900)
    assert len(new) < 100
    trained.pad_token = None
    try:
        assert trained.train_new_from_iterator(iter(TEXT), 120).model.pieces[0] == "<unk>"
    finally:
        trained.pad_token = "<pad>"


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (("the lamp", 50), TypeError, "text_iterator must be an iterable of texts"),
        ((5, 50), TypeError, "text_iterator must be an iterable of texts"),
        (([["the lamp", 5]], 50), TypeError, r"text_iterator\[0\] must be a text or a list of texts, got 5"),
        ((TEXT, 0), ValueError, "vocab_size must be at least 1"),
        ((TEXT, 15), ValueError, r"vocab_size=15 is too small .* smallest possible is \d+"),
        ((TEXT, 100, None, "[E]"), TypeError, "new_special_tokens must be a list"),
        ((TEXT, 100, None, None, ["[CLS]"]), TypeError, "special_tokens_map must be a dict"),
        ((TEXT, 100, None, None, {"[CLs]": "x"}), ValueError, r"special_tokens_map: there is no token '\[CLs\]'"),
        ((TEXT, 100, None, None, {"[CLS]": "[SEP]"}), ValueError, "two tokens would have the name"),
    ],
)
def test_what_no_vocabulary_can_be_learned_from_is_refused(trained, arguments, error, message):
    with pytest.raises(error, match=message):
        trained.train_new_from_iterator(*arguments)
