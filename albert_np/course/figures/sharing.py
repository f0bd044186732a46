"""Figures of notebook 11: who uses which weights, what each use adds to the gradient, and what sharing saves."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.config import AlbertConfig
from albert_np.course.figures.diagrams import Diagram, Part
from albert_np.plots import COLOURS, IN_TURN, ink, legend, matrix, new_figure, plain, tile, titled

__all__ = ["contributions_figure", "groups_figure", "savings_figure", "shared_walk_figure"]


def shared_walk_figure() -> Figure:
    """Draw three steps that share their weights: each gives the weights a term of their gradient on the way back."""
    diagram = Diagram(6.0, 2.85)
    places = [0.4 + 0.867 * i for i in range(7)]
    row = [
        diagram.op(x, 2.1, "$f$", colour="orange", width=0.5)
        if i % 2
        else diagram.value(x, 2.1, f"$x_{i // 2}$", width=0.44)
        for i, x in enumerate(places)
    ]
    for i, (one, following) in enumerate(pairwise(row)):
        diagram.flow(one, following, gradient="" if i % 2 else f"$\\bar x_{i // 2}$")
    weights, dot = diagram.value(places[3], 0.35, r"$\theta$", width=0.6), diagram.dot(places[3], 1.05)
    diagram.flow(weights, dot)
    diagram.write(weights.x + 0.42, 0.37, r"$\bar\theta = c_0 + c_1 + c_2$", "vermillion", ha="left")
    for i, step in enumerate(row[1::2]):
        diagram.flow(dot, Part(step.x, step.y - 0.24, 0.1, 0.1), gradient=f"$c_{i}$")
        diagram.write(step.x, 2.42, f"keeps its $x_{i}$", "grey")
    diagram.write(places[6], 2.42, "to the loss", "grey")
    diagram.write(places[6], 1.74, r"$\bar x_3$", "vermillion")
    diagram.key()
    return diagram.figure


def groups_figure(configs: Sequence[AlbertConfig]) -> Figure:
    """Draw a line of boxes for each configuration: the layer steps, in the colours and numbers of their groups.

    configs: of one number of layers, with at most six groups.
    """
    layers = configs[0].num_hidden_layers
    figure, ax = new_figure(6.0, 0.66 * len(configs) + 0.3)
    for row, config in enumerate(configs):
        _steps(ax, row, config)
    for i in range(layers):
        ax.text(i + 0.5, -0.18, f"{i}", ha="center", fontsize=9)
    ax.text(-0.2, -0.18, "step i", ha="right", fontsize=9)
    ax.set(xlim=(-1.6, layers), ylim=(len(configs), -0.5))
    ax.axis("off")
    return figure


def _steps(ax: Axes, row: int, config: AlbertConfig) -> None:
    inner, groups, layers = config.inner_group_num, config.num_hidden_groups, config.num_hidden_layers
    for i, j in [(i, j) for i in range(layers) for j in range(inner)]:
        group = config.group_of(i)
        width = 0.88 / inner
        label = f"{group}" if inner == 1 else f"{group}{'abcdef'[j]}"
        tile(ax, i + 0.06 + j * width, row, width, 0.5, label, IN_TURN[group])
    ax.text(-0.2, row + 0.25, f"G = {groups}", ha="right", va="center", fontsize=9)
    stored, uses = groups * inner, layers // groups
    text = f"{stored} stored layers, each used {uses} times" if stored > 1 else f"1 stored layer, used {uses} times"
    text = f"inner_group_num = {inner}: {text}" if inner > 1 else text
    ax.text(0.06, row + 0.68, text, va="center", fontsize=9)


def contributions_figure(parts: Mapping[str, Sequence[Any]], cosines: Floats) -> Figure:
    """Draw what each of L steps adds to shared gradients, stacked, and the cosines (L, L) between the contributions.

    parts: name → L contributions of one shape. Each is projected onto the sum of all, in per cent of its length, so
    that a bar's pieces add up to 100; pieces that point against the sum go to the left.
    """
    figure, (bars, angles) = new_figure(6.0, 6.2, 2, 1, height_ratios=[1, 1.2])
    steps = len(cosines)
    colours = [matplotlib.colormaps["cividis"](0.2 + 0.8 * i / max(1, steps - 1)) for i in range(steps)]
    for row, contributions in enumerate(parts.values()):
        total = sum(contributions)
        shares = [100 * float((c * total).sum() / (total * total).sum()) for c in contributions]
        right, left = 0.0, 0.0
        for i, share in enumerate(shares):
            start = right if share >= 0 else left
            bars.barh(row, share, 0.7, left=start, color=colours[i], label=f"{i}" if row == 0 else None)
            if abs(share) > 5:
                middle = start + share / 2
                bars.text(middle, row, f"{share:.0f}", ha="center", va="center", fontsize=9, color=ink(colours[i]))
            right, left = right + max(share, 0), left + min(share, 0)
    bars.axvline(0, color="black", lw=0.8)
    bars.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
    bars.set_yticks(range(len(parts)), list(parts))
    bars.invert_yaxis()
    bars.set_xlabel("share of the shared gradient, % (dashed: the whole)")
    titled(bars, "what each layer step adds")
    plain(bars, grid=None)
    bars.legend(title="step", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9, title_fontsize=9)
    matrix(angles, np.asarray(cosines), "cosine between two steps' contributions", signed=True)
    angles.set(xlabel="step", ylabel="step")
    return figure


def savings_figure(ratios: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw shared as per cent of unshared: a group of bars for each quantity, in it one for each configuration."""
    quantities = list(next(iter(ratios.values())))
    figure, ax = new_figure(6.0, 0.3 * len(ratios) * len(quantities) + 0.9)
    high = 0.8 / len(ratios)
    for i, (name, of) in enumerate(ratios.items()):
        shares = [100 * of[quantity] for quantity in quantities]
        places = np.arange(len(quantities)) + (i - (len(ratios) - 1) / 2) * high
        bars = ax.barh(places, shares, 0.9 * high, color=COLOURS[IN_TURN[i]], label=name)
        ax.bar_label(bars, [f"{share:.0f} %" for share in shares], fontsize=9, padding=3)
    ax.set_yticks(range(len(quantities)), quantities)
    ax.invert_yaxis()
    ax.set(xlim=(0, 112), xticks=(0, 25, 50, 75, 100), xlabel="with sharing, in % of without")
    ax.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
    legend(figure, loc="outside upper center", ncols=len(ratios))
    plain(ax, grid=None)
    return figure
