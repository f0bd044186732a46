"""Train a vocabulary of one's own, with the settings of the released one."""

import ctypes
import io
import os
import random
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from albert_np.files import whole_file
from albert_np.schema import is_unicode
from albert_np.tokenization.arguments import check_int
from albert_np.tokenization.normalization import Normalizer, lower_each
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.tokenizer import AlbertTokenizer

CONTROL_SYMBOLS = ("[CLS]", "[SEP]", "[MASK]")
USER_DEFINED_SYMBOLS = ("(", ")", '"', "-", ".", "–", "£", "€")
MAX_CHARACTERS = 4192 // 4  # SentencePiece leaves out what has more bytes than 4192, so it is cut
SAMPLING_SEED = 12345
TRAINING_THREADS = 16  # part of the result: sums over the threads' shares round differently


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
    check_int("vocab_size", vocab_size, least=1)
    check_int("max_characters", max_characters, least=1)
    if not 0 < character_coverage <= 1:
        raise ValueError(f"character_coverage must be above 0 and at most 1, got {character_coverage}")
    path = Path(model_file)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"model_file={str(path)!r}: there is no folder {str(path.parent)!r}")
    normalizer = Normalizer(do_lower_case, keep_accents=keep_accents)
    with whole_file(path) as hidden:
        sample = _sample(_stretches(sentences), max_characters)
        serialized = _train(sample, normalizer, vocab_size, character_coverage)
        hidden.write_bytes(serialized)
    _let_go()
    return AlbertTokenizer(SentencePieceModel(serialized), do_lower_case=do_lower_case, keep_accents=keep_accents)


def _stretches(sentences: Iterable[str]) -> Iterator[str]:
    """Yield the sentences, long ones cut into stretches that the trainer accepts."""
    for i, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise TypeError(f"sentences[{i}] must be a string, got {type(sentence).__name__}")
        if not is_unicode(sentence):
            raise ValueError(f"sentences[{i}] is no Unicode, half of a surrogate pair is in it: {sentence[:80]!a}")
        yield from _cut(sentence)


def _cut(sentence: str) -> Iterator[str]:
    """Cut a sentence into stretches of at most `MAX_CHARACTERS`, between words if it can be."""
    start = 0
    while len(sentence) - start > MAX_CHARACTERS:
        end = sentence.rfind(" ", start + 1, start + MAX_CHARACTERS)
        end = start + MAX_CHARACTERS if end < 0 else end
        yield sentence[start:end]
        start = end
    yield sentence[start:]


def _sample(sentences: Iterable[str], size: int) -> list[str]:
    """Keep sentences of a stream with at most `size` characters together, all of them or each with the same chance.

    Each draws a number; those above a limit are left out, and the limit falls by a quarter when too many are kept. The
    order stays. SentencePiece could sample too, but its draw differs from one process to the next.
    """
    rng = random.Random(SAMPLING_SEED)
    kept: list[tuple[float, str]] = []
    limit, characters, count, total = 1.0, 0, 0, 0
    for sentence in sentences:
        count += 1
        total += len(sentence)
        draw = rng.random()
        if draw >= limit:
            continue
        kept.append((draw, sentence))
        characters += len(sentence)
        while characters > size and len(kept) > 1:
            limit *= 0.75
            kept = [entry for entry in kept if entry[0] < limit]
            characters = sum(len(sentence) for _, sentence in kept)
    if len(kept) < count:
        warnings.warn(
            f"the vocabulary is learned from a random sample: {len(kept):,} of {count:,} sentences, {characters:,} of "
            f"{total:,} characters",
            stacklevel=3,
        )
    return [sentence for _, sentence in kept]


def _train(sample: list[str], normalizer: Normalizer, vocab_size: int, character_coverage: float) -> bytes:
    """Run the SentencePiece trainer, which uses up the sample, on what the tokenizer would see; return the model."""
    from sentencepiece import SentencePieceTrainer  # imported late: keeps `import albert_np` light

    def cleaned() -> Iterator[str]:
        while sample:
            sentence = sample.pop()
            yield from _cut(normalizer(lower_each(sentence) if normalizer.do_lower_case else sentence))

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=cleaned(),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=list(CONTROL_SYMBOLS),
            user_defined_symbols=list(USER_DEFINED_SYMBOLS),
            character_coverage=character_coverage,
            num_threads=TRAINING_THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(error, vocab_size) from error
    return model.getvalue()


def _let_go() -> None:
    """Give back to the system what the trainer has freed; glibc keeps it, hundreds of megabytes of a large sample."""
    with suppress(OSError, AttributeError, TypeError):  # other systems
        ctypes.CDLL(None).malloc_trim(0)


def _explained(error: Exception, vocab_size: int) -> ValueError:
    """Put the trainer's error into the words of `train_vocabulary`."""
    message = str(error)
    if "sentences_.empty()" in message:
        return ValueError("sentences hold no text to learn from")
    if found := re.search(r"set it to a value <= (\d+)", message):
        return ValueError(f"vocab_size={vocab_size} is more than the text supports; the largest possible is {found[1]}")
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return ValueError(
            f"vocab_size={vocab_size} is too small for the characters of the text; the smallest possible is {found[1]}"
        )
    return ValueError(f"the vocabulary could not be trained: {message}")
