"""The paper's ablations in miniature: the same questions, asked of models small enough to train in seconds or minutes.

Every variant of an experiment is trained from the same seeds, on the same batches, for as many updates, and then sits
the same exam: in the toy world, whose best possible loss is known, or, where its stories cannot answer, on held-out
text of the quickstart's. So variants are compared seed by seed (`paired_differences`). What the paper found (Lan et
al., 2019, tables 3, 4, 5 and 11) stands beside it. Sizes and measures are others: only the order of variants can be
compared. The figures kept in `data/experiments` are of five or ten seeds in the world and of three on prose.
"""

import contextlib
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from albert_np.execution import available_threads
from albert_np.files import read_json
from albert_np.schema import check_whole, number, text, whole
from albert_np.study.inside import layer_distances
from albert_np.study.shipped import data_folder
from albert_np.study.trials import Ground, Json, Prose, Toy, Variant
from albert_np.study.world import PROBES
from albert_np.training import LAMB, AdamW

__all__ = [
    "EXPERIMENTS",
    "MEASURES",
    "NATS",
    "Change",
    "Experiment",
    "Variant",
    "difference_text",
    "differences",
    "layer_distances",
    "mean_text",
    "paired_differences",
    "paired_table",
    "read_result",
    "result_table",
    "run_experiment",
]

MEASURES = {  # what is measured → what it is called
    "mlm_loss": "MLM loss",
    "mlm_accuracy": "MLM",
    "word_accuracy": "MLM, single words",
    "sop_accuracy": "SOP",
    "sop_two": "SOP, two sentences",
    "sop_more": "SOP, more",
    "nsp_accuracy": "NSP",
    "gap": "loss above the best",
    "ngram_gap": "the same, n-grams",
    "accuracy": "right words",
    **{name: name for name in PROBES},
}
NATS = ("mlm_loss", "gap", "ngram_gap")  # the others are shares, told in per cent
ON_PROSE = ("mlm_loss", "mlm_accuracy", "word_accuracy", "sop_accuracy", "sop_two", "sop_more", "nsp_accuracy")
IN_THE_WORLD = ("gap", "ngram_gap", "accuracy", *PROBES)
WAYS = ("as it is", "changed")  # what a variant is called where a change is tried on it


@dataclass(frozen=True)
class Experiment:
    """A question, the variants that answer it, where the paper's answer stands, where they learn, and for how long."""

    question: str
    source: str
    variants: tuple[Variant, ...]
    ground: type[Ground] = Toy
    steps: int = (
        2400  # after which small models know the rules of the toy world, each of them having learned them when it did
    )

    @property
    def measures(self) -> tuple[str, ...]:
        return ON_PROSE if self.ground is Prose else IN_THE_WORLD


class Change(Protocol):
    """A change of ALBERT that a process of its own puts in force; see `albert_np.labs.ChangeFile`."""

    def record(self) -> Json:
        """Return what a result says of it: {"file", "sha256"}."""

    def in_force(self) -> contextlib.AbstractContextManager[Json]:
        """Put it in force inside a block; ValueError, naming the file, if it fails.

        Gives {"parts": what is replaced, "config": fields of `AlbertConfig` that are to be other than the variants'}.
        """


def _sharing(name: str, average: float, **config: object) -> Variant:
    return Variant(name, {"num_hidden_layers": 2, **config}, {}, {"average": average})


def _embedding(size: int, average: float | None = None) -> Variant:
    return Variant(f"E = {size}", {"embedding_size": size}, {}, {} if average is None else {"average": average})


def _pairs(name: str, pairs: str, mlm: float, nsp: float, sop: float, average: float) -> Variant:
    return Variant(name, {}, {"pairs": pairs}, {"mlm": mlm, "nsp": nsp, "sop": sop, "average": average})


def _depth(layers: int, average: float | None = None) -> Variant:
    name = f"{layers} {'step' if layers == 1 else 'steps'}"
    return Variant(name, {"num_hidden_layers": layers}, {}, {} if average is None else {"average": average})


