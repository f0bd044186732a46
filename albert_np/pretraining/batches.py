"""Pairs and masks to batches, each a pure function of its position: a resumed run continues to the bit."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.ops import IGNORE_INDEX
from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.masks import mask_tokens, prediction_budget
from albert_np.pretraining.segments import FROM_OTHERS, PAIRS, count_pairs, make_pair, plan_epoch
from albert_np.pretraining.vocabulary import Tokenizer, Vocabulary
from albert_np.schema import Kind, check, number, one_of, optional, whole

__all__ = [
    "KINDS",
    "Example",
    "Position",
    "PretrainingBatch",
    "PretrainingData",
    "held_out_batches",
    "held_out_kinds",
]

_PLAN, _EXAMPLE = 0, 1  # two families of random streams
# How a text becomes examples; a run that was begun in another way is not resumed, its batches could not be had again.
_EXAMPLES = "version 2, pairs cut between sentences alone"
KINDS = ("one", "two", "more")  # of examples, by the number of their sentences

# What a `PretrainingData` may be made with. The upper bounds are far beyond what anybody uses.
SETTINGS = {
    "batch_size": whole(1, 2**24),
    "max_seq_length": whole(8, 2**20),
    "masked_lm_prob": Kind("a number above 0 and below 1", lambda value: type(value) is float and 0 < value < 1),
    "max_predictions_per_seq": optional(whole(1)),
    "short_seq_prob": number(0, 1),
    "max_ngram": whole(1, 1000),
    "pairs": one_of(*PAIRS),
    "seed": whole(),
}


class Position(NamedTuple):
    """The place of a batch's first example: the epoch, and which of the epoch's examples it is."""

    epoch: int
    example: int


class Example(NamedTuple):
    """[CLS] A [SEP] B [SEP], or [CLS] A [SEP] where there is no pair; T differs from example to example."""

    input_ids: Ints  # (T,) with masks in it
    token_type_ids: Ints  # (T,) 0 up to the first [SEP], 1 after it
    labels: Ints  # (T,) the original token where one is asked for, -100 elsewhere
    sentence_order_label: int  # 0 in order, 1 swapped or not the next, -100 no pair


class PretrainingBatch(NamedTuple):
    """The arguments of `AlbertForPreTraining`, int64; T is the longest example, shorter ones are padded at the end."""

    input_ids: Ints  # (B, T)
    token_type_ids: Ints  # (B, T), 0 on padding
    attention_mask: Ints  # (B, T), 0 on padding
    labels: Ints  # (B, T), -100 where nothing is asked
    sentence_order_label: Ints  # (B,), -100 no pair


class PretrainingData:
    """The endless stream of pretraining batches of a corpus, addressed by position.

    max_seq_length: longest example, special tokens counted in. masked_lm_prob: share of an example's tokens that are
    masked; `max_predictions_per_seq` caps their number, None does not. short_seq_prob: see `plan_epoch`.
    max_ngram: see `choose_ngrams`. pairs: see `make_pair`. An epoch shows every chunk of the corpus once; the next
    one cuts, pairs and masks it anew. Example i of epoch e depends on (corpus, settings, seed, e, i) alone: not on
    the batch size, and not on what was asked for before. Every batch has `batch_size` examples: the last of an epoch
    is filled up from the next.

    Google's defaults, 20 predictions at 512 tokens, mask 3.9 % and not 15 %; a cap like that is warned of.

    Raises ValueError for an argument out of range, or a corpus made with another vocabulary.
    """

    def __init__(
        self,
        corpus: TokenizedCorpus,
        tokenizer: Tokenizer,
        batch_size: int,
        max_seq_length: int = 512,
        *,
        masked_lm_prob: float = 0.15,
        max_predictions_per_seq: int | None = None,
        short_seq_prob: float = 0.1,
        max_ngram: int = 3,
        pairs: str = "order",
        seed: int = 0,
    ):
        settings: dict[str, object] = {
            "batch_size": batch_size,
            "max_seq_length": max_seq_length,
            "masked_lm_prob": masked_lm_prob,
            "max_predictions_per_seq": max_predictions_per_seq,
            "short_seq_prob": short_seq_prob,
            "max_ngram": max_ngram,
            "pairs": pairs,
            "seed": seed,
        }
        settings = plain_numbers(settings)
        check(settings, SETTINGS, "PretrainingData")
        if max_predictions_per_seq is not None:
            _warn_of_cap(max_predictions_per_seq, masked_lm_prob, max_seq_length)
        if pairs in FROM_OTHERS and corpus.num_documents < 2:
            raise ValueError(f'pairs="{pairs}" takes segments from other documents, but the corpus has one document')
        corpus.check(tokenizer)
        self.corpus = corpus
        self.vocabulary = Vocabulary.from_tokenizer(tokenizer)
        self.batch_size = batch_size
        self.max_seq_length = max_seq_length
        self.masked_lm_prob = masked_lm_prob
        self.max_predictions_per_seq = max_predictions_per_seq
        self.short_seq_prob = short_seq_prob
        self.max_ngram = max_ngram
        self.pairs = pairs
        self.seed = seed
        self._settings = settings
        self._plans: dict[int, Ints] = {}

    @property
    def first_position(self) -> Position:
        """The position to start training from."""
        return Position(0, 0)

    def settings(self) -> dict[str, object]:
        """All that the stream is a function of, as JSON can hold it; a resumed run must have the same."""
        fingerprints = {"corpus": self.corpus.fingerprint, "vocabulary": self.vocabulary.fingerprint}
        return fingerprints | self._settings | {"examples": _EXAMPLES}

    def batch_at(self, position: Position) -> tuple[PretrainingBatch, Position]:
        """Return the batch at a position, and the position of the one after it.

        The batch goes on into the next epoch, and further, until it is full. Raises ValueError if there is no such
        position, or if a file of the corpus has become shorter.
        """
        self.corpus.check_files()
        epoch, index = position
        if not 0 <= index < self.epoch_size(epoch):
            raise ValueError(
                f"position {tuple(position)}: epoch {epoch} has examples 0 to {self.epoch_size(epoch) - 1}"
            )
        examples: list[Example] = []
        while len(examples) < self.batch_size:
            end = min(index + self.batch_size - len(examples), self.epoch_size(epoch))
            examples += [self.example(epoch, i) for i in range(index, end)]
            epoch, index = (epoch, end) if end < self.epoch_size(epoch) else (epoch + 1, 0)
        return self.collate(examples), Position(epoch, index)

    def batches(self, position: Position | None = None) -> Iterator[tuple[PretrainingBatch, Position]]:
        """The endless stream from a position on: each batch with the position after it."""
        position = self.first_position if position is None else position
        while True:
            batch, position = self.batch_at(position)
            yield batch, position

    def epoch_size(self, epoch: int) -> int:
        """How many examples an epoch has; it varies a little, because the short ones fall differently."""
        return len(self._plan(epoch))

    def shown_tokens(self, epoch: int) -> int:
        """How many of the corpus's tokens an epoch shows; the others are cut off at the ends of examples."""
        chunks = self.corpus.sentence_starts[self._plan(epoch)]
        return int(np.minimum(chunks[:, 1] - chunks[:, 0], self.max_seq_length - 3).sum())

    def num_pairs(self, epoch: int) -> int:
        """How many of an epoch's examples are pairs; the others have no second segment."""
        return count_pairs(self.corpus, self._plan(epoch), self.vocabulary, self.pairs)

    def kind(self, epoch: int, index: int) -> str:
        """Which of `KINDS` an example is."""
        first, end = self._plan(epoch)[index]
        return KINDS[min(int(end - first), len(KINDS)) - 1]

    def example(self, epoch: int, index: int) -> Example:
        """Example `index` of an epoch: a chunk cut into a pair, between special tokens, with masks."""
        rng = np.random.default_rng([self.seed, _EXAMPLE, epoch, index])
        vocabulary = self.vocabulary
        chunk = self._plan(epoch)[index]
        pair = make_pair(self.corpus, chunk, self.max_seq_length - 3, vocabulary, rng, self.pairs)
        parts: list[npt.ArrayLike] = [[vocabulary.cls_id], pair.first, [vocabulary.sep_id]]
        if len(pair.second):
            parts += [pair.second, [vocabulary.sep_id]]
        ids = np.concatenate(parts, dtype=np.int64)
        budget = prediction_budget(len(ids), self.masked_lm_prob, self.max_predictions_per_seq)
        input_ids, labels = mask_tokens(ids, vocabulary, budget, rng, self.max_ngram)
        token_type_ids = np.zeros_like(ids)
        token_type_ids[len(pair.first) + 2 :] = 1
        return Example(input_ids, token_type_ids, labels, pair.sentence_order_label)

    def collate(self, examples: Sequence[Example]) -> PretrainingBatch:
        """Pad examples to the longest of them and stack them."""
        shape = len(examples), max(len(example.input_ids) for example in examples)
        batch = PretrainingBatch(
            input_ids=np.full(shape, self.vocabulary.pad_id, dtype=np.int64),
            token_type_ids=np.zeros(shape, dtype=np.int64),
            attention_mask=np.zeros(shape, dtype=np.int64),
            labels=np.full(shape, IGNORE_INDEX, dtype=np.int64),
            sentence_order_label=np.array([example.sentence_order_label for example in examples], dtype=np.int64),
        )
        for row, example in enumerate(examples):
            length = len(example.input_ids)
            batch.input_ids[row, :length] = example.input_ids
            batch.token_type_ids[row, :length] = example.token_type_ids
            batch.attention_mask[row, :length] = 1
            batch.labels[row, :length] = example.labels
        return batch

    def _plan(self, epoch: int) -> Ints:
        """The chunks of an epoch in their order; those of two epochs are kept, for batches that hold both."""
        if epoch not in self._plans:
            if epoch < 0:
                raise ValueError(f"epoch={epoch} must be at least 0")
            rng = np.random.default_rng([self.seed, _PLAN, epoch])
            plan = plan_epoch(self.corpus, self.max_seq_length - 3, self.short_seq_prob, rng, self.pairs)
            self._plans = {**{e: kept for e, kept in self._plans.items() if abs(e - epoch) == 1}, epoch: plan}
        return self._plans[epoch]


