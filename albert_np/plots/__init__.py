"""Figures in Okabe-Ito colours: their style, the shapes that they share, and those that commands draw.

A function returns a Matplotlib figure that belongs to no window, so it works without a screen; `save` writes it.
"""

from albert_np.plots.architecture import architecture_figure
from albert_np.plots.commands import (
    benchmark_figure,
    learning_figure,
    loss_figure,
    profile_figure,
    run_curve,
    series,
)
from albert_np.plots.showing import save, show
from albert_np.plots.style import (
    COLOURS,
    DARK,
    IN_TURN,
    INK,
    arrow,
    baseline,
    box,
    ink,
    legend,
    matrix,
    new_figure,
    pale,
    plain,
    sign_before,
    tile,
    titled,
    write_cells,
)

__all__ = [
    "COLOURS",
    "DARK",
    "INK",
    "IN_TURN",
    "architecture_figure",
    "arrow",
    "baseline",
    "benchmark_figure",
    "box",
    "ink",
    "learning_figure",
    "legend",
    "loss_figure",
    "matrix",
    "new_figure",
    "pale",
    "plain",
    "profile_figure",
    "run_curve",
    "save",
    "series",
    "show",
    "sign_before",
    "tile",
    "titled",
    "write_cells",
]
