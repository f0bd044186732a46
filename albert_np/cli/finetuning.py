"""albert-np finetune, evaluate, classify, answer"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track
from rich.table import Table

from albert_np.cli.main import console, file_option, input_lines, print_json, remark, reports_errors, results, say
from albert_np.cli.progress import (
    backend_option,
    introduce_ranks,
    precision_option,
    prepared_by_first,
    resume_takes_no_other_option,
    says_how_to_resume,
    training_bar,
    typed_options,
)
from albert_np.cli.ranks import refuse_ranks, written_by_first
from albert_np.files import read_text

if TYPE_CHECKING:
    from albert_np.tasks import Example, FineTuningRun, Prediction, Predictor
    from albert_np.training import Metrics, Record

COUNT = click.IntRange(1, 10**9)
LISTED = 10  # rows that were skipped, by name

MODEL = click.option("--model", required=True, help="A run, a folder, a TensorFlow checkpoint or a name on the hub.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
COLUMNS = click.option("--columns", help="Which column holds what, such as text=body,label=stars or label=0,text=1.")
SKIP = click.option("--skip-bad-rows", is_flag=True, help="Leave out what cannot be read, and say what.")
LABEL_NAMES = click.option("--label-names", help="What the data's numbers of labels stand for, from 0: O,B-per,I-per.")
LABEL_THRESHOLD = click.option(
    "--label-threshold", type=click.FloatRange(0, 1), help="Probability from which on one of several labels holds."
)
NO_ANSWER_ABOVE = click.option(
    "--no-answer-above", type=float, help="Score from which on a question has no answer; by default the model's own."
)
ALWAYS_ANSWER = click.option("--always-answer", is_flag=True, help="Never say that a question has no answer.")


def _columns(value: str | None) -> dict[str, str]:
    pairs = [[word.strip() for word in part.partition("=")] for part in (value or "").split(",") if part.strip()]
    if not all(role and column for role, _, column in pairs):
        raise click.BadParameter(f"{value!r}: write role=column, with commas between", param_hint="--columns")
    columns = {role: column for role, _, column in pairs}
    if len(columns) < len(pairs):
        raise click.BadParameter(f"{value!r}: gives a role twice", param_hint="--columns")
    return columns


def _read(
    path: Path, kind: str, columns: str | None, skip: bool, labelled: bool = True, label_names: str | None = None
) -> "tuple[list[Example], int]":
    """Return the examples of a file, and how many rows were skipped; each of these is named, up to a few."""
    from albert_np.tasks import read_examples

    bad: list[ValueError] = []
    names = None if label_names is None else [name.strip() for name in label_names.split(",")]
    skipping: Any = {"on_bad": bad.append} if skip else {}
    try:
        examples = read_examples(path, kind, columns=_columns(columns), labelled=labelled, names=names, **skipping)
    finally:
        for error in bad[:LISTED]:
            remark(f"skipped: {error}")
        if bad:
            remark(f"{path}: {len(bad):,} rows were skipped")
    return examples, len(bad)


def _refuse(options: Iterable[str], why: str) -> None:
    """Raise UsageError for the options of these names that were given."""
    if given := typed_options(options):
        raise click.UsageError(f"{', '.join(given)}: {why}")


def _predictor(model: str, task: str | None = None, backend: str = "numpy", **thresholds: Any) -> "Predictor":
    """Load a model with the thresholds that were given, which must be of its kind of task."""
    from dataclasses import replace

    from albert_np.execution import this_job, threads_in_all
    from albert_np.tasks import Predictor

    if thresholds.get("always_answer"):
        _refuse(["no_answer_above"], "does not go with --always-answer")
        thresholds["no_answer_above"] = math.inf
    job = this_job()
    threads = threads_in_all(job) // job.size if backend == "numpy" else 1
    job.take_device(backend)
    above = thresholds.get("no_answer_above")
    predictor = Predictor.load(model, task, threads, no_answer_above=above, backend=backend, ranks=job)
    if thresholds.get("label_threshold") is not None:
        predictor.task = replace(predictor.task, label_threshold=thresholds["label_threshold"])
    for names, fits in (
        (["label_threshold"], ("multilabel",)),
        (["no_answer_above", "always_answer"], ("answering", "answering-v2")),
    ):
        if predictor.task.kind not in fits:
            _refuse(names, f"for {' and '.join(fits)} alone, and the model is for {predictor.task.kind}")
    return predictor


def _metrics(metrics: "Metrics") -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items() if value is not None)


@click.command()
@click.option(
    "--task", help="classification, multilabel, regression, tagging, answering, answering-v2, choice, or a paper's."
)
@click.option(
    "--train",
    "train_file",
    type=click.Path(path_type=Path),
    help="TSV, CSV, JSON lines, CoNLL, SQuAD; or a folder of GLUE, RACE or IMDB, where --eval is not needed.",
)
@click.option("--eval", "eval_file", type=click.Path(path_type=Path), help="Labelled too; see --held-out.")
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of --train to evaluate on without --eval.",
)
@click.option("--model", help="What to start from: a run, a folder, a checkpoint, a name on the hub.")
@click.option("--from-scratch", is_flag=True, help="Random weights, of the same configuration.")
@click.option("--output", type=click.Path(path_type=Path), help="The run folder to make.")
@click.option("--resume", type=click.Path(path_type=Path), help="A run folder to go on with; takes no other option.")
@click.option("--demo", is_flag=True, help="A task made of what lies on your disk, from the quickstart's run.")
@COLUMNS
@SKIP
@LABEL_NAMES
@click.option("--steps", type=COUNT, help="Updates.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Instead of --steps.")
@click.option(
    "--learning-rate", type=click.FloatRange(min=0), help="By default the task's, or what suits a model so wide."
)
@click.option("--batch-size", type=COUNT)
@click.option("--accumulation", type=COUNT, default=1, show_default=True, help="Batches to an update.")
@click.option("--max-seq-length", type=click.IntRange(min=4), help="Tokens.")
@click.option("--warmup-steps", type=click.IntRange(min=0))
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Of hidden states and attention.")
@click.option(
    "--label-smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Share of a label that all share out.",
)
@click.option("--class-weights", help="balanced, or how much labels count in training, such as spam=3,ham=0.5.")
@click.option("--positive-label", help="The class whose F1 is reported; by default the task's, or the mean of all.")
@click.option("--freeze-trunk", is_flag=True, help="Train the head alone.")
@LABEL_THRESHOLD
@click.option("--evaluate-every", type=COUNT, help="Updates; ten times in all by default.")
@click.option("--patience", type=COUNT, help="Stop after so many evaluations without a better one.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=COUNT, help="Of each rank; all processors by default. Results depend on it.")
@backend_option
@precision_option
@JSON
@reports_errors
def finetune(resume: Path | None, demo: bool, as_json: bool, **options: Any) -> None:
    """Train a pretrained ALBERT for a task of your own; the best evaluation's model is kept.

    \b
    albert-np finetune --demo
    albert-np finetune --task classification --train mails.tsv --model runs/quickstart --output runs/mails
    albert-np finetune --task mrpc --train train.tsv --eval dev.tsv --model albert/albert-base-v2 --output runs/mrpc
    albert-np finetune --resume runs/mails
    mpiexec -n 4 albert-np finetune --resume runs/mails

    cola, sts-b, sst-2, mnli, qnli, qqp, rte, mrpc, wnli, squad1, squad2 and race have the paper's settings (Table 14).
    """
    from albert_np.execution import this_job
    from albert_np.tasks import FineTuningRun

    if demo:
        refuse_ranks("finetune --demo")
        _refuse({*options, "resume"} - {"model", "output", "seed"}, "--demo takes --model, --output and --seed alone")
        model = "runs/quickstart" if options["model"] is None else options["model"]
        _demo(model, options["output"] or Path("runs/demo"), options["seed"], as_json)
        return
    if resume is not None:
        resume_takes_no_other_option(options)
        run = this_job().together(lambda: FineTuningRun(resume))
    else:
        run = prepared_by_first(_prepare, options, FineTuningRun)
    introduce_ranks(run.recipe)
    _train(run, "training")
    best = run.best()
    if as_json:
        print_json({"output": str(run.output), "step": best["step"], **run.evaluation.metrics})
    else:
        say(f"best after update {best['step']}: {_metrics(run.evaluation.metrics)}\nmodel: {run.output}")


def _prepare(options: dict[str, Any]) -> "FineTuningRun":
    from albert_np.tasks import FineTuningRecipe, prepare_finetuning, task_files, task_settings

    needed = {"--task": "task", "--train": "train_file", "--model": "model", "--output": "output"}
    missing = [flag for flag, name in needed.items() if options[name] is None]
    if missing:
        raise click.UsageError(f"give {', '.join(missing)}; or --resume, or --demo")
    names = "steps epochs learning_rate batch_size max_seq_length warmup_steps dropout label_threshold positive_label"
    task = task_settings(options["task"], **{name: options[name] for name in names.split()})
    if task.kind != "multilabel":
        _refuse(["label_threshold"], f"is for multilabel, and the task is {task.kind}")
    if task.kind != "classification":
        _refuse(["positive_label"], f"is for classification, and the task is {task.kind}")
    names = "accumulation evaluate_every patience seed threads freeze_trunk label_smoothing backend precision"
    weights = _class_weights(options["class_weights"])
    recipe = FineTuningRecipe(**{name: options[name] for name in names.split()}, class_weights=weights)
    train_file, eval_file = options["train_file"], options["eval_file"]
    if train_file.is_dir():
        files = task_files(train_file, task.name)
        train_file, eval_file = files["train"], eval_file or files.get("eval")
    columns, skip = options["columns"], options["skip_bad_rows"]
    names = options["label_names"]
    train, _ = _read(train_file, task.kind, columns, skip, label_names=names)
    if eval_file is None:
        train, evaluation = _held_out(train, options["held_out"], options["seed"])
    else:
        _refuse(["held_out"], "there is a file to evaluate on")
        evaluation, _ = _read(eval_file, task.kind, columns, skip, label_names=names)
    scratch = options["from_scratch"]
    return prepare_finetuning(
        options["output"], task, train, evaluation, options["model"], from_scratch=scratch, recipe=recipe
    )


def _class_weights(value: str | None) -> str | dict[str, float] | None:
    if value is None or value == "balanced":
        return value
    try:
        pairs = [part.rpartition("=") for part in value.split(",")]
        return {label.strip(): float(weight) for label, _, weight in pairs}
    except ValueError as error:
        allowed = "balanced, or label=weight with commas between"
        raise click.BadParameter(f"{value!r}: write {allowed}", param_hint="--class-weights") from error


def _held_out(examples: "Sequence[Example]", share: float, seed: int) -> "tuple[list[Example], list[Example]]":
    from albert_np.tasks import hold_out

    train, evaluation, absent = hold_out(examples, share, seed)
    console.print(f"{len(evaluation):,} of {len(examples):,} examples are held out, to evaluate on")
    if absent:
        more = f" and {len(absent) - LISTED} more" if len(absent) > LISTED else ""
        remark(f"none of them has the label {', '.join(map(repr, absent[:LISTED]))}{more}")
    return train, evaluation


def _train(run: "FineTuningRun", title: str) -> object:
    console.print(f"{title}: {len(run.train_examples):,} examples, {len(run.eval_examples):,} to evaluate on")

    def figures(record: "Record") -> str:
        return f"loss {record['loss']:.3f}"

    with says_how_to_resume("finetune", run.output), training_bar(run.steps, figures, _metrics) as show:
        return run.train(show, resume=True)


def _demo(model: str, output: Path, seed: int, as_json: bool) -> None:
    from albert_np.checkpoints import find_model, open_checkpoint
    from albert_np.tasks.demo import demo

    if not Path(model).exists():
        raise FileNotFoundError(f"{model} is not there: make it with `albert-np quickstart`, or give --model")
    open_checkpoint(find_model(model))  # before the library is read, which takes a while
    result = demo(output, model, seed, _train)
    if as_json:
        print_json(result._asdict())
        return
    title = "which part of Python's library is a sentence about?"
    table = Table(title, "accuracy", box=None, pad_edge=False)
    table.add_row("always the same answer", f"{result.majority:.1%}")
    table.add_row("bag of words, logistic regression", f"{result.bag_of_words:.1%}")
    table.add_row("this model, from random weights", f"{result.random_start:.1%}")
    table.add_row("this model, pretrained", f"{result.pretrained:.1%}")
    results().print(table)
    error = (result.pretrained * (1 - result.pretrained) / result.eval_size) ** 0.5
    say(
        f"{result.train_size:,} sentences to learn from, {result.eval_size:,} of other modules to evaluate on: "
        f"standard error {error:.1%}"
    )


@click.command()
@MODEL
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A labelled file.")
@click.option("--task", help="Whose metrics and lengths to use, where the model's folder does not say.")
@COLUMNS
@SKIP
@LABEL_NAMES
@LABEL_THRESHOLD
@NO_ANSWER_ABOVE
@ALWAYS_ANSWER
@file_option("--predictions", "Write them there, as JSON lines.")
@backend_option
@JSON
@reports_errors
def evaluate(
    model: str,
    data: Path,
    task: str | None,
    columns: str | None,
    skip_bad_rows: bool,
    label_names: str | None,
    predictions: Path | None,
    backend: str,
    as_json: bool,
    **thresholds: Any,
) -> None:
    """Measure a fine-tuned model on labelled data, by its task's metrics."""
    if predictions is not None and predictions.exists() and predictions.samefile(data):
        raise click.UsageError(f"--predictions {predictions} would replace --data")
    predictor = _predictor(model, task, backend, **thresholds)
    examples, skipped = _read(data, predictor.task.kind, columns, skip_bad_rows, label_names=label_names)
    predictor.progress = partial(track, description="evaluating", console=console, transient=True)
    with written_by_first(predictor.ranks, predictions) as file:
        result = predictor.evaluate(examples)
        if file is not None:
            records = _with_ids(examples, result.predictions)
            lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            file.write_text("".join(lines), encoding="utf-8", newline="\n")
    if as_json:
        counts = {"examples": len(examples), "skipped": skipped} if skip_bad_rows else {"examples": len(examples)}
        print_json({**counts, **result.metrics})
    else:
        say(f"{len(examples):,} examples: {_metrics(result.metrics)}")
    if warning := predictor.collapse_warning(result.predictions):
        remark(f"warning: {warning}")


