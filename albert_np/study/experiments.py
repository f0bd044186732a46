"""The paper's ablations in miniature: the same questions, asked of models small enough to train in a minute.

Every variant of an experiment is pretrained on the quickstart's text with the quickstart's settings, for as many
updates, and then asked the same questions about documents that were held out. What the paper found (Lan et al., 2019,
tables 3, 4, 5, 11 and figure 1) stands beside it. Sizes and measures are others, so only the order of the variants can
be compared. The figures kept in `data/experiments` were made with `albert-np experiment NAME --seeds 2`.
"""

import contextlib
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from albert_np.config import AlbertConfig
from albert_np.execution import available_threads
from albert_np.files import read_json
from albert_np.pretraining import (
    PRETRAINING,
    PretrainingBatch,
    PretrainingRun,
    held_out_batches,
    is_held_out,
    prepare_run,
    python_prose,
    python_prose_source,
)
from albert_np.study import quickstart
from albert_np.study.shipped import data_folder
from albert_np.tokenization import train_vocabulary
from albert_np.training import evaluate

__all__ = [
    "EXPERIMENTS",
    "MEASURES",
    "STEPS",
    "Change",
    "Experiment",
    "Variant",
    "layer_distances",
    "paired_differences",
    "read_result",
    "result_table",
    "run_experiment",
]

STEPS = 1000
HELD_OUT = 0.1  # of the documents: some 1,300 pairs, so that an accuracy of one half is known to 1.4 points
MEASURES = {
    "mlm_accuracy": "MLM",
    "word_accuracy": "MLM, single words",
    "sop_accuracy": "SOP",
    "nsp_accuracy": "NSP",
}
WAYS = ("as it is", "changed")  # what a variant is called where a change is tried on it
Json = dict[str, Any]
Documents = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Variant:
    """One model of an experiment: what differs from the others, and the paper's figures for its counterpart.

    config, recipe: fields of `AlbertConfig` and `Recipe` that are not the quickstart's. paper: measure → per cent,
    empty where the paper has no counterpart.
    """

    name: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any]
    paper: Mapping[str, float]


@dataclass(frozen=True)
class Experiment:
    """A question, the variants that answer it, and where the paper's answer stands."""

    question: str
    source: str
    variants: tuple[Variant, ...]


class Change(Protocol):
    """A change of ALBERT that a process of its own puts in force; see `albert_np.labs.ChangeFile`."""

    def record(self) -> Json:
        """Return what a result says of it: {"file", "sha256"}."""

    def in_force(self) -> contextlib.AbstractContextManager[Json]:
        """Put it in force inside a block; ValueError, naming the file, if it fails.

        Gives {"parts": what is replaced, "config": fields of `AlbertConfig` that are to be other than the variants'}.
        """


def _sharing(name: str, average: float, **config: Any) -> Variant:
    return Variant(name, {"num_hidden_layers": 4, **config}, {}, {"average": average})


def _embedding(size: int, sharing: str, average: float) -> Variant:
    return Variant(
        f"E = {size}, sharing {sharing}", {"embedding_size": size, "sharing": sharing}, {}, {"average": average}
    )


def _pairs(name: str, pairs: str, mlm: float, nsp: float, sop: float, average: float) -> Variant:
    return Variant(name, {}, {"pairs": pairs}, {"mlm": mlm, "nsp": nsp, "sop": sop, "average": average})


def _depth(layers: int, average: float) -> Variant:
    return Variant(
        f"{layers} {'step' if layers == 1 else 'steps'}", {"num_hidden_layers": layers}, {}, {"average": average}
    )