def held_out_batches(
    corpus: TokenizedCorpus,
    tokenizer: Tokenizer,
    batch_size: int,
    max_seq_length: int = 512,
    *,
    max_examples: int | None = None,
    **options: Any,
) -> list[PretrainingBatch]:
    """A fixed list of batches to evaluate on: epoch 0 of a held-out corpus, every example once.

    The last batch may be smaller. `max_examples` keeps the first so many, a random sample of the corpus. `options`
    are those of `PretrainingData`; the same arguments give the same masks every time.
    """
    data, count = _held_out(corpus, tokenizer, batch_size, max_seq_length, max_examples, options)
    return _batched(data, range(count), batch_size)


def held_out_kinds(
    corpus: TokenizedCorpus,
    tokenizer: Tokenizer,
    batch_size: int,
    max_seq_length: int = 512,
    *,
    max_examples: int | None = None,
    **options: Any,
) -> dict[str, list[PretrainingBatch]]:
    """The examples of `held_out_batches`, those of each of `KINDS` in batches of their own."""
    data, count = _held_out(corpus, tokenizer, batch_size, max_seq_length, max_examples, options)
    kinds = [data.kind(0, i) for i in range(count)]
    members = {kind: [i for i in range(count) if kinds[i] == kind] for kind in KINDS}
    return {kind: _batched(data, indices, batch_size) for kind, indices in members.items()}


