"""albert-np verify"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TypeVar

import click
import numpy as np
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from albert_np.cli.main import console, print_json, printable, remark, reports_errors, results, say
from albert_np.cli.progress import typed_options
from albert_np.gradcheck import PRECISION_TOLERANCES, TORCH_TOLERANCES, Comparison
from albert_np.model import AlbertBase

Section = tuple[str, list[Comparison]]
T = TypeVar("T")
FIGURES = "max abs", "max rel", "worst at", "got", "expected"
NARROW = 140  # columns; with fewer, names stand above their figures


@click.command()
@click.option(
    "--against",
    type=click.Choice(["differences", "torch"]),
    help="What to compare with: finite differences, or Hugging Face's ALBERT in PyTorch (needs albert-np[torch]), "
    "which is what --model and --preset are compared with.  [default: differences, or torch with those]",
)
@click.option("--model", help="Compare a model of your own: a run, a folder, or a name on the hub.")
@click.option("--text", "texts", multiple=True, help="What --model reads; may be given several times.")
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32", "both"]),
    default="both",
    show_default=True,
    help="Precision of the comparison with torch; finite differences are always in float64.",
)
@click.option(
    "--precision",
    type=click.Choice(list(PRECISION_TOLERANCES)),
    help="Compare gradients whose products are computed so with float64; beside PyTorch's autocast, if it is there.",
)
@click.option("--preset", help="Compare one released size, such as base-v2, instead of the small cases.")
@click.option(
    "--backend",
    type=click.Choice(["cupy"]),
    help="Compute on a GPU: every op and class there, in float32 and float64, against NumPy in float64.",
)
@click.option("--all", "show_all", is_flag=True, help="List every tensor, not only the worst of each case.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of inputs and upstream gradients."
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparisons as JSON.")
@reports_errors
def verify(
    against: str | None,
    model: str | None,
    texts: Sequence[str],
    dtype: str,
    precision: str | None,
    preset: str | None,
    backend: str | None,
    show_all: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Prove the gradients: every op, every block, every class, or a model of your own.

    Each row is one tensor: its largest absolute and relative error, where that is, what was got and what was expected.
    What is zero in exact arithmetic, like the gradient of the key's bias, has only rounding to compare: it is marked
    "zero" and is not the worst of its case. Exit status 1 if any is out of tolerance.

    \b
    albert-np verify
    albert-np verify --against torch
    albert-np verify --precision bfloat16 --preset base-v2
    albert-np verify --backend cupy
    albert-np verify --model runs/spam --text "you have won" --text "see you at home"
    """
    if model is not None and preset is not None:
        raise click.UsageError("--model has a size of its own: give no --preset with it")
    if texts and model is None:
        raise click.UsageError("--text is what --model reads: give both")
    if precision is not None and (against is not None or model is not None or typed_options(["dtype"])):
        raise click.UsageError(
            "--precision is compared with float64, and goes with --preset, --backend, --seed, --all and --json alone"
        )
    if against == "differences" and (model is not None or preset is not None):
        raise click.UsageError("--model and --preset are compared with torch, not with differences")
    if precision is None and backend is not None and (against or model or preset):
        raise click.UsageError("--backend is compared with NumPy: give no --against, --model or --preset with it")
    if precision is not None:
        found = _rounded_sections(precision, preset, backend or "numpy", seed)
    elif backend is not None:
        found = _backend_sections(backend, dtype, seed)
    elif model is not None:
        found = _model_sections(model, texts, dtype, seed)
    elif preset is not None or against == "torch":
        found = _torch_sections(dtype, preset, seed)
    else:
        found = _difference_sections(seed)
    sections = list(found)
    failed = sum(not row.ok for _, rows in sections for row in rows)
    if as_json:
        print_json([_as_json(name, rows) for name, rows in sections])
    else:
        _print_table(sections, show_all)
        count = sum(len(rows) for _, rows in sections)
        zeros = sum(row.zero for _, rows in sections for row in rows)
        verdict = "all within tolerance" if not failed else f"{failed} OUT OF TOLERANCE"
        say(f"{len(sections)} cases, {count} comparisons, {zeros} of them zero but for rounding: {verdict}")
    sys.exit(1 if failed else 0)