EXPERIMENTS = {
    "sharing": Experiment(
        "What do four layers lose by sharing?",
        "table 4, E = 128: average of five tasks",
        (
            _sharing("all shared", 80.1),
            _sharing("attention shared", 81.7, sharing="attention"),
            _sharing("FFN shared", 80.2, sharing="ffn"),
            _sharing("nothing shared", 81.6, sharing="none"),
        ),
    ),
    "embedding": Experiment(
        "How wide must an embedding be, when H = 128?",
        "table 3, E = 64, 128, 256, 768 for H = 768: average of five tasks",
        (
            *(_embedding(e, "all", avg) for e, avg in ((16, 79.0), (32, 80.1), (64, 79.6), (128, 79.8))),
            *(_embedding(e, "none", avg) for e, avg in ((16, 81.3), (32, 81.7), (64, 81.8), (128, 82.3))),
        ),
    ),
    "pairs": Experiment(
        "Which question about two segments teaches what?",
        "table 5: accuracies of the three pretraining questions, and the average of five tasks",
        (
            _pairs("none", "none", 54.9, 52.4, 53.3, 79.0),
            _pairs("NSP", "next", 54.5, 90.5, 52.0, 79.2),
            _pairs("SOP", "order", 54.0, 78.9, 86.5, 80.1),
        ),
    ),
    "ngrams": Experiment(
        "How long should a mask be?",
        "the paper chose n-grams of up to 3 (section 3.1) and reports no comparison",
        tuple(Variant(f"n ≤ {n}", {}, {"max_ngram": n}, {}) for n in (1, 2, 3, 5)),
    ),
    "depth": Experiment(
        "What do more steps of the same layer bring, at the same number of parameters?",
        "table 11, ALBERT-large with 1, 3, 6, 12 steps: average of five tasks",
        tuple(_depth(*pair) for pair in ((1, 52.9), (2, 71.2), (4, 77.2), (8, 81.5))),
    ),
    "change": Experiment(
        "What does a change of your own bring to the quickstart's model? Give it with --with FILE.",
        "nothing to compare with",
        (Variant("quickstart", {}, {}, {}),),
    ),
}


def run_experiment(
    name: str,
    steps: int = STEPS,
    seeds: int = 1,
    report: Callable[[str, int, int], None] = lambda *_: None,
    change: Change | None = None,
) -> Json:
    """Train and measure every variant with `seeds` seeds; return the result, as `read_result` gives it.

    Models are trained side by side, one on each processor and each with one thread, so the figures do not depend on
    how many there are. report: is told what has just been done, how many models are trained, and how many there are.
    change: is tried on each variant, which then is trained "as it is" and "changed", with the same configuration,
    seeds, batches and, where parameters are common, initial weights; each model in a process that is started afresh.

    ValueError if there is no such experiment, a count is below 1, or the change fails; ChildProcessError if a training
    process was killed; what training raises.
    """
    experiment = _experiment(name)
    for argument, value in (("steps", steps), ("seeds", seeds)):
        if value < 1:
            raise ValueError(f"{argument}={value} must be at least 1")
    ways = (None,) if change is None else (None, change)
    jobs = [Job(variant, seed, way) for variant in experiment.variants for seed in range(seeds) for way in ways]
    names = dict.fromkeys(_name(Job(variant, 0, way), change) for variant in experiment.variants for way in ways)
    runs: dict[str, list[Json]] = {each: [] for each in names}
    tried: Json = {} if change is None else _tried(change, experiment.variants)
    jobs = [job._replace(variant=_with(job.variant, tried.get("config", {}))) for job in jobs]
    report("reading the text", 0, len(jobs))
    for done, (job, run) in enumerate(_measured(jobs, steps, list(python_prose())), 1):
        runs[_name(job, change)].append(run)
        report(f"{_name(job, change)}: trained", done, len(jobs))
    result: Json = {
        "experiment": name,
        "question": experiment.question,
        "paper": experiment.source,
        "steps": steps,
        "text": python_prose_source(),
        "variants": [
            {"name": name, "paper": dict(v.paper), "runs": sorted(runs[name], key=lambda run: int(run["seed"]))}
            for v in experiment.variants
            for name in dict.fromkeys(_name(Job(v, 0, way), change) for way in ways)
        ],
    }
    if change is not None:
        result["change"] = {**change.record(), **tried}
        pairs = [[runs[_name(Job(v, 0, way), change)] for way in ways] for v in experiment.variants]
        result["differences"] = [
            {"variant": v.name, **paired_differences(*pair)} for v, pair in zip(experiment.variants, pairs, strict=True)
        ]
    return result


def paired_differences(before: Sequence[Json], after: Sequence[Json]) -> Json:
    """Return {"n", "measures": {measure: {"mean", "error"}}}: what changed between runs of equal seeds.

    mean: of the differences, after less before. error: its standard error, s / √n with s² = Σ (d - mean)² / (n - 1),
    None for n = 1. ValueError if the seeds are not the same.
    """
    first, second = ({run["seed"]: run for run in runs} for runs in (before, after))
    if first.keys() != second.keys():
        raise ValueError(f"runs are compared seed by seed: seeds {sorted(first)} do not go with {sorted(second)}")
    n, measures = len(first), {}
    for measure in ("mlm_loss", *MEASURES):
        differences = np.array([second[seed][measure] - first[seed][measure] for seed in first])
        error = float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else None
        measures[measure] = {"mean": float(differences.mean()), "error": error}
    return {"n": n, "measures": measures}


