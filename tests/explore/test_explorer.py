"""What a user calls: `albert_np.explore`, a sentence with braces, the tiny model, the command."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import albert_np
from albert_np.cli import main
from albert_np.explore import explore_sentence, explore_toy, sentence_batch
from albert_np.study import data_folder
from albert_np.tokenization import AlbertTokenizer

SMALL = data_folder() / "small-albert"


def run(*arguments):
    return CliRunner().invoke(main, ["explore", *map(str, arguments)])


def test_words_in_braces_are_masked_and_asked_for():
    tokenizer = AlbertTokenizer.from_pretrained(SMALL)
    batch, tokens = sentence_batch(tokenizer, "return the number of {items} in the list.", "it is not changed.")
    asked = np.flatnonzero(batch["labels"][0] != -100)
    assert tokenizer.decode(batch["labels"][0, asked]) == "items"
    assert (batch["input_ids"][0, asked] == tokenizer.mask_token_id).all()
    assert [tokens[0][i] for i in asked] == ["[MASK]"] * len(asked)
    assert batch["sentence_order_label"] == [0]
    plain = tokenizer("return the number of items in the list.", "it is not changed.")
    assert len(plain["input_ids"]) == batch["input_ids"].shape[1]


@pytest.mark.parametrize("text", ["no braces", "one {brace", "another} one", "{} nothing", "{{nested}} ones"])
def test_a_text_that_marks_nothing_is_refused(text):
    with pytest.raises(ValueError, match="braces"):
        sentence_batch(AlbertTokenizer.from_pretrained(SMALL), text)


def test_the_room_is_also_the_function():
    exploration = albert_np.explore(albert_np.AlbertModel(albert_np.AlbertConfig(
        vocab_size=9, embedding_size=4, hidden_size=6, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=4,
    )), {"input_ids": [[5, 6, 7]]})  # fmt: skip
    assert exploration.data["loss"] is None
    assert len(exploration.data["probe"]) == 2
    assert exploration.data["tokens"] == [["5", "6", "7"]]


def test_the_tiny_model_is_always_the_same_and_not_yet_sure():
    first, second = explore_toy(), explore_toy()
    assert first.html == second.html
    assert first.differs == []
    assert max(map(len, first.data["tokens"])) <= 8
    assert max(max(value["shape"], default=1) for value in first.data["values"]) <= 24


def test_a_page_is_written_whole_and_needs_nothing_else(tmp_path):
    page = tmp_path / "page.html"
    result = run("--toy", "--no-open", "--output", page)
    assert result.exit_code == 0, result.output
    assert re.search(r"page.html: \d+ stops, 0\.\d+ MB", result.output)
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["no braces"], "braces"),
        (["{word} " * 40], "positions"),
        (["a {b}", "--toy"], "give neither"),
        (["a {b}", "--model", "nowhere"], "nowhere"),
        (["--toy", "--at", "softmax"], "no function"),
        (["a {b}", "--output", "no/such/folder.html"], "no/such"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "--no-open")
    assert result.exit_code == 2
    assert words in result.output
    assert not list(tmp_path.iterdir())


def test_a_model_of_one_head_is_asked_for_what_it_has(tmp_path):
    albert_np.AlbertForMaskedLM.from_pretrained(SMALL).save_pretrained(tmp_path)
    AlbertTokenizer.from_pretrained(SMALL).save_pretrained(tmp_path)
    assert explore_sentence(tmp_path, "the {list} is empty.").data["loss"] is not None
    with pytest.raises(ValueError, match="order of two sentences"):
        explore_sentence(tmp_path, "the {list} is empty.", "it is not.")


def test_names_and_tokens_of_all_kinds_are_data_and_no_markup():
    hostile = '</script><img src=x onerror="alert(1)">\u2028\u2029&amp;"\'`' + "x" * 10_000
    exploration = explore_toy()
    exploration.title = hostile
    exploration.data["tokens"] = [[hostile] * 8]
    html = exploration.html
    assert "<img" not in html
    assert html.count("</script>") == len(re.findall(r"<script", html))
    assert json.dumps(hostile)[1:-1] not in html
