"""Figures of notebook 07: what the factorised table saves, the lookup's gradient, and what `+=` loses of it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.figures.diagrams import Diagram
from albert_np.plots import COLOURS, legend, matrix, new_figure, plain, sign_before, titled
from albert_np.study import word_embedding_parameters

__all__ = ["embeddings_diagram", "lost_rows_figure", "scatter_figure", "table_sizes_figure"]


def table_sizes_figure(configs: Mapping[str, AlbertConfig]) -> Figure:
    """Draw V·H against V·E + E·H: a pair of bars a configuration, and the last configuration's sizes against E."""
    figure, (bars, curve) = new_figure(6, 6.2, 2, 1)
    for i, config in enumerate(configs.values()):
        sizes = word_embedding_parameters(config)
        pair = (
            (-0.2, sizes["V x H"], "vermillion", "one table, V·H"),
            (0.2, sizes["factorised"], "blue", "two factors, V·E + E·H"),
        )
        for offset, size, colour, label in pair:
            bar = bars.barh(i + offset, size / 1e6, 0.36, color=COLOURS[colour], label=label if i == 0 else None)
            bars.bar_label(bar, [f"{size / 1e6:.2f} M"], fontsize=9, padding=4)
    bars.set_yticks(range(len(configs)), configs)
    bars.invert_yaxis()
    bars.set(xlim=(0, 150), xlabel="millions of numbers")
    titled(bars, "the released sizes")
    legend(bars, fontsize=9, loc="upper right")
    _sizes_against_width(curve, *list(configs.items())[-1])
    plain(bars, curve, grid=None)
    return figure


def _sizes_against_width(ax: Axes, name: str, config: AlbertConfig) -> None:
    V, E, H = config.vocab_size, config.embedding_size, config.hidden_size
    widths = np.arange(1, H + 1)
    even = V * H / (V + H)
    ax.plot(widths, (V + H) * widths / 1e6, color=COLOURS["blue"], lw=2)
    ax.axhline(V * H / 1e6, color=COLOURS["vermillion"], lw=2)
    ax.axvline(even, color=COLOURS["grey"], ls=":", lw=1)
    ax.plot([E], [(V + H) * E / 1e6], "o", color=COLOURS["blue"])
    ax.text(E + 130, (V + H) * E / 1e6, f"ALBERT: E = {E}", va="center", fontsize=9)
    ax.text(60, V * H / 1e6 + 3, "V·H", color=COLOURS["vermillion"], fontsize=9)
    ax.text(0.4 * H, 0.4 * (V + H) * H / 1e6 - 8, "V·E + E·H", color=COLOURS["blue"], fontsize=9)
    ax.text(even - 60, 6, f"equal at E = {even:,.0f}", ha="right", fontsize=9)
    ax.set(xlabel="E", ylabel="millions of numbers", xlim=(0, H * 1.03), ylim=(0, None))
    titled(ax, f"{name}, H = {H:,}")


def embeddings_diagram() -> Figure:
    """Draw (7.7): three tables, their sum, LayerNorm and the projection, and the gradient's way back."""
    diagram = Diagram(6.0, 3.1)
    middle = 1.5
    x, norm = diagram.plus(3.05, middle), diagram.op(4.3, middle, "LayerNorm", width=0.9)
    mapping = diagram.op(5.42, middle, "map", "E → H", width=0.62)
    h = diagram.value(5.42, 0.5, "h", "(B, T, H)")
    for y, ids, table, shape in (
        (2.45, "ids", "words", "(V, E)"),
        (middle, "types", "types", "(2, E)"),
        (0.55, "0 … T−1", "positions", "(512, E)"),
    ):
        start = diagram.value(0.5, y, ids, "(1, T)" if ids == "0 … T−1" else "(B, T)")
        part = diagram.op(2.0, y, table, shape, colour="orange", width=0.95)
        diagram.flow(start, part, gradient=None)
        diagram.flow(part, x, gradient="")
    diagram.write(2.85, 2.25, "scatter-add", "vermillion", ha="left")
    diagram.write(2.85, 0.68, "sum over the batch", "vermillion", ha="left")
    diagram.flow(x, norm, "(B, T, E)", "x̄")
    diagram.flow(norm, mapping)
    diagram.flow(mapping, h, gradient="h̄")
    diagram.key()
    return diagram.figure


def scatter_figure(ids: Ints, dy: Floats, rows: int) -> Figure:
    """Draw dweight = onehotᵀ dy for ids (T,) and dy (T, E): who sends a row of dy where."""
    one_hot = np.eye(rows)[ids]  # (T, V)
    panels = (one_hot.T, dy, one_hot.T @ dy)
    names = ("onehotᵀ  (V, T)", "dy  (T, E)", "dweight  (V, E)")
    figure, axes = new_figure(6, 2.7, 1, 3, width_ratios=[panel.shape[1] for panel in panels])
    for ax, panel, name in zip(axes, panels, names, strict=True):
        matrix(ax, panel, name, signed=name != names[0], digits=0 if name == names[0] else 1)
    axes[0].set(xlabel="place t", ylabel="id v")
    axes[1].set(xlabel="e", yticks=range(len(ids)), yticklabels=[f"{t}: id {v}" for t, v in enumerate(ids)])
    axes[2].set(xlabel="e", ylabel="id v")
    sign_before(axes[1], "×")
    sign_before(axes[2], "=")
    return figure


def lost_rows_figure(counts: Ints, full: Floats, lost: Floats) -> Figure:
    """Draw the length of each row's gradient against how often its id occurs, added up and with `dweight[ids] += dy`.

    counts (V,), full and lost (V, E); ids that do not occur are left out.
    """
    used = counts > 0
    figure, ax = new_figure(6, 3.4)
    for gradient, colour, marker, label in (
        (full, "blue", "o", "every occurrence added"),
        (lost, "vermillion", "x", "dweight[ids] += dy"),
    ):
        lengths = np.linalg.norm(gradient[used], axis=-1)
        ax.plot(counts[used], lengths, marker, color=COLOURS[colour], ms=4, ls="", label=label, alpha=0.7)
    ax.set(
        xscale="log", yscale="log", xlabel="how often the id occurs in the batch", ylabel="length of its gradient row"
    )
    legend(ax, loc="upper left")
    plain(ax)
    return figure
