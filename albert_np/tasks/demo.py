"""Two labelled tasks made of what lies on the user's disk, and what pretraining brings to each.

topics: which part of Python's library does a sentence describe? A label for each sentence, the group of its module.
words: which words of a sentence were replaced by others? A tag for each word, of a quarter of those in lower case.

The sentences are those of docstrings, see `pretraining.python_docs.module_prose`. Training and evaluation hold
different modules; an evaluation sentence that has six words in a row in common with a training sentence is left
out, and so is every sentence that names its own module. The quickstart's model has read nearly all of these sentences
in pretraining, those of the evaluation too, but without labels.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from albert_np.pretraining.python_docs import module_prose
from albert_np.tasks.baselines import bag_of_words_baseline, majority_baseline
from albert_np.tasks.examples import TaggedExample, TextExample
from albert_np.tasks.finetune import FineTuningRecipe, FineTuningRun, prepare_finetuning, task_settings

__all__ = ["GROUPS", "DemoResult", "demo", "demo_sentences", "topic_examples", "word_examples"]

GROUPS = {
    "concurrency": "asyncio threading multiprocessing concurrent subprocess queue sched selectors contextvars signal",
    "files": "_pyio io os pathlib shutil tempfile tarfile zipfile gzip bz2 lzma fileinput glob fnmatch posixpath "
    "ntpath genericpath stat filecmp dbm shelve platform",
    "language": "typing collections _collections_abc enum dataclasses abc functools contextlib types weakref copy "
    "operator heapq bisect importlib ast dis pkgutil",
    "network": "http urllib smtplib xmlrpc ssl imaplib ftplib poplib telnetlib nntplib socket socketserver wsgiref "
    "ipaddress webbrowser cgi",
    "numbers": "numpy _pydecimal fractions statistics random numbers datetime calendar",
    "screen": "tkinter turtle curses cmd",
    "testing": "unittest doctest pdb bdb trace traceback timeit profile cProfile pstats logging warnings inspect pydoc",
    "text": "email mailbox textwrap difflib html xml json csv configparser re string codecs gettext locale argparse "
    "optparse mimetypes base64",
}
EVAL_SHARE = 0.2
LARGEST_MODULE = 120  # sentences: more would make the group a matter of one module
_PLAIN = re.compile("[a-z]+")
RUN = 6  # words in a row that no two sentences of the two sides share
REPLACED = 0.25  # of the words in lower case

Item = TypeVar("Item")
Sentences = dict[str, list[str]]  # of each group


class DemoResult(NamedTuple):
    """A task, and its metric on the evaluation examples: of baselines, and of one model and recipe from two starts."""

    task: str
    metric: str
    train_size: int
    eval_size: int
    scores: dict[str, float]  # "majority", "bag of words" where whole sentences are labelled, "random start", …


def demo(
    output: str | Path,
    model: str | Path,
    train: Callable[[FineTuningRun, str], object] = lambda run, title: run.train(resume=True),
    seed: int = 0,
) -> list[DemoResult]:
    """Fine-tune a model for both tasks, from its weights and from random ones, and compare with what needs no model.

    output: a folder for the four runs; those that are there already are gone on with. train: trains a run. Raises what
    `prepare_finetuning` and `FineTuningRun.train` raise.
    """
    sides = demo_sentences(seed)
    results = []
    for name, kind, make in (("topics", "classification", topic_examples), ("words", "tagging", word_examples)):
        task = task_settings(kind, dropout=0.1)
        known, asked = make(sides[0], seed), make(sides[1], seed)
        scores = {"majority": majority_baseline(kind, known, asked)[task.metric]}
        if kind == "classification":
            scores["bag of words"] = bag_of_words_baseline(known, asked)[task.metric]
        for start in ("random start", "pretrained"):
            folder = Path(output) / f"{name}-{start.replace(' ', '-')}"
            if folder.exists():
                run = FineTuningRun(folder)
            else:
                recipe = FineTuningRecipe(seed=seed)
                scratch = start == "random start"
                run = prepare_finetuning(folder, task, known, asked, model, from_scratch=scratch, recipe=recipe)
            train(run, f"{name}, {start}")
            scores[start] = run.best()["evaluation"][task.metric]
        results.append(DemoResult(name, task.metric, len(known), len(asked), scores))
    return results


def demo_sentences(seed: int = 0) -> tuple[Sentences, Sentences]:
    """Return the sentences of each group for training and for evaluation, from different modules."""
    rng = np.random.default_rng(seed)
    group_of = {module: group for group, modules in GROUPS.items() for module in modules.split()}
    modules: dict[str, list[list[str]]] = {group: [] for group in GROUPS}
    for name, sentences in module_prose():
        group = group_of.get(name.split(".")[0])
        if group and (kept := _anonymous(sentences, name)):
            modules[group].append(_sample(kept, LARGEST_MODULE, rng))
    train: Sentences = {}
    evaluation: Sentences = {}
    for group, texts in modules.items():
        texts = _sample(texts, len(texts), rng)
        sizes = np.cumsum([len(sentences) for sentences in texts])
        cut = int(np.searchsorted(sizes, EVAL_SHARE * sizes[-1])) + 1
        evaluation[group], train[group] = list(chain(*texts[:cut])), list(chain(*texts[cut:]))
    known = {run for sentence in chain(*train.values()) for run in _runs(sentence)}
    return train, {group: [s for s in own if not known & _runs(s)] for group, own in evaluation.items()}


def topic_examples(sentences: Sentences, seed: int = 0) -> list[Any]:
    """Return sentences with their groups, equally many of each."""
    rng = np.random.default_rng(seed)
    size = min(map(len, sentences.values()))
    return [TextExample(s, label=group) for group, own in sentences.items() for s in _sample(own, size, rng)]


def word_examples(sentences: Sentences, seed: int = 0) -> list[Any]:
    """Return the same sentences with a quarter of their words in lower case replaced by such words of the others."""
    rng = np.random.default_rng(seed)
    texts = [example.text.split() for example in topic_examples(sentences, seed)]
    stock = [word for words in texts for word in words if _PLAIN.fullmatch(word)]
    examples = []
    for words in texts:
        replaced = [_PLAIN.fullmatch(word) is not None and rng.random() < REPLACED for word in words]
        others = iter(rng.integers(len(stock), size=sum(replaced)))
        shown = [stock[next(others)] if r else word for word, r in zip(words, replaced, strict=True)]
        examples.append(TaggedExample(tuple(shown), tuple("B-replaced" if r else "O" for r in replaced)))
    return examples


def _anonymous(sentences: Sequence[str], module: str) -> list[str]:
    """Return the sentences that name no part of their module's dotted name."""
    names = {part for part in re.split(r"[._]", module.lower()) if len(part) > 1}
    return [sentence for sentence in sentences if not names & set(_words(sentence))]


def _words(sentence: str) -> list[str]:
    return re.findall(r"\w+", sentence.lower())


def _runs(sentence: str) -> set[tuple[str, ...]]:
    """Return all runs of `RUN` words; of a shorter sentence, the sentence."""
    words = _words(sentence)
    return {tuple(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}


def _sample(items: Sequence[Item], size: int, rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))[:size]]