def read_result(name: str, folder: str | Path | None = None) -> Json:
    """Return the kept result of an experiment, from `folder` or from those that come with the project.

    {"experiment", "question", "paper", "steps", "text", "variants": [{"name", "paper", "runs"}]}, a run being {"seed",
    "parameters", "mlm_loss", "mlm_accuracy", "word_accuracy", "sop_accuracy", "nsp_accuracy", "distances": {"l2",
    "degrees"}, "curve"}: accuracies as shares of 1 on held-out text; `word_accuracy` with single words masked;
    "distances" as in `layer_distances`; "curve" of [update, MLM loss, MLM accuracy, accuracy on pairs]; the last is
    None where pairs have no label. With a change tried on it there are "change", {"file", "sha256", "parts",
    "config"}, and "differences", [{"variant", …}] as in `paired_differences`.

    ValueError if there is no such experiment; FileNotFoundError if its result was not kept.
    """
    _experiment(name)
    path = Path(folder or data_folder() / "experiments") / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no result of {name}")
    return read_json(path)


def result_table(result: Json, measures: Sequence[str]) -> str:
    """Return a result as text: for each variant its parameters, and each measure, in per cent, seed by seed and mean.

    measures: names of accuracies of the runs. The last line says how far two seeds of one variant are apart at most:
    smaller differences between variants say nothing. The paper's average stands beside each variant that has one.
    """
    seeds = max(len(variant["runs"]) for variant in result["variants"])
    width = 7 * seeds + 6
    first = max(24, *(len(variant["name"]) + 1 for variant in result["variants"]))
    lines = [
        f"{'accuracy, %':{first}}{'parameters':>10}" + "".join(f"{MEASURES[m]:>{width}}" for m in measures) + "   paper"
    ]
    apart = dict.fromkeys(measures, 0.0)
    for variant in result["variants"]:
        line = f"{variant['name']:{first}}{variant['runs'][0]['parameters']:10,}"
        for measure in measures:
            values = [100 * run[measure] for run in variant["runs"]]
            line += f"{' '.join(f'{value:.1f}' for value in values) + f' → {np.mean(values):.1f}':>{width}}"
            apart[measure] = max(apart[measure], max(values) - min(values))
        lines.append(f"{line}{variant['paper'].get('average', '–'):>8}")
    last = "two seeds differ by at most"
    return "\n".join([*lines, f"{last:{first + 10}}" + "".join(f"{apart[m]:{width}.1f}" for m in measures)])


def layer_distances(hidden_states: Sequence[Any], attention_mask: Any) -> dict[str, npt.NDArray[np.float64]]:
    """How far each layer step moves a token: the paper's figure 1.

    hidden_states: L + 1 arrays (B, T, H), as a model returns them; attention_mask (B, T). Returns "l2", the Euclidean
    distance between a step's input and output, and "degrees", the angle between them, each (L,): means over the real
    tokens.

    Derivation: notebook 18, eq. 18.1 and 18.2.
    """
    real = np.asarray(attention_mask, dtype=bool)
    steps = [np.asarray(h, dtype=np.float64)[real] for h in hidden_states]
    l2, degrees = [], []
    for x, y in pairwise(steps):
        l2.append(np.linalg.norm(y - x, axis=-1).mean())
        cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        degrees.append(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())
    return {"l2": np.array(l2), "degrees": np.array(degrees)}


def _experiment(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ValueError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


class Job(NamedTuple):
    """One model to train: a variant with a seed, and what is changed in it."""

    variant: Variant
    seed: int
    change: Change | None = None


def _name(job: Job, change: Change | None) -> str:
    """Return what a job's variant is called in an experiment, with a change to try or without."""
    return job.variant.name if change is None else f"{job.variant.name}, {WAYS[job.change is not None]}"


def _with(variant: Variant, config: Mapping[str, Any]) -> Variant:
    return replace(variant, config={**variant.config, **config})


def _tried(change: Change, variants: Sequence[Variant]) -> Json:
    """Return what a change says, in a process of its own; ValueError if it fails or does not fit a variant."""
    with _processes(1, change) as pool:
        try:
            return pool.submit(_try, change, variants).result()
        except BrokenProcessPool as error:
            raise ChildProcessError(f"{change.record()['file']} ended its process") from error


def _try(change: Change, variants: Sequence[Variant]) -> Json:
    with contextlib.redirect_stdout(sys.stderr), change.in_force() as said:
        for variant in variants:
            try:
                _config(_with(variant, said["config"]))
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{change.record()['file']} does not fit the variant {variant.name}: {error}"
                ) from None
        return said


