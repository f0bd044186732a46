"""The way of the data through ALBERT, in the sizes of a configuration."""

from typing import Any

from matplotlib.figure import Figure

from albert_np.config import AlbertConfig
from albert_np.plots.style import arrow, box, new_figure

__all__ = ["architecture_figure"]

ENDS: dict[str, Any] = {"shrinkA": 3, "shrinkB": 3}  # points that an arrow stays away from what it joins


def architecture_figure(config: AlbertConfig) -> Figure:
    """Draw the way of the data through ALBERT: shapes, the shared layer, and the two uses of the tied matrix."""
    E, H, V, L = config.embedding_size, config.hidden_size, config.vocab_size, config.num_hidden_layers
    figure, ax = new_figure(6, 5.2)
    ax.set(xlim=(0, 6), ylim=(0, 5.2))
    ax.axis("off")
    for x, y, width, title, text, colour in (
        (0.1, 4.7, 1.3, "tokens", "[CLS] A [SEP]\nB [SEP]", "grey"),
        (2.1, 4.7, 1.65, "embeddings", f"word {V:,}×{E}\n+ position + type", "sky"),
        (4.6, 4.7, 1.3, "projection", f"{E} → {H}", "sky"),
        (3.85, 2.7, 2.05, "one layer", f"attention, {config.num_attention_heads} heads\nfeed-forward, GELU", "orange"),
        (0.25, 0.5, 2.1, "MLM head", f"{H} → {E} → {V:,}\nwhich word?", "blue"),
        (3.85, 0.5, 2.05, "pooler, SOP head", f"[CLS]: {H} → 2\nin order?", "vermillion"),
    ):
        box(ax, x, y, (width, 0.75), title, text, colour)
    for start, end, shape, place, side in (
        ((1.4, 4.7), (2.1, 4.7), "B×T", (1.75, 4.8), "center"),
        ((3.75, 4.7), (4.6, 4.7), f"B×T×{E}", (4.18, 4.8), "center"),
        ((5.25, 4.3), (5.25, 3.1), f"B×T×{H}", (5.35, 3.75), "left"),
        ((4.1, 2.3), (2.2, 0.9), f"B×T×{H}", (2.95, 1.25), "left"),
        ((4.9, 2.3), (4.9, 0.9), f"B×{H}", (5.0, 1.6), "left"),
    ):
        arrow(ax, start, end, **ENDS)
        ax.text(*place, shape, ha=side, fontsize=9)
    arrow(ax, (4.75, 3.08), (4.1, 3.08), "orange", connectionstyle="arc3,rad=0.9", **ENDS)
    again = f"the same weights\n{L} times: their\ngradient is a sum\nover {L} steps"
    ax.text(3.65, 2.8, again, ha="right", va="center", fontsize=9)
    arrow(ax, (2.4, 4.28), (0.95, 0.92), "blue", arrowstyle="<->", connectionstyle="arc3,rad=0.12", ls="--", **ENDS)
    twice = "one matrix,\nused twice:\nits gradient has\ntwo paths"
    ax.text(1.1, 2.8, twice, ha="right", va="center", fontsize=9)
    return figure
