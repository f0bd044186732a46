"""Texts to a run folder: what is held out, the vocabulary, the token ids."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from albert_np.backend import get_backend
from albert_np.checkpoints import CONFIG_FILE
from albert_np.config import AlbertConfig
from albert_np.execution import Processes, this_job, threads_for
from albert_np.files import locked, remove_folder, whole_files, write_json
from albert_np.pretraining.corpus import build_parts, is_corpus
from albert_np.pretraining.documents import is_held_out
from albert_np.pretraining.recipe import Recipe
from albert_np.pretraining.run import RUN_FILE, Preparation, PretrainingRun
from albert_np.pretraining.vocabulary import Vocabulary
from albert_np.schema import Kind, check, whole
from albert_np.tokenization import AlbertTokenizer, train_vocabulary

__all__ = ["Progress", "check_vacant", "prepare_run"]

_OF_OTHERS = (CONFIG_FILE, "model.safetensors", "finetuning.json", "metrics.jsonl", "checkpoints")  # not to write over
_PARTS = ("train", "held_out")
_OPTIONS = {
    "vocab_size": whole(1, 2**24),
    "vocabulary_sample": whole(1),
    "held_out": Kind("a number from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1),
}

Documents = Callable[[], Iterable[Sequence[str]]]  # each call reads the texts from the start
Progress = Callable[[str], None]  # is told what is being done


class Division(NamedTuple):
    """Which texts are trained on: the first `sentences` sentences or, with None, documents by `is_held_out`.

    size: bytes of all sentences in UTF-8.
    """

    documents: Documents
    fraction: float
    sentences: int | None
    size: int

    def parts(self) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield the documents, each with the number of its part: 1 is held out; one that is cut is in both."""
        if self.sentences is None:
            yield from ((is_held_out(document, self.fraction), document) for document in self.documents())
            return
        left = self.sentences
        for document in self.documents():
            yield from ((part, kept) for part, kept in enumerate((document[:left], document[left:])) if kept)
            left = max(0, left - len(document))


def prepare_run(
    output: Path,
    documents: Documents,
    source: object,
    config: AlbertConfig,
    recipe: Recipe,
    *,
    vocabulary: Path | None = None,
    vocab_size: int = 30000,
    vocabulary_sample: int = 30_000_000,
    held_out: float = 0.05,
    report: Progress = lambda what: None,
    processes: Processes | None = None,
) -> PretrainingRun:
    """Make a run folder, whole or not at all: the vocabulary, the tokenized texts, and, last, run.json.

    documents: reads the texts anew at each call; source: what tells them from others, as JSON can hold it.
    vocabulary: a spiece.model to use; without one, `vocab_size` pieces are learned from the training documents, or from
    a sample of `vocabulary_sample` characters. held_out: share of the documents kept for evaluation or, where that
    is less than one document or all of them, of the sentences, the last ones. The configuration's vocabulary size
    becomes that of the vocabulary. processes: tokenize in these; the files are the same. What it took is the run's
    `preparation`.

    Raises, before a text is read, FileExistsError if there is a run or a model already, BlockingIOError if another
    process uses the folder, and ValueError if an argument is out of range; ValueError if the texts do not fit.
    """
    started, processes = time.perf_counter(), processes or Processes(1)
    output = Path(output)
    check_vacant(output)
    options = {"vocab_size": vocab_size, "vocabulary_sample": vocabulary_sample, "held_out": held_out}
    check(options, _OPTIONS, "prepare_run")
    if recipe.max_seq_length > config.max_position_embeddings:
        raise ValueError(
            f"max_seq_length={recipe.max_seq_length}, but max_position_embeddings={config.max_position_embeddings}"
        )
    get_backend(recipe.backend)
    threads_for(recipe.backend, max(1, (recipe.threads or 1) // this_job().size))
    tokenizer = None if vocabulary is None else AlbertTokenizer(vocabulary)
    if tokenizer is not None:
        Vocabulary.from_tokenizer(tokenizer)
    with locked(output):
        check_vacant(output)  # nobody else writes there from here on
        if (output / "corpus").exists():
            remove_folder(output / "corpus")  # of a preparation that was killed
        with whole_files(output, seal=RUN_FILE) as hidden:
            division = _divide(documents, held_out, report)
            if tokenizer is None:
                report("learning a vocabulary")
                sentences = (sentence for part, document in division.parts() if not part for sentence in document)
                model_file = hidden / "spiece.model"
                tokenizer = train_vocabulary(sentences, model_file, vocab_size, max_characters=vocabulary_sample)
            tokenizer.save_pretrained(hidden)
            report("tokenizing")
            parts = [hidden / "corpus" / name for name in (_PARTS if division.fraction else _PARTS[:1])]
            build_parts(parts, division.parts(), tokenizer, source, processes=processes)
            config = replace(config, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
            contents = {"config": config.to_dict(), "recipe": asdict(recipe), "source": source}
            write_json(hidden / RUN_FILE, contents)
            PretrainingRun(hidden).check(report)
    run = PretrainingRun(output)
    run.preparation = Preparation(division.size, time.perf_counter() - started, processes.peak_memory())
    report(str(run.preparation))
    return run


def check_vacant(output: Path) -> None:
    """Raise FileExistsError if a folder holds anything that a run would write over, or is a file."""
    if output.exists() and not output.is_dir():
        raise FileExistsError(errno.EEXIST, "this is a file, and no folder", str(output))
    if (output / RUN_FILE).exists():
        raise FileExistsError(f"{output} already holds a run: resume it or choose another folder")
    held = [name for name in _OF_OTHERS if (output / name).exists()]
    corpus = output / "corpus"
    if corpus.exists() and not all(is_corpus(path) and path.name in _PARTS for path in corpus.iterdir()):
        held.append("corpus")
    if held:
        raise FileExistsError(f"{output} already holds {held[0]}, of a model or another run: choose another folder")


def _divide(documents: Documents, fraction: float, report: Progress) -> Division:
    """Count the texts, decide what is held out, and say so."""
    report("counting the text")
    counts, sentences, size = [0, 0], [0, 0], 0  # trained on, held out
    for document in documents():
        side = is_held_out(document, fraction)
        counts[side] += 1
        sentences[side] += len(document)
        size += len("".join(document).encode())
    total = sum(sentences)
    if total == 0:
        raise ValueError("the documents hold no text: there is nothing to train on")
    text = f"{sum(counts):,} documents of {total:,} sentences: "
    if min(counts) > 0 and sum(counts) * fraction >= 1:
        report(f"{text}{counts[1]:,} documents, {sentences[1] / total:.1%} of the sentences, are held out")
        return Division(documents, fraction, None, size)
    last = min(max(1, round(total * fraction)), total - 1) if fraction else 0
    if last:
        report(f"{text}too few documents to hold out whole ones; the last {last:,} sentences are held out")
    else:
        report(f"{text}nothing is held out, and there will be no evaluation")
    return Division(documents, fraction if last else 0.0, total - last, size)
