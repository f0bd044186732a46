"""Figures of the paper's ablations in miniature: what each variant reached, seed by seed, beside the paper's figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, ink, legend, new_figure, plain, titled
from albert_np.study import MEASURES, NATS

__all__ = ["ablation_figure", "cross_task_figure", "rates_figure"]

GUESSED = 50.0  # per cent of the pairs, by a coin


def ablation_figure(result: Mapping[str, Any], measures: Sequence[str]) -> Figure:
    """Draw how far each variant is from the first, seed by seed: a panel for each measure, a row for each variant.

    A ring is one seed, the dot their mean, the bar its standard error on either side. result: as
    `albert_np.study.read_result` returns it; measures: names in `MEASURES`, drawn in nats or points. Where the paper
    has an average of tasks for variants, it gets a panel of its own, with rows in the same order.
    """
    variants = result["variants"]
    paper = [variant["paper"].get("average") for variant in variants]
    panels = len(measures) + any(average is not None for average in paper)
    figure, axes = new_figure(6, panels * (0.85 + 0.27 * len(variants)), panels, 1, squeeze=False)
    axes = axes[:, 0]
    for ax, measure in zip(axes, measures, strict=False):
        unit, scale = ("nats", 1) if measure in NATS else ("points", 100)
        first = {run["seed"]: run[measure] for run in variants[0]["runs"]}
        _rows(ax, [[scale * (run[measure] - first[run["seed"]]) for run in v["runs"]] for v in variants], unit)
        ax.axvline(0, color=COLOURS["grey"], ls="--", lw=1)
        titled(ax, f"{MEASURES[measure]}, {unit} from “{variants[0]['name']}”")
    if panels > len(measures):
        for y, average in enumerate(paper):
            if average is not None:
                axes[-1].plot(average, y, "s", ms=6, color=COLOURS["orange"])
                _written(axes[-1], y, f"{average:.1f}")
        titled(axes[-1], "the paper: average of five tasks, % (larger models)")
    for ax in axes:
        ax.set_yticks(range(len(variants)), [variant["name"] for variant in variants])
        ax.set_ylim(len(variants) - 0.5, -0.5)
        ax.margins(x=0.1)
        ax.locator_params(axis="x", nbins=5)
        ax.tick_params(axis="y", length=0)
        plain(ax, grid="x")
    return figure


def _rows(ax: Axes, rows: Sequence[Sequence[float]], unit: str) -> None:
    for y, values in enumerate(rows):
        mean, error = float(np.mean(values)), _error(values)
        ax.plot(values, [y] * len(values), "o", ms=6, mfc="none", mec=COLOURS["sky"], mew=1)
        ax.errorbar(mean, y, xerr=error, fmt="o", ms=5, capsize=4, color=COLOURS["blue"])
        if y:  # the first is what the others are compared with
            digits = 3 if unit == "nats" else 1
            _written(ax, y, f"{mean:+.{digits}f} ± {error:.{digits}f}")


def _written(ax: Axes, y: int, text: str) -> None:
    ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False)


def _error(values: Sequence[float]) -> float:
    """Return the standard error of a mean; 0 of a single value."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def rates_figure(result: Mapping[str, Any]) -> Figure:
    """Draw the loss above the best against the learning rate, for each optimizer, with a warm-up and without.

    result: of the experiment "optimizers". A ring is one seed; the line goes through their means, and the bars are
    standard errors of these.
    """
    figure, ax = new_figure(6, 3.8)
    curves: dict[tuple[str, bool], dict[float, list[float]]] = {}
    for variant in result["variants"]:
        optimizer, rate, *without = variant["name"].split(", ")
        curves.setdefault((optimizer, bool(without)), {})[float(rate)] = [run["gap"] for run in variant["runs"]]
    for (optimizer, without), points in curves.items():
        colour = COLOURS["blue" if optimizer == "AdamW" else "orange"]
        rates = np.array(list(points)) * (1.06 if without else 1.0)  # beside the others, not upon them
        for rate, values in zip(rates, points.values(), strict=True):
            ax.plot([rate] * len(values), values, "x" if without else "o", ms=5, mfc="none", mec=colour, mew=0.8)
        ax.errorbar(
            rates,
            [np.mean(values) for values in points.values()],
            [_error(values) for values in points.values()],
            color=colour,
            ls="--" if without else "-",
            capsize=4,
            lw=1.8,
            label=f"{optimizer}, no warm-up" if without else optimizer,
        )
    ax.set(xscale="log", yscale="log", xlabel="highest learning rate", ylabel="loss above the best, nats")
    ax.set_yticks([0.3, 0.5, 1, 2, 3], ["0.3", "0.5", "1", "2", "3"])
    ax.minorticks_off()
    plain(ax)
    legend(ax)
    return figure


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
            seeds = " · ".join(f"{value:.1f}" for value in rows[i][j])
            ax.text(j, i + 0.22, seeds, ha="center", va="center", fontsize=9, color=colour)
    ax.tick_params(length=0)
    ax.axvline(1.5, color="black", lw=1)
