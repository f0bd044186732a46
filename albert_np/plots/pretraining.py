"""Figures of notebook 15: the loop, errors of finite differences, one batch, the plateau, two runs side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from albert_np.plots import COLOURS, baseline

__all__ = ["difference_figure", "loop_figure", "one_batch_figure", "plateau_figure", "runs_figure"]


def loop_figure() -> Figure:
    """Draw pretraining: what is done once, what is done at every update, and the notebook of each part."""
    figure = Figure(figsize=(8.6, 4), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(-0.1, 10.1), ylim=(0.1, 4.75))
    ax.axis("off")
    once, forward, backward = 3.75, 2.15, 0.55
    for x, y, title, where, colour in (
        (0.7, once, "text", "sentences", "grey"),
        (2.9, once, "vocabulary", "06", "grey"),
        (5.1, once, "ids", "06", "grey"),
        (0.7, forward, "pairs, masks", "13", "green"),
        (2.9, forward, "batch", "13", "green"),
        (5.1, forward, "forward", "07 to 12", "blue"),
        (7.3, forward, "loss", "04, 12", "blue"),
        (7.3, backward, "backward", "01 to 12", "vermillion"),
        (5.1, backward, "clip", "14", "orange"),
        (2.9, backward, "LAMB", "14", "orange"),
        (0.7, backward, "learning rate", "14", "orange"),
    ):
        _part(ax, x, y, title, where, colour)
    for start, end in (
        ((2.2, once), (2.9, once)),
        ((4.4, once), (5.1, once)),
        ((2.2, forward), (2.9, forward)),
        ((4.4, forward), (5.1, forward)),
        ((6.6, forward), (7.3, forward)),
        ((8.05, forward - 0.37), (8.05, backward + 0.37)),
        ((7.3, backward), (6.6, backward)),
        ((5.1, backward), (4.4, backward)),
        ((2.2, backward), (2.9, backward)),
        ((3.95, backward + 0.37), (5.35, forward - 0.37)),
        ((5.35, once - 0.37), (1.75, forward + 0.37)),
    ):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.5, "color": COLOURS["grey"]})
    ax.text(4.35, 1.42, "new weights", ha="right", va="center", fontsize=9)
    ax.text(8.2, 1.35, "every intermediate\nkept in a cache", va="center", fontsize=9)
    ax.text(9.0, once, "once", va="center", fontsize=11, weight="bold")
    ax.text(9.0, forward, "at every\nupdate", va="center", fontsize=11, weight="bold")
    ax.axhline(2.95, color=COLOURS["grey"], lw=0.8, ls=":")
    ax.text(0.7, 4.5, "in each box: the notebook that derives it", fontsize=9, color=COLOURS["grey"])
    return figure


def _part(ax: Axes, x: float, y: float, title: str, where: str, colour: str) -> None:
    shape = FancyBboxPatch(
        (x + 0.05, y - 0.32),
        1.4,
        0.64,
        boxstyle="round,pad=0.05",
        fc=COLOURS[colour] + "33",
        ec=COLOURS[colour],
        lw=1.5,
    )
    ax.add_patch(shape)
    ax.text(x + 0.75, y + 0.12, title, ha="center", va="center", fontsize=10, weight="bold")
    ax.text(x + 0.75, y - 0.17, where, ha="center", va="center", fontsize=9)


def difference_figure(steps: Any, entry: Any, direction: Any, value: float) -> Figure:
    """Draw the error of central differences of a real loss against the step, beside rounding's share ε|f|/h.

    steps, entry, direction: (n,) steps h, and absolute errors for a single weight and for a direction through all.
    value: |f|.
    """
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    ax = figure.subplots()
    for errors, colour, marker, label in (
        (direction, "vermillion", "s", "a random direction through all weights"),
        (entry, "blue", "o", "a single weight (median of several)"),
    ):
        ax.loglog(steps, errors, color=COLOURS[colour], marker=marker, ms=5, lw=1.5, label=label)
    ax.loglog(
        steps,
        np.finfo(np.float64).eps * value / np.asarray(steps),
        label="rounding, ε |f| / h",
        color=COLOURS["grey"],
        ls="--",
    )
    ax.axvline(1e-5, color="black", lw=0.8, ls=":")
    ax.text(1.15e-5, ax.get_ylim()[1] / 4, "the step of\nthe checks", fontsize=8, va="top")
    ax.set(xlabel="step h", ylabel="error of the difference")
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, 1.03))
    _plain(ax)
    return figure


def one_batch_figure(records: Sequence[Mapping[str, float]], even: float, blind: float) -> Figure:
    """Draw both losses of one batch that is shown again and again, with the floor of a model that sees no context.

    records: {"mlm_loss", "sop_loss"} of each update; even: ln V; blind: entropy of the batch's own labels.
    """
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    updates = np.arange(1, len(records) + 1)
    for ax, key, colour, name in ((left, "mlm_loss", "blue", "MLM"), (right, "sop_loss", "vermillion", "SOP")):
        ax.plot(updates, [r[key] for r in records], color=COLOURS[colour], lw=2)
        ax.set(xlabel="update, always with the same batch", ylim=(0, None))
        ax.set_title(f"{name} loss", loc="left", fontsize=10)
    for ax, value, label in (
        (left, even, f"even guess, ln V = {even:.2f}"),
        (left, blind, f"blind: the labels' entropy, {blind:.2f}"),
        (right, float(np.log(2)), "even guess, ln 2 = 0.69"),
    ):
        baseline(ax, value, label)
    left.set_ylim(0, 1.15 * even)
    right.set_ylim(0, 0.85)
    _plain(left, right)
    return figure


def plateau_figure(records: Sequence[Mapping[str, Any]], looks: Sequence[Any], even: float, unigram: float) -> Figure:
    """Draw a run's MLM loss against its two baselines, and below it how much its answers depend on the context.

    records: of metrics.jsonl. looks: (update, J, KL) with J as in notebook 15, eq. 15.12, and the distance of the
    mean answer from the token frequencies, eq. 15.13. even, unigram: the losses of an even guess and of frequencies.
    """
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2.4])
    above.plot(*_series(records, "mlm_loss"), color=COLOURS["blue"], alpha=0.35, lw=1, label="training batches")
    above.plot(
        *_series([{"step": r["step"], **r["evaluation"]} for r in records if r.get("evaluation")], "mlm_loss"),
        color=COLOURS["blue"],
        marker="o",
        ms=4,
        lw=2,
        label="held-out text",
    )
    baseline(above, even, f"even guess, ln V = {even:.2f}")
    baseline(above, unigram, f"token frequencies, {unigram:.2f}")
    above.set_ylim(None, even + 0.35)
    above.set_title("MLM loss", loc="left", fontsize=10)
    above.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1, 0.88))
    updates, used, apart = np.array(looks).T
    below.semilogy(updates, apart, color=COLOURS["orange"], lw=2, label="mean answer, distance from the frequencies")
    below.semilogy(updates, used, color=COLOURS["green"], lw=2, label="J: how much answers differ from place to place")
    below.minorticks_off()
    below.set(xlabel="update", ylabel="nats")
    below.legend(frameon=False, fontsize=9, loc="lower right")
    _plain(above, below)
    return figure


def runs_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]], even: float, unigram: float) -> Figure:
    """Draw the held-out (strong) and training (faint) losses of several runs over a logarithmic axis of updates.

    runs: name → records of metrics.jsonl; training losses are means over windows that grow with the update.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, records), colour in zip(runs.items(), ("orange", "blue", "green"), strict=False):
        held_out = [{"step": r["step"], **r["evaluation"]} for r in records if r.get("evaluation")]
        for ax, key in ((left, "mlm_loss"), (right, "sop_loss")):
            ax.plot(*_smooth(*_series(records, key)), color=COLOURS[colour], alpha=0.4, lw=1.5)
            ax.plot(*_series(held_out, key), color=COLOURS[colour], marker="o", ms=4, lw=1.5, label=name)
    baseline(left, even, f"ln V = {even:.2f}")
    baseline(left, unigram, f"token frequencies, {unigram:.2f}")
    baseline(right, float(np.log(2)), "ln 2 = 0.69")
    for ax, title in ((left, "MLM loss"), (right, "SOP loss")):
        ax.set(xscale="log", xlabel="update")
        ax.minorticks_off()
        ax.set_xticks([10, 100, 1000, 10_000], ["10", "100", "1,000", "10,000"])
        ax.set_title(f"{title}; faint: training, strong: held-out text", loc="left", fontsize=10)
    left.set_ylim(None, even + 0.45)
    left.legend(frameon=False, fontsize=9, loc="lower left")
    _plain(left, right)
    return figure


def _series(records: Sequence[Mapping[str, Any]], key: str) -> tuple[Any, Any]:
    kept = [(r["step"], r[key]) for r in records if r.get(key) is not None]
    steps, values = zip(*kept, strict=True)
    return np.array(steps), np.array(values)


def _smooth(steps: Any, values: Any) -> tuple[Any, Any]:
    """Means over windows of a tenth of a decade, which look equally wide on a logarithmic axis."""
    window = np.floor(10 * np.log10(steps)).astype(int)
    kept = np.unique(window)
    return np.array([steps[window == w].mean() for w in kept]), np.array([values[window == w].mean() for w in kept])


def _plain(*axes: Axes) -> None:
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
