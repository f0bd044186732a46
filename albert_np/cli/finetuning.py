"""albert-np finetune, evaluate, classify, answer"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.progress import track
from rich.table import Table

from albert_np.cli.main import console, input_lines, print_json, reports_errors, results, say
from albert_np.cli.progress import resume_takes_no_other_option, says_how_to_resume, training_bar
from albert_np.files import read_text, whole_file

MODEL = click.option("--model", required=True, help="A run, a folder, a TensorFlow checkpoint or a name on the hub.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
COLUMNS = click.option("--columns", help="Which column holds what, such as text=body,label=stars or label=0,text=1.")


def _columns(value: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in (value or "").split(",") if part]
    if not all(role and column for role, _, column in pairs):
        raise click.BadParameter(f"{value!r}: write role=column, with commas between", param_hint="--columns")
    return {role.strip(): column.strip() for role, _, column in pairs}


def _metrics(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items() if value is not None)


@click.command()
@click.option(
    "--task", help="classification, multilabel, regression, tagging, answering, answering-v2, choice, or a paper's."
)
@click.option(
    "--train",
    "train_file",
    type=click.Path(path_type=Path),
    help="TSV, CSV, JSON lines, CoNLL, SQuAD, RACE; or GLUE's folder, where --eval is not needed.",
)
@click.option("--eval", "eval_file", type=click.Path(path_type=Path), help="Labelled too; see --held-out.")
@click.option("--held-out", default=0.1, show_default=True, help="Share of --train to evaluate on without --eval.")
@click.option("--model", help="What to start from: a run, a folder, a checkpoint, a name on the hub.")
@click.option("--from-scratch", is_flag=True, help="Random weights, of the same configuration.")
@click.option("--output", type=click.Path(path_type=Path), help="The run folder to make.")
@click.option("--resume", type=click.Path(path_type=Path), help="A run folder to go on with; takes no other option.")
@click.option("--demo", is_flag=True, help="A task made of what lies on your disk, from the quickstart's run.")
@COLUMNS
@click.option("--steps", type=click.IntRange(min=1), help="Updates.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Instead of --steps.")
@click.option("--learning-rate", type=float, help="By default the task's, or what suits a model so wide.")
@click.option("--batch-size", type=click.IntRange(min=1))
@click.option("--accumulation", default=1, show_default=True, help="Batches to an update.")
@click.option("--max-seq-length", type=click.IntRange(min=4), help="Tokens.")
@click.option("--warmup-steps", type=click.IntRange(min=0))
@click.option("--dropout", type=click.FloatRange(0, 1), help="Of hidden states and attention.")
@click.option("--evaluate-every", type=click.IntRange(min=1), help="Updates; ten times in all by default.")
@click.option("--patience", type=click.IntRange(min=1), help="Stop after so many evaluations without a better one.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="All processors by default; results depend on it.")
@JSON
@reports_errors
def finetune(resume: Path | None, demo: bool, as_json: bool, **options: Any) -> None:
    """Train a pretrained ALBERT for a task of your own; the best evaluation's model is kept.

    \b
    albert-np finetune --demo
    albert-np finetune --task classification --train mails.tsv --model runs/quickstart --output runs/mails
    albert-np finetune --task mrpc --train train.tsv --eval dev.tsv --model albert/albert-base-v2 --output runs/mrpc
    albert-np finetune --resume runs/mails

    cola, sts-b, sst-2, mnli, qnli, qqp, rte, mrpc, wnli, squad1, squad2 and race have the paper's settings (Table 14).
    """
    from albert_np.tasks import FineTuningRun

    if demo:
        _demo(options["model"] or "runs/quickstart", options["output"] or Path("runs/demo"), options["seed"], as_json)
        return
    if resume is not None:
        resume_takes_no_other_option(options)
    run = _prepare(options) if resume is None else FineTuningRun(resume)
    _train(run, "training")
    best = run.best()
    if as_json:
        print_json({"output": str(run.output), "step": best["step"], **run.evaluation.metrics})
    else:
        say(f"best after update {best['step']}: {_metrics(run.evaluation.metrics)}\nmodel: {run.output}")


def _prepare(options: dict[str, Any]) -> Any:
    import numpy as np

    from albert_np.tasks import KINDS, FineTuningRecipe, glue_files, prepare_finetuning, read_examples, task_settings

    needed = {"--task": "task", "--train": "train_file", "--model": "model", "--output": "output"}
    missing = [flag for flag, name in needed.items() if options[name] is None]
    if missing:
        raise click.UsageError(f"give {', '.join(missing)}; or --resume, or --demo")
    names = "steps epochs learning_rate batch_size max_seq_length warmup_steps dropout".split()
    task = task_settings(options["task"], **{name: options[name] for name in names})
    recipe = FineTuningRecipe(
        **{name: options[name] for name in ("accumulation", "evaluate_every", "patience", "seed", "threads")}
    )
    columns, train_file, eval_file = _columns(options["columns"]), options["train_file"], options["eval_file"]
    if train_file.is_dir() and not KINDS[task.kind].reads_folders:
        files = glue_files(train_file, task.name)
        train_file, eval_file = files["train"], eval_file or files["eval"]
    train = read_examples(train_file, task.kind, columns=columns)
    if eval_file is not None:
        evaluation = read_examples(eval_file, task.kind, columns=columns)
    else:
        count = round(options["held_out"] * len(train))
        if not 0 < count < len(train):
            raise ValueError(f"held_out={options['held_out']} leaves {count} of {len(train)} examples to evaluate on")
        order = np.random.default_rng(options["seed"]).permutation(len(train))
        train, evaluation = [train[i] for i in order[count:]], [train[i] for i in order[:count]]
    scratch = options["from_scratch"]
    return prepare_finetuning(
        options["output"], task, train, evaluation, options["model"], from_scratch=scratch, recipe=recipe
    )


def _train(run: Any, title: str) -> Any:
    console.print(f"{title}: {len(run.train_examples):,} examples, {len(run.eval_examples):,} to evaluate on")

    def figures(record: dict[str, Any]) -> str:
        return f"loss {record['loss']:.3f}"

    with says_how_to_resume("finetune", run.output), training_bar(run.steps, figures, _metrics) as show:
        return run.train(show, resume=True)


def _demo(model: str, output: Path, seed: int, as_json: bool) -> None:
    from albert_np.tasks.demo import demo

    if not Path(model).exists():
        raise FileNotFoundError(f"{model} is not there: make it with `albert-np quickstart`, or give --model")
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
@click.option("--predictions", type=click.Path(path_type=Path), help="Write them there, as JSON lines.")
@JSON
@reports_errors
def evaluate(
    model: str, data: Path, task: str | None, columns: str | None, predictions: Path | None, as_json: bool
) -> None:
    """Measure a fine-tuned model on labelled data, by its task's metrics."""
    from albert_np.tasks import Predictor, read_examples

    predictor = Predictor.load(model, task)
    examples = read_examples(data, predictor.task.kind, columns=_columns(columns))
    predictor.progress = partial(track, description="evaluating", console=console, transient=True)
    with nullcontext() if predictions is None else whole_file(predictions) as file:
        result = predictor.evaluate(examples)
        if file is not None:
            lines = (json.dumps(prediction.to_dict(), ensure_ascii=False) + "\n" for prediction in result.predictions)
            file.write_text("".join(lines), encoding="utf-8", newline="\n")
    if as_json:
        print_json({"examples": len(examples), **result.metrics})
    else:
        say(f"{len(examples):,} examples: {_metrics(result.metrics)}")
    if warning := predictor.collapse_warning(result.predictions):
        console.print(f"warning: {warning}", style="yellow")


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
@JSON
@reports_errors
def classify(
    texts: Sequence[str],
    model: str,
    pair: str | None,
    choices: Sequence[str],
    question: str | None,
    file: Path | None,
    columns: str | None,
    as_json: bool,
) -> None:
    """Say what each TEXT is: its class, labels, number, the tags of its words, or which choice fits.

    Without TEXT, each line of standard input. Of a file, print JSON lines.
    """
    from albert_np.tasks import ChoiceExample, Predictor, read_examples

    if file is not None and (texts or pair or choices):
        raise click.UsageError("--file stands in place of TEXT, --pair and --choice")
    predictor = Predictor.load(model)
    if file is not None:
        examples = read_examples(file, predictor.task.kind, columns=_columns(columns), labelled=False)
        predictor.progress = partial(track, description="predicting", console=console, transient=True)
        for prediction in predictor.predict(examples):
            print_json(prediction.to_dict(), indent=None)
        return
    texts = texts or list(input_lines())
    if (pair is not None or choices) and len(texts) != 1:
        raise click.UsageError(f"--pair and --choice go with one TEXT, got {len(texts)}")
    kind = predictor.kind
    asked = [ChoiceExample(texts[0], question, tuple(choices))] if choices else kind.from_texts(texts, pair)
    predictions = predictor.predict(asked)
    if as_json:
        print_json([prediction.to_dict() for prediction in predictions])
        return
    for example, prediction in zip(asked, predictions, strict=True):
        say(kind.shown(example, prediction))


@click.command()
@click.argument("question")
@MODEL
@click.option("--context", help="The text to look for the answer in.")
@click.option("--context-file", type=click.Path(path_type=Path), help="A file with it instead.")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many answers to show.")
@JSON
@reports_errors
def answer(question: str, model: str, context: str | None, context_file: Path | None, top: int, as_json: bool) -> None:
    """Find the answer to QUESTION in a text, of whatever length it is."""
    from albert_np.tasks import Predictor, QuestionExample

    if (context is None) == (context_file is None):
        raise click.UsageError("give one of --context and --context-file")
    text = context or "" if context_file is None else read_text(context_file)
    predictor = Predictor.load(model)
    prediction = predictor.answer(question, text)
    prediction = prediction._replace(candidates=(prediction.candidates or [])[:top])
    if as_json:
        print_json([candidate._asdict() for candidate in prediction.candidates or []])
        return
    say(predictor.kind.shown(QuestionExample("1", question, text), prediction))
