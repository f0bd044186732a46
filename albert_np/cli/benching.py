"""albert-np bench, profile"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track

from albert_np.cli.main import Command, console, figure_option, figures_table, print_json, reports_errors, results
from albert_np.cli.progress import backend_option
from albert_np.cli.ranks import refuse_ranks

if TYPE_CHECKING:
    from albert_np.bench import Workload
    from albert_np.config import AlbertConfig
    from albert_np.model import AlbertBase

WORK = ("forward", "step", "tokenize", "memory", "growth", "ranks")
AGAINST = ("torch", "torch-eager", "torch-compile", "onnx")
LENGTHS, BATCHES = (64, 128, 256, 512), (1, 2, 4, 8, 16, 32)  # of --work growth
VOCAB_SIZE = 4000  # of the vocabulary that is learned where no model brings one
SMALL_STEPS = 200  # in which memory must not grow
MOST_TOKENS = 2**24  # of a shape
SMALLEST_SHARE = 0.001  # of the time of a profile that is listed by itself

Shape = tuple[int, int]


def _shapes(ctx: click.Context, param: click.Parameter, text: str) -> list[Shape]:
    found = [re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", part) for part in text.split(",")]
    if not all(found):
        raise click.BadParameter(f"{text!r}: write sequences x tokens, such as 8x128, separated by commas")
    shapes = [(int(match[1]), int(match[2])) for match in found if match]
    for B, T in shapes:
        if B * T > MOST_TOKENS:
            raise click.BadParameter(f"{B}x{T}: at most {MOST_TOKENS:,} tokens at a time")
    return shapes


def _names(allowed: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def split(ctx: click.Context, param: click.Parameter, text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in allowed:
                raise click.BadParameter(f"{name!r}: allowed are {', '.join(allowed)}, separated by commas")
        return names

    return split


def _list_option(name: str, default: str, allowed: Sequence[str]) -> Callable[[Command], Command]:
    text = f"Any of {', '.join(allowed)}."
    return click.option(name, default=default, show_default=True, callback=_names(allowed), help=text)


def _common_options(command: Command) -> Command:
    for option in (
        figure_option("Draw the times into this PNG or SVG file."),
        click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON."),
        backend_option,
        click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds measured."),
        click.option("--threads", type=click.IntRange(min=1), help="All processors by default."),
        click.option("--model", help="A run, checkpoint or model folder, instead of --preset."),
        click.option("--preset", default="base-v2", show_default=True, help="A released size, with fresh weights."),
    ):
        command = option(command)
    return command


@click.command()
@_list_option("--work", "forward,step", WORK)
@_list_option("--against", "torch", AGAINST)
@click.option("--shapes", default="1x128,8x128,4x512", show_default=True, callback=_shapes, help="Sequences x tokens.")
@click.option("--ragged", is_flag=True, help="Also 32 sentences of real lengths, padded to the longest.")
@_common_options
@reports_errors
def bench(figure: Path | None, as_json: bool, **options: Any) -> None:
    """Measure albert_np side by side with PyTorch and ONNX Runtime.

    All have the same weights, inputs, precision and threads, and one turn in each round. Where one of them computes
    something else, nothing is reported. Beside them: the time of the matrix products alone.

    \b
    albert-np bench --work step --shapes 8x128
    albert-np bench --work forward --ragged --against torch,torch-compile,onnx
    albert-np bench --work memory,growth,tokenize
    mpiexec -n 2 albert-np bench --work ranks --shapes 16x128
    """
    from albert_np.bench import DisagreementError

    if "ranks" in options["work"]:
        _bench_ranks(options, as_json)
        return
    refuse_ranks("bench of other work than ranks")
    if not options["work"]:
        raise click.UsageError(f"--work names nothing to measure; allowed are {', '.join(WORK)}")
    if figure and not {"forward", "step", "tokenize"} & {*options["work"]}:
        raise click.UsageError("--figure draws comparisons: --work needs forward, step or tokenize")
    if options["backend"] != "numpy" and "memory" in options["work"]:
        raise click.UsageError("--work memory measures the processor's memory: it needs --backend numpy")
    try:
        found = _measure(_with_defaults(options))
    except DisagreementError as error:
        raise click.ClickException(str(error)) from error
    if figure:
        from albert_np.plots import benchmark_figure, save

        save(benchmark_figure(found["comparisons"]), figure)
    if as_json:
        print_json(found)
    else:
        _print_found(found)


def _bench_ranks(options: dict[str, Any], as_json: bool) -> None:
    """Measure a step of all ranks beside one of as many threads, for each shape."""
    from albert_np.bench import machine, measure_ranks, model_class, step_workload
    from albert_np.execution import this_job

    job = this_job()
    if options["work"] != ["ranks"] or job.size == 1 or options["threads"]:
        raise click.UsageError(
            "--work ranks goes alone, without --threads, and is started by mpiexec with 2 ranks or more"
        )
    model = job.together(lambda: _load(model_class("step"), options))
    found = []
    for B, T in options["shapes"]:
        times = measure_ranks(model, step_workload(model.config, [T] * B, practical=True), job, options["repeats"])
        found.append({"shape": f"{B}x{T}", "ratio": times.ratio, **times._asdict()})
    if as_json:
        print_json({"ranks": job.size, "machine": machine(), "shapes": found})
        return
    table = figures_table(
        "seconds a step", f"1 x {job.size} threads", f"{job.size} ranks", "ratio", "adding", "updating"
    )
    for row in found:
        middle = [f"{median(row[name]):.3f}" for name in ("threads", "ranks", "adding", "updating")]
        table.add_row(row["shape"], *middle[:2], f"{row['ratio']:.2f}", *middle[2:])
    results().print(table)


@click.command()
@click.option("--shape", "shapes", default="8x128", show_default=True, callback=_shapes, help="Sequences x tokens.")
@click.option("--work", type=click.Choice(["forward", "step"]), default="step", show_default=True)
@_common_options
@reports_errors
def profile(figure: Path | None, as_json: bool, work: str, **options: Any) -> None:
    """Show where the time of a step goes, op by op, beside the least it could be.

    The floor of an op is the time of its matrix products, or of moving its arrays once, at the rates that this machine
    reaches; whichever is longer. Measured is what one thread does of the batch, all others idle.
    """
    from albert_np.bench import forward_workload, model_class, profile_workload, step_workload

    options = _with_defaults(options)
    (B, T), *more = options["shapes"]
    if more:
        raise click.UsageError("--shape takes one shape")
    model = _load(model_class(work), options)
    workload = {"forward": forward_workload, "step": step_workload}[work](model.config, [T] * B, practical=True)
    found = profile_workload(model, workload, options["threads"], options["repeats"]).to_dict()
    if figure:
        from albert_np.plots import profile_figure, save

        save(profile_figure(found), figure)
    if as_json:
        print_json({"settings": _settings(options), **found})
    else:
        _print_profile(found, options)


def _with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    from albert_np.execution import threads_for

    return {**options, "threads": threads_for(options["backend"], options["threads"])}


def _load(cls: "type[AlbertBase]", options: Mapping[str, Any]) -> "AlbertBase":
    from albert_np.checkpoints import find_model
    from albert_np.config import AlbertConfig

    if options["model"]:
        return cls.from_pretrained(find_model(options["model"]), backend=options["backend"])
    return cls(AlbertConfig.preset(options["preset"]), backend=options["backend"])


def _measure(options: dict[str, Any]) -> dict[str, Any]:
    """Do all the work that is asked for; returns what --json prints."""
    from albert_np.bench import machine, measure_growth, measure_memory, model_class

    load = getattr(os, "getloadavg", lambda: (0.0,))()[0]  # of the last minute
    found: dict[str, Any] = {"load_before": load, "comparisons": list(_comparisons(options))}
    if "tokenize" in options["work"]:
        found["comparisons"].append(_tokenizers(options))
    if "memory" in options["work"]:
        console.print("memory …")
        largest = max(options["shapes"], key=lambda shape: shape[0] * shape[1])
        config = _load(model_class("step"), options).config
        rows = measure_memory(config, largest, options["against"], options["threads"], SMALL_STEPS)
        found["memory"] = {"shape": largest, "contenders": rows}
    if "growth" in options["work"]:
        console.print("growth …")
        model = _load(model_class("forward"), options)
        lengths = [length for length in LENGTHS if length <= model.config.max_position_embeddings]
        found["growth"] = measure_growth(model, lengths, BATCHES, options["threads"], options["repeats"])
    if load > 0.5:
        console.print(
            f"warning: the machine was busy (load {load:.1f}); times are too long, and unequally", style="yellow"
        )
    return {"settings": _settings(options), "machine": machine(options["backend"]), **found}


def _settings(options: Mapping[str, object]) -> dict[str, object]:
    return {
        "model": options["model"] or options["preset"],
        **{n: options[n] for n in ("backend", "threads", "repeats")},
    }


def _comparisons(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from albert_np.bench import measure_workload, model_class

    models = {work: _load(model_class(work), options) for work in options["work"] if work in ("forward", "step")}
    jobs = [(model, workload) for work, model in models.items() for workload in _workloads(work, model.config, options)]
    for model, workload in track(jobs, "side by side", console=console, transient=True):
        for tf32 in (True, False) if options["backend"] == "cupy" else (None,):
            with _tf32(model, tf32):
                result = measure_workload(
                    model, workload, options["against"], options["threads"], options["repeats"], tf32
                )
            yield result.to_dict()


def _tf32(model: "AlbertBase", allowed: bool | None) -> AbstractContextManager[None]:
    from albert_np.bench import tf32

    return nullcontext() if allowed is None else tf32(model, allowed)


def _workloads(work: str, config: "AlbertConfig", options: dict[str, Any]) -> "list[Workload]":
    """Every shape like for like, and practical where there is something to leave out."""
    from albert_np.bench import SENTENCE_LENGTHS, forward_workload, step_workload

    make = {"forward": forward_workload, "step": step_workload}[work]
    batches = [[T] * B for B, T in options["shapes"]] + [list(SENTENCE_LENGTHS)] * options["ragged"]
    workloads = [make(config, lengths, practical) for lengths in batches for practical in (False, True)]
    return [workload for workload in workloads if not workload.practical or workload.left_out]


def _tokenizers(options: dict[str, Any]) -> dict[str, Any]:
    """Compare tokenizers with the model's vocabulary or, where it has none, with one learned from the same text."""
    from albert_np.bench import measure_tokenizers
    from albert_np.checkpoints import find_model
    from albert_np.pretraining import python_prose
    from albert_np.tokenization import AlbertTokenizer, train_vocabulary

    console.print("reading Python's manual and docstrings …")
    lines = [sentence for document in python_prose() for sentence in document]
    if options["model"]:
        tokenizer = AlbertTokenizer.from_pretrained(find_model(options["model"]))
    else:
        console.print(f"learning a vocabulary of {VOCAB_SIZE:,} pieces …")
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = train_vocabulary(lines, Path(folder) / "spiece.model", VOCAB_SIZE)
    return measure_tokenizers(tokenizer, lines, options["repeats"]).to_dict()


