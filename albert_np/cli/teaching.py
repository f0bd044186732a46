"""albert-np notebooks, experiment"""

import importlib.util
import json
import os
import shlex
import sys
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from albert_np.cli.main import console, figures_table, print_json, reports_errors, results, say
from albert_np.files import whole_file

if TYPE_CHECKING:
    from albert_np.study.experiments import Change
    from albert_np.study.trials import Json


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("albert-notebooks"))
@click.option("--solutions", is_flag=True, help="With a folder of solutions.")
@click.option("--executed", is_flag=True, help="With what the cells give: to read, rather than to work through.")
@click.option("--no-open", is_flag=True, help="Copy only; do not start JupyterLab.")
@reports_errors
def notebooks(folder: Path, solutions: bool, executed: bool, no_open: bool) -> None:
    """Copy the course into a new FOLDER (albert-notebooks by default) and open it with JupyterLab.

    The notebooks are not run yet, and come without solutions. A folder that exists is left as it is. To go on with
    one: jupyter lab FOLDER.
    """
    from albert_np.course import copy_notebooks

    first, *others = copy_notebooks(folder, solutions, executed)
    say(f"{1 + len(others)} notebooks in {folder}; the first is {first.name}, and README.md shows the way")
    command = f"jupyter lab {shlex.quote(str(folder))}"
    if importlib.util.find_spec("jupyterlab") is None:
        say(f"to open them: pip install 'albert-np[notebooks]' && {command}")
    elif no_open:
        say(f"to open them: {command}")
    else:  # in the place of this process, so that Ctrl-C is JupyterLab's alone
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(folder)])


@click.command()
@click.argument("name", required=False)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Updates of each model; by default 600 in the toy world, 1000 on prose."
)
@click.option("--seeds", type=click.IntRange(min=1), help="Models of each variant; 1 by default.")
@click.option(
    "--with",
    "change",
    type=click.Path(path_type=Path),
    help="A Python file that calls albert_np.labs.swap: train each variant as it is, and changed, on equal seeds.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the result there, as JSON.")
@click.option("--kept", is_flag=True, help="Show the result that comes with the project, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@reports_errors
def experiment(
    name: str | None,
    steps: int | None,
    seeds: int | None,
    change: Path | None,
    output: Path | None,
    kept: bool,
    as_json: bool,
) -> None:
    """One of the paper's ablations in miniature, trained on your machine in minutes; without NAME, which there are."""
    from albert_np.labs import ChangeFile
    from albert_np.study.experiments import EXPERIMENTS, read_result

    if name is None:
        if steps or seeds or change or output or kept or as_json:
            raise click.UsageError(f"which experiment? There are {', '.join(EXPERIMENTS)}")
        for known, about in EXPERIMENTS.items():
            say(f"{known:<12}{about.question} ({len(about.variants)} models)")
        return
    if kept and (steps or seeds or change):
        raise click.UsageError("--kept trains nothing: do not give --steps, --seeds or --with with it")
    if name == "change" and change is None and not kept:
        raise click.UsageError("change tries a change of your own: give it with --with FILE")
    changes = None if change is None else ChangeFile.read(change)
    if output is not None:
        if output.exists():
            raise FileExistsError(f"{output} exists; choose another name")
        output.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if output is None else whole_file(output) as file:
        result = read_result(name) if kept else _run(name, steps, seeds, changes)
        if file is not None:
            file.write_text(json.dumps(result) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _print(result)


def _run(name: str, steps: int | None, seeds: int | None, change: "Change | None") -> "Json":
    from albert_np.study.experiments import run_experiment

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        return run_experiment(name, steps, seeds or 1, show, change)


def _print(result: "Json") -> None:
    from albert_np.study.experiments import MEASURES, differences, mean_text

    variants = result["variants"]
    measures = [measure for measure in MEASURES if measure in variants[0]["runs"][0]]
    asked = list(dict.fromkeys(measure for variant in variants for measure in variant["paper"]))
    columns = {"parameters": [f"{variant['runs'][0]['parameters']:,}" for variant in variants]}
    for measure in measures:
        columns[MEASURES[measure]] = [mean_text(measure, variant["runs"]) for variant in variants]
    for measure in asked:
        columns[f"paper's {measure}"] = [str(variant["paper"].get(measure, "–")) for variant in variants]
    say(result["question"])
    if "best" in result:
        best = result["best"]["gap"]
        say(f"In the toy world; the best there is: a loss of {best['loss']:.3f}, {100 * best['accuracy']:.1f} % right.")
    else:
        say("On held-out prose.")
    say(f"Means of {len(variants[0]['runs'])} seeds after {result['steps']} updates; losses in nats, shares in %:")
    _print_columns("", [variant["name"] for variant in variants], columns, 5)
    say(f"the paper: {result['paper']}")
    if "change" in result:
        change = result["change"]
        say(f"{change['file']} (SHA-256 {change['sha256'][:12]}…) replaces {', '.join(change['parts'])}")
        _print_differences("changed, less as it is", result["differences"])
    elif len(variants) > 1:
        _print_differences(f"less {variants[0]['name']}", differences(result))


def _print_differences(title: str, rows: "list[Json]") -> None:
    from albert_np.study.experiments import MEASURES, difference_text

    columns = {
        MEASURES[measure]: [difference_text(measure, row["measures"][measure]) for row in rows]
        for measure in rows[0]["measures"]
    }
    _print_columns(title, [row["variant"] for row in rows], columns, 3)
    pairs = rows[0]["n"]
    error = "± is the standard error of their mean" if pairs > 1 else "one pair has no error"
    say(f"losses in nats, shares in points; of {pairs} pair{'s'[: pairs > 1]} of equal seeds; {error}")


def _print_columns(title: str, names: list[str], columns: dict[str, list[str]], most: int) -> None:
    """Print columns of figures under each other, at most so many at a time, so that 80 characters hold them."""
    waiting = iter(columns.items())
    while some := list(islice(waiting, most)):
        table = figures_table(title, *(header for header, _ in some))
        for row in zip(names, *(cells for _, cells in some), strict=True):
            table.add_row(*row)
        results(80).print(table)