def _with_ids(examples: "Sequence[Example]", predictions: "Iterable[Prediction]") -> Iterator[dict[str, object]]:
    """Yield each prediction with the id of its example: its own, or its place from 0."""
    for place, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
        yield {"id": getattr(example, "id", place), **prediction.to_dict()}


@click.command()
@click.argument("texts", metavar="[TEXT]…", nargs=-1)
@MODEL
@click.option("--pair", help="A second text, for a model of pairs; of one TEXT.")
@click.option(
    "--choice", "choices", multiple=True, help="A choice, for a model of multiple choice; TEXT is the context."
)
@click.option("--question", help="Of a multiple choice.")
@click.option("--file", type=click.Path(path_type=Path), help="Examples without labels, in the formats of finetune.")
@COLUMNS
@SKIP
@file_option("--submission", "Write the answers to --file there, as GLUE's or SQuAD's servers take them.")
@click.option("--entities", is_flag=True, help="The spans that a model of tags marks, and where they stand.")
@LABEL_THRESHOLD
@NO_ANSWER_ABOVE
@ALWAYS_ANSWER
@backend_option
@JSON
@reports_errors
def classify(texts: Sequence[str], model: str, **options: Any) -> None:
    """Say what each TEXT is: its class, labels, number, the tags of its words, or which choice fits.

    Without TEXT, each line of standard input. Of a file, print JSON lines; `mpiexec -n 4 albert-np classify --file …`
    shares them out.
    """
    if options["file"] is None:
        _refuse(["columns", "skip_bad_rows", "submission"], "goes with --file")
    elif texts or typed_options(["pair", "choices", "question", "entities"]):
        raise click.UsageError(
            "--file stands in place of TEXT, --pair, --choice and --question; no --entities of a file"
        )
    elif options["skip_bad_rows"]:
        _refuse(["submission"], "needs an answer to every row; do not give --skip-bad-rows")
    thresholds = ("label_threshold", "no_answer_above", "always_answer")
    predictor = _predictor(model, backend=options["backend"], **{name: options[name] for name in thresholds})
    if options["file"] is None:
        asked = ("pair", "choices", "question", "as_json")
        texts = texts or list(input_lines())
        if options["entities"]:
            _refuse(asked[:3], "does not go with --entities")
            _show_entities(predictor, texts, options["as_json"])
        else:
            _classify_texts(predictor, texts, **{name: options[name] for name in asked})
    else:
        _classify_file(predictor, options)