def _print_found(found: dict[str, Any]) -> None:
    out = results()
    settings, versions = found["settings"], found["machine"]
    out.print(
        f"{settings['model']}, float32, {settings['backend']}, threads: {settings['threads']}, rounds: "
        f"{settings['repeats']}. Ratio: albert_np's time divided by the other's; below 1, albert_np is faster."
    )
    out.print(", ".join(f"{name} {version}" for name, version in versions.items()), style="dim")
    for comparison in found["comparisons"]:
        _print_comparison(out, comparison)
    if "memory" in found:
        _print_memory(out, found["memory"])
    if "growth" in found:
        _print_growth(out, found["growth"])


def _print_comparison(out: Console, comparison: dict[str, Any]) -> None:
    out.print(f"\n{comparison['title']}", style="bold")
    out.print(comparison["description"])
    table = figures_table("", "median", "quartiles", f"{comparison['unit']}/s", "ratio")
    for row in comparison["contenders"]:
        low, high = map(_duration, row["quartiles"])
        figures = (_duration(row["median"]), f"{low} – {high}", f"{row['per_second']:,.0f}", f"{row['ratio']:.2f}")
        table.add_row(row["contender"], *figures)
    out.print(table)
    for reason in comparison["skipped"]:
        out.print(f"not measured: {reason}")


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def _print_memory(out: Console, memory: dict[str, Any]) -> None:
    B, T = memory["shape"]
    out.print(f"\nmemory {B}x{T}", style="bold")
    out.print(
        "Of a pretraining step in a fresh process, MiB: resident once weights and batch "
        "exist; the peak above that, gradients included. "
        f"And growth from the {SMALL_STEPS // 10}th to the {SMALL_STEPS}th of small steps."
    )
    table = figures_table("", "start", "peak above", "growth")
    for row in memory["contenders"]:
        figures = [f"{row[name] / 2**20:,.0f}" for name in ("start", "peak", "growth")] if "start" in row else []
        table.add_row(row["contender"], *figures)
    out.print(table)
    for row in memory["contenders"]:
        if "skipped" in row:
            out.print(f"not measured: {row['skipped']}")