def _rates(optimizer: type[AdamW], rates: Sequence[float], warmup: float = 0.1) -> Iterator[Variant]:
    for rate in rates:
        name = f"{optimizer.__name__}, {rate:g}{'' if warmup else ', no warm-up'}"
        recipe = {"optimizer": optimizer, "learning_rate": rate, "warmup": warmup}
        yield Variant(name, {"num_hidden_layers": 1}, recipe, {})


EXPERIMENTS = {
    "sharing": Experiment(
        "What do two steps lose by sharing their layer?",
        "table 4, E = 128, ALBERT-base: average of five tasks",
        (
            _sharing("all shared", 80.1),
            _sharing("attention shared", 81.7, sharing="attention"),
            _sharing("FFN shared", 80.2, sharing="ffn"),
            _sharing("nothing shared", 81.6, sharing="none"),
        ),
    ),
    "depth": Experiment(
        "What do more steps of the same layer bring, at the same number of parameters?",
        "table 11, ALBERT-large with 1, 3, 6, 12 and more steps: average of five tasks",
        (_depth(1, 52.9), _depth(2), _depth(3, 71.2)),
    ),
    "embedding": Experiment(
        "How wide must an embedding be, when H = 32 and the world has 53 words?",
        "table 3, other widths: E = 64, 128, 256 and 768 for H = 768 give 79.0, 80.1, 79.6 and 79.8 on average",
        (_embedding(4), _embedding(8), _embedding(32)),
        steps=600,
    ),
    "ngrams": Experiment(
        "How long should a mask be?",
        "the paper chose n-grams of up to 3 (section 3.1) and reports no comparison",
        tuple(Variant(f"n ≤ {n}", {}, {"max_ngram": n}, {}) for n in (1, 3)),
    ),
    "optimizers": Experiment(
        "Which learning rate suits AdamW, which LAMB, and what does a warm-up change?",
        "the paper used LAMB at 0.00176 with batches of 4,096 (appendix A.1) and reports no comparison",
        (
            *_rates(AdamW, (0.001, 0.005, 0.02)),
            *_rates(AdamW, (0.005, 0.02), 0.0),
            *_rates(LAMB, (0.003, 0.01, 0.03, 0.1)),
            *_rates(LAMB, (0.01,), 0.0),
        ),
        steps=600,
    ),
    "pairs": Experiment(
        "Which question about two segments teaches what?",
        "table 5: accuracies of the three pretraining questions, and the average of five tasks",
        (
            _pairs("none", "none", 54.9, 52.4, 53.3, 79.0),
            _pairs("NSP", "next", 54.5, 90.5, 52.0, 79.2),
            _pairs("SOP", "order", 54.0, 78.9, 86.5, 80.1),
        ),
        Prose,
        1000,
    ),
    "change": Experiment(
        "What does a change of your own bring to the quickstart's model? Give it with --with FILE.",
        "nothing to compare with",
        (Variant("quickstart", {}, {}, {}),),
        Prose,
        1000,
    ),
}


