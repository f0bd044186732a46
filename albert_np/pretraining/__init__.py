"""Pretraining: documents to batches (sentences, tokenized corpora, pairs of segments, n-gram masks), objective, run."""

from albert_np.pretraining.batches import (
    KINDS,
    Example,
    Position,
    PretrainingBatch,
    PretrainingData,
    held_out_batches,
    held_out_kinds,
)
from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.documents import is_held_out, read_documents, text_source
from albert_np.pretraining.masks import choose_ngrams, mask_tokens, ngram_probabilities, replace_tokens
from albert_np.pretraining.objective import PRETRAINING, evaluate_kinds
from albert_np.pretraining.preparation import Progress, check_vacant, prepare_run
from albert_np.pretraining.python_docs import module_prose, python_prose, python_prose_source
from albert_np.pretraining.recipe import Recipe
from albert_np.pretraining.run import Preparation, PretrainingRun
from albert_np.pretraining.segments import Pair, make_pair, plan_epoch, truncate_pair
from albert_np.pretraining.sentences import split_sentences
from albert_np.pretraining.vocabulary import Vocabulary, starts_word

__all__ = [
    "KINDS",
    "PRETRAINING",
    "Example",
    "Pair",
    "Position",
    "Preparation",
    "PretrainingBatch",
    "PretrainingData",
    "PretrainingRun",
    "Progress",
    "Recipe",
    "TokenizedCorpus",
    "Vocabulary",
    "check_vacant",
    "choose_ngrams",
    "evaluate_kinds",
    "held_out_batches",
    "held_out_kinds",
    "is_held_out",
    "make_pair",
    "mask_tokens",
    "module_prose",
    "ngram_probabilities",
    "plan_epoch",
    "prepare_run",
    "python_prose",
    "python_prose_source",
    "read_documents",
    "replace_tokens",
    "split_sentences",
    "starts_word",
    "text_source",
    "truncate_pair",
]
