"""albert-np experiment"""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from albert_np.cli.main import console, print_json, reports_errors


@click.command()
@click.argument("name", required=False)
@click.option("--steps", type=click.IntRange(min=1), help="Updates of each model; 1000 by default.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Models of each variant.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the result there, as JSON.")
@click.option("--kept", is_flag=True, help="Show the result that comes with the project, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@reports_errors
def experiment(name: str | None, steps: int | None, seeds: int, output: Path | None, kept: bool, as_json: bool) -> None:
    """One of the paper's ablations in miniature, trained on your machine in minutes; without NAME, which there are."""
    from albert_np.experiments import EXPERIMENTS, STEPS, read_result, run_experiment

    if name is None:
        for known, about in EXPERIMENTS.items():
            click.echo(f"{known:<12}{about.question} ({len(about.variants)} models; {about.source})")
        return
    if name not in EXPERIMENTS:
        raise ValueError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    if output is not None and output.exists():
        raise FileExistsError(f"{output} exists; choose another name")
    if kept:
        result = read_result(name)
    else:
        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("training", total=len(EXPERIMENTS[name].variants) * seeds)
            result = run_experiment(
                name,
                steps or STEPS,
                seeds,
                lambda what, done, _: progress.update(task, completed=done, description=what),
            )
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from albert_np.experiments import MEASURES

    out = Console(highlight=False, width=None if console.is_terminal else 120)
    table = Table("on held-out text, %", *MEASURES.values(), "parameters", "the paper", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for variant in result["variants"]:
        runs = variant["runs"]
        cells = [" ".join(f"{100 * run[measure]:.1f}" for run in runs) for measure in MEASURES]
        paper = ", ".join(f"{measure} {value}" for measure, value in variant["paper"].items())
        table.add_row(variant["name"], *cells, f"{runs[0]['parameters']:,}", paper or "–")
    out.print(f"{result['question']} {result['steps']} updates; one figure for each seed.")
    out.print(table)
    out.print(f"the paper: {result['paper']}")
