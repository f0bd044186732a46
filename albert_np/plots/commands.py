"""The figures that commands draw: a pretraining run, benchmarks, a profile."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots.style import COLOURS, IN_TURN, baseline, legend, new_figure, pale, plain, titled
from albert_np.study.world import Moment
from albert_np.training import Record

__all__ = ["benchmark_figure", "learning_figure", "loss_figure", "profile_figure", "run_curve", "series"]

# With IN_TURN, so that not colours alone tell lines apart.
DASHES: tuple[Any, ...] = ("-", (0, (4, 1)), "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 0.5)))
CONTENDERS = {"albert_np": "blue", "matrix products alone": "grey"}  # all others are orange


def loss_figure(records: Sequence[Record], vocab_size: int) -> Figure:
    """Draw a pretraining run: MLM loss and accuracy above, SOP below, each with its baseline.

    records: of metrics.jsonl. Thin: training batches; thick: held-out text. Baselines: guessing evenly has a loss of
    ln V for a masked token and ln 2 for the order of two segments.
    """
    figure, axes = new_figure(6, 5.4, 2, 2, sharex=True)
    for ax, key, title, colour, scale in (
        (axes[0, 0], "mlm_loss", "MLM loss, nats a masked token", "blue", 1),
        (axes[0, 1], "mlm_accuracy", "MLM accuracy, %", "blue", 100),
        (axes[1, 0], "sop_loss", "SOP loss, nats a pair", "vermillion", 1),
        (axes[1, 1], "sop_accuracy", "SOP accuracy, %", "vermillion", 100),
    ):
        run_curve(ax, records, key, colour, scale)
        titled(ax, title)
    baseline(axes[0, 0], float(np.log(vocab_size)), f"even guess, ln {vocab_size} = {np.log(vocab_size):.2f}")
    baseline(axes[1, 0], float(np.log(2)), "even guess, ln 2 = 0.69")
    baseline(axes[1, 1], 50, "even guess, 50 %")
    for ax in axes[1]:
        ax.set_xlabel("update")
    plain(*axes.flat)
    legend(axes[0, 0])
    return figure


def learning_figure(moments: Sequence[Moment], best_loss: float) -> Figure:
    """Draw how a model learns the toy world: its loss (nats) beside the best there is, and its skills, by updates."""
    figure, (above, below) = new_figure(6, 5.6, 2, 1, sharex=True)
    steps = [moment.step for moment in moments]
    above.plot(steps, [moment.loss for moment in moments], color=COLOURS["blue"], lw=2)
    baseline(above, best_loss, f"the best there is, {best_loss:.2f}", below=True)
    above.set_ylim(0, None)
    titled(above, "loss on held-out stories (nats per hidden word)")
    for colour, dashes, name in zip(IN_TURN, DASHES, moments[0].skills, strict=False):
        style = {"color": COLOURS[colour], "ls": dashes, "lw": 2}
        below.plot(steps, [100 * m.skills[name] for m in moments], label=name, **style)
    below.set_ylim(0, 104)
    titled(below, "answered rightly, %")
    below.set_xlabel("update")
    plain(above, below)
    legend(below, loc="lower right")
    return figure


def run_curve(ax: Axes, records: Sequence[Record], key: str, colour: str, scale: float = 1) -> None:
    """Draw a figure of a run, times `scale`: thin of its training batches, thick of held-out text."""
    (steps, values), (evaluated, answers) = series(records, key), series(records, key, held_out=True)
    if len(steps):
        ax.plot(steps, scale * values, color=COLOURS[colour], lw=0.7, label="training batches")
    if len(evaluated):
        ax.plot(evaluated, scale * answers, color=COLOURS[colour], lw=2, marker="o", ms=4, label="held-out text")


def series(records: Sequence[Record], key: str, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the updates and values of a figure in the records of metrics.jsonl, (n,) each, where it was measured."""
    if held_out:
        records = [{"step": r["step"], **r["evaluation"]} for r in records if r.get("evaluation")]
    kept = [(r["step"], r[key]) for r in records if r.get(key) is not None]
    return np.array([step for step, _ in kept]), np.array([value for _, value in kept])


def benchmark_figure(comparisons: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw one panel for each comparison: every contender's median time, with whiskers at the quartiles.

    comparisons: what `Result.to_dict` in `albert_np.bench` returns.
    """
    rows = [len(c["contenders"]) for c in comparisons]
    height, ratios = 0.9 + 0.95 * len(rows) + 0.35 * sum(rows), [n + 1 for n in rows]
    figure, axes = new_figure(6, height, len(rows), squeeze=False, height_ratios=ratios)
    for ax, comparison in zip(axes[:, 0], comparisons, strict=True):
        contenders = comparison["contenders"]
        medians = np.array([c["median"] for c in contenders])
        low, high = np.array([c["quartiles"] for c in contenders]).T
        names = [c["contender"] for c in contenders]
        colours = [CONTENDERS.get(name, "orange") for name in names]
        whiskers = {"xerr": [medians - low, high - medians], "ecolor": "black", "capsize": 3}
        ax.barh(names, medians, **_pale_bars(*colours), **whiskers)
        _plain_bars(ax, f"{comparison['title']}: seconds\nbeside the bars: albert_np's time divided by theirs")
        ax.set_xlim(0, 1.15 * high.max())
        for i, contender in enumerate(contenders):
            beside = {"xytext": (5, 0), "textcoords": "offset points"}
            ax.annotate(f"{contender['ratio']:.2f}", (high[i], i), va="center", fontsize=9, **beside)
    return figure


def profile_figure(profile: Mapping[str, Any], most: int = 16) -> Figure:
    """Draw the ops that take longest: the time measured as bars, the least it could be as a mark on each.

    profile: what `Profile.to_dict` in `albert_np.bench` returns.
    """
    ops = profile["ops"][:most]
    figure, ax = new_figure(6, 1.2 + 0.32 * len(ops))
    ax.barh([op["op"] for op in ops], [1e3 * op["seconds"] for op in ops], **_pale_bars("sky"), label="measured")
    floors = [np.nan if op["floor_seconds"] is None else 1e3 * op["floor_seconds"] for op in ops]
    ax.plot(floors, range(len(ops)), ls="", marker="|", ms=13, mew=2.5, color=COLOURS["vermillion"], label="floor")
    _plain_bars(ax, f"{profile['description']}: milliseconds")
    legend(ax, loc="lower right")
    return figure


def _pale_bars(*colours: str) -> dict[str, Any]:
    """Options of bars on which something is drawn that must be seen."""
    return {"color": [pale(c) for c in colours], "edgecolor": [COLOURS[c] for c in colours], "lw": 1.3}


def _plain_bars(ax: Axes, title: str) -> None:
    ax.invert_yaxis()  # the first one on top
    titled(ax, title)
    plain(ax, grid="x")