def _classify_file(predictor: "Predictor", options: dict[str, Any]) -> None:
    submission, kind = options["submission"], predictor.kind
    if submission is not None:
        kind.submission([], [])  # raises if there is no such form
    examples, _ = _read(options["file"], kind.name, options["columns"], options["skip_bad_rows"], labelled=False)
    predictor.progress = partial(track, description="predicting", console=console, transient=True)
    if submission is None:
        for record in _with_ids(examples, predictor.stream(examples)):
            print_json(record, indent=None)
        return
    with written_by_first(predictor.ranks, submission) as file:
        predictions = predictor.predict(examples)
        if file is not None:
            file.write_text(kind.submission(examples, predictions), encoding="utf-8", newline="\n")
    say(f"{submission}: {len(examples):,} answers")


def _classify_texts(
    predictor: "Predictor",
    texts: Sequence[str],
    pair: str | None,
    choices: Sequence[str],
    question: str | None,
    as_json: bool,
) -> None:
    from albert_np.tasks import ChoiceExample

    kind = predictor.kind
    if kind.example is not ChoiceExample:
        _refuse(["choices", "question"], f"is for models of multiple choice, and this one is for {kind.name}")
    elif len(choices) < 2:
        raise click.UsageError("a model of multiple choice needs at least two --choice, or --file")
    if (pair is not None or choices) and len(texts) != 1:
        raise click.UsageError(f"--pair and --choice go with one TEXT, got {len(texts)}")
    if choices:
        _refuse(["pair"], "does not go with --choice")
    asked = [ChoiceExample(texts[0], question, tuple(choices))] if choices else kind.from_texts(texts, pair)
    predictions = predictor.predict(asked)
    if as_json:
        print_json([prediction.to_dict() for prediction in predictions])
        return
    for example, prediction in zip(asked, predictions, strict=True):
        say(kind.shown(example, prediction))


