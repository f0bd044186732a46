"""Figures of notebook 17: the loop, errors of finite differences, one batch, the plateau, two runs side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.plots import COLOURS, arrow, baseline, box, legend, new_figure, plain, run_curve, series, titled
from albert_np.training import Record

__all__ = ["difference_figure", "loop_figure", "one_batch_figure", "plateau_figure", "runs_figure"]


def loop_figure() -> Figure:
    """Draw pretraining: what is done once, what is done at every update, and the notebook of each part."""
    figure, ax = new_figure(6, 4)
    ax.set(xlim=(0, 6), ylim=(0, 4))
    ax.axis("off")
    once, forward, backward, width = 3.1, 1.8, 0.45, 1.14
    columns = (0.06, 1.63, 3.2, 4.77)
    for column, y, title, where, colour in (
        (0, once, "text", "sentences", "grey"),
        (1, once, "vocabulary", "06", "grey"),
        (2, once, "ids", "06", "grey"),
        (0, forward, "pairs, masks", "13", "green"),
        (1, forward, "batch", "13", "green"),
        (2, forward, "forward", "07 to 12", "blue"),
        (3, forward, "loss", "04, 12", "blue"),
        (3, backward, "backward", "01 to 12", "vermillion"),
        (2, backward, "clip", "14", "orange"),
        (1, backward, "LAMB", "14", "orange"),
        (0, backward, "learning rate", "14", "orange"),
    ):
        box(ax, columns[column], y, (width, 0.5), title, where, colour)
    gap, side = 0.07, 0.3  # from a box to the arrow's end; half a box with the rounding
    for start, end, y in ((0, 1, once), (1, 2, once), (0, 1, forward), (1, 2, forward), (2, 3, forward)):
        arrow(ax, (columns[start] + width + gap, y), (columns[end] - gap, y))
    for start, end in ((3, 2), (2, 1)):
        arrow(ax, (columns[start] - gap, backward), (columns[end] + width + gap, backward))
    arrow(ax, (columns[0] + width + gap, backward), (columns[1] - gap, backward))
    middle = [left + width / 2 for left in columns]
    arrow(ax, (middle[3], forward - side), (middle[3], backward + side))
    arrow(ax, (middle[1], backward + side), (middle[2], forward - side))
    arrow(ax, (middle[2], once - side), (middle[0], forward + side))
    ax.text(2.8, 1.13, "new weights", ha="right", va="center", fontsize=9)
    ax.text(middle[3] - 0.1, 1.13, "every intermediate\nkept in a cache", ha="right", va="center", fontsize=9)
    ax.axhline(2.47, color=COLOURS["grey"], lw=0.8, ls=":")
    ax.text(6, 2.55, "once", ha="right", va="bottom", fontsize=10, weight="bold")
    ax.text(6, 2.39, "at every update", ha="right", va="top", fontsize=10, weight="bold")
    ax.text(0, 3.75, "in each box: the notebook that derives it", fontsize=9)
    return figure


def difference_figure(steps: Floats, entry: Floats, direction: Floats, value: float) -> Figure:
    """Draw the error of central differences of a real loss against the step, beside rounding's share ε|f|/h.

    steps, entry, direction: (n,) steps h, and absolute errors for a single weight and for a direction through all.
    value: |f|.
    """
    figure, ax = new_figure(6, 3.8)
    for errors, colour, marker, label in (
        (direction, "vermillion", "s", "a random direction through all weights"),
        (entry, "blue", "o", "a single weight (median of several)"),
    ):
        ax.loglog(steps, errors, color=COLOURS[colour], marker=marker, ms=5, lw=1.5, label=label)
    rounding = np.finfo(np.float64).eps * value / np.asarray(steps)
    ax.loglog(steps, rounding, label="rounding, ε |f| / h", color=COLOURS["grey"], ls="--")
    ax.axvline(1e-5, color="black", lw=0.8, ls=":")
    ax.text(1.15e-5, ax.get_ylim()[1] / 4, "the step of\nthe checks", fontsize=9, va="top")
    ax.set(xlabel="step h", ylabel="error of the difference")
    ax.minorticks_off()
    legend(ax, loc="upper left", bbox_to_anchor=(0, 1.03))
    plain(ax)
    return figure


def one_batch_figure(records: Sequence[Mapping[str, float]], even: float, blind: float) -> Figure:
    """Draw both losses of one batch that is shown again and again, with the floor of a model that sees no context.

    records: {"mlm_loss", "sop_loss"} of each update; even: ln V; blind: entropy of the batch's own labels.
    """
    figure, (above, below) = new_figure(6, 4.6, 2, 1, sharex=True)
    updates = np.arange(1, len(records) + 1)
    for ax, key, colour, name in ((above, "mlm_loss", "blue", "MLM"), (below, "sop_loss", "vermillion", "SOP")):
        ax.plot(updates, [r[key] for r in records], color=COLOURS[colour], lw=2)
        titled(ax, f"{name} loss")
    for ax, value, label in (
        (above, even, f"even guess, ln V = {even:.2f}"),
        (above, blind, f"blind: the labels' entropy, {blind:.2f}"),
        (below, float(np.log(2)), "even guess, ln 2 = 0.69"),
    ):
        baseline(ax, value, label)
    above.set_ylim(0, 1.15 * even)
    below.set_ylim(0, 0.85)
    below.set_xlabel("update, always with the same batch")
    plain(above, below)
    return figure


def plateau_figure(
    records: Sequence[Record], looks: Sequence[tuple[int, float, float]], even: float, unigram: float
) -> Figure:
    """Draw a run's MLM loss against its two baselines, and below it how much its answers depend on the context.

    records: of metrics.jsonl. looks: (update, J, KL) with J as in notebook 17, eq. 17.12, and the distance of the
    mean answer from the token frequencies, eq. 17.13. even, unigram: the losses of an even guess and of frequencies.
    """
    figure, (above, below) = new_figure(6, 5, 2, 1, sharex=True, height_ratios=[3, 2.4])
    run_curve(above, records, "mlm_loss", "blue")
    baseline(above, even, f"even guess, ln V = {even:.2f}")
    baseline(above, unigram, f"token frequencies, {unigram:.2f}", below=True, left=True)
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


def runs_figure(runs: Mapping[str, Sequence[Record]], even: float, unigram: float) -> Figure:
    """Draw the held-out (thick) and training (thin) losses of several runs over a logarithmic axis of updates.

    runs: name → records of metrics.jsonl; training losses are means over windows that grow with the update.
    """
    figure, (above, below) = new_figure(6, 6.6, 2, 1)
    for (name, records), colour in zip(runs.items(), ("orange", "blue", "green"), strict=False):
        for ax, key in ((above, "mlm_loss"), (below, "sop_loss")):
            ax.plot(*_smooth(*series(records, key)), color=COLOURS[colour], lw=0.8)
            ax.plot(*series(records, key, held_out=True), color=COLOURS[colour], marker="o", ms=4, lw=2, label=name)
    baseline(above, even, f"ln V = {even:.2f}")
    baseline(above, unigram, f"token frequencies, {unigram:.2f}", below=True, left=True)
    baseline(below, float(np.log(2)), "ln 2 = 0.69")
    for ax, title in ((above, "MLM loss"), (below, "SOP loss")):
        ax.set(xscale="log", xlabel="update")
        ax.minorticks_off()
        ax.set_xticks([10, 100, 1000, 10_000], ["10", "100", "1,000", "10,000"])
        titled(ax, f"{title}; thin: training, thick: held-out text")
    above.set_ylim(None, even + 0.45)
    legend(above, loc="lower left")
    plain(above, below)
    return figure


def _smooth(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Means over windows of a tenth of a decade, which look equally wide on a logarithmic axis."""
    window = np.floor(10 * np.log10(steps)).astype(int)
    kept = np.unique(window)
    return np.array([steps[window == w].mean() for w in kept]), np.array([values[window == w].mean() for w in kept])
