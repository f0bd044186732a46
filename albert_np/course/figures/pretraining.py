"""Figures of notebook 17: the loop, errors of finite differences, one batch, the plateau, two runs side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, arrow, baseline, box, legend, new_figure, plain, run_curve, series, titled

__all__ = ["difference_figure", "loop_figure", "one_batch_figure", "plateau_figure", "runs_figure"]


def loop_figure() -> Figure:
    """Draw pretraining: what is done once, what is done at every update, and the notebook of each part."""
    figure, ax = new_figure(8.6, 4)
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
        box(ax, x + 0.05, y, (1.4, 0.64), title, where, colour)
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
        arrow(ax, start, end)
    ax.text(4.35, 1.42, "new weights", ha="right", va="center", fontsize=9)
    ax.text(8.2, 1.35, "every intermediate\nkept in a cache", va="center", fontsize=9)
    ax.text(9.0, once, "once", va="center", fontsize=11, weight="bold")
    ax.text(9.0, forward, "at every\nupdate", va="center", fontsize=11, weight="bold")
    ax.axhline(2.95, color=COLOURS["grey"], lw=0.8, ls=":")
    ax.text(0.7, 4.5, "in each box: the notebook that derives it", fontsize=9, color=COLOURS["grey"])
    return figure


def difference_figure(steps: Any, entry: Any, direction: Any, value: float) -> Figure:
    """Draw the error of central differences of a real loss against the step, beside rounding's share ε|f|/h.

    steps, entry, direction: (n,) steps h, and absolute errors for a single weight and for a direction through all.
    value: |f|.
    """
    figure, ax = new_figure(7.5, 3.6)
    for errors, colour, marker, label in (
        (direction, "vermillion", "s", "a random direction through all weights"),
        (entry, "blue", "o", "a single weight (median of several)"),
    ):
        ax.loglog(steps, errors, color=COLOURS[colour], marker=marker, ms=5, lw=1.5, label=label)
    rounding = np.finfo(np.float64).eps * value / np.asarray(steps)
    ax.loglog(steps, rounding, label="rounding, ε |f| / h", color=COLOURS["grey"], ls="--")
    ax.axvline(1e-5, color="black", lw=0.8, ls=":")
    ax.text(1.15e-5, ax.get_ylim()[1] / 4, "the step of\nthe checks", fontsize=8, va="top")
    ax.set(xlabel="step h", ylabel="error of the difference")
    ax.minorticks_off()
    legend(ax, loc="upper left", bbox_to_anchor=(0, 1.03))
    plain(ax)
    return figure


def one_batch_figure(records: Sequence[Mapping[str, float]], even: float, blind: float) -> Figure:
    """Draw both losses of one batch that is shown again and again, with the floor of a model that sees no context.

    records: {"mlm_loss", "sop_loss"} of each update; even: ln V; blind: entropy of the batch's own labels.
    """
    figure, (left, right) = new_figure(8, 2.6, 1, 2)
    updates = np.arange(1, len(records) + 1)
    for ax, key, colour, name in ((left, "mlm_loss", "blue", "MLM"), (right, "sop_loss", "vermillion", "SOP")):
        ax.plot(updates, [r[key] for r in records], color=COLOURS[colour], lw=2)
        ax.set(xlabel="update, always with the same batch", ylim=(0, None))
        titled(ax, f"{name} loss")
    for ax, value, label in (
        (left, even, f"even guess, ln V = {even:.2f}"),
        (left, blind, f"blind: the labels' entropy, {blind:.2f}"),
        (right, float(np.log(2)), "even guess, ln 2 = 0.69"),
    ):
        baseline(ax, value, label)
    left.set_ylim(0, 1.15 * even)
    right.set_ylim(0, 0.85)
    plain(left, right)
    return figure


def plateau_figure(records: Sequence[Mapping[str, Any]], looks: Sequence[Any], even: float, unigram: float) -> Figure:
    """Draw a run's MLM loss against its two baselines, and below it how much its answers depend on the context.

    records: of metrics.jsonl. looks: (update, J, KL) with J as in notebook 17, eq. 17.12, and the distance of the
    mean answer from the token frequencies, eq. 17.13. even, unigram: the losses of an even guess and of frequencies.
    """
    figure, (above, below) = new_figure(8, 4.6, 2, 1, sharex=True, height_ratios=[3, 2.4])
    run_curve(above, records, "mlm_loss", "blue")
    baseline(above, even, f"even guess, ln V = {even:.2f}")
    baseline(above, unigram, f"token frequencies, {unigram:.2f}")
    above.set_ylim(None, even + 0.35)
    titled(above, "MLM loss")
    legend(above, loc="upper right", bbox_to_anchor=(1, 0.88))
    updates, used, apart = np.array(looks).T
    below.semilogy(updates, apart, color=COLOURS["orange"], lw=2, label="mean answer, distance from the frequencies")
    below.semilogy(updates, used, color=COLOURS["green"], lw=2, label="J: how much answers differ from place to place")
    below.minorticks_off()
    below.set(xlabel="update", ylabel="nats")
    legend(below, loc="lower right")
    plain(above, below)
    return figure


def runs_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]], even: float, unigram: float) -> Figure:
    """Draw the held-out (strong) and training (faint) losses of several runs over a logarithmic axis of updates.

    runs: name → records of metrics.jsonl; training losses are means over windows that grow with the update.
    """
    figure, (left, right) = new_figure(9, 3.5, 1, 2)
    for (name, records), colour in zip(runs.items(), ("orange", "blue", "green"), strict=False):
        for ax, key in ((left, "mlm_loss"), (right, "sop_loss")):
            ax.plot(*_smooth(*series(records, key)), color=COLOURS[colour], alpha=0.4, lw=1.5)
            ax.plot(*series(records, key, held_out=True), color=COLOURS[colour], marker="o", ms=4, lw=1.5, label=name)
    baseline(left, even, f"ln V = {even:.2f}")
    baseline(left, unigram, f"token frequencies, {unigram:.2f}")
    baseline(right, float(np.log(2)), "ln 2 = 0.69")
    for ax, title in ((left, "MLM loss"), (right, "SOP loss")):
        ax.set(xscale="log", xlabel="update")
        ax.minorticks_off()
        ax.set_xticks([10, 100, 1000, 10_000], ["10", "100", "1,000", "10,000"])
        titled(ax, f"{title}; faint: training, strong: held-out text")
    left.set_ylim(None, even + 0.45)
    legend(left, loc="lower left")
    plain(left, right)
    return figure


def _smooth(steps: Any, values: Any) -> tuple[Any, Any]:
    """Means over windows of a tenth of a decade, which look equally wide on a logarithmic axis."""
    window = np.floor(10 * np.log10(steps)).astype(int)
    kept = np.unique(window)
    return np.array([steps[window == w].mean() for w in kept]), np.array([values[window == w].mean() for w in kept])
