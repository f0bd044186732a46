"""Tokenizers side by side."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from albert_np.bench.comparison import Contender, Result, compare
from albert_np.bench.rivals import INSTALL_TORCH, UnavailableError, needs

__all__ = ["measure_tokenizers"]


def measure_tokenizers(tokenizer: Any, lines: Sequence[str], repeats: int = 5) -> Result:
    """Compare an `AlbertTokenizer` with transformers' fast tokenizer of the same vocabulary and settings.

    Each gets all lines in one call and returns lists. Raises DisagreementError if any id differs.
    """
    contenders, skipped = [_contender("albert_np", tokenizer, lines)], []
    try:
        contenders.append(_transformers(tokenizer, lines))
    except UnavailableError as error:
        skipped.append(str(error))
    description = (
        f"{len(lines):,} sentences of Python's documentation to input_ids, attention_mask and token_type_ids, in one "
        "call. Everybody uses as many threads as by default."
    )
    seconds = compare(contenders, repeats, tolerance=0)
    return Result("tokenize", description, len(lines), "lines", seconds, skipped)


def _contender(name: str, tokenizer: Any, lines: Sequence[str]) -> Contender:
    def run() -> Any:
        return tokenizer(list(lines), return_token_type_ids=True)

    def results() -> dict[str, np.ndarray]:
        ids = run()["input_ids"]
        return {"ids": np.concatenate(ids), "number of ids a line": np.array([len(line) for line in ids])}

    return Contender(name, run, results)


def _transformers(tokenizer: Any, lines: Sequence[str]) -> Contender:
    (transformers,) = needs(INSTALL_TORCH, "transformers")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        theirs = transformers.AlbertTokenizerFast.from_pretrained(folder)
    return _contender(f"transformers, {type(theirs).__name__}", theirs, lines)
