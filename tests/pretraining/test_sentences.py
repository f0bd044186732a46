"""Sentences of many scripts, and long stretches without an end."""

import random

import pytest

from albert_np.pretraining import split_sentences
from albert_np.pretraining.sentences import cut_long


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("He said “Go.” She went.", ["He said “Go.”", "She went."]),
        ("Dr. Smith met J. R. Brown in the U.S. Army.", ["Dr. Smith met J. R. Brown in the U.S. Army."]),
        ("Use a list, e.g. Python's. It works.", ["Use a list, e.g. Python's.", "It works."]),
        ("It costs 3.14 dollars. Cheap.", ["It costs 3.14 dollars.", "Cheap."]),
        ("See fig. two (it helps.) Then go on.", ["See fig. two (it helps.)", "Then go on."]),
        ("What?! 42 is the answer.", ["What?!", "42 is the answer."]),
        ("The word has no capital. follows here", ["The word has no capital. follows here"]),
        (
            "call me so. mr. ed and j. r. went. so did i. no",
            ["call me so.", "mr. ed and j. r. went.", "so did i.", "no"],
        ),
        ("Він пішов. «Чому?» Бо Т. Г. Шевченко… Ні", ["Він пішов.", "«Чому?»", "Бо Т. Г. Шевченко…", "Ні"]),
        ("राम घर गया। सीता रही॥क्यों?", ["राम घर गया।", "सीता रही॥", "क्यों?"]),
        ("ذهب الولد. هل عاد؟ نعم۔ لا", ["ذهب الولد.", "هل عاد؟", "نعم۔", "لا"]),
        ("¿Qué hora es? ¡Son las dos! Élan. Ñu.", ["¿Qué hora es?", "¡Son las dos!", "Élan.", "Ñu."]),
        ("Er kam. „Ja.“ Sie ging. »Nein!« Ende.", ["Er kam.", "„Ja.“", "Sie ging.", "»Nein!«", "Ende."]),
        ("შენ ხარ. ის არის. אתה כאן. הוא שם.", ["შენ ხარ.", "ის არის.", "אתה כאן.", "הוא שם."]),
        ("Add two to x. The sum is y. Done.", ["Add two to x.", "The sum is y.", "Done."]),
        ("他来了。她走了！", ["他来了。", "她走了！"]),
        ("ខ្ញុំទៅ។គាត់មក။သူ၊፧ሰላም", ["ខ្ញុំទៅ។", "គាត់មក။", "သူ၊፧", "ሰላም"]),
        ("  spread \n over\tlines.  \n Next one. ", ["spread over lines.", "Next one."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert split_sentences(text) == expected


def test_splitting_loses_no_character():
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choice("aB.?! \n(\"')。e.g.Dr. ") for _ in range(60))
        assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("alphabet", ["ab ", "aaaaaaaaaaa", "中文字", "a 中, b. ", "ก ข", "aB.?! ;,—"])
def test_long_sentences_are_cut_into_sentence_like_parts(alphabet):
    rng = random.Random(0)
    for length in (10, 80, 81, 500, 3000):
        text = " ".join("".join(rng.choice(alphabet) for _ in range(length)).split())
        parts = cut_long(text)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(parts) or not text
        assert all(cut_long(part) == [part] for part in parts)
        if len(parts) > 1:
            assert all(20 <= len(part) <= 40 * 17 for part in parts[:-1])


def test_long_sentences_are_cut_where_a_reader_might_pause():
    words = [f"w{i}" for i in range(90)]
    assert [len(part.split()) for part in cut_long(" ".join(words))] == [40, 50]
    words[24] += ","
    assert [len(part.split()) for part in cut_long(" ".join(words))] == [25, 40, 25]
    words[21] += "!"
    assert [len(part.split()) for part in cut_long(" ".join(words))] == [22, 40, 28]
    assert [len(part) for part in cut_long("字" * 30 + "，" + "字" * 70)] == [31, 40, 30]