def run_experiment(
    name: str,
    steps: int | None = None,
    seeds: int = 1,
    report: Callable[[str, int, int], None] = lambda *_: None,
    change: Change | None = None,
) -> Json:
    """Train and measure every variant with `seeds` seeds; return the result, as `read_result` gives it.

    steps: updates of each model, by default those of the experiment.

    Models are trained side by side, one on each processor and each with one thread, so the figures do not depend on
    how many there are. report: is told what has just been done, how many models are trained, and how many there are.
    change: is tried on each variant, which then is trained "as it is" and "changed", with the same configuration,
    seeds, batches and, where parameters are common, initial weights; each model in a process that is started afresh.

    ValueError if there is no such experiment, a count is below 1, or the change fails; ChildProcessError if a training
    process was killed; what training raises.
    """
    experiment = _experiment(name)
    steps = experiment.steps if steps is None else steps
    steps, seeds = check_whole("steps", steps, 1), check_whole("seeds", seeds, 1)
    ways = (None,) if change is None else (None, change)
    jobs = [Job(variant, seed, way) for variant in experiment.variants for seed in range(seeds) for way in ways]
    names = dict.fromkeys(_name(Job(variant, 0, way), change) for variant in experiment.variants for way in ways)
    runs: dict[str, list[Json]] = {each: [] for each in names}
    tried: Json = {} if change is None else _tried(change, experiment)
    jobs = [job._replace(variant=_with(job.variant, tried.get("config", {}))) for job in jobs]
    report("making ready", 0, len(jobs))
    with tempfile.TemporaryDirectory() as folder:
        ground = experiment.ground.prepare(Path(folder))
        for done, (job, run) in enumerate(_measured(jobs, steps, ground, Path(folder)), 1):
            runs[_name(job, change)].append(run)
            report(f"{_name(job, change)}: trained", done, len(jobs))
    result: Json = {
        "experiment": name,
        "question": experiment.question,
        "paper": experiment.source,
        "steps": steps,
        **ground.about(),
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
    for measure in (each for each in MEASURES if all(each in run for run in (*before, *after))):
        differences = np.array([second[seed][measure] - first[seed][measure] for seed in first])
        error = float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else None
        measures[measure] = {"mean": float(differences.mean()), "error": error}
    return {"n": n, "measures": measures}


def read_result(name: str, folder: str | Path | None = None) -> Json:
    """Return the kept result of an experiment, from `folder` or from those that come with the project.

    {"experiment", "question", "paper", "steps", "variants": [{"name", "paper", "runs"}]}, a run being {"seed",
    "parameters", measures, "distances": {"l2", "degrees"}, "curve"}, "distances" as in `layer_distances`; accuracies
    are shares of 1.

    In the world: "best", {"gap", "ngram_gap": {"loss", "accuracy"}}, the best that can be had on either exam; in a run
    "gap" and "ngram_gap", by how many nats its loss is above that, with words hidden each by itself and in n-grams of
    up to three; "accuracy"; each of `PROBES`; "untrained", the distances before the first update; "curve" of [update,
    gap, accuracy, probes …].

    On prose: "text"; in a run, on held-out text, "mlm_loss", "mlm_accuracy", "word_accuracy" with single words masked,
    "sop_accuracy", "sop_two" and "sop_more" for pairs of two and of more sentences, "nsp_accuracy"; "curve" of [update,
    MLM loss, MLM accuracy, accuracy on pairs], the last None where pairs have no label.

    With a change tried on it: "change", {"file", "sha256", "parts", "config"}, and "differences", [{"variant", …}] as
    in `paired_differences`.

    ValueError if there is no such experiment, or if its file is damaged, with the field; FileNotFoundError if its
    result was not kept.
    """
    run = {"seed": whole(), "parameters": whole(1)} | dict.fromkeys(_experiment(name).measures, number())
    path = Path(folder or data_folder() / "experiments") / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no result of {name}")
    result = read_json(
        path, {"question": text(), "variants": [{"name": text(), "paper": {...: number()}, "runs": [run]}]}
    )
    if not result["variants"] or not all(variant["runs"] for variant in result["variants"]):
        raise ValueError(f"{path}: variants and their runs must not be empty")
    return result


def result_table(result: Json, measures: Sequence[str]) -> str:
    """Return a result as text: for each variant its parameters, each measure's mean over seeds, the paper's average.

    measures: names in `MEASURES`; shares are told in per cent. The last line says how far two seeds of one variant are
    apart at most.
    """
    first = max(24, *(len(variant["name"]) + 1 for variant in result["variants"]))
    lines = [f"{_seeds(result):{first}}parameters" + _headings(measures) + "   paper"]
    apart = dict.fromkeys(measures, 0.0)
    for variant in result["variants"]:
        line = f"{variant['name']:{first}}{variant['runs'][0]['parameters']:10,}"
        for measure in measures:
            values = [run[measure] for run in variant["runs"]]
            line += f"{mean_text(measure, variant['runs']):>{_width(measure)}}"
            apart[measure] = max(apart[measure], max(values) - min(values))
        lines.append(f"{line}{variant['paper'].get('average', '–'):>8}")
    spread = "".join(f"{_number(measure, apart[measure]):>{_width(measure)}}" for measure in measures)
    return "\n".join([*lines, f"{'two seeds differ by up to':{first + 10}}{spread}"])


def differences(result: Json, first: str = "") -> list[Json]:
    """Return how far each variant is from the first, or from the one named `first`: [{"variant", …}].

    Each as in `paired_differences`. ValueError if no variant is named so.
    """
    runs = {variant["name"]: variant["runs"] for variant in result["variants"]}
    first = first or next(iter(runs))
    if first not in runs:
        raise ValueError(f"first={first!r} is no variant; there are {', '.join(runs)}")
    return [{"variant": name, **paired_differences(runs[first], runs[name])} for name in runs if name != first]


def paired_table(result: Json, measures: Sequence[str], first: str = "") -> str:
    """Return `differences` as text: mean ± standard error; measures as in `result_table`, those of shares in points."""
    rows = differences(result, first)
    width = max(24, *(len(row["variant"]) + 1 for row in rows))
    title = f"less {first or result['variants'][0]['name']}"
    lines = [f"{title:{width}}" + "".join(f"{MEASURES[m]:>21}" for m in measures)]
    for row in rows:
        cells = "".join(f"{difference_text(measure, row['measures'][measure]):>21}" for measure in measures)
        lines.append(f"{row['variant']:{width}}{cells}")
    return "\n".join(lines)


def difference_text(measure: str, told: Mapping[str, float | None]) -> str:
    """Return a mean difference with its standard error, as `paired_differences` gives them, in nats or points."""
    scale, digits = (1, 4) if measure in NATS else (100, 2)
    error = "" if told["error"] is None else f" ± {scale * told['error']:.{digits}f}"
    return f"{scale * (told['mean'] or 0.0):+.{digits}f}{error}"


def mean_text(measure: str, runs: Sequence[Json]) -> str:
    """Return the mean of a measure over runs, in nats or per cent."""
    return _number(measure, float(np.mean([run[measure] for run in runs])))


def _number(measure: str, value: float) -> str:
    return f"{value:.3f}" if measure in NATS else f"{100 * value:.1f}"


def _width(measure: str) -> int:
    return max(9, len(MEASURES[measure]) + 3)


def _headings(measures: Sequence[str]) -> str:
    return "".join(f"{MEASURES[measure]:>{_width(measure)}}" for measure in measures)


def _seeds(result: Json) -> str:
    return f"{len(result['variants'][0]['runs'])} seeds, {result['steps']} updates"


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


def _with(variant: Variant, config: Mapping[str, object]) -> Variant:
    return replace(variant, config={**variant.config, **config})


def _tried(change: Change, experiment: Experiment) -> Json:
    """Return what a change says, in a process of its own; ValueError if it fails or does not fit a variant."""
    with _processes(1, change) as pool:
        try:
            return pool.submit(_try, change, experiment).result()
        except BrokenProcessPool as error:
            raise ChildProcessError(f"{change.record()['file']} ended its process") from error


def _try(change: Change, experiment: Experiment) -> Json:
    with contextlib.redirect_stdout(sys.stderr), change.in_force() as said:
        for variant in experiment.variants:
            try:
                experiment.ground.config(_with(variant, said["config"]))
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


def _measured(jobs: Sequence[Job], steps: int, ground: Ground, folder: Path) -> Iterator[tuple[Job, Json]]:
    """Train and measure variants with seeds, each in a process of its own; yield them in the order of their ends.

    No more are handed out than can run at once: none starts after an error or an interrupt.
    """
    workers = min(available_threads(), len(jobs))
    waiting = enumerate(jobs)
    with _processes(workers, next((job.change for job in jobs if job.change is not None), None)) as pool:

        def start(count: int) -> dict[Future[Json], Job]:
            return {
                pool.submit(_measure, job, steps, ground, folder / f"{i}"): job for i, job in islice(waiting, count)
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


def _measure(job: Job, steps: int, ground: Ground, folder: Path) -> Json:
    """Train one variant in `folder` with one thread, and return the figures of its run."""
    from threadpoolctl import threadpool_limits

    with contextlib.ExitStack() as within:
        if job.change is not None:
            within.enter_context(contextlib.redirect_stdout(sys.stderr))
            within.enter_context(job.change.in_force())
        within.enter_context(threadpool_limits(1))
        return ground.train(job.variant, job.seed, steps, folder)
