"""n-gram masks: which words of an example the model must guess, and what stands in their place."""

from bisect import bisect_right
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.ops import IGNORE_INDEX
from albert_np.pretraining.vocabulary import Vocabulary

__all__ = ["choose_ngrams", "mask_tokens", "ngram_probabilities", "prediction_budget", "replace_tokens"]


class NGram(NamedTuple):
    """`length` consecutive words from word `start` on."""

    start: int
    length: int


def ngram_probabilities(max_ngram: int = 3) -> npt.NDArray[np.float64]:
    """p(n) = (1/n) / Σ 1/k for n = 1 … max_ngram; 6/11, 3/11 and 2/11 for three (paper, section 4.1).

    Derivation: notebook 13, eq. 13.1.
    """
    weights: npt.NDArray[np.float64] = 1 / np.arange(1, max_ngram + 1)
    weights /= weights.sum()
    return weights


def prediction_budget(length: int, masked_lm_prob: float, max_predictions: int | None) -> int:
    """The number of tokens to mask among `length`, special tokens counted in, as Google does: at least 1.

    Derivation: notebook 13, eq. 13.7.
    """
    budget = max(1, round(length * masked_lm_prob))
    return budget if max_predictions is None else min(budget, max_predictions)


def mask_tokens(
    ids: Ints,
    vocabulary: Vocabulary,
    budget: int,
    rng: np.random.Generator,
    max_ngram: int = 3,
) -> tuple[Ints, Ints]:
    """Mask whole words of one example, at most `budget` tokens; return input_ids and labels, both (T,) int64.

    ids: (T,) with its special tokens. labels: the original token where one was chosen, -100 elsewhere. Special tokens
    are never chosen, the unknown token among them: there is nothing to learn from guessing it.
    """
    bounds = _word_bounds(ids, vocabulary)
    sizes = bounds[1:] - bounds[:-1]
    sizes[vocabulary.is_special[ids[bounds[:-1]]]] = budget + 1  # no n-gram reaches over what it cannot afford
    chosen = np.zeros(len(ids), dtype=bool)
    for start, length in choose_ngrams(sizes, budget, rng, max_ngram):
        chosen[bounds[start] : bounds[start + length]] = True
    labels = np.where(chosen, ids.astype(np.int64), IGNORE_INDEX)
    return replace_tokens(ids, chosen, vocabulary, rng), labels


def choose_ngrams(sizes: Ints, budget: int, rng: np.random.Generator, max_ngram: int = 3) -> list[NGram]:
    """Choose disjoint n-grams of words that hold at most `budget` tokens together.

    sizes: (W,) tokens of each word; a word that must not be chosen has more than the budget. Again and again n is
    drawn with `ngram_probabilities`, then a place uniformly from all where n words in a row are still free and fit
    into what is left of the budget; where there is none, n shrinks. It ends when the budget is used up or no word
    fits. So p(n) holds for every n-gram that has room, and short ones are more frequent among the last of an example:
    of 125 words of one token each, with a budget of 19, the shares come out as 57.1, 26.7 and 16.2 % instead of 54.5,
    27.3 and 18.2 %.

    Google's code draws the place first and gives it up if the n-gram overlaps another one, which favours small n.
    """
    thresholds = _thresholds(max_ngram)
    sizes = sizes.copy()
    left = budget
    ngrams: list[NGram] = []
    while left > 0:
        for n in range(1 + bisect_right(thresholds, rng.random()), 0, -1):
            tokens = _sums(sizes, n)
            places = (tokens <= left).nonzero()[0]
            if len(places):
                break
        else:
            break
        start = int(places[int(rng.random() * len(places))])
        left -= int(tokens[start])
        sizes[start : start + n] = budget + 1
        ngrams.append(NGram(start, n))
    return ngrams


def replace_tokens(
    ids: Ints, chosen: npt.NDArray[np.bool_], vocabulary: Vocabulary, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Put [MASK] on 80 % of the chosen tokens and a random piece on 10 %; 10 % stay as they are. Each by itself.

    ids (T,), chosen (T,) bool; returns (T,) int64. The random piece is uniform over the ordinary pieces. Google's code
    draws from the whole vocabulary: a [SEP] or a padding token would appear in the middle of a sentence, and a [MASK]
    would blur the 80 %.

    Derivation: notebook 13, eq. 13.8.
    """
    input_ids = ids.astype(np.int64)
    places = np.flatnonzero(chosen)
    luck = rng.random(len(places))
    input_ids[places[luck < 0.8]] = vocabulary.mask_id
    randomised = places[luck >= 0.9]
    input_ids[randomised] = vocabulary.ordinary_ids[rng.integers(len(vocabulary.ordinary_ids), size=len(randomised))]
    return input_ids


@cache
def _thresholds(max_ngram: int) -> tuple[float, ...]:
    """Draw n with them: a uniform number in [0, 1) passes k of them with the probability p(k + 1)."""
    return tuple(np.cumsum(ngram_probabilities(max_ngram))[:-1].tolist())


def _word_bounds(ids: Ints, vocabulary: Vocabulary) -> Ints:
    """Where the W words begin, and the end of the last: (W + 1,).

    A special token is a word by itself, and what follows it begins one, be it the rest of a word that was cut.
    """
    begins = np.ones(len(ids) + 1, dtype=bool)
    begins[1:-1] = vocabulary.starts_word[ids[1:]] | vocabulary.is_special[ids[:-1]]
    return np.flatnonzero(begins)


def _sums(sizes: Ints, n: int) -> Ints:
    """The sums of n neighbours, (W - n + 1,)."""
    count = max(0, len(sizes) - n + 1)
    sums = sizes[:count]
    for k in range(1, n):
        sums = sums + sizes[k : k + count]
    return sums