def _show_entities(predictor: "Predictor", texts: Sequence[str], as_json: bool) -> None:
    from albert_np.tasks.kinds import entities

    if predictor.kind.name != "tagging":
        _refuse(["entities"], f"is for models of tags, and this one is for {predictor.kind.name}")
    predictions = predictor.tag(texts)
    found = [entities(text, prediction, predictor.labels) for text, prediction in zip(texts, predictions, strict=True)]
    if as_json:
        print_json([[entity._asdict() for entity in each] for each in found])
        return
    for number, each in enumerate(found, 1):
        for entity in each:
            line = f"{entity.start}-{entity.end}\t{entity.type}\t{entity.probability:.1%}\t{entity.text}"
            say(line if len(texts) == 1 else f"{number}\t{line}")


@click.command()
@click.argument("question")
@MODEL
@click.option("--context", help="The text to look for the answer in.")
@click.option("--context-file", type=click.Path(path_type=Path), help="A file with it instead.")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many answers to show.")
@NO_ANSWER_ABOVE
@ALWAYS_ANSWER
@backend_option
@JSON
@reports_errors
def answer(
    question: str,
    model: str,
    context: str | None,
    context_file: Path | None,
    top: int,
    backend: str,
    as_json: bool,
    **thresholds: Any,
) -> None:
    """Find the answer to QUESTION in a text, of whatever length it is."""
    from albert_np.tasks import QuestionExample

    if (context is None) == (context_file is None):
        raise click.UsageError("give one of --context and --context-file")
    text = read_text(context_file) if context is None and context_file is not None else context or ""
    if not text.strip():
        raise ValueError(f"{context_file or '--context'} holds no text")
    predictor = _predictor(model, backend=backend, **thresholds)
    if predictor.kind.example is not QuestionExample:
        raise click.UsageError(f"answer is for models of answering, and this one is for {predictor.kind.name}")
    prediction = predictor.answer(question, text)
    if why := predictor.kind.why(predictor.task, prediction):
        remark(f"{why} (--no-answer-above)")
    prediction = prediction._replace(candidates=(prediction.candidates or [])[:top])
    if as_json:
        print_json([candidate._asdict() for candidate in prediction.candidates or []])
        return
    say(predictor.kind.shown(QuestionExample("1", question, text), prediction))
