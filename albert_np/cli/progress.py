"""What the commands that train have in common: what they show, and how their runs are resumed."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_np.backend import get_backend
from albert_np.cli.main import console
from albert_np.execution import this_job, threads_in_all

if TYPE_CHECKING:
    from albert_np.pretraining import Recipe
    from albert_np.tasks import FineTuningRecipe
    from albert_np.training import Metrics, Record

__all__ = [
    "BAR",
    "backend_option",
    "introduce_ranks",
    "percent",
    "precision_option",
    "prepared_by_first",
    "resume_takes_no_other_option",
    "says_how_to_resume",
    "training_bar",
    "typed_options",
]

Run = TypeVar("Run")
BAR = (
    BarColumn(bar_width=24),
    MofNCompleteColumn(),
    TextColumn("{task.fields[figures]}", markup=False),
    TimeRemainingColumn(compact=True),
)


backend_option = click.option(
    "--backend",
    type=click.Choice(["numpy", "cupy"]),
    default="numpy",
    show_default=True,
    help="What computes: the processor, or with CuPy a GPU.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["float32", "tf32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Of matrix products; on NumPy it is played, which is slower than float32.",
)


@contextmanager
def training_bar(
    steps: int, figures: "Callable[[Record], str]", held_out: "Callable[[Metrics], str]"
) -> "Iterator[Callable[[Record], None]]":
    """A progress bar, and the function that moves it with each record of the trainer.

    figures: a record → what stands beside the bar; held_out: an evaluation → a line of its own.
    """
    with Progress(*BAR, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("training", total=steps, figures="")

        def show(record: "Record") -> None:
            speed = f"{record['tokens_per_second'] or 0:,.0f} tokens/s"
            progress.update(task, completed=record["step"], figures=f"{figures(record)}  {speed}")
            if not math.isfinite(record["grad_norm"]):
                scale = f"the gradients overflow in float16; they are now scaled by {record['loss_scale']:,g}"
                progress.console.print(f"update {record['step']:>6}  skipped: {scale}", soft_wrap=True)
            if record.get("evaluation"):
                line = f"update {record['step']:>6}  held-out: {held_out(record['evaluation'])}"
                progress.console.print(line, soft_wrap=True)

        yield show


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def typed_options(names: Iterable[str]) -> list[str]:
    """Return the options that were given on the command line, as they are typed."""
    context = click.get_current_context()
    options = {option.name: option.opts[-1] for option in context.command.params if option.name in names}
    return [flag for name, flag in options.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def resume_takes_no_other_option(options: Iterable[str]) -> None:
    """Raise UsageError that lists the options which were given beside --resume."""
    if given := typed_options(options):
        raise click.UsageError(f"--resume takes all settings from the run; do not give {', '.join(given)}")


def prepared_by_first(
    prepare: Callable[[dict[str, Any]], Run], options: dict[str, Any], open_run: Callable[[Path], Run]
) -> Run:
    """Return the run that `prepare` makes of the options, on rank 0; the others open its folder, --output, afterwards.

    `options["threads"]`, typed for each rank, becomes the number of all ranks together.
    """
    job = this_job()
    if job.size > 1:
        by_default = 1 if options.get("backend") == "cupy" else None
        options["threads"] = threads_in_all(job, options["threads"] or by_default)
    run = job.on_first(lambda: prepare(options))
    return job.together(lambda: open_run(options["output"]) if run is None else run)


def introduce_ranks(recipe: "Recipe | FineTuningRecipe") -> None:
    """Say which process each rank is, if there are several, and of a device's gradients how they travel.

    Where a rank dies, a launcher may name the process alone.
    """
    job = this_job()
    if job.size == 1:
        return
    threads = (recipe.threads or 1) // job.size
    console.print(f"{job.size} ranks of {threads} threads: {job.describe()}", soft_wrap=True)
    if recipe.backend != "numpy":
        job.take_device(recipe.backend)
        console.print(f"gradients travel by {job.route(get_backend(recipe.backend)).name}", soft_wrap=True)


@contextmanager
def says_how_to_resume(command: str, output: Path) -> Iterator[None]:
    """Print the command that goes on with an interrupted run."""
    from albert_np.training import TrainingInterrupted

    try:
        yield
    except TrainingInterrupted:
        console.print(f"resume with: albert-np {command} --resume {output}", soft_wrap=True)
        raise
