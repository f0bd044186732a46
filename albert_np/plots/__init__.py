"""Every figure, in Okabe-Ito colours. Matplotlib is imported here and nowhere else.

A function returns a Matplotlib figure that belongs to no window, so it works without a screen; `save` writes it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from albert_np.config import AlbertConfig

__all__ = ["COLOURS", "architecture_figure", "baseline", "benchmark_figure", "loss_figure", "profile_figure", "save"]

COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "grey": "#7F7F7F",
}


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        figure.savefig(partial, format="png", dpi=150)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def loss_figure(records: Sequence[Mapping[str, Any]], vocab_size: int) -> Figure:
    """Draw a pretraining run: MLM loss and accuracy above, SOP below, each with its baseline.

    records: of metrics.jsonl. Faint: training batches; strong: held-out text. Baselines: guessing evenly has a loss of
    ln V for a masked token and ln 2 for the order of two segments.
    """
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    _curve(axes[0, 0], records, "mlm_loss", "MLM loss (nats per masked token)", "blue")
    _curve(axes[0, 1], records, "mlm_accuracy", "MLM accuracy", "blue", percent=True)
    _curve(axes[1, 0], records, "sop_loss", "SOP loss (nats per pair)", "vermillion")
    _curve(axes[1, 1], records, "sop_accuracy", "SOP accuracy", "vermillion", percent=True)
    baseline(axes[0, 0], float(np.log(vocab_size)), f"even guess, ln {vocab_size} = {np.log(vocab_size):.2f}")
    baseline(axes[1, 0], float(np.log(2)), "even guess, ln 2 = 0.69")
    baseline(axes[1, 1], 50, "even guess, 50 %")
    for ax in axes[1]:
        ax.set_xlabel("update")
    axes[0, 0].legend(frameon=False)
    return figure


def baseline(ax: Axes, value: float, label: str) -> None:
    """Draw a dashed line at what can be had without learning, on the scale of the axis, its label at the right end."""
    ax.axhline(value, color=COLOURS["grey"], ls="--", lw=1)
    ax.annotate(
        label,
        (0.99, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=COLOURS["grey"],
        bbox={"boxstyle": "square,pad=0", "fc": "white", "ec": "none", "alpha": 0.7},
    )


def _curve(
    ax: Axes, records: Sequence[Mapping[str, Any]], key: str, title: str, colour: str, percent: bool = False
) -> None:
    scale = 100 if percent else 1
    training = [(r["step"], scale * r[key]) for r in records if r.get(key) is not None]
    held_out = [(r["step"], scale * r["evaluation"][key]) for r in records if (r.get("evaluation") or {}).get(key)]
    if training:
        ax.plot(*zip(*training, strict=True), color=COLOURS[colour], alpha=0.35, lw=1, label="training batches")
    if held_out:
        ax.plot(*zip(*held_out, strict=True), color=COLOURS[colour], lw=2, marker="o", ms=4, label="held-out text")
    ax.set_title(title + (", %" if percent else ""), loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)


_CONTENDERS = {"albert_np": "blue", "matrix products alone": "grey"}


def benchmark_figure(comparisons: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw one panel for each comparison: every contender's median time, with whiskers at the quartiles.

    comparisons: what `Result.to_dict` in `albert_np.bench` returns.
    """
    rows = [len(c["contenders"]) for c in comparisons]
    figure = Figure(figsize=(9, 0.9 + 0.8 * len(rows) + 0.35 * sum(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[n + 1 for n in rows])[:, 0]
    for ax, comparison in zip(panels, comparisons, strict=True):
        contenders = comparison["contenders"]
        medians = np.array([c["median"] for c in contenders])
        low, high = np.array([c["quartiles"] for c in contenders]).T
        names = [c["contender"] for c in contenders]
        colours = [COLOURS[_CONTENDERS.get(name, "orange")] for name in names]
        ax.barh(names, medians, xerr=[medians - low, high - medians], color=colours, ecolor="black", capsize=3)
        _plain_bars(ax, f"{comparison['title']}: seconds; beside the bars, albert_np's time divided by theirs")
        ax.set_xlim(0, 1.15 * high.max())
        for i, contender in enumerate(contenders):
            ax.annotate(f"  {contender['ratio']:.2f}", (high[i], i), va="center", fontsize=8)
    return figure


def profile_figure(profile: Mapping[str, Any], most: int = 16) -> Figure:
    """Draw the ops that take longest: the time measured as bars, the least it could be as a mark on each.

    profile: what `Profile.to_dict` in `albert_np.bench` returns.
    """
    ops = profile["ops"][:most]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(ops)), layout="constrained")
    ax = figure.subplots()
    ax.barh([op["op"] for op in ops], [1e3 * op["seconds"] for op in ops], color=COLOURS["sky"], label="measured")
    floors = [np.nan if op["floor_seconds"] is None else 1e3 * op["floor_seconds"] for op in ops]
    ax.plot(floors, range(len(ops)), ls="", marker="|", ms=13, mew=2.5, color=COLOURS["vermillion"], label="floor")
    _plain_bars(ax, f"{profile['description']}: milliseconds")
    ax.legend(frameon=False, loc="lower right")
    return figure


