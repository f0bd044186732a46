"""Figures of the paper's ablations in miniature: what each variant reached, seed by seed, beside the paper's figure."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, ink, new_figure, plain, titled
from albert_np.study import MEASURES

__all__ = ["ablation_figure", "cross_task_figure"]

GUESSED = 50.0  # per cent of the pairs, by a coin
PAIRS = ("nsp_accuracy", "sop_accuracy")


def ablation_figure(result: Mapping[str, Any], measures: Sequence[str]) -> Figure:
    """Draw a panel for each measure: a row for each variant, a ring for each seed and a dot for their mean.

    result: as `albert_np.study.read_result` returns it; measures: names of accuracies of its runs, drawn in per
    cent. Where the paper has an average of tasks for these variants, it gets a panel of its own, with rows in the same
    order. A dashed line is what a coin reaches.
    """
    variants = result["variants"]
    paper = [variant["paper"].get("average") for variant in variants]
    panels = len(measures) + any(average is not None for average in paper)
    height = 1.35 + 0.36 * len(variants)
    figure, axes = new_figure(1.6 + 2.9 * panels, height, 1, panels, sharey=True, squeeze=False)
    axes = axes[0]
    for ax, measure in zip(axes, measures, strict=False):
        runs = [[100 * run[measure] for run in variant["runs"]] for variant in variants]
        _rows(ax, runs, "blue")
        titled(ax, f"ours: accuracy, {MEASURES[measure]}, %")
        if measure in PAIRS:
            ax.axvline(GUESSED, color=COLOURS["grey"], ls="--", lw=1)
            ax.set_xlabel("dashed: a coin", fontsize=9, color=COLOURS["grey"])
    if panels > len(measures):
        _rows(axes[-1], [[] if average is None else [average] for average in paper], "orange")
        source = fill(result["paper"].replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"), 40)
        titled(axes[-1], f"the paper, another measure and scale:\n{source}, %")
    axes[0].set_xlabel("ring: one seed; dot: their mean", fontsize=9, color=COLOURS["grey"])
    axes[0].set_yticks(range(len(variants)), [variant["name"] for variant in variants])
    axes[0].set_ylim(len(variants) - 0.5, -0.5)
    return figure


def _rows(ax: Axes, rows: Sequence[Sequence[float]], colour: str) -> None:
    for y, values in enumerate(rows):
        if not values:
            continue
        mean = float(np.mean(values))
        ax.plot([min(values), max(values)], [y, y], color=COLOURS[colour], lw=1)
        if len(values) > 1:
            ax.plot(values, [y] * len(values), "o", ms=7, mfc="none", mec=COLOURS[colour], mew=1.2)
        ax.plot(mean, y, "o", ms=5, color=COLOURS[colour])
        ax.annotate(
            f"{mean:.1f}", (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
        )
    ax.margins(x=0.12)
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0)
    plain(ax, grid="x")


def cross_task_figure(result: Mapping[str, Any]) -> Figure:
    """Draw what models trained with each question about pairs know of the others, ours beside the paper's table 5.

    result: of the experiment "pairs". Rows: the question that a model was trained with; columns: the one it is asked.
    Where ours has several seeds, the figure is their mean, and small below it each of them.
    """
    variants = result["variants"]
    keys = ("nsp_accuracy", "sop_accuracy", "mlm_accuracy")
    ours = [[[100 * run[key] for run in variant["runs"]] for key in keys] for variant in variants]
    paper = [[[variant["paper"][key.partition("_")[0]]] for key in keys] for variant in variants]
    figure, axes = new_figure(6.0, 5.6, 2, 1)
    scale = ScalarMappable(Normalize(GUESSED, 100), "cividis")
    for ax, title, rows in zip(
        axes, ("ours", "the paper, table 5 (other models, other text)"), (ours, paper), strict=True
    ):
        _cells(ax, rows, scale)
        titled(ax, title)
        ax.set_xticks(range(3), ["NSP", "SOP", "MLM"])
        ax.set_yticks(range(len(variants)), [variant["name"] for variant in variants])
        ax.set(xlabel="asked: accuracy, %", ylabel="trained with")
    figure.colorbar(scale, ax=axes, label="NSP and SOP; 50 is a coin", shrink=0.85)
    return figure


def _cells(ax: Axes, rows: Sequence[Sequence[Sequence[float]]], scale: ScalarMappable) -> None:
    means = np.array([[np.mean(values) for values in row] for row in rows])
    colours = np.asarray(scale.to_rgba(means))
    colours[:, 2] = 1.0  # MLM: no coin, so not on this scale
    ax.imshow(colours, aspect="auto")
    for (i, j), mean in np.ndenumerate(means):
        several, colour = len(rows[i][j]) > 1, ink(colours[i, j])
        ax.text(j, i - 0.1 * several, f"{mean:.1f}", ha="center", va="center", fontsize=12, color=colour)
        if several:
            seeds = "  ".join(f"{value:.1f}" for value in rows[i][j])
            ax.text(j, i + 0.22, seeds, ha="center", va="center", fontsize=8, color=colour)
    ax.tick_params(length=0)
    ax.axvline(1.5, color="black", lw=1)