def _difference_sections(seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import Case, ModelCase, block_cases, check_case, model_cases, op_cases

    cases: list[Case | ModelCase] = [*op_cases(seed), *block_cases(seed), *model_cases(seed)]
    for case in _tracked(cases, "finite differences"):
        yield case.name, check_case(case, seed)


def _backend_sections(backend: str, dtype: str, seed: int) -> Iterator[Section]:
    from albert_np.backend import get_backend
    from albert_np.gradcheck import compare_with_numpy

    get_backend(backend)
    for precision in _precisions(dtype):
        with console.status(f"{backend}, {precision}"):
            yield from ((f"{name}, {precision}", rows) for name, rows in compare_with_numpy(backend, precision, seed))


def _torch_sections(dtype: str, preset: str | None, seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import compare_with_torch, torch_cases

    for precision in _precisions(dtype):
        cases = list(torch_cases(precision, preset, seed))
        for name, model, inputs in _tracked(cases, f"PyTorch, {precision}"):
            yield name, compare_with_torch(model, inputs, TORCH_TOLERANCES[precision])
        if precision == "float32":
            yield _precision_section(cases)


def _model_sections(source: str, texts: Sequence[str], dtype: str, seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import compare_with_torch, trained_case

    said: list[str] = []
    for precision in _precisions(dtype):
        with console.status(f"PyTorch, {precision}"):
            case = trained_case(source, precision, texts, seed)
            rows = compare_with_torch(case.model, case.inputs, TORCH_TOLERANCES[precision], case.twin)
        for each in case.remarks:
            if each not in said:
                remark(each)
                said.append(each)
        yield f"{type(case.model).__name__}, {precision}", rows


def _rounded_sections(precision: str, preset: str | None, backend: str, seed: int) -> Iterator[Section]:
    from albert_np.gradcheck import compare_with_float64, torch_cases

    cases = list(torch_cases("float32", preset, seed))
    for name, model, inputs in _tracked(cases, f"products in {precision}"):
        model.to(backend).precision = precision
        yield f"{name}, products in {precision}", [compare_with_float64(model, inputs)]
    if precision == "tf32":
        remark("PyTorch has no TF32 on a CPU: nothing is compared with it")
    elif find_spec("torch") is None or find_spec("transformers") is None:
        remark("PyTorch's autocast is compared where albert-np[torch] is installed")
    else:
        yield _precision_section(cases)


def _tracked(cases: list[T], what: str) -> Iterable[T]:
    """Show a bar on a terminal; elsewhere nothing, not even its empty line."""
    return track(cases, what, console=console, transient=True, disable=not console.is_terminal)


def _precisions(dtype: str) -> list[str]:
    return list(TORCH_TOLERANCES) if dtype == "both" else [dtype]


def _precision_section(cases: list[tuple[str, AlbertBase, dict[str, np.ndarray]]]) -> Section:
    """Our error as a share of PyTorch's in the precision that the models have, both against the float64 truth."""
    from albert_np.gradcheck import compare_precision

    measured = compare_precision((model, inputs) for _, model, inputs in cases)
    ours, theirs = measured.root_mean_squares
    precision = cases[0][1].precision
    whose = "PyTorch's" if precision == "float32" else "PyTorch autocast's"
    name = f"{precision} error, ours / {whose} (at most 1.5)"
    row = Comparison(name, ours, measured.ratio, (), ours, theirs, 1.5)
    return f"{precision} against float64 truth", [row]


def _worst(rows: list[Comparison]) -> Comparison:
    """Return the comparison nearest to its tolerance, or furthest beyond; one that is zero only if all are."""
    return max(rows, key=lambda row: (not row.zero, row.max_rel / row.tolerance))


def _as_json(name: str, rows: list[Comparison]) -> dict[str, object]:
    return {
        "case": name,
        "comparisons": [row.to_dict() for row in rows],
        "worst": _worst(rows).name,
        "ok": all(row.ok for row in rows),
    }


def _print_table(sections: list[Section], show_all: bool) -> None:
    """Print a row a case, or a tensor; where there is little room, its name stands above, so that no number is cut."""
    to = results(200)
    table = Table(*(Column(name, overflow="fold") for name in ("case", "tensor")), box=None, pad_edge=False)
    for figure in (*FIGURES, ""):
        table.add_column(figure, no_wrap=True)
    if narrow := to.width < NARROW:
        to.print(_figures_line(FIGURES, Text()))
    for name, rows in sections:
        for row in rows if show_all else [r for r in rows if not r.ok] or [_worst(rows)]:
            label = row.name if show_all or not row.ok else f"{len(rows)}, worst: {row.name}"
            errors = f"{row.max_abs:.1e}", f"{row.max_rel:.1e}", str(list(row.index))
            figures = (*errors, f"{row.got:.8g}", f"{row.expected:.8g}")
            if narrow:
                to.print(Text(printable(f"{name}: {label}")), _figures_line(figures, _verdict(row)), sep="\n")
            else:
                table.add_row(name, label, *figures, _verdict(row))
    if not narrow:
        to.print(table)


def _figures_line(figures: Sequence[str], verdict: Text) -> Text:
    widths = 7, 7, 16, 15, 15
    padded = (f"{figure:<{width}}  " for figure, width in zip(figures, widths, strict=True))
    return Text.assemble("  ", *padded, verdict)


def _verdict(row: Comparison) -> Text:
    if not row.ok:
        return Text("WRONG", style="red")
    return Text("zero", style="dim") if row.zero else Text("ok", style="green")
