"""embed, and the spans of classify --entities, in this process."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from albert_np.cli import main
from albert_np.model import AlbertForTokenClassification
from albert_np.tasks import Predictor, embed, load_encoder
from albert_np.tokenization import AlbertTokenizer


def done(*arguments, stdin=""):
    call = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert call.exit_code == 0, call.stderr
    return call.stdout


def test_embed_writes_lines_or_an_array_of_arguments_lines_and_files(start, tmp_path):
    texts = ["the old dog", "a red house"]
    expected = {pooling: embed(*load_encoder(start), texts, pooling) for pooling in ("mean", "cls")}
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n")
    for arguments, stdin in ((texts, ""), ((), "\n".join(texts)), (("--file", tmp_path / "lines.txt"), "")):
        records = [json.loads(line) for line in done("embed", *arguments, "--model", start, stdin=stdin).splitlines()]
        assert [record["text"] for record in records] == texts
        np.testing.assert_array_equal([record["embedding"] for record in records], expected["mean"])
    said = done("embed", *texts, "--model", start, "--pooling", "cls", "--output", tmp_path / "made.npy")
    assert "2 vectors of 24 numbers" in said
    np.testing.assert_array_equal(np.load(tmp_path / "made.npy"), expected["cls"])


class Vectors(np.ndarray):
    """Vectors of which one at a time becomes a list."""

    def tolist(self):
        assert self.ndim == 1, "all vectors as lists take eight times their memory"
        return super().tolist()


def test_embed_writes_lines_of_many_vectors_without_a_copy_of_them(monkeypatch):
    made = np.arange(6, dtype=np.float32).reshape(3, 2).view(Vectors)
    monkeypatch.setattr("albert_np.tasks.load_encoder", lambda model, *options, **others: (None, None))
    monkeypatch.setattr("albert_np.tasks.embed", lambda *arguments, **options: made)
    records = [json.loads(line) for line in done("embed", "a", "b", "c", "--model", "any").splitlines()]
    assert [record["embedding"] for record in records] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_entities_are_shown_with_their_places(start, tmp_path):
    names = {"num_labels": 3, "id2label": {0: "O", 1: "B-x", 2: "I-x"}}
    AlbertForTokenClassification.from_pretrained(start, seed=3, **names).save_pretrained(tmp_path)
    AlbertTokenizer.from_pretrained(start).save_pretrained(tmp_path)
    text = "the old dog sees a red house near the big car"
    expected = Predictor.load(tmp_path).entities(text)
    assert expected
    shown = json.loads(done("classify", text, "--model", tmp_path, "--entities", "--json"))
    assert shown == [[entity._asdict() for entity in expected]]
    shown = json.loads(done("classify", text, text, "--model", tmp_path, "--entities", "--json"))  # in one batch
    near = [{**entity._asdict(), "probability": pytest.approx(entity.probability)} for entity in expected]
    assert shown == [near, near]
    lines = [line.split("\t") for line in done("classify", text, "--model", tmp_path, "--entities").splitlines()]
    assert [(line[0], line[1], line[3]) for line in lines] == [(f"{e.start}-{e.end}", e.type, e.text) for e in expected]
