"""Write the reference values of the tokenizer tests, with Hugging Face transformers 4.57 as the oracle.

Run with transformers 4.57 (its last release with the slow AlbertTokenizer), tokenizers, sentencepiece and protobuf:

    PYTHONPATH=tests python tests/reference/make_tokenizer_reference.py path/to/released/spiece.model

`vocabulary.json`: a small vocabulary, learned from the texts of tokenizer_texts.py; `ids.json`: lines and the slow
tokenizer's ids, with the small and the released vocabulary; `calls.json`: calls with their arguments and what the
slow and the fast tokenizer return.
"""

import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import transformers
from toys.texts import PROSE, REFERENCE, SPECIAL, random_lines, small_tokenizer

from albert_np.tokenization import read_model, train_vocabulary

LINES = [*PROSE, *SPECIAL, *random_lines(250, seed=20)]
FIRSTS = ["The lamp went out.", "A", "one two three four", "[MASK] in 2010, a"]
SECONDS = ["It was dark.", "She counted 1,204 steps", "", "``naïve''  İx"]


def write(name: str, content: Any) -> None:
    """One entry to a line, so that a change shows."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in content)
    (REFERENCE / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def make_vocabulary(folder: Path) -> None:
    """250 pieces, with some that end in digit and comma among them."""
    sentences = [word for line in PROSE[:20] for word in (line, *line.split())] + ["in 2010, 1999, 3, 9, 1,000, of"] * 9
    tokenizer = train_vocabulary(sentences, folder / "trained.model", vocab_size=250)
    write("vocabulary.json", [[p.text, p.score, int(p.kind)] for p in read_model(tokenizer.model.serialized).pieces])


def make_ids(small: Any, released: Any) -> None:
    """Every line with the ids of both vocabularies."""
    rows = []
    for line in LINES:
        ids = [slow(line, add_special_tokens=False)["input_ids"] for slow in (small, released)]
        rows.append({"line": line, "small": ids[0], "released": ids[1]})
    write("ids.json", rows)


def make_calls(slow: Any, fast: Any) -> None:
    """Truncation, padding, windows, words, offsets: calls that the oracle answers without an error."""
    calls = []
    pairs = [(FIRSTS, None), (FIRSTS, SECONDS), (FIRSTS[0], None), (FIRSTS[2], SECONDS[1])]
    truncations: list[dict[str, Any]] = [
        {},
        {"max_length": 12, "truncation": True},
        {"max_length": 28, "truncation": "only_first"},
        {"max_length": 26, "truncation": "only_second"},
        {"max_length": 9},
    ]
    paddings: list[dict[str, Any]] = [
        {},
        {"padding": True, "return_special_tokens_mask": True},
        {"padding": "longest", "padding_side": "left", "pad_to_multiple_of": 8, "max_length": 24, "truncation": True},
        {"padding": "max_length", "max_length": 40},
        {"add_special_tokens": False},
    ]
    for (text, text_pair), truncation, padding in itertools.product(pairs, truncations, paddings):
        options = {**truncation, **padding}
        if text_pair is not None or options.get("truncation") != "only_second":
            calls.append(answered("slow", slow, text, text_pair, options))
    windows: list[dict[str, Any]] = [
        {"max_length": 10, "truncation": "only_first", "stride": 3},
        {"max_length": 27, "truncation": "only_second", "stride": 2, "padding": True},
        {"max_length": 29, "truncation": "only_first", "padding": "max_length"},
    ]
    for (text, text_pair), options in itertools.product(pairs, [{}, *windows]):
        options = {**options, "return_overflowing_tokens": True, "return_offsets_mapping": True}
        if text_pair is not None or options.get("truncation") != "only_second":
            calls.append(answered("fast", fast, text, text_pair, options))
    for text in (FIRSTS, FIRSTS[0]):
        words = [t.split() for t in text] if isinstance(text, list) else text.split()
        options = {"is_split_into_words": True, "return_offsets_mapping": True, "padding": True}
        calls.append(answered("fast", fast, words, None, options))
    write("calls.json", [call for call in calls if call is not None])


def answered(oracle: str, tokenizer: Any, text: Any, text_pair: Any, options: dict[str, Any]) -> dict[str, Any] | None:
    """One call with its answer; None where the oracle refuses, or leaves a row longer than was asked for."""
    try:
        encoding = tokenizer(text, text_pair, **options)
    except BaseException:  # the Rust tokenizers panic with an exception of their own
        return None
    rows = encoding["input_ids"] if isinstance(encoding["input_ids"][0], list) else [encoding["input_ids"]]
    if "truncation" in options and any(len(row) > options["max_length"] for row in rows):
        return None
    call = {"oracle": oracle, "text": text, "text_pair": text_pair, "options": options, "answer": dict(encoding)}
    if options.get("is_split_into_words"):
        call["word_ids"] = [encoding.word_ids(i) for i in range(len(rows))]
    return call


def main() -> None:
    if not transformers.__version__.startswith("4.57"):
        raise SystemExit(f"needs transformers 4.57, found {transformers.__version__}")
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_vocabulary(folder)
        small_tokenizer(folder).save_pretrained(folder)
        slow = transformers.AlbertTokenizer(str(folder / "spiece.model"))
        make_ids(slow, transformers.AlbertTokenizer(sys.argv[1]))
        make_calls(slow, transformers.AlbertTokenizerFast.from_pretrained(folder))


if __name__ == "__main__":
    main()
