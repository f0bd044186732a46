"""Train a vocabulary of one's own, with the settings of the released one."""

import os
from collections.abc import Iterable
from pathlib import Path

from albert_np.files import whole_file
from albert_np.tokenization.learning import RELEASED, learn
from albert_np.tokenization.normalization import Normalizer
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.tokenizer import AlbertTokenizer


def train_vocabulary(
    sentences: Iterable[str],
    model_file: str | os.PathLike[str],
    vocab_size: int = 30000,
    *,
    do_lower_case: bool = True,
    keep_accents: bool = False,
    character_coverage: float = 0.99995,
    max_characters: int = 30_000_000,
) -> AlbertTokenizer:
    """Learn a Unigram vocabulary from sentences, write it to `model_file`, and return its tokenizer.

    sentences: strings, read once, as a stream. They go through ALBERT's text clean-up first, so that vocabulary and
        tokenizer agree.
    model_file: path of the `spiece.model` to write; it appears once it is complete.
    vocab_size: the number of all pieces: <pad> 0, <unk> 1, [CLS] 2, [SEP] 3, [MASK] 4, the symbols ( ) " - . – £ €
        that always stand alone, the characters of the text, and the pieces learned.
    do_lower_case, keep_accents: the tokenizer's options, for the clean-up and for the tokenizer that is returned.
    character_coverage: the share of the text, above 0 and at most 1, whose characters become pieces.
    max_characters: of a longer text, a random sample of sentences with at most so many characters is learned from, and
        a warning says how much that is. Memory: some 22 bytes a character.

    The same sentences give the same bytes, on any number of cores. Settings: google-research/albert, README,
    "SentencePiece".

    Raises TypeError for a sentence that is not a string, ValueError for a `vocab_size` that the text cannot fill or
    that is too small for its characters (the message names the possible size), FileNotFoundError if the folder of
    `model_file` is missing, IsADirectoryError if `model_file` is a folder.
    """
    if isinstance(sentences, str):
        raise TypeError("sentences must be an iterable of strings, not one string")
    path = Path(model_file)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"model_file={str(path)!r}: there is no folder {str(path.parent)!r}")
    normalizer = Normalizer(do_lower_case, keep_accents=keep_accents)
    with whole_file(path) as hidden:
        serialized = learn(sentences, vocab_size, normalizer, RELEASED, character_coverage, max_characters)
        hidden.write_bytes(serialized)
    return AlbertTokenizer(SentencePieceModel(serialized), do_lower_case=do_lower_case, keep_accents=keep_accents)
