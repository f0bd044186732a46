"""Figures of notebook 11: who uses which weights, what each use adds to the gradient, and what sharing saves."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from albert_np.config import AlbertConfig
from albert_np.plots import COLOURS
from albert_np.plots.showing import matrix

__all__ = ["contributions_figure", "groups_figure", "savings_figure"]

_IN_TURN = ("blue", "orange", "green", "vermillion", "purple", "sky")


def groups_figure(configs: Sequence[AlbertConfig]) -> Figure:
    """Draw a line of boxes for each configuration: the layer steps, in the colours and numbers of their groups.

    configs: of one number of layers, with at most six groups.
    """
    layers = configs[0].num_hidden_layers
    figure = Figure(figsize=(0.62 * layers + 4.0, 0.72 * len(configs) + 0.7), layout="constrained")
    ax = figure.subplots()
    for row, config in enumerate(configs):
        _steps(ax, row, config)
    for i in range(layers):
        ax.text(i + 0.5, -0.18, f"{i}", ha="center", fontsize=8, color=COLOURS["grey"])
    ax.text(-0.2, -0.18, "step i", ha="right", fontsize=8, color=COLOURS["grey"])
    ax.set(xlim=(-2.6, layers + 4.0), ylim=(len(configs), -0.5))
    ax.axis("off")
    return figure


def _steps(ax: Axes, row: int, config: AlbertConfig) -> None:
    inner, groups, layers = config.inner_group_num, config.num_hidden_groups, config.num_hidden_layers
    for i, j in [(i, j) for i in range(layers) for j in range(inner)]:
        group = config.group_of(i)
        colour = COLOURS[_IN_TURN[group]]
        width = 0.88 / inner
        box = Rectangle((i + 0.06 + j * width, row), width, 0.72, fc=colour + "40", ec=colour, lw=1.5)
        ax.add_patch(box)
        label = f"{group}" if inner == 1 else f"{group}{'abcdef'[j]}"
        ax.text(i + 0.06 + (j + 0.5) * width, row + 0.36, label, ha="center", va="center", fontsize=9)
    name = f"G = {groups}" + (f", inner = {inner}" if inner > 1 else "")
    ax.text(-0.2, row + 0.36, name, ha="right", va="center", fontsize=9)
    stored, uses = groups * inner, layers // groups
    text = f"{stored} stored layers, each used {uses} times" if stored > 1 else f"1 stored layer, used {uses} times"
    ax.text(layers + 0.2, row + 0.36, text, va="center", fontsize=9)


def contributions_figure(parts: Mapping[str, Sequence[Any]], cosines: Any) -> Figure:
    """Draw what each of L steps adds to shared gradients, stacked, and the cosines (L, L) between the contributions.

    parts: name → L contributions of one shape. Each is projected onto the sum of all, in per cent of its length, so
    that a bar's pieces add up to 100; pieces that point against the sum go to the left.
    """
    figure = Figure(figsize=(10.5, 3.7), layout="constrained")
    bars, angles = figure.subplots(1, 2, width_ratios=[1.7, 1])
    steps = len(cosines)
    colours = [matplotlib.colormaps["cividis"](i / max(1, steps - 1)) for i in range(steps)]
    for row, contributions in enumerate(parts.values()):
        total = sum(contributions)
        shares = [100 * float((c * total).sum() / (total * total).sum()) for c in contributions]
        right, left = 0.0, 0.0
        for i, share in enumerate(shares):
            start = right if share >= 0 else left
            bars.barh(row, share, 0.7, left=start, color=colours[i], ec="white", label=f"{i}" if row == 0 else None)
            if abs(share) > 5:
                ink = "white" if i < steps / 2 else "black"
                bars.text(start + share / 2, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color=ink)
            right, left = right + max(share, 0), left + min(share, 0)
    bars.axvline(0, color="black", lw=0.8)
    bars.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
    bars.set_yticks(range(len(parts)), list(parts))
    bars.invert_yaxis()
    bars.set_xlabel("share of the shared gradient, % (dashed: the whole)")
    bars.set_title("what each layer step adds", loc="left", fontsize=10)
    bars.spines[["top", "right"]].set_visible(False)
    figure.legend(title="step", loc="outside left center", frameon=False, fontsize=8, title_fontsize=8)
    matrix(angles, np.asarray(cosines), "cosine between two steps' contributions", signed=True)
    angles.set(xlabel="step", ylabel="step")
    return figure


def savings_figure(ratios: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw shared as per cent of unshared: a panel for each configuration, a bar for each quantity."""
    figure = Figure(figsize=(10, 2.5), layout="constrained")
    axes = figure.subplots(1, len(ratios), sharey=True, squeeze=False)[0]
    for ax, (name, quantities) in zip(axes, ratios.items(), strict=True):
        for row, ratio in enumerate(quantities.values()):
            colour = COLOURS["blue" if ratio < 0.99 else "vermillion"]
            ax.barh(row, 100 * ratio, 0.6, color=colour)
            ax.text(100 * ratio + 2, row, f"{100 * ratio:.0f} %", va="center", fontsize=9)
        ax.set_yticks(range(len(quantities)), list(quantities))
        ax.set(xlim=(0, 125), xticks=(0, 50, 100), xlabel="shared, in % of unshared")
        ax.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
        ax.set_title(name, loc="left", fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    return figure
