"""albert-np notebooks, experiment"""

import importlib.util
import json
import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from albert_np.cli.main import console, figures_table, print_json, reports_errors, results, say
from albert_np.files import whole_file


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
@click.option("--steps", type=click.IntRange(min=1), help="Updates of each model; 1000 by default.")
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


def _run(name: str, steps: int | None, seeds: int | None, change: Any) -> dict[str, Any]:
    from albert_np.study.experiments import STEPS, run_experiment

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

        return run_experiment(name, steps or STEPS, seeds or 1, show, change)


def _print(result: dict[str, Any]) -> None:
    from albert_np.study.experiments import MEASURES

    variants = result["variants"]
    asked = list(dict.fromkeys(measure for variant in variants for measure in variant["paper"]))
    table = figures_table("", *MEASURES.values(), "parameters", *(f"paper's {m}" for m in asked))
    for variant in variants:
        runs, paper = variant["runs"], variant["paper"]
        ours = [" ".join(f"{100 * run[measure]:.1f}" for run in runs) for measure in MEASURES]
        theirs = [f"{paper[measure]:.1f}" if measure in paper else "–" for measure in asked]
        table.add_row(variant["name"], *ours, f"{runs[0]['parameters']:,}", *theirs)
    out = results()
    out.print(f"{result['question']} On held-out text, in %, one for each seed; updates: {result['steps']}")
    out.print(table)
    out.print(f"the paper: {result['paper']}")
    if "change" in result:
        _print_differences(result)


def _print_differences(result: dict[str, Any]) -> None:
    from albert_np.study.experiments import MEASURES

    change = result["change"]
    table = figures_table(
        "changed, less as it is", "n", "MLM loss, nats", *(f"{name}, points" for name in MEASURES.values())
    )
    for row in result["differences"]:
        cells = []
        for measure, value in row["measures"].items():
            scale, digits = (1, 4) if measure == "mlm_loss" else (100, 2)
            error = "" if value["error"] is None else f" ± {scale * value['error']:.{digits}f}"
            cells.append(f"{scale * value['mean']:+.{digits}f}{error}")
        table.add_row(row["variant"], str(row["n"]), *cells)
    out = results()
    out.print(f"{change['file']} (SHA-256 {change['sha256'][:12]}…) replaces {', '.join(change['parts'])}")
    out.print(table)
    out.print("n pairs of equal seeds; ± is the standard error of the mean difference, which one pair does not have")