def _held_out(
    corpus: TokenizedCorpus,
    tokenizer: Tokenizer,
    batch_size: int,
    max_seq_length: int,
    max_examples: int | None,
    options: dict[str, Any],
) -> tuple[PretrainingData, int]:
    sizes = plain_numbers({"batch_size": batch_size, "max_examples": max_examples})
    check(sizes, {"batch_size": SETTINGS["batch_size"], "max_examples": optional(whole(1))}, "held_out_batches")
    data = PretrainingData(corpus, tokenizer, 1, max_seq_length, **options)
    return data, data.epoch_size(0) if max_examples is None else min(max_examples, data.epoch_size(0))


def _batched(data: PretrainingData, indices: Sequence[int], batch_size: int) -> list[PretrainingBatch]:
    examples = [data.example(0, i) for i in indices]
    return [data.collate(examples[start : start + batch_size]) for start in range(0, len(examples), batch_size)]


def plain_numbers(settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings with Python's numbers in the place of NumPy's, as JSON can hold them."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def _warn_of_cap(max_predictions: int, masked_lm_prob: float, max_seq_length: int) -> None:
    asked = prediction_budget(max_seq_length, masked_lm_prob, None)
    if max_predictions < asked:
        warnings.warn(
            f"max_predictions_per_seq={max_predictions} masks at most {max_predictions / max_seq_length:.1%} of an "
            f"example of {max_seq_length} tokens; masked_lm_prob={masked_lm_prob} asks for {asked}",
            stacklevel=3,
        )
