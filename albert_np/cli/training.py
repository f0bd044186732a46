"""albert-np quickstart, pretrain"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress

from albert_np.cli.main import console, figures_table, print_json, reports_errors, results, say
from albert_np.cli.progress import (
    BAR,
    backend_option,
    introduce_ranks,
    percent,
    precision_option,
    prepared_by_first,
    resume_takes_no_other_option,
    says_how_to_resume,
    training_bar,
)

if TYPE_CHECKING:
    from albert_np.config import AlbertConfig
    from albert_np.pretraining import PretrainingRun
    from albert_np.study.quickstart import Learned, Summary
    from albert_np.study.world import Exam, Moment
    from albert_np.training import Metrics, Record

COUNT = click.IntRange(min=1)
MASTERED = 0.98  # the share of right answers from which on a skill is said to be learned


def _figures(record: "Record") -> str:
    mlm, sop = percent(record["mlm_accuracy"]), percent(record["sop_accuracy"])
    return f"loss {record['loss']:.3f}  MLM {mlm}  SOP {sop}"


def _held_out(metrics: "Metrics") -> str:
    loss = "–" if metrics["mlm_loss"] is None else f"{metrics['mlm_loss']:.3f}"
    sop = f"SOP {percent(metrics['sop_accuracy'])}"
    if metrics.get("sop_accuracy_two") is not None and metrics.get("sop_accuracy_more") is not None:
        sop += f" (two sentences {percent(metrics['sop_accuracy_two'])}, more {percent(metrics['sop_accuracy_more'])})"
    return f"MLM loss {loss}, accuracy {percent(metrics['mlm_accuracy'])}; {sop}"


def _report(what: str) -> None:
    console.print(what, soft_wrap=True)


@contextmanager
def _draws_losses(output: Path) -> Iterator[None]:
    """Draw the run's loss curves into loss.png once training ends or is interrupted, if there are any yet."""
    from albert_np.execution import place_in_job
    from albert_np.training import TrainingInterrupted

    if place_in_job()[0] > 0:
        yield
        return
    try:
        yield
    except TrainingInterrupted:
        _draw_losses(output)
        raise
    _draw_losses(output)