def _print_growth(out: Console, rows: list[dict[str, Any]]) -> None:
    out.print("\ngrowth", style="bold")
    out.print("Forward pass of AlbertModel: microseconds a token, sequences of one length.")
    batches = sorted({row["batch"] for row in rows})
    table = figures_table("tokens", *(f"batch {batch}" for batch in batches))
    times = {(row["length"], row["batch"]): f"{row['microseconds_per_token']:,.0f}" for row in rows}
    for length in sorted({row["length"] for row in rows}):
        table.add_row(str(length), *(times[length, batch] for batch in batches))
    out.print(table)


def _print_profile(found: dict[str, Any], settings: Mapping[str, Any]) -> None:
    out = results()
    rates = found["rates"]
    out.print(
        f"{settings['model'] or settings['preset']}, {found['description']}: {_duration(found['seconds'])}. Floors at "
        f"{rates['flops'] / 1e9:.0f} GFLOP/s and {rates['bytes'] / 1e9:.0f} GB/s, measured here on one thread."
    )
    table = figures_table("op", "calls", "ms", "share", "floor, ms", "times the floor")
    shown = [op for op in found["ops"] if op["share"] >= SMALLEST_SHARE]
    for op in shown:
        seconds, least = op["seconds"], op["floor_seconds"]
        floor = (f"{1e3 * least:.1f}", f"{seconds / least:.1f}") if least else ("", "")
        table.add_row(op["op"], str(op["calls"]), f"{1e3 * seconds:.1f}", f"{op['share']:.1%}", *floor)
    rest = [op for op in found["ops"] if op["share"] < SMALLEST_SHARE]
    if rest:
        share = sum(op["share"] for op in rest)
        table.add_row(f"{len(rest)} others", "", f"{1e3 * sum(op['seconds'] for op in rest):.1f}", f"{share:.1%}")
    out.print(table)