def _processes(workers: int, change: Change | None) -> ProcessPoolExecutor:
    """Return processes that work side by side; what a change's file does to its process, no other model sees."""
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), max_tasks_per_child=None if change is None else 1
    )


def _measured(jobs: Sequence[Job], steps: int, documents: Documents) -> Iterator[tuple[Job, Json]]:
    """Train and measure variants with seeds, each in a process of its own; yield them in the order of their ends.

    No more are handed out than can run at once: none starts after an error or an interrupt.
    """
    workers = min(available_threads(), len(jobs))
    waiting = enumerate(jobs)
    with (
        tempfile.TemporaryDirectory() as folder,
        _processes(workers, next((job.change for job in jobs if job.change is not None), None)) as pool,
    ):
        vocabulary = Path(folder) / "spiece.model"
        training = (sentence for d in documents if not is_held_out(d, HELD_OUT) for sentence in d)
        train_vocabulary(training, vocabulary, quickstart.VOCAB_SIZE)

        def start(count: int) -> dict[Future[Json], Job]:
            return {
                pool.submit(_measure, job, steps, documents, vocabulary, Path(folder) / f"{i}"): job
                for i, job in islice(waiting, count)
            }

        running = start(workers)
        try:
            while running:
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield running.pop(future), future.result()
                running |= start(len(ended))
        except BrokenProcessPool as error:
            raise ChildProcessError("a training process was killed, perhaps for want of memory") from error


def _config(variant: Variant) -> AlbertConfig:
    """Return a variant's configuration; as many groups as it needs unless it says how many."""
    return replace(quickstart.CONFIG, **{"num_hidden_groups": 0, **variant.config})


def _measure(job: Job, steps: int, documents: Documents, vocabulary: Path, folder: Path) -> Json:
    """Train one variant in `folder`, with a vocabulary common to all, and return the figures of its run."""
    if job.change is None:
        return _train(job.variant, job.seed, steps, documents, vocabulary, folder)
    with contextlib.redirect_stdout(sys.stderr), job.change.in_force():
        return _train(job.variant, job.seed, steps, documents, vocabulary, folder)


def _train(variant: Variant, seed: int, steps: int, documents: Documents, vocabulary: Path, folder: Path) -> Json:
    from threadpoolctl import threadpool_limits

    config = _config(variant)
    recipe = replace(quickstart.recipe(steps, seed), threads=1, checkpoint_every=steps, **variant.recipe)
    with threadpool_limits(1):
        run = prepare_run(folder, lambda: documents, None, config, recipe, vocabulary=vocabulary, held_out=HELD_OUT)
        model = run.train()
        order, words, following = (_exam(run, **options) for options in ({}, {"max_ngram": 1}, {"pairs": "next"}))
        asked, about_words, about_order = (evaluate(model, exam, PRETRAINING) for exam in (order, words, following))
        measured = {
            "mlm_loss": asked["mlm_loss"],
            "mlm_accuracy": asked["mlm_accuracy"],
            "word_accuracy": about_words["mlm_accuracy"],
            "sop_accuracy": asked["sop_accuracy"],
            "nsp_accuracy": about_order["sop_accuracy"],
        }
        batch = order[0]._asdict()
        out = model.eval()(**batch, output_hidden_states=True, grad=False)
    distances = layer_distances(out.hidden_states, batch["attention_mask"])
    return {
        "seed": seed,
        "parameters": model.params.layout.size,
        **{name: round(value, 5) for name, value in measured.items() if value is not None},
        "distances": {name: values.round(4).tolist() for name, values in distances.items()},
        "curve": _curve(run.metrics()),
    }


def _exam(run: PretrainingRun, **options: Any) -> list[PretrainingBatch]:
    """The held-out text, asked about in one way, whatever the run itself was trained on."""
    assert run.held_out is not None  # the text has documents enough
    return held_out_batches(run.held_out, run.tokenizer, 64, run.recipe.max_seq_length, **options)


def _curve(records: Iterable[Json]) -> list[list[float | None]]:
    evaluations = [(record["step"], record["evaluation"]) for record in records if record.get("evaluation")]
    keys = ("mlm_loss", "mlm_accuracy", "sop_accuracy")
    return [[step, *(e[key] and round(e[key], 4) for key in keys)] for step, e in evaluations]