def _draw_losses(output: Path) -> None:
    from albert_np.plots import loss_figure, save
    from albert_np.pretraining import PretrainingRun

    run = PretrainingRun(output)
    if records := run.metrics():
        save(loss_figure(records, run.config.vocab_size), output / "loss.png")


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("runs/quickstart"), show_default=True)
@click.option("--steps", type=COUNT, help="Updates on English; fewer make it shorter and worse.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@reports_errors
def quickstart(output: Path, steps: int | None, seed: int, as_json: bool) -> None:
    """Watch a tiny ALBERT learn a toy world, then pretrain a small one on the English of Python's own manual.

    It takes minutes, and nothing is downloaded.
    """
    from albert_np.pretraining import check_vacant
    from albert_np.study import quickstart as job

    check_vacant(output)  # before a minute is spent on the toy world
    learned = _learn_world(seed)
    if not as_json:
        _print_world(learned)
    steps = job.STEPS if steps is None else steps
    bar = training_bar(steps, _figures, _held_out)
    try:
        with says_how_to_resume("pretrain", output), _draws_losses(output), bar as show:
            summary = job.quickstart(output, steps, seed, _report, show)
    finally:
        if output.is_dir():
            _draw_world(learned, output)
    if as_json:
        print_json(_as_json(summary, learned))
    else:
        _print_summary(summary, output)


def _learn_world(seed: int) -> "Learned":
    """Train on the toy world; show the loss beside the best there is, and say when something has been learned."""
    from albert_np.study import quickstart as job

    console.print(
        "first a toy world: short stories in which the best possible answer to a hidden word is known", soft_wrap=True
    )
    known = set()
    with Progress(*BAR, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("", total=job.WORLD_STEPS, figures="")

        def show(moment: "Moment", exam: "Exam") -> None:
            loss = f"loss {moment.loss:.2f} (the best there is: {exam.loss:.2f})"
            figures = f"{loss}  right {percent(moment.accuracy)}"
            progress.update(task, completed=moment.step, figures=figures)
            if moment.step % 100 == 0 and not console.is_terminal:
                progress.console.print(f"update {moment.step:>4}  {figures}", soft_wrap=True)
            for name, share in moment.skills.items():
                if share >= MASTERED and name not in known:
                    known.add(name)
                    progress.console.print(f"update {moment.step:>4}  it has learned: {name}")

        return job.learn_world(seed, show)


def _print_world(learned: "Learned") -> None:
    last, exam = learned.moments[-1], learned.exam
    out = results(100)
    out.print(
        f"after {last.step} updates, on stories that it has never read: loss {last.loss:.2f} (the best there is "
        f"{exam.loss:.2f}), {percent(last.accuracy)} right (the best there is {percent(exam.accuracy)})",
        soft_wrap=True,
    )
    out.print("stories with words hidden, and what it puts there:")
    for story, answers in learned.stories:
        words = iter(answers)
        out.print(
            "  " + " ".join(f"[{next(words).word}]" if word == "[MASK]" else word for word in story.split()),
            soft_wrap=True,
        )
    out.print("then English:")


def _draw_world(learned: "Learned", output: Path) -> None:
    from albert_np.plots import learning_figure, save

    save(learning_figure(learned.moments, learned.exam.loss), output / "world.png")


def _as_json(summary: "Summary", learned: "Learned") -> dict[str, object]:
    blanks = [
        {"text": text, "before": [c._asdict() for c in before], "after": [c._asdict() for c in after]}
        for text, before, after in summary.blanks
    ]
    world = {
        "best": {"loss": learned.exam.loss, "accuracy": learned.exam.accuracy},
        "moments": [moment._asdict() for moment in learned.moments],
        "stories": [{"text": text, "answers": [w._asdict() for w in words]} for text, words in learned.stories],
    }
    return {"world": world, **summary._asdict(), "baselines": summary.baselines._asdict(), "blanks": blanks}


def _print_summary(summary: "Summary", output: Path) -> None:
    base, before, after = summary.baselines, summary.untrained, summary.trained
    table = figures_table("on held-out documents", "MLM accuracy", "MLM loss", "SOP accuracy")
    majority = percent(base.majority_order)
    table.add_row(f"always “{base.frequent_token}”, the commoner order", percent(base.frequent_accuracy), "", majority)
    table.add_row("frequencies of the training text", "", f"{base.unigram_loss:.3f}", "")
    for name, m in (("this model, untrained", before), ("this model, trained", after)):
        table.add_row(name, percent(m["mlm_accuracy"]), f"{m['mlm_loss']:.3f}", percent(m["sop_accuracy"]))
    out = results(100)
    out.print(table)
    out.print("\nfill in the blanks:")
    for text, untrained, trained in summary.blanks:
        out.print(f"  {text}")
        for label, blank in (("before", untrained), ("after", trained)):
            answers = ", ".join(f"{c.token.removeprefix('▁')} {c.probability:.0%}" for c in blank[:4])
            out.print(f"    {label:<7} {answers}")
    out.print(f"\nrun folder: {output}   curves: {output / 'world.png'}, {output / 'loss.png'}", soft_wrap=True)
    out.print("next:")
    for command in (
        f'albert-np fill-mask "raise an [MASK] if it fails." --model {output}',
        f"albert-np info {output}",
        "albert-np verify",
        "albert-np pretrain --corpus YOUR.txt --output runs/yours",
    ):
        out.print(f"  {command}", soft_wrap=True)


@click.command()
@click.option(
    "--corpus",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A UTF-8 text file, .gz too; give it once a file. Without one, the quickstart's text.",
)
@click.option("--libraries", is_flag=True, help="Without --corpus: the docstrings of installed libraries as well.")
@click.option(
    "--layout",
    type=click.Choice(["prose", "lines"]),
    default="prose",
    show_default=True,
    help="Running text, where two blank lines part documents, or one sentence a line (Google's format).",
)
@click.option(
    "--config",
    "config_name",
    default="small",
    show_default=True,
    help="small (the quickstart's), a size (base-v2), or a config.json.",
)
@click.option("--output", type=click.Path(path_type=Path), help="The run folder to make.")
@click.option("--resume", type=click.Path(path_type=Path), help="A run folder to go on with; takes no other option.")
@click.option("--vocabulary", type=click.Path(path_type=Path), help="A spiece.model to use; else one is learned.")
@click.option(
    "--vocab-size",
    type=COUNT,
    help="Of a learned vocabulary; 8000 by default, the quickstart's 2000 of the quickstart's text.",
)
@click.option(
    "--vocabulary-sample",
    type=COUNT,
    default=30_000_000,
    show_default=True,
    help="Characters to learn a vocabulary from, a random sample of a longer text; each takes some 22 bytes of memory.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of the documents kept for evaluation; of too few documents, of their sentences.",
)
@click.option("--steps", type=COUNT, default=1000, show_default=True, help="Updates of the weights.")
@click.option("--batch-size", type=COUNT, default=32, show_default=True, help="Sequences.")
@click.option("--max-seq-length", type=click.IntRange(8), default=128, show_default=True, help="Tokens.")
@click.option("--accumulation", type=COUNT, default=1, show_default=True, help="Batches to an update.")
@click.option("--optimizer", type=click.Choice(["lamb", "adamw"]), default="lamb", show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0), default=5e-3, show_default=True)
@click.option("--warmup-steps", type=click.IntRange(0), help="A tenth of the steps by default.")
@click.option("--schedule", type=click.Choice(["linear", "google"]), default="linear", show_default=True)
@click.option("--google-moments", is_flag=True, help="No bias correction in the optimizer, as Google's code.")
@click.option(
    "--masked-lm-prob", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.15, show_default=True
)
@click.option("--max-ngram", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option(
    "--pairs",
    type=click.Choice(["order", "google", "next", "none"]),
    default="order",
    show_default=True,
    help="What is asked of two segments: SOP, SOP as Google's code has it, BERT's next sentence, or nothing.",
)
@click.option(
    "--output-bias",
    type=click.Choice(["frequencies", "zeros"]),
    default="frequencies",
    show_default=True,
    help="Where the MLM head's bias starts: at the logarithms of the tokens' frequencies, or at 0.",
)
@click.option("--max-predictions", type=COUNT, help="Cap on masked tokens a sequence; none by default.")
@click.option("--evaluate-every", type=COUNT, default=200, show_default=True)
@click.option("--checkpoint-every", type=COUNT, default=200, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="To train with, of each rank, and processes to tokenize with; all processors by default. What is trained "
    "depends on it.",
)
@backend_option
@precision_option
@click.option("--recompute", is_flag=True, help="Keep no layer's intermediates: less memory, more time.")
@click.option(
    "--offload",
    type=click.Choice(["none", "moments", "inputs", "both"]),
    default="none",
    show_default=True,
    help="What a GPU hands to the host between uses: the optimizer's moments, what --recompute keeps, both.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what preparing took, and the last record, as JSON.")
@reports_errors
def pretrain(resume: Path | None, as_json: bool, **options: Any) -> None:
    """Pretrain an ALBERT on your own text with masked words and sentence order.

    \b
    albert-np pretrain --corpus book.txt --corpus letters.txt.gz --output runs/mine
    albert-np pretrain --resume runs/mine
    mpiexec -n 4 albert-np pretrain --corpus book.txt --threads 1 --output runs/mine
    """
    from albert_np.execution import this_job
    from albert_np.pretraining import PretrainingRun

    if resume is not None:
        resume_takes_no_other_option(options)
        run = this_job().together(lambda: PretrainingRun(resume))
    else:
        run = prepared_by_first(_prepare, options, PretrainingRun)
    introduce_ranks(run.recipe)
    bar = training_bar(run.recipe.steps, _figures, _held_out)
    with says_how_to_resume("pretrain", run.output), _draws_losses(run.output), bar as show:
        run.train(show, resume=resume is not None)
    records = run.metrics()[-1:]
    if as_json:
        took = run.preparation
        preparation = took and {**took._asdict(), "megabytes_per_second": took.speed}
        print_json({"output": str(run.output), "preparation": preparation, "last": records[0] if records else None})
        return
    say(f"model: {run.output}   loss curves: {run.output / 'loss.png'}")
    for record in records:
        if record.get("evaluation"):
            say(f"held-out: {_held_out(record['evaluation'])}")


def _prepare(options: dict[str, Any]) -> "PretrainingRun":
    from albert_np.execution import Processes, available_threads
    from albert_np.pretraining import (
        Recipe,
        prepare_run,
        python_prose,
        python_prose_source,
        read_documents,
        text_source,
    )
    from albert_np.study.quickstart import VOCAB_SIZE

    if options["output"] is None:
        raise click.UsageError("give --output, or --resume")
    steps = options["steps"]
    warmup = options["warmup_steps"]
    taken = (
        "batch_size max_seq_length accumulation optimizer learning_rate schedule masked_lm_prob max_ngram "
        "pairs output_bias evaluate_every checkpoint_every seed threads backend precision offload"
    ).split()
    recipe = Recipe(
        steps=steps,
        warmup_steps=steps // 10 if warmup is None else warmup,
        bias_correction=not options["google_moments"],
        max_predictions_per_seq=options["max_predictions"],
        recompute="layer" if options["recompute"] else "none",
        **{name: options[name] for name in taken},
    )
    paths, layout, libraries = list(options["corpus"]), options["layout"], options["libraries"]
    if paths and libraries:
        raise click.UsageError(
            "--libraries adds to the quickstart's text, which --corpus replaces; give one of the two"
        )
    prose = cache(lambda: list(python_prose(libraries)))  # read once, if at all
    processors = available_threads()
    with Processes(min(options["threads"] or processors, processors)) as processes:
        return prepare_run(
            options["output"],
            (lambda: read_documents(paths, layout, processes)) if paths else prose,
            text_source(paths, layout) if paths else python_prose_source(libraries),
            _config(options["config_name"]),
            recipe,
            vocabulary=options["vocabulary"],
            vocab_size=options["vocab_size"] or (8000 if paths else VOCAB_SIZE),
            vocabulary_sample=options["vocabulary_sample"],
            held_out=options["held_out"],
            report=_report,
            processes=processes,
        )


def _config(name: str) -> "AlbertConfig":
    from albert_np.config import PRESETS, AlbertConfig
    from albert_np.study.quickstart import CONFIG

    if name == "small":
        return replace(CONFIG, max_position_embeddings=512)
    if name in PRESETS:
        return AlbertConfig.preset(name)
    if Path(name).is_file():
        return AlbertConfig.from_json_file(name)
    raise ValueError(f"--config {name}: neither small, nor a file, nor one of {', '.join(PRESETS)}")
