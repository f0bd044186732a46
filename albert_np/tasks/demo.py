"""A labelled task made of what lies on the user's disk: which part of Python's library does a sentence describe?

The sentences are those of docstrings, see `pretraining.python_docs.module_prose`; the label is the group of their
module. Training and evaluation hold different modules. Left out are sentences that name their own module, and
evaluation sentences that have six words in a row in common with a training sentence. The quickstart's model has read
nearly all of these sentences in pretraining, those of the evaluation too, but without labels.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from albert_np.pretraining import module_prose
from albert_np.tasks.baselines import bag_of_words_baseline, majority_baseline
from albert_np.tasks.examples import TextExample
from albert_np.tasks.finetune import FineTuningRecipe, FineTuningRun, prepare_finetuning
from albert_np.tasks.recipes import task_settings

__all__ = ["GROUPS", "DemoResult", "demo", "demo_examples"]

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
RUN = 6  # words in a row that no two sentences of the two sides share

Item = TypeVar("Item")


class DemoResult(NamedTuple):
    """Accuracies on the evaluation examples: of baselines, and of one model trained alike from two starts."""

    train_size: int
    eval_size: int
    majority: float
    bag_of_words: float
    random_start: float
    pretrained: float


def demo(
    output: str | Path,
    model: str | Path,
    seed: int = 0,
    train: Callable[[FineTuningRun, str], object] = lambda run, name: run.train(resume=True),
) -> DemoResult:
    """Fine-tune a model from random weights and from its own, and compare with what needs no model.

    output: a folder for the two runs; one that is there already is gone on with. train: trains a run. Raises what
    `prepare_finetuning` and `FineTuningRun.train` raise.
    """
    known, asked = demo_examples(seed)
    best = {}
    for name in ("random-start", "pretrained"):
        folder = Path(output) / name
        if folder.exists():
            run = FineTuningRun(folder)
        else:
            task, recipe = task_settings("classification", dropout=0.1), FineTuningRecipe(seed=seed)
            scratch = name == "random-start"
            run = prepare_finetuning(folder, task, known, asked, model, from_scratch=scratch, recipe=recipe)
        train(run, name)
        best[name] = run.best()["evaluation"]["accuracy"]
    majority = majority_baseline("classification", known, asked)["accuracy"]
    bag = bag_of_words_baseline(known, asked)["accuracy"]
    return DemoResult(len(known), len(asked), majority, bag, best["random-start"], best["pretrained"])


def demo_examples(seed: int = 0) -> tuple[list[TextExample], list[TextExample]]:
    """Return examples for training and for evaluation, on either side equally many of each group."""
    rng = np.random.default_rng(seed)
    group_of = {module: group for group, modules in GROUPS.items() for module in modules.split()}
    modules: dict[str, list[list[str]]] = {group: [] for group in GROUPS}
    for name, sentences in module_prose():
        group = group_of.get(name.split(".")[0])
        if group and (kept := _anonymous(sentences, name)):
            modules[group].append(_sample(kept, LARGEST_MODULE, rng))
    train: dict[str, list[str]] = {}
    evaluation: dict[str, list[str]] = {}
    for group, texts in modules.items():
        texts = _sample(texts, len(texts), rng)
        sizes = np.cumsum([len(sentences) for sentences in texts])
        cut = int(np.searchsorted(sizes, EVAL_SHARE * sizes[-1])) + 1
        evaluation[group], train[group] = list(chain(*texts[:cut])), list(chain(*texts[cut:]))
    known = {run for sentence in chain(*train.values()) for run in _runs(sentence)}
    evaluation = {group: [s for s in own if not known & _runs(s)] for group, own in evaluation.items()}
    return _balanced(train, rng), _balanced(evaluation, rng)


def _balanced(sentences: dict[str, list[str]], rng: np.random.Generator) -> list[TextExample]:
    size = min(map(len, sentences.values()))
    return [TextExample(s, label=group) for group, own in sentences.items() for s in _sample(own, size, rng)]


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
