"""Figures of notebook 11: who uses which weights, what each use adds to the gradient, and what sharing saves."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.config import AlbertConfig
from albert_np.plots import COLOURS, IN_TURN, ink, matrix, new_figure, plain, tile, titled

__all__ = ["contributions_figure", "groups_figure", "savings_figure"]


def groups_figure(configs: Sequence[AlbertConfig]) -> Figure:
    """Draw a line of boxes for each configuration: the layer steps, in the colours and numbers of their groups.

    configs: of one number of layers, with at most six groups.
    """
    layers = configs[0].num_hidden_layers
    figure, ax = new_figure(0.62 * layers + 4.0, 0.72 * len(configs) + 0.7)
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
        width = 0.88 / inner
        label = f"{group}" if inner == 1 else f"{group}{'abcdef'[j]}"
        tile(ax, i + 0.06 + j * width, row, width, 0.72, label, IN_TURN[group])
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
    figure, (bars, angles) = new_figure(10.5, 3.7, 1, 2, width_ratios=[1.7, 1])
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
                middle = start + share / 2
                bars.text(middle, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color=ink(colours[i]))
            right, left = right + max(share, 0), left + min(share, 0)
    bars.axvline(0, color="black", lw=0.8)
    bars.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
    bars.set_yticks(range(len(parts)), list(parts))
    bars.invert_yaxis()
    bars.set_xlabel("share of the shared gradient, % (dashed: the whole)")
    titled(bars, "what each layer step adds")
    plain(bars, grid=None)
    figure.legend(title="step", loc="outside left center", frameon=False, fontsize=8, title_fontsize=8)
    matrix(angles, np.asarray(cosines), "cosine between two steps' contributions", signed=True)
    angles.set(xlabel="step", ylabel="step")
    return figure


def savings_figure(ratios: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw shared as per cent of unshared: a panel for each configuration, a bar for each quantity."""
    figure, axes = new_figure(10, 2.5, 1, len(ratios), sharey=True, squeeze=False)
    for ax, (name, quantities) in zip(axes[0], ratios.items(), strict=True):
        shares = [100 * ratio for ratio in quantities.values()]
        colours = [COLOURS["blue" if share < 99 else "vermillion"] for share in shares]
        bars = ax.barh(list(quantities), shares, 0.6, color=colours)
        ax.bar_label(bars, [f"{share:.0f} %" for share in shares], fontsize=9, padding=3)
        ax.set(xlim=(0, 125), xticks=(0, 50, 100), xlabel="shared, in % of unshared")
        ax.axvline(100, color=COLOURS["grey"], ls="--", lw=1)
        titled(ax, name)
        plain(ax, grid=None)
    axes[0, 0].invert_yaxis()
    return figure