def _plain_bars(ax: Axes, title: str) -> None:
    ax.invert_yaxis()  # the first one on top
    ax.set_title(title, loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", alpha=0.25)


def architecture_figure(config: AlbertConfig) -> Figure:
    """Draw the way of the data through ALBERT: shapes, the shared layer, and the two uses of the tied matrix."""
    E, H, V, L = config.embedding_size, config.hidden_size, config.vocab_size, config.num_hidden_layers
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0, 11), ylim=(0, 4.3))
    ax.axis("off")
    _box(ax, 0.15, 1.8, 1.15, "tokens", "[CLS] A [SEP]\nB [SEP]", "grey")
    _box(ax, 2.05, 1.8, 1.5, "embeddings", f"word {V:,}×{E}\n+ position + type", "sky")
    _box(ax, 4.35, 1.8, 1.1, "projection", f"{E} → {H}", "sky")
    _box(
        ax, 6.25, 1.8, 1.7, "one layer", f"attention, {config.num_attention_heads} heads\nfeed-forward, GELU", "orange"
    )
    _box(ax, 9.05, 3.05, 1.75, "MLM head", f"{H} → {E} → {V:,}\nwhich word?", "blue")
    _box(ax, 9.05, 0.55, 1.75, "pooler, SOP head", f"[CLS]: {H} → 2\nin order?", "vermillion")
    _arrow(ax, (1.3, 2.15), (2.05, 2.15), "B×T")
    _arrow(ax, (3.55, 2.15), (4.35, 2.15), f"B×T×{E}")
    _arrow(ax, (5.45, 2.15), (6.25, 2.15), f"B×T×{H}")
    _arrow(ax, (7.95, 2.35), (9.05, 3.25), f"B×T×{H}", shift=-0.45)
    _arrow(ax, (7.95, 1.95), (9.05, 1.05), f"B×{H}", shift=0.4)
    _arrow(ax, (7.65, 1.8), (6.55, 1.8), "", rad=-0.9, colour="orange")
    ax.text(7.1, 0.95, f"the same weights {L} times:\ntheir gradient is a sum over {L} steps", ha="center", fontsize=9)
    _arrow(ax, (2.8, 2.62), (9.0, 3.5), "", rad=-0.22, colour="blue", style="<->", dashed=True)
    ax.text(5.2, 3.95, "one matrix, used twice: its gradient has two paths", ha="center", fontsize=9)
    return figure


def _box(ax: Axes, x: float, y: float, width: float, title: str, text: str, colour: str) -> None:
    shape = FancyBboxPatch(
        (x, y), width, 0.75, boxstyle="round,pad=0.04", fc=COLOURS[colour] + "33", ec=COLOURS[colour], lw=1.5
    )
    ax.add_patch(shape)
    ax.text(x + width / 2, y + 0.62, title, ha="center", va="center", fontsize=10, weight="bold")
    ax.text(x + width / 2, y + 0.24, text, ha="center", va="center", fontsize=8)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    label: str,
    rad: float = 0.0,
    colour: str = "grey",
    style: str = "->",
    dashed: bool = False,
    shift: float = 0.0,
) -> None:
    properties = {
        "arrowstyle": style,
        "connectionstyle": f"arc3,rad={rad}",
        "color": COLOURS[colour],
        "lw": 1.5,
        "ls": "--" if dashed else "-",
        "shrinkA": 3,
        "shrinkB": 3,
    }
    ax.annotate("", end, start, arrowprops=properties)
    ax.text((start[0] + end[0]) / 2 + shift, (start[1] + end[1]) / 2 + 0.09, label, ha="center", fontsize=8)
