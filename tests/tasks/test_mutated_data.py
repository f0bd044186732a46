"""Damaged files of data, by chance: what is read of them, or one clear error that names the file."""

import json
import random

import pytest

from albert_np.tasks import read_examples

WORDS = 'the cat sees a dog, near “old” Zoë हिन्दी 3.14 U.S. "house" ; it\'s |'.split()
PIECES = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"\n", b"\r", b"\t", b",", b";", b"{", b"[", b"]", b"}", b"\\", b"|"),
    *(b"\\ud800", b"null", b"NaN", b"1e999", b"9" * 5000, b"[" * 3000, b"-1", b"true", b"\xef\xbb\xbf", b"\x1f\x8b"),
)


def text(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 9)))


def table(rng, header, mark):
    rows = ([text(rng).replace('"', ""), *(str(rng.randint(0, 1)) for _ in header[1:])] for _ in range(9))
    quoted = (['"' + row[0] + '"' if mark in ",;" else row[0], *row[1:]] for row in rows)
    return "\n".join(mark.join(row) for row in (header, *quoted))


def questions(rng):
    context = text(rng)
    answers = [{"text": context[:3], "answer_start": 0}]
    qas = [{"id": str(i), "question": text(rng), "answers": answers[: i % 2]} for i in range(4)]
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": qas}]}]})


def tagged(rng):
    words = text(rng).split()
    return {"tokens": words, "tags": [rng.choice(["O", "B-x"]) for _ in words]}


def race(rng):
    return {"article": text(rng), "questions": [text(rng)] * 3, "options": [["a", "b"]] * 3, "answers": ["A"] * 3}


FORMATS = {
    "a.tsv": ("classification", lambda rng: table(rng, ["text", "label"], "\t")),
    "a.csv": ("classification", lambda rng: table(rng, ["text", "label"], ",")),
    "b.csv": ("regression", lambda rng: table(rng, ["sentence", "score"], ";")),
    "c.csv": ("choice", lambda rng: table(rng, ["context", "choice0", "choice1", "label"], ",")),
    "a.jsonl": (
        "multilabel",
        lambda rng: "\n".join(json.dumps({"text": text(rng), "labels": ["x"]}) for _ in range(9)),
    ),
    "a.json": ("classification", lambda rng: json.dumps([{"text": text(rng), "label": i} for i in range(9)], indent=1)),
    "a.conll": ("tagging", lambda rng: "\n\n".join("\n".join(f"{w} O" for w in text(rng).split()) for _ in range(5))),
    "a.conllu": (
        "tagging",
        lambda rng: "# x\n" + "\n".join(f"{i}\t{w}\t_\tNOUN" for i, w in enumerate(text(rng).split())),
    ),
    "b.jsonl": ("tagging", lambda rng: "\n".join(json.dumps(tagged(rng)) for _ in range(9))),
    "b.json": ("answering", questions),
    "a.txt": ("choice", lambda rng: json.dumps(race(rng))),
}


def damaged(data, rng):
    """Cut out, put in, replace, repeat or flip a little, once or a few times."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice([0, 1, 3, 20, 200]))
        change = rng.choice(
            [b"", rng.choice(PIECES), rng.choice(PIECES), rng.randbytes(stop - start), data[start:stop] * 3]
        )
        data = data[:start] + change + data[stop:]
    return data if rng.random() < 0.9 else data[: rng.randrange(len(data) + 1)]


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_data_are_read_or_refused_by_name(name, tmp_path):
    kind, made = FORMATS[name]
    rng, path = random.Random(name), tmp_path / name
    outcomes = set()
    for number in range(60):
        path.write_bytes(damaged(made(rng).encode(), rng))
        bad = []
        try:
            read_examples(path, kind, labelled=number % 5 != 0, **({"on_bad": bad.append} if number % 2 else {}))
            outcomes.add("read")
        except ValueError as error:
            outcomes.add("refused")
            bad.append(error)
        for error in bad:
            message = str(error)
            assert type(error) is ValueError
            assert message.startswith(str(path))
            assert message.isprintable()
            assert len(message) < 800
    assert outcomes == {"read", "refused"}
