"""albert-np verify"""

import sys
from collections.abc import Iterator
from typing import Any

import click
from rich.progress import track
from rich.table import Table
from rich.text import Text

from albert_np.cli.main import console, print_json, reports_errors, results, say
from albert_np.gradcheck import Comparison

Section = tuple[str, list[Comparison]]


@click.command()
@click.option(
    "--against",
    type=click.Choice(["differences", "torch"]),
    default="differences",
    show_default=True,
    help="What to compare with: finite differences, or Hugging Face's ALBERT in PyTorch (needs albert-np[torch]).",
)
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32", "both"]),
    default="both",
    show_default=True,
    help="Precision of the comparison with torch; finite differences are always in float64.",
)
@click.option(
    "--preset", help="Compare one released size, such as base-v2, instead of the small cases; with torch only."
)
@click.option("--all", "show_all", is_flag=True, help="List every tensor, not only the worst of each case.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of inputs and upstream gradients."
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparisons as JSON.")
@reports_errors
def verify(against: str, dtype: str, preset: str | None, show_all: bool, seed: int, as_json: bool) -> None:
    """Prove the gradients: every op, every block, every class.

    Each row is one tensor: its largest absolute and relative error, where that is, what was got and what was expected.
    Exit status 1 if any is out of tolerance.
    """
    if preset and against != "torch":
        raise click.UsageError("--preset needs --against torch")
    sections = list(_torch_sections(dtype, preset, seed) if against == "torch" else _difference_sections(seed))
    failed = sum(not row.ok for _, rows in sections for row in rows)
    if as_json:
        print_json(
            [
                {"case": name, "comparisons": [r.to_dict() for r in rows], "ok": all(r.ok for r in rows)}
                for name, rows in sections
            ]
        )
    else:
        _print_table(sections, show_all)
        count = sum(len(rows) for _, rows in sections)
        verdict = "all within tolerance" if not failed else f"{failed} OUT OF TOLERANCE"
        say(f"{len(sections)} cases, {count} comparisons: {verdict}")
    sys.exit(1 if failed else 0)


def _difference_sections(seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import block_cases, check_case, model_cases, op_cases

    cases: list[Any] = [*op_cases(seed), *block_cases(seed), *model_cases(seed)]
    for case in track(cases, "finite differences", console=console, transient=True):
        yield case.name, check_case(case, seed)


def _torch_sections(dtype: str, preset: str | None, seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import compare_with_torch, torch_cases

    tolerances = {"float64": 1e-10, "float32": 2e-4}
    for precision in tolerances if dtype == "both" else [dtype]:
        cases = list(torch_cases(precision, preset, seed))
        for name, model, inputs in track(cases, f"PyTorch, {precision}", console=console, transient=True):
            yield name, compare_with_torch(model, inputs, tolerances[precision])
        if precision == "float32":
            yield _precision_section(cases)


def _precision_section(cases: list[Any]) -> Section:
    """Our float32 error as a share of PyTorch's, both against the float64 truth."""
    from albert_np.gradcheck import compare_precision

    ratio = compare_precision((model, inputs) for _, model, inputs in cases).ratio
    row = Comparison("float32 error, ours / PyTorch's (at most 1.5)", ratio, ratio, (), ratio, 1.0, 1.5)
    return "float32 against float64 truth", [row]


def _print_table(sections: list[Section], show_all: bool) -> None:
    table = Table("case", "tensor", "max abs", "max rel", "worst at", "got", "expected", "", box=None)
    for name, rows in sections:
        worst = max(rows, key=lambda row: row.max_rel / row.tolerance)
        for row in rows if show_all else [r for r in rows if not r.ok] or [worst]:
            where = str(list(row.index))
            verdict = Text("ok", style="green") if row.ok else Text("WRONG", style="red")
            label = row.name if show_all or not row.ok else f"{len(rows)}, worst: {row.name}"
            figures = (f"{row.max_abs:.1e}", f"{row.max_rel:.1e}", where, f"{row.got:.8g}", f"{row.expected:.8g}")
            table.add_row(name, label, *figures, verdict)
    results(200).print(table)
