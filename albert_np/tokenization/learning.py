"""Learning a Unigram model from text: the SentencePiece trainer, with the settings of the released vocabulary."""

import ctypes
import io
import random
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from albert_np.schema import is_unicode
from albert_np.tokenization.arguments import check_int
from albert_np.tokenization.normalization import Normalizer, lower_each
from albert_np.tokenization.sentencepiece_model import read_model

MAX_CHARACTERS = 4192 // 4  # SentencePiece leaves out what has more bytes than 4192, so it is cut
SAMPLING_SEED = 12345
TRAINING_THREADS = 16  # part of the result: sums over the threads' shares round differently


class Given(NamedTuple):
    """What is given of a vocabulary before it is learned; the defaults are those of the released one.

    pad, unknown: the first pieces; without a padding token, None. controls: further pieces that no text gives, in the
    order of their ids. alone: symbols that always stand by themselves, behind those. byte_fallback, space_behind: as in
    `ModelProto`.
    """

    pad: str | None = "<pad>"
    unknown: str = "<unk>"
    controls: tuple[str, ...] = ("[CLS]", "[SEP]", "[MASK]")
    alone: tuple[str, ...] = ("(", ")", '"', "-", ".", "–", "£", "€")
    byte_fallback: bool = False
    space_behind: bool = False


RELEASED = Given()


def learn(
    sentences: Iterable[str],
    vocab_size: int,
    normalizer: Normalizer,
    given: Given = RELEASED,
    character_coverage: float = 0.99995,
    max_characters: int = 30_000_000,
    at_most: bool = False,
) -> bytes:
    """Learn a Unigram model and return its file; the arguments are those of `train_vocabulary`.

    at_most: where the text supports fewer pieces than `vocab_size`, learn those, and warn. Raises TypeError for a
    sentence that is not a string, ValueError for a `vocab_size` that the text cannot fill or that is too small.
    """
    check_int("vocab_size", vocab_size, least=1)
    check_int("max_characters", max_characters, least=1)
    if not 0 < character_coverage <= 1:
        raise ValueError(f"character_coverage must be above 0 and at most 1, got {character_coverage}")
    sample = _sample(_stretches(sentences), max_characters)
    try:
        model = _train(sample, normalizer, given, vocab_size, character_coverage, at_most)
    finally:
        _let_go()
    if at_most and (count := len(read_model(model).pieces)) < vocab_size:
        warnings.warn(f"vocab_size={vocab_size} is more than the text supports: {count} pieces", stacklevel=3)
    return model


def flattened(name: str, texts: Iterable[str | Iterable[str]]) -> Iterator[str]:
    """Yield texts of an iterable that holds texts or lists of them. Raises TypeError for anything else."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be an iterable of texts or of lists of texts, got {texts!r:.80}")
    return _each_text(name, texts)


def _each_text(name: str, texts: Iterable[str | Iterable[str]]) -> Iterator[str]:
    for i, given in enumerate(texts):
        batch = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
        for text in batch:
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] must be a text or a list of texts, got {text!r:.80}")
            yield text


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
            stacklevel=4,
        )
    return [sentence for _, sentence in kept]


def _train(
    sample: list[str],
    normalizer: Normalizer,
    given: Given,
    vocab_size: int,
    character_coverage: float,
    at_most: bool,
) -> bytes:
    """Run the SentencePiece trainer, which uses up the sample, on what the tokenizer would see; return the model."""
    from sentencepiece import SentencePieceTrainer  # imported late: keeps `import albert_np` light

    def cleaned() -> Iterator[str]:
        while sample:
            sentence = sample.pop()
            yield from _cut(normalizer(lower_each(sentence) if normalizer.do_lower_case else sentence))

    differs: dict[str, Any] = {  # what is said is written into the model, even if it is the default
        "pad_piece": given.pad,
        "unk_piece": given.unknown,
        "byte_fallback": given.byte_fallback,
        "treat_whitespace_as_suffix": given.space_behind,
        "hard_vocab_limit": not at_most,
    }
    defaults = {"pad_piece": RELEASED.pad, "unk_piece": RELEASED.unknown, "hard_vocab_limit": True}
    others = {name: value for name, value in differs.items() if value not in (None, defaults.get(name, False))}
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=cleaned(),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            pad_id=-1 if given.pad is None else 0,
            unk_id=0 if given.pad is None else 1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=list(given.controls),
            user_defined_symbols=list(given.alone),
            character_coverage=character_coverage,
            num_threads=TRAINING_THREADS,
            minloglevel=2,
            **others,
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
